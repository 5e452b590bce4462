/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_vcpu.c - vCPUs of services: configured once, written while suspended, stopped anywhere, heard when
 * they fault
 */
#include "ktest.h"

#define VCPU (FREE + 0)
#define SPACE (FREE + 1)
#define EP (FREE + 2)
#define NOTE (FREE + 3)
#define FRAME (FREE + 4)
#define A (FREE + 10)
#define B (FREE + 11)

static uint32_t last_pcpu(void)
{
    return kt_boot->pcpu_count - 1;
}

static void make_all(void)
{
    EXPECT(kt_make(CAP_VCPU, 0, VCPU), OK);
    EXPECT(kt_make(CAP_ASPACE, 0, SPACE), OK);
    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_make(CAP_FRAME, FRAME_4K, FRAME), OK);
}

TEST(vcpu, configure_refuses_what_does_not_fit)
{
    make_all();
    EXPECT(bh_vcpu_configure(NO_SLOT, VCPU_SERVICE, 0, 0, CSPACE, SPACE, EP), ERR_CAP);
    EXPECT(bh_vcpu_configure(VCPU, 2, 0, 0, CSPACE, SPACE, EP), ERR_ARG);
    EXPECT(bh_vcpu_configure(VCPU, VCPU_GUEST, VCPU_INDEX_MAX, 0, CSPACE, SPACE, EP), ERR_ARG);
    EXPECT(bh_vcpu_configure(VCPU, VCPU_SERVICE, 0, kt_boot->pcpu_count, CSPACE, SPACE, EP), ERR_ARG);
    EXPECT(bh_vcpu_configure(VCPU, VCPU_SERVICE, 0, 0, SPACE, SPACE, EP), ERR_CAP);
    EXPECT(bh_vcpu_configure(VCPU, VCPU_SERVICE, 0, 0, CSPACE, CSPACE, EP), ERR_CAP);
    EXPECT(bh_vcpu_configure(VCPU, VCPU_SERVICE, 0, 0, CSPACE, SPACE, NOTE), ERR_CAP);
    EXPECT(kt_copy(EP, A, RIGHT_READ), OK);
    EXPECT(bh_vcpu_configure(VCPU, VCPU_SERVICE, 0, 0, CSPACE, SPACE, A), ERR_RIGHT);
    EXPECT(kt_copy(VCPU, B, RIGHT_READ), OK);
    EXPECT(bh_vcpu_configure(B, VCPU_SERVICE, 0, 0, CSPACE, SPACE, EP), ERR_RIGHT);
    EXPECT(bh_vcpu_resume(VCPU), ERR_STATE);
    EXPECT(bh_vcpu_suspend(VCPU), ERR_STATE);
    EXPECT(bh_vcpu_configure(VCPU, VCPU_SERVICE, 0, 0, CSPACE, SPACE, EP), OK);
    EXPECT(bh_vcpu_configure(VCPU, VCPU_SERVICE, 0, 0, CSPACE, SPACE, EP), ERR_STATE);
}

TEST(vcpu, index_in_a_vm_is_taken_once)
{
    make_all();
    EXPECT(kt_make(CAP_VCPU, 0, A), OK);
    EXPECT(bh_vcpu_configure(VCPU, VCPU_GUEST, 3, 0, CSPACE, SPACE, EP), OK);
    EXPECT(bh_vcpu_configure(A, VCPU_GUEST, 3, 0, CSPACE, SPACE, EP), ERR_FULL);
    EXPECT(kt_delete(VCPU), OK);
    EXPECT(bh_vcpu_configure(A, VCPU_GUEST, 3, 0, CSPACE, SPACE, EP), OK);
}

