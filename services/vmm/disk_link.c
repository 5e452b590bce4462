/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * disk_link.c - a drive's session at blkdrv: ring, pool, doorbells, blkdrv's restarts, another volume
 *
 * Requests that a dead blkdrv left unanswered are still in the ring; all that a restart needs of us is a new
 * Attach, for it has lost our Notification.  A session that was closed and opened again has other frames, at
 * another place: blkdrv takes the old ones away no sooner than we say that we use them no more.
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
    bh_BlkAttachRequest request = bh_BlkAttachRequest_init_zero;
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
                               .place = reply.place,
                               .volume = {.sectors = reply.sectors, .writable = reply.writable},
                               .ring = caps.out[0],
                               .driver = caps.out[1]};
    snprintf(news->volume.id, sizeof news->volume.id, "%.20s", reply.volume);
    return OK;
}

static enum status frame_map(struct vblk *disk, uint32_t index, slot_t frame)
{
    disk->frames[index] = frame;
    return bh_map(frame, disk->ipa + (uint64_t)index * BLK_PAGE_BYTES, RIGHT_READ | RIGHT_WRITE);
}

static enum status pool_map(struct vblk *disk, uint32_t place)
{
    for (uint32_t first = 0; first < BLK_POOL_PAGES;) {
        bh_BlkPoolRequest request = {.first = first, .place = place};
        bh_BlkPoolReply reply;
        struct rpc_caps caps = {0};
        enum status status = blk_rpc_pool(disk->session, &request, &reply, &caps, bh_after_ms(ATTACH_MS));

        if (status == OK)
            status = (enum status)reply.status;
        if (status == OK && (caps.out_count == 0 || caps.out_count > BLK_POOL_PAGES - first))
            status = ERR_PEER;
        if (status != OK) {
            drop_all(&caps);
            return status;
        }
        for (uint32_t i = 0; i < caps.out_count; i++) {
            enum status mapped = frame_map(disk, 1 + first + i, caps.out[i]);

            status = status == OK ? mapped : status;
        }
        if (status != OK)
            return status;
        first += caps.out_count;
    }
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

/* Deleting a Frame that is mapped unmaps it. */
static void let_go(struct vblk *disk)
{
    for (uint32_t i = 0; i < BLK_FRAMES_PER_CLIENT; i++) {
        bh_slot_drop(disk->frames[i]);
        disk->frames[i] = 0;
    }
    bh_slot_drop(disk->driver);
    disk->driver = 0;
}

/* The drive is empty: nobody looks at what is made here before it says that it has a volume. */
static enum status take(struct vblk *disk, const struct disk_news *news)
{
    enum status status;

    if (disk->ipa == 0)
        disk->ipa = bh_ipa_alloc(BLK_FRAMES_PER_CLIENT);
    disk->driver = news->driver;
    status = frame_map(disk, 0, news->ring);
    if (status == OK)
        status = pool_map(disk, news->place);
    if (status == OK)
        status = blk_front_init(&disk->front, (struct blk_ring *)(uintptr_t)disk->ipa);
    if (status != OK) {
        let_go(disk);
        return status;
    }
    disk->pool = (uint8_t *)(uintptr_t)(disk->ipa + BLK_PAGE_BYTES);
    disk->place = news->place;
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
    return disk->has_volume && news->is_open && news->place == disk->place;
}

/* The ring is the same frame as before, mapped already. */
void disk_link_go_on(struct vblk *disk, const struct disk_news *news)
{
    slot_t old = disk->driver;

    disk->driver = news->driver;
    disk->must_attach = false;
    bh_slot_drop(old);
    bh_slot_drop(news->ring);
    ring_doorbell(disk);
}

static void news_drop(const struct disk_news *news)
{
    bh_slot_drop(news->ring);
    bh_slot_drop(news->driver);
}

/* What blkdrv said first has shown only that it is another session: a frame that came with it would be one
 * that we have when we say that we have none. */
enum status disk_link_change(struct vblk *disk, struct disk_news *news)
{
    static const bh_BlkDetachRequest request = bh_BlkDetachRequest_init_zero;
    bh_BlkStatus reply;
    enum status status;

    news_drop(news);
    let_go(disk);
    *news = (struct disk_news){0};
    status = blk_rpc_detach(disk->session, &request, &reply, NULL, bh_after_ms(ATTACH_MS));
    if (status == OK)
        status = (enum status)reply.status;
    if (status == OK)
        status = disk_link_ask(disk, news);
    return status == OK && news->is_open ? take(disk, news) : status;
}
