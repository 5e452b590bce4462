/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cntv.h - this pCPU's virtual timer (Arm ARM, D11.2)
 *
 * Nothing but accesses and fields; a unit test has a model of the registers behind read_sysreg().
 */
#ifndef AARCH64_CNTV_H
#define AARCH64_CNTV_H

#include "kernel.h"

/* CNTV_CTL_EL0, CNTP_CTL_EL0 */
#define CNT_CTL_ENABLE 1u
#define CNT_CTL_IMASK 2u
#define CNT_CTL_ISTATUS 4u

/* CNTHCTL_EL2, without VHE: EL1 and EL0 may read the physical counter, the physical timer traps. */
#define CNTHCTL_EL1PCTEN 1u

static inline uint64_t cntv_ctl(void)
{
    return read_sysreg(cntv_ctl_el0);
}
static inline void cntv_ctl_write(uint64_t v)
{
    write_sysreg(cntv_ctl_el0, v);
}
static inline uint64_t cntv_cval(void)
{
    return read_sysreg(cntv_cval_el0);
}
static inline void cntv_cval_write(uint64_t v)
{
    write_sysreg(cntv_cval_el0, v);
}
static inline void cntvoff_write(uint64_t v)
{
    write_sysreg(cntvoff_el2, v);
}
static inline void cnthctl_write(uint64_t v)
{
    write_sysreg(cnthctl_el2, v);
}
/* Does the timer assert its interrupt now? */
static inline bool cntv_asserted(void)
{
    return (cntv_ctl() & (CNT_CTL_ENABLE | CNT_CTL_IMASK | CNT_CTL_ISTATUS)) ==
           (CNT_CTL_ENABLE | CNT_CTL_ISTATUS);
}

#endif
