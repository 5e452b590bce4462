/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * say.h - for programs that tests put in a service's place: what they found, piece by piece
 */
#ifndef TESTS_SAY_H
#define TESTS_SAY_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Append to the report, as far as it goes. */
static void say_into(char *report, size_t report_bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void say_into(char *report, size_t report_bytes, const char *format, ...)
{
    size_t used = strlen(report);
    va_list args;

    va_start(args, format);
    vsnprintf(report + used, report_bytes - used, format, args);
    va_end(args);
}

#endif
