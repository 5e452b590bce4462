/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_time.c - scheduling contexts, and the plans of dispatchers
 *
 * Threads count, and how far each came tells how much time it got.  The machine under us is emulated on a
 * busy host, so claims are about who runs and who does not, and about shares only roughly.
 */
#include "ktest.h"

#define SC (FREE + 0)
#define VCPU (FREE + 1)
#define EP (FREE + 2)
#define NOTE (FREE + 3)
#define BADGED (FREE + 4)
#define A (FREE + 10)
#define B (FREE + 11)
#define PLAN ((struct plan *)(IPCBUF_IPA + PLAN_OFFSET))
#define LAST_DISPATCHER (INIT_SLOT_DISPATCHER0 + last_pcpu())

static uint32_t last_pcpu(void)
{
    return kt_boot->pcpu_count - 1;
}

static volatile uint64_t counts[THREADS_MAX];

static uint64_t ticks_of(slot_t sc)
{
    uint64_t ticks = 0, switches;

    EXPECT(bh_sc_usage(sc, &ticks, &switches, &(uint64_t){0}), OK);
    return ticks;
}

/* ---- scheduling contexts ----------------------------------------------------------------------------------
 */

TEST(sc, is_put_on_one_pcpu_once)
{
    EXPECT(kt_make(CAP_SC, 0, SC), OK);
    EXPECT(kt_make(CAP_VCPU, 0, VCPU), OK);
    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(bh_sc_bind(SC, VCPU), ERR_ARG); /* neither has a pCPU yet */
    EXPECT(bh_sc_create_on(SC, kt_boot->pcpu_count), ERR_ARG);
    EXPECT(bh_sc_create_on(SC, 0xffffffff), ERR_ARG);
    EXPECT(bh_sc_create_on(VCPU, 0), ERR_CAP);
    EXPECT(kt_copy(SC, A, RIGHT_READ), OK);
    EXPECT(bh_sc_create_on(A, 0), ERR_RIGHT);
    EXPECT(bh_sc_create_on(SC, 0), OK);
    EXPECT(bh_sc_create_on(SC, 0), ERR_STATE);
    EXPECT(bh_sc_bind(SC, VCPU), ERR_ARG); /* the vCPU is not configured */
    EXPECT(bh_sc_unbind(SC), ERR_STATE);
}

TEST(sc, binds_one_vcpu_of_its_pcpu)
{
    kt_prepare(0, 0, kt_counter, (uint64_t)&counts[0]);
    kt_prepare(1, last_pcpu(), kt_counter, (uint64_t)&counts[1]);
    EXPECT(kt_make(CAP_SC, 0, SC), OK);
    EXPECT(bh_sc_create_on(SC, 0), OK);
    EXPECT(bh_sc_bind(SC, kt_threads[0].vcpu), ERR_STATE);               /* it has one */
    EXPECT(bh_sc_bind(kt_threads[0].sc, kt_threads[0].vcpu), ERR_STATE); /* it is bound */
    if (last_pcpu())
        EXPECT(bh_sc_bind(SC, kt_threads[1].vcpu), ERR_ARG);
    EXPECT(bh_sc_bind(NO_SLOT, kt_threads[0].vcpu), ERR_CAP);
    EXPECT(bh_sc_bind(SC, SC), ERR_CAP);
    EXPECT(kt_copy(SC, A, RIGHT_READ), OK);
    EXPECT(kt_copy(kt_threads[0].vcpu, B, RIGHT_READ), OK);
    EXPECT(bh_sc_unbind(kt_threads[0].sc), OK);
    EXPECT(bh_sc_bind(A, kt_threads[0].vcpu), ERR_RIGHT);
    EXPECT(bh_sc_bind(SC, B), ERR_RIGHT);
    EXPECT(bh_sc_bind(SC, kt_threads[0].vcpu), OK);
    EXPECT(bh_sc_unbind(A), ERR_RIGHT);
    EXPECT(bh_sc_unbind(SC), OK);
    EXPECT(bh_sc_unbind(SC), ERR_STATE);
    EXPECT(bh_sc_unbind(NO_SLOT), ERR_CAP);
}

