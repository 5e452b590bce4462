/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * psci.h - the firmware's power interface (DEN 0022), and what each pCPU's control registers start with
 */
#ifndef PSCI_H
#define PSCI_H

#include "kernel.h"

int64_t psci_cpu_on(uint32_t index, struct cpu *cpu); /* 0 or a PSCI error */
void cpu_registers_init(
    bool pmu); /* traps and timers of this pCPU; pmu: the cycle counter runs, at EL2 too */

#endif
