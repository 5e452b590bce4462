/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blk_ring.h - block requests between a vmm (front end) and blkdrv (back end)
 *
 * One 4 KiB ring page and BLK_POOL_PAGES data pages ("pool"), shared by exactly one vmm and blkdrv for one
 * session.  A request at position p (free-running u32) lies in slot p % BLK_RING_SLOTS until its completion,
 * one 64-bit word { status, position } in the same slot, has been written; the front end reuses a slot only
 * after it took that word.  So what is unanswered can always be read from the page itself, and a restarted
 * blkdrv picks it up.  Completions come in any order.  All data lies in whole pool pages that the request
 * names.
 *
 * Always true:  each field has one writer; no side does read-modify-write on shared memory or waits for the
 * other; what a side needs to be safe it keeps in its own memory (struct blk_front, struct blk_back).
 *
 * Doorbells: the side that is about to sleep sets its `wants_signal` word and looks once more
 * (blk_*_may_sleep); the other signals after new work only if that word is set (blk_*_must_signal).
 *
 * Restart: blkdrv keeps the way to the vmm over it, and goes on. A front end with requests outstanding still
 * wakes at least every BLK_RESTART_CHECK_MS, asks blk_front_restarted(), and if so calls Blk.Attach again,
 * then takes completions and rings the doorbell: a session that was closed says so in this way, too.
 */
#ifndef BH_RING_BLK_RING_H
#define BH_RING_BLK_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "../abi/status.h"

#define BLK_SECTOR_BYTES 512u
#define BLK_PAGE_BYTES 4096u
#define BLK_POOL_PAGES 63u
#define BLK_REQUEST_PAGES 16u
#define BLK_RING_SLOTS 32u
#define BLK_MAX_SECTORS (BLK_REQUEST_PAGES * (BLK_PAGE_BYTES / BLK_SECTOR_BYTES))
/* Ring page and pool of one disk; all disks of a VM share one Frame of 2 MiB, an eighth each: its block. */
#define BLK_BLOCK_BYTES 0x200000u
#define BLK_BLOCK_DISKS 8u
#define BLK_DISK_BYTES (BLK_BLOCK_BYTES / BLK_BLOCK_DISKS)
_Static_assert((1u + BLK_POOL_PAGES) * BLK_PAGE_BYTES == BLK_DISK_BYTES, "ring and pool fill an eighth");
#define BLK_RING_MAGIC 0x524b4c42u /* "BLKR" */
#define BLK_RESTART_CHECK_MS 1000u

enum blk_op {
    BLK_READ = 0,
    BLK_WRITE = 1,
    BLK_FLUSH = 2, /* all writes completed before it are on stable storage when it completes; count is 0 */
    BLK_WRITE_FUA = 3, /* the write itself is on stable storage when it completes */
};

/* Sectors are always 512 bytes.  Data fills pages[0], pages[1], ... in this order, each from its start. */
struct blk_request {
    uint64_t sector; /* of the volume */
    uint32_t count;  /* sectors, at most BLK_MAX_SECTORS */
    uint8_t op;      /* enum blk_op */
    uint8_t spare[3];
    uint8_t pages[BLK_REQUEST_PAGES]; /* numbers of pool pages: the first ceil(count / 8) count */
};
/* One cache line each. */
struct blk_slot {
    struct blk_request request;
    uint64_t spare[4];
};

struct blk_ring {
    /* written by blkdrv */
    uint32_t magic;
    uint32_t generation; /* changes whenever blkdrv starts: attach again */
    uint32_t back_wants_signal;
    uint32_t spare0[13];
    uint64_t done[BLK_RING_SLOTS]; /* status << 32 | position: that request is answered */
    /* written by the vmm */
    uint32_t put; /* position of the next request */
    uint32_t front_wants_signal;
    uint32_t spare1[14];
    struct blk_slot requests[BLK_RING_SLOTS];
};
_Static_assert(sizeof(struct blk_slot) == 64, "one cache line per request");
_Static_assert(sizeof(struct blk_ring) <= BLK_PAGE_BYTES, "the ring is one page");

