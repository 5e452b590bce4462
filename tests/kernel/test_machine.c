/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_machine.c - notifications, physical interrupts, virtual ones from outside, IO spaces without a device,
 * the kernel's log, power
 */
#include <string.h>

#include "ktest.h"

#define NOTE (FREE + 0)
#define BADGED (FREE + 1)
#define EP (FREE + 2)
#define SPACE (FREE + 3)
#define VCPU (FREE + 4)
#define IRQ (FREE + 5)
#define FRAME (FREE + 6)
#define FRAME2 (FREE + 7)
#define TABLES (FREE + 8)
#define A (FREE + 10)
#define B (FREE + 11)

static uint32_t last_pcpu(void)
{
    return kt_boot->pcpu_count - 1;
}

/* ---- notifications ----------------------------------------------------------------------------------------
 */

TEST(notification, collects_the_badges_of_its_signallers)
{
    uint64_t bits;

    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(bh_notification_wait(NOTE, 0, &bits), ERR_TIME);
    for (unsigned i = 0; i < 4; i++)
        EXPECT(kt_mint(NOTE, A + i, RIGHT_WRITE, 1ull << (i * 16)), OK);
    EXPECT(bh_notification_signal(A), OK);
    EXPECT(bh_notification_signal(A + 3), OK);
    EXPECT(bh_notification_signal(A), OK);
    EXPECT(bh_notification_wait(NOTE, BH_FOREVER, &bits), OK);
    EXPECT(bits, 1 | 1ull << 48);
    EXPECT(bh_notification_wait(NOTE, 0, &bits), ERR_TIME);
}

TEST(notification, refuses_what_the_capability_does_not_allow)
{
    uint64_t bits;

    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_copy(NOTE, A, RIGHT_READ), OK);
    EXPECT(kt_copy(NOTE, B, RIGHT_WRITE), OK);
    EXPECT(bh_notification_signal(A), ERR_RIGHT);
    EXPECT(bh_notification_wait(B, 0, &bits), ERR_RIGHT);
    EXPECT(bh_notification_signal(NO_SLOT), ERR_CAP);
    EXPECT(bh_notification_wait(POOL, 0, &bits), ERR_CAP);
    EXPECT(bh_notification_unbind_virq(A), ERR_RIGHT);
    EXPECT(bh_notification_unbind_virq(POOL), ERR_CAP);
    EXPECT(bh_notification_unbind_virq(NOTE), ERR_STATE);
}

TEST(notification, wait_ends_at_its_deadline)
{
    uint64_t bits, before = bh_now();

    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(bh_notification_wait(NOTE, bh_after_ms(10), &bits), ERR_TIME);
    EXPECT(bh_ticks_to_us(bh_now() - before) >= 10000, 1);
    EXPECT(bh_notification_wait(NOTE, before, &bits), ERR_TIME);
}

static volatile uint64_t woken[4];

static void waiter(uint64_t n)
{
    uint64_t bits;

    woken[n] = 1;
    for (;;)
        if (bh_notification_wait(NOTE, BH_FOREVER, &bits) == OK)
            woken[n] += bits;
}

TEST(notification, wakes_one_waiter_at_a_time_in_order)
{
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, BADGED, RIGHT_WRITE, 0x10), OK);
    for (unsigned n = 0; n < 3; n++) {
        woken[n] = 0;
        kt_spawn(n, n == 1 ? last_pcpu() : 0, waiter, n);
        UNTIL(woken[n] == 1);
        kt_sleep_ms(2);
    }
    for (unsigned n = 0; n < 3; n++) {
        EXPECT(woken[n], 1);
        EXPECT(bh_notification_signal(BADGED), OK);
        UNTIL(woken[n] == 0x11);
    }
    /* Who leaves the queue is not woken. */
    EXPECT(bh_vcpu_suspend(kt_threads[0].vcpu), OK);
    EXPECT(bh_notification_signal(BADGED), OK);
    UNTIL(woken[1] == 0x21);
    EXPECT(woken[0], 0x11);
}

