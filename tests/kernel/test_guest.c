/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_guest.c - vCPUs of VMs: their exits and the answers, doorbells, interrupts, calls of their own
 */
#include "guest.h"

#define NOTE (FREE + 1)
#define BADGED (FREE + 2)
#define A (FREE + 3)

static uint32_t last_pcpu(void)
{
    return kt_boot->pcpu_count - 1;
}

static uint64_t reg(unsigned n, uint32_t which)
{
    uint64_t value = 0;

    EXPECT(bh_vcpu_read(G_VCPU(n), which, &value), OK);
    return value;
}

static uint64_t ticks_of(unsigned n)
{
    uint64_t ticks = 0, switches;

    EXPECT(bh_sc_usage(G_SC(n), &ticks, &switches, &(uint64_t){0}), OK);
    return ticks;
}

/* ---- calls ----------------------------------------------------------------------------------------------
 */

static void calls_on(uint32_t pcpu)
{
    struct bh_msg m;

    guest_make(0, pcpu, &program_calls);
    for (uint32_t i = 0; i < 4; i++)
        EXPECT(bh_vcpu_write(G_VCPU(0), REG_X0 + i, 100 + i), OK);
    guest_start(0);
    guest_expect_hvc(0, 7, &m);
    for (unsigned i = 0; i < 4; i++)
        EXPECT(m.w[i], 100 + i);
    EXPECT(m.w[5], GUEST_CODE + 4);
    guest_reply(REPLY_DONE, 1000, 2000);
    guest_expect_hvc(0, 8, &m);
    EXPECT(m.w[0], 1000);
    EXPECT(m.w[1], 2000);
    EXPECT(m.w[2], 1001);
    EXPECT(m.w[3], 2001);
    guest_reply(REPLY_DONE, 5, 6);
    EXPECT(guest_exit(0, &m), EXIT_SMC);
    EXPECT(m.w[0], 5);
    EXPECT(m.w[4], 9);
    EXPECT(m.w[5], GUEST_CODE + 8);
    guest_reply(REPLY_DONE, 7, 8);
    guest_expect_hvc(0, 10, &m);
    EXPECT(m.w[1], 8);
    EXPECT(bh_vcpu_suspend(G_VCPU(0)), OK);
    uint64_t reads, writes, hvcs = 0, smcs = 0;

    EXPECT(bh_sc_exits(G_SC(0), 0, &reads, &writes, &hvcs, &smcs), OK);
    EXPECT(reads, 0);
    EXPECT(writes, 0);
    EXPECT(hvcs, 3);
    EXPECT(smcs, 1);
    EXPECT(bh_sc_exits(G_SC(0), 1, &reads, &writes, &hvcs, &smcs), ERR_ARG);
    EXPECT(bh_sc_exits(G_SC(0), 8, &reads, &writes, &hvcs, &smcs), ERR_ARG);
    EXPECT(bh_sc_unbind(G_SC(0)), OK);
    EXPECT(bh_sc_exits(G_SC(0), 0, &reads, &writes, &hvcs, &smcs), ERR_STATE);
}

TEST(guest, calls_reach_the_vmm_and_return_its_answer)
{
    calls_on(0);
}
TEST(guest, calls_reach_a_vmm_elsewhere_and_return_its_answer)
{
    calls_on(last_pcpu());
}

TEST(guest, call_is_made_again_when_it_is_to_be_retried)
{
    struct bh_msg m;

    guest_make(0, 0, &program_calls);
    EXPECT(bh_vcpu_write(G_VCPU(0), REG_X0, 77), OK);
    guest_start(0);
    for (unsigned i = 0; i < 3; i++) {
        guest_expect_hvc(0, 7, &m);
        EXPECT(m.w[0], 77);
        EXPECT(m.w[5], GUEST_CODE + 4);
        guest_reply(REPLY_RETRY, 0, 0);
    }
    guest_expect_hvc(0, 7, &m);
    guest_reply(REPLY_DONE, 0, 0);
    guest_expect_hvc(0, 8, &m);
    guest_reply(REPLY_DONE, 0, 0);
    for (unsigned i = 0; i < 3; i++) {
        EXPECT(guest_exit(0, &m), EXIT_SMC);
        EXPECT(m.w[5], GUEST_CODE + 8);
        guest_reply(REPLY_RETRY, 0, 0);
    }
}