TEST(vcpu, registers_keep_what_is_written)
{
    uint64_t value;

    make_all();
    EXPECT(bh_vcpu_write(VCPU, REG_X0, 1), ERR_STATE);
    EXPECT(bh_vcpu_read(VCPU, REG_X0, &value), ERR_STATE);
    EXPECT(bh_vcpu_configure(VCPU, VCPU_SERVICE, 0, last_pcpu(), CSPACE, SPACE, EP), OK);
    for (uint32_t reg = 0; reg <= REG_TPIDR_EL0; reg++)
        if (reg != REG_PSTATE)
            EXPECT(bh_vcpu_write(VCPU, reg, 0x1111111111111111ull * (reg % 15) + reg), OK);
    for (uint32_t reg = 0; reg <= REG_TPIDR_EL0; reg++)
        if (reg != REG_PSTATE) {
            EXPECT(bh_vcpu_read(VCPU, reg, &value), OK);
            EXPECT(value, 0x1111111111111111ull * (reg % 15) + reg);
        }
    /* A service has no EL1. */
    EXPECT(bh_vcpu_write(VCPU, REG_SP_EL1, 0), ERR_ARG);
    EXPECT(bh_vcpu_write(VCPU, REG_SCTLR_EL1, 0), ERR_ARG);
    EXPECT(bh_vcpu_read(VCPU, REG_CNTVOFF_EL2, &value), ERR_ARG);
    EXPECT(bh_vcpu_write(VCPU, REG_COUNT, 0), ERR_ARG);
    EXPECT(bh_vcpu_read(VCPU, 0xffffffff, &value), ERR_ARG);
    EXPECT(kt_copy(VCPU, A, RIGHT_READ), OK);
    EXPECT(kt_copy(VCPU, B, RIGHT_WRITE), OK);
    EXPECT(bh_vcpu_write(A, REG_X0, 0), ERR_RIGHT);
    EXPECT(bh_vcpu_read(B, REG_X0, &value), ERR_RIGHT);
    EXPECT(bh_vcpu_resume(A), ERR_RIGHT);
    EXPECT(bh_vcpu_suspend(A), ERR_RIGHT);
    EXPECT(bh_vcpu_set_ipcbuf(A, FRAME), ERR_RIGHT);
    EXPECT(bh_vcpu_bind_notification(A, NOTE), ERR_RIGHT);
    EXPECT(bh_vcpu_read(NO_SLOT, REG_X0, &value), ERR_CAP);
    EXPECT(bh_vcpu_write(NO_SLOT, REG_X0, 0), ERR_CAP);
    EXPECT(bh_vcpu_resume(POOL), ERR_CAP);
    EXPECT(bh_vcpu_suspend(NO_SLOT), ERR_CAP);
}

TEST(vcpu, guest_registers_keep_what_is_written)
{
    uint64_t value;

    make_all();
    EXPECT(bh_vcpu_configure(VCPU, VCPU_GUEST, 0, last_pcpu(), CSPACE, SPACE, EP), OK);
    for (uint32_t reg = REG_SP_EL1; reg < REG_COUNT; reg++)
        EXPECT(bh_vcpu_write(VCPU, reg, 0x10000u + reg), OK);
    for (uint32_t reg = REG_SP_EL1; reg < REG_COUNT; reg++) {
        EXPECT(bh_vcpu_read(VCPU, reg, &value), OK);
        EXPECT(value, 0x10000u + reg);
    }
    EXPECT(bh_vcpu_write(VCPU, REG_COUNT, 0), ERR_ARG);
}

TEST(vcpu, pstate_never_leaves_its_level)
{
    static const uint64_t bad[] = {0x5, 0x4, 0x8, 0x9, 0xd, 0x10, 0x13, 0x1f, 1, 2, 3, 0x3c0, 0x40};
    static const uint64_t bad_guest[] = {0x8, 0x9, 0xd, 0xc, 0x10, 0x13, 0x15, 0x1f, 1, 2, 3, 7, 1ull << 32};

    make_all();
    EXPECT(bh_vcpu_configure(VCPU, VCPU_SERVICE, 0, 0, CSPACE, SPACE, EP), OK);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        EXPECT(bh_vcpu_write(VCPU, REG_PSTATE, bad[i]), ERR_ARG);
    EXPECT(bh_vcpu_write(VCPU, REG_PSTATE, 0xf0000000), OK);
    EXPECT(bh_vcpu_write(VCPU, REG_PSTATE, 0), OK);
    EXPECT(kt_make(CAP_VCPU, 0, A), OK);
    EXPECT(bh_vcpu_configure(A, VCPU_GUEST, 0, 0, CSPACE, SPACE, EP), OK);
    for (unsigned i = 0; i < sizeof(bad_guest) / sizeof(bad_guest[0]); i++)
        EXPECT(bh_vcpu_write(A, REG_PSTATE, bad_guest[i]), ERR_ARG);
    EXPECT(bh_vcpu_write(A, REG_PSTATE, 0x3c5), OK);
    EXPECT(bh_vcpu_write(A, REG_PSTATE, 0x4), OK);
    EXPECT(bh_vcpu_write(A, REG_PSTATE, 0x800003c0), OK);
}

