/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * disk_link.c - a disk's session at blkdrv: ring, pool, doorbells, and blkdrv's restarts
 *
 * Requests that a dead blkdrv left unanswered are still in the ring, and it has kept our Notification; a new
 * Attach after a restart only makes sure.  Ring and pool are an eighth of the block that all disks of this VM
 * share with blkdrv.
 */
#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "blk_rpc.h"
#include "caps_vmm.h"
#include "vblk.h"

#define ATTACH_MS 2000u

static void drop_all(const struct rpc_caps *caps)
{
    for (uint32_t i = 0; i < caps->out_count; i++)
        bh_slot_drop(caps->out[i]);
}

/* Ask for the block and blkdrv's Notification. */
static enum status attach(const struct vblk *disk, bh_BlkAttachReply *reply, slot_t *block, slot_t *driver,
                          char *error, size_t error_bytes)
{
    bh_BlkAttachRequest request = bh_BlkAttachRequest_init_zero;
    struct rpc_caps caps = {.in_count = 1, .in = {disk->events}};
    enum status status = blk_rpc_attach(disk->session, &request, reply, &caps, bh_after_ms(ATTACH_MS));

    if (status != OK) {
        snprintf(error, error_bytes, "disk %u: Attach: %s", (unsigned)disk->index, bh_status_name(status));
    } else if ((enum status)reply->status != OK) {
        status = (enum status)reply->status;
        snprintf(error, error_bytes, "disk %u: %s", (unsigned)disk->index, reply->error);
    } else if (caps.out_count != 2 || reply->pool_pages != BLK_POOL_PAGES) {
        status = ERR_PEER;
        snprintf(error, error_bytes, "disk %u: blkdrv's ring is not as expected", (unsigned)disk->index);
    }
    if (status != OK) {
        drop_all(&caps);
        return status;
    }
    *block = caps.out[0];
    *driver = caps.out[1];
    return OK;
}

/* Once, whichever disk brings it first. */
static enum status block_map(slot_t block, uint64_t *ipa)
{
    static uint64_t mapped;
    enum status status = bh_map_block(block, &mapped);

    *ipa = mapped;
    return status;
}

static void ring_doorbell(void *context)
{
    struct vblk *disk = context;

    if (bh_notification_signal(disk->driver) != OK)
        disk->must_attach = true;
}

enum status disk_link_open(struct vblk *disk, uint32_t index, slot_t events, char *error, size_t error_bytes)
{
    bh_BlkAttachReply reply;
    slot_t block = 0;
    uint64_t ipa = 0;
    enum status status;

    disk->index = index;
    disk->session = CAP_BLK0 + index;
    disk->events = events;
    disk->link = (struct vblk_link){disk, ring_doorbell};
    status = attach(disk, &reply, &block, &disk->driver, error, error_bytes);
    if (status != OK)
        return status;
    status = block_map(block, &ipa);
    ipa += (uint64_t)index * BLK_DISK_BYTES;
    if (status == OK)
        status = blk_front_init(&disk->front, (struct blk_ring *)(uintptr_t)ipa);
    if (status != OK) {
        snprintf(error, error_bytes, "disk %u: its ring and pool: %s", (unsigned)index,
                 bh_status_name(status));
        return status;
    }
    disk->pool = (uint8_t *)(uintptr_t)(ipa + BLK_PAGE_BYTES);
    disk->sectors = reply.sectors;
    disk->writable = reply.writable;
    return OK;
}

bool disk_link_is_lost(struct vblk *disk)
{
    if (blk_front_restarted(&disk->front))
        disk->must_attach = true;
    return disk->must_attach;
}

/* The block is the same as before, mapped already. */
enum status disk_link_ask(const struct vblk *disk, slot_t *driver)
{
    bh_BlkAttachReply reply;
    slot_t block = 0;
    char error[8];
    enum status status = attach(disk, &reply, &block, driver, error, sizeof error);

    bh_slot_drop(block);
    return status;
}

void disk_link_go_on(struct vblk *disk, slot_t driver)
{
    slot_t old = disk->driver;

    disk->driver = driver;
    disk->must_attach = false;
    bh_slot_drop(old);
    ring_doorbell(disk);
}
