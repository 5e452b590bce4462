/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * volumes.c - what can be opened: partitions by label, "ram:SIZE", and with test hooks "fault-dma"
 *
 * Ram volumes lie in one area of our address space, in chunks.  Their memory is not ours: it comes from a
 * session at mem that the toolstack opened for this one volume, when it is opened, and is let go of when it
 * is closed; mem then takes it back.
 *
 * Always true:  no two open ram volumes overlap; every partition lies within the disk.
 */
#include <stdio.h>
#include <string.h>

#include "blkdrv.h"
#include "ram_volume.h"

#define FAULT_NAME "fault-dma"
#define FAULT_SECTORS 2048u

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

static uint32_t ram_chunks_of(const struct volume *volume)
{
    return (uint32_t)(ram_volume_quota(volume->sectors * BLK_SECTOR_BYTES) / RAM_VOLUME_CHUNK);
}

/* The end of a ram volume that overlaps [first, first + chunks), or 0. */
static uint64_t ram_collision(const struct blkdrv *drv, uint64_t first, uint64_t chunks)
{
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        const struct volume *v = &drv->clients[i].volume;

        if (drv->clients[i].state != CLIENT_FREE && v->kind == VOLUME_RAM && v->first < first + chunks &&
            first < v->first + ram_chunks_of(v))
            return v->first + ram_chunks_of(v);
    }
    return 0;
}

/* The lowest place for `chunks`; each collision moves it up behind one of CLIENTS_MAX volumes, so this ends.
 */
static uint64_t ram_place(const struct blkdrv *drv, uint64_t chunks)
{
    uint64_t first = 0, end;

    while ((end = ram_collision(drv, first, chunks)) != 0)
        first = end;
    return first;
}

uint8_t *volume_ram(const struct volume *volume)
{
    return machine_ram() + volume->first * RAM_VOLUME_CHUNK;
}

static enum status ram_find(const struct blkdrv *drv, struct volume *volume, char *error, size_t error_bytes)
{
    uint64_t bytes = ram_volume_bytes(volume->name);
    uint64_t chunks = ram_volume_quota(bytes) / RAM_VOLUME_CHUNK;

    if (bytes == 0) {
        snprintf(error, error_bytes, "%s: expected ram:SIZE with K, M or G, a multiple of 4K", volume->name);
        return ERR_ARG;
    }
    volume->kind = VOLUME_RAM;
    volume->first = chunks <= RAM_CHUNKS_MAX ? ram_place(drv, chunks) : 0;
    volume->sectors = bytes / BLK_SECTOR_BYTES;
    if (chunks <= RAM_CHUNKS_MAX - (volume->first < RAM_CHUNKS_MAX ? volume->first : RAM_CHUNKS_MAX))
        return OK;
    snprintf(error, error_bytes, "%s is too big: blkdrv has addresses for %lu MiB of memory in all",
             volume->name, (unsigned long)(RAM_CHUNKS_MAX * RAM_VOLUME_CHUNK >> 20));
    return ERR_MEM;
}

enum status volume_fill(const struct volume *volume, slot_t memory, char *error, size_t error_bytes)
{
    char why[100] = "";
    enum status status;

    if (volume->kind != VOLUME_RAM)
        return OK;
    if (memory == 0) {
        snprintf(error, error_bytes, "%s: the session at mem that it is paid from is missing", volume->name);
        return ERR_ARG;
    }
    status = machine_ram_map(memory, (uint32_t)volume->first, ram_chunks_of(volume), why, sizeof(why));
    if (status != OK)
        snprintf(error, error_bytes, "%s: %s", volume->name, why);
    return status;
}

enum status volume_resume(struct volume *volume)
{
    uint64_t bytes = ram_volume_bytes(volume->name), chunks = ram_volume_quota(bytes) / RAM_VOLUME_CHUNK;

    if (bytes == 0 || volume->first >= RAM_CHUNKS_MAX || chunks > RAM_CHUNKS_MAX - volume->first)
        return ERR_ARG;
    volume->kind = VOLUME_RAM;
    volume->sectors = bytes / BLK_SECTOR_BYTES;
    return machine_ram_resume((uint32_t)volume->first, (uint32_t)chunks);
}

void volumes_tidy(const struct blkdrv *drv)
{
    for (uint32_t chunk = 0; chunk < RAM_CHUNKS_MAX; chunk++)
        if (ram_collision(drv, chunk, 1) == 0)
            machine_ram_unmap(chunk, 1);
}

void volume_empty(const struct volume *volume)
{
    if (volume->kind == VOLUME_RAM)
        machine_ram_unmap((uint32_t)volume->first, ram_chunks_of(volume));
}

/* ---- both -------------------------------------------------------------------------------------- */

enum status volume_find(struct blkdrv *drv, const char *name, struct volume *volume, char *error,
                        size_t error_bytes)
{
    *volume = (struct volume){.kind = VOLUME_DISK};
    snprintf(volume->name, sizeof(volume->name), "%s", name);

    if (ram_volume_is(name))
        return ram_find(drv, volume, error, error_bytes);
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