TEST(notification, takes_64_waiters_and_no_more)
{
    struct plan *plan = (struct plan *)(IPCBUF_IPA + PLAN_OFFSET);
    enum { WAITERS = 67 };
    struct bh_msg m;
    uint64_t bits, status;

    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, BADGED, RIGHT_WRITE, 1), OK);
    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(bh_untyped_retype(POOL, CAP_VCPU, 0, WAITERS, CSPACE, FREE + 100), OK);
    EXPECT(bh_untyped_retype(POOL, CAP_SC, 0, WAITERS, CSPACE, FREE + 200), OK);
    *plan = (struct plan){.epoch_us = 10000, .count = WAITERS + 1, .flags = PLAN_ELASTIC};
    plan->entries[0] = (struct plan_entry){.sc = INIT_SLOT_SC, .slice_us = 2000};
    for (slot_t i = 0; i < WAITERS; i++) { /* each needs no stack: it makes one call, and then faults */
        slot_t vcpu = FREE + 100 + i, sc = FREE + 200 + i, faults = FREE + 300 + i;

        EXPECT(kt_mint(EP, faults, RIGHT_WRITE, vcpu), OK);
        EXPECT(bh_vcpu_configure(vcpu, VCPU_SERVICE, 0, 0, CSPACE, ASPACE, faults), OK);
        EXPECT(bh_vcpu_write(vcpu, REG_PC, (uint64_t)kt_raw), OK);
        EXPECT(bh_vcpu_write(vcpu, REG_X0, SYS_notification_wait), OK);
        EXPECT(bh_vcpu_write(vcpu, REG_X0 + 1, NOTE), OK);
        EXPECT(bh_vcpu_write(vcpu, REG_X0 + 2, BH_FOREVER), OK);
        EXPECT(bh_vcpu_write(vcpu, REG_X0 + 30, 8), OK);
        EXPECT(bh_sc_create_on(sc, 0), OK);
        EXPECT(bh_sc_bind(sc, vcpu), OK);
        EXPECT(bh_vcpu_resume(vcpu), OK);
        plan->entries[1 + i] = (struct plan_entry){.sc = sc, .slice_us = 1000};
    }
    EXPECT(bh_dispatcher_commit(INIT_SLOT_DISPATCHER0), OK);
    for (unsigned i = 0; i < WAITERS - 64; i++) {
        EXPECT(bh_endpoint_recv(EP, bh_after_ms(5000), &m), OK);
        EXPECT(m.w[3], 8);
        EXPECT(bh_vcpu_suspend((slot_t)m.badge), OK);
        EXPECT(bh_vcpu_read((slot_t)m.badge, REG_X0, &status), OK);
        EXPECT(status, ERR_FULL);
    }
    EXPECT(bh_notification_wait(NOTE, bh_after_ms(1000), &bits), ERR_FULL);
    EXPECT(bh_notification_signal(BADGED), OK);
    EXPECT(bh_notification_wait(NOTE, bh_after_ms(1), &bits), ERR_TIME); /* room for one again */
}

/* ---- virtual interrupts, as the vmm sets them
 * --------------------------------------------------------------- */

static void make_guest(void)
{
    EXPECT(kt_make(CAP_ASPACE, 0, SPACE), OK);
    EXPECT(kt_make(CAP_VCPU, 0, VCPU), OK);
    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, BADGED, RIGHT_WRITE, 1), OK);
}

static uint64_t virq(uint32_t intid)
{
    uint64_t flags = 0, priority;

    EXPECT(bh_vcpu_virq_read(VCPU, intid, &flags, &priority), OK);
    return flags;
}

TEST(virq, belongs_to_configured_guests_only)
{
    uint64_t flags, priority;

    make_guest();
    EXPECT(bh_vcpu_virq_config(VCPU, 40, VIRQ_ENABLED, 0), ERR_STATE);
    EXPECT(bh_vcpu_virq_inject(VCPU, 40, 1), ERR_STATE);
    EXPECT(bh_vcpu_virq_read(VCPU, 40, &flags, &priority), ERR_STATE);
    EXPECT(bh_vcpu_virq_write(VCPU, 40, VIRQ_PENDING, 0), ERR_STATE);
    EXPECT(bh_notification_bind_virq(NOTE, VCPU, 40), ERR_ARG);
    EXPECT(bh_vcpu_configure(VCPU, VCPU_SERVICE, 0, 0, CSPACE, SPACE, EP), OK);
    EXPECT(bh_vcpu_virq_config(VCPU, 40, VIRQ_ENABLED, 0), ERR_STATE);
    EXPECT(bh_vcpu_virq_inject(VCPU, 40, 1), ERR_STATE);
    EXPECT(bh_notification_bind_virq(NOTE, VCPU, 40), ERR_ARG);
}