TEST(vcpu, ipc_buffer_is_a_plain_page_and_set_once)
{
    make_all();
    EXPECT(kt_make(CAP_FRAME, FRAME_2M, A), OK);
    EXPECT(bh_vcpu_set_ipcbuf(VCPU, A), ERR_ARG);
    EXPECT(bh_untyped_retype(kt_device(0x09010000), CAP_FRAME, FRAME_4K, 1, CSPACE, B), OK);
    EXPECT(bh_vcpu_set_ipcbuf(VCPU, B), ERR_ARG);
    EXPECT(kt_revoke(kt_device(0x09010000)), OK);
    EXPECT(kt_copy(FRAME, B, RIGHT_READ), OK);
    EXPECT(bh_vcpu_set_ipcbuf(VCPU, B), ERR_RIGHT);
    EXPECT(bh_vcpu_set_ipcbuf(VCPU, EP), ERR_CAP);
    EXPECT(bh_vcpu_set_ipcbuf(VCPU, FRAME), OK);
    EXPECT(bh_vcpu_set_ipcbuf(VCPU, FRAME), ERR_STATE);
    EXPECT(bh_vcpu_set_ipcbuf(INIT_SLOT_VCPU, FRAME), ERR_STATE);
    /* It goes with the Frame's memory, and another one may come. */
    EXPECT(kt_revoke(FRAME), OK);
    EXPECT(bh_vcpu_set_ipcbuf(VCPU, FRAME), OK);
}

TEST(vcpu, is_bound_to_one_notification_and_that_to_one_vcpu)
{
    make_all();
    EXPECT(kt_make(CAP_VCPU, 0, A), OK);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, B), OK);
    EXPECT(bh_vcpu_bind_notification(VCPU, EP), ERR_CAP);
    EXPECT(kt_copy(NOTE, FREE + 20, RIGHT_WRITE), OK);
    EXPECT(bh_vcpu_bind_notification(VCPU, FREE + 20), ERR_RIGHT);
    EXPECT(bh_vcpu_bind_notification(VCPU, NOTE), OK);
    EXPECT(bh_vcpu_bind_notification(VCPU, B), ERR_STATE);
    EXPECT(bh_vcpu_bind_notification(A, NOTE), ERR_STATE);
    /* Either's end frees the other. */
    EXPECT(kt_delete(VCPU), OK);
    EXPECT(bh_vcpu_bind_notification(A, NOTE), OK);
    EXPECT(kt_delete(NOTE), OK);
    EXPECT(kt_delete(FREE + 20), OK);
    EXPECT(bh_vcpu_bind_notification(A, B), OK);
}

/* ---- stopping one in every state --------------------------------------------------------------------------
 */

enum activity { COMPUTES, SENDS, CALLS, IS_SERVED, RECEIVES, WAITS, ACTIVITIES };
static struct {
    enum activity activity;
    volatile uint64_t rounds; /* how often it began */
    volatile uint64_t status; /* what the call said, when it came back */
} worker;

static void work(uint64_t unused)
{
    struct bh_msg m = {.info = INFO(3, 1, 0, 0)};
    uint64_t bits;

    (void)unused;
    for (;;) {
        worker.rounds++;
        switch (worker.activity) {
        case COMPUTES:
            continue;
        case SENDS:
            worker.status = bh_endpoint_send(EP, BH_FOREVER, &m);
            break;
        case CALLS:
        case IS_SERVED:
            worker.status = bh_endpoint_call(EP, BH_FOREVER, &m);
            break;
        case RECEIVES:
            worker.status = bh_endpoint_recv(EP, BH_FOREVER, &m);
            break;
        case WAITS:
            worker.status = bh_notification_wait(NOTE, BH_FOREVER, &bits);
            break;
        case ACTIVITIES:
            break;
        }
        kt_stop(0);
    }
}

