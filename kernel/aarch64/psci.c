/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * psci.c - start pCPUs, power off; and the control registers that no other file owns
 */
#include "psci.h"

#include "report.h"

#define PSCI_CPU_ON 0xc4000003u
#define PSCI_SYSTEM_OFF 0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u

extern const uint8_t secondary[];

static int64_t smc(uint64_t function, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;

    __asm__ volatile("smc #0"
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"x4", "x5", "x6", "x7", "x8", "x9", "x10",
                       "x11", "x12", "x13", "x14", "x15", "x16", "x17", "memory");
    return (int64_t)x0;
}

/* The reference board numbers its processors in Aff0, up to 16 of them (CPU_MAX). */
static uint64_t mpidr_of(uint32_t index)
{
    return index;
}

int64_t psci_cpu_on(uint32_t index, struct cpu *cpu)
{
    /* It starts with caches off: what it reads first must be in memory. */
    for (uint64_t at = (uint64_t)cpu & ~63ull; at < (uint64_t)(cpu + 1); at += 64)
        __asm__ volatile("dc cvac, %0" ::"r"(at) : "memory");
    dsb(sy);
    cpu->mpidr = mpidr_of(index);
    return smc(PSCI_CPU_ON, mpidr_of(index), (uint64_t)secondary, (uint64_t)cpu);
}

void machine_off(uint32_t reason)
{
    smc(reason ? PSCI_SYSTEM_RESET : PSCI_SYSTEM_OFF, 0, 0, 0);
    for (;;)
        __asm__ volatile("wfi");
}

void cpu_registers_init(bool pmu)
{
    uint64_t counters = read_sysreg(pmcr_el0) >> 11 & 31;

    this_cpu()->mpidr = read_sysreg(mpidr_el1);
    write_sysreg(cptr_el2, 0x33ffull | 1ull << 10);
    write_sysreg(cnthctl_el2, 1); /* EL1PCTEN: the physical counter is free to read, its timer is not */
    write_sysreg(cntvoff_el2, 0);
    write_sysreg(cnthp_ctl_el2, 0);
    write_sysreg(cntkctl_el1, 3);
    write_sysreg(sctlr_el1, 0x30d00800ull | 1ull << 26 | 1ull << 15 | 1ull << 14); /* RES1, UCI, UCT, DZE */
    write_sysreg(cpacr_el1, 3ull << 20);
    /* Guests do not reach debug and performance registers: TDRA, TDOSA, TDA, TPM, TPMCR. */
    write_sysreg(mdcr_el2,
                 counters | 1ull << 11 | 1ull << 10 | 1ull << 9 | (pmu ? 0 : 1ull << 6 | 1ull << 5));
    if (pmu) { /* for `make bench`: cycles at every level */
        write_sysreg(pmccfiltr_el0, 1ull << 27);
        write_sysreg(pmcntenset_el0, 1ull << 31);
        write_sysreg(pmuserenr_el0, 1 | 1 << 2);
        write_sysreg(pmcr_el0, 1 | 1 << 6);
    }
    isb();
}
