/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vblk.c - from virtio block requests to the block ring, and back
 *
 * The chain of a request was judged by lib/virtio; here its header is copied once and judged against the
 * disk.
 */
#include "vblk.h"

#include <string.h>

enum { /* 5.2.6 Device Operation */
       TYPE_IN = 0,
       TYPE_OUT = 1,
       TYPE_FLUSH = 4,
       TYPE_GET_ID = 8,
};
enum { STATUS_OK = 0, STATUS_IOERR = 1, STATUS_UNSUPPORTED = 2 };

#define F_SEG_MAX (1ull << 2)
#define F_RO (1ull << 5)
#define F_BLK_SIZE (1ull << 6)
#define F_FLUSH (1ull << 9)

#define CHUNKS_ALL 0xffffffffu

struct header {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};
_Static_assert(sizeof(struct header) == 16, "Virtio 1.1, 5.2.6");

struct config { /* 5.2.4 */
    uint64_t capacity;
    uint32_t size_max;
    uint32_t seg_max;
    uint16_t cylinders;
    uint8_t heads, sectors;
    uint32_t blk_size;
};
_Static_assert(sizeof(struct config) == 24, "Virtio 1.1, 5.2.4");

/* Write the status byte, which is the last writable one, and give the chain back. */
static void request_finish(struct vblk *disk, const struct vring_chain *chain, uint8_t status,
                           uint32_t data_bytes)
{
    vring_write_last(chain, status);
    vring_give(&disk->virtio.queues[0], chain->head, data_bytes + 1);
}

static uint8_t get_id(struct vblk *disk, const struct vring_chain *chain, uint32_t *written)
{
    uint32_t room = chain->writable_bytes - 1;

    *written = room < VBLK_ID_BYTES ? room : VBLK_ID_BYTES;
    vring_copy_to(chain, 0, disk->volume.id, *written);
    return STATUS_OK;
}

/* Where the data is: after the header, or before the status byte. */
static uint32_t data_bytes(const struct vring_chain *chain, uint32_t type)
{
    return type == TYPE_IN ? chain->writable_bytes - 1
                           : chain->readable_bytes - (uint32_t)sizeof(struct header);
}

static bool data_is_inside(const struct vblk *disk, uint64_t sector, uint32_t bytes)
{
    if (bytes == 0 || bytes % BLK_SECTOR_BYTES != 0)
        return false;
    return sector <= disk->volume.sectors && bytes / BLK_SECTOR_BYTES <= disk->volume.sectors - sector;
}

/* Judge a request; true: r has work for blkdrv.  Else it is finished, with status and *written data bytes. */
static bool request_judge(struct vblk *disk, struct vblk_request *r, uint8_t *status, uint32_t *written)
{
    struct header header;

    vring_copy_from(&r->chain, 0, &header, sizeof header);
    *written = 0;
    r->sector = header.sector;
    r->bytes = 0;
    switch (header.type) {
    case TYPE_IN:
    case TYPE_OUT:
        *status = STATUS_IOERR;
        if (header.type == TYPE_OUT && !disk->volume.writable)
            return false;
        r->bytes = data_bytes(&r->chain, header.type);
        if (!data_is_inside(disk, r->sector, r->bytes))
            return false;
        /* 5.2.6.2: without FLUSH there is no later chance, so a write is stable when it is done. */
        r->op = header.type == TYPE_IN                    ? BLK_READ
                : virtio_mmio_has(&disk->virtio, F_FLUSH) ? BLK_WRITE
                                                          : BLK_WRITE_FUA;
        return true;
    case TYPE_FLUSH:
        *status = STATUS_IOERR;
        r->op = BLK_FLUSH;
        return disk->has_volume;
    case TYPE_GET_ID:
        *status = get_id(disk, &r->chain, written);
        return false;
    default:
        *status = STATUS_UNSUPPORTED;
        return false;
    }
}

static uint32_t request_alloc(const struct vblk *disk)
{
    for (uint32_t i = 0; i < VBLK_REQUESTS; i++)
        if (!disk->requests[i].in_use)
            return i;
    return VBLK_NO_REQUEST;
}

/* Take one chain and start on it.  False: there is none, or no room for it. */
static bool request_take(struct vblk *disk)
{
    uint32_t index = request_alloc(disk);
    bool found = false;

    if (index == VBLK_NO_REQUEST || !virtio_mmio_is_live(&disk->virtio))
        return false;
    struct vblk_request *r = &disk->requests[index];

    if (vring_take(&disk->virtio.queues[0], &r->chain, &found) != OK) {
        virtio_mmio_break(&disk->virtio);
        return false;
    }
    if (!found)
        return false;
    if (r->chain.readable_bytes < sizeof(struct header) || r->chain.writable_bytes == 0) {
        virtio_mmio_break(&disk->virtio); /* there is not even a place for a status */
        return false;
    }

    uint8_t status;
    uint32_t written;

    if (!request_judge(disk, r, &status, &written)) {
        request_finish(disk, &r->chain, status, written);
        return true;
    }
    r->in_use = true;
    r->has_failed = false;
    r->flush_submitted = false;
    r->chunks_pending = 0;
    r->submitted = 0;
    disk->order[disk->order_count++] = index;
    return true;
}