static void stop_in(enum activity activity, uint32_t pcpu)
{
    struct bh_msg m = {.info = INFO(0, 0, 0, 0)};
    uint64_t value;

    make_all();
    worker.activity = activity;
    worker.rounds = 0;
    worker.status = 1000;
    struct kt_thread *thread = kt_spawn(0, pcpu, work, 0);
    UNTIL(worker.rounds > 0);
    kt_sleep_ms(2);
    if (activity == IS_SERVED)
        EXPECT(bh_endpoint_recv(EP, 0, &m), OK);
    EXPECT(bh_vcpu_read(thread->vcpu, REG_PC, &value), ERR_STATE);
    EXPECT(bh_vcpu_write(thread->vcpu, REG_X0 + 20, 1), ERR_STATE);
    EXPECT(bh_vcpu_resume(thread->vcpu), ERR_STATE);
    EXPECT(bh_vcpu_suspend(thread->vcpu), OK);
    EXPECT(bh_vcpu_suspend(thread->vcpu), OK);
    uint64_t rounds = worker.rounds;
    kt_sleep_ms(2);
    EXPECT(worker.rounds, rounds);
    EXPECT(worker.status, 1000);
    EXPECT(bh_vcpu_read(thread->vcpu, REG_PC, &value), OK);
    if (activity != COMPUTES) {
        EXPECT(bh_vcpu_read(thread->vcpu, REG_X0, &value), OK);
        EXPECT(value, ERR_STATE);
    }
    /* What it waited for knows nothing of it any more. */
    if (activity == IS_SERVED)
        EXPECT(bh_endpoint_reply(&m), ERR_PEER);
    EXPECT(bh_endpoint_recv(EP, 0, &m), ERR_TIME);
    EXPECT(bh_endpoint_send(EP, 0, &m), ERR_TIME);
    EXPECT(bh_vcpu_resume(thread->vcpu), OK);
    if (activity == COMPUTES)
        UNTIL(worker.rounds > rounds);
    else
        UNTIL(worker.status == ERR_STATE);
}

TEST(vcpu, stops_while_it_computes_here)
{
    stop_in(COMPUTES, 0);
}
TEST(vcpu, stops_while_it_computes_elsewhere)
{
    stop_in(COMPUTES, last_pcpu());
}
TEST(vcpu, stops_while_it_sends_here)
{
    stop_in(SENDS, 0);
}
TEST(vcpu, stops_while_it_sends_elsewhere)
{
    stop_in(SENDS, last_pcpu());
}
TEST(vcpu, stops_while_it_calls_here)
{
    stop_in(CALLS, 0);
}
TEST(vcpu, stops_while_it_calls_elsewhere)
{
    stop_in(CALLS, last_pcpu());
}
TEST(vcpu, stops_while_it_is_served_here)
{
    stop_in(IS_SERVED, 0);
}
TEST(vcpu, stops_while_it_is_served_elsewhere)
{
    stop_in(IS_SERVED, last_pcpu());
}
TEST(vcpu, stops_while_it_receives_here)
{
    stop_in(RECEIVES, 0);
}
TEST(vcpu, stops_while_it_receives_elsewhere)
{
    stop_in(RECEIVES, last_pcpu());
}
TEST(vcpu, stops_while_it_waits_here)
{
    stop_in(WAITS, 0);
}
TEST(vcpu, stops_while_it_waits_elsewhere)
{
    stop_in(WAITS, last_pcpu());
}

static volatile uint64_t counts[4];

TEST(vcpu, is_stopped_and_changed_while_it_runs_elsewhere)
{
    struct kt_thread *thread;

    if (kt_boot->pcpu_count < 2)
        return;
    counts[0] = counts[1] = 0;
    thread = kt_spawn(0, 1, kt_counter, (uint64_t)&counts[0]);
    UNTIL(counts[0] > 0);
    for (unsigned i = 0; i < 50; i++) {
        uint64_t pc, before;

        EXPECT(bh_vcpu_suspend(thread->vcpu), OK);
        before = counts[0] + counts[1];
        EXPECT(bh_vcpu_read(thread->vcpu, REG_PC, &pc), OK);
        EXPECT(bh_vcpu_write(thread->vcpu, REG_PC, (uint64_t)kt_counter), OK);
        EXPECT(bh_vcpu_write(thread->vcpu, REG_X0, (uint64_t)&counts[i & 1]), OK);
        EXPECT(counts[0] + counts[1], before);
        EXPECT(bh_vcpu_resume(thread->vcpu), OK);
        UNTIL(counts[0] + counts[1] > before);
    }
}