TEST(guest, stays_where_it_is_after_reply_stop)
{
    struct bh_msg m;

    guest_make(0, last_pcpu(), &program_calls);
    guest_start(0);
    guest_expect_hvc(0, 7, &m);
    guest_reply(REPLY_STOP, 1, 2);
    EXPECT(reg(0, REG_PC), GUEST_CODE + 4);
    EXPECT(reg(0, REG_X0), 0);
    EXPECT(bh_vcpu_write(G_VCPU(0), REG_X0, 55), OK);
    EXPECT(bh_vcpu_resume(G_VCPU(0)), OK);
    guest_expect_hvc(0, 8, &m);
    EXPECT(m.w[0], 55);
}

static void suspended_in_exit(uint32_t pcpu, bool taken)
{
    struct bh_msg m;

    guest_make(0, pcpu, &program_calls);
    guest_start(0);
    if (taken)
        guest_expect_hvc(0, 7, &m);
    else
        kt_sleep_ms(5);
    EXPECT(bh_vcpu_suspend(G_VCPU(0)), OK);
    if (taken)
        EXPECT(bh_endpoint_reply(&m), ERR_PEER);
    EXPECT(bh_endpoint_recv(G_EXITS(0), 0, &m), ERR_TIME);
    EXPECT(reg(0, REG_PC), GUEST_CODE); /* it has not been executed */
    EXPECT(bh_vcpu_resume(G_VCPU(0)), OK);
    guest_expect_hvc(0, 7, &m);
    guest_reply(REPLY_DONE, 0, 0);
    guest_expect_hvc(0, 8, &m);
}

TEST(guest, suspended_while_its_exit_waits_makes_it_again)
{
    suspended_in_exit(0, false);
}
TEST(guest, suspended_while_its_exit_is_served_makes_it_again)
{
    suspended_in_exit(0, true);
}
TEST(guest, suspended_elsewhere_while_its_exit_is_served_makes_it_again)
{
    suspended_in_exit(last_pcpu(), true);
}

TEST(guest, waits_for_a_new_vmm_when_its_own_goes_on_without_an_answer)
{
    struct bh_msg m;

    guest_make(0, 0, &program_calls);
    guest_start(0);
    guest_expect_hvc(0, 7, &m);
    EXPECT(bh_endpoint_recv(G_EXITS(0), 0, &m), ERR_TIME);
    EXPECT(reg(0, REG_PC), GUEST_CODE);
    EXPECT(bh_vcpu_resume(G_VCPU(0)), OK);
    guest_expect_hvc(0, 7, &m);
}

/* ---- exceptions -------------------------------------------------------------------------------------------
 */

TEST(guest, takes_an_undefined_instruction_where_the_vmm_says_so)
{
    struct bh_msg m;

    for (unsigned elsewhere = 0; elsewhere < 2; elsewhere++) {
        guest_make(elsewhere, elsewhere ? last_pcpu() : 0, &program_calls);
        guest_start(elsewhere);
        guest_expect_hvc(elsewhere, 7, &m);
        guest_reply(REPLY_UNDEF, 0, 0);
        guest_expect_hvc(elsewhere, 0x100, &m);
        EXPECT(m.w[0], 1u << 25);   /* EC 0, IL */
        EXPECT(m.w[1], GUEST_CODE); /* its own address, not the next one's */
        EXPECT(m.w[3], 0x3c5);
    }
}

TEST(guest, takes_an_abort_where_the_vmm_says_so)
{
    struct bh_msg m;

    guest_make(0, last_pcpu(), &program_loads);
    guest_start(0);
    EXPECT(guest_exit(0, &m), EXIT_MMIO_READ);
    guest_reply(REPLY_ABORT, 0, 0);
    guest_expect_hvc(0, 0x100, &m);
    EXPECT(m.w[0] >> 26, 0x25);
    EXPECT(m.w[0] & 0x3f, 0x10);
    EXPECT(m.w[1], GUEST_CODE);
    EXPECT(m.w[2], GUEST_NOWHERE);
}

