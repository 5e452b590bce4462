/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hash.h - FNV-1a, 64 bits: for what has to be the same each time, not for what has to resist anybody
 */
#ifndef BH_HASH_H
#define BH_HASH_H

#include <stdint.h>

static inline uint64_t hash_byte(uint64_t hash, uint8_t byte)
{
    return (hash ^ byte) * 1099511628211ull;
}

/* With another salt, another hash of the same. */
static inline uint64_t hash_start(uint32_t salt)
{
    uint64_t hash = 14695981039346656037ull;

    return salt ? hash_byte(hash, (uint8_t)salt) : hash;
}

/* With its end, so that "ab","c" is not "a","bc". */
static inline uint64_t hash_text(uint64_t hash, const char *text)
{
    do
        hash = hash_byte(hash, (uint8_t)*text);
    while (*text++);
    return hash;
}

#endif
