/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vconsole.h - a virtio console (Virtio 1.1, 5.3) with one port, between the guest and its wire
 */
#ifndef VMM_VCONSOLE_H
#define VMM_VCONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio_mmio.h"
#include "wire.h"

#define VCONSOLE_QUEUE_MAX 64u

struct vconsole {
    struct virtio_mmio virtio;
    struct wire *wire;
    bool takes_input; /* the guest's console is this one */
    bool is_sending;  /* `sending` is not wholly on the wire yet */
    uint32_t sent;    /* bytes of it that are */
    struct vring_chain sending;
    bool is_receiving; /* `receiving` waits for bytes */
    struct vring_chain receiving;
};

/* wire and takes_input are set (and of virtio: ram, interrupt*). */
void vconsole_init(struct vconsole *console);
/* The wire has room, or bytes, or a queue was kicked: go on. */
void vconsole_pump(struct vconsole *console);

#endif
