/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dmesg.h - the machine's log: the kernel's lines and the services', oldest lost first
 */
#ifndef CONSOLE_DMESG_H
#define CONSOLE_DMESG_H

#include <stdint.h>

#define DMESG_BYTES 32768u
#define DMESG_LINE_BYTES 288u /* the longest line with its newline; longer ones are cut */

struct dmesg {
    uint64_t end; /* bytes ever written; a position in the log is one of these */
    uint32_t kernel_count;
    char kernel_line[DMESG_LINE_BYTES]; /* of the kernel's log, not ended yet */
    char bytes[DMESG_BYTES];
};

/* One line of a service.  Control and non-ASCII characters become `?`: a log cannot steer a terminal. */
void dmesg_add(struct dmesg *log, const char *name, const char *text);

/* More bytes of the kernel's log, which come in any pieces. */
void dmesg_add_kernel(struct dmesg *log, const char *bytes, uint32_t count);

/*
 * The next line (with its newline) at or after *position, which moves on; 0 at the end.  A position that was
 * lost already continues with the oldest whole line.  `out` holds DMESG_LINE_BYTES.
 */
uint32_t dmesg_next(const struct dmesg *log, uint64_t *position, char *out);

#endif
