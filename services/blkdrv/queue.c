/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue.c - operations become chains of descriptors, and come back (virtio 1.1, 5.2.6; lib/virtio/virtq.h)
 *
 * Always true:  the result bytes, which the device can write, are judged as the used ring is.
 */
#include "disk.h"

/* Queue memory: page 0 descriptors; page 1 avail ring and headers; page 2 used ring and results; page 3 a
 * buffer. */
#define HEADERS_OFFSET (BLK_PAGE_BYTES + 1024u)
#define USED_OFFSET ((size_t)2 * BLK_PAGE_BYTES)
#define RESULTS_OFFSET (USED_OFFSET + 3072u)
#define BUFFER_OFFSET ((size_t)3 * BLK_PAGE_BYTES)

_Static_assert(VRING_SIZE_MAX * sizeof(struct vring_descriptor) <= BLK_PAGE_BYTES, "descriptors fit page 0");
_Static_assert(sizeof(struct virtq_avail) <= 1024, "the avail ring ends before the headers");
_Static_assert(1024 + DISK_OPS * sizeof(struct virtio_blk_header) <= BLK_PAGE_BYTES, "headers fit page 1");
_Static_assert(sizeof(struct virtq_used) <= 3072, "the used ring ends before the results");
_Static_assert(3072 + DISK_OPS <= BLK_PAGE_BYTES, "results fit page 2");
_Static_assert(QUEUE_PAGES *BLK_PAGE_BYTES == BUFFER_OFFSET + BLK_PAGE_BYTES, "the buffer is the last page");

void queue_layout(struct disk *disk, uint8_t *memory)
{
    virtq_place(&disk->queue, (struct vring_descriptor *)memory, IOVA_QUEUE,
                (struct virtq_avail *)(memory + BLK_PAGE_BYTES), IOVA_QUEUE + BLK_PAGE_BYTES,
                (volatile struct virtq_used *)(memory + USED_OFFSET), IOVA_QUEUE + USED_OFFSET);
    disk->headers = (struct virtio_blk_header *)(memory + HEADERS_OFFSET);
    disk->results = memory + RESULTS_OFFSET;
    disk->buffer = memory + BUFFER_OFFSET;
}

/* Where the device finds a place in the queue memory; descriptors are its beginning. */
uint64_t queue_iova(const struct disk *disk, const volatile void *at)
{
    return IOVA_QUEUE +
           (uint64_t)((const volatile uint8_t *)at - (const volatile uint8_t *)disk->queue.descriptors);
}

static uint32_t type_of(const struct disk_work *work)
{
    return work->op == BLK_READ ? VIRTIO_BLK_IN : work->op == BLK_FLUSH ? VIRTIO_BLK_FLUSH : VIRTIO_BLK_OUT;
}

/* Hand an operation to the device, which sees it at the next doorbell at the latest. */
void queue_put(struct disk *disk, uint32_t index)
{
    const struct disk_work *work = &disk->ops[index].work;
    uint16_t data_flags = work->op == BLK_READ ? VRING_WRITE : 0;
    uint32_t segments = work->op == BLK_FLUSH ? 0 : work->segment_count;
    struct virtq *queue = &disk->queue;
    struct virtq_chain chain = {0};

    disk->headers[index] =
        (struct virtio_blk_header){.type = type_of(work), .sector = segments == 0 ? 0 : work->sector};
    disk->results[index] = UINT8_MAX;

    virtq_add(queue, &chain, queue_iova(disk, &disk->headers[index]), sizeof(struct virtio_blk_header), 0);
    for (uint32_t i = 0; i < segments; i++)
        virtq_add(queue, &chain, work->segments[i].iova, work->segments[i].bytes, data_flags);
    virtq_add(queue, &chain, queue_iova(disk, &disk->results[index]), 1, VRING_WRITE);
    virtq_put(queue, &chain, (uint16_t)index);
}

/*
 * A device may call an operation done though the SMMU refused part of it (QEMU's does).  What it put into the
 * used ring counts only when nothing was refused before it did; else it stays there, and the device is
 * broken.
 */
static bool used_prove(struct disk *disk)
{
    if (!virtq_look(&disk->queue))
        return false;
    if (machine_dma_fault().count != disk->faults_seen) {
        disk->queue.broken = true;
        return false;
    }
    virtq_accept(&disk->queue);
    return true;
}

/* The next operation that the device has finished.  What cannot be true marks the queue as broken. */
bool queue_take(struct disk *disk, uint32_t *index, enum status *status)
{
    uint32_t written;
    uint16_t owner;

    if (!virtq_take(&disk->queue, &owner, &written) &&
        (!used_prove(disk) || !virtq_take(&disk->queue, &owner, &written)))
        return false;
    *index = owner;
    *status = disk->results[owner] == VIRTIO_BLK_OK ? OK : ERR_IO;
    return true;
}
