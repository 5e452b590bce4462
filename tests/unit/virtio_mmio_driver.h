/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio_mmio_driver.h - a guest's driver of a device behind the memory-mapped transport, and what the device
 * tells the rest of its vmm
 */
#ifndef VIRTIO_MMIO_DRIVER_H
#define VIRTIO_MMIO_DRIVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virtio_mmio.h"
#include "vring_driver.h"

static struct virtio_mmio *driven; /* set up by the test */
static uint32_t interrupts, doorbells;

static inline void interrupt(void *context, bool is_asserted)
{
    (void)context;
    interrupts += is_asserted;
}

static inline void ring_doorbell(void *context)
{
    (void)context;
    doorbells++;
}

static inline void mmio(uint32_t offset, uint32_t value)
{
    virtio_mmio_write(driven, offset, 4, value);
}

static inline uint32_t mmio_read(uint32_t offset)
{
    return (uint32_t)virtio_mmio_read(driven, offset, 4);
}

/* From reset to FEATURES_OK, with these features of the low word. */
static inline void driver_negotiate(uint32_t features)
{
    struct vring unused;

    driver_set_up(&unused);
    mmio(0x70, 0);
    mmio(0x70, 1);
    mmio(0x70, 3);
    mmio(0x24, 0);
    mmio(0x20, features);
    mmio(0x24, 1);
    mmio(0x20, 1); /* VERSION_1 */
    mmio(0x70, 11);
    assert_int_equal(mmio_read(0x70), 11);
}

static inline void driver_queue(uint32_t queue, uint64_t descriptors, uint64_t avail, uint64_t used)
{
    mmio(0x30, queue);
    mmio(0x38, QUEUE_SIZE);
    mmio(0x80, (uint32_t)descriptors);
    mmio(0x90, (uint32_t)avail);
    mmio(0xa0, (uint32_t)used);
    mmio(0x44, 1);
    assert_int_equal(mmio_read(0x44), 1);
}

static inline void driver_ok(void)
{
    mmio(0x70, 15);
    assert_int_equal(mmio_read(0x70), 15);
}

#endif
