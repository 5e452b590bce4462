/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vblk.h - one virtio block device (Virtio 1.1, 5.2): a drive, with a volume in it (a session at blkdrv) or
 * empty
 *
 * Volumes come and go while the guest runs: it is told by its capacity, which is 0 when the drive is empty.
 * What the driver took the drive for at its start, read-only or not, stays.
 *
 * A request of the guest is cut into chunks of whole pool pages, each a request of the block ring
 * (lib/ring/blk_ring.h).  It is given back when all its chunks are done.
 *
 * Always true:
 * - a chunk belongs to a request that is in use, or to none (the guest reset the device meanwhile: its answer
 * is dropped); the guest's memory is only touched for the former;
 * - a request whose status is OK and that wrote is with blkdrv (FUA: on stable storage when the driver did
 * not negotiate FLUSH); a flush is OK only after blkdrv said that its flush is;
 * - without a volume nothing of the ring and the pool is touched, every request fails, and none is in use.
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

struct vblk_volume {
    uint64_t sectors;
    bool writable;
    char id[VBLK_ID_BYTES + 1];
};

struct vblk {
    struct virtio_mmio virtio;
    bool has_volume; /* else front and pool are nothing */
    struct blk_front front;
    uint8_t *pool; /* BLK_POOL_PAGES in a row */
    struct vblk_link link;
    struct vblk_volume volume;     /* all zero: none */
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
    bool must_attach; /* blkdrv was restarted, or has another volume for us, and we have not attached yet */
    uint32_t serial;  /* of the session at blkdrv, if there is a volume */
};

/* link, has_volume and volume are set, with a volume also front and pool (and of virtio: ram, interrupt*).
 * read_only: what the driver is told, for good. */
void vblk_init(struct vblk *disk, bool read_only);
/* The drive is empty from now on: what was asked of it fails. */
void vblk_eject(struct vblk *disk);
/* There is a volume in it again: front and pool are set. */
void vblk_insert(struct vblk *disk, const struct vblk_volume *volume);
/* Take completions, then chains, then submit what fits. */
void vblk_pump(struct vblk *disk);
/* Something is with blkdrv and not answered. */
bool vblk_is_busy(const struct vblk *disk);

/* What blkdrv says of our session. */
struct disk_news {
    bool is_open; /* else there is no volume for us, and the rest is nothing */
    uint32_t serial;
    struct vblk_volume volume;
    slot_t block;
    slot_t driver;
};

/* disk_link.c: the session is in slot CAP_BLK0 + index; `events` is signalled on completions. */
void disk_link_init(struct vblk *disk, uint32_t index, slot_t events);
/* Attach to it.  ERR_EXIST: it is not open; `error` says what is wrong. */
enum status disk_link_open(struct vblk *disk, char *error, size_t error_bytes) BH_NODISCARD;
/* Looked at about once a second while the disk is busy: blkdrv was restarted and does not know us, or has
 * closed our session. */
bool disk_link_is_lost(struct vblk *disk);
/* These ask blkdrv: without vm->lock.  Then, of the session that we have, go on; else, while the drive is
 * empty, ask once more, and take what is there. */
enum status disk_link_ask(const struct vblk *disk, struct disk_news *news) BH_NODISCARD;
bool disk_link_is_same(const struct vblk *disk, const struct disk_news *news);
void disk_link_go_on(struct vblk *disk, const struct disk_news *news);
enum status disk_link_change(struct vblk *disk, struct disk_news *news) BH_NODISCARD;

#endif
