/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vballoon.h - a virtio memory balloon (Virtio 1.1, 5.5): pages that the guest does not use for now
 *
 * The guest gives 4 KiB pages; memory goes back to mem in whole blocks of 2 MiB, once the guest has given
 * every page of one.  A page of a block that is gone is taken back only after the block is there again: the
 * guest's request waits meanwhile (it must tell before it uses a page: VIRTIO_BALLOON_F_MUST_TELL_HOST).
 *
 * Always true:
 * - all pages of a block that is gone are in the balloon;
 * - a page is in the balloon or not, however often the guest says so, and pages that it does not have mean
 *   nothing: a guest that lies loses what it gave, and nothing else;
 * - no block goes while the driver does not promise to tell.
 */
#ifndef VMM_VBALLOON_H
#define VMM_VBALLOON_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio_mmio.h"

#define VBALLOON_QUEUE_MAX 64u
#define VBALLOON_PAGE_BYTES 4096u
#define VBALLOON_BLOCK_PAGES (GUEST_RAM_BLOCK_BYTES / VBALLOON_PAGE_BYTES)

struct vballoon_block {
    uint64_t pages[VBALLOON_BLOCK_PAGES / 64]; /* bit: it is in the balloon */
    uint32_t page_count;                       /* of them */
};

struct vballoon {
    struct virtio_mmio virtio;
    uint32_t block_count;
    struct vballoon_block *blocks;
    uint64_t *gone;      /* bit per block: as in guest_ram.h */
    uint32_t page_count; /* in the balloon */
    uint32_t full_count; /* blocks that are wholly in it ... */
    uint32_t gone_count; /* ... and of them those that are gone */
    uint32_t look_from;  /* where vballoon_next() goes on */
    uint32_t reserve;    /* full blocks that stay, to be exchanged for one that the guest needs */
    bool is_short;       /* there is no other memory: the reserve may go */

    bool is_taking; /* the guest waits for pages back: ... */
    struct vring_chain taking;
    uint32_t taken_bytes; /* ... of the request, this much is done ... */
    uint32_t needed;      /* ... and this block must be there first */

    /* There is something that vballoon_next() says, or page_count or the driver is another: any thread. */
    void (*changed)(void *context);
    void *changed_context;
};

/* block_count, blocks (zero), gone (zero), reserve and changed* are set (and of virtio: ram, shown,
 * interrupt*). */
void vballoon_init(struct vballoon *balloon);
/* How many pages the guest is asked to give. */
void vballoon_set_target(struct vballoon *balloon, uint32_t pages);
bool vballoon_has_driver(const struct vballoon *balloon);

enum vballoon_work { VBALLOON_NOTHING, VBALLOON_RELEASE, VBALLOON_FETCH };
/* What is to be done next, and of which block. */
enum vballoon_work vballoon_next(struct vballoon *balloon, uint32_t *block);
/* The block is not there from now on: nothing of ours points into it any more. */
void vballoon_gone(struct vballoon *balloon, uint32_t block);
/* It is there again, zero; the guest's request goes on. */
void vballoon_back(struct vballoon *balloon, uint32_t block);

#endif