static bool request_is_submitted(const struct vblk_request *r)
{
    if (r->has_failed)
        return true; /* the rest of it will not be asked for */
    return r->op == BLK_FLUSH ? r->flush_submitted : r->submitted == r->bytes;
}

static void request_done(struct vblk *disk, struct vblk_request *r)
{
    uint32_t read = r->op == BLK_READ && !r->has_failed ? r->bytes : 0;

    r->in_use = false;
    request_finish(disk, &r->chain, r->has_failed ? STATUS_IOERR : STATUS_OK, read);
}

/* The pool pages of a chunk, byte by byte in order, to or from the guest's segments. */
static void chunk_copy(struct vblk *disk, const struct vblk_request *r, const struct vblk_chunk *c)
{
    for (uint32_t i = 0, done = 0; i < c->page_count; i++) {
        uint8_t *page = disk->pool + (uint64_t)c->pages[i] * BLK_PAGE_BYTES;
        uint32_t part = c->bytes - done < BLK_PAGE_BYTES ? c->bytes - done : BLK_PAGE_BYTES;

        if (r->op == BLK_READ)
            vring_copy_to(&r->chain, c->offset + done, page, part);
        else
            vring_copy_from(&r->chain, (uint32_t)sizeof(struct header) + c->offset + done, page, part);
        done += part;
    }
}

/* Put one chunk of a request on the ring.  ERR_FULL: no page or no slot is free now. */
static enum status chunk_submit(struct vblk *disk, uint32_t request_index)
{
    struct vblk_request *r = &disk->requests[request_index];
    uint32_t pages_free =
        disk->front.pool_free_count < BLK_REQUEST_PAGES ? disk->front.pool_free_count : BLK_REQUEST_PAGES;
    uint32_t bytes = r->bytes - r->submitted;

    if (disk->chunks_free == 0 || (r->op != BLK_FLUSH && pages_free == 0))
        return ERR_FULL;
    if (bytes > pages_free * BLK_PAGE_BYTES)
        bytes = pages_free * BLK_PAGE_BYTES;

    uint32_t index = (uint32_t)__builtin_ctz(disk->chunks_free);
    struct vblk_chunk *c = &disk->chunks[index];
    struct blk_request request = {
        .sector = r->op == BLK_FLUSH ? 0 : r->sector + r->submitted / BLK_SECTOR_BYTES,
        .count = bytes / BLK_SECTOR_BYTES,
        .op = r->op,
    };

    *c = (struct vblk_chunk){.request = request_index, .offset = r->submitted, .bytes = bytes};
    c->page_count = blk_pages_count(request.count);
    if (blk_pool_take(&disk->front, c->page_count, c->pages) != OK)
        return ERR_FULL;
    if (r->op != BLK_READ)
        chunk_copy(disk, r, c);
    memcpy(request.pages, c->pages, sizeof request.pages);
    if (blk_ring_put_request(&disk->front, &request, index) != OK) {
        blk_pool_put(&disk->front, c->page_count, c->pages);
        return ERR_FULL;
    }
    disk->chunks_free &= ~(1u << index);
    r->submitted += bytes;
    r->flush_submitted = true;
    r->chunks_pending++;
    return OK;
}

/* Submit what fits, oldest request first. */
static void submit(struct vblk *disk)
{
    uint32_t kept = 0;
    bool is_full = false;
    bool any = false;

    for (uint32_t i = 0; i < disk->order_count; i++) {
        uint32_t index = disk->order[i];

        while (!is_full && !request_is_submitted(&disk->requests[index])) {
            is_full = chunk_submit(disk, index) != OK;
            any |= !is_full;
        }
        if (!request_is_submitted(&disk->requests[index]))
            disk->order[kept++] = index;
    }
    disk->order_count = kept;
    if (any && blk_front_must_signal(&disk->front))
        disk->link.ring_doorbell(disk->link.context);
}

static void chunk_complete(struct vblk *disk, struct vblk_chunk *c, enum status status)
{
    struct vblk_request *r = c->request == VBLK_NO_REQUEST ? NULL : &disk->requests[c->request];

    if (r) {
        if (status != OK)
            r->has_failed = true;
        else if (r->op == BLK_READ)
            chunk_copy(disk, r, c);
        r->chunks_pending--;
    }
    blk_pool_put(&disk->front, c->page_count, c->pages);
    disk->chunks_free |= 1u << (uint32_t)(c - disk->chunks);
}