TEST(guest, fault_that_is_no_simple_access_tells_the_syndrome)
{
    struct bh_msg m;

    guest_make(0, 0, &program_faults);
    guest_start(0);
    EXPECT(guest_exit(0, &m), EXIT_FAULT);
    EXPECT(m.w[0] >> 26, 0x24);
    EXPECT(m.w[1], GUEST_NOWHERE);
    EXPECT(m.w[2], GUEST_NOWHERE);
    EXPECT(m.w[3], GUEST_CODE);
    guest_reply(REPLY_RETRY, 0, 0);
    EXPECT(guest_exit(0, &m), EXIT_FAULT);
    guest_reply(REPLY_DONE, 0, 0); /* step over it */
    guest_expect_hvc(0, 1, &m);
    guest_reply(REPLY_DONE, 0, 0);
    guest_expect_hvc(0, 0x100, &m); /* its own undefined instruction is its own affair */
    EXPECT(m.w[1], GUEST_CODE + 8);
}

/* ---- devices that the vmm plays
 * ------------------------------------------------------------------------------ */

static void loads_on(uint32_t pcpu)
{
    static const struct {
        unsigned size;
        uint64_t result;
    } loads[] = {{4, 0x87868584},
                 {1, 0x84},
                 {2, 0x8584},
                 {8, 0x8b8a898887868584},
                 {1, 0xffffff84},
                 {1, 0xffffffffffffff84},
                 {2, 0xffffffffffff8584},
                 {4, 0xffffffff87868584}};
    struct bh_msg m;

    guest_make(0, pcpu, &program_loads);
    guest_start(0);
    for (unsigned i = 0; i < 8; i++) {
        EXPECT(guest_exit(0, &m), EXIT_MMIO_READ);
        EXPECT(m.w[0], GUEST_NOWHERE);
        EXPECT(m.w[1], loads[i].size);
        guest_reply(REPLY_DONE, 0x8b8a898887868584, 0);
    }
    EXPECT(guest_exit(0, &m), EXIT_MMIO_READ); /* to wzr */
    guest_reply(REPLY_DONE, UINT64_MAX, 0);
    guest_expect_hvc(0, 1, &m);
    for (unsigned i = 0; i < 8; i++)
        EXPECT(GUEST_DATA_HERE[i], loads[i].result);
}

TEST(guest, load_gets_what_the_vmm_answers_in_its_own_width)
{
    loads_on(0);
}
TEST(guest, load_gets_what_a_vmm_elsewhere_answers_in_its_own_width)
{
    loads_on(last_pcpu());
}

TEST(guest, store_tells_what_was_stored_in_its_own_width)
{
    static const struct {
        unsigned size;
        uint64_t value;
    } stores[] = {{8, 0x1122334455667788}, {4, 0x55667788}, {2, 0x7788}, {1, 0x88}, {4, 0}};
    struct bh_msg m;

    guest_make(0, 0, &program_stores);
    EXPECT(bh_vcpu_write(G_VCPU(0), REG_X0 + 1, 0x1122334455667788), OK);
    guest_start(0);
    for (unsigned i = 0; i < 5; i++) {
        EXPECT(guest_exit(0, &m), EXIT_MMIO_WRITE);
        EXPECT(m.w[0], GUEST_NOWHERE);
        EXPECT(m.w[1], stores[i].size);
        EXPECT(m.w[2], stores[i].value);
        guest_reply(REPLY_DONE, 0, 0);
    }
    guest_expect_hvc(0, 1, &m);
}

TEST(guest, mapping_made_meanwhile_is_seen_by_the_retried_access)
{
    struct bh_msg m;

    guest_make(0, last_pcpu(), &program_loads);
    EXPECT(bh_vcpu_write(G_VCPU(0), REG_X0 + 9, GUEST_CODE + 0x10000), OK);
    guest_start(0);
    EXPECT(guest_exit(0, &m), EXIT_MMIO_READ);
    EXPECT(m.w[0], GUEST_CODE + 0x10000);
    EXPECT(kt_make(CAP_FRAME, FRAME_4K, A), OK);
    EXPECT(bh_aspace_map(G_SPACE(0), A, GUEST_CODE + 0x10000, RW), OK);
    guest_reply(REPLY_RETRY, 0, 0);
    guest_expect_hvc(0, 1, &m);
    EXPECT(GUEST_DATA_HERE[0], 0);
}

