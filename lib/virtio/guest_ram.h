/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest_ram.h - a guest's memory as its device model sees it
 *
 * One contiguous run of guest-physical addresses that is mapped in one piece for us.  Whatever a guest says
 * about its memory becomes a pointer only by guest_ram_at(), and the pointer is good for exactly the bytes
 * that were asked for.  The guest may change what is there at any time: copy first, then judge the copy.
 */
#ifndef VIRTIO_GUEST_RAM_H
#define VIRTIO_GUEST_RAM_H

#include <stddef.h>
#include <stdint.h>

struct guest_ram {
    uint8_t *host; /* where `base` is mapped for us */
    uint64_t base; /* guest-physical */
    uint64_t size;
};

/* The memory at guest address `address`, or NULL unless all `bytes` of it are inside. */
static inline uint8_t *guest_ram_at(const struct guest_ram *ram, uint64_t address, uint64_t bytes)
{
    if (address < ram->base || address - ram->base > ram->size)
        return NULL;
    if (bytes > ram->size - (address - ram->base))
        return NULL;
    return ram->host + (address - ram->base);
}

#endif
