/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio_pci.h - a modern virtio device behind PCI, the driver's side (Virtio 1.1, 3.1 and 4.1)
 *
 * A driver's start is the specification's list, 3.1.1: virtio_pci_reset (1), virtio_pci_negotiate (2 to 6),
 * reading the device's configuration and virtio_pci_queue for each queue (7), virtio_pci_run (8).
 * Those that return text return NULL, or what is wrong with the device; then virtio_pci_fail.
 *
 * What a device says about itself is judged: where its registers are, how long its queues, where their
 * doorbells.  Registers lie in our own mapping of its BARs whatever it says.
 */
#ifndef VIRTIO_VIRTIO_PCI_H
#define VIRTIO_VIRTIO_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio.h"
#include "virtq.h"

/* 4.1.4: vendor-specific capabilities say where the register groups are. */
enum virtio_pci_cap_type {
    VIRTIO_CAP_COMMON = 1,
    VIRTIO_CAP_NOTIFY = 2,
    VIRTIO_CAP_ISR = 3,
    VIRTIO_CAP_DEVICE = 4
};
enum {
    VIRTIO_CAP_TYPE = 3,
    VIRTIO_CAP_BAR = 4,
    VIRTIO_CAP_OFFSET = 8,
    VIRTIO_CAP_LENGTH = 12,
    VIRTIO_CAP_BYTES = 16,
    VIRTIO_CAP_NOTIFY_MULTIPLIER = 16, /* 4.1.4.4, only in the notify capability */
};

/* 4.1.4.3: offsets in the common configuration */
enum {
    COMMON_DEVICE_FEATURE_SELECT = 0x00,
    COMMON_DEVICE_FEATURE = 0x04,
    COMMON_DRIVER_FEATURE_SELECT = 0x08,
    COMMON_DRIVER_FEATURE = 0x0c,
    COMMON_STATUS = 0x14,       /* 8 bit */
    COMMON_GENERATION = 0x15,   /* 8 bit */
    COMMON_QUEUE_SELECT = 0x16, /* 16 bit */
    COMMON_QUEUE_SIZE = 0x18,   /* 16 bit */
    COMMON_QUEUE_ENABLE = 0x1c, /* 16 bit */
    COMMON_QUEUE_NOTIFY = 0x1e, /* 16 bit: in units of the notify multiplier */
    COMMON_QUEUE_DESC = 0x20,   /* 64 bit, written as two halves */
    COMMON_QUEUE_DRIVER = 0x28, /* 64 bit */
    COMMON_QUEUE_DEVICE = 0x30, /* 64 bit */
    COMMON_BYTES = 0x38,
};

/* 4.1.4.5 ISR status */
enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };

struct virtio_pci {
    volatile uint8_t *common; /* NULL: virtio_pci_find found nothing */
    volatile uint8_t *isr;
    volatile uint8_t *config; /* the device's own, config_bytes of it */
    volatile uint8_t *notify;
    uint32_t config_bytes;
    uint32_t notify_bytes;
    uint32_t notify_multiplier;
    uint64_t features; /* both sides have them, after virtio_pci_negotiate */
};

/* Is this function a modern device of type VIRTIO_ID_*?  `pci` is its configuration space, 256 bytes. */
bool virtio_pci_is(const uint8_t *pci, uint32_t type);
/* Where its registers are; at least `config_least` bytes of the device's own are needed. */
const char *virtio_pci_find(struct virtio_pci *v, const uint8_t *pci, uint32_t config_least);

/* False: it does not come out of it within a second.  Then the device touches no memory of ours any more. */
bool virtio_pci_reset(struct virtio_pci *v);
/* All features that the device has. */
uint64_t virtio_pci_offered(struct virtio_pci *v);
/* Of the features `wanted` those that the device offers; VERSION_1 and ACCESS_PLATFORM are needed. */
const char *virtio_pci_negotiate(struct virtio_pci *v, uint64_t wanted);
/*
 * Queue `number` begins, empty, in the memory that virtq_place gave it; as long as the device makes it, up to
 * `most` (a power of two up to VRING_SIZE_MAX); shorter than `least` is refused.
 */
const char *virtio_pci_queue(struct virtio_pci *v, struct virtq *queue, uint16_t number, uint32_t least,
                             uint32_t most);
const char *virtio_pci_run(struct virtio_pci *v);
void virtio_pci_fail(struct virtio_pci *v);

/* enum above, 2.1 */
uint8_t virtio_pci_status(const struct virtio_pci *v);
/* ISR_*, since the last time; reading lowers the interrupt. */
uint8_t virtio_pci_isr(struct virtio_pci *v);

/* The device's own configuration; a field of 64 bits is read in halves that belong together (2.4.1). */
uint8_t virtio_pci_config8(const struct virtio_pci *v, uint32_t offset);
uint16_t virtio_pci_config16(const struct virtio_pci *v, uint32_t offset);
uint32_t virtio_pci_config32(const struct virtio_pci *v, uint32_t offset);
/* 0: it never stood still. */
uint64_t virtio_pci_config64(const struct virtio_pci *v, uint32_t offset);

#endif
