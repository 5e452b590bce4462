/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * string.c - memcpy and its kin, mostly with general registers only
 *
 * A vector register in a service costs a switch of the vector unit's state, and the next guest another, so
 * the C library's versions are not used.  Both together are some 400 instructions, which vector registers
 * save in copying 4 KiB: memcpy uses them from BULK_LEAST on.  Memory is Normal, so words need no alignment;
 * blocks of 64 bytes become ldp/stp.
 *
 * The empty asm in each loop keeps the compiler from recognising the loop and calling memcpy for it.
 */
#include <stdint.h>
#include <string.h>

typedef uint64_t __attribute__((may_alias, aligned(1))) word_t;

#define BULK_LEAST 3072u
#define BULK_BLOCK 256u

void bh_copy_bulk(void *to, const void *from, size_t blocks); /* copy_bulk.S */

#define LOOP_STAYS_A_LOOP() __asm__ volatile("" ::: "memory")

struct block64 {
    word_t w[8];
} __attribute__((may_alias, aligned(1)));

static inline void block_copy(uint8_t *to, const uint8_t *from)
{
    const struct block64 *f = (const struct block64 *)from;
    struct block64 *t = (struct block64 *)to;
    uint64_t a = f->w[0], b = f->w[1], c = f->w[2], d = f->w[3];
    uint64_t e = f->w[4], g = f->w[5], h = f->w[6], i = f->w[7];

    LOOP_STAYS_A_LOOP();
    t->w[0] = a, t->w[1] = b, t->w[2] = c, t->w[3] = d;
    t->w[4] = e, t->w[5] = g, t->w[6] = h, t->w[7] = i;
}

static inline void word_copy(uint8_t *to, const uint8_t *from)
{
    *(word_t *)to = *(const word_t *)from;
    LOOP_STAYS_A_LOOP();
}

/* The last word may be copied twice in part: shorter than its bytes one by one. */
static void copy_apart(uint8_t *to, const uint8_t *from, size_t bytes)
{
    uint8_t *to_end = to + bytes;
    const uint8_t *from_end = from + bytes;

    if (bytes < 8) {
        for (; bytes; bytes--) {
            *to++ = *from++;
            LOOP_STAYS_A_LOOP();
        }
        return;
    }
    for (; bytes >= 256; bytes -= 256, to += 256, from += 256) {
        block_copy(to, from);
        block_copy(to + 64, from + 64);
        block_copy(to + 128, from + 128);
        block_copy(to + 192, from + 192);
    }
    for (; bytes >= 64; bytes -= 64, to += 64, from += 64)
        block_copy(to, from);
    for (; bytes > 8; bytes -= 8, to += 8, from += 8)
        word_copy(to, from);
    word_copy(to_end - 8, from_end - 8);
}

/* Right for overlapping areas too as long as `to` is below `from`: each step loads before it stores. */
static void copy_up(uint8_t *to, const uint8_t *from, size_t bytes)
{
    for (; bytes >= 64; bytes -= 64, to += 64, from += 64)
        block_copy(to, from);
    for (; bytes >= 8; bytes -= 8, to += 8, from += 8)
        word_copy(to, from);
    for (; bytes; bytes--) {
        *to++ = *from++;
        LOOP_STAYS_A_LOOP();
    }
}

/* The same from the end, for `to` above `from`. */
static void copy_down(uint8_t *to, const uint8_t *from, size_t bytes)
{
    for (; bytes >= 64; bytes -= 64)
        block_copy(to + bytes - 64, from + bytes - 64);
    for (; bytes >= 8; bytes -= 8)
        word_copy(to + bytes - 8, from + bytes - 8);
    for (; bytes; bytes--) {
        to[bytes - 1] = from[bytes - 1];
        LOOP_STAYS_A_LOOP();
    }
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    size_t done = 0;

    if (bytes >= BULK_LEAST) {
        bh_copy_bulk(to, from, bytes / BULK_BLOCK);
        done = bytes / BULK_BLOCK * BULK_BLOCK;
    }
    copy_apart((uint8_t *)to + done, (const uint8_t *)from + done, bytes - done);
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    if ((uintptr_t)to - (uintptr_t)from >= bytes)
        copy_up(to, from, bytes);
    else
        copy_down(to, from, bytes);
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    uint64_t word = (uint8_t)value * 0x0101010101010101ull;
    uint8_t *t = to;

    for (; bytes >= 64; bytes -= 64, t += 64) {
        word_t *w = (word_t *)t;

        w[0] = word, w[1] = word, w[2] = word, w[3] = word;
        w[4] = word, w[5] = word, w[6] = word, w[7] = word;
        LOOP_STAYS_A_LOOP();
    }
    for (; bytes >= 8; bytes -= 8, t += 8) {
        *(word_t *)t = word;
        LOOP_STAYS_A_LOOP();
    }
    for (; bytes; bytes--) {
        *t++ = (uint8_t)value;
        LOOP_STAYS_A_LOOP();
    }
    return to;
}

int memcmp(const void *left, const void *right, size_t bytes)
{
    const uint8_t *l = left, *r = right;

    for (; bytes >= 8 && *(const word_t *)l == *(const word_t *)r; bytes -= 8, l += 8, r += 8)
        ;
    for (; bytes; bytes--, l++, r++) {
        if (*l != *r)
            return *l - *r;
    }
    return 0;
}
