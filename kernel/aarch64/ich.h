/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ich.h - the GIC's virtual interface control registers of this pCPU (GICv3/v4 specification, 12.4)
 *
 * Nothing but accesses and fields; a unit test has a model of the registers behind read_sysreg().
 */
#ifndef AARCH64_ICH_H
#define AARCH64_ICH_H

#include "kernel.h"

/* ICH_LR<n>_EL2 */
#define LR_PENDING (1ull << 62)
#define LR_ACTIVE (1ull << 63)
#define LR_STATE (3ull << 62)
#define LR_HW (1ull << 61)
#define LR_GROUP1 (1ull << 60)
#define LR_PRIORITY_SHIFT 48
#define LR_PINTID_SHIFT 32  /* with HW */
#define LR_EOI (1ull << 41) /* without HW: maintenance interrupt at the guest's end of interrupt */
#define LR_INTID 0xffffffffull

/* ICH_HCR_EL2 */
#define ICH_HCR_EN (1ull << 0)
#define ICH_HCR_LRENPIE (1ull << 2) /* maintenance when an end of interrupt found no list register */
#define ICH_HCR_NPIE (1ull << 3)    /* maintenance when no list register is pending */
#define ICH_HCR_TDIR (1ull << 14)   /* trap ICC_DIR_EL1 */
#define ICH_HCR_EOICOUNT_SHIFT 27

/* ICH_VMCR_EL2 */
#define ICH_VMCR_ENG0 (1ull << 0)
#define ICH_VMCR_ENG1 (1ull << 1)
#define ICH_VMCR_FIQEN (1ull << 3)
#define ICH_VMCR_VPMR(v) ((uint32_t)((v) >> 24 & 0xffu))

#define ICH_VTR_LIST_REGISTERS(v) ((uint32_t)((v)&0x1fu) + 1u)
#define ICH_VTR_PREBITS(v) ((uint32_t)((v) >> 26 & 7u) + 1u)

static inline uint64_t ich_vtr(void)
{
    return read_sysreg(s3_4_c12_c11_1);
}
static inline uint64_t ich_eisr(void)
{
    return read_sysreg(s3_4_c12_c11_3);
}
static inline uint64_t ich_elrsr(void)
{
    return read_sysreg(s3_4_c12_c11_5);
}
static inline uint64_t ich_hcr(void)
{
    return read_sysreg(s3_4_c12_c11_0);
}
static inline void ich_hcr_write(uint64_t v)
{
    write_sysreg(s3_4_c12_c11_0, v);
}
static inline uint64_t ich_vmcr(void)
{
    return read_sysreg(s3_4_c12_c11_7);
}
static inline void ich_vmcr_write(uint64_t v)
{
    write_sysreg(s3_4_c12_c11_7, v);
}
static inline uint64_t ich_ap0r0(void)
{
    return read_sysreg(s3_4_c12_c8_0);
}
static inline void ich_ap0r0_write(uint64_t v)
{
    write_sysreg(s3_4_c12_c8_0, v);
}
static inline uint64_t ich_ap1r0(void)
{
    return read_sysreg(s3_4_c12_c9_0);
}
static inline void ich_ap1r0_write(uint64_t v)
{
    write_sysreg(s3_4_c12_c9_0, v);
}

/* The list registers cannot be indexed: ICH_LR0_EL2 is s3_4_c12_c12_0, ICH_LR8_EL2 is s3_4_c12_c13_0. */
#define ICH_EACH_LR(row)                                                                                     \
    row(0, c12_0) row(1, c12_1) row(2, c12_2) row(3, c12_3) row(4, c12_4) row(5, c12_5) row(6, c12_6)        \
        row(7, c12_7) row(8, c13_0) row(9, c13_1) row(10, c13_2) row(11, c13_3) row(12, c13_4)               \
            row(13, c13_5) row(14, c13_6) row(15, c13_7)

static inline uint64_t ich_lr(uint32_t i)
{
    switch (i) {
#define ROW(n, name)                                                                                         \
    case n:                                                                                                  \
        return read_sysreg(s3_4_c12_##name);
        ICH_EACH_LR(ROW)
#undef ROW
    default:
        return 0;
    }
}

static inline void ich_lr_write(uint32_t i, uint64_t v)
{
    switch (i) {
#define ROW(n, name)                                                                                         \
    case n:                                                                                                  \
        write_sysreg(s3_4_c12_##name, v);                                                                    \
        break;
        ICH_EACH_LR(ROW)
#undef ROW
    default:
        break;
    }
}

/* The pCPU's own access to its interrupt controller: system registers for EL2, and EL1's copy fixed. */
static inline void ich_enable_system_registers(void)
{
    write_sysreg(s3_4_c12_c9_5, 7); /* ICC_SRE_EL2: SRE, DFB, DIB; not Enable, so that ICC_SRE_EL1 traps */
    isb();
    write_sysreg(s3_0_c12_c12_5, 7); /* ICC_SRE_EL1 */
    isb();
}

#endif
