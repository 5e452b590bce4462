/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * disk.h - one virtio block device: start, submit, complete, and recover when it went wrong
 *
 * Up to DISK_OPS operations are in the device at once.  Each one that disk_submit took comes back exactly
 * once from disk_take_completion, whatever the device does: it answers, it says that it needs a reset, the
 * SMMU refuses its access, or it stays silent for DISK_PATIENCE_MS.
 */
#ifndef BLKDRV_DISK_H
#define BLKDRV_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "../../lib/abi/status.h"
#include "../../lib/ring/blk_ring.h"
#include "../../lib/virtio/virtio_pci.h"
#include "machine.h"
#include "virtio_blk.h"

#define DISK_OPS 128u
#define DISK_SEGMENTS_MAX BLK_REQUEST_PAGES
#define DISK_DESCS_MAX (DISK_SEGMENTS_MAX + 2u) /* header, data, status */
#define DISK_PATIENCE_MS 10000u
#define DISK_TRIES_MAX 3u /* resets that an operation may go through without being their known cause */

struct disk_segment {
    uint64_t iova;
    uint32_t bytes;
};
/* What the submitter gives and gets back. */
struct disk_work {
    uint32_t owner; /* the submitter's own: client number and ring position */
    uint32_t position;
    uint8_t op;      /* enum blk_op */
    uint64_t sector; /* of the disk, 512 bytes each */
    uint32_t segment_count;
    struct disk_segment segments[DISK_SEGMENTS_MAX];
};
struct disk_done {
    uint32_t owner;
    uint32_t position;
    enum status status; /* OK or ERR_IO */
};

enum disk_op_state {
    DISK_OP_FREE = 0,
    DISK_OP_IN_DEVICE,
    DISK_OP_SUSPECT, /* was in the device at a reset: goes in again alone */
    DISK_OP_FAILED,
};
struct disk_op {
    enum disk_op_state state;
    struct disk_work work;
    uint64_t deadline; /* in the device for longer than this: the device is stuck */
    bool flush_next;   /* the write half of BLK_WRITE_FUA */
    uint8_t resets;    /* that it went through */
};

enum disk_state {
    DISK_NONE = 0, /* this machine has none, or not one that we can use */
    DISK_READY,
    DISK_DEAD, /* did not come back from a reset: every request fails */
};

struct disk {
    enum disk_state state;
    char why[100]; /* why it is not ready */
    struct virtio_pci pci;

    uint64_t sectors; /* 512 bytes each */
    uint32_t block_bytes;
    bool read_only;
    bool has_flush;

    /* queue memory, shared with the device: descriptors, avail ring and headers are read-only for it; the
     * queue is broken when the device says so or wrote nonsense: recover */
    struct virtq queue;                /* chains belong to operations, by number */
    struct virtio_blk_header *headers; /* by operation */
    volatile uint8_t *results;         /* status bytes, by operation */
    uint8_t *buffer;                   /* one page of our own, for start-up */

    struct disk_op ops[DISK_OPS];
    uint32_t in_flight; /* operations that are not free */
    uint32_t suspects;  /* of those, in state DISK_OP_SUSPECT */
    bool alone;         /* what is in the device was a suspect: nothing may join it */
    uint32_t failed;    /* of those, in state DISK_OP_FAILED */
    uint64_t faults_seen;
    uint32_t resets;
    uint64_t quiet_until; /* resets are logged once a second at most */
};

/* Find and start the device.  Never fails: without a usable one the state stays DISK_NONE, and `why` says it.
 */
void disk_start(struct disk *disk);
/* One logical block, waiting for it; only before the first client is served. */
enum status disk_read_block(struct disk *disk, uint64_t block, void *buffer) BH_NODISCARD;

bool disk_has_room(const struct disk *disk);
/* There is room (disk_has_room).  Needs a disk_kick in the end. */
void disk_submit(struct disk *disk, const struct disk_work *work);
void disk_kick(struct disk *disk);

/* Events. */
void disk_interrupt(struct disk *disk);
/* The SMMU refused something, or the device is broken: reset it. */
void disk_check(struct disk *disk);
/* Operations that are too old mean a dead or stuck device. */
void disk_check_age(struct disk *disk);
bool disk_take_completion(struct disk *disk, struct disk_done *done);

/* device.c: where its registers are; the steps of 3.1.1, with our queue.  NULL, or what is wrong with it. */
const char *device_find(struct disk *disk);
const char *device_start(struct disk *disk);

/* queue.c: operations in the virtqueue. */
void queue_layout(struct disk *disk, uint8_t *memory);
#define QUEUE_PAGES_READ_ONLY 2u
uint64_t queue_iova(const struct disk *disk, const volatile void *at);
void queue_put(struct disk *disk, uint32_t op);
bool queue_take(struct disk *disk, uint32_t *op, enum status *status);

#endif
