/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio_mmio.c - registers of the virtio-mmio transport, version 2
 *
 * Offsets and rules are of Virtio 1.1, 4.2.2.  Registers are 32 bits wide: other widths read as zero and
 * ignore what is written (4.2.2.2), but for the device's configuration, which has fields of any width.
 */
#include "virtio_mmio.h"

#include <string.h>

enum {
    REG_MAGIC = 0x00,
    REG_VERSION = 0x04,
    REG_DEVICE_ID = 0x08,
    REG_VENDOR_ID = 0x0c,
    REG_DEVICE_FEATURES = 0x10,
    REG_DEVICE_FEATURES_SELECT = 0x14,
    REG_DRIVER_FEATURES = 0x20,
    REG_DRIVER_FEATURES_SELECT = 0x24,
    REG_QUEUE_SELECT = 0x30,
    REG_QUEUE_SIZE_MAX = 0x34,
    REG_QUEUE_SIZE = 0x38,
    REG_QUEUE_READY = 0x44,
    REG_QUEUE_NOTIFY = VIRTIO_MMIO_NOTIFY,
    REG_INTERRUPT_STATUS = 0x60,
    REG_INTERRUPT_ACK = VIRTIO_MMIO_ACKNOWLEDGE,
    REG_STATUS = 0x70,
    REG_QUEUE_DESCRIPTORS = 0x80, /* low word; the high one follows */
    REG_QUEUE_AVAIL = 0x90,
    REG_QUEUE_USED = 0xa0,
    REG_SHM_LENGTH = 0xb0, /* 4.2.2.1: all ones says there is no such region */
    REG_SHM_BASE = 0xb8,
    REG_CONFIG_GENERATION = 0xfc,
    REG_CONFIG = 0x100,
};

#define MAGIC 0x74726976u  /* "virt" */
#define VENDOR 0x444b4c42u /* "BLKD" */
enum { INTERRUPT_USED = 1, INTERRUPT_CONFIG = 2 };

static void register_show(struct virtio_mmio *v, uint64_t offset, uint32_t value)
{
    if (v->shown)
        v->shown[offset / 4] = value;
}

