/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fail.c - the tool's one way to say no
 */
#define _GNU_SOURCE
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void say(const char *format, va_list args)
{
    fputs("bh: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void complain(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
}

void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
    exit(EXIT_REFUSED);
}

void fail_usage(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
    fputs("bh: 'bh --help' shows what can be said\n", stderr);
    exit(EXIT_USAGE);
}

void *must_alloc(unsigned long bytes)
{
    void *memory = calloc(1, bytes ? bytes : 1);

    if (!memory)
        fail("out of memory (%lu bytes)", bytes);
    return memory;
}

char *must_print(const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        fail("out of memory");
    va_end(args);
    return text;
}
