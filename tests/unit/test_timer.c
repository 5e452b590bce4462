/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_timer.c - the heap of times against a list
 *
 * links: tests/unit/fake/kcore.c kernel/slot.c kernel/timer.c kernel/sc.c kernel/dispatcher.c kernel/ipc.c
 *
 * links: kernel/fastpath.c kernel/notification.c kernel/vcpu.c kernel/irq.c
 *
 * flags: -Itests/unit/fake -Ikernel -include tests/unit/fake/host_cpu.h
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dispatcher.h"
#include "kcore.h"

enum { TIMERS = 60 };
static struct timer timers[TIMERS];
static struct cpu *cpu;

static int setup(void **state)
{
    (void)state;
    kcore_reset();
    cpu = &cpus[0];
    memset(timers, 0, sizeof timers);
    return 0;
}

/* Counts what is below; every child is not earlier than its parent, and knows who it hangs on. */
static unsigned heap_check(const struct timer *t)
{
    unsigned count = 1;

    assert_true(t->queued);
    for (const struct timer *child = t->child, *before = t; child; before = child, child = child->next) {
        assert_ptr_equal(child->prev, before);
        assert_true(child->when >= t->when);
        count += heap_check(child);
    }
    return count;
}

static void model_check(void)
{
    const struct timer *first = NULL;
    unsigned queued = 0;

    for (unsigned i = 0; i < TIMERS; i++) {
        if (!timers[i].queued)
            continue;
        queued++;
        if (!first || timers[i].when < first->when)
            first = &timers[i];
    }
    assert_int_equal(cpu->timers != NULL, first != NULL);
    if (!first)
        return;
    assert_int_equal(cpu->timers->when, first->when);
    assert_null(cpu->timers->next);
    assert_null(cpu->timers->prev);
    assert_int_equal(heap_check(cpu->timers), queued);
}

static void heap_has_the_first_on_top_whatever_is_done(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 20; seed++) {
        random_seed(seed);
        for (unsigned step = 0; step < 3000; step++) {
            struct timer *t = &timers[random_below(TIMERS)];

            switch (random_below(5)) {
            case 0:
            case 1:
            case 2:
                timer_queue(cpu, t, random_below(200));
                assert_true(t->queued);
                break;
            case 3:
                timer_cancel(cpu, t);
                assert_false(t->queued);
                break;
            default:
                if (cpu->timers)
                    timer_cancel(cpu, cpu->timers);
                break;
            }
            model_check();
        }
        for (unsigned i = 0; i < TIMERS; i++)
            timer_cancel(cpu, &timers[i]);
        assert_null(cpu->timers);
    }
}

static void earlier_timer_of_another_pcpu_kicks_it(void **state)
{
    (void)state;
    here = 1;
    timer_queue(cpu, &timers[0], 500);
    assert_int_equal(kicks[0], 1);
    assert_true(cpu->resched);
    timer_queue(cpu, &timers[1], 600);
    assert_int_equal(kicks[0], 1);
    timer_queue(cpu, &timers[2], 400);
    assert_int_equal(kicks[0], 2);
}

static void every_timer_that_is_due_expires_and_no_other(void **state)
{
    static struct vcpu vcpus[40];

    (void)state;
    memset(vcpus, 0, sizeof vcpus);
    for (unsigned i = 0; i < 40; i++) {
        vcpus[i].cpu = cpu;
        vcpus[i].state = VCPU_SUSPENDED;
        vcpus[i].vtimer.role = TIMER_VTIMER;
        timer_queue(cpu, &vcpus[i].vtimer, 100 + i * 7 % 40);
    }
    timers_expire(cpu, 119);
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(vcpus[i].vtimer_active, 100 + i * 7 % 40 <= 119);
        assert_int_equal(vcpus[i].vtimer.queued, 100 + i * 7 % 40 > 119);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(heap_has_the_first_on_top_whatever_is_done, setup),
        cmocka_unit_test_setup(earlier_timer_of_another_pcpu_kicks_it, setup),
        cmocka_unit_test_setup(every_timer_that_is_due_expires_and_no_other, setup),
    };

    return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
