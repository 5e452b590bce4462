/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keys.c - which keys an xl.cfg assigns, and on which lines
 *
 * Only as much of the grammar as that needs: a name at the start of a statement; statements end at a newline
 * or `;` outside of brackets and quotes.
 */
#include "keys.h"

#include <ctype.h>
#include <string.h>

static int is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Behind the string that starts with the quote at `p`. */
static const char *skip_string(const char *p, uint32_t *line)
{
    char quote = *p++;

    while (*p && *p != quote) {
        if (*p == '\\' && p[1])
            p++;
        if (*p == '\n')
            ++*line;
        p++;
    }
    return *p ? p + 1 : p;
}

static const char *skip_comment(const char *p)
{
    return p + strcspn(p, "\n");
}

/* Behind the statement that `p` is in. */
static const char *skip_statement(const char *p, uint32_t *line)
{
    uint32_t depth = 0;

    while (*p) {
        if (*p == '\'' || *p == '"') {
            p = skip_string(p, line);
            continue;
        }
        if (*p == '#') {
            p = skip_comment(p);
            continue;
        }
        if (*p == '[')
            depth++;
        if (*p == ']' && depth)
            depth--;
        if (!depth && (*p == '\n' || *p == ';'))
            return p;
        if (*p == '\n')
            ++*line;
        p++;
    }
    return p;
}

static const char *skip_blanks(const char *p, uint32_t *line)
{
    for (;;) {
        if (*p == '#')
            p = skip_comment(p);
        if (*p == '\n')
            ++*line;
        if (!*p || !strchr(" \t\r\n;", *p))
            return p;
        p++;
    }
}

int keys_next(const char **at, uint32_t *line, struct key *key)
{
    const char *p = skip_blanks(*at, line);
    size_t length = 0;

    if (!*p) {
        *at = p;
        return 0;
    }
    key->line = *line;
    while (is_name_char(*p)) {
        if (length < KEY_BYTES_MAX - 1)
            key->name[length++] = *p;
        p++;
    }
    key->name[length] = '\0';
    *at = skip_statement(p, line);
    return 1;
}

uint32_t keys_line(const char *text, const char *name)
{
    uint32_t line = 1, found = 0;
    struct key key;

    while (keys_next(&text, &line, &key))
        if (!strcmp(key.name, name))
            found = key.line;
    return found;
}