TEST(virq, calls_refuse_what_does_not_exist)
{
    uint64_t flags, priority;

    make_guest();
    EXPECT(bh_vcpu_configure(VCPU, VCPU_GUEST, 0, 0, CSPACE, SPACE, EP), OK);
    EXPECT(bh_vcpu_virq_config(VCPU, VIRQ_MAX, VIRQ_ENABLED, 0), ERR_ARG);
    EXPECT(bh_vcpu_virq_config(VCPU, 40, VIRQ_PENDING, 0), ERR_ARG);
    EXPECT(bh_vcpu_virq_config(VCPU, 40, 64, 0), ERR_ARG);
    EXPECT(kt_raw(SYS_vcpu_virq_config, VCPU, 40, VIRQ_ENABLED, 256, 0, 0, 0), ERR_ARG);
    EXPECT(bh_vcpu_virq_inject(VCPU, VIRQ_MAX, 1), ERR_ARG);
    EXPECT(bh_vcpu_virq_inject(VCPU, 40, 2), ERR_ARG);
    EXPECT(bh_vcpu_virq_read(VCPU, VIRQ_MAX, &flags, &priority), ERR_ARG);
    EXPECT(bh_vcpu_virq_write(VCPU, VIRQ_MAX, VIRQ_PENDING, 0), ERR_ARG);
    EXPECT(bh_vcpu_virq_write(VCPU, 40, VIRQ_ENABLED, 0), ERR_ARG);
    EXPECT(kt_copy(VCPU, A, RIGHT_READ), OK);
    EXPECT(kt_copy(VCPU, B, RIGHT_WRITE), OK);
    EXPECT(bh_vcpu_virq_config(A, 40, VIRQ_ENABLED, 0), ERR_RIGHT);
    EXPECT(bh_vcpu_virq_inject(A, 40, 1), ERR_RIGHT);
    EXPECT(bh_vcpu_virq_write(A, 40, VIRQ_PENDING, 0), ERR_RIGHT);
    EXPECT(bh_vcpu_virq_read(B, 40, &flags, &priority), ERR_RIGHT);
    EXPECT(bh_notification_bind_virq(NOTE, A, 40), ERR_RIGHT);
    EXPECT(bh_vcpu_virq_read(NO_SLOT, 40, &flags, &priority), ERR_CAP);
    EXPECT(bh_vcpu_virq_config(POOL, 40, VIRQ_ENABLED, 0), ERR_CAP);
    EXPECT(bh_vcpu_virq_inject(NO_SLOT, 40, 1), ERR_CAP);
    EXPECT(bh_vcpu_virq_write(NO_SLOT, 40, VIRQ_PENDING, 0), ERR_CAP);
    EXPECT(bh_notification_bind_virq(NOTE, NO_SLOT, 40), ERR_CAP);
    EXPECT(bh_notification_bind_virq(VCPU, VCPU, 40), ERR_CAP);
}

TEST(virq, state_is_what_was_set)
{
    make_guest();
    EXPECT(bh_vcpu_configure(VCPU, VCPU_GUEST, 0, last_pcpu(), CSPACE, SPACE, EP), OK);
    EXPECT(bh_vcpu_virq_config(VCPU, 40, VIRQ_ENABLED | VIRQ_GROUP1, 0x80), OK);
    EXPECT(virq(40), VIRQ_ENABLED | VIRQ_GROUP1);
    /* Edge: pending until taken back. */
    EXPECT(bh_vcpu_virq_inject(VCPU, 40, 1), OK);
    EXPECT(virq(40), VIRQ_ENABLED | VIRQ_GROUP1 | VIRQ_PENDING);
    EXPECT(bh_vcpu_virq_inject(VCPU, 40, 0), OK);
    EXPECT(virq(40), VIRQ_ENABLED | VIRQ_GROUP1);
    EXPECT(bh_vcpu_virq_write(VCPU, 40, VIRQ_PENDING | VIRQ_ACTIVE, VIRQ_PENDING | VIRQ_ACTIVE), OK);
    EXPECT(virq(40) & (VIRQ_PENDING | VIRQ_ACTIVE), VIRQ_PENDING | VIRQ_ACTIVE);
    EXPECT(bh_vcpu_virq_write(VCPU, 40, VIRQ_ACTIVE, 0), OK);
    EXPECT(virq(40) & (VIRQ_PENDING | VIRQ_ACTIVE), VIRQ_PENDING);
    EXPECT(bh_vcpu_virq_write(VCPU, 40, VIRQ_PENDING, 0), OK);
    EXPECT(virq(40) & (VIRQ_PENDING | VIRQ_ACTIVE), 0);
    /* Level: as long as the line. */
    EXPECT(bh_vcpu_virq_config(VCPU, 41, VIRQ_LEVEL, 0), OK);
    EXPECT(bh_vcpu_virq_inject(VCPU, 41, 1), OK);
    EXPECT(virq(41), VIRQ_LEVEL | VIRQ_LINE | VIRQ_PENDING);
    EXPECT(bh_vcpu_virq_inject(VCPU, 41, 0), OK);
    EXPECT(virq(41), VIRQ_LEVEL);
    EXPECT(virq(42) & (VIRQ_PENDING | VIRQ_LINE), 0);
}

