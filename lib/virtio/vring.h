/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vring.h - the device's side of a split virtqueue (Virtio 1.1, section 2.6)
 *
 * The driver's side is a guest, which may write anything into the ring, also while we read it.  Each index,
 * address and length is read once into our own memory, judged there, and used from there.
 *
 * Always true:
 * - a chain that vring_take() gives has 1..VRING_SEGMENTS_MAX segments, each wholly inside guest memory, the
 *   readable ones before the writable ones; its bytes are at most VRING_BYTES_MAX;
 * - after ERR_ARG the ring is broken and gives nothing until it is started again: the caller says
 *   DEVICE_NEEDS_RESET.  No other device, and nothing of ours, is affected;
 * - no walk is longer than the ring has descriptors, however they are linked.
 */
#ifndef VIRTIO_VRING_H
#define VIRTIO_VRING_H

#include <stdbool.h>
#include <stdint.h>

#include "../abi/status.h"
#include "guest_ram.h"
#include "virtio.h"

#define VRING_SEGMENTS_MAX 66u      /* 64 of data, a header, a status byte */
#define VRING_BYTES_MAX (16u << 20) /* of one chain: keeps every sum of lengths far from wrapping */

struct vring_segment {
    uint8_t *data;
    uint32_t bytes;
};

/* One request of the driver: what it wants read, then where it wants answers written. */
struct vring_chain {
    uint32_t head; /* the descriptor that names it in the used ring */
    uint32_t readable_count;
    uint32_t writable_count;
    uint32_t readable_bytes;
    uint32_t writable_bytes;
    struct vring_segment segments[VRING_SEGMENTS_MAX];
};

struct vring {
    /* What the driver asked for, as written to the transport; judged by vring_start(). */
    uint32_t size;
    uint64_t descriptor_address;
    uint64_t avail_address;
    uint64_t used_address;

    bool is_started;
    bool is_broken;
    bool has_event_index; /* VIRTIO_F_EVENT_IDX */
    bool has_indirect;    /* VIRTIO_F_INDIRECT_DESC */
    uint16_t avail_taken; /* free-running: chains taken */
    uint16_t used_index;  /* free-running: chains given back */
    uint16_t used_told;   /* used_index when the driver was last told (or spared) */
    const struct guest_ram *ram;
    uint8_t *descriptors;
    uint8_t *avail;
    uint8_t *used;
};

/* Judge what the driver set up, and start.  ERR_ARG: size or an address is not what 2.6 allows. */
enum status vring_start(struct vring *ring, const struct guest_ram *ram, uint32_t size_max) BH_NODISCARD;
/* Forget everything, as after a reset of the device. */
void vring_reset(struct vring *ring);

/* Take the next chain that the driver made available; *found = false when there is none.  ERR_ARG: the driver
 * broke the ring. */
enum status vring_take(struct vring *ring, struct vring_chain *chain, bool *found) BH_NODISCARD;
/* Give a chain back, with how many bytes were written into its writable segments. */
void vring_give(struct vring *ring, uint32_t head, uint32_t written_bytes);
/* The same for several chains, which the driver sees all at once. */
void vring_give_all(struct vring *ring, const struct vring_used_element *given, uint32_t count);
/* The `count` chains that were taken last, and not given back, will be taken again (and judged again). */
void vring_take_back(struct vring *ring, uint32_t count);
/* Should the driver be interrupted for what was given since the last call that said yes? */
bool vring_must_interrupt(struct vring *ring);
/* Would it have to be, if `count` more chains were given? */
bool vring_would_interrupt(const struct vring *ring, uint32_t count);

/* Ask to be kicked for the next chain.  Returns true when there is one already: take it, then ask again. */
bool vring_want_kick(struct vring *ring);
/* We are going to look anyway: spare the driver its kicks. */
void vring_want_no_kick(struct vring *ring);

/* Write the last writable byte of a chain that has one. */
void vring_write_last(const struct vring_chain *chain, uint8_t value);
/* Copy from the readable bytes of a chain, or to its writable ones, `offset` bytes in.  The caller stays
 * within readable_bytes or writable_bytes. */
void vring_copy_from(const struct vring_chain *chain, uint32_t offset, void *to, uint32_t bytes);
void vring_copy_to(const struct vring_chain *chain, uint32_t offset, const void *from, uint32_t bytes);

#endif
