/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lock.h - a lock between the threads of one domain
 *
 * Taking and giving a lock that nobody else wants is one exchange each.  Who finds it held looks a few times
 * more, then waits for a signal, and looks again every LOCK_LOOK_MS in any case: the holder may have lost its
 * time slice, but what waits here is a thread of the same domain and nobody else.
 *
 * Always true: `state` is LOCK_WAITED whenever somebody waits for the signal; so whoever gives it then
 * signals, and a signal that comes before the wait is kept by the Notification.
 */
#ifndef BH_LOCK_H
#define BH_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

enum { LOCK_FREE = 0, LOCK_HELD = 1, LOCK_WAITED = 2 };
#define LOCK_LOOKS 64u /* before it waits: most sections are shorter than a wake */
#define LOCK_LOOK_MS 10u

struct bh_lock {
    uint32_t state; /* LOCK_*; zero is free */
    slot_t waiters; /* a Notification of the lock's own, with a badge: to wait and to signal */
};

/* Make the lock's Notification from SLOT_UNTYPED, once, before there are threads. */
enum status bh_lock_init(struct bh_lock *lock) BH_NODISCARD;

/* lock.c: the ways on when somebody else wants it, too. */
void bh_lock_wait(struct bh_lock *lock);
void bh_lock_wake(struct bh_lock *lock);

static inline void bh_lock_take(struct bh_lock *lock)
{
    uint32_t expected = LOCK_FREE;

    if (!__atomic_compare_exchange_n(&lock->state, &expected, LOCK_HELD, true, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED))
        bh_lock_wait(lock);
}

static inline void bh_lock_give(struct bh_lock *lock)
{
    if (__atomic_exchange_n(&lock->state, LOCK_FREE, __ATOMIC_RELEASE) == LOCK_WAITED)
        bh_lock_wake(lock);
}

#endif