TEST(virq, is_made_pending_by_its_notification)
{
    make_guest();
    EXPECT(bh_vcpu_configure(VCPU, VCPU_GUEST, 0, 0, CSPACE, SPACE, EP), OK);
    EXPECT(bh_notification_bind_virq(NOTE, VCPU, VIRQ_MAX), ERR_ARG);
    EXPECT(bh_notification_signal(BADGED), OK);
    EXPECT(bh_notification_bind_virq(NOTE, VCPU, 50), OK);
    EXPECT(virq(50) & VIRQ_PENDING, VIRQ_PENDING); /* the signal of before */
    EXPECT(bh_notification_bind_virq(NOTE, VCPU, 51), ERR_STATE);
    EXPECT(bh_vcpu_bind_notification(VCPU, NOTE), ERR_STATE);
    EXPECT(bh_vcpu_virq_inject(VCPU, 50, 0), OK);
    EXPECT(bh_notification_signal(BADGED), OK);
    EXPECT(virq(50) & VIRQ_PENDING, VIRQ_PENDING);
    EXPECT(bh_notification_unbind_virq(NOTE), OK);
    EXPECT(bh_vcpu_virq_inject(VCPU, 50, 0), OK);
    EXPECT(bh_notification_signal(BADGED), OK);
    EXPECT(virq(50) & VIRQ_PENDING, 0);
    /* Bound again, the vCPU's end lets it go; and so does the Notification's. */
    EXPECT(bh_notification_bind_virq(NOTE, VCPU, 50), OK);
    EXPECT(kt_delete(VCPU), OK);
    EXPECT(bh_notification_unbind_virq(NOTE), ERR_STATE);
    EXPECT(kt_make(CAP_VCPU, 0, VCPU), OK);
    EXPECT(bh_vcpu_configure(VCPU, VCPU_GUEST, 0, 0, CSPACE, SPACE, EP), OK);
    EXPECT(bh_notification_bind_virq(NOTE, VCPU, 50), OK);
    EXPECT(kt_delete(BADGED), OK);
    EXPECT(kt_delete(NOTE), OK);
}

TEST(virq, of_a_bound_or_awaited_notification_is_refused)
{
    make_guest();
    EXPECT(bh_vcpu_configure(VCPU, VCPU_GUEST, 0, 0, CSPACE, SPACE, EP), OK);
    woken[0] = 0;
    kt_spawn(0, 0, waiter, 0);
    UNTIL(woken[0] == 1);
    kt_sleep_ms(2);
    EXPECT(bh_notification_bind_virq(NOTE, VCPU, 50), ERR_STATE);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, A), OK);
    EXPECT(bh_vcpu_bind_notification(kt_threads[0].vcpu, A), OK);
    EXPECT(bh_notification_bind_virq(A, VCPU, 50), ERR_STATE);
}

TEST(virq, many_sources_end_with_their_vcpu)
{
    make_guest();
    EXPECT(bh_vcpu_configure(VCPU, VCPU_GUEST, 0, 0, CSPACE, SPACE, EP), OK);
    EXPECT(bh_untyped_retype(POOL, CAP_NOTIFICATION, 0, 300, CSPACE, FREE + 100), OK);
    for (slot_t i = 0; i < 300; i++)
        EXPECT(bh_notification_bind_virq(FREE + 100 + i, VCPU, 32 + i % 64), OK);
    EXPECT(kt_delete(FREE + 250), OK);
    EXPECT(kt_delete(VCPU), OK);
    for (slot_t i = 0; i < 300; i++)
        if (i != 150)
            EXPECT(bh_notification_unbind_virq(FREE + 100 + i), ERR_STATE);
}

/* ---- physical interrupts
 * ------------------------------------------------------------------------------------- */

enum { RTC_INTID = 34, UNUSED_INTID = 250 };
#define RTC ((volatile uint32_t *)SCRATCH_IPA) /* PL031: DDI 0224 */
enum { RTC_DR = 0, RTC_MR = 1, RTC_IMSC = 4, RTC_RIS = 5, RTC_ICR = 7 };

