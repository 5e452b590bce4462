/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_lock.c - lib/bh/lock: one holder at a time, nobody waits for ever, and it is cheap when nobody else
 * wants it
 *
 * The kernel's Notification is a word, a mutex and a condition; a thread may be made to hold the lock while
 * others come, or a signal to be lost.
 *
 * links: lib/bh/lock.c
 * flags: -pthread
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "bh.h"
#include "lock.h"

#define NOTIFICATION 40u
#define BADGED 41u
#define TICKS_PER_MS 1000000ull

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    uint64_t bits;
    uint32_t waits, signals, waiting;
    bool loses_signals;
} kernel = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static struct bh_lock lock;

static int set_up(void **state)
{
    pthread_condattr_t attributes;

    (void)state;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&kernel.condition, &attributes);
    kernel.bits = 0;
    kernel.waits = kernel.signals = 0;
    kernel.loses_signals = false;
    assert_int_equal(bh_lock_init(&lock), OK);
    return 0;
}

slot_t bh_slot_alloc(void)
{
    return BADGED;
}

enum status bh_retype(enum cap_kind kind, uint64_t size, slot_t *out)
{
    assert_int_equal(kind, CAP_NOTIFICATION);
    assert_int_equal(size, 0);
    *out = NOTIFICATION;
    return OK;
}

enum status bh_cspace_mint(slot_t src, uint32_t src_slot, slot_t dest, uint32_t dest_slot, uint32_t rights,
                           uint64_t badge)
{
    assert_int_equal(src, SLOT_CSPACE);
    assert_int_equal(dest, SLOT_CSPACE);
    assert_int_equal(src_slot, NOTIFICATION);
    assert_int_equal(dest_slot, BADGED);
    assert_int_equal(rights, RIGHT_READ | RIGHT_WRITE);
    assert_int_not_equal(badge, 0); /* a signal without a badge wakes nobody */
    return OK;
}

uint64_t bh_after_ms(uint64_t ms)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 * TICKS_PER_MS + (uint64_t)now.tv_nsec + ms * TICKS_PER_MS;
}

enum status bh_notification_wait(slot_t notification, uint64_t deadline, uint64_t *bits)
{
    struct timespec until = {(time_t)(deadline / (1000 * TICKS_PER_MS)),
                             (long)(deadline % (1000 * TICKS_PER_MS))};
    enum status status = OK;

    assert_int_equal(notification, BADGED);
    assert_int_not_equal(deadline, BH_FOREVER);
    pthread_mutex_lock(&kernel.mutex);
    kernel.waits++;
    kernel.waiting++;
    while (kernel.bits == 0 && status == OK)
        if (pthread_cond_timedwait(&kernel.condition, &kernel.mutex, &until) != 0)
            status = ERR_TIME;
    kernel.waiting--;
    *bits = kernel.bits;
    if (kernel.bits != 0)
        status = OK;
    kernel.bits = 0;
    pthread_mutex_unlock(&kernel.mutex);
    return status;
}

enum status bh_notification_signal(slot_t notification)
{
    assert_int_equal(notification, BADGED);
    pthread_mutex_lock(&kernel.mutex);
    kernel.signals++;
    if (!kernel.loses_signals)
        kernel.bits |= 1;
    pthread_cond_signal(&kernel.condition);
    pthread_mutex_unlock(&kernel.mutex);
    return OK;
}

static uint32_t waiting(void)
{
    uint32_t count;

    pthread_mutex_lock(&kernel.mutex);
    count = kernel.waiting;
    pthread_mutex_unlock(&kernel.mutex);
    return count;
}

/* ---- the claims ---- */

static void nobody_is_asked_when_it_is_free(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        bh_lock_take(&lock);
        assert_int_equal(lock.state, LOCK_HELD);
        bh_lock_give(&lock);
        assert_int_equal(lock.state, LOCK_FREE);
    }
    assert_int_equal(kernel.waits, 0);
    assert_int_equal(kernel.signals, 0);
}

enum { THREADS = 4, ROUNDS = 100000 };
static volatile uint64_t inside, count;

static void *hammer(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        bh_lock_take(&lock);
        if (inside++ != 0)
            count += 1u << 30; /* seen below */
        count++;
        inside--;
        bh_lock_give(&lock);
    }
    return NULL;
}

static void one_at_a_time(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    inside = count = 0;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(count, THREADS * ROUNDS);
    assert_int_equal(lock.state, LOCK_FREE);
}

static void *take_once(void *arg)
{
    bh_lock_take(&lock);
    __atomic_add_fetch((uint32_t *)arg, 1, __ATOMIC_RELAXED);
    bh_lock_give(&lock);
    return NULL;
}

/* All of them sleep before it is given; each one that leaves wakes the next. */
static void each_waiter_wakes_the_next(void **state)
{
    pthread_t threads[THREADS];
    uint32_t taken = 0;

    (void)state;
    bh_lock_take(&lock);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_once, &taken), 0);
    while (waiting() < THREADS)
        sched_yield();
    assert_int_equal(__atomic_load_n(&taken, __ATOMIC_RELAXED), 0);
    assert_int_equal(lock.state, LOCK_WAITED);
    bh_lock_give(&lock);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(taken, THREADS);
    assert_int_equal(lock.state, LOCK_FREE);
    assert_in_range(kernel.signals, THREADS, 2 * THREADS + 1);
}

/* Whoever had to wake the waiter may have been stopped for good between giving and signalling. */
static void a_lost_signal_costs_a_deadline_and_no_more(void **state)
{
    pthread_t thread;
    uint32_t taken = 0;

    (void)state;
    kernel.loses_signals = true;
    bh_lock_take(&lock);
    assert_int_equal(pthread_create(&thread, NULL, take_once, &taken), 0);
    while (waiting() == 0)
        sched_yield();
    bh_lock_give(&lock);
    pthread_join(thread, NULL);
    assert_int_equal(taken, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nobody_is_asked_when_it_is_free, set_up),
        cmocka_unit_test_setup(one_at_a_time, set_up),
        cmocka_unit_test_setup(each_waiter_wakes_the_next, set_up),
        cmocka_unit_test_setup(a_lost_signal_costs_a_deadline_and_no_more, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
