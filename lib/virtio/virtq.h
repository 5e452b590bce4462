/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtq.h - the driver's side of a split virtqueue (Virtio 1.1, section 2.6)
 *
 * A driver builds a chain of buffers (virtq_add), hands it over under a number of its own (virtq_put,
 * virtq_kick), and gets that number back when the device is done with it (virtq_look, virtq_accept,
 * virtq_take).  The device's side is vring.h.
 *
 * Always true:  what is free, and which chain is whose, stands in our own memory only; the device needs to
 * write nothing but the used ring, and what it writes there is judged: an index that runs ahead, a chain
 * that it does not have, more bytes written than it was given room for, break the queue.  A broken queue
 * gives nothing more until it is started again.
 *
 * The functions of the data path are inline: they are a handful of instructions each.
 */
#ifndef VIRTIO_VIRTQ_H
#define VIRTIO_VIRTQ_H

#include <stdbool.h>
#include <stdint.h>

#include "driver.h"
#include "virtio.h"

#define VIRTQ_NOBODY UINT16_MAX

/* 2.6.6, 2.6.8; the event words behind the rings are not used */
struct virtq_avail {
    uint16_t flags;
    uint16_t index;
    uint16_t ring[VRING_SIZE_MAX];
    uint16_t event;
};
struct virtq_used {
    uint16_t flags;
    uint16_t index;
    struct vring_used_element ring[VRING_SIZE_MAX];
    uint16_t event;
};

/* Buffers that go to the device together; all zero: none yet. */
struct virtq_chain {
    uint16_t head, last; /* descriptors */
    uint16_t count;
    uint32_t writable; /* bytes that the device may write */
};

struct virtq {
    /* shared with the device, which only writes `used` */
    struct vring_descriptor *descriptors;
    struct virtq_avail *avail;
    volatile struct virtq_used *used;
    uint64_t descriptors_iova, avail_iova, used_iova;
    volatile uint16_t *doorbell;

    uint16_t number;
    uint16_t size;           /* a power of two */
    uint16_t avail_index;    /* free-running, as the others: chains handed over */
    uint16_t used_index;     /* chains taken back */
    uint16_t accepted_index; /* up to here the used ring counts */
    uint16_t looked_index;   /* up to here the device wrote it when we looked */
    uint16_t free;           /* the first free descriptor; they are linked by next[] */
    uint16_t free_count;
    bool news;   /* handed over since the last doorbell */
    bool broken; /* the device wrote nonsense */
    uint16_t next[VRING_SIZE_MAX];
    uint16_t owner[VRING_SIZE_MAX];            /* by head; VIRTQ_NOBODY: no chain begins here */
    struct virtq_chain chains[VRING_SIZE_MAX]; /* by head */
};

/* Where its memory is, for us and for the device: once, before virtio_pci_queue. */
void virtq_place(struct virtq *q, struct vring_descriptor *descriptors, uint64_t descriptors_iova,
                 struct virtq_avail *avail, uint64_t avail_iova, volatile struct virtq_used *used,
                 uint64_t used_iova);
/* As before the first chain.  The device is in reset, or does not know the queue yet. */
void virtq_start(struct virtq *q, uint16_t number, uint16_t size, volatile uint16_t *doorbell);

/* One more buffer of `bytes` at `iova`; flags: VRING_WRITE if the device writes it, those last.  The caller
 * knows that q->free_count is not 0. */
static inline void virtq_add(struct virtq *q, struct virtq_chain *chain, uint64_t iova, uint32_t bytes,
                             uint16_t flags)
{
    uint16_t index = q->free;

    q->free = q->next[index];
    q->free_count--;
    q->descriptors[index] = (struct vring_descriptor){.address = iova, .length = bytes, .flags = flags};
    if (chain->count == 0) {
        chain->head = index;
    } else {
        q->descriptors[chain->last].next = index;
        q->descriptors[chain->last].flags |= VRING_NEXT;
    }
    chain->last = index;
    chain->count++;
    if (flags & VRING_WRITE)
        chain->writable += bytes;
}

/* The device gets the chain (one buffer or more); it sees it at the next virtq_kick at the latest.  `owner`
 * is the caller's own, not VIRTQ_NOBODY. */
static inline void virtq_put(struct virtq *q, const struct virtq_chain *chain, uint16_t owner)
{
    q->owner[chain->head] = owner;
    q->chains[chain->head] = *chain;
    q->avail->ring[q->avail_index & (q->size - 1u)] = chain->head;
    q->avail_index++;
    machine_dma_barrier(); /* the descriptors before the index */
    *(volatile uint16_t *)&q->avail->index = q->avail_index;
    q->news = true;
}

/* Ring the doorbell, if there is something new and the device wants to hear of it. */
static inline void virtq_kick(struct virtq *q)
{
    if (!q->news)
        return;
    q->news = false;
    machine_dma_barrier(); /* the index before the look at the flags */
    if ((q->used->flags & VRING_USED_NO_NOTIFY) == 0)
        *q->doorbell = q->number;
}

/* Are there chains that the device says it has finished, and that do not count yet? */
static inline bool virtq_look(struct virtq *q)
{
    uint16_t index = q->used->index;

    if (index == q->accepted_index || q->broken)
        return false;
    machine_dma_barrier(); /* the index before the elements, and before what the caller looks at now */
    q->looked_index = index;
    if ((uint16_t)(index - q->used_index) > q->size)
        q->broken = true;
    return !q->broken;
}

/* They count: since virtq_look the caller has seen that nothing of the device's was refused before. */
static inline void virtq_accept(struct virtq *q)
{
    q->accepted_index = q->looked_index;
}

/* The next chain that the device has finished, of those that count: its owner, and how many bytes the device
 * says that it wrote (no more than it had room for).  Its descriptors are free again. */
static inline bool virtq_take(struct virtq *q, uint16_t *owner, uint32_t *written)
{
    if (q->used_index == q->accepted_index || q->broken)
        return false;

    const volatile struct vring_used_element *element = &q->used->ring[q->used_index & (q->size - 1u)];
    uint32_t head = element->id;
    *written = element->length;
    if (head >= q->size || q->owner[head] == VIRTQ_NOBODY || *written > q->chains[head].writable) {
        q->broken = true;
        return false;
    }
    q->used_index++;
    *owner = q->owner[head];
    q->owner[head] = VIRTQ_NOBODY;
    q->next[q->chains[head].last] = q->free;
    q->free = (uint16_t)head;
    q->free_count = (uint16_t)(q->free_count + q->chains[head].count);
    return true;
}

/* Interrupts of this queue are welcome, or not; a hint (2.6.7).  After asking for them look once more. */
static inline void virtq_interrupts(struct virtq *q, bool are_wanted)
{
    *(volatile uint16_t *)&q->avail->flags = are_wanted ? 0 : VRING_AVAIL_NO_INTERRUPT;
    machine_dma_barrier();
}

#endif
