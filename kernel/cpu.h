/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpu.h - a pCPU's own state: what is loaded in its registers
 */
#ifndef CPU_H
#define CPU_H

#include "kernel.h"

void cpu_save(struct cpu *cpu,
              struct vcpu *vcpu); /* this pCPU: write its live registers back into the vCPU */
void cpu_forget(struct cpu *cpu, struct vcpu *vcpu); /* it is going away: no register here is its any more */

#endif
