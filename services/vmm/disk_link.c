/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * disk_link.c - a drive's session at blkdrv: ring, pool, doorbells, blkdrv's restarts, another volume
 *
 * Requests that a dead blkdrv left unanswered are still in the ring, and it has kept our Notification; a new
 * Attach after a restart only makes sure.  Ring and pool are an eighth of the block that all disks of this VM
 * share with blkdrv, the same one for each session of this drive: so we say whose ring we use, and blkdrv
 * does not begin that of another session before we use none.
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

static enum status answer_judge(const bh_BlkAttachReply *reply, const struct rpc_caps *caps)
{
    if ((enum status)reply->status != OK)
        return (enum status)reply->status;
    return caps->out_count == 2 && reply->pool_pages == BLK_POOL_PAGES ? OK : ERR_PEER;
}

enum status disk_link_ask(const struct vblk *disk, struct disk_news *news)
{
    bh_BlkAttachRequest request = {.serial = disk->has_volume ? disk->serial : 0};
    bh_BlkAttachReply reply;
    struct rpc_caps caps = {.in_count = 1, .in = {disk->events}};
    enum status status = blk_rpc_attach(disk->session, &request, &reply, &caps, bh_after_ms(ATTACH_MS));

    *news = (struct disk_news){0};
    if (status == OK)
        status = answer_judge(&reply, &caps);
    if (status != OK) {
        drop_all(&caps);
        return status == ERR_EXIST ? OK : status;
    }
    *news = (struct disk_news){.is_open = true,
                               .serial = reply.serial,
                               .volume = {.sectors = reply.sectors, .writable = reply.writable},
                               .block = caps.out[0],
                               .driver = caps.out[1]};
    snprintf(news->volume.id, sizeof news->volume.id, "%.20s", reply.volume);
    return OK;
}

static void ring_doorbell(void *context)
{
    struct vblk *disk = context;

    if (bh_notification_signal(disk->driver) != OK)
        disk->must_attach = true;
}

void disk_link_init(struct vblk *disk, uint32_t index, slot_t events)
{
    disk->index = index;
    disk->session = CAP_BLK0 + index;
    disk->events = events;
    disk->link = (struct vblk_link){disk, ring_doorbell};
}

/* The drive is empty: nobody looks at what is made here before it says that it has a volume. */
static enum status take(struct vblk *disk, const struct disk_news *news)
{
    static uint64_t block_ipa; /* whichever disk brings the block first has it mapped */
    enum status status = bh_map_block(news->block, &block_ipa);
    uint64_t ipa = block_ipa + (uint64_t)disk->index * BLK_DISK_BYTES;

    if (status == OK)
        status = blk_front_init(&disk->front, (struct blk_ring *)(uintptr_t)ipa);
    if (status != OK) {
        bh_slot_drop(news->driver);
        return status;
    }
    disk->driver = news->driver;
    disk->pool = (uint8_t *)(uintptr_t)(ipa + BLK_PAGE_BYTES);
    disk->serial = news->serial;
    return OK;
}

enum status disk_link_open(struct vblk *disk, char *error, size_t error_bytes)
{
    struct disk_news news;
    enum status status = disk_link_ask(disk, &news);

    if (status == OK)
        status = news.is_open ? take(disk, &news) : ERR_EXIST;
    if (status != OK)
        snprintf(error, error_bytes, "disk %u: its session at blkdrv: %s", (unsigned)disk->index,
                 bh_status_name(status));
    disk->has_volume = status == OK;
    if (status == OK)
        disk->volume = news.volume;
    return status;
}

bool disk_link_is_lost(struct vblk *disk)
{
    if (blk_front_restarted(&disk->front))
        disk->must_attach = true;
    return disk->must_attach;
}

bool disk_link_is_same(const struct vblk *disk, const struct disk_news *news)
{
    return disk->has_volume && news->is_open && news->serial == disk->serial;
}

/* The block is the same as before, mapped already. */
void disk_link_go_on(struct vblk *disk, const struct disk_news *news)
{
    slot_t old = disk->driver;

    disk->driver = news->driver;
    disk->must_attach = false;
    bh_slot_drop(old);
    bh_slot_drop(news->block);
    ring_doorbell(disk);
}

/* What blkdrv said first may have been of a session that it would not begin. */
enum status disk_link_change(struct vblk *disk, struct disk_news *news)
{
    enum status status;

    bh_slot_drop(news->block);
    bh_slot_drop(news->driver);
    bh_slot_drop(disk->driver);
    disk->driver = 0;
    status = disk_link_ask(disk, news);
    return status == OK && news->is_open ? take(disk, news) : status;
}
