/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dma_fault.h - what the SMMU refused a device
 */
#ifndef BH_DMA_FAULT_H
#define BH_DMA_FAULT_H

#include <stdint.h>

struct dma_fault {
    uint64_t count;           /* of all accesses refused so far */
    uint64_t address, reason; /* of the last one */
};

#endif