TEST(irq, claim_refuses_what_is_not_to_be_had)
{
    slot_t control = INIT_SLOT_CONTROL;

    EXPECT(bh_irq_claim(NO_SLOT, UNUSED_INTID, CSPACE, IRQ), ERR_CAP);
    EXPECT(bh_irq_claim(POOL, UNUSED_INTID, CSPACE, IRQ), ERR_CAP);
    EXPECT(kt_copy(control, A, RIGHT_READ), OK);
    EXPECT(bh_irq_claim(A, UNUSED_INTID, CSPACE, IRQ), ERR_RIGHT);
    EXPECT(kt_delete(A), OK);
    EXPECT(bh_irq_claim(control, 0, CSPACE, IRQ), ERR_ARG);
    EXPECT(bh_irq_claim(control, 27, CSPACE, IRQ), ERR_ARG);
    EXPECT(bh_irq_claim(control, 31, CSPACE, IRQ), ERR_ARG);
    EXPECT(bh_irq_claim(control, 288, CSPACE, IRQ), ERR_ARG);
    EXPECT(bh_irq_claim(control, 0xffffffff, CSPACE, IRQ), ERR_ARG);
    EXPECT(bh_irq_claim(control, 106, CSPACE, IRQ), ERR_ARG); /* the SMMU's are the kernel's */
    EXPECT(bh_irq_claim(control, 109, CSPACE, IRQ), ERR_ARG);
    EXPECT(bh_irq_claim(control, UNUSED_INTID, CSPACE, 0), ERR_ARG);
    EXPECT(bh_irq_claim(control, UNUSED_INTID, CSPACE, NO_SUCH_SLOT), ERR_ARG);
    EXPECT(bh_irq_claim(control, UNUSED_INTID, CSPACE, POOL), ERR_FULL);
    EXPECT(bh_irq_claim(control, UNUSED_INTID, CSPACE, IRQ), OK);
    EXPECT(bh_irq_claim(control, UNUSED_INTID, CSPACE, A), ERR_EXIST);
    EXPECT(bh_irq_ack(IRQ), ERR_STATE); /* nobody is told of it */
    EXPECT(kt_copy(IRQ, A, RIGHT_READ), OK);
    EXPECT(bh_irq_ack(A), ERR_RIGHT);
    EXPECT(bh_irq_ack(NO_SLOT), ERR_CAP);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(bh_irq_bind(A, NOTE), ERR_RIGHT);
    EXPECT(bh_irq_bind(IRQ, POOL), ERR_CAP);
    EXPECT(bh_irq_bind(NO_SLOT, NOTE), ERR_CAP);
    EXPECT(kt_copy(NOTE, B, RIGHT_READ), OK);
    EXPECT(bh_irq_bind(IRQ, B), ERR_RIGHT);
    EXPECT(bh_irq_bind(IRQ, NOTE), OK);
    EXPECT(bh_irq_ack(IRQ), OK);
    /* Given up, it can be had again. */
    EXPECT(kt_delete(IRQ), OK);
    EXPECT(kt_delete(A), OK);
    EXPECT(bh_irq_claim(control, UNUSED_INTID, CSPACE, IRQ), OK);
    EXPECT(bh_irq_ack(IRQ), ERR_STATE);
    EXPECT(kt_delete(IRQ), OK);
}

TEST(irq, given_up_lets_its_notification_go)
{
    EXPECT(bh_irq_claim(INIT_SLOT_CONTROL, UNUSED_INTID, CSPACE, IRQ), OK);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(bh_irq_bind(IRQ, NOTE), OK);
    woken[0] = 0;
    kt_spawn(0, 0, waiter, 0);
    UNTIL(woken[0] == 1);
    kt_sleep_ms(2);
    EXPECT(kt_delete(IRQ), OK);
    EXPECT(kt_delete(NOTE), OK); /* now its last capability: the waiter's next wait finds nothing */
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, BADGED, RIGHT_WRITE, 5), OK);
    kt_sleep_ms(2);
    EXPECT(bh_notification_signal(BADGED), OK);
    UNTIL(woken[0] == 6);
}