TEST(guest, doorbell_signals_without_the_vmm)
{
    struct bh_msg m;
    uint64_t bits;

    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, BADGED, RIGHT_WRITE, 0x50), OK);
    for (unsigned n = 0; n < 2; n++) {
        guest_make(n, n ? last_pcpu() : 0, &program_doorbell);
        EXPECT(bh_aspace_doorbell(G_SPACE(n), GUEST_NOWHERE, 3, BADGED), OK);
        EXPECT(bh_vcpu_write(G_VCPU(n), REG_X0 + 1, 3), OK);
        EXPECT(bh_vcpu_write(G_VCPU(n), REG_X0 + 2, 3), OK);
        guest_start(n);
        guest_expect_hvc(n, 1, &m);
        EXPECT(bh_notification_wait(NOTE, 0, &bits), OK);
        EXPECT(bits, 0x50);
        /* Another value is the vmm's. */
        EXPECT(bh_vcpu_suspend(G_VCPU(n)), OK);
        EXPECT(bh_vcpu_write(G_VCPU(n), REG_PC, GUEST_CODE), OK);
        EXPECT(bh_vcpu_write(G_VCPU(n), REG_X0 + 2, 4), OK);
        guest_start(n);
        EXPECT(guest_exit(n, &m), EXIT_MMIO_WRITE);
        EXPECT(m.w[2], 4);
        EXPECT(bh_notification_wait(NOTE, 0, &bits), OK);
        /* Any value, then none. */
        EXPECT(bh_aspace_doorbell_clear(G_SPACE(n), GUEST_NOWHERE, 3), OK);
        EXPECT(bh_aspace_doorbell(G_SPACE(n), GUEST_NOWHERE, DOORBELL_ANY, BADGED), OK);
        guest_reply(REPLY_RETRY, 0, 0);
        guest_expect_hvc(n, 1, &m);
        EXPECT(bh_notification_wait(NOTE, 0, &bits), OK);
        EXPECT(bits, 0x50);
        EXPECT(bh_aspace_doorbell_clear(G_SPACE(n), GUEST_NOWHERE, DOORBELL_ANY), OK);
        guest_reply(REPLY_DONE, 0, 3);
        EXPECT(guest_exit(n, &m), EXIT_MMIO_WRITE);
        EXPECT(bh_notification_wait(NOTE, 0, &bits), ERR_TIME);
        EXPECT(bh_vcpu_suspend(G_VCPU(n)), OK);
    }
}

/* Both stores of a round ring; the exits that there are go on with the answer. */
static void takes_of(unsigned n, unsigned swallowed)
{
    struct bh_msg m;

    for (unsigned i = swallowed; i < 2; i++) {
        EXPECT(guest_exit(n, &m), EXIT_MMIO_WRITE);
        EXPECT(m.w[0], GUEST_NOWHERE);
        EXPECT(m.w[2], 3 + i);
        guest_reply(REPLY_DONE, 0, 0);
    }
    guest_expect_hvc(n, 1, &m);
}

