/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * micro.h - shared by the micro benchmarks
 */
#ifndef MICRO_H
#define MICRO_H

#include "ktest.h"

static inline uint64_t cycles(void)
{
    uint64_t n;

    __asm__ volatile("isb\n\tmrs %0, pmccntr_el0\n\tisb" : "=r"(n)::"memory");
    return n;
}

static inline void keep_least(uint64_t *least, uint64_t from, uint64_t to)
{
    if (to - from < *least)
        *least = to - from;
}

extern uint64_t overhead;
void report(const char *name, uint64_t least);
/* As kt_thread_start on pCPU 0, but in an address space of its own, with our program and its own stack
 * mapped. */
void thread_in_own_space(struct kt_thread *thread, slot_t first, void (*entry)(uint64_t), uint64_t argument);

void bench_ipc(void);
void bench_signal(void);
void bench_frame(void);
void bench_guest(void);
void bench_cross(void);

#endif
