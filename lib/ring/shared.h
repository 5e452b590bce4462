/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shared.h - words that two domains share: how a ring's sides read, write and copy them
 *
 * Always true:  a field has one writer, so plain stores with an order are enough: no side does
 * read-modify-write.
 */
#ifndef BH_RING_SHARED_H
#define BH_RING_SHARED_H

#include <stddef.h>
#include <stdint.h>

static inline uint32_t shared_load(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void shared_store(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* Orders "I wrote news, then read whether you sleep" against "I said I sleep, then looked for news". */
static inline void shared_barrier(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* To be judged: word by word through volatile, so that the compiler cannot read the page again in place of
 * the copy. Both are 8-aligned, `bytes` is a multiple of 8. */
static inline void shared_copy_out(void *copy, const void *shared, size_t bytes)
{
    const volatile uint64_t *from = (const volatile uint64_t *)shared;

    for (size_t i = 0; i < bytes / sizeof(*from); i++) {
        uint64_t word = from[i];

        __builtin_memcpy((uint64_t *)copy + i, &word, sizeof(word));
    }
}

#endif
