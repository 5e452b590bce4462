/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device.h - the PCI function of a driver domain, as init handed it over (docs/internals.md)
 *
 * Its configuration page can be read only, its memory BARs are mapped; what the device reaches of our memory
 * is what is mapped into its IoSpace here, and nothing else.
 */
#ifndef BH_DEVICE_H
#define BH_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "bh.h"
#include "dma_fault.h"

#define DEVICE_BAR_BYTES 0x100000u /* of each BAR at most: what is beyond is not mapped */

struct device {
    /* set by the domain, from its caps_NAME.h */
    uint32_t first; /* DOMAIN_PCI_DEVICE: devices of other kinds come before it */
    slot_t regions; /* CAP_DEVICE0 + first: configuration page, BARs */
    uint32_t region_count;
    slot_t iospace;
    slot_t irq;
    /* ours: its interrupt and its refused accesses as events */
    slot_t irq_signal, fault_signal;
};

bool device_is_there(const struct device *device);
const uint8_t *device_config(const struct device *device);
/* The index-th memory BAR; NULL: there is none. */
volatile uint8_t *device_bar(const struct device *device, uint32_t index);

/* A Frame of ours for the device too, at `iova`, through a copy of its capability (one capability is one
 * mapping): *copy is that slot, or 0 for a fresh one. */
enum status device_share(struct device *device, slot_t frame, slot_t *copy, uint64_t iova,
                         uint32_t rights) BH_NODISCARD;
/* Fresh zeroed pages for both of us, at `iova` for the device, which can only read the first `read_only`. */
enum status device_memory(struct device *device, uint32_t pages, uint32_t read_only, uint64_t iova,
                          uint8_t **memory) BH_NODISCARD;
/* From now on the interrupt arrives as `irq_badge` on the events Notification, refused accesses as
 * `fault_badge`. */
enum status device_events(struct device *device, uint64_t irq_badge, uint64_t fault_badge) BH_NODISCARD;
/* The events Notification with this badge, to be given away. */
enum status device_event_mint(slot_t *slot, uint64_t badge) BH_NODISCARD;

void device_irq_ack(const struct device *device); /* the line is low again: it may fire */

struct dma_fault device_fault(const struct device *device);
/* The kernel stops recording after many: from now on it does again. */
void device_faults_again(const struct device *device);

#endif
