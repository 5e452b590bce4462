/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blkdrv_fake.h - a machine for blkdrv in a test: clock, frames, IoSpace, and a virtio block device
 *
 * The device does what it is asked when fake_device_run() is called, on a disk in memory, and reaches only
 * what was mapped for it: queue pages (the first ones for loads only) and the blocks that were shared.
 */
#ifndef TESTS_BLKDRV_FAKE_H
#define TESTS_BLKDRV_FAKE_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "ram_volume.h"
#include "services/blkdrv/blkdrv.h"

#define FAKE_SECTORS 8192u
#define FAKE_RAM_CHUNKS 4u
#define FAKE_MEMORY 77u /* the slot of a session at mem */

struct fake {
    bool has_device;
    bool test_hooks;
    uint64_t now; /* ms */
    uint64_t signals[CLIENTS_MAX];
    uint32_t logs;
    char last_log[240];
    uint32_t fetched; /* blocks */
    bool block_exists[BLOCKS_MAX];
    bool dies_after_fetch; /* by `death` */
    jmp_buf death;

    /* the device */
    uint8_t disk[FAKE_SECTORS * 512];
    uint64_t features; /* offered: bits 0..31 and 32.. in one word each */
    bool silent;       /* takes no requests */
    bool stuck;        /* needs a reset again right after one */
    bool fails;        /* answers with an I/O error */
    bool lies;         /* puts nonsense into the used ring */
    bool hides;        /* calls requests done whose access was refused, and is silent about it */
    bool holds;        /* finishes what it took only when this is off again */
    uint32_t reads, writes, flushes;
    char order[64]; /* 'r', 'w', 'f' */

    uint32_t queue_read_only;
    bool block_shared[BLOCKS_MAX];
    bool ram_mapped[FAKE_RAM_CHUNKS];
    bool ram_wrong;   /* a chunk was mapped twice */
    bool ram_refused; /* mem gives nothing */
    struct dma_fault fault;
    uint8_t persistent[8192];
};
extern struct fake fake;

/* A machine with a disk that has "debian1" (sectors 100..1099) and "debian2" (2000..2999). */
void fake_reset(void);
/* The driver dies: its own memory and the device's state are gone; blocks, ram volumes and the persistent
 * pages stay. */
void fake_restart(void);
/* Returns the events that are due. */
uint64_t fake_device_run(void);

#endif
