/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lock.c - when two threads want the same lock
 *
 * Who has waited takes it as LOCK_WAITED, because it cannot know whether others still wait: at worst one
 * signal too many, which the next waiter takes for a reason to look again.
 */
#include "lock.h"

#include "bh.h"

#define LOCK_BADGE 1u

enum status bh_lock_init(struct bh_lock *lock)
{
    slot_t notification = 0;
    slot_t badged = bh_slot_alloc();
    enum status status = badged ? bh_retype(CAP_NOTIFICATION, 0, &notification) : ERR_FULL;

    if (status == OK)
        status = bh_cspace_mint(SLOT_CSPACE, notification, SLOT_CSPACE, badged, RIGHT_READ | RIGHT_WRITE,
                                LOCK_BADGE);
    lock->state = LOCK_FREE;
    lock->waiters = badged;
    return status;
}

static bool take_soon(struct bh_lock *lock)
{
    for (uint32_t i = 0; i < LOCK_LOOKS; i++) {
        uint32_t expected = LOCK_FREE;

        if (__atomic_load_n(&lock->state, __ATOMIC_RELAXED) == LOCK_FREE &&
            __atomic_compare_exchange_n(&lock->state, &expected, LOCK_HELD, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return true;
    }
    return false;
}

void bh_lock_wait(struct bh_lock *lock)
{
    if (take_soon(lock))
        return;
    while (__atomic_exchange_n(&lock->state, LOCK_WAITED, __ATOMIC_ACQUIRE) != LOCK_FREE) {
        uint64_t bits;
        enum status status = bh_notification_wait(lock->waiters, bh_after_ms(LOCK_LOOK_MS), &bits);

        (void)status; /* signalled, or time to look */
    }
}

void bh_lock_wake(struct bh_lock *lock)
{
    enum status status = bh_notification_signal(lock->waiters);

    (void)status; /* the Notification is ours; and who waits looks again by itself */
}
