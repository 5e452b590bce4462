/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_virqs.c - the kernel's virtual interrupts and timers on a model of the GIC's virtual interface
 *
 * The model has what the code may rely on of GICv3: list registers with their states, the guest's acknowledge
 * and end, maintenance reasons, one physical PPI with its timer.  guest_take() and guest_end() are the
 * guest; enter() is the way back into it.
 *
 * flags: -Ikernel
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define this_cpu real_this_cpu
#define now real_now
#undef assert
#include "kernel.h"
#undef this_cpu
#undef now
#undef read_sysreg
#undef write_sysreg
#undef isb
#define read_sysreg(name) model_read(#name)
#define write_sysreg(name, value) model_write(#name, value)
#define isb() ((void)0)

static struct cpu *here;
static uint64_t clock_now;
static struct cpu *this_cpu(void)
{
    return here;
}
static uint64_t now(void)
{
    return clock_now;
}
static uint64_t model_read(const char *name);
static void model_write(const char *name, uint64_t value);

#include "kernel/vgic.c"
#include "kernel/vtimer.c"

/* ---- the model ---- */

enum { LRS = 4 };
static struct {
    uint64_t lr[LRS];
    uint64_t hcr, vmcr, ap0r0, ap1r0;
    uint64_t cntv_ctl, cntv_cval, cntvoff;
    bool ppi27_active;
    uint32_t running[32]; /* priorities taken and not ended, the last is the running one */
    unsigned running_count;
    unsigned lr_writes;
} hw;
static unsigned wakes, kicks;
static bool locked;

static bool eoi_maintenance(unsigned i)
{
    return !(hw.lr[i] & LR_STATE) && !(hw.lr[i] & LR_HW) && (hw.lr[i] & LR_EOI);
}

static unsigned lr_index(const char *name)
{
    unsigned row, column;

    assert_int_equal(sscanf(name, "s3_4_c12_c%u_%u", &row, &column), 2);
    return (row - 12) * 8 + column;
}

static bool timer_is_due(void)
{
    return (hw.cntv_ctl & 1) && clock_now - hw.cntvoff >= hw.cntv_cval;
}

static uint64_t model_read(const char *name)
{
    uint64_t bits = 0;

    if (!strcmp(name, "s3_4_c12_c11_1"))
        return (LRS - 1) | 4ull << 26 | 4ull << 29;
    if (!strcmp(name, "s3_4_c12_c11_3")) {
        for (unsigned i = 0; i < LRS; i++)
            bits |= eoi_maintenance(i) ? 1u << i : 0;
        return bits;
    }
    if (!strcmp(name, "s3_4_c12_c11_5")) {
        for (unsigned i = 0; i < LRS; i++)
            bits |= !(hw.lr[i] & LR_STATE) && !eoi_maintenance(i) ? 1u << i : 0;
        return bits;
    }
    if (!strcmp(name, "s3_4_c12_c11_0"))
        return hw.hcr;
    if (!strcmp(name, "s3_4_c12_c11_7"))
        return hw.vmcr;
    if (!strcmp(name, "s3_4_c12_c8_0"))
        return hw.ap0r0;
    if (!strcmp(name, "s3_4_c12_c9_0"))
        return hw.ap1r0;
    if (!strcmp(name, "cntv_ctl_el0"))
        return hw.cntv_ctl | (timer_is_due() ? 4u : 0u);
    if (!strcmp(name, "cntv_cval_el0"))
        return hw.cntv_cval;
    return hw.lr[lr_index(name)];
}

static void model_write(const char *name, uint64_t value)
{
    if (!strcmp(name, "s3_4_c12_c11_0")) {
        hw.hcr = value;
    } else if (!strcmp(name, "s3_4_c12_c11_7")) {
        hw.vmcr = value;
    } else if (!strcmp(name, "s3_4_c12_c8_0")) {
        hw.ap0r0 = value;
    } else if (!strcmp(name, "s3_4_c12_c9_0")) {
        hw.ap1r0 = value;
    } else if (!strcmp(name, "cntv_ctl_el0")) {
        hw.cntv_ctl = value & 3;
    } else if (!strcmp(name, "cntv_cval_el0")) {
        hw.cntv_cval = value;
    } else if (!strcmp(name, "cntvoff_el2")) {
        hw.cntvoff = value;
    } else if (!strncmp(name, "s3_4_c12_c12_", 13)) {
        if (value & LR_HW) /* forbidden by the architecture */
            assert_int_not_equal(value & LR_STATE, LR_STATE);
        hw.lr[lr_index(name)] = value;
        hw.lr_writes++;
    }
}

