/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mmio.h - in place of kernel/dev/mmio.h: register accesses go to a device that the test plays
 */
#ifndef KERNEL_MMIO_H
#define KERNEL_MMIO_H

#include <stdint.h>

uint32_t mmio_read32(uint64_t address);
void mmio_write32(uint64_t address, uint32_t value);
void mmio_write64(uint64_t address, uint64_t value);
void mmio_barrier(void);

#endif
