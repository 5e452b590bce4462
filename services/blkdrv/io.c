/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * io.c - from a client's ring to the disk (or memory), and back
 *
 * One pass takes at most a bounded number of requests of one client; who has more, or found no room in the
 * device, has a bit in drv->again.  Flush needs no queue of its own: everything that completed before it was
 * put is already done by the device when the flush reaches it.
 */
#include <string.h>

#include "blkdrv.h"

#define PASS_MAX (2u * BLK_RING_SLOTS)
#define FAULT_IOVA UINT64_C(0x40200000) /* fault-dma - the kernel's first page, were there no SMMU */

static uint64_t page_iova(const struct client *client, uint32_t page)
{
    return IOVA_BLOCKS + (uint64_t)client->block * BLK_BLOCK_BYTES +
           (uint64_t)(client_page(client, page) - machine_block(client->block));
}

static void io_finish(struct client *client, uint32_t position, enum status status)
{
    blk_ring_put_completion(&client->back, position, status);
    client->errors += status != OK;
    client->news = true;
}

static void io_count(struct client *client, const struct blk_request *request)
{
    uint64_t bytes = (uint64_t)request->count * BLK_SECTOR_BYTES;
    bool is_read = request->op == BLK_READ;
    bool is_write = request->op == BLK_WRITE || request->op == BLK_WRITE_FUA;

    client->reads += is_read;
    client->writes += is_write;
    client->read_bytes += is_read ? bytes : 0;
    client->written_bytes += is_write ? bytes : 0;
    client->flushes += request->op == BLK_FLUSH || request->op == BLK_WRITE_FUA;
}

/* ---- volumes in memory -------------------------------------------------------------------------- */

static void memory_io(const struct client *client, const struct blk_request *request)
{
    uint8_t *data = volume_ram(&client->volume) + request->sector * BLK_SECTOR_BYTES;
    uint32_t left = request->count * BLK_SECTOR_BYTES;

    for (uint32_t i = 0; left != 0; i++) {
        uint32_t bytes = left < BLK_PAGE_BYTES ? left : BLK_PAGE_BYTES;
        uint8_t *page = client_page(client, 1u + request->pages[i]);

        if (request->op == BLK_READ)
            memcpy(page, data, bytes);
        else
            memcpy(data, page, bytes);
        data += bytes;
        left -= bytes;
    }
}

/* ---- volumes on the disk -------------------------------------------------------------------------- */

/* Pool pages that follow each other are one segment for the device. */
static void segment_add(struct disk_work *work, uint64_t iova, uint32_t bytes)
{
    struct disk_segment *last = work->segment_count ? &work->segments[work->segment_count - 1u] : NULL;

    if (last && last->iova + last->bytes == iova)
        last->bytes += bytes;
    else
        work->segments[work->segment_count++] = (struct disk_segment){.iova = iova, .bytes = bytes};
}

static void disk_io(struct blkdrv *drv, struct client *client, const struct blk_request *request,
                    uint32_t position)
{
    uint32_t left = request->op == BLK_FLUSH ? 0 : request->count * BLK_SECTOR_BYTES;
    struct disk_work work = {.owner = client_number(drv, client),
                             .position = position,
                             .op = request->op,
                             .sector = client->volume.first + request->sector};

    for (uint32_t i = 0; left != 0; i++) {
        uint32_t bytes = left < BLK_PAGE_BYTES ? left : BLK_PAGE_BYTES;

        segment_add(&work, page_iova(client, 1u + request->pages[i]), bytes);
        left -= bytes;
    }
    if (client->volume.kind == VOLUME_FAULT) {
        /* Always a read of the disk: if the SMMU let it through, memory would change, but never the disk. */
        work.op = BLK_READ;
        work.sector = 0;
        work.segment_count = 1;
        work.segments[0] = (struct disk_segment){.iova = FAULT_IOVA, .bytes = BLK_PAGE_BYTES};
    }
    client->in_flight++;
    disk_submit(&drv->disk, &work);
}

/* ---- requests ------------------------------------------------------------------------------------- */

static bool needs_device(const struct client *client)
{
    return client->volume.kind == VOLUME_DISK || client->volume.kind == VOLUME_FAULT;
}

