/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * print.c - values as people read them
 */
#define _GNU_SOURCE
#include "print.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SECOND 1000000u

void uuid_print(char out[UUID_TEXT_BYTES], const uint8_t uuid[16])
{
    size_t at = 0;

    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        at += (size_t)snprintf(out + at, UUID_TEXT_BYTES - at, "%02x", uuid[i]);
    }
}

void time_print(char out[TIME_TEXT_BYTES], uint64_t microseconds)
{
    uint64_t seconds = microseconds / SECOND, days = seconds / 86400;
    unsigned rest = (unsigned)(seconds % 86400);
    char day_text[TIME_TEXT_BYTES] = "";

    if (days)
        snprintf(day_text, sizeof(day_text), "%u day%s, ", (unsigned)days, days == 1 ? "" : "s");
    snprintf(out, TIME_TEXT_BYTES, "%.13s%u:%02u:%02u", day_text, rest / 3600, rest / 60 % 60, rest % 60);
}

void mac_print(char out[MAC_TEXT_BYTES], const uint8_t mac[6])
{
    snprintf(out, MAC_TEXT_BYTES, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5]);
}

void line_print(const char *key, const char *format, ...)
{
    va_list args;

    printf("%-23s: ", key);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void text_print(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];

        putchar((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ? '?' : c);
    }
}
