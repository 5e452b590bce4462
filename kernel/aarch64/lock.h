/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lock.h - the kernel's lock, inline for the paths that count instructions
 *
 * Test and set, not tickets: under an emulator (or any host that runs fewer threads than we have pCPUs) a
 * ticket goes to a pCPU that the host may just have stopped, and all others wait for it although the lock is
 * free.  The price is that a pCPU can be unlucky; sections are short, so it is for long only in theory
 * (docs/known.md).
 */
#ifndef AARCH64_LOCK_H
#define AARCH64_LOCK_H

#include <stdint.h>

extern uint32_t kernel_lock_word;

static inline void lock_take(void)
{
    uint32_t seen, failed;

    /* The release clears the monitor that the load has set, and that is an event for wfe. */
    __asm__ volatile("   b 2f\n"
                     "1: wfe\n"
                     "2: ldaxr %w0, [%2]\n"
                     "   cbnz %w0, 1b\n"
                     "   stxr %w1, %w3, [%2]\n"
                     "   cbnz %w1, 2b\n"
                     : "=&r"(seen), "=&r"(failed)
                     : "r"(&kernel_lock_word), "r"(1)
                     : "memory");
}

static inline void lock_give(void)
{
    __atomic_store_n(&kernel_lock_word, 0, __ATOMIC_RELEASE);
}

/* Not the lock's but the next one's turn: another pCPU has to get in before we try again. */
static inline void lock_yield(void)
{
    __asm__ volatile("yield");
}

#endif