TEST(sc, usage_grows_only_while_it_runs)
{
    uint64_t ticks, switches;

    counts[0] = 0;
    struct kt_thread *thread = kt_spawn(0, last_pcpu(), kt_counter, (uint64_t)&counts[0]);
    UNTIL(counts[0] > 0);
    kt_sleep_ms(5);
    EXPECT(bh_vcpu_suspend(thread->vcpu), OK);
    uint64_t used = ticks_of(thread->sc);
    EXPECT_EXACT(bh_ticks_to_us(used) >= 3000);
    kt_sleep_ms(3);
    EXPECT(ticks_of(thread->sc), used);
    EXPECT(bh_sc_usage(thread->sc, &ticks, &switches, &(uint64_t){0}), OK);
    EXPECT(switches > 0, 1);
    EXPECT(kt_copy(thread->sc, A, RIGHT_WRITE), OK);
    EXPECT(bh_sc_usage(A, &ticks, &switches, &(uint64_t){0}), ERR_RIGHT);
    EXPECT(bh_sc_usage(EP, &ticks, &switches, &(uint64_t){0}), ERR_CAP);
}

static uint64_t waited(slot_t sc)
{
    uint64_t ticks = 0, switches, wanted = 0;

    EXPECT(bh_sc_usage(sc, &ticks, &switches, &wanted), OK);
    return wanted > ticks ? bh_ticks_to_us(wanted - ticks) : 0;
}

/* Two that share a pCPU wait for each other; one that is alone does not, nor does one that does not run. */
TEST(sc, usage_grows_also_while_nobody_else_wants_to_run)
{
    counts[0] = 0;
    kt_spawn(0, last_pcpu(), kt_counter, (uint64_t)&counts[0]);
    UNTIL(counts[0] > 0);
    uint64_t used = ticks_of(kt_threads[0].sc);
    kt_sleep_ms(5);
    if (last_pcpu())
        EXPECT_EXACT(bh_ticks_to_us(ticks_of(kt_threads[0].sc) - used) >= 4000);
}

TEST(sc, tells_how_long_it_was_wanted)
{
    counts[0] = counts[1] = 0;
    kt_spawn(0, last_pcpu(), kt_counter, (uint64_t)&counts[0]);
    UNTIL(counts[0] > 0);
    kt_sleep_ms(5);
    if (last_pcpu())
        EXPECT_EXACT(waited(kt_threads[0].sc) < 1000);
    kt_spawn(1, last_pcpu(), kt_counter, (uint64_t)&counts[1]);
    UNTIL(waited(kt_threads[0].sc) > 2000 && waited(kt_threads[1].sc) > 2000);
    EXPECT(bh_vcpu_suspend(kt_threads[1].vcpu), OK);
    uint64_t then = waited(kt_threads[1].sc);
    kt_sleep_ms(5);
    EXPECT(waited(kt_threads[1].sc), then);
}

TEST(sc, without_one_nothing_runs)
{
    for (unsigned n = 0; n < 2; n++) {
        counts[n] = 0;
        kt_spawn(n, n ? last_pcpu() : 0, kt_counter, (uint64_t)&counts[n]);
        UNTIL(counts[n] > 0);
        EXPECT(bh_sc_unbind(kt_threads[n].sc), OK);
        EXPECT(kt_rests(&counts[n]), true);
        uint64_t then = counts[n];
        EXPECT(bh_sc_bind(kt_threads[n].sc, kt_threads[n].vcpu), OK);
        UNTIL(counts[n] > then);
    }
}

TEST(sc, that_ends_stops_its_vcpu)
{
    for (unsigned n = 0; n < 2; n++) {
        counts[n] = 0;
        kt_spawn(n, n ? last_pcpu() : 0, kt_counter, (uint64_t)&counts[n]);
        UNTIL(counts[n] > 0);
        EXPECT(kt_delete(kt_threads[n].sc), OK);
        EXPECT(kt_rests(&counts[n]), true);
        kt_plans_reset();
    }
}

/* ---- plans
 * -------------------------------------------------------------------------------------------------- */

