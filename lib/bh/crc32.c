/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crc32.c - see crc32.h
 *
 * Four bits at a time, with a table of 16 words: small, and nobody has much to check.
 */
#include "crc32.h"

#define BIT_STEP(crc) ((crc) >> 1 ^ ((crc)&1u ? 0xedb88320u : 0u))
#define NIBBLE_STEP(crc) BIT_STEP(BIT_STEP(BIT_STEP(BIT_STEP(crc))))
#define FOUR(i) NIBBLE_STEP(i), NIBBLE_STEP((i) + 1u), NIBBLE_STEP((i) + 2u), NIBBLE_STEP((i) + 3u)

static const uint32_t table[16] = {FOUR(0u), FOUR(4u), FOUR(8u), FOUR(12u)};

uint32_t crc32_add(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ table[crc & 15u];
        crc = crc >> 4 ^ table[crc & 15u];
    }
    return ~crc;
}
