/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dispatcher.h - what the rest of the kernel asks of the dispatcher and its timer
 */
#ifndef DISPATCHER_H
#define DISPATCHER_H

#include "kernel.h"

/* Whom this pCPU runs next, NULL for nobody; charges, expires timers, arms the comparator. */
struct vcpu *dispatch(struct cpu *cpu);
void sc_set_runnable(struct sc *sc, bool runnable);
void dispatcher_drop(struct sc *sc); /* take it out of its plan */
void timers_expire(struct cpu *cpu, uint64_t t);
void hyp_timer_arm(uint64_t when); /* CNTPCT ticks; BH_FOREVER disarms */
uint64_t timer_hz(void);

#endif
