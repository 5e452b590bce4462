/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio_mmio.h - the virtio-mmio transport, version 2 (Virtio 1.1, section 4.2), device side
 *
 * Registers in, calls of a device model out.  Knows no kind of device: each brings a struct virtio_kind.
 *
 * Always true:
 * - a device is kicked only between DRIVER_OK and the next reset or DEVICE_NEEDS_RESET;
 * - a queue's addresses are judged when the driver makes it ready, and cannot change while it is;
 * - what is shown to the driver is up to date before its store is over, and before an interrupt tells it to
 * look; but after a pulse (see there) InterruptStatus may say that buffers were used when they were seen;
 * - what a driver does wrong costs it this device: DEVICE_NEEDS_RESET, a configuration interrupt, silence.
 */
#ifndef VIRTIO_MMIO_H
#define VIRTIO_MMIO_H

#include <stdbool.h>
#include <stdint.h>

#include "vring.h"

#define VIRTIO_MMIO_BYTES 0x200u
#define VIRTIO_QUEUES_MAX 2u
#define VIRTIO_CONFIG_MAX 136u
#define VIRTIO_MMIO_NOTIFY 0x50u      /* offset of QueueNotify */
#define VIRTIO_MMIO_ACKNOWLEDGE 0x64u /* offset of InterruptACK */

struct virtio_mmio;

/* What a kind of device does, and its numbers. */
struct virtio_kind {
    uint32_t id;
    uint32_t queue_count;
    uint32_t queue_size_max;
    void (*ready)(struct virtio_mmio *v);                /* DRIVER_OK was set */
    void (*kick)(struct virtio_mmio *v, uint32_t queue); /* look at this queue */
    void (*reset)(struct virtio_mmio *v);                /* the guest's buffers are no longer ours: let go */
    /* The driver wrote this byte of the configuration; NULL: it may write none. */
    void (*config_write)(struct virtio_mmio *v, uint32_t offset, uint8_t value);
};

struct virtio_mmio {
    const struct virtio_kind *kind;
    void *device; /* of the kind */
    const struct guest_ram *ram;
    /* VIRTIO_MMIO_BYTES that the driver reads without us (it cannot write there), kept as virtio_mmio_read()
     * would answer whole words; NULL: it asks for each register. */
    volatile uint32_t *shown;
    /* true: a bit of InterruptStatus became set (an edge, even if another bit was set already);
     * false: the last one was acknowledged. */
    void (*interrupt)(void *context, bool is_asserted);
    void *interrupt_context;
    /*
     * An edge for used buffers that the driver may acknowledge, once, without us: what costs most of an
     * interrupt is hearing of its acknowledgement.  Until the next one InterruptStatus then says "used" where
     * it should say nothing: a driver looks and finds no buffer, as it may in any case (2.6.7); one that
     * acknowledges again is heard.  False: not now, use `interrupt`.  NULL: never.
     */
    bool (*pulse)(void *context, bool is_urgent);
    void (*hear)(void *context); /* the next acknowledgement is for us, also of what was pulsed */
    bool is_pulsed;              /* an acknowledgement may not have reached us */
    bool is_urgent;              /* the next pulse: somebody waits for what is in the used buffers */

    uint64_t features; /* offered; the transport's own are added by virtio_mmio_init() */
    uint8_t config[VIRTIO_CONFIG_MAX];
    uint32_t config_bytes;

    uint64_t driver_features;
    uint32_t status;
    uint32_t interrupt_status;
    uint32_t config_generation;
    uint32_t device_features_select;
    uint32_t driver_features_select;
    uint32_t queue_select;
    struct vring queues[VIRTIO_QUEUES_MAX];
};

/* kind, device, ram, shown, interrupt*, features and config are set; make the rest as after power-on. */
void virtio_mmio_init(struct virtio_mmio *v);

uint64_t virtio_mmio_read(struct virtio_mmio *v, uint64_t offset, uint32_t size_bytes);
void virtio_mmio_write(struct virtio_mmio *v, uint64_t offset, uint32_t size_bytes, uint64_t value);

/* May buffers of this device be used now? */
bool virtio_mmio_is_live(const struct virtio_mmio *v);
bool virtio_mmio_has(const struct virtio_mmio *v, uint64_t feature);
/* Chains were given back on this queue: interrupt the driver if it wants that. */
void virtio_mmio_used(struct virtio_mmio *v, uint32_t queue);
/* Bytes of v->config are others now (2.4): tell the driver, if there is one. */
void virtio_mmio_config_changed(struct virtio_mmio *v);
/* The driver broke the rules (2.1.2): stop until it resets the device. */
void virtio_mmio_break(struct virtio_mmio *v);

#endif