TEST(irq, signals_once_until_it_is_acknowledged)
{
    slot_t rtc = kt_device(0x09010000);
    uint64_t bits;

    EXPECT(bh_untyped_retype(rtc, CAP_FRAME, FRAME_4K, 1, CSPACE, FRAME), OK);
    EXPECT(bh_aspace_map(ASPACE, FRAME, SCRATCH_IPA, RW), OK);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, BADGED, RIGHT_WRITE, 0x400), OK);
    EXPECT(bh_irq_claim(INIT_SLOT_CONTROL, RTC_INTID, CSPACE, IRQ), OK);
    RTC[RTC_IMSC] = 1;
    RTC[RTC_MR] = RTC[RTC_DR]; /* now: the line is asserted */
    kt_sleep_ms(2);
    EXPECT(RTC[RTC_RIS], 1);
    EXPECT(bh_notification_wait(NOTE, 0, &bits), ERR_TIME); /* masked until it is bound */
    EXPECT(bh_irq_bind(IRQ, BADGED), OK);
    EXPECT(bh_notification_wait(NOTE, bh_after_ms(1000), &bits), OK);
    EXPECT(bits, 0x400);
    EXPECT(bh_notification_wait(NOTE, bh_after_ms(5), &bits), ERR_TIME);
    EXPECT(bh_irq_ack(IRQ), OK); /* the line is still asserted */
    EXPECT(bh_notification_wait(NOTE, bh_after_ms(1000), &bits), OK);
    RTC[RTC_ICR] = 1;
    EXPECT(bh_irq_ack(IRQ), OK);
    EXPECT(bh_notification_wait(NOTE, bh_after_ms(5), &bits), ERR_TIME);
    /* Another Notification takes its place. */
    EXPECT(kt_mint(NOTE, A, RIGHT_WRITE, 0x800), OK);
    EXPECT(bh_irq_bind(IRQ, A), OK);
    RTC[RTC_MR] = RTC[RTC_DR];
    EXPECT(bh_notification_wait(NOTE, bh_after_ms(1000), &bits), OK);
    EXPECT(bits, 0x800);
    RTC[RTC_ICR] = 1;
    /* Without a capability it is masked. */
    EXPECT(bh_irq_ack(IRQ), OK);
    EXPECT(kt_delete(IRQ), OK);
    RTC[RTC_MR] = RTC[RTC_DR];
    EXPECT(bh_notification_wait(NOTE, bh_after_ms(5), &bits), ERR_TIME);
    RTC[RTC_IMSC] = 0;
    RTC[RTC_ICR] = 1;
    EXPECT(kt_revoke(rtc), OK);
}

/* ---- IO spaces: their devices are in tests/system
 * ---------------------------------------------------------------- */

#define IO SPACE
#define TOP (1ull << ASPACE_IPA_BITS)

TEST(iospace, binds_one_stream_that_nobody_has)
{
    EXPECT(kt_make(CAP_IOSPACE, 0, IO), OK);
    EXPECT(kt_make(CAP_IOSPACE, 0, A), OK);
    EXPECT(bh_iospace_bind(IO, POOL, 0x18), ERR_CAP);
    EXPECT(bh_iospace_bind(POOL, INIT_SLOT_CONTROL, 0x18), ERR_CAP);
    EXPECT(bh_iospace_bind(IO, INIT_SLOT_CONTROL, 0x10000), ERR_ARG);
    EXPECT(bh_iospace_bind(IO, INIT_SLOT_CONTROL, 0xffffffff), ERR_ARG);
    EXPECT(kt_copy(INIT_SLOT_CONTROL, B, RIGHT_READ), OK);
    EXPECT(bh_iospace_bind(IO, B, 0x18), ERR_RIGHT);
    EXPECT(kt_delete(B), OK);
    EXPECT(bh_iospace_bind(IO, INIT_SLOT_CONTROL, 0x18), OK);
    EXPECT(bh_iospace_bind(IO, INIT_SLOT_CONTROL, 0x19), ERR_STATE);
    EXPECT(bh_iospace_bind(A, INIT_SLOT_CONTROL, 0x18), ERR_EXIST);
    EXPECT(kt_delete(IO), OK);
    EXPECT(bh_iospace_bind(A, INIT_SLOT_CONTROL, 0x18), OK);
}

TEST(iospace, binds_only_while_it_is_empty)
{
    EXPECT(kt_make(CAP_IOSPACE, 0, IO), OK);
    EXPECT(kt_make(CAP_FRAME, FRAME_4K, FRAME), OK);
    EXPECT(bh_iospace_donate(IO, POOL, 4), OK);
    EXPECT(bh_iospace_map(IO, FRAME, 0x1000, RW), OK);
    EXPECT(bh_iospace_bind(IO, INIT_SLOT_CONTROL, 0x18), ERR_STATE);
    EXPECT(bh_iospace_unmap(FRAME), OK);
    EXPECT(bh_iospace_bind(IO, INIT_SLOT_CONTROL, 0x18), OK);
}

