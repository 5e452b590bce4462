/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_long.c - what takes long can be interrupted, and what is taken back while it runs is gone
 */
#include "ktest.h"

#define MEMORY (FREE + 0)
#define TREE (FREE + 1)
#define SPACE (FREE + 2)
#define BIG (FREE + 3)
#define NOTE (FREE + 4)
#define EP (FREE + 5)
#define SMALL (FREE + 6)
#define MANY (FREE + 100) /* .. 499 */
#define MANY_COUNT 390u

static volatile uint64_t counts[THREADS_MAX];

/* A thread that wakes every millisecond, and how late it was at worst. */
static volatile uint64_t alarms, worst;

static void alarm(uint64_t unused)
{
    uint64_t bits;

    (void)unused;
    for (;;) {
        uint64_t when = bh_after_ms(1);

        (void)!bh_notification_wait(NOTE, when, &bits);
        uint64_t late = bh_now() - when;
        if (late > worst)
            worst = late;
        alarms++;
    }
}

/* It goes before this thread in the plan, so only the kernel can keep it waiting. */
static void start_alarm(void)
{
    struct plan *plan = (struct plan *)(IPCBUF_IPA + PLAN_OFFSET);

    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    kt_prepare(0, 0, alarm, 0);
    *plan = (struct plan){.epoch_us = 10000, .count = 2, .flags = PLAN_ELASTIC};
    plan->entries[0] = (struct plan_entry){.sc = kt_threads[0].sc, .slice_us = 5000};
    plan->entries[1] = (struct plan_entry){.sc = INIT_SLOT_SC, .slice_us = 5000};
    EXPECT(bh_dispatcher_commit(INIT_SLOT_DISPATCHER0), OK);
    alarms = worst = 0;
    EXPECT(bh_vcpu_resume(kt_threads[0].vcpu), OK);
}

TEST(long, zeroing_is_interrupted_and_finished)
{
    start_alarm();
    EXPECT(kt_make(CAP_UNTYPED, 4u << 20, MEMORY), OK);
    for (unsigned i = 0; i < 20; i++) {
        EXPECT(bh_untyped_retype(MEMORY, CAP_FRAME, FRAME_2M, 1, CSPACE, BIG), OK);
        EXPECT(bh_aspace_map(ASPACE, BIG, SCRATCH_IPA, RW), OK);
        for (unsigned at = 0; at < (2u << 20) / 8; at += 512) {
            EXPECT(SCRATCH[at], 0);
            SCRATCH[at] = at + 1;
        }
        EXPECT(kt_revoke(MEMORY), OK);
    }
    UNTIL(alarms > 2);
    EXPECT_EXACT(bh_ticks_to_us(worst) < 1000);
}

/* Two threads take from one Untyped: what one is having zeroed, the other must not get as it is. */
static volatile uint64_t rival_rounds, rival_stop;

static void rival(uint64_t unused)
{
    (void)unused;
    for (;;) {
        /* Small objects from the memory whose first 2 MiB-aligned part is being zeroed. */
        if (!rival_stop && bh_untyped_retype(MEMORY, CAP_FRAME, FRAME_4K, 1, CSPACE, SMALL) == OK) {
            if (bh_aspace_map(ASPACE, SMALL, SCRATCH_IPA + (4u << 20), RW) == OK)
                for (unsigned i = 0; i < 512; i++)
                    counts[1] |= SCRATCH[(4u << 20) / 8 + i];
            (void)!kt_delete(SMALL);
        }
        rival_rounds++;
    }
}

TEST(long, interrupted_zeroing_leaves_nothing_for_others)
{
    EXPECT(kt_make(CAP_UNTYPED, 8u << 20, MEMORY), OK);
    /* Dirty it. */
    for (slot_t i = 0; i < 3; i++) {
        EXPECT(bh_untyped_retype(MEMORY, CAP_FRAME, FRAME_2M, 1, CSPACE, BIG), OK);
        EXPECT(bh_aspace_map(ASPACE, BIG, SCRATCH_IPA, RW), OK);
        for (unsigned at = 0; at < (2u << 20) / 8; at += 8)
            SCRATCH[at] = UINT64_MAX;
        EXPECT(kt_delete(BIG), OK);
    }
    EXPECT(kt_revoke(MEMORY), OK);
    counts[1] = rival_rounds = rival_stop = 0;
    kt_spawn(0, 0, rival, 0);
    for (unsigned i = 0; i < 3; i++) {
        enum status status = bh_untyped_retype(MEMORY, CAP_FRAME, FRAME_2M, 1, CSPACE, BIG);

        if (status == ERR_MEM)
            break;
        EXPECT(status, OK);
        EXPECT(kt_delete(BIG), OK);
        kt_sleep_ms(3);
    }
    UNTIL(rival_rounds > 10);
    rival_stop = 1;
    kt_sleep_ms(2);
    EXPECT(counts[1], 0);
}

