/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vinput.h - a virtio input device (Virtio 1.1, 5.8): the keys that a person would press on the box
 *
 * The power key asks the guest to shut down, Ctrl-Alt-Del to reboot.  What the guest does then is its own
 * affair (docs/decisions/0013-a-power-key-asks-guests.md).
 *
 * Always true:  what was pressed reaches the guest whole and in order, however late it gives buffers for it.
 */
#ifndef VMM_VINPUT_H
#define VMM_VINPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio_mmio.h"

#define VINPUT_QUEUE_MAX 64u
#define VINPUT_PENDING_MAX 16u

enum vinput_press { VINPUT_POWER, VINPUT_REBOOT };

/* 5.8.6 Device Operation, struct virtio_input_event */
struct vinput_event {
    uint16_t type;
    uint16_t code;
    uint32_t value;
};
_Static_assert(sizeof(struct vinput_event) == 8, "Virtio 1.1, 5.8.6");

struct vinput {
    struct virtio_mmio virtio;
    uint32_t pending_count, pending_done;
    struct vinput_event pending[VINPUT_PENDING_MAX];
    /* The guest's driver came or went: may be NULL. */
    void (*changed)(void *context);
    void *changed_context;
};

/* changed* are set (and of virtio: ram, interrupt*). */
void vinput_init(struct vinput *input);
/* Is there a driver that takes keys? */
bool vinput_is_heard(const struct vinput *input);
/* Press and let go.  Nothing happens without a driver, or while it has not taken the last press yet. */
void vinput_press(struct vinput *input, enum vinput_press press);

#endif