/* As a device's interrupt that is acknowledged by a store. */
static void doorbell_takes_on(uint32_t pcpu)
{
    uint64_t bits;

    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, BADGED, RIGHT_WRITE, 0x50), OK);
    guest_make(0, pcpu, &program_doorbell);
    EXPECT(bh_aspace_doorbell(G_SPACE(0), GUEST_NOWHERE, DOORBELL_TAKES, NOTE), OK);
    EXPECT(bh_vcpu_write(G_VCPU(0), REG_X0 + 1, 3), OK);
    EXPECT(bh_vcpu_write(G_VCPU(0), REG_X0 + 2, 4), OK);
    guest_start(0);
    takes_of(0, 0); /* nothing is there to be taken */
    EXPECT(bh_notification_bind_virq(NOTE, G_VCPU(0), 40), OK);
    EXPECT(bh_notification_signal(BADGED), OK);
    EXPECT(bh_notification_signal(BADGED), OK); /* as one */
    guest_reply(REPLY_DONE, 3, 3);
    takes_of(0, 1);
    EXPECT(bh_notification_wait(NOTE, 0, &bits), ERR_TIME);
    EXPECT(bh_notification_wait(NOTE, bh_after_ms(1000), &bits), ERR_STATE); /* nobody would be woken */
    EXPECT(bh_notification_signal(BADGED), OK);
    EXPECT(bh_notification_wait(NOTE, 0, &bits), OK); /* taken by somebody else */
    EXPECT(bits, 0x50);
    guest_reply(REPLY_DONE, 3, 3);
    takes_of(0, 0);
    EXPECT(bh_notification_signal(BADGED), OK);
    EXPECT(bh_notification_unbind_virq(NOTE), OK); /* and with it go the bits */
    EXPECT(bh_notification_wait(NOTE, 0, &bits), ERR_TIME);
    EXPECT(bh_notification_signal(BADGED), OK);
    guest_reply(REPLY_DONE, 3, 3);
    takes_of(0, 1);
}

TEST(guest, doorbell_takes_a_signal_back)
{
    doorbell_takes_on(0);
}
TEST(guest, doorbell_takes_a_signal_back_elsewhere)
{
    doorbell_takes_on(last_pcpu());
}

/* ---- turns ----------------------------------------------------------------------------------------------
 */

static void spin(uint64_t unused)
{
    (void)unused;
    for (;;)
        ;
}

static void turns_on(uint32_t pcpu, uint32_t flags, bool comes)
{
    struct plan *plan = (struct plan *)(IPCBUF_IPA + PLAN_OFFSET);
    struct bh_msg m;

    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, BADGED, RIGHT_WRITE, 1), OK);
    EXPECT(kt_mint(NOTE, A, RIGHT_WRITE, BADGE_URGENT), OK);
    guest_make(0, pcpu, &program_calls);
    EXPECT(bh_notification_bind_virq(NOTE, G_VCPU(0), 40), OK);
    kt_spawn(0, pcpu, spin, 0);
    *plan = (struct plan){.epoch_us = 10000000, .flags = PLAN_ELASTIC};
    if (pcpu == 0)
        plan->entries[plan->count++] = (struct plan_entry){.sc = INIT_SLOT_SC, .slice_us = 1000000};
    plan->entries[plan->count++] =
        (struct plan_entry){.sc = kt_threads[0].sc, .slice_us = 4000000, .flags = flags};
    plan->entries[plan->count++] =
        (struct plan_entry){.sc = G_SC(0), .slice_us = 4000000, .flags = PLAN_TURNS};
    EXPECT(bh_dispatcher_commit(INIT_SLOT_DISPATCHER0 + pcpu), OK);
    guest_start(0);
    EXPECT(bh_endpoint_recv(G_EXITS(0), bh_after_ms(10), &m), ERR_TIME); /* another spins ahead of it */
    EXPECT(bh_notification_signal(BADGED), OK);
    EXPECT(bh_endpoint_recv(G_EXITS(0), bh_after_ms(10), &m), ERR_TIME);
    EXPECT(bh_notification_signal(A), OK);
    if (!comes) {
        EXPECT(bh_endpoint_recv(G_EXITS(0), bh_after_ms(10), &m), ERR_TIME);
        return;
    }
    guest_expect_hvc(0, 7, &m);
    if (pcpu == 0)
        return; /* its turn goes on: we answer on the time that it lends us */
    /* Its turn ended when it waited. */
    guest_reply(REPLY_DONE, 0, 0);
    EXPECT(bh_endpoint_recv(G_EXITS(0), bh_after_ms(10), &m), ERR_TIME);
    EXPECT(bh_notification_signal(A), OK);
    guest_expect_hvc(0, 8, &m);
}