TEST(long, revoke_of_many_objects_is_interrupted_and_finished)
{
    static const enum cap_kind kinds[] = {CAP_ENDPOINT, CAP_NOTIFICATION, CAP_SC, CAP_VCPU, CAP_FRAME};

    start_alarm();
    EXPECT(kt_make(CAP_UNTYPED, 4u << 20, MEMORY), OK);
    for (unsigned round = 0; round < 5; round++) {
        for (slot_t i = 0; i < MANY_COUNT / 5; i++)
            for (unsigned k = 0; k < 5; k++)
                EXPECT(bh_untyped_retype(MEMORY, kinds[k], kinds[k] == CAP_FRAME ? FRAME_4K : 0, 1, CSPACE,
                                         MANY + i * 5 + k),
                       OK);
        for (slot_t i = 0; i < MANY_COUNT / 5; i++)
            EXPECT(bh_aspace_map(ASPACE, MANY + i * 5 + 4, SCRATCH_IPA + 4096 * i, RW), OK);
        EXPECT(kt_revoke(MEMORY), OK);
        EXPECT(kt_used(MEMORY), 0);
    }
    UNTIL(alarms > 2);
    EXPECT_EXACT(bh_ticks_to_us(worst) < 1000);
}

TEST(long, chain_of_copies_is_revoked_whatever_its_length)
{
    start_alarm();
    EXPECT(kt_make(CAP_CSPACE, 13, TREE), OK);
    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(bh_cspace_copy(CSPACE, EP, TREE, 1, RIGHT_ALL), OK);
    for (slot_t i = 2; i < 8192; i++)
        EXPECT(bh_cspace_copy(TREE, i - 1, TREE, i, RIGHT_ALL), OK);
    EXPECT(kt_revoke(EP), OK);
    for (slot_t i = 1; i < 8192; i += 97)
        EXPECT(bh_cspace_copy(TREE, i, CSPACE, FREE + 50, RIGHT_ALL), ERR_CAP);
    EXPECT_EXACT(bh_ticks_to_us(worst) < 1000);
}

TEST(long, cspace_full_of_cspaces_goes_in_steps)
{
    start_alarm();
    EXPECT(kt_make(CAP_CSPACE, 10, TREE), OK);
    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    for (slot_t i = 1; i < 1024; i += 341)
        EXPECT(bh_untyped_retype(POOL, CAP_CSPACE, 4, 341, TREE, i), OK);
    for (slot_t i = 1; i < 1024; i++) /* it is full */
        EXPECT(bh_cspace_copy(CSPACE, EP, TREE, i, RIGHT_ALL), ERR_FULL);
    EXPECT(kt_delete(TREE), OK);
    EXPECT_EXACT(bh_ticks_to_us(worst) < 1000);
}

/* ---- taken back while it runs ----------------------------------------------------------------------------
 */

TEST(long, memory_is_revoked_under_threads_that_run_elsewhere)
{
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned n = 0; n < 4; n++) {
            counts[n] = 0;
            kt_spawn(n, n % kt_boot->pcpu_count, kt_counter, (uint64_t)&counts[n]);
        }
        UNTIL(counts[0] && counts[1] && counts[2] && counts[3]);
        EXPECT(kt_revoke(POOL), OK);
        uint64_t then[4] = {counts[0], counts[1], counts[2], counts[3]};
        EXPECT(kt_used(POOL), 0);
        kt_sleep_ms(1);
        for (unsigned n = 0; n < 4; n++)
            EXPECT(counts[n], then[n]);
        kt_plans_reset();
    }
}

/* Threads that use each other in every way, from every pCPU, when their memory goes. */
static void busy(uint64_t n)
{
    struct bh_msg m = {.info = INFO(0, 1, 0, 0)};
    uint64_t bits;
    enum status status = bh_endpoint_recv(EP, 0, &m);

    for (;;) {
        counts[n]++;
        switch ((counts[n] + n) % 5) {
        case 0:
            m.info = INFO(0, 1, 8, 0);
            (void)!bh_endpoint_call(EP, bh_after_ms(1), &m);
            break;
        case 1:
            (void)!bh_endpoint_recv(EP, bh_after_ms(1), &m);
            break;
        case 2:
            m.info = INFO(0, 1, 0, 0);
            (void)!bh_endpoint_reply_recv(EP, bh_after_ms(1), &m);
            break;
        case 3:
            (void)!bh_notification_signal(NOTE + 20);
            break;
        default:
            (void)!bh_notification_wait(NOTE, bh_now() + 1000, &bits);
            break;
        }
        (void)status;
    }
}

TEST(long, memory_is_revoked_under_threads_that_talk)
{
    for (unsigned round = 0; round < 6; round++) {
        EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
        EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
        EXPECT(kt_mint(NOTE, NOTE + 20, RIGHT_WRITE, 1), OK);
        for (unsigned n = 0; n < 8; n++) {
            counts[n] = 0;
            kt_spawn(n, n % kt_boot->pcpu_count, busy, n);
        }
        for (unsigned n = 0; n < 8; n++)
            UNTIL(counts[n] > 5);
        /* In turn: everything, the endpoint first, a thread in the middle. */
        if (round % 3 == 1)
            EXPECT(kt_delete(EP), OK);
        if (round % 3 == 2)
            EXPECT(kt_delete(kt_threads[3].vcpu), OK);
        EXPECT(kt_revoke(POOL), OK);
        EXPECT(kt_used(POOL), 0);
        kt_plans_reset();
    }
}

