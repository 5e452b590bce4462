/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * timer.c - do both timers interrupt when they are due, once per expiry, awake and asleep?
 */
#include "tiny.h"

const char tiny_name[] = "timer";

#define ROUNDS 50u

static volatile uint32_t expiries;
static uint64_t due;

/* Level-sensitive: it must be made to stop before the end of the interrupt. */
static void on_expiry(uint32_t intid)
{
    if (intid == PPI_VIRTUAL)
        write_register(cntv_ctl_el0, 0);
    else
        write_register(cntp_ctl_el0, 0);
    expiries++;
}

static void arm(uint32_t intid, uint64_t ticks)
{
    due = read_register(cntvct_el0) + ticks;
    if (intid == PPI_VIRTUAL) {
        write_register(cntv_cval_el0, due);
        write_register(cntv_ctl_el0, 1);
    } else {
        due = read_register(cntpct_el0) + ticks;
        write_register(cntp_cval_el0, due);
        write_register(cntp_ctl_el0, 1);
    }
}

static uint64_t now(uint32_t intid)
{
    return intid == PPI_VIRTUAL ? read_register(cntvct_el0) : read_register(cntpct_el0);
}

static void rounds(uint32_t intid, bool sleep)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t before = expiries;

        arm(intid, counter_hz() / 2000 * (1 + i % 5));
        while (expiries == before) {
            if (sleep) {
                irq_mask(); /* as kernels do: no interrupt between the last look and the WFI */
                if (expiries == before)
                    wait_for_interrupt();
                irq_unmask();
            } else if (now(intid) > due + 20 * counter_hz()) {
                break;
            }
        }
        check(expiries == before + 1, "one expiry is one interrupt", intid, expiries - before);
        check(now(intid) >= due, "not before it is due", intid, due - now(intid));
    }
}

static void stays_quiet_when_masked_or_off(uint32_t intid)
{
    uint32_t before = expiries;

    gic_disable(intid);
    arm(intid, 0);
    for (uint64_t end = counter() + counter_hz() / 100; counter() < end;)
        ;
    check(expiries == before, "a disabled interrupt is not taken", intid, expiries - before);
    gic_enable(intid);
    wait_until(&expiries, before + 1);
    check(expiries == before + 1, "it is when it is enabled again", intid, expiries - before);
}

static void counts_up(void)
{
    uint64_t last = counter();

    for (uint32_t i = 0; i < 10000; i++) {
        uint64_t next = counter();

        check(next >= last, "the counter does not go back", last, next);
        last = next;
    }
}

void tiny_run(void)
{
    irq_hook = on_expiry;
    gic_start();
    gic_enable(PPI_VIRTUAL);
    gic_enable(PPI_PHYSICAL);
    irq_unmask();
    counts_up();
    rounds(PPI_VIRTUAL, false);
    rounds(PPI_VIRTUAL, true);
    rounds(PPI_PHYSICAL, false);
    rounds(PPI_PHYSICAL, true);
    stays_quiet_when_masked_or_off(PPI_VIRTUAL);
    stays_quiet_when_masked_or_off(PPI_PHYSICAL);
    check(irq_counts[0][PPI_VIRTUAL] == 2 * ROUNDS + 1, "no interrupt too many", irq_counts[0][PPI_VIRTUAL],
          0);
    check(irq_counts[0][PPI_PHYSICAL] == 2 * ROUNDS + 1, "no interrupt too many", irq_counts[0][PPI_PHYSICAL],
          0);
}
