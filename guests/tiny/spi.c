/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spi.c - are shared interrupts taken where they are routed, in order of priority, more than fit at once?
 *
 * Wants two vCPUs.  Interrupts are made pending through GICD_ISPENDR.
 */
#include "tiny.h"

const char tiny_name[] = "spi";

#define FIRST 56u /* from here on no device is wired */
#define LAST 95u
#define COUNT (LAST - FIRST + 1)

static volatile uint32_t order[COUNT], order_count;
static volatile uint32_t is_up, stop;

static void note(uint32_t intid)
{
    if (intid >= FIRST && order_count < COUNT)
        order[order_count] = intid;
    order_count++;
}

static void make_pending(uint32_t intid)
{
    write32(GICD + 0x200 + intid / 32 * 4, 1u << intid % 32);
}

static void set_priority(uint32_t intid, uint8_t priority)
{
    write8(GICD + 0x400 + intid, priority);
}

static void set_edge(uint32_t intid)
{
    uint64_t at = GICD + 0xc00 + intid / 16 * 4;

    write32(at, read32(at) | 2u << intid % 16 * 2);
}

static void other(uint64_t index)
{
    (void)index;
    gic_start();
    is_up = 1;
    irq_unmask();
    while (!stop)
        ;
    irq_mask();
}

/* Urgent ones have low numbers; they are made pending in the wrong order. */
static void in_order_of_priority(void)
{
    irq_mask();
    order_count = 0;
    for (uint32_t intid = FIRST; intid <= LAST; intid++) {
        set_priority(intid, (uint8_t)(((intid - FIRST) % 16 << 3) + 0x40));
        make_pending(intid);
    }
    irq_unmask();
    wait_until(&order_count, COUNT);
    check(order_count == COUNT, "each pending SPI is taken once", order_count, COUNT);
    for (uint32_t i = 1; i < COUNT; i++)
        check((order[i] - FIRST) % 16 >= (order[i - 1] - FIRST) % 16, "the more urgent comes first",
              order[i - 1], order[i]);
}

static void where_they_are_routed(void)
{
    for (uint32_t intid = FIRST; intid <= LAST; intid++) {
        uint32_t target = intid & 1;
        uint32_t before = irq_counts[target][intid];

        write64(GICD + 0x6000 + 8 * intid, target);
        make_pending(intid);
        wait_until(&irq_counts[target][intid], before + 1);
        check(irq_counts[target][intid] == before + 1, "an SPI is taken where it is routed", intid, target);
        check(irq_counts[1 - target][intid] <= 1, "and nowhere else", intid, irq_counts[1 - target][intid]);
    }
}

/* Pending while it is routed to nobody, then given to somebody. */
static void re_routed_while_pending(void)
{
    for (uint32_t intid = FIRST; intid < FIRST + 8; intid++) {
        uint32_t before = irq_counts[1][intid];

        write64(GICD + 0x6000 + 8 * intid, 0x700);
        make_pending(intid);
        check((read32(GICD + 0x200 + intid / 32 * 4) >> intid % 32 & 1) == 1, "it stays pending", intid, 0);
        write64(GICD + 0x6000 + 8 * intid, 1);
        wait_until(&irq_counts[1][intid], before + 1);
        check(irq_counts[1][intid] == before + 1, "a pending SPI follows its route", intid,
              irq_counts[1][intid]);
    }
}

static void not_when_disabled(void)
{
    uint32_t before = irq_counts[0][FIRST];

    write64(GICD + 0x6000 + 8 * FIRST, 0);
    gic_disable(FIRST);
    make_pending(FIRST);
    for (uint64_t end = counter() + counter_hz() / 100; counter() < end;)
        ;
    check(irq_counts[0][FIRST] == before, "a disabled SPI is not taken", irq_counts[0][FIRST], before);
    write32(GICD + 0x280 + FIRST / 32 * 4, 1u << FIRST % 32);
    gic_enable(FIRST);
    for (uint64_t end = counter() + counter_hz() / 100; counter() < end;)
        ;
    check(irq_counts[0][FIRST] == before, "nor one whose pending state was cleared", irq_counts[0][FIRST],
          before);
}

void tiny_run(void)
{
    irq_hook = note;
    gic_start();
    for (uint32_t intid = FIRST; intid <= LAST; intid++) {
        set_edge(intid);
        gic_enable(intid);
    }
    irq_unmask();
    in_order_of_priority();
    check(cpu_start(1, other) == 0, "vCPU 1 starts", 0, 0);
    check(wait_until(&is_up, 1), "vCPU 1 is up", 0, 0);
    where_they_are_routed();
    re_routed_while_pending();
    not_when_disabled();
    stop = 1;
    check(cpu_wait_off(1), "vCPU 1 goes off", 0, 0);
}
