/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crc32.c - see crc32.h
 *
 * Four bits at a time with a table made on the spot: small, and start-up reads only some 32 KiB.
 */
#include "crc32.h"

static uint32_t nibble_step(uint32_t crc)
{
    for (int bit = 0; bit < 4; bit++)
        crc = crc >> 1 ^ (crc & 1u ? 0xedb88320u : 0u);
    return crc;
}

uint32_t crc32_add(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint32_t table[16];

    for (uint32_t i = 0; i < 16; i++)
        table[i] = nibble_step(i);

    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ table[crc & 15u];
        crc = crc >> 4 ^ table[crc & 15u];
    }
    return ~crc;
}