static void order_forget(struct vblk *disk, uint32_t request)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < disk->order_count; i++)
        if (disk->order[i] != request)
            disk->order[kept++] = disk->order[i];
    disk->order_count = kept;
}

static void complete(struct vblk *disk)
{
    uint64_t tag;
    enum status status;

    while (blk_ring_take_completion(&disk->front, &tag, &status)) {
        struct vblk_chunk *c = &disk->chunks[tag];
        uint32_t request = c->request;

        chunk_complete(disk, c, status);
        if (request == VBLK_NO_REQUEST)
            continue;
        struct vblk_request *r = &disk->requests[request];

        if (r->chunks_pending != 0 || !request_is_submitted(r))
            continue;
        order_forget(disk, request);
        request_done(disk, r);
    }
}

/* Take what there is.  True: all of it, and the driver kicks for more. */
static bool requests_take(struct vblk *disk)
{
    do {
        while (request_take(disk))
            ;
        if (!virtio_mmio_is_live(&disk->virtio) || request_alloc(disk) == VBLK_NO_REQUEST)
            return false;
    } while (vring_want_kick(&disk->virtio.queues[0]));
    return true;
}

void vblk_pump(struct vblk *disk)
{
    bool will_be_kicked = false;

    if (!disk->has_volume) {
        requests_take(disk);
        virtio_mmio_used(&disk->virtio, 0);
        return;
    }
    blk_front_awake(&disk->front);
    do {
        complete(disk);
        if (!will_be_kicked)
            will_be_kicked = requests_take(disk);
        submit(disk);
    } while (!blk_front_may_sleep(&disk->front));
    virtio_mmio_used(&disk->virtio, 0);
}

bool vblk_is_busy(const struct vblk *disk)
{
    return disk->has_volume && disk->front.outstanding != 0;
}

static void on_ready(struct virtio_mmio *v)
{
    (void)v;
}

static void on_kick(struct virtio_mmio *v, uint32_t queue)
{
    (void)queue;
    vblk_pump(v->device);
}

static void requests_forget(struct vblk *disk)
{
    for (uint32_t i = 0; i < VBLK_REQUESTS; i++)
        disk->requests[i].in_use = false;
    for (uint32_t i = 0; i < VBLK_CHUNKS; i++)
        disk->chunks[i].request = VBLK_NO_REQUEST;
    disk->order_count = 0;
}

/* Let go of the guest's buffers.  What blkdrv has of it goes on; nobody hears the answer. */
static void on_reset(struct virtio_mmio *v)
{
    requests_forget(v->device);
}

static const struct virtio_kind vblk_kind = {
    .id = VIRTIO_ID_BLOCK,
    .queue_count = 1,
    .queue_size_max = VBLK_QUEUE_MAX,
    .ready = on_ready,
    .kick = on_kick,
    .reset = on_reset,
};

/* 5.2.5: the capacity is the one thing of the configuration that changes. */
static void capacity_set(struct vblk *disk)
{
    memcpy(disk->virtio.config + offsetof(struct config, capacity), &disk->volume.sectors,
           sizeof disk->volume.sectors);
}

void vblk_eject(struct vblk *disk)
{
    disk->has_volume = false;
    disk->volume = (struct vblk_volume){0};
    for (uint32_t i = 0; i < VBLK_REQUESTS; i++)
        if (disk->requests[i].in_use)
            request_finish(disk, &disk->requests[i].chain, STATUS_IOERR, 0);
    requests_forget(disk);
    virtio_mmio_used(&disk->virtio, 0);
    capacity_set(disk);
    virtio_mmio_config_changed(&disk->virtio);
}

void vblk_insert(struct vblk *disk, const struct vblk_volume *volume)
{
    disk->has_volume = true;
    disk->volume = *volume;
    disk->chunks_free = CHUNKS_ALL;
    capacity_set(disk);
    virtio_mmio_config_changed(&disk->virtio);
}

void vblk_init(struct vblk *disk, bool read_only)
{
    struct config config = {
        .seg_max = VRING_SEGMENTS_MAX - 2,
        .blk_size = BLK_SECTOR_BYTES,
    };
    struct virtio_mmio *v = &disk->virtio;

    v->kind = &vblk_kind;
    v->device = disk;
    /* No indirect descriptors: the queue holds more requests than we take at a time, and a driver that may
     * use them allocates a table for each request. */
    v->features = F_SEG_MAX | F_BLK_SIZE | F_FLUSH;
    if (read_only)
        v->features |= F_RO;
    memcpy(v->config, &config, sizeof config);
    v->config_bytes = sizeof config;
    capacity_set(disk);
    disk->chunks_free = CHUNKS_ALL;
    requests_forget(disk);
    virtio_mmio_init(v);
}
