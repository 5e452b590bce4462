/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue.c - the virtqueue: operations become chains of descriptors, and come back (virtio 1.1, 2.6)
 *
 * Always true:  what is free, and which chain belongs to which operation, stands in our own memory only; the
 * device can write the used ring and the result bytes, and both are judged.
 */
#include <string.h>

#include "disk.h"

/* Queue memory: page 0 descriptors; page 1 avail ring and headers; page 2 used ring and results; page 3 a
 * buffer. */
#define HEADERS_OFFSET (BLK_PAGE_BYTES + 1024u)
#define USED_OFFSET ((size_t)2 * BLK_PAGE_BYTES)
#define RESULTS_OFFSET (USED_OFFSET + 3072u)
#define BUFFER_OFFSET ((size_t)3 * BLK_PAGE_BYTES)

_Static_assert(QUEUE_SIZE_MAX * sizeof(struct virtq_desc) <= BLK_PAGE_BYTES, "descriptors fit page 0");
_Static_assert(sizeof(struct virtq_avail) + 2 <= 1024,
               "the avail ring (with its event word) ends before the headers");
_Static_assert(1024 + DISK_OPS * sizeof(struct virtio_blk_header) <= BLK_PAGE_BYTES, "headers fit page 1");
_Static_assert(sizeof(struct virtq_used) + 2 <= 3072,
               "the used ring (with its event word) ends before the results");
_Static_assert(3072 + DISK_OPS <= BLK_PAGE_BYTES, "results fit page 2");
_Static_assert(QUEUE_PAGES *BLK_PAGE_BYTES == BUFFER_OFFSET + BLK_PAGE_BYTES, "the buffer is the last page");

void queue_layout(struct disk *disk, uint8_t *memory)
{
    disk->desc = (struct virtq_desc *)memory;
    disk->avail = (struct virtq_avail *)(memory + BLK_PAGE_BYTES);
    disk->headers = (struct virtio_blk_header *)(memory + HEADERS_OFFSET);
    disk->used = (volatile struct virtq_used *)(memory + USED_OFFSET);
    disk->results = memory + RESULTS_OFFSET;
    disk->buffer = memory + BUFFER_OFFSET;
}

/* Where the device finds a place in the queue memory; descriptors are its beginning. */
uint64_t queue_iova(const struct disk *disk, const volatile void *at)
{
    return IOVA_QUEUE + (uint64_t)((const volatile uint8_t *)at - (const volatile uint8_t *)disk->desc);
}

/* As before the first request; the device is in reset or does not know the queue yet. */
void queue_reset(struct disk *disk)
{
    memset(disk->desc, 0, BUFFER_OFFSET);
    disk->avail_index = 0;
    disk->used_index = disk->proven_index = 0;
    disk->free_desc = 0;
    disk->free_desc_count = disk->queue_size;
    for (uint32_t i = 0; i < disk->queue_size; i++)
        disk->desc_next[i] = (uint16_t)(i + 1u);
    memset(disk->op_of, UINT8_MAX, sizeof(disk->op_of));
}

/* `last` is the chain's last descriptor so far, or NULL. */
static uint16_t desc_add(struct disk *disk, struct virtq_desc *last, uint64_t iova, uint32_t bytes,
                         uint16_t flags)
{
    uint16_t index = disk->free_desc;

    disk->free_desc = disk->desc_next[index];
    disk->free_desc_count--;
    disk->desc[index] = (struct virtq_desc){.address = iova, .length = bytes, .flags = flags};
    if (last) {
        last->flags |= DESC_NEXT;
        last->next = index;
    }
    return index;
}

static void chain_free(struct disk *disk, const struct disk_op *op)
{
    uint16_t last = op->head;

    for (uint32_t i = 1; i < op->desc_count; i++)
        last = disk->desc_next[last];
    disk->desc_next[last] = disk->free_desc;
    disk->free_desc = op->head;
    disk->free_desc_count = (uint16_t)(disk->free_desc_count + op->desc_count);
    disk->op_of[op->head] = UINT8_MAX;
}

static uint32_t type_of(const struct disk_work *work)
{
    return work->op == BLK_READ ? VIRTIO_BLK_IN : work->op == BLK_FLUSH ? VIRTIO_BLK_FLUSH : VIRTIO_BLK_OUT;
}

/* Hand an operation to the device, which sees it at the next doorbell at the latest. */
void queue_put(struct disk *disk, uint32_t index)
{
    struct disk_op *op = &disk->ops[index];
    const struct disk_work *work = &op->work;
    uint16_t data_flags = work->op == BLK_READ ? DESC_DEVICE_WRITES : 0;
    uint32_t segments = work->op == BLK_FLUSH ? 0 : work->segment_count;

    disk->headers[index] =
        (struct virtio_blk_header){.type = type_of(work), .sector = segments == 0 ? 0 : work->sector};
    disk->results[index] = UINT8_MAX;

    /* The free list hands descriptors out in the order of desc_next, so the chain can be walked by it later.
     */
    uint64_t header_iova = queue_iova(disk, &disk->headers[index]);
    uint16_t at = op->head = desc_add(disk, NULL, header_iova, sizeof(struct virtio_blk_header), 0);
    for (uint32_t i = 0; i < segments; i++)
        at = desc_add(disk, &disk->desc[at], work->segments[i].iova, work->segments[i].bytes, data_flags);
    (void)desc_add(disk, &disk->desc[at], queue_iova(disk, &disk->results[index]), 1, DESC_DEVICE_WRITES);
    op->desc_count = (uint16_t)(segments + 2u);

    disk->op_of[op->head] = (uint8_t)index;
    disk->avail->ring[disk->avail_index % disk->queue_size] = op->head;
    disk->avail_index++;
    machine_dma_barrier(); /* the descriptors before the index */
    *(volatile uint16_t *)&disk->avail->index = disk->avail_index;
    disk->news = true;
}

/*
 * A device may call an operation done though the SMMU refused part of it (QEMU's does).  What it put into the
 * used ring counts only when nothing was refused before it did; else it stays there, and the device is
 * broken.
 */
static bool used_prove(struct disk *disk)
{
    uint16_t index = disk->used->index;

    if (index == disk->used_index || disk->broken)
        return false;
    machine_dma_barrier(); /* the index before the elements */
    if ((uint16_t)(index - disk->used_index) > disk->queue_size ||
        machine_dma_fault().count != disk->faults_seen) {
        disk->broken = true;
        return false;
    }
    disk->proven_index = index;
    return true;
}

/* The next operation that the device has finished.  What cannot be true marks the device as broken. */
bool queue_take(struct disk *disk, uint32_t *index, enum status *status)
{
    if (disk->used_index == disk->proven_index && !used_prove(disk))
        return false;

    uint32_t head = disk->used->ring[disk->used_index % disk->queue_size].id;
    if (head >= disk->queue_size || disk->op_of[head] == UINT8_MAX) {
        disk->broken = true;
        return false;
    }
    disk->used_index++;
    *index = disk->op_of[head];
    *status = disk->results[*index] == VIRTIO_BLK_OK ? OK : ERR_IO;
    chain_free(disk, &disk->ops[*index]);
    return true;
}