/* Two counters on the last pCPU (or the first), made but not in its plan. */
static void make_counters(unsigned count)
{
    for (unsigned n = 0; n < count; n++) {
        counts[n] = 0;
        kt_prepare(n, last_pcpu(), kt_counter, (uint64_t)&counts[n]);
        EXPECT(bh_vcpu_resume(kt_threads[n].vcpu), OK);
    }
}

static void plan_begin(uint32_t epoch_us, uint32_t flags)
{
    *PLAN = (struct plan){.epoch_us = epoch_us, .flags = flags};
    if (last_pcpu() == 0)
        PLAN->entries[PLAN->count++] = (struct plan_entry){.sc = INIT_SLOT_SC, .slice_us = epoch_us / 4};
}

static struct plan_entry *plan_entry(slot_t sc, uint32_t slice_us)
{
    PLAN->entries[PLAN->count] = (struct plan_entry){.sc = sc, .slice_us = slice_us};
    return &PLAN->entries[PLAN->count++];
}

static enum status commit(void)
{
    return bh_dispatcher_commit(LAST_DISPATCHER);
}

TEST(dispatcher, commit_refuses_bad_plans_as_a_whole)
{
    struct plan_entry *e;

    make_counters(2);
    EXPECT(kt_make(CAP_SC, 0, SC), OK);
    plan_begin(10000, PLAN_ELASTIC);
    plan_entry(kt_threads[0].sc, 5000);
    EXPECT(commit(), OK);
    UNTIL(counts[0] > 0);

    const struct plan good = *PLAN;
    e = &PLAN->entries[good.count];
#define REFUSED(change, status)                                                                              \
    do {                                                                                                     \
        *PLAN = good;                                                                                        \
        PLAN->count++;                                                                                       \
        *e = (struct plan_entry){.sc = kt_threads[1].sc, .slice_us = 1000};                                  \
        change;                                                                                              \
        EXPECT(commit(), status);                                                                            \
    } while (0)
    REFUSED(PLAN->epoch_us = 0, ERR_ARG);
    REFUSED(PLAN->epoch_us = 10000001, ERR_ARG);
    REFUSED(PLAN->count = PLAN_ENTRIES_MAX + 1, ERR_ARG);
    REFUSED(PLAN->count = 0xffffffff, ERR_ARG);
    REFUSED(PLAN->flags = 4, ERR_ARG);
    REFUSED(e->sc = kt_threads[0].sc, ERR_ARG); /* twice */
    REFUSED(e->sc = NO_SLOT, ERR_CAP);
    REFUSED(e->sc = POOL, ERR_CAP);
    REFUSED(e->sc = 0xffffffff, ERR_CAP);
    REFUSED(e->sc = SC, ERR_ARG); /* on no pCPU */
    REFUSED(e->slice_us = 0, ERR_ARG);
    REFUSED(e->slice_us = 10001, ERR_ARG);
    REFUSED(e->flags = 4, ERR_ARG);
    REFUSED(e->window_offset_us = 10001, ERR_ARG);
    REFUSED(e->window_length_us = 10001, ERR_ARG);
    REFUSED((e->window_offset_us = 9000, e->window_length_us = 1001), ERR_ARG);
    REFUSED((e->window_offset_us = 9000, e->window_length_us = 0xffffffff), ERR_ARG);
    if (last_pcpu())
        REFUSED(e->sc = INIT_SLOT_SC, ERR_ARG); /* of another pCPU */
    EXPECT(kt_copy(kt_threads[1].sc, A, RIGHT_READ), OK);
    REFUSED(e->sc = A, ERR_RIGHT);
    EXPECT(kt_copy(LAST_DISPATCHER, B, RIGHT_READ), OK);
    *PLAN = good;
    EXPECT(bh_dispatcher_commit(B), ERR_RIGHT);
    EXPECT(bh_dispatcher_commit(POOL), ERR_CAP);
    EXPECT(kt_delete(B), OK);
    /* The old plan goes on, and nothing of the refused ones has come into it. */
    uint64_t then = counts[0];
    UNTIL(counts[0] > then);
    EXPECT(counts[1], 0);
    REFUSED((void)0, OK);
    UNTIL(counts[1] > 0);
}