static inline uint32_t blk_pages_count(uint32_t sectors)
{
    const uint32_t per_page = BLK_PAGE_BYTES / BLK_SECTOR_BYTES;

    return sectors / per_page + (sectors % per_page != 0);
}

/* ---- the front end (vmm) -------------------------------------------------------------------- */

struct blk_front {
    struct blk_ring *ring;
    uint32_t put;         /* position of the next request */
    uint32_t outstanding; /* bit per slot: put, and its completion not taken */
    uint32_t generation;  /* as last seen */
    uint64_t pool_free;   /* bit per pool page */
    uint32_t pool_free_count;
    uint32_t positions[BLK_RING_SLOTS];
    uint64_t tags[BLK_RING_SLOTS];
};

/* After the first Attach of a session.  ERR_ARG: the page is no block ring. */
enum status blk_front_init(struct blk_front *front, struct blk_ring *ring) BH_NODISCARD;

/* Take `count` free pool pages (lowest numbers first).  ERR_FULL: not so many are free; nothing was taken. */
enum status blk_pool_take(struct blk_front *front, uint32_t count, uint8_t *pages) BH_NODISCARD;
/* Pages that blk_pool_take() gave, once. */
void blk_pool_put(struct blk_front *front, uint32_t count, const uint8_t *pages);

/* ERR_FULL: its slot is not free yet; take completions first.  `tag` comes back with the completion. */
enum status blk_ring_put_request(struct blk_front *front, const struct blk_request *request,
                                 uint64_t tag) BH_NODISCARD;
/* After one or more blk_ring_put_request: is a signal on blkdrv's doorbell needed? */
bool blk_front_must_signal(const struct blk_front *front);

/* One more completed request: its tag, and OK, ERR_IO (the device failed it) or ERR_ARG (refused by blkdrv).
 */
bool blk_ring_take_completion(struct blk_front *front, uint64_t *tag, enum status *status);

/* While awake no signals are needed.  Before sleeping: true if no completion came meanwhile. */
void blk_front_awake(struct blk_front *front);
bool blk_front_may_sleep(struct blk_front *front);

/* blkdrv was restarted since the last blk_front_init or blk_front_restarted: Attach again. */
bool blk_front_restarted(struct blk_front *front);

/* ---- the back end (blkdrv) ------------------------------------------------------------------ */

struct blk_back {
    struct blk_ring *ring;
    uint32_t take;    /* the next position to look at */
    uint32_t started; /* bit per slot: taken, not answered */
    bool broken;      /* the front end's indices made no sense: nothing more is taken */
};

/* What a session's requests are judged against. */
struct blk_limits {
    uint64_t sectors;
    uint32_t align_sectors; /* sector and count are multiples of it: the device's block size; at least 1 */
    bool writable;
};

/* An empty ring for a new session. */
void blk_ring_create(struct blk_ring *ring);
/* Start on a ring, new or left by an earlier life of the driver; all that is unanswered will be taken. */
void blk_back_start(struct blk_back *back, struct blk_ring *ring, uint32_t generation);

/* Nothing is taken or answered any more: the front end is to ask again (blk_front_restarted). */
void blk_back_end(struct blk_back *back);

/* The next unanswered request, copied once; judge the copy with blk_request_check. */
bool blk_ring_take_request(struct blk_back *back, struct blk_request *copy, uint32_t *position);
/* OK, or why the request is refused: ERR_ARG (bounds, alignment, pages, op), ERR_RIGHT (read-only). */
enum status blk_request_check(const struct blk_request *request,
                              const struct blk_limits *limits) BH_NODISCARD;
void blk_ring_put_completion(struct blk_back *back, uint32_t position, enum status status);
bool blk_back_must_signal(const struct blk_back *back);

void blk_back_awake(struct blk_back *back);
bool blk_back_may_sleep(struct blk_back *back);

#endif
