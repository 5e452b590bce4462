/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio_blk.h - what the virtio 1.1 specification says about a block device
 *
 * Section numbers are those of "Virtual I/O Device (VIRTIO) Version 1.1" (OASIS).  All little-endian, as we
 * are.
 */
#ifndef BLKDRV_VIRTIO_BLK_H
#define BLKDRV_VIRTIO_BLK_H

#include <stdint.h>

/* 5.2.3: feature bits */
#define FEATURE_BLK_RO (UINT64_C(1) << 5)
#define FEATURE_BLK_SIZE (UINT64_C(1) << 6)
#define FEATURE_BLK_FLUSH (UINT64_C(1) << 9)

/* 5.2.4: offsets in the device configuration */
enum { BLK_CONFIG_CAPACITY = 0x00, BLK_CONFIG_BLOCK_SIZE = 0x14, BLK_CONFIG_BYTES = 0x18 };

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
