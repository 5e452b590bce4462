/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kcore.h - a faked machine around the kernel's capabilities, messages and time, for host tests
 *
 * slot.c, untyped.c, ipc.c, sc.c, dispatcher.c and their like are the real ones, with host_cpu.h before them;
 * tables, guests and the interrupt controller are left out.
 */
#ifndef FAKE_KCORE_H
#define FAKE_KCORE_H

#include "kernel.h"

extern unsigned here;           /* which pCPU executes the kernel */
extern uint64_t clock_now;      /* ticks of 1 us */
extern uint64_t armed[CPU_MAX]; /* what each pCPU's timer was set to */
extern unsigned arms;           /* how often one was */
extern unsigned kicks[CPU_MAX]; /* interrupts sent to it */
extern uint64_t preempt_at;     /* the how-manyeth look at preempt_wanted() from now says yes; 0: none does */
extern uint64_t preempt_looks;  /* how often it was asked */
extern unsigned preempt_percent; /* and besides, at random */
extern unsigned virqs_set;       /* calls of vgic_set */
extern unsigned exits_answered;  /* calls of guest_exit_reply */
extern unsigned aspace_steps;    /* how often aspace_destroy looks at preempt_wanted() */

/* The same numbers in every run of a test that starts with the same seed. */
void random_seed(uint64_t seed);
uint32_t random_below(uint32_t n);

void kcore_reset(void); /* four pCPUs, time 1000, nothing preempts */
/* Zeroed memory for objects, aligned to 4 KiB; all of it is given back by kcore_reset. */
void *kcore_memory(uint64_t bytes);

#endif
