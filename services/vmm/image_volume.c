/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image_volume.c - see image_volume.h
 *
 * Two requests are under way: while one is copied out the disk works on the other.  The
 * guest does not run yet, so the main thread may wait here.
 */
#include "image_volume.h"

#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "caps_vmm.h"
#include "image_names.h"
#include "vblk.h"

#define PIECE_PAGES BLK_REQUEST_PAGES
#define PIECE_BYTES ((uint64_t)PIECE_PAGES * BLK_PAGE_BYTES)
#define PATIENCE_MS 60000u /* blkdrv's own for a disk, and a restart of it, with room */
#define COMPLETION 1u

struct piece {
    bool is_asked;
    uint64_t offset, bytes;
    uint8_t pages[PIECE_PAGES];
};

static struct volume {
    struct vblk disk; /* of it only the link to blkdrv */
    slot_t events;
    struct piece pieces[2];
} volumes[2];

_Static_assert(CAP_RAMDISK_VOLUME == CAP_KERNEL_VOLUME + 1, "sessions in the order of enum image_volume");
_Static_assert(CAP_KERNEL_VOLUME == CAP_BLK0 + IMAGE_DISK_FIRST, "disk_link_open() counts from there");

/* A Notification that only completions signal: nothing that is meant for the running VM is lost. */
static enum status events_create(struct volume *volume, slot_t *signal)
{
    enum status status = bh_retype(CAP_NOTIFICATION, 0, &volume->events);

    *signal = bh_slot_alloc();
    if (status == OK)
        status = *signal == 0 ? ERR_FULL
                              : bh_cspace_mint(SLOT_CSPACE, volume->events, SLOT_CSPACE, *signal, RIGHT_WRITE,
                                               COMPLETION);
    return status;
}

enum status image_volume_open(enum image_volume which, uint64_t *bytes, char *error, size_t error_bytes)
{
    struct volume *volume = &volumes[which];
    slot_t signal;
    enum status status = events_create(volume, &signal);

    if (status != OK) {
        snprintf(error, error_bytes, "its Notification: %s", bh_status_name(status));
        return status;
    }
    disk_link_init(&volume->disk, IMAGE_DISK_FIRST + (uint32_t)which, signal);
    status = disk_link_open(&volume->disk, error, error_bytes);
    if (status == OK)
        *bytes = volume->disk.volume.sectors * BLK_SECTOR_BYTES;
    return status;
}

/* False: nothing more can be asked now. */
static bool piece_ask(struct volume *volume, uint32_t index, uint64_t offset, uint64_t bytes)
{
    struct piece *piece = &volume->pieces[index];
    struct blk_request request = {.sector = offset / BLK_SECTOR_BYTES, .op = BLK_READ};
    uint32_t pages;

    piece->offset = offset;
    piece->bytes = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
    request.count = (uint32_t)(piece->bytes / BLK_SECTOR_BYTES);
    pages = blk_pages_count(request.count);
    if (blk_pool_take(&volume->disk.front, pages, piece->pages) != OK)
        return false;
    memcpy(request.pages, piece->pages, pages);
    if (blk_ring_put_request(&volume->disk.front, &request, index) != OK) {
        blk_pool_put(&volume->disk.front, pages, piece->pages);
        return false;
    }
    piece->is_asked = true;
    return true;
}

static void piece_take(struct volume *volume, struct piece *piece, uint8_t *to)
{
    uint32_t pages = blk_pages_count((uint32_t)(piece->bytes / BLK_SECTOR_BYTES));

    for (uint32_t i = 0; i < pages; i++) {
        uint64_t at = (uint64_t)i * BLK_PAGE_BYTES, left = piece->bytes - at;

        memcpy(to + piece->offset + at, volume->disk.pool + (size_t)piece->pages[i] * BLK_PAGE_BYTES,
               left < BLK_PAGE_BYTES ? left : BLK_PAGE_BYTES);
    }
    blk_pool_put(&volume->disk.front, pages, piece->pages);
    piece->is_asked = false;
}

static void ask_again(struct volume *volume)
{
    struct disk_news news;

    if (!disk_link_is_lost(&volume->disk) || disk_link_ask(&volume->disk, &news) != OK)
        return;
    if (disk_link_is_same(&volume->disk, &news))
        disk_link_go_on(&volume->disk, &news);
}

/* Until a completion came, or blkdrv did. */
static void wait_a_little(struct volume *volume)
{
    uint64_t bits;
    enum status status = OK;

    if (blk_front_may_sleep(&volume->disk.front))
        status = bh_notification_wait(volume->events, bh_after_ms(BLK_RESTART_CHECK_MS), &bits);
    blk_front_awake(&volume->disk.front);
    if (status != OK)
        ask_again(volume);
}

/* Ask for what is not asked for yet, from *asked on. */
static void fill(struct volume *volume, uint64_t *asked, uint64_t bytes)
{
    for (uint32_t i = 0; i < 2 && *asked < bytes; i++) {
        if (volume->pieces[i].is_asked || !piece_ask(volume, i, *asked, bytes - *asked))
            continue;
        *asked += volume->pieces[i].bytes;
        if (blk_front_must_signal(&volume->disk.front))
            volume->disk.link.ring_doorbell(volume->disk.link.context);
    }
}

enum status image_volume_read(enum image_volume which, uint8_t *to, uint64_t bytes, char *error,
                              size_t error_bytes)
{
    struct volume *volume = &volumes[which];
    uint64_t asked = 0, done = 0, deadline = bh_after_ms(PATIENCE_MS);

    while (done < bytes) {
        enum status status;
        uint64_t tag;

        fill(volume, &asked, bytes);
        if (!blk_ring_take_completion(&volume->disk.front, &tag, &status)) {
            if (bh_now() > deadline) {
                snprintf(error, error_bytes, "the disk does not answer");
                return ERR_TIME;
            }
            wait_a_little(volume);
            continue;
        }
        if (tag >= 2 || !volume->pieces[tag].is_asked)
            continue;
        if (status != OK) {
            snprintf(error, error_bytes, "reading at byte %llu: %s",
                     (unsigned long long)volume->pieces[tag].offset, bh_status_name(status));
            return status;
        }
        done += volume->pieces[tag].bytes;
        piece_take(volume, &volume->pieces[tag], to);
        deadline = bh_after_ms(PATIENCE_MS);
    }
    return OK;
}