static void io_start(struct blkdrv *drv, struct client *client, const struct blk_request *request,
                     uint32_t position)
{
    enum status status = blk_request_check(request, &client->limits);

    if (client->volume.kind == VOLUME_LOST)
        status = ERR_IO;
    if (status != OK) {
        io_finish(client, position, status);
        return;
    }
    io_count(client, request);
    if (!needs_device(client)) {
        if (request->op != BLK_FLUSH)
            memory_io(client, request);
        io_finish(client, position, OK);
    } else if (request->op == BLK_FLUSH && !drv->disk.has_flush && client->volume.kind == VOLUME_DISK) {
        io_finish(client, position, drv->disk.state == DISK_READY ? OK : ERR_IO); /* it has no cache */
    } else {
        disk_io(drv, client, request, position);
    }
}

/* An earlier session of the same volume still has requests in the device: theirs go first. */
static bool must_wait(const struct blkdrv *drv, const struct client *client)
{
    for (uint32_t i = 0; drv->closing_count != 0 && i < CLIENTS_MAX; i++)
        if (drv->clients[i].state == CLIENT_CLOSING && drv->clients[i].volume.kind == VOLUME_DISK &&
            strcmp(drv->clients[i].volume.name, client->volume.name) == 0)
            return true;
    return false;
}

static void client_signal(const struct blkdrv *drv, struct client *client)
{
    if (!client->news)
        return;
    client->news = false;
    if (blk_back_must_signal(&client->back))
        machine_client_signal(client_number(drv, client));
}

/* Puts the client's bit into the mask that says why not all was taken, if so. */
static void requests_take(struct blkdrv *drv, struct client *client)
{
    struct blk_request request;
    uint32_t position;
    clients_t bit = CLIENT_BIT(client_number(drv, client));

    blk_back_awake(&client->back);
    for (uint32_t i = 0; i < PASS_MAX; i++) {
        if (needs_device(client) && !disk_has_room(&drv->disk)) {
            drv->starved |= bit;
            return;
        }
        if (blk_ring_take_request(&client->back, &request, &position))
            io_start(drv, client, &request, position);
        else if (blk_back_may_sleep(&client->back))
            return;
        else
            blk_back_awake(&client->back);
    }
    drv->again |= bit;
}

void io_pump(struct blkdrv *drv, struct client *client)
{
    drv->again &= ~CLIENT_BIT(client_number(drv, client));
    if (client->state != CLIENT_OPEN || !client->attached || must_wait(drv, client))
        return;
    requests_take(drv, client);
    if (client->back.broken && !client->reported) {
        machine_log("session 0x%x: the indices of its ring make no sense; it is stopped", client->session);
        client->reported = true;
    }
    disk_kick(&drv->disk);
    client_signal(drv, client);
}

static void clients_pump(struct blkdrv *drv, clients_t clients)
{
    for (; clients != 0; clients &= clients - 1u)
        io_pump(drv, &drv->clients[__builtin_ctzll(clients)]);
}

void io_pump_again(struct blkdrv *drv)
{
    uint32_t first = drv->turn++ % CLIENTS_MAX;
    clients_t before = CLIENT_BIT(first) - 1u; /* their turn comes after the others' */

    clients_pump(drv, drv->again & ~before);
    clients_pump(drv, drv->again & before);
}

/* A device that turns out to be broken is reset at once; what failed by that is taken too. */
static bool completion_take(struct blkdrv *drv, struct disk_done *done)
{
    if (disk_take_completion(&drv->disk, done))
        return true;
    if (!drv->disk.queue.broken)
        return false;
    disk_check(&drv->disk);
    return disk_take_completion(&drv->disk, done);
}

void io_complete(struct blkdrv *drv)
{
    struct disk_done done;
    clients_t touched = 0;

    while (completion_take(drv, &done)) {
        struct client *client = &drv->clients[done.owner % CLIENTS_MAX];

        client->in_flight--;
        touched |= CLIENT_BIT(done.owner % CLIENTS_MAX);
        if (client->state == CLIENT_OPEN)
            io_finish(client, done.position, done.status);
        session_end_if_idle(drv, client);
    }
    if (touched != 0) {
        drv->again |= drv->starved;
        drv->starved = 0;
    }
    for (; touched != 0; touched &= touched - 1u)
        client_signal(drv, &drv->clients[__builtin_ctzll(touched)]);
}