/* A thread that makes and unmakes objects of its own while its memory is taken away. */
static void maker(uint64_t n)
{
    slot_t at = MANY + (slot_t)n * 10;

    for (;;) {
        counts[n]++;
        if (bh_untyped_retype(POOL, CAP_CSPACE, 6, 1, CSPACE, at) == OK) {
            (void)!bh_cspace_copy(CSPACE, at, at, 1, RIGHT_ALL);
            (void)!bh_untyped_retype(POOL, CAP_NOTIFICATION, 0, 4, CSPACE, at + 1);
            (void)!bh_cspace_move(CSPACE, at + 1, at, 2);
            (void)!bh_cspace_copy(CSPACE, at + 2, at, 3, RIGHT_ALL);
        }
        for (slot_t i = 0; i < 5; i++)
            (void)!kt_delete(at + i);
    }
}

TEST(long, memory_is_revoked_under_threads_that_make_objects)
{
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned n = 0; n < 4; n++) {
            counts[n] = 0;
            kt_spawn(n, n % kt_boot->pcpu_count, maker, n);
        }
        UNTIL(counts[0] && counts[1] && counts[2] && counts[3]);
        EXPECT(kt_revoke(POOL), OK);
        kt_plans_reset();
        for (slot_t s = MANY; s < MANY + 50; s++)
            EXPECT(kt_delete(s), OK);
        EXPECT(kt_revoke(POOL), OK);
        EXPECT(kt_used(POOL), 0);
    }
}

TEST(long, thousands_of_cycles_leave_nothing)
{
    uint64_t before;

    EXPECT(kt_make(CAP_UNTYPED, 256 * 1024, MEMORY), OK);
    before = kt_used(POOL);
    for (unsigned i = 0; i < 3000; i++) {
        EXPECT(bh_untyped_retype(MEMORY, CAP_ENDPOINT, 0, 1, CSPACE, MANY), OK);
        EXPECT(bh_untyped_retype(MEMORY, CAP_ASPACE, 0, 1, CSPACE, SPACE), OK);
        EXPECT(bh_untyped_retype(MEMORY, CAP_VCPU, 0, 1, CSPACE, MANY + 1), OK);
        EXPECT(bh_aspace_donate(SPACE, MEMORY, 3), OK);
        EXPECT(bh_untyped_retype(MEMORY, CAP_FRAME, FRAME_4K, 1, CSPACE, MANY + 2), OK);
        EXPECT(bh_aspace_map(SPACE, MANY + 2, 0x40000000, RW), OK);
        EXPECT(bh_vcpu_configure(MANY + 1, i & 1, 0, i % kt_boot->pcpu_count, CSPACE, SPACE, MANY), OK);
        EXPECT(kt_mint(MANY, MANY + 3, RIGHT_WRITE, i + 1), OK);
        EXPECT(kt_revoke(MEMORY), OK);
        EXPECT(kt_used(MEMORY), 0);
    }
    EXPECT(kt_used(POOL), before);
}

/* More address spaces than there are VMIDs, each of them run. */
TEST(long, more_address_spaces_than_vmids_run)
{
    for (unsigned i = 0; i < 300; i++) {
        struct bh_msg m;

        EXPECT(kt_make(CAP_UNTYPED, 65536, MEMORY), OK);
        EXPECT(bh_untyped_retype(MEMORY, CAP_ASPACE, 0, 1, CSPACE, SPACE), OK);
        EXPECT(bh_untyped_retype(MEMORY, CAP_VCPU, 0, 1, CSPACE, MANY), OK);
        EXPECT(bh_untyped_retype(MEMORY, CAP_ENDPOINT, 0, 1, CSPACE, EP), OK);
        EXPECT(bh_untyped_retype(MEMORY, CAP_SC, 0, 1, CSPACE, MANY + 1), OK);
        EXPECT(bh_vcpu_configure(MANY, VCPU_SERVICE, 0, 0, CSPACE, SPACE, EP), OK);
        EXPECT(bh_vcpu_write(MANY, REG_PC, 0x1000), OK);
        EXPECT(bh_sc_create_on(MANY + 1, 0), OK);
        EXPECT(bh_sc_bind(MANY + 1, MANY), OK);
        EXPECT(bh_vcpu_resume(MANY), OK);
        kt_plans_reset();
        kt_plan_add(0, MANY + 1);
        EXPECT(bh_endpoint_recv(EP, bh_after_ms(1000), &m), OK); /* nothing is mapped there */
        EXPECT(m.w[3], 0x1000);
        kt_plans_reset();
        EXPECT(kt_revoke(POOL), OK);
    }
}
