/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text.c - what people and VMs wrote: command lines, options, reasons
 */
#include "text.h"

#include <stdbool.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

uint32_t text_words(char *line, char *words[WORDS_MAX])
{
    uint32_t count = 0;

    for (char *at = line;;) {
        while (is_blank(*at))
            *at++ = 0;
        if (*at == 0)
            return count;
        if (count < WORDS_MAX)
            words[count] = at;
        count++;
        while (*at != 0 && !is_blank(*at))
            at++;
    }
}

void text_option(const char *options, const char *key, char *value, size_t size)
{
    size_t key_length = strlen(key), count = 0;
    const char *at = options;

    value[0] = 0;
    while (*at != 0) {
        size_t length = strcspn(at, " \t");

        if (length > key_length && strncmp(at, key, key_length) == 0 && at[key_length] == '=') {
            count = length - key_length - 1;
            if (count > size - 1)
                count = size - 1;
            memcpy(value, at + key_length + 1, count);
            value[count] = 0;
            return;
        }
        at += length;
        at += strspn(at, " \t");
    }
}

void text_clean(char *out, size_t size, const char *in)
{
    size_t length = strlen(in);

    while (length > 0 && strchr(" \t\r\n", in[length - 1]))
        length--;
    if (length > size - 1)
        length = size - 1;
    for (size_t i = 0; i < length; i++)
        out[i] = in[i] >= 0x20 && in[i] < 0x7f ? in[i] : '?';
    out[length] = 0;
}
