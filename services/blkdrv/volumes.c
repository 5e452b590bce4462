/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * volumes.c - what can be opened: partitions by label, "ram:SIZE", and with test hooks "fault-dma"
 *
 * Ram volumes lie in one area of our address space that grows when it must and is never given back: the pages
 * of a closed volume serve the next one, zeroed.
 *
 * Always true:  no two open ram volumes overlap; every partition lies within the disk.
 */
#include <stdio.h>
#include <string.h>

#include "blkdrv.h"

#define RAM_PREFIX "ram:"
#define FAULT_NAME "fault-dma"
#define FAULT_SECTORS 2048u
#define SECTORS_PER_PAGE (BLK_PAGE_BYTES / BLK_SECTOR_BYTES)
#define RAM_PAGES_MAX 0x40000u /* 1 GiB: what the addresses behind DYNAMIC_IPA are for */

/* ---- the disk ---------------------------------------------------------------------------------- */

static enum status block_read(void *context, uint64_t block, void *buffer)
{
    return disk_read_block(context, block, buffer);
}

static void volumes_log(const struct blkdrv *drv)
{
    for (uint32_t i = 0; i < drv->volume_count; i++)
        machine_log("volume %s: %lu KiB", drv->volumes[i].name, (unsigned long)(drv->volumes[i].sectors / 2));
}

void volumes_read(struct blkdrv *drv)
{
    static struct gpt_partition partitions[VOLUMES_MAX];
    static struct gpt gpt;
    struct disk *disk = &drv->disk;

    if (disk->state != DISK_READY) {
        machine_log("no disk (%s): only ram volumes", disk->why);
        return;
    }
    uint32_t sectors_per_block = disk->block_bytes / BLK_SECTOR_BYTES;
    gpt = (struct gpt){.read = block_read,
                       .context = disk,
                       .block_bytes = disk->block_bytes,
                       .blocks = disk->sectors / sectors_per_block,
                       .partitions = partitions,
                       .partitions_max = VOLUMES_MAX};
    enum status status = gpt_read(&gpt);

    machine_log("disk: %lu MiB, %s%s", (unsigned long)(disk->sectors >> 11),
                disk->read_only ? "read-only" : "writable", status == OK ? "" : ", no volumes");
    if (gpt.why[0])
        machine_log("disk: %s", gpt.why);
    if (status != OK)
        return;
    if (gpt.ignored)
        machine_log("disk: %u partitions ignored (out of bounds, overlapping, or the same label twice)",
                    gpt.ignored);
    for (uint32_t i = 0; i < gpt.count; i++) {
        struct volume *v = &drv->volumes[drv->volume_count++];

        *v = (struct volume){.kind = VOLUME_DISK,
                             .first = partitions[i].first * sectors_per_block,
                             .sectors = partitions[i].blocks * sectors_per_block};
        memcpy(v->name, partitions[i].label, sizeof(partitions[i].label));
    }
    volumes_log(drv);
}

static enum status no_such_volume(const struct blkdrv *drv, const char *name, char *error, size_t error_bytes)
{
    size_t used;

    if (drv->volume_count == 0) {
        snprintf(error, error_bytes, "no volume %s: %s", name,
                 drv->disk.state == DISK_READY ? "the disk has no partition with a label"
                                               : "there is no disk, only ram:SIZE");
        return ERR_EXIST;
    }
    snprintf(error, error_bytes, "no volume %s; the disk has", name);
    for (uint32_t i = 0; i < drv->volume_count; i++) {
        used = strlen(error);
        snprintf(error + used, error_bytes - used, "%s %s", i ? "," : "", drv->volumes[i].name);
    }
    return ERR_EXIST;
}

/* ---- memory ------------------------------------------------------------------------------------ */