/* ---- what the rest of the kernel would do ---- */

void kernel_lock(void)
{
    assert_false(locked);
    locked = true;
}
void kernel_unlock(void)
{
    assert_true(locked);
    locked = false;
}
void vcpu_wake(struct vcpu *v)
{
    assert_true(locked);
    v->state = VCPU_RUNNABLE;
    wakes++;
}
void cpu_kick(struct cpu *cpu)
{
    assert_ptr_not_equal(cpu, here);
    kicks++;
}
void timer_queue(struct cpu *cpu, struct timer *timer, uint64_t when)
{
    (void)cpu;
    timer->queued = true;
    timer->when = when;
}
void timer_cancel(struct cpu *cpu, struct timer *timer)
{
    (void)cpu;
    timer->queued = false;
}
void gic_set_active(uint32_t intid, bool active)
{
    assert_int_equal(intid, PPI_VTIMER);
    hw.ppi27_active = active;
}
_Noreturn void panic(const char *format, ...)
{
    fail_msg("panic: %s", format);
    abort();
}

/* ---- the guest ---- */

static uint32_t lr_priority(unsigned i)
{
    return (uint32_t)(hw.lr[i] >> LR_PRIORITY_SHIFT & 0xff);
}

/* Acknowledge: 1023 when nothing is signalled. */
static uint32_t guest_take(void)
{
    uint32_t limit = hw.running_count ? hw.running[hw.running_count - 1] : 256;
    int best = -1;

    for (unsigned i = 0; i < LRS; i++)
        if ((hw.lr[i] & LR_STATE) == LR_PENDING && (hw.hcr & ICH_HCR_EN) && lr_priority(i) < limit &&
            lr_priority(i) < ICH_VMCR_VPMR(hw.vmcr) &&
            (best < 0 || lr_priority(i) < lr_priority((unsigned)best)))
            best = (int)i;
    if (best < 0)
        return 1023;
    hw.lr[best] = (hw.lr[best] & ~LR_STATE) | LR_ACTIVE;
    hw.running[hw.running_count++] = lr_priority((unsigned)best);
    return (uint32_t)hw.lr[best];
}

static void guest_end(uint32_t intid)
{
    assert_true(hw.running_count > 0);
    hw.running_count--;
    for (unsigned i = 0; i < LRS; i++) {
        if (!(hw.lr[i] & LR_ACTIVE) || (uint32_t)hw.lr[i] != intid)
            continue;
        hw.lr[i] &= ~LR_ACTIVE;
        if (hw.lr[i] & LR_HW)
            hw.ppi27_active = false;
        return;
    }
    hw.hcr += 1ull << ICH_HCR_EOICOUNT_SHIFT;
}

static bool maintenance(void)
{
    bool pending = false, reason = false;

    for (unsigned i = 0; i < LRS; i++) {
        pending |= (hw.lr[i] & LR_STATE) == LR_PENDING;
        reason |= eoi_maintenance(i);
    }
    reason |= (hw.hcr & ICH_HCR_NPIE) && !pending;
    reason |= (hw.hcr & ICH_HCR_LRENPIE) && hw.hcr >> ICH_HCR_EOICOUNT_SHIFT;
    return reason;
}

static struct cpu cpu0, cpu1;
static struct vcpu one, two;

/* Physical interrupts, until there are none: a reason that stays would hang the guest. */
static void interrupts(void)
{
    for (unsigned i = 0; maintenance(); i++) {
        assert_true(i < 3);
        vgic_maintenance(&cpu0);
    }
    if (timer_is_due() && !(hw.cntv_ctl & 2) && !hw.ppi27_active) {
        hw.ppi27_active = true;
        vtimer_fired(&cpu0);
    }
}

static void enter(void)
{
    for (unsigned i = 0; i < 2; i++) {
        interrupts();
        if (cpu0.el1_owner->virqs.dirty)
            vgic_refresh(cpu0.el1_owner);
    }
    assert_false(maintenance());
}

/* Ends that asked for no maintenance are noticed the next time somebody looks. */
static bool nothing_is_left(struct vcpu *v)
{
    vgic_refresh(v);
    return v->virqs.lr_used == 0 && !any_active(&v->virqs) && hw.hcr == ICH_HCR_EN;
}

