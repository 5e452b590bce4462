/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vring_driver.h - a guest's memory with one virtqueue in it, and the driver's side of it, honest or not
 */
#ifndef VRING_DRIVER_H
#define VRING_DRIVER_H

#include <stdint.h>
#include <string.h>

#include "vring.h"

#define RAM_BASE 0x40000000ull
#define RAM_BYTES 0x80000ull
#define QUEUE_SIZE 8u
#define DESCRIPTORS (RAM_BASE + 0x1000)
#define AVAIL (RAM_BASE + 0x2000)
#define USED (RAM_BASE + 0x3000)
#define BUFFERS (RAM_BASE + 0x10000)

static uint8_t ram_bytes[RAM_BYTES] __attribute__((aligned(4096)));
static const struct guest_ram ram = {ram_bytes, RAM_BASE, RAM_BYTES, NULL};
static uint16_t avail_index;

static inline uint8_t *at(uint64_t address)
{
    return ram_bytes + (address - RAM_BASE);
}

static inline void put16(uint64_t address, uint16_t value)
{
    memcpy(at(address), &value, sizeof value);
}

static inline uint16_t get16(uint64_t address)
{
    uint16_t value;

    memcpy(&value, at(address), sizeof value);
    return value;
}

static inline uint32_t get32(uint64_t address)
{
    uint32_t value;

    memcpy(&value, at(address), sizeof value);
    return value;
}

static inline void descriptor(uint32_t index, uint64_t address, uint32_t bytes, uint16_t flags, uint16_t next)
{
    struct vring_descriptor d = {address, bytes, flags, next};

    memcpy(at(DESCRIPTORS + 16ull * index), &d, sizeof d);
}

static inline void make_available(uint16_t head)
{
    put16(AVAIL + 4 + 2ull * (avail_index % QUEUE_SIZE), head);
    avail_index++;
    put16(AVAIL + 2, avail_index);
}

static inline void driver_set_up(struct vring *ring)
{
    memset(ram_bytes, 0, sizeof ram_bytes);
    avail_index = 0;
    vring_reset(ring);
    ring->size = QUEUE_SIZE;
    ring->descriptor_address = DESCRIPTORS;
    ring->avail_address = AVAIL;
    ring->used_address = USED;
}

#endif