TEST(vcpu, ends_with_its_last_capability_wherever_it_runs)
{
    counts[0] = counts[1] = 0;
    struct kt_thread *here = kt_spawn(0, 0, kt_counter, (uint64_t)&counts[0]);
    struct kt_thread *there = kt_spawn(1, last_pcpu(), kt_counter, (uint64_t)&counts[1]);

    UNTIL(counts[0] && counts[1]);
    EXPECT(kt_delete(here->vcpu), OK);
    EXPECT(kt_delete(there->vcpu), OK);
    uint64_t a = counts[0], b = counts[1];
    kt_sleep_ms(5);
    EXPECT(counts[0], a);
    EXPECT(counts[1], b);
    /* Their time is free for others. */
    EXPECT(bh_sc_unbind(here->sc), ERR_STATE);
    EXPECT(bh_sc_unbind(there->sc), ERR_STATE);
}

/* ---- what else a switch must keep -------------------------------------------------------------------------
 */

/* Its own thread pointer must stay; argument: which. */
static void thread_pointer(uint64_t n)
{
    uint64_t mine, now;

    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(mine));
    if (mine != 0x7000 + n)
        kt_stop((unsigned)n);
    for (;;) {
        mine = mine * 3 + n;
        __asm__ volatile("msr tpidr_el0, %0" ::"r"(mine));
        for (volatile unsigned i = 0; i < 1000; i++)
            ;
        __asm__ volatile("mrs %0, tpidr_el0" : "=r"(now));
        if (now != mine)
            kt_stop((unsigned)n);
        counts[n]++;
    }
}

TEST(vcpu, thread_pointers_are_kept_apart)
{
    uint64_t pc;

    for (unsigned n = 0; n < 3; n++) {
        counts[n] = 0;
        kt_prepare(n, n == 2 ? last_pcpu() : 0, thread_pointer, n);
        EXPECT(bh_vcpu_write(kt_threads[n].vcpu, REG_TPIDR_EL0, 0x7000 + n), OK);
    }
    for (unsigned n = 0; n < 3; n++) {
        EXPECT(bh_vcpu_resume(kt_threads[n].vcpu), OK);
        kt_plan_add(kt_threads[n].pcpu, kt_threads[n].sc);
    }
    UNTIL(counts[0] > 10 && counts[1] > 10 && counts[2] > 10);
    kt_sleep_ms(30);
    for (unsigned n = 0; n < 3; n++)
        EXPECT(bh_vcpu_read(kt_threads[n].vcpu, REG_PC, &pc), ERR_STATE); /* it still runs */
}

/* SIMD registers v0 and v31 hold a value of its own. */
static void simd(uint64_t n)
{
    uint64_t mine = 0x1234567 + n, low, high;

    for (;;) {
        mine = mine * 5 + 1;
        __asm__ volatile(".arch_extension fp\n\t.arch_extension simd\n\tfmov d0, %0\n\tfmov d31, %0\n\t"
                         "ins v31.d[1], %0" ::"r"(mine));
        for (volatile unsigned i = 0; i < 1000; i++)
            ;
        __asm__ volatile("fmov %0, d0\n\tumov %1, v31.d[1]" : "=r"(low), "=r"(high));
        if (low != mine || high != mine)
            kt_stop((unsigned)n);
        counts[n]++;
    }
}

TEST(vcpu, simd_registers_are_kept_apart)
{
    uint64_t pc;

    for (unsigned n = 0; n < 4; n++) {
        counts[n] = 0;
        kt_spawn(n, n == 3 ? last_pcpu() : 0, simd, n);
    }
    UNTIL(counts[0] > 10 && counts[1] > 10 && counts[2] > 10 && counts[3] > 10);
    kt_sleep_ms(30);
    /* Stopped and resumed, they are still there. */
    for (unsigned n = 0; n < 4; n++) {
        EXPECT(bh_vcpu_suspend(kt_threads[n].vcpu), OK);
        EXPECT(bh_vcpu_resume(kt_threads[n].vcpu), OK);
    }
    kt_sleep_ms(10);
    for (unsigned n = 0; n < 4; n++)
        EXPECT(bh_vcpu_read(kt_threads[n].vcpu, REG_PC, &pc), ERR_STATE);
}

/* ---- faults
 * ------------------------------------------------------------------------------------------------ */

static volatile uint64_t loaded;

