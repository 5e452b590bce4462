/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.h - all that blkdrv asks of the kernel
 *
 * Everything else in this directory is plain C over memory, and runs in the unit tests against a fake of
 * these functions (tests/unit/blkdrv_fake.c).
 */
#ifndef BLKDRV_MACHINE_H
#define BLKDRV_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../lib/abi/abi.h"
#include "../../lib/bh/dma_fault.h"
#include "../../lib/virtio/driver.h" /* clock, barrier, BARs */

/* Bits of the events Notification. */
#define EV_IRQ (UINT64_C(1) << 0)   /* the disk interrupts */
#define EV_FAULT (UINT64_C(1) << 1) /* the SMMU refused an access of the disk */
#define CLIENT_BELLS 32u
#define EV_BELL(i) (UINT64_C(1) << (16 + (i))) /* clients with number % CLIENT_BELLS == i */

/*
 * Where the device finds things.  No RAM of a machine we know is at these addresses, so that a physical
 * address that strays into a descriptor is refused by the SMMU.
 */
#define IOVA_QUEUE UINT64_C(0x1000000000)
#define IOVA_BLOCKS UINT64_C(0x1000200000) /* + block * BLK_BLOCK_BYTES */

#define QUEUE_PAGES 4u

/* First of all: forget what an earlier life left, but for what it kept on purpose (lib/rpc/kept.h). */
void machine_tidy(void);
void machine_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Events without messages, for start-up only: waits until the deadline; 0 when it passed. */
uint64_t machine_wait_events(uint64_t deadline);

/* ---- the device; ERR_CAP when there is none in this machine ---- */
bool machine_has_device(void);
const uint8_t *machine_pci_config(void);
/*
 * Zeroed queue memory, QUEUE_PAGES pages, visible to the device at IOVA_QUEUE: the first `read_only` pages
 * for loads only.  Interrupt and faults arrive as events from now on.
 */
enum status machine_device_start(uint32_t read_only, uint8_t **queue) BH_NODISCARD;
void machine_irq_ack(void);
struct dma_fault machine_dma_fault(void); /* all that was refused before now */
/* The kernel stops recording after many: from now on it does again. */
void machine_dma_faults_again(void);
uint32_t machine_stream(void);

/* ---- clients ---- */
/* Blocks: see lib/rpc/kept.h. */
uint8_t *machine_block(uint32_t block);
enum status machine_block_fetch(uint32_t block, slot_t memory, char *error, size_t error_bytes) BH_NODISCARD;
enum status machine_block_resume(uint32_t block) BH_NODISCARD;
bool machine_block_exists(uint32_t block); /* whoever paid for it has not taken it back */
/* From now on the device sees it, from IOVA_BLOCKS + block * BLK_BLOCK_BYTES on. */
enum status machine_block_share(uint32_t block) BH_NODISCARD;
/* Signal the vmm's Notification, which is kept over a restart of ours.  A vmm that is gone needs none. */
void machine_client_signal(uint32_t client);
void machine_client_forget(uint32_t client); /* let go of it; nobody rings the client's doorbell any more */

/* ---- memory that survives a restart ---- */
uint8_t *machine_persistent(void);

/* ---- memory for ram volumes: chunks of RAM_VOLUME_CHUNK bytes in one area of our addresses ---- */
#define RAM_CHUNKS_MAX 512u
uint8_t *machine_ram(void);
/*
 * Fetch `count` chunks from this session at mem and map them, zero, from chunk `first` of the area on.  All
 * or nothing; refused: `error` says what and why.
 */
enum status machine_ram_map(slot_t session, uint32_t first, uint32_t count, char *error,
                            size_t error_bytes) BH_NODISCARD;
/* Map them again after a restart of ours.  ERR_CAP: they are gone. */
enum status machine_ram_resume(uint32_t first, uint32_t count) BH_NODISCARD;
/* Let go of them: after this mem can have them back. */
void machine_ram_unmap(uint32_t first, uint32_t count);
/* The manifest allows volumes that misbehave on purpose. */
bool machine_test_hooks(void);

#endif
