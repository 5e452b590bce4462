/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fail.c - the tool's one way to say no
 */
#define _GNU_SOURCE
#include "fail.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "json.h"

static bool says_json;

/* What a machine said may be in it: a terminal gets no control characters. */
static void say(const char *format, va_list args)
{
    char *text;

    if (vasprintf(&text, format, args) < 0)
        exit(EXIT_REFUSED);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = *c == '\n' ? ' ' : '?';
    fprintf(stderr, "bh: %s\n", text);
    free(text);
}

void fail_in_json(void)
{
    says_json = true;
}

static void say_error(const char *word, const char *format, va_list args)
{
    struct json json;
    char *text;

    if (!says_json) {
        say(format, args);
        return;
    }
    if (vasprintf(&text, format, args) < 0)
        exit(EXIT_REFUSED);
    json_start_line(&json, stderr);
    json_object(&json, NULL);
    json_object(&json, "error");
    json_text(&json, "status", word);
    json_text(&json, "text", text);
    json_object_end(&json);
    json_object_end(&json);
    json_finish(&json);
    free(text);
}

void complain(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_error("ended", format, args);
    va_end(args);
}

void complain_as(const char *word, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_error(word, format, args);
    va_end(args);
}

void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_error("refused", format, args);
    va_end(args);
    exit(EXIT_REFUSED);
}

static void say_line(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_error("refused", format, args);
    va_end(args);
}

/* As JSON it is one answer. */
void fail_each(char *const *texts, unsigned count)
{
    char *all = must_print("%s", texts[0]);

    for (unsigned i = 1; says_json && i < count; i++)
        all = must_print("%s\n%s", all, texts[i]);
    say_line("%s", all);
    for (unsigned i = 1; !says_json && i < count; i++)
        say_line("%s", texts[i]);
    exit(EXIT_REFUSED);
}

void fail_as(int exit_status, const char *word, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_error(word, format, args);
    va_end(args);
    exit(exit_status);
}

void fail_usage(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_error("usage", format, args);
    va_end(args);
    if (!says_json)
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