TEST(guest, has_its_turn_when_it_is_called)
{
    turns_on(0, PLAN_TURNS, true);
}
TEST(guest, has_its_turn_when_it_is_called_elsewhere)
{
    turns_on(last_pcpu(), PLAN_TURNS, true);
}
TEST(guest, does_not_go_ahead_of_who_takes_no_turns)
{
    turns_on(last_pcpu(), 0, false);
}

/* ---- interrupts
 * -------------------------------------------------------------------------------------------- */

enum { INTID = 40 };

static void interrupts_on(uint32_t pcpu)
{
    struct bh_msg m;

    guest_make(0, pcpu, &program_interrupts);
    EXPECT(bh_vcpu_virq_config(G_VCPU(0), INTID, VIRQ_ENABLED | VIRQ_GROUP1, 0xa0), OK);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(bh_notification_bind_virq(NOTE, G_VCPU(0), INTID), OK);
    guest_start(0);
    guest_expect_hvc(0, 2, &m);
    EXPECT(m.w[0], 0);
    /* By call, while it serves the exit; by call, asleep; by a signal, asleep. */
    EXPECT(bh_vcpu_virq_inject(G_VCPU(0), INTID, 1), OK);
    guest_reply(REPLY_DONE, 0, 0);
    guest_expect_hvc(0, 2, &m);
    EXPECT(m.w[0], 1);
    EXPECT(m.w[1], INTID);
    guest_reply(REPLY_DONE, 0, 0);
    kt_sleep_ms(3);
    EXPECT(bh_vcpu_virq_inject(G_VCPU(0), INTID, 1), OK);
    guest_expect_hvc(0, 2, &m);
    EXPECT(m.w[0], 2);
    guest_reply(REPLY_DONE, 0, 0);
    kt_sleep_ms(3);
    EXPECT(bh_notification_signal(NOTE), OK);
    guest_expect_hvc(0, 2, &m);
    EXPECT(m.w[0], 3);
    guest_reply(REPLY_DONE, 0, 0);
    kt_sleep_ms(3);
    /* What is not enabled does not wake it; it comes as soon as it is. */
    EXPECT(bh_vcpu_virq_inject(G_VCPU(0), INTID + 1, 1), OK);
    EXPECT(bh_endpoint_recv(G_EXITS(0), bh_after_ms(5), &m), ERR_TIME);
    EXPECT(bh_vcpu_virq_config(G_VCPU(0), INTID + 1, VIRQ_ENABLED | VIRQ_GROUP1, 0xa0), OK);
    guest_expect_hvc(0, 2, &m);
    EXPECT(m.w[1], INTID + 1);
    /* Unbound, the Notification's bits stay with it. */
    EXPECT(bh_notification_unbind_virq(NOTE), OK);
    EXPECT(bh_notification_unbind_virq(NOTE), ERR_STATE);
}

TEST(guest, sleeps_until_an_interrupt_is_pending)
{
    interrupts_on(0);
}
TEST(guest, sleeps_elsewhere_until_an_interrupt_is_pending)
{
    interrupts_on(last_pcpu());
}

/* Suspend it behind its WFI; the host may not have let it come that far yet. */
static void suspend_asleep(unsigned n)
{
    const volatile uint32_t *code = (const volatile uint32_t *)SCRATCH_IPA;
    uint64_t behind = 0;

    while (code[behind++] != 0xd503207f)
        ;
    for (unsigned i = 0; i < 100; i++) {
        kt_sleep_ms(3);
        EXPECT(bh_vcpu_suspend(G_VCPU(n)), OK);
        if (reg(n, REG_PC) == GUEST_CODE + behind * 4)
            return;
        EXPECT(bh_vcpu_resume(G_VCPU(n)), OK);
    }
    EXPECT(reg(n, REG_PC), GUEST_CODE + behind * 4);
}

TEST(guest, asleep_is_suspended_and_goes_on)
{
    struct bh_msg m;

    for (unsigned n = 0; n < 2; n++) {
        guest_make(n, n ? last_pcpu() : 0, &program_interrupts);
        guest_start(n);
        guest_expect_hvc(n, 2, &m);
        guest_reply(REPLY_DONE, 0, 0);
        suspend_asleep(n);
        EXPECT(reg(n, REG_X0 + 20), 0);
        EXPECT(bh_vcpu_resume(G_VCPU(n)), OK);
        guest_expect_hvc(n, 2, &m);
        EXPECT(m.w[0], 0);
        EXPECT(bh_vcpu_suspend(G_VCPU(n)), OK);
    }
}

