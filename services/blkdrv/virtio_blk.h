/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio_blk.h - what the virtio 1.1 specification says about a block device behind PCI
 *
 * Section numbers are those of "Virtual I/O Device (VIRTIO) Version 1.1" (OASIS).  All little-endian, as we
 * are.
 */
#ifndef BLKDRV_VIRTIO_BLK_H
#define BLKDRV_VIRTIO_BLK_H

#include <stdint.h>

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

/* 2.1 device status */
enum {
    STATUS_ACKNOWLEDGE = 1,
    STATUS_DRIVER = 2,
    STATUS_DRIVER_OK = 4,
    STATUS_FEATURES_OK = 8,
    STATUS_NEEDS_RESET = 64,
    STATUS_FAILED = 128,
};

/* 4.1.4.5 ISR status; reading it also lowers the interrupt */
enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };

/* 5.2.3 and 6: feature bits */
#define FEATURE_BLK_RO (UINT64_C(1) << 5)
#define FEATURE_BLK_SIZE (UINT64_C(1) << 6)
#define FEATURE_BLK_FLUSH (UINT64_C(1) << 9)
#define FEATURE_VERSION_1 (UINT64_C(1) << 32)
#define FEATURE_ACCESS_PLATFORM (UINT64_C(1) << 33)

/* 5.2.4: offsets in the device configuration */
enum { BLK_CONFIG_CAPACITY = 0x00, BLK_CONFIG_BLOCK_SIZE = 0x14, BLK_CONFIG_BYTES = 0x18 };

/* 2.6.5: descriptors */
enum { DESC_NEXT = 1, DESC_DEVICE_WRITES = 2 };
struct virtq_desc {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};
_Static_assert(sizeof(struct virtq_desc) == 16, "virtio 1.1, 2.6.5");

#define QUEUE_SIZE_MAX 256u

/* 2.6.6 */
struct virtq_avail {
    uint16_t flags;
    uint16_t index;
    uint16_t ring[QUEUE_SIZE_MAX];
};

/* 2.6.8 */
enum { USED_NO_NOTIFY = 1 };
struct virtq_used_element {
    uint32_t id;
    uint32_t length;
};
struct virtq_used {
    uint16_t flags;
    uint16_t index;
    struct virtq_used_element ring[QUEUE_SIZE_MAX];
};

/* 5.2.6: a request is this header, data, and one status byte */
enum virtio_blk_type { VIRTIO_BLK_IN = 0, VIRTIO_BLK_OUT = 1, VIRTIO_BLK_FLUSH = 4 };
enum { VIRTIO_BLK_OK = 0, VIRTIO_BLK_IOERR = 1, VIRTIO_BLK_UNSUPPORTED = 2 };
struct virtio_blk_header {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};
_Static_assert(sizeof(struct virtio_blk_header) == 16, "virtio 1.1, 5.2.6");

#endif
