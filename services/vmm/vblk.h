/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vblk.h - one virtio block device (Virtio 1.1, 5.2) in front of one session at blkdrv
 *
 * A request of the guest is cut into chunks of whole pool pages, each a request of the block ring
 * (lib/ring/blk_ring.h).  It is given back when all its chunks are done.
 *
 * Always true:
 * - a chunk belongs to a request that is in use, or to none (the guest reset the device meanwhile: its answer
 * is dropped); the guest's memory is only touched for the former;
 * - a request whose status is OK and that wrote is with blkdrv (FUA: on stable storage when the driver did
 * not negotiate FLUSH); a flush is OK only after blkdrv said that its flush is.
 */
#ifndef VMM_VBLK_H
#define VMM_VBLK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "blk_ring.h"
#include "virtio_mmio.h"

#define VBLK_QUEUE_MAX 256u
#define VBLK_REQUESTS 16u
#define VBLK_CHUNKS BLK_RING_SLOTS
#define VBLK_NO_REQUEST 0xffffffffu
#define VBLK_ID_BYTES 20u

struct vblk_request {
    bool in_use;
    bool has_failed;
    uint8_t op; /* enum blk_op */
    uint32_t chunks_pending;
    uint32_t bytes;     /* of data */
    uint32_t submitted; /* bytes of them that are in chunks, or were */
    uint64_t sector;
    bool flush_submitted;
    struct vring_chain chain;
};

struct vblk_chunk {
    uint32_t request; /* VBLK_NO_REQUEST: nobody waits */
    uint32_t offset;  /* into the request's data */
    uint32_t bytes;
    uint32_t page_count;
    uint8_t pages[BLK_REQUEST_PAGES];
};

/* How to reach blkdrv; a seam for tests. */
struct vblk_link {
    void *context;
    void (*ring_doorbell)(void *context);
};

struct vblk {
    struct virtio_mmio virtio;
    struct blk_front front;
    uint8_t *pool; /* BLK_POOL_PAGES in a row */
    struct vblk_link link;
    uint64_t sectors;
    bool writable;
    char id[VBLK_ID_BYTES + 1];
    uint32_t order[VBLK_REQUESTS]; /* requests with chunks to submit, oldest first */
    uint32_t order_count;
    struct vblk_request requests[VBLK_REQUESTS];
    struct vblk_chunk chunks[VBLK_CHUNKS];
    uint32_t chunks_free; /* bit per chunk */

    /* disk_link.c */
    uint32_t index;
    slot_t session;
    slot_t events;    /* our Notification, as blkdrv gets it */
    slot_t driver;    /* blkdrv's Notification */
    bool must_attach; /* blkdrv was restarted and has not let us attach yet */
};

/* front, pool, link, sectors, writable, id are set (and of virtio: ram, interrupt*). */
void vblk_init(struct vblk *disk);
/* Take completions, then chains, then submit what fits. */
void vblk_pump(struct vblk *disk);
/* Something is with blkdrv and not answered. */
bool vblk_is_busy(const struct vblk *disk);

/* disk_link.c: attach to the session in slot CAP_BLK0 + index; `events` is signalled on completions.  `error`
 * says what is wrong. */
enum status disk_link_open(struct vblk *disk, uint32_t index, slot_t events, char *error,
                           size_t error_bytes) BH_NODISCARD;
/* Looked at about once a second while the disk is busy.  blkdrv was restarted and does not know us: ask for
 * its new Notification (a request, without vm->lock), then go on with it. */
bool disk_link_is_lost(struct vblk *disk);
enum status disk_link_ask(const struct vblk *disk, slot_t *driver) BH_NODISCARD;
void disk_link_go_on(struct vblk *disk, slot_t driver);

#endif
