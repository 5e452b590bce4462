/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * irq.h - the interrupt controller's processor side (IHI 0069, 12.2)
 */
#ifndef IRQ_H
#define IRQ_H

#include "kernel.h"

static inline uint32_t gic_acknowledge(void)
{
    uint64_t intid;

    __asm__ volatile("mrs %0, s3_0_c12_c12_0\n\tdsb sy" : "=r"(intid)::"memory"); /* ICC_IAR1_EL1 */
    return (uint32_t)intid & 0xffffff;
}

static inline void gic_priority_drop(uint32_t intid)
{
    __asm__ volatile("msr s3_0_c12_c12_1, %0" ::"r"((uint64_t)intid) : "memory"); /* ICC_EOIR1_EL1 */
}

static inline void gic_deactivate(uint32_t intid)
{
    __asm__ volatile("msr s3_0_c12_c11_1, %0" ::"r"((uint64_t)intid) : "memory"); /* ICC_DIR_EL1 */
}

#endif
