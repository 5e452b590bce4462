/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dispatcher.h - what the rest of the kernel asks of the dispatcher and its timer
 */
#ifndef DISPATCHER_H
#define DISPATCHER_H

#include "kernel.h"

/* Whom this pCPU runs next, NULL for nobody; charges, expires timers, arms the comparator. */
struct vcpu *dispatch(struct cpu *cpu);
/* The runner of `sc` wants to run on it, or no longer.  NULL and one that is in no plan are left alone. */
static inline void sc_set_runnable(struct sc *sc, bool runnable)
{
    if (!sc || sc->entry < 0)
        return;
    if (sc->awake != runnable)
        sc->wanted += runnable ? -now() : now();
    sc->awake = runnable;
    uint64_t *word = &sc->cpu->dispatcher.runnable[sc->entry >> 6];
    uint64_t bit = 1ull << (sc->entry & 63);

    if (runnable)
        *word |= bit;
    else
        *word &= ~bit;
}
/* If it takes turns: its turn is now.  NULL and one that is in no plan are left alone. */
void sc_call(struct sc *sc);
void dispatcher_drop(struct sc *sc); /* take it out of its plan */
void timers_expire(struct cpu *cpu, uint64_t t);
void hyp_timer_arm(uint64_t when); /* CNTPCT ticks; BH_FOREVER disarms */
uint64_t timer_hz(void);

#endif
