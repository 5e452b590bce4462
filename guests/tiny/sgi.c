/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sgi.c - do interrupts between vCPUs arrive, each and once, and do vCPUs go off and on again?
 *
 * Wants two vCPUs.
 */
#include "tiny.h"

const char tiny_name[] = "sgi";

#define PINGS 500u
enum { SGI_PING = 1, SGI_PONG = 2, SGI_STOP = 3 };

static volatile uint32_t is_up, stop, starts;

static void answer(uint32_t intid)
{
    if (vcpu_index() == 1 && intid == SGI_PING)
        send_sgi(SGI_PONG, 1);
    else if (vcpu_index() == 1 && intid == SGI_STOP)
        stop = 1;
}

static void other(uint64_t index)
{
    check(index == 1, "vCPU 1 is vCPU 1", index, 0);
    starts++;
    gic_start();
    for (uint32_t i = 0; i < 16; i++)
        gic_enable(i);
    is_up = 1;
    while (!stop) {
        irq_mask();
        if (!stop)
            wait_for_interrupt();
        irq_unmask();
    }
    irq_mask();
}

static void self_sgis(void)
{
    for (uint32_t i = 0; i < 16; i++) {
        uint32_t before = irq_counts[0][i];

        send_sgi(i, 1);
        wait_until(&irq_counts[0][i], before + 1);
        check(irq_counts[0][i] == before + 1, "an SGI to myself is taken once", i, irq_counts[0][i] - before);
    }
}

/* Sixteen at once: more than there are list registers. */
static void many_at_once(void)
{
    uint32_t before[16];

    irq_mask();
    for (uint32_t i = 0; i < 16; i++) {
        before[i] = irq_counts[0][i];
        send_sgi(i, 1);
        send_sgi(i, 1); /* pending already: still one */
    }
    irq_unmask();
    for (uint32_t i = 0; i < 16; i++) {
        wait_until(&irq_counts[0][i], before[i] + 1);
        check(irq_counts[0][i] == before[i] + 1, "each of sixteen pending SGIs is taken once", i,
              irq_counts[0][i] - before[i]);
    }
}

static void ping_pong(void)
{
    uint32_t pongs = irq_counts[0][SGI_PONG];
    uint32_t pings = irq_counts[1][SGI_PING];

    for (uint32_t i = 1; i <= PINGS; i++) {
        send_sgi(SGI_PING, 2);
        if (!wait_until(&irq_counts[0][SGI_PONG], pongs + i)) {
            check(false, "a ping is answered", i, irq_counts[1][SGI_PING]);
            return;
        }
    }
    check(irq_counts[1][SGI_PING] == pings + PINGS, "each ping is taken once",
          irq_counts[1][SGI_PING] - pings, 0);
    check(irq_counts[0][SGI_PONG] == pongs + PINGS, "each pong is taken once",
          irq_counts[0][SGI_PONG] - pongs, 0);
}

void tiny_run(void)
{
    irq_hook = answer;
    gic_start();
    for (uint32_t i = 0; i < 16; i++)
        gic_enable(i);
    irq_unmask();
    self_sgis();
    many_at_once();
    for (uint32_t round = 1; round <= 10; round++) {
        is_up = stop = 0;
        check(hvc(0xc4000004, 1, 0, 0).x[0] == 1, "vCPU 1 is off", round, 0);
        check(cpu_start(1, other) == 0, "CPU_ON starts it", round, 0);
        check(wait_until(&is_up, 1), "it comes up", round, starts);
        check(cpu_start(1, other) == -4, "it is on", round, 0);
        if (round == 1)
            ping_pong();
        send_sgi(SGI_STOP, 2);
        check(cpu_wait_off(1), "it goes off", round, stop);
    }
    check(starts == 10, "it started ten times", starts, 0);
}