TEST(iospace, map_refuses_what_does_not_fit)
{
    EXPECT(kt_make(CAP_IOSPACE, 0, IO), OK);
    EXPECT(kt_make(CAP_FRAME, FRAME_4K, FRAME), OK);
    EXPECT(kt_make(CAP_FRAME, FRAME_4K, FRAME2), OK);
    EXPECT(kt_make(CAP_UNTYPED, 65536, TABLES), OK);
    EXPECT(bh_iospace_map(IO, FRAME, 0x1000, RW), ERR_MEM);
    EXPECT(bh_iospace_donate(IO, TABLES, 0), ERR_ARG);
    EXPECT(bh_iospace_donate(IO, TABLES, 17), ERR_MEM);
    EXPECT(bh_iospace_donate(IO, kt_device(0x09010000), 1), ERR_ARG);
    EXPECT(bh_iospace_donate(FRAME, TABLES, 1), ERR_CAP);
    EXPECT(bh_iospace_donate(IO, TABLES, 4), OK);
    EXPECT(bh_iospace_map(IO, FRAME, 0x1800, RW), ERR_ARG);
    EXPECT(bh_iospace_map(IO, FRAME, TOP, RW), ERR_ARG);
    EXPECT(bh_iospace_map(IO, FRAME, 0x1000, 0), ERR_ARG);
    EXPECT(bh_iospace_map(IO, FRAME, 0x1000, RIGHT_WRITE), ERR_ARG);
    EXPECT(bh_iospace_map(IO, FRAME, 0x1000, RWX), ERR_ARG);
    EXPECT(kt_copy(FRAME, A, RIGHT_READ), OK);
    EXPECT(bh_iospace_map(IO, A, 0x1000, RW), ERR_RIGHT);
    EXPECT(bh_iospace_map(IO, A, 0x1000, RIGHT_READ), OK);
    EXPECT(bh_iospace_map(IO, FRAME, 0x1000, RW), ERR_FULL);
    EXPECT(bh_iospace_map(IO, FRAME, 0x2000, RW | MAP_UNCACHED), OK);
    EXPECT(bh_iospace_map(IO, FRAME, 0x3000, RW), ERR_STATE);
    EXPECT(bh_aspace_map(ASPACE, FRAME, SCRATCH_IPA, RW), ERR_STATE);
    EXPECT(bh_aspace_unmap(FRAME), ERR_STATE);
    EXPECT(bh_aspace_protect(FRAME, RIGHT_READ), ERR_STATE);
    EXPECT(bh_iospace_unmap(FRAME), OK);
    EXPECT(bh_iospace_unmap(FRAME), OK);
    EXPECT(bh_iospace_unmap(IO), ERR_CAP);
    EXPECT(kt_copy(IO, B, RIGHT_READ), OK);
    EXPECT(bh_iospace_map(B, FRAME, 0x1000, RW), ERR_RIGHT);
    EXPECT(bh_iospace_donate(B, TABLES, 1), ERR_RIGHT);
    EXPECT(bh_iospace_map(NO_SLOT, FRAME, 0x1000, RW), ERR_CAP);
    EXPECT(bh_iospace_map(IO, IO, 0x1000, RW), ERR_CAP);
    /* What its tables stood in goes: nothing is mapped any more. */
    EXPECT(kt_revoke(TABLES), OK);
    EXPECT(bh_iospace_map(IO, FRAME, 0x2000, RW), ERR_MEM);
    EXPECT(bh_iospace_donate(IO, TABLES, 4), OK);
    EXPECT(bh_iospace_map(IO, FRAME, 0x1000, RW), OK);
    EXPECT(bh_iospace_map(IO, A, 0x1000, RIGHT_READ), ERR_FULL);
}

TEST(iospace, tells_no_faults_when_there_were_none)
{
    uint64_t count, address, reason;

    EXPECT(kt_make(CAP_IOSPACE, 0, IO), OK);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(bh_iospace_fault(IO, &count, &address, &reason), OK);
    EXPECT(count, 0);
    EXPECT(kt_copy(IO, A, RIGHT_WRITE), OK);
    EXPECT(bh_iospace_fault(A, &count, &address, &reason), ERR_RIGHT);
    EXPECT(bh_iospace_fault(NO_SLOT, &count, &address, &reason), ERR_CAP);
    EXPECT(bh_iospace_notify(IO, POOL), ERR_CAP);
    EXPECT(kt_copy(NOTE, B, RIGHT_READ), OK);
    EXPECT(bh_iospace_notify(IO, B), ERR_RIGHT);
    EXPECT(bh_iospace_notify(IO, NOTE), OK);
    EXPECT(bh_iospace_notify(IO, NOTE), OK);
}

/* ---- the log, and the end of the machine
 * ------------------------------------------------------------------------- */

