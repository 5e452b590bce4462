/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lock.h - the kernel's lock, inline for the paths that count instructions
 *
 * A ticket lock in one word: the low half is served, the high half is handed out.
 */
#ifndef AARCH64_LOCK_H
#define AARCH64_LOCK_H

#include <stdint.h>

extern uint32_t kernel_ticket;

static inline void lock_take(void)
{
    uint32_t mine, next, served;

    __asm__ volatile("1: ldaxr %w0, [%3]\n"
                     "   add %w1, %w0, #0x10, lsl #12\n"
                     "   stxr %w2, %w1, [%3]\n"
                     "   cbnz %w2, 1b\n"
                     "   eor %w1, %w0, %w0, ror #16\n"
                     "   cbz %w1, 3f\n"
                     "2: yield\n"
                     "   ldarh %w2, [%3]\n"
                     "   eor %w1, %w2, %w0, lsr #16\n"
                     "   cbnz %w1, 2b\n"
                     "3:"
                     : "=&r"(mine), "=&r"(next), "=&r"(served)
                     : "r"(&kernel_ticket)
                     : "memory");
}

static inline void lock_give(void)
{
    uint16_t *served = (uint16_t *)(void *)&kernel_ticket;

    __atomic_store_n(served, (uint16_t)(*served + 1), __ATOMIC_RELEASE);
}

#endif