static void switch_to(struct vcpu *v)
{
    if (cpu0.el1_owner) {
        vgic_save(cpu0.el1_owner);
        vtimer_save(cpu0.el1_owner);
    }
    memset(hw.lr, 0xff, sizeof(hw.lr)); /* whatever another guest leaves behind */
    cpu0.el1_owner = cpu0.current = v;
    vgic_load(v);
    vtimer_load(v);
}

static void set(struct vcpu *v, uint32_t intid, bool level)
{
    kernel_lock();
    vgic_set(v, intid, level);
    kernel_unlock();
}

static void configure(struct vcpu *v, uint32_t intid, uint32_t flags, uint8_t priority)
{
    kernel_lock();
    vgic_configure(v, intid, flags | VIRQ_GROUP1, priority);
    kernel_unlock();
}

static void write_state(struct vcpu *v, uint32_t intid, uint32_t mask, uint32_t flags)
{
    kernel_lock();
    vgic_write(v, intid, mask, flags);
    kernel_unlock();
}

static void guest_new(struct vcpu *v)
{
    memset(v, 0, sizeof(*v));
    v->cpu = &cpu0;
    v->state = VCPU_RUNNABLE;
    vgic_reset(v);
    vtimer_reset(v);
    v->virqs.vmcr = 0xffull << 24 | ICH_VMCR_ENG1;
}

static int setup(void **state)
{
    (void)state;
    memset(&hw, 0, sizeof(hw));
    memset(&cpu0, 0, sizeof(cpu0));
    memset(&cpu1, 0, sizeof(cpu1));
    wakes = kicks = 0;
    clock_now = 1000;
    here = &cpu0;
    vgic_init();
    guest_new(&one);
    guest_new(&two);
    switch_to(&one);
    for (uint32_t i = 0; i < VIRQ_MAX; i++)
        configure(&one, i, VIRQ_ENABLED | (i >= 64 ? VIRQ_LEVEL : 0), 0xa0);
    return 0;
}

/* ---- claims ---- */

static void an_edge_is_delivered_once(void **state)
{
    (void)state;
    set(&one, 40, true);
    enter();
    assert_int_equal(guest_take(), 40);
    guest_end(40);
    enter();
    assert_int_equal(guest_take(), 1023);
}

static void an_edge_while_active_comes_again(void **state)
{
    (void)state;
    set(&one, 40, true);
    enter();
    assert_int_equal(guest_take(), 40);
    set(&one, 40, true);
    enter();
    assert_int_equal(guest_take(), 1023); /* not while it is active */
    guest_end(40);
    enter();
    assert_int_equal(guest_take(), 40);
    guest_end(40);
    enter();
    assert_int_equal(guest_take(), 1023);
}

static void nothing_is_written_when_nothing_changed(void **state)
{
    (void)state;
    set(&one, 40, true);
    enter();
    unsigned before = hw.lr_writes;

    for (unsigned i = 0; i < 10; i++)
        enter();
    assert_int_equal(hw.lr_writes, before);
}

static void a_level_comes_again_while_its_line_is_up(void **state)
{
    (void)state;
    set(&one, 70, true);
    enter();
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(guest_take(), 70);
        guest_end(70);
        enter();
    }
    assert_int_equal(guest_take(), 70);
    set(&one, 70, false);
    enter();
    guest_end(70);
    assert_false(maintenance()); /* the line dropped before: no exit at the end of interrupt */
    enter();
    assert_int_equal(guest_take(), 1023);
}

static void a_level_that_drops_is_not_taken(void **state)
{
    (void)state;
    set(&one, 70, true);
    enter();
    set(&one, 70, false);
    enter();
    assert_int_equal(guest_take(), 1023);
    assert_true(nothing_is_left(&one));
}

static void a_level_made_pending_by_the_guest_stays_without_its_line(void **state)
{
    (void)state;
    write_state(&one, 70, VIRQ_PENDING, VIRQ_PENDING);
    set(&one, 70, true);
    enter();
    set(&one, 70, false);
    enter();
    assert_int_equal(guest_take(), 70);
    guest_end(70);
    enter();
    assert_int_equal(guest_take(), 1023);
}

static void disabled_stays_pending_until_enabled(void **state)
{
    (void)state;
    set(&one, 40, true);
    enter();
    configure(&one, 40, 0, 0xa0);
    enter();
    assert_int_equal(guest_take(), 1023);
    assert_true(vgic_read(&one, 40) & VIRQ_PENDING);
    configure(&one, 40, VIRQ_ENABLED, 0xa0);
    enter();
    assert_int_equal(guest_take(), 40);
}