TEST(log, is_read_from_any_position)
{
    uint64_t next, bytes, all;

    EXPECT(bh_log_read(POOL, 0, &next, &bytes), ERR_CAP);
    EXPECT(kt_copy(INIT_SLOT_LOG, A, RIGHT_WRITE), OK);
    EXPECT(bh_log_read(A, 0, &next, &bytes), ERR_RIGHT);
    EXPECT(kt_delete(A), OK);
    EXPECT(bh_log_read(INIT_SLOT_LOG, 0, &next, &bytes), OK);
    EXPECT(bytes > 0 && bytes <= IPC_BYTES_MAX, 1);
    /* "bulkhead: 4 pCPUs..." is what the kernel says first. */
    EXPECT(bh_ipcbuf->data[0], 'b');
    EXPECT(bh_ipcbuf->data[8], ':');
    for (unsigned i = 0; i < 100 && bytes; i++)
        EXPECT(bh_log_read(INIT_SLOT_LOG, next, &next, &bytes), OK);
    EXPECT(bytes, 0);
    all = next;
    EXPECT(bh_log_read(INIT_SLOT_LOG, UINT64_MAX, &next, &bytes), OK);
    EXPECT(next, all);
    EXPECT(bytes, 0);
    EXPECT(bh_log_read(INIT_SLOT_LOG, all - 3, &next, &bytes), OK);
    EXPECT(bytes, 3);
}

TEST(log, tells_its_reader_that_it_grew)
{
    uint64_t bits, next = 0, bytes, before = 0;

    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, BADGED, RIGHT_WRITE, 2), OK);
    EXPECT(kt_copy(NOTE, A, RIGHT_READ), OK);
    EXPECT(bh_log_bind(INIT_SLOT_LOG, A), ERR_RIGHT);
    EXPECT(bh_log_bind(INIT_SLOT_LOG, POOL), ERR_CAP);
    EXPECT(bh_log_bind(NO_SLOT, BADGED), ERR_CAP);
    do {
        before = next;
        EXPECT(bh_log_read(INIT_SLOT_LOG, next, &next, &bytes), OK);
    } while (bytes);
    EXPECT(bh_log_bind(INIT_SLOT_LOG, BADGED), OK);
    (void)!bh_notification_wait(NOTE, 0, &bits);
    /* A vCPU that nobody hears makes the kernel say so. */
    struct kt_thread *thread = kt_prepare(0, last_pcpu(), (void (*)(uint64_t))8, 0);
    EXPECT(kt_revoke(thread->faults), OK);
    kt_plan_add(last_pcpu(), thread->sc);
    EXPECT(bh_vcpu_resume(thread->vcpu), OK);
    EXPECT(bh_notification_wait(NOTE, bh_after_ms(1000), &bits), OK);
    EXPECT(bits, 2);
    EXPECT(bh_log_read(INIT_SLOT_LOG, before, &next, &bytes), OK);
    EXPECT(bytes > 0, 1);
    EXPECT(bh_log_bind(INIT_SLOT_LOG, BADGED), OK); /* again is allowed */
}

TEST(control, off_refuses_what_is_neither_off_nor_reset)
{
    EXPECT(bh_control_off(INIT_SLOT_CONTROL, 2), ERR_ARG);
    EXPECT(bh_control_off(INIT_SLOT_CONTROL, 0xffffffff), ERR_ARG);
    EXPECT(bh_control_off(POOL, 0), ERR_CAP);
    EXPECT(bh_control_off(NO_SLOT, 0), ERR_CAP);
    EXPECT(kt_copy(INIT_SLOT_CONTROL, A, RIGHT_READ), OK);
    EXPECT(bh_control_off(A, 0), ERR_RIGHT);
    EXPECT(kt_delete(A), OK);
}

/* ---- a service's memcpy: from some size on it uses vector registers ---------------------------------------
 */

TEST(memcpy, copies_much_from_and_to_any_address)
{
    static uint8_t from[9000], to[9000];

    for (uint32_t i = 0; i < sizeof from; i++)
        from[i] = (uint8_t)(i * 7 + i / 251);
    for (uint32_t shift = 0; shift < 17; shift++) {
        uint32_t bytes = 8000 + shift * 37;

        memset(to, 0x5a, sizeof to);
        memcpy(to + shift, from + shift * 3, bytes);
        EXPECT(memcmp(to + shift, from + shift * 3, bytes), 0);
        EXPECT(to[shift + bytes], 0x5a);
        EXPECT(shift == 0 || to[shift - 1] == 0x5a, 1);
    }
}