/* "64M" -> pages; 0: not a size.  K, M or G must be there, so that nobody means bytes and gets a surprise. */
static uint64_t size_parse(const char *text)
{
    uint64_t value = 0;
    uint32_t digits = 0, shift;

    for (; *text >= '0' && *text <= '9' && digits < 10; text++, digits++)
        value = value * 10 + (uint64_t)(*text - '0');
    switch (*text) {
    case 'K':
        shift = 10;
        break;
    case 'M':
        shift = 20;
        break;
    case 'G':
        shift = 30;
        break;
    default:
        return 0;
    }
    if (digits == 0 || text[1] != '\0' || (value << shift) % BLK_PAGE_BYTES != 0)
        return 0;
    return (value << shift) / BLK_PAGE_BYTES;
}

static uint64_t ram_pages_of(const struct volume *volume)
{
    return volume->sectors / SECTORS_PER_PAGE;
}

/* The end of an open ram volume that overlaps [first, first + pages), or 0. */
static uint64_t ram_collision(const struct blkdrv *drv, uint64_t first, uint64_t pages)
{
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        const struct volume *v = &drv->clients[i].volume;

        if (drv->clients[i].state != CLIENT_FREE && v->kind == VOLUME_RAM && v->first < first + pages &&
            first < v->first + ram_pages_of(v))
            return v->first + ram_pages_of(v);
    }
    return 0;
}

/* The lowest place for `pages`; each collision moves it up behind one of CLIENTS_MAX volumes, so this ends.
 */
static uint64_t ram_place(const struct blkdrv *drv, uint64_t pages)
{
    uint64_t first = 0, end;

    while ((end = ram_collision(drv, first, pages)) != 0)
        first = end;
    return first;
}

uint8_t *volume_ram(const struct volume *volume)
{
    return machine_ram() + volume->first * BLK_PAGE_BYTES;
}

static enum status ram_open(struct blkdrv *drv, struct volume *volume, char *error, size_t error_bytes)
{
    uint64_t pages = size_parse(volume->name + strlen(RAM_PREFIX));
    enum status status = ERR_MEM;

    if (pages == 0) {
        snprintf(error, error_bytes, "%s: expected ram:SIZE with K, M or G, a multiple of 4K", volume->name);
        return ERR_ARG;
    }
    uint64_t first = ram_place(drv, pages < RAM_PAGES_MAX ? pages : RAM_PAGES_MAX);
    if (pages < RAM_PAGES_MAX && first < RAM_PAGES_MAX) {
        uint32_t need = (uint32_t)(first + pages);

        if (need > drv->ram_pages)
            drv->ram_pages = machine_ram_grow(drv->ram_pages, need - drv->ram_pages);
        status = need <= drv->ram_pages ? OK : ERR_MEM;
    }
    if (status != OK) {
        uint64_t behind = first < drv->ram_pages ? drv->ram_pages - first : 0;

        snprintf(error, error_bytes,
                 "%s is too big: %lu KiB left of blkdrv's memory_kib in system/bulkhead.toml", volume->name,
                 (unsigned long)((machine_memory_left() >> 10) + behind * 4));
        return ERR_MEM;
    }
    volume->kind = VOLUME_RAM;
    volume->first = first;
    volume->sectors = pages * SECTORS_PER_PAGE;
    memset(volume_ram(volume), 0, pages * BLK_PAGE_BYTES);
    return OK;
}

/* ---- both -------------------------------------------------------------------------------------- */

enum status volume_find(struct blkdrv *drv, const char *name, struct volume *volume, char *error,
                        size_t error_bytes)
{
    *volume = (struct volume){.kind = VOLUME_DISK};
    snprintf(volume->name, sizeof(volume->name), "%s", name);

    if (strncmp(name, RAM_PREFIX, strlen(RAM_PREFIX)) == 0)
        return ram_open(drv, volume, error, error_bytes);
    if (machine_test_hooks() && strcmp(name, FAULT_NAME) == 0) {
        volume->kind = VOLUME_FAULT;
        volume->sectors = FAULT_SECTORS;
        return OK;
    }
    for (uint32_t i = 0; i < drv->volume_count; i++)
        if (strcmp(drv->volumes[i].name, name) == 0) {
            *volume = drv->volumes[i];
            return OK;
        }
    return no_such_volume(drv, name, error, error_bytes);
}