static void more_than_list_registers_all_arrive_most_urgent_first(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 12; i++) {
        configure(&one, 32 + i, VIRQ_ENABLED, (uint8_t)(0xf0 - 8 * i));
        set(&one, 32 + i, true);
    }
    enter();
    for (uint32_t i = 12; i-- > 0;) {
        assert_int_equal(guest_take(), 32 + i);
        enter();
        guest_end(32 + i);
        enter();
    }
    assert_int_equal(guest_take(), 1023);
    assert_true(nothing_is_left(&one));
}

static void an_urgent_one_displaces_a_pending_one(void **state)
{
    uint32_t seen = 0;

    (void)state;
    for (uint32_t i = 32; i < 40; i++)
        set(&one, i, true);
    enter();
    configure(&one, 60, VIRQ_ENABLED, 0x10);
    set(&one, 60, true);
    enter();
    assert_int_equal(guest_take(), 60);
    guest_end(60);
    for (unsigned i = 0; i < 8; i++) {
        enter();
        uint32_t intid = guest_take();

        assert_in_range(intid, 32, 39);
        assert_false(seen >> (intid - 32) & 1);
        seen |= 1u << (intid - 32);
        guest_end(intid);
    }
    enter();
    assert_int_equal(guest_take(), 1023);
}

/* Six nested handlers on four list registers: two active interrupts have none when they end. */
static void nesting_deeper_than_list_registers_unwinds(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 6; i++) {
        configure(&one, 32 + i, VIRQ_ENABLED, (uint8_t)(0xa0 - 0x10 * i));
        set(&one, 32 + i, true);
        enter();
        assert_int_equal(guest_take(), 32 + i);
    }
    for (uint32_t i = 6; i-- > 0;) {
        assert_true(vgic_read(&one, 32 + i) & VIRQ_ACTIVE);
        guest_end(32 + i);
        enter();
        assert_false(vgic_read(&one, 32 + i) & VIRQ_ACTIVE);
    }
    assert_true(nothing_is_left(&one));
}

static void clearing_pending_and_active_reaches_a_list_register(void **state)
{
    (void)state;
    set(&one, 40, true);
    enter();
    set(&one, 40, false);
    enter();
    assert_int_equal(guest_take(), 1023);

    set(&one, 41, true);
    enter();
    assert_int_equal(guest_take(), 41);
    write_state(&one, 41, VIRQ_ACTIVE, 0);
    enter();
    assert_true(nothing_is_left(&one));
}

/* Before the pCPU looks: the later one counts. */
static void the_last_of_clear_and_set_counts(void **state)
{
    (void)state;
    set(&one, 40, true);
    enter();
    set(&one, 40, false);
    set(&one, 40, true);
    enter();
    assert_int_equal(guest_take(), 40);
    guest_end(40);
    set(&one, 40, true);
    set(&one, 40, false);
    enter();
    assert_int_equal(guest_take(), 1023);
}

static void state_survives_another_guest(void **state)
{
    (void)state;
    set(&one, 40, true);
    set(&one, 70, true);
    enter();
    uint32_t first = guest_take();
    unsigned running = hw.running_count;

    switch_to(&two);
    hw.running_count = 0;
    enter();
    assert_int_equal(guest_take(), 1023);
    set(&one, 41, true);
    switch_to(&one);
    hw.running_count = running;
    set(&one, 70, false);
    enter();
    guest_end(first);
    unsigned seen = 0;

    for (uint32_t intid; enter(), (intid = guest_take()) != 1023; seen++)
        guest_end(intid);
    assert_int_equal(seen, first == 70 ? 2 : 1);
}

static void another_pcpu_kicks_a_running_vcpu_and_wakes_a_sleeping_one(void **state)
{
    (void)state;
    here = &cpu1;
    set(&one, 40, true);
    assert_int_equal(kicks, 1);
    assert_int_equal(wakes, 0);
    one.state = VCPU_WFI;
    configure(&one, 41, 0, 0xa0);
    set(&one, 41, true);
    assert_int_equal(wakes, 0); /* it is disabled */
    set(&one, 42, true);
    assert_int_equal(wakes, 1);
    here = &cpu0;
    enter();
    assert_true(one.virqs.in_lr[0] & 1ull << 40);
    assert_true(one.virqs.in_lr[0] & 1ull << 42);
}

