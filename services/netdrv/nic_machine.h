/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_machine.h - what the NIC's drivers ask of the kernel, beside lib/virtio/driver.h (clock, BARs, barrier)
 *
 * In the unit tests tests/unit/nic_fake.c is the machine, and has a device.
 */
#ifndef NETDRV_NIC_MACHINE_H
#define NETDRV_NIC_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "../../lib/abi/status.h"
#include "../../lib/bh/dma_fault.h"
#include "../../lib/virtio/driver.h"

/* Where the device finds its memory.  No RAM of a machine we know is at these addresses, so that a physical
 * address that strays into a descriptor is refused by the SMMU. */
#define IOVA_NIC UINT64_C(0x1000000000)
#define NIC_PAGE_BYTES 4096u

bool machine_has_device(void);
const uint8_t *machine_pci_config(void);
/* Zeroed pages that the device sees from IOVA_NIC on, the first `read_only` for loads only.  Its interrupt
 * and refused accesses arrive as EV_IRQ and EV_FAULT from now on. */
enum status machine_device_start(uint32_t pages, uint32_t read_only, uint8_t **memory) BH_NODISCARD;
void machine_irq_ack(void); /* the line is low: it may fire again */
struct dma_fault machine_dma_fault(void);
void machine_dma_faults_again(void); /* the kernel records them only so long */
uint32_t machine_stream(void);

#endif
