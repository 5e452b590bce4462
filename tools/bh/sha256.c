/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sha256.c - SHA-256 (FIPS 180-4)
 *
 * Its constants are computed as 4.2.2 and 5.3.3 say: the first 32 bits of the fractional parts of the cube
 * and square roots of the first primes.
 */
#include "sha256.h"

#include <stdbool.h>
#include <string.h>

#define ROUNDS 64u
#define BLOCK_BYTES 64u
#define WORDS 8u

static uint32_t round_constants[ROUNDS], first_hash[WORDS];

static bool is_prime(uint32_t n)
{
    for (uint32_t d = 2; d * d <= n; d++)
        if (n % d == 0)
            return false;
    return true;
}

/* The fractional part of n's root, in 32 bits: the largest x with x^power <= n * 2^(32 * power), less its
 * whole part. */
static uint32_t root_fraction(uint32_t n, unsigned power)
{
    uint64_t x = 0;

    for (uint64_t bit = 1ull << 36; bit; bit >>= 1) {
        __extension__ typedef unsigned __int128 wide;
        uint64_t y = x | bit;
        wide square = (wide)y * y;

        /* y^3 <= n * 2^96 as y^2 <= n * 2^96 / y, so that it fits 128 bits */
        if (power == 2 ? square <= (wide)n << 64 : square <= ((wide)n << 96) / y)
            x = y;
    }
    return (uint32_t)x;
}

static void constants_make(void)
{
    uint32_t found = 0;

    for (uint32_t n = 2; found < ROUNDS; n++) {
        if (!is_prime(n))
            continue;
        if (found < WORDS)
            first_hash[found] = root_fraction(n, 2);
        round_constants[found++] = root_fraction(n, 3);
    }
}

static uint32_t rotated(uint32_t x, unsigned bits)
{
    return x >> bits | x << (32 - bits);
}

static uint32_t word_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* 6.2.2, step 1 */
static void schedule_make(uint32_t w[ROUNDS], const uint8_t *block)
{
    for (unsigned t = 0; t < 16; t++)
        w[t] = word_at(block + 4 * t);
    for (unsigned t = 16; t < ROUNDS; t++) {
        uint32_t s0 = rotated(w[t - 15], 7) ^ rotated(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t s1 = rotated(w[t - 2], 17) ^ rotated(w[t - 2], 19) ^ w[t - 2] >> 10;

        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }
}

/* 6.2.2, steps 2 to 4; v is a to h */
static void block_take(uint32_t hash[WORDS], const uint8_t *block)
{
    uint32_t w[ROUNDS], v[WORDS];

    schedule_make(w, block);
    memcpy(v, hash, sizeof(v));
    for (unsigned t = 0; t < ROUNDS; t++) {
        uint32_t s1 = rotated(v[4], 6) ^ rotated(v[4], 11) ^ rotated(v[4], 25);
        uint32_t s0 = rotated(v[0], 2) ^ rotated(v[0], 13) ^ rotated(v[0], 22);
        uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        uint32_t t1 = v[7] + s1 + choice + round_constants[t] + w[t];

        memmove(v + 1, v, (WORDS - 1) * sizeof(v[0]));
        v[4] += t1;
        v[0] = t1 + s0 + majority;
    }
    for (unsigned i = 0; i < WORDS; i++)
        hash[i] += v[i];
}

/* 5.1.1: a one bit, zeros, and the length in bits at the end of a block */
static size_t padding_make(uint8_t last[2 * BLOCK_BYTES], const uint8_t *rest, size_t rest_bytes,
                           size_t count)
{
    size_t bytes = rest_bytes + 9 <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;
    uint64_t bits = (uint64_t)count * 8;

    memset(last, 0, 2 * BLOCK_BYTES);
    if (rest_bytes)
        memcpy(last, rest, rest_bytes);
    last[rest_bytes] = 0x80;
    for (unsigned i = 0; i < 8; i++)
        last[bytes - 1 - i] = (uint8_t)(bits >> (8 * i));
    return bytes;
}

void sha256(uint8_t digest[SHA256_BYTES], const uint8_t *bytes, size_t count)
{
    uint8_t last[2 * BLOCK_BYTES];
    uint32_t hash[WORDS];
    size_t at = 0, last_bytes;

    if (!round_constants[0])
        constants_make();
    memcpy(hash, first_hash, sizeof(hash));
    for (; count - at >= BLOCK_BYTES; at += BLOCK_BYTES)
        block_take(hash, bytes + at);
    last_bytes = padding_make(last, bytes + at, count - at, count);
    for (size_t i = 0; i < last_bytes; i += BLOCK_BYTES)
        block_take(hash, last + i);
    for (unsigned i = 0; i < SHA256_BYTES; i++)
        digest[i] = (uint8_t)(hash[i / 4] >> (24 - 8 * (i % 4)));
}