TEST(guest, line_stays_pending_as_long_as_it_is_asserted)
{
    struct bh_msg m;
    uint64_t flags, priority, taken = 0;

    guest_make(0, 0, &program_interrupts);
    EXPECT(bh_vcpu_virq_config(G_VCPU(0), INTID, VIRQ_ENABLED | VIRQ_LEVEL | VIRQ_GROUP1, 0x80), OK);
    guest_start(0);
    guest_expect_hvc(0, 2, &m);
    /* It takes it again and again, and gets nothing else done, however long it runs.  (Of that time the host
     * may have given it next to nothing: then once more.) */
    for (unsigned tries = 0; tries < 20 && taken < 2; tries++) {
        uint64_t before = m.w[0], began;

        EXPECT(bh_vcpu_virq_inject(G_VCPU(0), INTID, 1), OK);
        EXPECT(bh_vcpu_virq_read(G_VCPU(0), INTID, &flags, &priority), OK);
        EXPECT(flags, VIRQ_ENABLED | VIRQ_LEVEL | VIRQ_GROUP1 | VIRQ_LINE | VIRQ_PENDING);
        EXPECT(priority, 0x80);
        guest_reply(REPLY_DONE, 0, 0);
        began = ticks_of(0);
        for (unsigned i = 0; i < 200 && bh_ticks_to_us(ticks_of(0) - began) < 3000; i++)
            EXPECT(bh_endpoint_recv(G_EXITS(0), bh_after_ms(5), &m), ERR_TIME);
        EXPECT(bh_vcpu_virq_inject(G_VCPU(0), INTID, 0), OK);
        guest_expect_hvc(0, 2, &m);
        taken = m.w[0] - before;
    }
    EXPECT(taken > 1, 1);
    EXPECT(bh_vcpu_virq_read(G_VCPU(0), INTID, &flags, &priority), OK);
    EXPECT(flags & (VIRQ_LINE | VIRQ_PENDING | VIRQ_ACTIVE), 0);
}

static void timer_on(uint32_t pcpu)
{
    struct bh_msg m;
    uint64_t ticks = kt_boot->timer_hz / 500; /* 2 ms */

    guest_make(0, pcpu, &program_timer);
    EXPECT(bh_vcpu_virq_config(G_VCPU(0), 27, VIRQ_ENABLED | VIRQ_GROUP1 | VIRQ_LEVEL, 0xa0), OK);
    EXPECT(bh_vcpu_write(G_VCPU(0), REG_X0 + 1, ticks), OK);
    guest_start(0);
    for (unsigned i = 0; i < 5; i++) {
        guest_expect_hvc(0, 4, &m);
        EXPECT(m.w[0] >= ticks, 1);
        EXPECT(m.w[1], 27);
        guest_reply(REPLY_DONE, 0, ticks);
    }
}

TEST(guest, sleeps_until_its_timer)
{
    timer_on(0);
}
TEST(guest, sleeps_elsewhere_until_its_timer)
{
    timer_on(last_pcpu());
}

/* ---- calls of its own
 * ---------------------------------------------------------------------------------------- */

#define HVC_SYSCALL 0xc6000000u

static uint64_t guest_syscall(unsigned n, uint64_t number, uint64_t x1)
{
    struct bh_msg m;

    guest_reply(REPLY_DONE, HVC_SYSCALL | number, x1);
    guest_expect_hvc(n, 3, &m);
    return m.w[0];
}

