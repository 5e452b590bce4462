/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dmesg.c - the machine's log: the kernel's lines and the services', oldest lost first
 *
 * Always true:  bytes [end - DMESG_BYTES, end) are there; they hold whole lines, but the first may have been
 * cut by what came later; no line is longer than DMESG_LINE_BYTES.
 */
#include "dmesg.h"

#include <stdio.h>
#include <string.h>

static void dmesg_put(struct dmesg *log, const char *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        log->bytes[log->end++ % DMESG_BYTES] = bytes[i];
}

static char printable(char c)
{
    if (c == '\t')
        return ' ';
    return c >= 0x20 && c < 0x7f ? c : '?';
}

void dmesg_add(struct dmesg *log, const char *name, const char *text)
{
    char line[DMESG_LINE_BYTES];
    int length = snprintf(line, sizeof line - 1, "%s: %s", name, text);
    uint32_t count = length < 0 ? 0 : (uint32_t)length;

    if (count > sizeof line - 2)
        count = sizeof line - 2;
    while (count > 0 && (line[count - 1] == '\n' || line[count - 1] == '\r'))
        count--;
    for (uint32_t i = 0; i < count; i++)
        line[i] = printable(line[i]);
    line[count++] = '\n';
    dmesg_put(log, line, count);
}

void dmesg_add_kernel(struct dmesg *log, const char *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (bytes[i] == '\r')
            continue;
        if (bytes[i] != '\n' && log->kernel_count < DMESG_LINE_BYTES - 1)
            log->kernel_line[log->kernel_count++] = printable(bytes[i]);
        if (bytes[i] != '\n')
            continue;
        log->kernel_line[log->kernel_count++] = '\n';
        dmesg_put(log, log->kernel_line, log->kernel_count);
        log->kernel_count = 0;
    }
}

/* Where reading can begin when `position` is asked for: after the first newline, if its beginning was lost.
 */
static uint64_t dmesg_oldest(const struct dmesg *log, uint64_t position)
{
    uint64_t oldest = log->end > DMESG_BYTES ? log->end - DMESG_BYTES : 0;

    if (position > log->end)
        return log->end;
    if (position >= oldest)
        return position;
    while (oldest < log->end && log->bytes[oldest % DMESG_BYTES] != '\n')
        oldest++;
    return oldest < log->end ? oldest + 1 : oldest;
}

uint32_t dmesg_next(const struct dmesg *log, uint64_t *position, char *out)
{
    uint32_t count = 0;

    *position = dmesg_oldest(log, *position);
    while (*position < log->end && count < DMESG_LINE_BYTES) {
        char c = log->bytes[(*position)++ % DMESG_BYTES];

        out[count++] = c;
        if (c == '\n')
            break;
    }
    return count;
}