TEST(dispatcher, commit_needs_an_ipc_buffer)
{
    EXPECT(kt_copy(INIT_SLOT_VCPU, A, RIGHT_ALL), OK); /* init's own was set at boot, so ask a thread */
    EXPECT(kt_delete(A), OK);
    struct kt_thread *thread = kt_prepare(0, 0, kt_counter, (uint64_t)&counts[0]);
    uint64_t value;

    EXPECT(kt_revoke(thread->ipcbuf_frame), OK);
    /* It executes an svc of ours: the one in kt_raw, found by where it stops. */
    EXPECT(bh_vcpu_write(thread->vcpu, REG_PC, (uint64_t)kt_raw), OK);
    EXPECT(bh_vcpu_write(thread->vcpu, REG_X0, SYS_dispatcher_commit), OK);
    EXPECT(bh_vcpu_write(thread->vcpu, REG_X0 + 1, LAST_DISPATCHER), OK);
    EXPECT(bh_vcpu_write(thread->vcpu, REG_X0 + 30, 8), OK); /* returns to nowhere: a fault */
    kt_plan_add(0, thread->sc);
    EXPECT(bh_vcpu_resume(thread->vcpu), OK);
    struct bh_msg m;
    EXPECT(bh_endpoint_recv(thread->faults, bh_after_ms(1000), &m), OK);
    EXPECT(m.w[3], 8);
    EXPECT(bh_vcpu_suspend(thread->vcpu), OK);
    EXPECT(bh_vcpu_read(thread->vcpu, REG_X0, &value), OK);
    EXPECT(value, ERR_STATE);
}

TEST(dispatcher, first_entry_goes_first)
{
    make_counters(2);
    /* Each could use all of the time: the second gets none, elastic or not. */
    for (unsigned round = 0; round < 2; round++) {
        uint64_t first = counts[round];

        plan_begin(10000, 0);
        plan_entry(kt_threads[round].sc, 10000);
        plan_entry(kt_threads[1 - round].sc, 10000);
        EXPECT(commit(), OK);
        UNTIL(counts[round] > first); /* the pCPU has the plan now: the host may have stopped it for long */
        uint64_t second = counts[1 - round];
        for (unsigned i = 0; i < 3; i++) {
            first = counts[round];
            kt_sleep_ms(10);
            UNTIL(counts[round] > first);
        }
        EXPECT(counts[1 - round], second);
    }
}

TEST(dispatcher, entry_that_wakes_ahead_preempts)
{
    uint64_t bits;

    make_counters(1);
    if (last_pcpu() == 0)
        return;
    (void)bits;
    /* The counter never gives way by itself; a second thread before it runs as soon as it is resumed. */
    counts[1] = 0;
    kt_prepare(1, last_pcpu(), kt_counter, (uint64_t)&counts[1]);
    plan_begin(1000000, PLAN_ELASTIC);
    plan_entry(kt_threads[1].sc, 500000);
    plan_entry(kt_threads[0].sc, 1000000);
    EXPECT(commit(), OK);
    UNTIL(counts[0] > 0);
    EXPECT(bh_vcpu_resume(kt_threads[1].vcpu), OK);
    UNTIL(counts[1] > 0);
}

TEST(dispatcher, elastic_slices_are_weights)
{
    make_counters(2);
    plan_begin(20000, PLAN_ELASTIC);
    plan_entry(kt_threads[0].sc, 3000);
    plan_entry(kt_threads[1].sc, 1000);
    EXPECT(commit(), OK);
    uint64_t a = ticks_of(kt_threads[0].sc), b = ticks_of(kt_threads[1].sc);
    kt_sleep_ms(120);
    a = ticks_of(kt_threads[0].sc) - a;
    b = ticks_of(kt_threads[1].sc) - b;
    EXPECT_EXACT(a > 2 * b && a < 4 * b);
    /* Together they have all of the time. */
    if (last_pcpu())
        EXPECT_EXACT(bh_ticks_to_us(a + b) > 90000);
}

