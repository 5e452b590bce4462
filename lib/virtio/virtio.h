/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio.h - numbers of the Virtio 1.1 specification that devices and drivers share
 *
 * Section numbers are those of "Virtual I/O Device (VIRTIO) Version 1.1" (OASIS).  All little-endian, as we
 * are.
 */
#ifndef VIRTIO_VIRTIO_H
#define VIRTIO_VIRTIO_H

#include <stdint.h>

/* 2.1 Device Status Field */
enum {
    VIRTIO_ACKNOWLEDGE = 1,
    VIRTIO_DRIVER = 2,
    VIRTIO_DRIVER_OK = 4,
    VIRTIO_FEATURES_OK = 8,
    VIRTIO_NEEDS_RESET = 64,
    VIRTIO_FAILED = 128,
};

/* 5 Device Types */
enum {
    VIRTIO_ID_NET = 1,
    VIRTIO_ID_BLOCK = 2,
    VIRTIO_ID_CONSOLE = 3,
    VIRTIO_ID_BALLOON = 5,
    VIRTIO_ID_INPUT = 18,
};

/* 6 Reserved Feature Bits */
#define VIRTIO_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_F_EVENT_IDX (1ull << 29)
#define VIRTIO_F_VERSION_1 (1ull << 32)
#define VIRTIO_F_ACCESS_PLATFORM (1ull << 33)

#define VRING_SIZE_MAX 256u /* the largest queue that we make or accept */

/* 2.6.5 The Virtqueue Descriptor Table */
struct vring_descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};
_Static_assert(sizeof(struct vring_descriptor) == 16, "Virtio 1.1, 2.6.5");
enum { VRING_NEXT = 1, VRING_WRITE = 2, VRING_INDIRECT = 4 };

/* 2.6.6 The Virtqueue Available Ring: flags, idx, ring[size], used_event
 * 2.6.8 The Virtqueue Used Ring:      flags, idx, {id, len}[size], avail_event */
enum { VRING_AVAIL_NO_INTERRUPT = 1, VRING_USED_NO_NOTIFY = 1 };
struct vring_used_element {
    uint32_t id;
    uint32_t length;
};
_Static_assert(sizeof(struct vring_used_element) == 8, "Virtio 1.1, 2.6.8");

#endif
