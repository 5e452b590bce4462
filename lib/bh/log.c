/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.c - one line of log, to the console domain
 *
 * Goes through the same stub as every other request.  A console that is down or busy costs us at most the
 * deadline, and the line.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "console_rpc.h"

#define LOG_DEADLINE_MS 100u

_Static_assert(sizeof(((bh_LogRequest *)0)->text) == LOG_LINE_MAX, "a line fits the request exactly");

__attribute__((weak)) void bh_log_line(const char *line)
{
    bh_LogRequest request = bh_LogRequest_init_zero;
    bh_ConsoleStatus reply;

    strncpy(request.text, line, sizeof(request.text) - 1);
    if (console_rpc_log(SLOT_LOG, &request, &reply, NULL, bh_after_ms(LOG_DEADLINE_MS)) != OK)
        return; /* there is nobody to tell */
}

void bh_log_args(const char *format, va_list args)
{
    char line[LOG_LINE_MAX];

    vsnprintf(line, sizeof(line), format, args);
    bh_log_line(line);
}

void bh_log(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    bh_log_args(format, args);
    va_end(args);
}
