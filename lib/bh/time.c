/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * time.c - the physical counter, which the kernel lets services read and which deadlines are in
 *
 * Not the virtual one: on a pCPU where a guest's EL1 state is loaded that is the guest's time.
 */
#include "bh.h"

static uint64_t ticks_per_second(void)
{
    uint64_t hz;

    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
    return hz;
}

uint64_t bh_now(void)
{
    uint64_t ticks;

    /* Without the isb the counter may be read early (Arm ARM D11.1.2). */
    __asm__ volatile("isb\n\tmrs %0, cntpct_el0" : "=r"(ticks)::"memory");
    return ticks;
}

uint64_t bh_after_ms(uint64_t ms)
{
    uint64_t hz = ticks_per_second(), now = bh_now();
    uint64_t whole = ms / 1000;

    if (whole >= (UINT64_MAX - now) / hz - 1)
        return BH_FOREVER;
    return now + whole * hz + ms % 1000 * hz / 1000;
}

uint64_t bh_ticks_to_us(uint64_t ticks)
{
    uint64_t hz = ticks_per_second();

    return ticks / hz * 1000000 + ticks % hz * 1000000 / hz;
}
