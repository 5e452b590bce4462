/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest_ram.h - a guest's memory as its device model sees it
 *
 * One contiguous run of guest-physical addresses that is mapped in one piece for us, but for the blocks that
 * the guest has given back (its balloon).  Whatever a guest says about its memory becomes a pointer only by
 * guest_ram_at(), and the pointer is good for exactly the bytes that were asked for.  The guest may change
 * what is there at any time: copy first, then judge the copy.
 */
#ifndef VIRTIO_GUEST_RAM_H
#define VIRTIO_GUEST_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_RAM_BLOCK_BYTES 0x200000u

struct guest_ram {
    uint8_t *host; /* where `base` is mapped for us */
    uint64_t base; /* guest-physical */
    uint64_t size;
    const uint64_t *gone; /* bit per block from `base` on: it is not there; NULL: all are */
};

/* Is any of these blocks gone?  bytes > 0, all inside. */
static inline bool guest_ram_is_gone(const struct guest_ram *ram, uint64_t offset, uint64_t bytes)
{
    uint64_t last = (offset + bytes - 1) / GUEST_RAM_BLOCK_BYTES;

    for (uint64_t block = offset / GUEST_RAM_BLOCK_BYTES; block <= last; block++)
        if ((ram->gone[block / 64] >> block % 64 & 1) != 0)
            return true;
    return false;
}

/* The memory at guest address `address`, or NULL unless all `bytes` of it are inside, and there. */
static inline uint8_t *guest_ram_at(const struct guest_ram *ram, uint64_t address, uint64_t bytes)
{
    if (address < ram->base || address - ram->base > ram->size)
        return NULL;
    if (bytes > ram->size - (address - ram->base))
        return NULL;
    if (ram->gone && bytes != 0 && guest_ram_is_gone(ram, address - ram->base, bytes))
        return NULL;
    return ram->host + (address - ram->base);
}

#endif
