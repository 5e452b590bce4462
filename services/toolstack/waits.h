/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * waits.h - which requests had to wait for something else, and for what
 *
 * The toolstack does one thing at a time.  What lies in the ring of requests when a piece of work is over has
 * waited for it; positions are the ring's, which run freely.
 */
#ifndef TOOLSTACK_WAITS_H
#define TOOLSTACK_WAITS_H

#include <stdint.h>

#define WAITS_TEXT_BYTES 80u
#define WAITS_LEAST_MS 20u /* shorter ones are nobody's business */

struct waits {
    uint32_t up_to;              /* requests before this position waited ... */
    char text[WAITS_TEXT_BYTES]; /* ... as this says; "": nobody did */
};

/* Work that took `ms` is over; `held` bytes of requests lie in the ring from position `taken` on. */
void waits_note(struct waits *waits, uint32_t taken, uint32_t held, uint64_t ms, const char *work,
                const char *vm);
/* What the request at this position waited for, in words ("" if it did not); `text` has WAITS_TEXT_BYTES. */
void waits_of(struct waits *waits, uint32_t position, char *text);

#endif
