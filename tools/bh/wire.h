/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.h - the machine's last words, taken out of what its serial line says
 *
 * A machine that ends for a reason writes ESC ] bh;exit=N;TEXT BEL.  What is not such a sequence, whole and
 * well-formed, passes unchanged: a guest's own escape sequences included.
 */
#ifndef BH_WIRE_H
#define BH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_SEQUENCE_MAX 512u

struct wire {
    char held[WIRE_SEQUENCE_MAX]; /* the start of what may become a sequence */
    size_t held_bytes;
    bool ended; /* a sequence was seen */
    int status;
    char text[WIRE_SEQUENCE_MAX];
};

/* Filter `count` bytes of `in` into `out`, which has room for count + WIRE_SEQUENCE_MAX; returns how many
 * came out. */
size_t wire_filter(struct wire *wire, const char *in, size_t count, char *out);

/* What is still held when the line has ended. */
size_t wire_flush(struct wire *wire, char *out);

#endif
