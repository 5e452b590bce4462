/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libwords.c - what the VM's file says to a bare payload: `extra`, which the device tree has as bootargs
 *
 * Numbers are those of the Devicetree Specification 0.4, chapter 5.
 */
#include "tiny.h"

enum { BEGIN_NODE = 1, END_NODE = 2, PROPERTY = 3, NOP = 4 };
enum { AT_STRUCTURE = 8, AT_STRINGS = 12 };

uint64_t tiny_dtb;

static uint32_t big32(uint64_t address)
{
    return __builtin_bswap32(*(const volatile uint32_t *)address);
}

/* Does the text at `text` begin with `word`?  Where it goes on, or NULL. */
static const char *begins(const char *text, const char *word)
{
    for (; *word != '\0'; word++, text++)
        if (*text != *word)
            return NULL;
    return text;
}

static const char *bootargs(void)
{
    uint64_t at = tiny_dtb + big32(tiny_dtb + AT_STRUCTURE);
    const char *strings = (const char *)tiny_dtb + big32(tiny_dtb + AT_STRINGS);

    for (;;) {
        uint32_t token = big32(at);

        at += 4;
        if (token == BEGIN_NODE) {
            while (*(const volatile char *)at != '\0')
                at++;
            at = (at + 4) & ~3ul;
        } else if (token == PROPERTY) {
            const char *name = begins(strings + big32(at + 4), "bootargs");

            if (name && *name == '\0')
                return (const char *)at + 8;
            at += 8 + ((big32(at) + 3) & ~3u);
        } else if (token != END_NODE && token != NOP) {
            return "";
        }
    }
}

const char *word_after(const char *key)
{
    const char *text = bootargs();

    while (*text != '\0') {
        const char *rest = begins(text, key);

        if (rest)
            return rest;
        while (*text != '\0' && *text++ != ' ')
            ;
    }
    return NULL;
}

static uint32_t digit(char c)
{
    return c >= '0' && c <= '9' ? (uint32_t)(c - '0') : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10 : 16;
}

uint64_t word_number(const char *key, uint64_t otherwise)
{
    const char *text = word_after(key);
    uint64_t value = 0;

    if (!text)
        return otherwise;
    for (; digit(*text) < 10; text++)
        value = value * 10 + digit(*text);
    return value;
}

void word_mac(const char *key, uint8_t mac[6])
{
    const char *text = word_after(key);

    for (uint32_t i = 0; text && i < 6; i++, text += 3) {
        if (digit(text[0]) > 15 || digit(text[1]) > 15)
            return;
        mac[i] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
    }
}
