/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host_cpu.h - included before everything else (-include): the kernel's sources on the host
 *
 * What kernel.h and aarch64/ do with an instruction becomes a function of the test's machine: which pCPU this
 * is, what time it is.  The fast path's switch of registers becomes nothing.
 */
#ifndef FAKE_HOST_CPU_H
#define FAKE_HOST_CPU_H

#define this_cpu instruction_this_cpu
#define now instruction_now
#include "kernel.h"
#undef this_cpu
#undef now

struct cpu *this_cpu(void);
uint64_t now(void);

#define IRQ_H
uint32_t gic_acknowledge(void);
static inline void gic_priority_drop(uint32_t intid)
{
    (void)intid;
}
static inline void gic_deactivate(uint32_t intid)
{
    (void)intid;
}

#define AARCH64_LOCK_H
#define AARCH64_LOAD_H
#include "aarch64/guest.h"
static inline void lock_take(void)
{
}
static inline void lock_give(void)
{
}
static inline void service_switch(struct cpu *cpu, struct vcpu *old, struct vcpu *vcpu)
{
    (void)old;
    cpu->loaded = vcpu;
}
static inline void context_switch(struct cpu *cpu, struct vcpu *old, struct vcpu *vcpu, bool locked)
{
    (void)old;
    (void)locked;
    cpu->loaded = vcpu;
}

#endif
