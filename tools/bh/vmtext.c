/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmtext.c - see vmtext.h
 */
#define _GNU_SOURCE
#include "vmtext.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "options.h"
#include "xlkeys.h"

#define REFUSED_MAX 64u /* keys of one file: more are not listed */

uint32_t line_of(const struct reader *r, const char *key)
{
    return keys_line((const char *)r->text.bytes, key);
}

const char *vm_where(const struct vm *vm, uint32_t line)
{
    return line > vm->file_lines ? "command line" : must_print("%s:%u", vm->path, line);
}

/* What libxlutil reported: "PATH:LINE: text".  Where it trips over a line's end it has not counted that line
 * yet. */
static _Noreturn void fail_reported(struct reader *r)
{
    size_t path_bytes = strlen(r->vm->path);
    unsigned long line;
    char *rest;

    fflush(r->report);
    r->report_text[strcspn(r->report_text, "\n")] = '\0';
    if (strncmp(r->report_text, r->vm->path, path_bytes) || r->report_text[path_bytes] != ':')
        fail("%s", r->report_text);
    line = strtoul(r->report_text + path_bytes + 1, &rest, 10);
    if (strstr(rest, "near <newline>"))
        line++;
    fail("%s%s", vm_where(r->vm, (uint32_t)line), rest);
}

/* Behind `text`; `text` may move. */
static void text_append(struct file *text, const char *more)
{
    size_t bytes = strlen(more);

    text->bytes = realloc(text->bytes, text->size_bytes + bytes + 1);
    if (!text->bytes)
        fail("out of memory");
    memcpy(text->bytes + text->size_bytes, more, bytes + 1);
    text->size_bytes += bytes;
}

/* Whether xl's grammar takes a value as it is: quoted, a list, a number (behind which more may follow). */
static bool is_literal(const char *value)
{
    const char *behind = value + strspn(value, "0123456789");

    return strchr("'\"[", *value) || (behind > value && (!*behind || strchr("; ", *behind)));
}

/* KEY=VALUE as a line of a file. */
static void assignment_append(struct file *text, const char *assignment)
{
    size_t key_bytes = strcspn(assignment, "=");
    const char *value = assignment + key_bytes + 1;
    char *line;

    if (!assignment[key_bytes] || !key_bytes || !*value)
        fail_usage("'%s': KEY=VALUE is needed", assignment);
    if (strpbrk(assignment, "\n") || (!is_literal(value) && strpbrk(value, "'\"\\")))
        fail_usage("'%s': a value with quotes or line ends in it has to stand in quotes itself", assignment);
    if (is_literal(value))
        line = must_print("%s\n", assignment);
    else
        line = must_print("%.*s=\"%s\"\n", (int)key_bytes, assignment, value);
    text_append(text, line);
    free(line);
}

static uint32_t line_count(const struct file *text)
{
    uint32_t lines = 0;

    for (uint64_t i = 0; i < text->size_bytes; i++)
        lines += text->bytes[i] == '\n';
    return lines;
}

void reader_open(struct reader *r, const char *path, char *const *assignments, unsigned count)
{
    if (path)
        r->text = file_read(NULL, path);
    if (path && memchr(r->text.bytes, '\0', r->text.size_bytes))
        fail("%s: this is not a text file", path);
    text_append(&r->text, "\n");
    r->vm->file_lines = path ? line_count(&r->text) : 0;
    for (unsigned i = 0; i < count; i++)
        assignment_append(&r->text, assignments[i]);
    r->report = open_memstream(&r->report_text, &r->report_bytes);
    r->xlu = r->report ? xlu_cfg_init(r->report, r->vm->path) : NULL;
    if (!r->xlu)
        fail("out of memory");
    if (r->text.size_bytes > INT_MAX)
        fail("%s: this is not a text file", r->vm->path);
    if (xlu_cfg_readdata(r->xlu, (const char *)r->text.bytes, (int)r->text.size_bytes))
        fail_reported(r);
}

void reader_close(struct reader *r)
{
    xlu_cfg_destroy(r->xlu);
    fclose(r->report);
    free(r->report_text);
    free(r->text.bytes);
    free(r->text.path);
}

void reader_judge_keys(const struct reader *r)
{
    const char *at = (const char *)r->text.bytes;
    char *refused[REFUSED_MAX], *why;
    uint32_t line = 1, count = 0;
    struct key key;

    while (count < REFUSED_MAX && keys_next(&at, &line, &key)) {
        why = xlkey_judge(r->xlu, key.name);
        if (!why)
            continue;
        refused[count++] = must_print("%s: %s: %s", vm_where(r->vm, key.line), key.name, why);
        free(why);
    }
    if (count)
        fail_each(refused, count);
}

const char *read_string(struct reader *r, const char *key)
{
    const char *value;
    int error = xlu_cfg_get_string(r->xlu, key, &value, 1);

    if (error == EINVAL)
        fail_at(r, key, "a single value is needed, not a list");
    return error ? NULL : value;
}

void read_text(struct reader *r, const char *key, char *out, size_t bytes)
{
    const char *value = read_string(r, key);

    if (value && strlen(value) >= bytes)
        fail_at(r, key, "longer than %zu characters", bytes - 1);
    snprintf(out, bytes, "%s", value ? value : "");
}

uint64_t read_number(struct reader *r, const char *key, uint64_t min, uint64_t max, uint64_t otherwise)
{
    const char *text = read_string(r, key);
    uint64_t value;

    if (!text)
        return otherwise;
    /* Plain numbers only: xl.cfg has no unit letters. */
    if (text[strspn(text, "0123456789")] || !size_parse(text, &value) || value < min || value > max)
        fail_at(r, key, "'%s' is not a number from %llu to %llu", text, (unsigned long long)min,
                (unsigned long long)max);
    return value;
}