TEST(dispatcher, slices_that_are_not_elastic_are_limits)
{
    make_counters(1);
    if (last_pcpu() == 0)
        return;
    plan_begin(20000, 0);
    plan_entry(kt_threads[0].sc, 2000);
    EXPECT(commit(), OK);
    uint64_t began = bh_now();
    uint64_t used = ticks_of(kt_threads[0].sc);
    kt_sleep_ms(200);
    used = bh_ticks_to_us(ticks_of(kt_threads[0].sc) - used);
    uint64_t epochs = bh_ticks_to_us(bh_now() - began) / 20000 + 2;
    EXPECT_EXACT(used > 5000);
    EXPECT_EXACT(used < epochs * 3000); /* a slice is overrun by an interrupt's latency */
}

TEST(dispatcher, capped_entry_waits_for_the_epochs_end)
{
    make_counters(2);
    if (last_pcpu() == 0)
        return;
    plan_begin(20000, PLAN_ELASTIC);
    plan_entry(kt_threads[0].sc, 2000)->flags = PLAN_CAPPED;
    plan_entry(kt_threads[1].sc, 1000);
    EXPECT(commit(), OK);
    uint64_t capped = ticks_of(kt_threads[0].sc), other = ticks_of(kt_threads[1].sc);
    kt_sleep_ms(200);
    capped = ticks_of(kt_threads[0].sc) - capped;
    other = ticks_of(kt_threads[1].sc) - other;
    EXPECT(capped > 0, 1);
    EXPECT_EXACT(other > 4 * capped);
    /* Alone it gets no more either. */
    EXPECT(bh_vcpu_suspend(kt_threads[1].vcpu), OK);
    uint64_t began = bh_now();
    capped = ticks_of(kt_threads[0].sc);
    kt_sleep_ms(100);
    capped = bh_ticks_to_us(ticks_of(kt_threads[0].sc) - capped);
    EXPECT_EXACT(capped > 2000);
    EXPECT_EXACT(capped < (bh_ticks_to_us(bh_now() - began) / 20000 + 2) * 3000);
}

/* Where in the epoch its thread runs, as far as it sees: (now - since) % epoch. */
static volatile uint64_t window_since, window_epoch, window_min, window_max, window_seen;

static void look_at_clock(uint64_t unused)
{
    uint64_t last = bh_now();

    (void)unused;
    for (;;) {
        uint64_t t = bh_now();

        /* A look that was interrupted says nothing. */
        if (t - last < kt_boot->timer_hz / 20000 && window_epoch) {
            uint64_t at = (t - window_since) % window_epoch;

            if (at < window_min)
                window_min = at;
            if (at > window_max)
                window_max = at;
            window_seen++;
        }
        last = t;
    }
}

TEST(dispatcher, runs_entries_in_their_windows_only)
{
    if (last_pcpu() == 0)
        return;
    kt_prepare(0, last_pcpu(), look_at_clock, 0);
    window_epoch = 0;
    window_min = UINT64_MAX;
    window_max = window_seen = 0;
    EXPECT(bh_vcpu_resume(kt_threads[0].vcpu), OK);
    plan_begin(40000, PLAN_ELASTIC);
    struct plan_entry *e = plan_entry(kt_threads[0].sc, 40000);
    e->window_offset_us = 10000;
    e->window_length_us = 10000;
    uint64_t before = bh_now();
    EXPECT(commit(), OK);
    uint64_t after = bh_now();
    window_since = before;
    window_epoch = kt_boot->timer_hz / 1000 * 40;
    kt_sleep_ms(300);
    uint64_t slack = after - before + kt_boot->timer_hz / 1000; /* 1 ms: it is told to stop by an interrupt */
    EXPECT(window_seen > 100, 1);
    EXPECT_EXACT(window_min >= kt_boot->timer_hz / 100);
    EXPECT_EXACT(window_max < kt_boot->timer_hz / 50 + slack);
}

TEST(dispatcher, last_plan_goes_on)
{
    make_counters(1);
    plan_begin(5000, PLAN_ELASTIC);
    plan_entry(kt_threads[0].sc, 1000);
    EXPECT(commit(), OK);
    for (unsigned i = 0; i < 5; i++) {
        uint64_t then = counts[0];

        kt_sleep_ms(10);
        UNTIL(counts[0] > then);
    }
}