static void wfi_sleeps_behind_the_priority_mask(void **state)
{
    (void)state;
    set(&one, 40, true);
    assert_true(vgic_pending(&one));
    hw.vmcr = 0x80ull << 24 | ICH_VMCR_ENG1;
    assert_false(vgic_pending(&one));
    hw.vmcr = 0xffull << 24;
    assert_false(vgic_pending(&one));
}

/* ---- the timer ---- */

static void timer_set(uint64_t ctl, uint64_t at)
{
    hw.cntv_cval = at;
    hw.cntv_ctl = ctl;
}

static void the_timer_fires_through_a_hardware_list_register(void **state)
{
    (void)state;
    timer_set(1, 100);
    enter();
    assert_int_equal(guest_take(), 1023);
    clock_now += 100;
    enter();
    assert_int_equal(guest_take(), PPI_VTIMER);
    assert_true(hw.ppi27_active);
    enter(); /* asserted still: not again while it is active */
    assert_int_equal(guest_take(), 1023);
    timer_set(1, 200);
    guest_end(PPI_VTIMER);
    assert_false(hw.ppi27_active);
    enter();
    assert_int_equal(guest_take(), 1023);
    clock_now += 100;
    enter();
    assert_int_equal(guest_take(), PPI_VTIMER);
}

static void the_timer_fires_again_when_ended_with_its_line_up(void **state)
{
    (void)state;
    timer_set(1, 0);
    for (unsigned i = 0; i < 4; i++) {
        enter();
        assert_int_equal(guest_take(), PPI_VTIMER);
        guest_end(PPI_VTIMER);
    }
    timer_set(0, 0);
    enter();
    assert_int_equal(guest_take(), 1023);
}

/* It fired while the guest had it disabled, and was set anew before that changed. */
static void a_timer_set_anew_is_not_taken(void **state)
{
    (void)state;
    configure(&one, PPI_VTIMER, 0, 0xa0);
    timer_set(1, 0);
    enter();
    assert_true(hw.ppi27_active);
    timer_set(1, 1u << 20);
    configure(&one, PPI_VTIMER, VIRQ_ENABLED, 0xa0);
    enter();
    assert_int_equal(guest_take(), 1023);
    assert_false(hw.ppi27_active);
    assert_false(one.vtimer_active);
}

static void the_timer_in_flight_moves_with_its_guest(void **state)
{
    (void)state;
    timer_set(1, 0);
    enter();
    assert_int_equal(guest_take(), PPI_VTIMER);
    unsigned running = hw.running_count;

    switch_to(&two);
    assert_false(hw.ppi27_active);
    hw.running_count = 0;
    configure(&two, PPI_VTIMER, VIRQ_ENABLED, 0xa0);
    timer_set(1, 0); /* the other guest's own fires, too */
    enter();
    assert_int_equal(guest_take(), PPI_VTIMER);
    guest_end(PPI_VTIMER);
    timer_set(0, 0);
    switch_to(&one);
    hw.running_count = running;
    assert_true(hw.ppi27_active);
    timer_set(0, 0);
    guest_end(PPI_VTIMER);
    assert_false(hw.ppi27_active);
    enter();
    assert_int_equal(guest_take(), 1023);
}

static void a_sleeping_guest_that_is_not_loaded_is_woken_by_the_heap(void **state)
{
    (void)state;
    timer_set(1, 100);
    one.state = VCPU_WFI;
    switch_to(&two);
    assert_true(one.vtimer.queued);
    assert_int_equal(one.vtimer.when, 1100);
    clock_now = 1100;
    kernel_lock();
    guest_timer_expired(&one, &one.vtimer);
    kernel_unlock();
    assert_int_equal(wakes, 1);
    switch_to(&one);
    enter();
    assert_int_equal(guest_take(), PPI_VTIMER);
}

static void a_sleeping_guest_that_is_loaded_is_woken_by_its_timer(void **state)
{
    (void)state;
    timer_set(1, 100);
    one.state = VCPU_WFI;
    clock_now = 1100;
    hw.ppi27_active = true;
    vtimer_fired(&cpu0);
    assert_int_equal(wakes, 1);
    enter();
    assert_int_equal(guest_take(), PPI_VTIMER);
}

