/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtq.c - see virtq.h: a queue's beginning
 */
#include "virtq.h"

#include <string.h>

void virtq_place(struct virtq *q, struct vring_descriptor *descriptors, uint64_t descriptors_iova,
                 struct virtq_avail *avail, uint64_t avail_iova, volatile struct virtq_used *used,
                 uint64_t used_iova)
{
    q->descriptors = descriptors;
    q->descriptors_iova = descriptors_iova;
    q->avail = avail;
    q->avail_iova = avail_iova;
    q->used = used;
    q->used_iova = used_iova;
}

void virtq_start(struct virtq *q, uint16_t number, uint16_t size, volatile uint16_t *doorbell)
{
    memset(q->descriptors, 0, size * sizeof(*q->descriptors));
    memset(q->avail, 0, sizeof(*q->avail));
    memset((void *)(uintptr_t)q->used, 0, sizeof(*q->used));
    q->number = number;
    q->size = size;
    q->doorbell = doorbell;
    q->avail_index = 0;
    q->used_index = q->accepted_index = q->looked_index = 0;
    q->free = 0;
    q->free_count = size;
    q->news = q->broken = false;
    for (uint32_t i = 0; i < VRING_SIZE_MAX; i++) {
        q->next[i] = (uint16_t)(i + 1u);
        q->owner[i] = VIRTQ_NOBODY;
    }
}