TEST(dispatcher, empty_plan_runs_nothing)
{
    if (last_pcpu() == 0)
        return;
    make_counters(1);
    plan_begin(10000, PLAN_ELASTIC);
    plan_entry(kt_threads[0].sc, 10000);
    EXPECT(commit(), OK);
    UNTIL(counts[0] > 0);
    plan_begin(10000, PLAN_ELASTIC);
    EXPECT(commit(), OK);
    EXPECT(kt_rests(&counts[0]), true);
}

TEST(dispatcher, tells_when_epochs_end)
{
    uint64_t bits;

    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, BADGED, RIGHT_WRITE, 0x21), OK);
    EXPECT(bh_dispatcher_bind(NO_SLOT, BADGED), ERR_CAP);
    EXPECT(bh_dispatcher_bind(LAST_DISPATCHER, POOL), ERR_CAP);
    EXPECT(kt_copy(NOTE, A, RIGHT_READ), OK);
    EXPECT(bh_dispatcher_bind(LAST_DISPATCHER, A), ERR_RIGHT);
    EXPECT(kt_copy(LAST_DISPATCHER, B, RIGHT_READ), OK);
    EXPECT(bh_dispatcher_bind(B, BADGED), ERR_RIGHT);
    EXPECT(kt_delete(B), OK);
    EXPECT(bh_dispatcher_bind(LAST_DISPATCHER, BADGED), OK);
    plan_begin(5000, PLAN_ELASTIC | PLAN_NOTIFY);
    uint64_t began = bh_now();
    EXPECT(commit(), OK);
    for (unsigned i = 0; i < 5; i++) {
        EXPECT(bh_notification_wait(NOTE, bh_after_ms(1000), &bits), OK);
        EXPECT(bits, 0x21);
    }
    EXPECT(bh_ticks_to_us(bh_now() - began) >= 20000, 1);
    /* Another Notification takes its place; without the flag nobody is told. */
    EXPECT(kt_mint(NOTE, BADGED + 1, RIGHT_WRITE, 0x42), OK);
    EXPECT(bh_dispatcher_bind(LAST_DISPATCHER, BADGED + 1), OK);
    (void)!bh_notification_wait(NOTE, 0, &bits);
    EXPECT(bh_notification_wait(NOTE, bh_after_ms(1000), &bits), OK);
    EXPECT(bits, 0x42);
    plan_begin(5000, PLAN_ELASTIC);
    EXPECT(commit(), OK);
    (void)!bh_notification_wait(NOTE, 0, &bits);
    EXPECT(bh_notification_wait(NOTE, bh_after_ms(20), &bits), ERR_TIME);
    EXPECT(kt_delete(A), OK);
}

TEST(dispatcher, outlives_contexts_that_end)
{
    make_counters(3);
    plan_begin(10000, PLAN_ELASTIC);
    for (unsigned n = 0; n < 3; n++)
        plan_entry(kt_threads[n].sc, 1000);
    EXPECT(commit(), OK);
    UNTIL(counts[0] && counts[1] && counts[2]);
    EXPECT(kt_delete(kt_threads[1].sc), OK);
    uint64_t then[3] = {counts[0], 0, counts[2]};
    UNTIL(counts[0] > then[0] && counts[2] > then[2]); /* the pCPU has changed over since */
    then[0] = counts[0], then[1] = counts[1], then[2] = counts[2];
    UNTIL(counts[0] > then[0] && counts[2] > then[2]);
    EXPECT(counts[1], then[1]);
}

TEST(dispatcher, takes_as_many_entries_as_a_plan_holds)
{
    EXPECT(bh_untyped_retype(POOL, CAP_SC, 0, PLAN_ENTRIES_MAX - 2, CSPACE, FREE + 100), OK);
    for (slot_t i = 0; i < PLAN_ENTRIES_MAX - 2; i++)
        EXPECT(bh_sc_create_on(FREE + 100 + i, last_pcpu()), OK);
    make_counters(1);
    plan_begin(10000, PLAN_ELASTIC);
    for (slot_t i = 0; i < PLAN_ENTRIES_MAX - 2; i++)
        plan_entry(FREE + 100 + i, 1000);
    plan_entry(kt_threads[0].sc, 1000); /* the last but one or the last */
    EXPECT(commit(), OK);
    UNTIL(counts[0] > 0);
}
