/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * driver.h - what the driver's side of virtio asks of the program that it is linked into
 *
 * In a driver domain the clock and the barrier are lib/bh/driver.c, the BARs its own; in a test all is its
 * fake's.
 */
#ifndef VIRTIO_DRIVER_H
#define VIRTIO_DRIVER_H

#include <stdint.h>

/* The clock, in its own unit, and a moment of it. */
uint64_t machine_now(void);
uint64_t machine_after_ms(uint64_t ms);

/* Between what is written to (read from) memory that the device reaches and what comes after it. */
void machine_dma_barrier(void);

/* Registers of the index-th memory BAR, MACHINE_BAR_BYTES at most.  NULL: we hold no such BAR. */
volatile uint8_t *machine_bar(uint32_t index);
#define MACHINE_BAR_BYTES 0x100000u

#endif
