/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keys.h - which keys an xl.cfg assigns, and on which lines
 *
 * libxlutil reads the values but cannot be asked what else is in a file; an option that would be ignored in
 * silence is worse than one that is refused.
 */
#ifndef BH_KEYS_H
#define BH_KEYS_H

#include <stddef.h>
#include <stdint.h>

#define KEY_BYTES_MAX 48u

struct key {
    char name[KEY_BYTES_MAX]; /* cut when longer */
    uint32_t line;            /* from 1 */
};

/* Find the next assignment in `text` (a string) from *at on, which is moved behind it; 0 at the end.
 * The text must be one that libxlutil has accepted. *line counts along; start both at {text, 1}. */
int keys_next(const char **at, uint32_t *line, struct key *key);

/* The line of the last assignment to `name`, or 0. */
uint32_t keys_line(const char *text, const char *name);

#endif
