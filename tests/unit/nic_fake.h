/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_fake.h - a machine for the NIC's drivers in a test: clock, memory, IoSpace, and one of two cards
 *
 * The cards' registers are plain memory, so a card sees what was written only when it is looked after: at
 * each barrier, each look at the clock, each acknowledged interrupt, and in fake_nic_run().
 */
#ifndef TESTS_NIC_FAKE_H
#define TESTS_NIC_FAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "services/netdrv/nic.h"
#include "services/netdrv/nic_machine.h"

#define FAKE_FRAMES 512u
#define FAKE_FRAME_MAX 70000u

enum fake_card { FAKE_NO_CARD, FAKE_VIRTIO, FAKE_E1000E, FAKE_OTHER_CARD };

struct fake_frame {
    uint32_t bytes;
    uint8_t header[12]; /* virtio's */
    uint8_t *data;
};

struct fake_nic {
    enum fake_card card;
    uint64_t now; /* ms */
    uint32_t logs, irq_acks;
    char last_log[240];
    struct dma_fault fault;
    uint32_t read_only; /* pages of its memory */

    uint64_t features; /* virtio: offered */
    bool link;
    bool silent;      /* sends nothing */
    bool stuck;       /* e1000e: does not come out of a reset */
    bool relapses;    /* virtio: needs a reset right after one */
    bool keeps_order; /* off: buffers come back in reverse order */
    bool misses;      /* every store into a receive buffer is refused, yet called done */
    uint32_t resets;
    uint32_t interrupts; /* raised */

    struct fake_frame sent[FAKE_FRAMES]; /* what came out of it */
    uint32_t sent_count;
};
extern struct fake_nic fake_nic;

void fake_nic_reset(enum fake_card card);
void fake_nic_free(void);
/* Send what was given to the card.  True: its line is up. */
bool fake_nic_run(void);
/* A frame arrives, behind this virtio header (NULL: zeros; num_buffers is set here).  False: no buffers. */
bool fake_nic_arrive(const void *frame, uint32_t bytes, const void *header);

/* ---- ways to cheat ---- */
volatile uint8_t *fake_nic_bar(void);
uint8_t *fake_nic_memory(uint64_t iova);
/* virtio: put this into the used ring of the queue as the next element. */
void fake_virtio_use(uint32_t queue, uint32_t id, uint32_t bytes);
void fake_virtio_run_ahead(uint32_t queue);
/* virtio: the next arriving frame's header says this number of buffers. */
void fake_virtio_lie_about_buffers(uint16_t count);
/* e1000e: the next arriving frame's descriptor says this. */
void fake_e1000e_lie(uint16_t length, uint8_t status, uint8_t errors);

#endif