static void load_from(uint64_t address)
{
    loaded = *(volatile uint64_t *)address;
    kt_stop(0);
}

static void store_to(uint64_t address)
{
    *(volatile uint64_t *)address = 0x55;
    loaded = 1;
    kt_stop(0);
}

static void execute_at(uint64_t address)
{
    ((void (*)(void))address)();
    kt_stop(0);
}

#define ESR_EC(esr) ((esr) >> 26)
enum { EC_FETCH = 0x20, EC_DATA = 0x24, EC_BRK = 0x3c };

static void expect_fault(struct bh_msg *m, unsigned ec, uint64_t at)
{
    EXPECT(bh_endpoint_recv(kt_threads[0].faults, bh_after_ms(2000), m), OK);
    EXPECT(m->info & INFO_EXIT, INFO_EXIT);
    EXPECT(INFO_LABEL(m->info), EXIT_FAULT);
    EXPECT(ESR_EC(m->w[0]), ec);
    if (at) {
        EXPECT(m->w[1], at);
        EXPECT(m->w[2], at);
    }
}

static void reply(uint32_t label)
{
    struct bh_msg m = {.info = INFO(label, 0, 0, 0)};

    EXPECT(bh_endpoint_reply(&m), OK);
}

static void fault_is_repaired(uint32_t pcpu)
{
    struct bh_msg m;

    loaded = 0;
    make_all();
    kt_spawn(0, pcpu, load_from, SCRATCH_IPA + 0x108);
    expect_fault(&m, EC_DATA, SCRATCH_IPA + 0x108);
    EXPECT(loaded, 0);
    EXPECT(bh_aspace_map(ASPACE, FRAME, SCRATCH_IPA, RW), OK);
    SCRATCH[0x108 / 8] = 0xabcdef;
    reply(REPLY_RETRY);
    UNTIL(loaded == 0xabcdef);
}

TEST(fault, is_a_call_and_retried_after_the_reply)
{
    fault_is_repaired(0);
}
TEST(fault, is_a_call_and_retried_after_the_reply_elsewhere)
{
    fault_is_repaired(last_pcpu());
}

TEST(fault, leaves_the_vcpu_suspended_unless_it_is_retried)
{
    static const uint32_t labels[] = {REPLY_DONE, REPLY_STOP, REPLY_UNDEF, REPLY_ABORT, 1000};

    make_all();
    kt_spawn(0, 0, load_from, SCRATCH_IPA + 0x10);
    for (unsigned i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        struct bh_msg m;
        uint64_t pc;

        expect_fault(&m, EC_DATA, SCRATCH_IPA + 0x10);
        reply(labels[i]);
        EXPECT(bh_vcpu_read(kt_threads[0].vcpu, REG_PC, &pc), OK);
        EXPECT(pc, m.w[3]);
        EXPECT(bh_vcpu_resume(kt_threads[0].vcpu), OK); /* and faults again */
    }
}

TEST(fault, of_a_suspended_handler_does_not_hold_the_vcpu)
{
    struct bh_msg m;
    uint64_t pc;

    make_all();
    kt_spawn(0, 0, load_from, SCRATCH_IPA + 0x10);
    expect_fault(&m, EC_DATA, SCRATCH_IPA + 0x10);
    EXPECT(bh_vcpu_suspend(kt_threads[0].vcpu), OK);
    EXPECT(bh_endpoint_reply(&m), ERR_PEER);
    EXPECT(bh_vcpu_read(kt_threads[0].vcpu, REG_PC, &pc), OK);
    EXPECT(pc, m.w[3]);
    EXPECT(bh_vcpu_resume(kt_threads[0].vcpu), OK);
    expect_fault(&m, EC_DATA, SCRATCH_IPA + 0x10);
    /* A handler that goes on without an answer leaves it suspended. */
    EXPECT(bh_endpoint_recv(kt_threads[0].faults, 0, &m), ERR_TIME);
    EXPECT(bh_vcpu_read(kt_threads[0].vcpu, REG_PC, &pc), OK);
}

TEST(fault, stops_the_vcpu_when_nobody_can_hear_it)
{
    uint64_t value;

    make_all();
    struct kt_thread *thread = kt_prepare(0, 0, load_from, SCRATCH_IPA + 0x10);
    EXPECT(kt_revoke(thread->faults), OK);
    EXPECT(bh_vcpu_resume(thread->vcpu), OK);
    kt_plan_add(0, thread->sc);
    UNTIL(bh_vcpu_read(thread->vcpu, REG_PC, &value) == OK);
}