static void the_physical_timer_is_a_level(void **state)
{
    (void)state;
    ptimer_set(&one, 1, 1500);
    assert_true(one.ptimer.queued);
    enter();
    assert_int_equal(guest_take(), 1023);
    clock_now = 1500;
    one.ptimer.queued = false;
    kernel_lock();
    guest_timer_expired(&one, &one.ptimer);
    kernel_unlock();
    enter();
    assert_int_equal(ptimer_ctl(&one), 5);
    assert_int_equal(guest_take(), PPI_PTIMER);
    ptimer_set(&one, 1, 2000);
    guest_end(PPI_PTIMER);
    enter();
    assert_int_equal(guest_take(), 1023);
    ptimer_set(&one, 3, 0); /* masked */
    enter();
    assert_int_equal(guest_take(), 1023);
    assert_int_equal(ptimer_ctl(&one), 7);
}

/* ---- anything at all ---- */

static uint32_t taken[32];
static unsigned depth;

static bool is_taken(uint32_t intid)
{
    for (unsigned i = 0; i < depth; i++)
        if (taken[i] == intid)
            return true;
    return false;
}

static void other_guest_runs(void)
{
    unsigned running = hw.running_count;

    hw.running_count = 0;
    switch_to(&two);
    enter();
    assert_int_equal(guest_take(), 1023);
    switch_to(&one);
    hw.running_count = running;
}

/*
 * A guest that takes and ends at random, sources that fire at random, guests that change places: every edge
 * arrives at least once after it was posted, none twice at a time, and in the end nothing is left.
 */
static void no_edge_is_lost_in_a_storm(void **state)
{
    bool owed[VIRQ_MAX] = {false};

    (void)state;
    srand(7);
    depth = 0;
    for (unsigned n = 0; n < 200000; n++) {
        uint32_t intid = 32 + (uint32_t)rand() % 32;
        bool storm = n < 190000;

        switch (storm ? rand() % 8 : 4 + rand() % 2) {
        case 0:
        case 1:
            set(&one, intid, true);
            owed[intid] = true;
            break;
        case 2:
            if (!is_taken(intid)) /* a new priority for an active one is the guest's own mistake */
                configure(&one, intid, rand() % 2 ? VIRQ_ENABLED : 0, (uint8_t)((rand() % 16) << 4));
            break;
        case 3:
            other_guest_runs();
            break;
        case 4:
            intid = depth < 16 ? guest_take() : 1023;
            if (intid != 1023) {
                assert_false(is_taken(intid));
                taken[depth++] = intid;
                owed[intid] = false;
            }
            break;
        case 5:
            if (depth)
                guest_end(taken[--depth]);
            break;
        default:
            break;
        }
        if (n == 190000)
            for (intid = 32; intid < 64; intid++)
                if (!is_taken(intid))
                    configure(&one, intid, VIRQ_ENABLED, 0x80);
        enter();
    }
    assert_int_equal(depth, 0);
    for (uint32_t i = 0; i < VIRQ_MAX; i++)
        assert_false(owed[i]);
    assert_true(nothing_is_left(&one));
}

int main(void)
{
#define CLAIM(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        CLAIM(an_edge_is_delivered_once),
        CLAIM(an_edge_while_active_comes_again),
        CLAIM(nothing_is_written_when_nothing_changed),
        CLAIM(a_level_comes_again_while_its_line_is_up),
        CLAIM(a_level_that_drops_is_not_taken),
        CLAIM(a_level_made_pending_by_the_guest_stays_without_its_line),
        CLAIM(disabled_stays_pending_until_enabled),
        CLAIM(more_than_list_registers_all_arrive_most_urgent_first),
        CLAIM(an_urgent_one_displaces_a_pending_one),
        CLAIM(nesting_deeper_than_list_registers_unwinds),
        CLAIM(clearing_pending_and_active_reaches_a_list_register),
        CLAIM(the_last_of_clear_and_set_counts),
        CLAIM(state_survives_another_guest),
        CLAIM(another_pcpu_kicks_a_running_vcpu_and_wakes_a_sleeping_one),
        CLAIM(wfi_sleeps_behind_the_priority_mask),
        CLAIM(the_timer_fires_through_a_hardware_list_register),
        CLAIM(the_timer_fires_again_when_ended_with_its_line_up),
        CLAIM(a_timer_set_anew_is_not_taken),
        CLAIM(the_timer_in_flight_moves_with_its_guest),
        CLAIM(a_sleeping_guest_that_is_not_loaded_is_woken_by_the_heap),
        CLAIM(a_sleeping_guest_that_is_loaded_is_woken_by_its_timer),
        CLAIM(the_physical_timer_is_a_level),
        CLAIM(no_edge_is_lost_in_a_storm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