static void syscalls_on(uint32_t pcpu)
{
    struct bh_msg m;
    uint64_t bits;

    guest_make(0, pcpu, &program_syscalls);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(bh_cspace_mint(CSPACE, NOTE, G_CSPACE(0), 5, RIGHT_WRITE, 0x11), OK);
    guest_start(0);
    guest_expect_hvc(0, 0, &m); /* x0 is no call: the vmm's */
    guest_reply(REPLY_DONE, 0, 0);
    guest_expect_hvc(0, 3, &m);
    EXPECT(guest_syscall(0, SYS_notification_signal, 5), OK);
    EXPECT(bh_notification_wait(NOTE, 0, &bits), OK);
    EXPECT(bits, 0x11);
    EXPECT(guest_syscall(0, SYS_notification_signal, 6), ERR_CAP);
    EXPECT(guest_syscall(0, SYS_notification_signal, 16), ERR_CAP);
    EXPECT(guest_syscall(0, SYS_notification_wait, 5), ERR_RIGHT);
    EXPECT(guest_syscall(0, SYS_control_off, 5), ERR_CAP);
    /* A number that is none is the vmm's again. */
    guest_reply(REPLY_DONE, HVC_SYSCALL | SYS_COUNT, 0);
    guest_expect_hvc(0, 0, &m);
}

TEST(guest, calls_the_kernel_on_its_own_cspace)
{
    syscalls_on(0);
}
TEST(guest, calls_the_kernel_on_its_own_cspace_elsewhere)
{
    syscalls_on(last_pcpu());
}

TEST(guest, without_capabilities_can_name_nothing)
{
    struct bh_msg m;

    guest_make(0, 0, &program_syscalls);
    guest_start(0);
    guest_expect_hvc(0, 0, &m);
    guest_reply(REPLY_DONE, 0, 0);
    guest_expect_hvc(0, 3, &m);
    /* x2.. stay as they are; every call either wants a capability that is not there, or is IPC. */
    for (uint64_t call = 1; call < SYS_COUNT; call++) {
        uint64_t status;

        if (call == SYS_endpoint_reply)
            continue;
        status = guest_syscall(0, call, 1);
        if (status != ERR_CALL)
            EXPECT(status, ERR_CAP);
    }
}

/* ---- several on one pCPU
 * --------------------------------------------------------------------------------------- */

TEST(guest, registers_of_several_are_kept_apart)
{
    volatile uint64_t *rounds[3];
    struct bh_msg m;

    for (unsigned n = 0; n < 3; n++) {
        guest_make(n, last_pcpu(), &program_switches);
        EXPECT(bh_vcpu_write(G_VCPU(n), REG_X0 + 1, 0x1000 * (n + 1)), OK);
        EXPECT(bh_vcpu_write(G_VCPU(n), REG_X0 + 2, 0x77000000 * (n + 1ull)), OK);
        /* One that a service must not run beside (SCTLR_EL1.A): it is unloaded at each exit. */
        if (n == 1)
            EXPECT(bh_vcpu_write(G_VCPU(n), REG_SCTLR_EL1, 0x30d00802), OK);
        EXPECT(kt_copy(G_FRAMES(n) + 2, FREE + 400 + n, RW), OK);
        EXPECT(bh_aspace_map(ASPACE, FREE + 400 + n, SCRATCH_IPA + (8 + n) * 4096, RW), OK);
        rounds[n] = &SCRATCH[(8 + n) * 512];
    }
    for (unsigned n = 0; n < 3; n++)
        guest_start(n);
    uint64_t end = bh_after_ms(150);
    while (bh_now() < end)
        for (unsigned n = 0; n < 3; n++)
            if (bh_endpoint_recv(G_EXITS(n), bh_after_ms(2), &m) == OK) {
                EXPECT(INFO_LABEL(m.info), EXIT_MMIO_READ);
                guest_reply(REPLY_DONE, 0, 0);
            }
    for (unsigned n = 0; n < 3; n++)
        EXPECT(*rounds[n] > 15, 1);
}

TEST(guest, ends_while_it_runs_elsewhere)
{
    struct bh_msg m;

    for (unsigned i = 0; i < 10; i++) {
        guest_make(0, last_pcpu(), &program_switches);
        guest_start(0);
        EXPECT(guest_exit(0, &m), EXIT_MMIO_READ);
        guest_reply(REPLY_DONE, 0, 0);
        EXPECT(kt_delete(G_VCPU(0)), OK);
        EXPECT(kt_delete(G_SPACE(0)), OK);
        kt_plans_reset();
        EXPECT(kt_revoke(POOL), OK);
    }
}