TEST(fault, handler_that_goes_leaves_the_vcpu_suspended)
{
    struct bh_msg m;
    uint64_t value;

    make_all();
    kt_spawn(0, 0, load_from, SCRATCH_IPA + 0x10);
    kt_spawn(1, 0, load_from, SCRATCH_IPA + 0x20);
    expect_fault(&m, EC_DATA, SCRATCH_IPA + 0x10); /* one is being served, one waits in the queue */
    kt_sleep_ms(2);
    EXPECT(kt_revoke(kt_threads[1].faults), OK);
    EXPECT(kt_delete(kt_threads[1].faults), OK);
    UNTIL(bh_vcpu_read(kt_threads[1].vcpu, REG_PC, &value) == OK);
}

TEST(fault, tells_a_forbidden_store_from_a_forbidden_fetch)
{
    struct bh_msg m;

    make_all();
    loaded = 0;
    EXPECT(bh_aspace_map(ASPACE, FRAME, SCRATCH_IPA, RIGHT_READ), OK);
    kt_spawn(0, 0, store_to, SCRATCH_IPA + 0x40);
    EXPECT(bh_endpoint_recv(kt_threads[0].faults, bh_after_ms(2000), &m), OK);
    EXPECT(ESR_EC(m.w[0]), EC_DATA);
    EXPECT(m.w[0] >> 6 & 1, 1); /* WnR */
    EXPECT(m.w[1], SCRATCH_IPA + 0x40);
    EXPECT(loaded, 0);
    EXPECT(bh_aspace_protect(FRAME, RW), OK);
    reply(REPLY_RETRY);
    UNTIL(loaded == 1);
    EXPECT(SCRATCH[8], 0x55);
    SCRATCH[0] = 0xd65f03c0; /* ret */
    EXPECT(bh_vcpu_write(kt_threads[0].vcpu, REG_PC, (uint64_t)execute_at), OK);
    EXPECT(bh_vcpu_write(kt_threads[0].vcpu, REG_X0, SCRATCH_IPA), OK);
    EXPECT(bh_vcpu_resume(kt_threads[0].vcpu), OK);
    EXPECT(bh_endpoint_recv(kt_threads[0].faults, bh_after_ms(2000), &m), OK);
    EXPECT(ESR_EC(m.w[0]), EC_FETCH);
    EXPECT(m.w[3], SCRATCH_IPA);
    EXPECT(bh_aspace_protect(FRAME, RIGHT_READ | RIGHT_EXEC), OK);
    __asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(SCRATCH_IPA));
    reply(REPLY_RETRY);
    uint64_t pc;
    UNTIL(bh_vcpu_read(kt_threads[0].vcpu, REG_PC, &pc) == OK); /* it came back, and stopped */
    EXPECT(pc >= IMAGE_IPA && pc < SCRATCH_IPA, 1);
}

TEST(fault, follows_an_unmap_at_once_on_every_pcpu)
{
    struct bh_msg m;
    uint32_t pcpu = last_pcpu();

    make_all();
    EXPECT(bh_aspace_map(ASPACE, FRAME, SCRATCH_IPA, RW), OK);
    SCRATCH[0] = 0;
    kt_spawn(0, pcpu, kt_counter, SCRATCH_IPA);
    UNTIL(SCRATCH[0] > 0);
    EXPECT(kt_copy(FRAME, A, RW), OK);
    EXPECT(bh_aspace_map(ASPACE, A, SCRATCH_IPA + 4096, RW), OK);
    EXPECT(bh_aspace_unmap(FRAME), OK);
    uint64_t then = SCRATCH[512];
    kt_sleep_ms(2);
    EXPECT(SCRATCH[512], then);
    expect_fault(&m, EC_DATA, SCRATCH_IPA);
    reply(REPLY_STOP);
}

TEST(fault, of_an_undefined_instruction_is_heard)
{
    struct bh_msg m;

    make_all();
    EXPECT(bh_aspace_map(ASPACE, FRAME, SCRATCH_IPA, RW), OK);
    SCRATCH[0] = 0xd4200000; /* brk #0 */
    EXPECT(bh_aspace_protect(FRAME, RIGHT_READ | RIGHT_EXEC), OK);
    kt_spawn(0, 0, execute_at, SCRATCH_IPA);
    expect_fault(&m, EC_BRK, 0);
    EXPECT(m.w[3], SCRATCH_IPA);
    reply(REPLY_STOP);
}

