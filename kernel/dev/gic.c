/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gic.c - GICv3: distributor and redistributors (IHI 0069)
 *
 * All interrupts are Group 1, affinity-routed; SPIs go to pCPU 0.  EOImode is 1: the kernel drops the
 * priority and deactivates by itself, but for the guests' timer, which the guest deactivates.
 */
#include "kernel.h"

#define GICD_BASE 0x08000000ull
#define GICR_BASE 0x080a0000ull
#define GICR_STRIDE 0x20000ull

enum { /* 12.8, 12.11: byte offsets */
       GICD_CTLR = 0x0000,
       GICD_TYPER = 0x0004,
       GICD_IGROUPR = 0x0080,
       GICD_ISENABLER = 0x0100,
       GICD_ICENABLER = 0x0180,
       GICD_IPRIORITYR = 0x0400,
       GICD_ICFGR = 0x0c00,
       GICD_IROUTER = 0x6000,
       GICR_WAKER = 0x0014,
       GICR_TYPER = 0x0008,
       GICR_SGI = 0x10000, /* SGI_base: the same offsets as the distributor's */
       GICD_ISACTIVER = 0x0300,
       GICD_ICACTIVER = 0x0380,
};
enum {
    GICD_CTLR_RWP = 1u << 31,
    GICD_CTLR_ARE = 1u << 4,
    GICD_CTLR_GRP1 = 1u << 1,
    WAKER_SLEEP = 2,
    WAKER_ASLEEP = 4
};

static volatile uint32_t *reg32(uint64_t base, uint64_t offset)
{
    return (volatile uint32_t *)(base + offset);
}

static uint64_t gicr_sgi_base(const struct cpu *cpu)
{
    return (uint64_t)cpu->gicr + GICR_SGI;
}

/* All others are level-sensitive, as they are at reset.  Before it is enabled (12.9.10). */
static void spi_make_edge(uint32_t intid)
{
    *reg32(GICD_BASE, GICD_ICFGR + intid / 16 * 4) |= 2u << intid % 16 * 2;
}

void gic_init(void)
{
    uint32_t lines;

    *reg32(GICD_BASE, GICD_CTLR) = 0;
    while (*reg32(GICD_BASE, GICD_CTLR) & GICD_CTLR_RWP)
        ;
    lines = ((*reg32(GICD_BASE, GICD_TYPER) & 31) + 1) * 32;
    for (uint32_t i = 32; i < lines; i += 32) {
        *reg32(GICD_BASE, GICD_IGROUPR + i / 8) = ~0u;
        *reg32(GICD_BASE, GICD_ICENABLER + i / 8) = ~0u;
    }
    for (uint32_t i = 32; i < lines; i += 4)
        *reg32(GICD_BASE, GICD_IPRIORITYR + i) = 0xa0a0a0a0u;
    spi_make_edge(SMMU_IRQ_EVENT);
    spi_make_edge(SMMU_IRQ_ERROR);
    *reg32(GICD_BASE, GICD_CTLR) = GICD_CTLR_ARE | GICD_CTLR_GRP1;
    for (uint32_t i = 32; i < lines; i++)
        *(volatile uint64_t *)(GICD_BASE + GICD_IROUTER + 8ull * i) = cpus[0].mpidr & 0xff00ffffffull;
}

/* Find this pCPU's redistributor by its affinity, wake it, set up the interrupts it owns and the CPU
 * interface. */
void gic_cpu_init(void)
{
    struct cpu *cpu = this_cpu();
    uint64_t affinity = (cpu->mpidr & 0xffffff) | (cpu->mpidr >> 8 & 0xff000000);
    uint64_t base = GICR_BASE;

    for (unsigned i = 0; i < CPU_MAX; i++, base += GICR_STRIDE) {
        uint64_t typer = *(volatile uint64_t *)(base + GICR_TYPER);

        if (typer >> 32 == affinity)
            break;
        if (typer & 16) /* Last */
            panic("gic: no redistributor for pCPU %u", cpu->index);
    }
    cpu->gicr = (volatile uint64_t *)base;
    *reg32(base, GICR_WAKER) &= ~(uint32_t)WAKER_SLEEP;
    while (*reg32(base, GICR_WAKER) & WAKER_ASLEEP)
        ;
    uint64_t sgi = gicr_sgi_base(cpu);
    *reg32(sgi, GICD_IGROUPR) = ~0u;
    *reg32(sgi, GICD_ICENABLER) = ~0u;
    for (uint32_t i = 0; i < 32; i += 4)
        *reg32(sgi, GICD_IPRIORITYR + i) = 0xa0a0a0a0u;
    write_sysreg(s3_4_c12_c9_5, 0xf); /* ICC_SRE_EL2: system registers, for EL1 too */
    isb();
    write_sysreg(s3_0_c4_c6_0, 0xff); /* ICC_PMR_EL1 */
    write_sysreg(s3_0_c12_c12_3, 0);  /* ICC_BPR1_EL1 */
    write_sysreg(s3_0_c12_c12_4, 2);  /* ICC_CTLR_EL1: EOImode */
    write_sysreg(s3_0_c12_c12_7, 1);  /* ICC_IGRPEN1_EL1 */
    isb();
    gic_enable(SGI_KICK);
    gic_enable(PPI_MAINTENANCE);
    gic_enable(PPI_HYP_TIMER);
    gic_enable(PPI_VTIMER);
}

void gic_enable(uint32_t intid)
{
    if (intid < 32)
        *reg32(gicr_sgi_base(this_cpu()), GICD_ISENABLER) = 1u << intid;
    else
        *reg32(GICD_BASE, GICD_ISENABLER + intid / 32 * 4) = 1u << (intid & 31);
}

void gic_disable(uint32_t intid)
{
    if (intid < 32)
        *reg32(gicr_sgi_base(this_cpu()), GICD_ICENABLER) = 1u << intid;
    else
        *reg32(GICD_BASE, GICD_ICENABLER + intid / 32 * 4) = 1u << (intid & 31);
}

void gic_set_active(uint32_t intid, bool active)
{
    *reg32(gicr_sgi_base(this_cpu()), active ? GICD_ISACTIVER : GICD_ICACTIVER) = 1u << intid;
}

void gic_send_sgi(struct cpu *target, uint32_t sgi)
{
    uint64_t m = target->mpidr;
    uint64_t value = (m >> 32 & 0xff) << 48 | (m >> 16 & 0xff) << 32 | (m >> 8 & 0xff) << 16 |
                     (uint64_t)sgi << 24 | 1ull << (m & 15);

    dsb(ish);
    write_sysreg(s3_0_c12_c11_5, value); /* ICC_SGI1R_EL1 */
    isb();
}
