/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mmio.h - device registers
 *
 * Functions, so that host tests put a faked device in their place (tests/unit/fake/dev/mmio.h).
 */
#ifndef KERNEL_MMIO_H
#define KERNEL_MMIO_H

#include <stdint.h>

static inline uint32_t mmio_read32(uint64_t address)
{
    return *(volatile uint32_t *)address;
}

static inline void mmio_write32(uint64_t address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}

static inline void mmio_write64(uint64_t address, uint64_t value)
{
    *(volatile uint64_t *)address = value;
}

/* What was written to memory before is there for a device that is told of it after; and what a device wrote
 * before it told us is there for us. */
static inline void mmio_barrier(void)
{
    __asm__ volatile("dsb sy" ::: "memory");
}

#endif
