/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * timer.c - what happens at which time on one pCPU
 *
 * An intrusive pairing heap: deadlines of waits, timers of guests that are not loaded.  Queueing is O(1),
 * taking the first O(log n) amortised; no memory is needed but the timer inside its object.
 *
 * Always true:  a queued timer is in the heap of its vCPU's pCPU.
 * Locking:      kernel_lock.
 */
#include "kernel.h"

static struct timer *meld(struct timer *a, struct timer *b)
{
    if (!a)
        return b;
    if (!b)
        return a;
    if (b->when < a->when) {
        struct timer *t = a;
        a = b;
        b = t;
    }
    b->prev = a;
    b->next = a->child;
    if (b->next)
        b->next->prev = b;
    a->child = b;
    return a;
}

/* Two passes: pair them from the left, meld the pairs from the right. */
static struct timer *meld_siblings(struct timer *first)
{
    struct timer *pairs = NULL;

    while (first) {
        struct timer *a = first;
        struct timer *b = a->next;

        first = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b)
            b->next = b->prev = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    struct timer *heap = NULL;
    while (pairs) {
        struct timer *next = pairs->next;

        pairs->next = pairs->prev = NULL;
        heap = meld(heap, pairs);
        pairs = next;
    }
    return heap;
}

void timer_cancel(struct cpu *cpu, struct timer *timer)
{
    if (!timer->queued)
        return;
    timer->queued = false;
    if (cpu->timers == timer) {
        cpu->timers = meld_siblings(timer->child);
    } else {
        if (timer->prev->child == timer)
            timer->prev->child = timer->next;
        else
            timer->prev->next = timer->next;
        if (timer->next)
            timer->next->prev = timer->prev;
        cpu->timers = meld(cpu->timers, meld_siblings(timer->child));
    }
    timer->child = timer->next = timer->prev = NULL;
}

void timer_queue(struct cpu *cpu, struct timer *timer, uint64_t when)
{
    timer_cancel(cpu, timer);
    timer->when = when;
    timer->queued = true;
    cpu->timers = meld(cpu->timers, timer);
    if (cpu->timers == timer) {
        cpu->resched = true; /* the comparator must be set earlier */
        if (cpu != this_cpu())
            cpu_kick(cpu);
    }
}