static void registers_show(struct virtio_mmio *v)
{
    for (uint64_t offset = 0; v->shown && offset < VIRTIO_MMIO_BYTES; offset += 4)
        register_show(v, offset, (uint32_t)virtio_mmio_read(v, offset, 4));
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void virtio_mmio_init(struct virtio_mmio *v)
{
    v->features |= VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX;
    v->driver_features = 0;
    v->status = 0;
    v->interrupt_status = 0;
    v->device_features_select = 0;
    v->driver_features_select = 0;
    v->queue_select = 0;
    for (uint32_t i = 0; i < VIRTIO_QUEUES_MAX; i++)
        vring_reset(&v->queues[i]);
    registers_show(v);
}

bool virtio_mmio_is_live(const struct virtio_mmio *v)
{
    return (v->status & VIRTIO_DRIVER_OK) != 0 && (v->status & VIRTIO_NEEDS_RESET) == 0;
}

bool virtio_mmio_has(const struct virtio_mmio *v, uint64_t feature)
{
    return (v->driver_features & feature) != 0;
}

/* Whatever was pulsed: the next acknowledgement is for us, unless a pulse is still on its way (another thread
 * took it and has not signalled yet).  So is_pulsed stays: what may have been swallowed is never relied on.
 */
static void interrupt_hear(struct virtio_mmio *v)
{
    if (v->is_pulsed)
        v->hear(v->interrupt_context);
}

static void interrupt_show(struct virtio_mmio *v, uint32_t bit)
{
    if ((v->interrupt_status & bit) != 0)
        return;
    v->interrupt_status |= bit;
    register_show(v, REG_INTERRUPT_STATUS, v->interrupt_status);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the driver may look on another pCPU as soon as it is told */
}

/* An edge for each bit that becomes set: while it is set the driver has not looked yet; but if it was pulsed
 * that is not known. */
static void interrupt_raise(struct virtio_mmio *v, uint32_t bit)
{
    bool may_pulse = v->pulse && (v->interrupt_status | bit) == INTERRUPT_USED;

    if ((v->interrupt_status & bit) != 0 && !v->is_pulsed)
        return;
    if (!may_pulse)
        interrupt_hear(v);
    interrupt_show(v, bit);
    if (may_pulse && v->pulse(v->interrupt_context, v->is_urgent)) {
        v->is_pulsed = true;
        return;
    }
    interrupt_hear(v);
    v->interrupt(v->interrupt_context, true);
}

static void interrupt_acknowledge(struct virtio_mmio *v, uint32_t bits)
{
    uint32_t old = v->interrupt_status;

    v->interrupt_status &= ~bits;
    register_show(v, REG_INTERRUPT_STATUS, v->interrupt_status);
    if (old != 0 && v->interrupt_status == 0)
        v->interrupt(v->interrupt_context, false);
}

void virtio_mmio_used(struct virtio_mmio *v, uint32_t queue)
{
    if (virtio_mmio_is_live(v) && vring_must_interrupt(&v->queues[queue]))
        interrupt_raise(v, INTERRUPT_USED);
}

void virtio_mmio_break(struct virtio_mmio *v)
{
    if ((v->status & VIRTIO_NEEDS_RESET) != 0)
        return;
    v->status |= VIRTIO_NEEDS_RESET;
    v->config_generation++;
    registers_show(v);
    if ((v->status & VIRTIO_DRIVER_OK) != 0)
        interrupt_raise(v, INTERRUPT_CONFIG); /* 2.1.2: only after DRIVER_OK */
}

void virtio_mmio_config_changed(struct virtio_mmio *v)
{
    v->config_generation++;
    registers_show(v);
    if (virtio_mmio_is_live(v))
        interrupt_raise(v, INTERRUPT_CONFIG);
}

static void device_kick(struct virtio_mmio *v, uint32_t queue)
{
    if (virtio_mmio_is_live(v) && queue < v->kind->queue_count && v->queues[queue].is_started)
        v->kind->kick(v, queue);
}

static void kick_all(struct virtio_mmio *v)
{
    for (uint32_t i = 0; i < v->kind->queue_count; i++)
        device_kick(v, i);
}

static struct vring *queue_selected(struct virtio_mmio *v)
{
    return v->queue_select < v->kind->queue_count ? &v->queues[v->queue_select] : NULL;
}

static uint32_t queue_read(struct virtio_mmio *v, uint64_t offset)
{
    const struct vring *queue = queue_selected(v);

    if (!queue)
        return 0;
    return offset == REG_QUEUE_READY ? queue->is_started : v->kind->queue_size_max;
}

/* 4.2.2.2: the driver must not change a queue that is ready; it is not obeyed when it does. */
static struct vring *queue_to_set_up(struct virtio_mmio *v)
{
    struct vring *queue = queue_selected(v);

    return queue && !queue->is_started ? queue : NULL;
}

static void queue_write_size(struct virtio_mmio *v, uint32_t value)
{
    struct vring *queue = queue_to_set_up(v);

    if (queue)
        queue->size = value;
}

static void queue_write_address(struct virtio_mmio *v, uint64_t offset, uint32_t value)
{
    struct vring *queue = queue_to_set_up(v);

    if (!queue)
        return;
    uint64_t which = offset & ~4ull;
    uint64_t *address = which == REG_QUEUE_DESCRIPTORS ? &queue->descriptor_address
                        : which == REG_QUEUE_AVAIL     ? &queue->avail_address
                                                       : &queue->used_address;

    if ((offset & 4) != 0)
        *address = (*address & 0xffffffffu) | (uint64_t)value << 32;
    else
        *address = (*address & ~0xffffffffull) | value;
}

static void queue_write_ready(struct virtio_mmio *v, uint32_t value)
{
    struct vring *queue = queue_selected(v);

    if (!queue || (value & 1) == queue->is_started)
        return;
    if ((value & 1) == 0) {
        queue->is_started = false;
        return;
    }
    queue->has_event_index = virtio_mmio_has(v, VIRTIO_F_EVENT_IDX);
    queue->has_indirect = virtio_mmio_has(v, VIRTIO_F_INDIRECT_DESC);
    if (vring_start(queue, v->ram, v->kind->queue_size_max) != OK)
        virtio_mmio_break(v);
}

static void device_reset(struct virtio_mmio *v)
{
    v->kind->reset(v);
    interrupt_acknowledge(v, ~0u);
    virtio_mmio_init(v);
}

/* 3.1.1: bits are only ever added, but for the reset; features are judged when the driver says it has chosen.
 */
static void status_write(struct virtio_mmio *v, uint32_t value)
{
    uint32_t added = value & ~v->status & 0x8fu;

    if ((value & 0xff) == 0) {
        device_reset(v);
        return;
    }
    if ((added & VIRTIO_FEATURES_OK) != 0) {
        bool is_acceptable =
            (v->driver_features & ~v->features) == 0 && virtio_mmio_has(v, VIRTIO_F_VERSION_1);
        if (!is_acceptable)
            added &= ~(uint32_t)VIRTIO_FEATURES_OK;
    }
    if (((v->status | added) & VIRTIO_FEATURES_OK) == 0)
        added &= ~(uint32_t)VIRTIO_DRIVER_OK;
    v->status |= added;
    if ((added & VIRTIO_DRIVER_OK) != 0 && virtio_mmio_is_live(v)) {
        v->kind->ready(v);
        kick_all(v);
    }
}

static void driver_features_write(struct virtio_mmio *v, uint32_t value)
{
    if ((v->status & VIRTIO_FEATURES_OK) != 0)
        return; /* chosen already */
    if (v->driver_features_select == 0)
        v->driver_features = (v->driver_features & ~0xffffffffull) | value;
    else if (v->driver_features_select == 1)
        v->driver_features = (v->driver_features & 0xffffffffu) | (uint64_t)value << 32;
}

static uint32_t device_features_read(const struct virtio_mmio *v)
{
    if (v->device_features_select > 1)
        return 0;
    return (uint32_t)(v->features >> (32 * v->device_features_select));
}

static uint64_t config_read(const struct virtio_mmio *v, uint64_t offset, uint32_t size_bytes)
{
    uint64_t value = 0;

    if (offset > v->config_bytes || size_bytes > v->config_bytes - offset)
        return 0;
    memcpy(&value, v->config + offset, size_bytes);
    return value;
}

/* Fields of the configuration are what they are, byte after byte. */
static void config_write(struct virtio_mmio *v, uint64_t offset, uint32_t size_bytes, uint64_t value)
{
    if (!v->kind->config_write || offset > v->config_bytes || size_bytes > v->config_bytes - offset)
        return;
    for (uint32_t i = 0; i < size_bytes; i++)
        v->kind->config_write(v, (uint32_t)offset + i, (uint8_t)(value >> (8 * i)));
    registers_show(v);
}

uint64_t virtio_mmio_read(struct virtio_mmio *v, uint64_t offset, uint32_t size_bytes)
{
    if (offset >= REG_CONFIG)
        return config_read(v, offset - REG_CONFIG, size_bytes);
    if (size_bytes != 4)
        return 0;
    switch (offset) {
    case REG_MAGIC:
        return MAGIC;
    case REG_VERSION:
        return 2;
    case REG_DEVICE_ID:
        return v->kind->id;
    case REG_VENDOR_ID:
        return VENDOR;
    case REG_DEVICE_FEATURES:
        return device_features_read(v);
    case REG_QUEUE_SIZE_MAX:
    case REG_QUEUE_READY:
        return queue_read(v, offset);
    case REG_INTERRUPT_STATUS:
        return v->interrupt_status;
    case REG_STATUS:
        return v->status;
    case REG_SHM_LENGTH:
    case REG_SHM_LENGTH + 4:
    case REG_SHM_BASE:
    case REG_SHM_BASE + 4:
        return 0xffffffffu;
    case REG_CONFIG_GENERATION:
        return v->config_generation;
    default:
        return 0;
    }
}

static void set_up_write(struct virtio_mmio *v, uint64_t offset, uint32_t value)
{
    switch (offset) {
    case REG_DEVICE_FEATURES_SELECT:
        v->device_features_select = value;
        break;
    case REG_DRIVER_FEATURES_SELECT:
        v->driver_features_select = value;
        break;
    case REG_DRIVER_FEATURES:
        driver_features_write(v, value);
        break;
    case REG_QUEUE_SELECT:
        v->queue_select = value;
        break;
    case REG_QUEUE_SIZE:
        queue_write_size(v, value);
        break;
    case REG_QUEUE_DESCRIPTORS:
    case REG_QUEUE_DESCRIPTORS + 4:
    case REG_QUEUE_AVAIL:
    case REG_QUEUE_AVAIL + 4:
    case REG_QUEUE_USED:
    case REG_QUEUE_USED + 4:
        queue_write_address(v, offset, value);
        break;
    case REG_QUEUE_READY:
        queue_write_ready(v, value);
        break;
    case REG_STATUS:
        status_write(v, value);
        break;
    default:
        break;
    }
}

void virtio_mmio_write(struct virtio_mmio *v, uint64_t offset, uint32_t size_bytes, uint64_t value64)
{
    uint32_t value = (uint32_t)value64;

    if (offset >= REG_CONFIG) {
        config_write(v, offset - REG_CONFIG, size_bytes, value64);
        return;
    }
    if (size_bytes != 4)
        return;
    if (offset == REG_QUEUE_NOTIFY) {
        device_kick(v, value);
    } else if (offset == REG_INTERRUPT_ACK) {
        interrupt_acknowledge(v, value);
    } else {
        set_up_write(v, offset, value);
        registers_show(v);
    }
}