/* A service may not touch what is EL1's or EL2's. */
static void privileged(uint64_t which)
{
    uint64_t value = 0;

    switch (which) {
    case 0:
        __asm__ volatile("mrs %0, sctlr_el1" : "=r"(value));
        break;
    case 1:
        __asm__ volatile("msr vbar_el1, %0" ::"r"(value));
        break;
    case 2:
        __asm__ volatile("mrs %0, hcr_el2" : "=r"(value));
        break;
    case 3:
        __asm__ volatile("msr daifset, #2");
        break;
    case 4:
        __asm__ volatile("hvc #0");
        break;
    case 5:
        __asm__ volatile("msr cntv_cval_el0, %0" ::"r"(value));
        break;
    case 6:
        __asm__ volatile("mrs %0, cntp_ctl_el0" : "=r"(value));
        break;
    default:
        __asm__ volatile("tlbi vmalle1");
        break;
    }
    counts[3] = 1;
    kt_stop(0);
}

TEST(fault, is_what_privileged_instructions_end_in)
{
    struct bh_msg m;

    counts[3] = 0;
    kt_spawn(0, 0, privileged, 0);
    for (uint64_t i = 0; i < 8; i++) {
        EXPECT(bh_endpoint_recv(kt_threads[0].faults, bh_after_ms(2000), &m), OK);
        EXPECT(INFO_LABEL(m.info), EXIT_FAULT);
        EXPECT(counts[3], 0);
        reply(REPLY_STOP);
        EXPECT(bh_vcpu_write(kt_threads[0].vcpu, REG_PC, (uint64_t)privileged), OK);
        EXPECT(bh_vcpu_write(kt_threads[0].vcpu, REG_X0, i + 1), OK);
        if (i < 7)
            EXPECT(bh_vcpu_resume(kt_threads[0].vcpu), OK);
    }
}

TEST(vcpu, without_address_space_does_not_run)
{
    make_all();
    EXPECT(bh_vcpu_configure(VCPU, VCPU_SERVICE, 0, 0, CSPACE, SPACE, EP), OK);
    EXPECT(bh_vcpu_resume(VCPU), OK);
    EXPECT(kt_revoke(SPACE), OK);
    EXPECT(bh_vcpu_resume(VCPU), ERR_STATE);
}

/* Its address space goes while it runs elsewhere. */
TEST(vcpu, stops_when_its_address_space_goes)
{
    uint64_t value;

    make_all();
    counts[0] = 0;
    EXPECT(kt_copy(ASPACE, A, RIGHT_ALL), OK);
    struct kt_thread *thread = kt_prepare(0, last_pcpu(), kt_counter, (uint64_t)&counts[0]);
    EXPECT(kt_delete(thread->vcpu), OK);
    EXPECT(kt_make(CAP_VCPU, 0, thread->vcpu), OK);
    EXPECT(bh_vcpu_configure(thread->vcpu, VCPU_SERVICE, 0, last_pcpu(), CSPACE, A, thread->faults), OK);
    EXPECT(bh_vcpu_write(thread->vcpu, REG_PC, (uint64_t)kt_counter), OK);
    EXPECT(bh_vcpu_write(thread->vcpu, REG_X0, (uint64_t)&counts[0]), OK);
    EXPECT(bh_vcpu_write(thread->vcpu, REG_SP_EL0, (uint64_t)thread->ipcbuf - 0x4000), OK);
    EXPECT(bh_sc_bind(thread->sc, thread->vcpu), OK);
    kt_plan_add(last_pcpu(), thread->sc);
    EXPECT(bh_vcpu_resume(thread->vcpu), OK);
    UNTIL(counts[0] > 0);
    EXPECT(kt_revoke(A), OK);
    uint64_t then = counts[0];
    kt_sleep_ms(3);
    EXPECT(counts[0], then);
    EXPECT(bh_vcpu_read(thread->vcpu, REG_PC, &value), OK);
    EXPECT(bh_vcpu_resume(thread->vcpu), ERR_STATE);
    EXPECT(kt_delete(A), OK);
}
