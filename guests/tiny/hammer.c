/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hammer.c - do devices stay whole when four vCPUs use them at once, do vCPUs go off and on meanwhile, and
 * does the VM end when another than vCPU 0 says so?
 *
 * Wants four vCPUs.  Each has a field of its own in registers that all write to; the others' stores must not
 * touch it.  What goes wrong on the others is counted there and claimed by vCPU 0.
 */
#include "tiny.h"

const char tiny_name[] = "hammer";

#define VCPUS 4u
#define ROUNDS 500u
#define MARKS 200u /* bytes that each writes to the console, all at once */
#define RESTARTS 50u
#define SPI0 64u
enum { STOP_NEVER = 0, STOP_NOW = 1, POWER_OFF = 2 };

static volatile uint32_t rounds[VCPUS], wrong[VCPUS], order[VCPUS], starts, go;
/* UARTIBRD, UARTFBRD, UARTILPR, UARTIFLS: one each */
static const uint32_t uart_register[VCPUS] = {0x24, 0x28, 0x20, 0x34};

static void claim(uint32_t index, bool is_true)
{
    if (!is_true)
        wrong[index]++;
}

static void distributor(uint32_t index, uint32_t round)
{
    uint32_t intid = SPI0 + index;
    uint8_t priority = (uint8_t)(round << 3);
    uint64_t route = GICD + 0x6000 + 8ul * intid;

    write8(GICD + 0x400 + intid, priority);
    claim(index, (read32(GICD + 0x400 + SPI0) >> (8 * index) & 0xff) == priority);
    gic_enable(intid);
    claim(index, (read32(GICD + 0x100 + SPI0 / 8) >> index & 1) == 1);
    gic_disable(intid);
    claim(index, (read32(GICD + 0x100 + SPI0 / 8) >> index & 1) == 0);
    write64(route, round % VCPUS);
    claim(index, read32(route) == round % VCPUS);
}

static void console(uint32_t index, uint32_t round)
{
    write32(UART + uart_register[index], round & 0x3f);
    claim(index, read32(UART + uart_register[index]) == (round & 0x3f));
    claim(index, read32(VIRTIO(4)) == 0x74726976);
}

/* All of them fit the wire, so none may be missing. */
static void marks(uint32_t index)
{
    for (uint32_t i = 0; i < MARKS; i++)
        write32(UART, (uint32_t) "!#%&"[index]);
}

static void hammer(uint32_t index)
{
    if (rounds[index] == 0)
        marks(index);
    distributor(index, rounds[index]);
    console(index, rounds[index]);
    rounds[index]++;
}

static void other(uint64_t index)
{
    starts++;
    wait_until(&go, 1);
    while (order[index] == STOP_NEVER)
        hammer((uint32_t)index);
    if (order[index] == POWER_OFF)
        (void)hvc(0x84000008, 0, 0, 0);
}

/* vCPU 1 goes off and comes back while 2 and 3 go on. */
static void restarts(void)
{
    for (uint32_t i = 0; i < RESTARTS; i++) {
        uint32_t before = starts;
        int64_t result;

        order[1] = STOP_NOW;
        check(cpu_wait_off(1), "it goes off", i, rounds[1]);
        order[1] = STOP_NEVER;
        result = cpu_start(1, other);
        check(result == 0, "who is off can be started", i, (uint64_t)result);
        check(wait_until(&starts, before + 1), "and starts", i, starts);
    }
}

/* The verdict is out: vCPU 3 ends the VM, with 1 and 2 in the middle of it. */
static void end_by_another(void)
{
    order[3] = POWER_OFF;
    for (;;)
        hammer(0);
}

void tiny_run(void)
{
    gic_start();
    for (uint32_t i = 1; i < VCPUS; i++)
        check(cpu_start(i, other) == 0 && wait_until(&starts, i), "a vCPU starts", i, starts);
    go = 1;
    while (rounds[0] < ROUNDS)
        hammer(0);
    for (uint32_t i = 0; i < VCPUS; i++)
        check(wait_until(&rounds[i], ROUNDS), "all of them go on", i, rounds[i]);
    restarts();
    for (uint32_t i = 0; i < VCPUS; i++)
        check(wrong[i] == 0, "a register keeps what its vCPU wrote", i, wrong[i]);
    tiny_at_end = end_by_another;
}
