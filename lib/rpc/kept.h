/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kept.h - what a driver domain keeps over its own restart: its clients' memory, and the way to each of them
 *
 * Its CSpace outlives it (keep_cspace in system/bulkhead.toml).  At the end of it are slots with a fixed
 * meaning: the Frame of each block, the Notification of each client, the doorbell of each client, and a row
 * that is the driver's own affair.  A new life maps the blocks again, wakes the clients, and goes on.
 *
 * A block is BLOCK_BYTES of a VM's memory that the driver shares with that VM's vmm: fetched with a session
 * at mem that was lent for it, so whoever opened that session takes the block back from everybody by closing
 * it.
 *
 * Always true:  a block's Frame hangs on mem's own chunk and ends when mem revokes that: for the driver, its
 * device and the vmm at once.  The toolstack sees to it that no session of that VM is open then.
 */
#ifndef BH_RPC_KEPT_H
#define BH_RPC_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../abi/abi.h"

#define BLOCK_BYTES 0x200000u

struct kept {
    uint32_t count; /* of blocks, and of clients */
    slot_t blocks, notifications, doorbells;
    slot_t row;      /* the driver's own */
    uint64_t memory; /* where block 0 is mapped */
};

/* First of all: empties every other slot, from `first` on, of what an earlier life left there; lib/bh gives
 * out those and no others.  `slots` of the CSpace in all, `row` of them the driver's own. */
void kept_start(struct kept *kept, slot_t first, uint32_t slots, uint32_t count, uint32_t row);

/* A Frame of 2 MiB in this slot, mapped at `ipa`: zero, from `untyped`, or the one that was kept (ERR_CAP: it
 * is gone).  When making it fails nothing is left in the slot. */
enum status kept_frame_make(slot_t slot, slot_t untyped, uint64_t ipa) BH_NODISCARD;
enum status kept_frame_resume(slot_t slot, uint64_t ipa) BH_NODISCARD;
bool kept_frame_exists(slot_t slot);

/* ---- blocks ---- */
static inline uint8_t *kept_block(const struct kept *kept, uint32_t block)
{
    return (uint8_t *)(uintptr_t)(kept->memory + (uint64_t)block * BLOCK_BYTES);
}
/* The capability of its Frame, to send a copy of: it stays ours. */
static inline slot_t kept_frame(const struct kept *kept, uint32_t block)
{
    return kept->blocks + block;
}
/* From this session at mem: mapped, and zero.  What was in this place before is let go of.  Refused: `error`
 * says why. */
enum status kept_block_fetch(const struct kept *kept, uint32_t block, slot_t memory, char *error,
                             size_t error_bytes) BH_NODISCARD;
/* Map it again after a restart.  ERR_CAP: it is gone. */
static inline enum status kept_block_resume(const struct kept *kept, uint32_t block)
{
    return kept_frame_resume(kept_frame(kept, block), kept->memory + (uint64_t)block * BLOCK_BYTES);
}

/* ---- clients ---- */
/* A session on our events that signals `badge`, the same as long as the client is not forgotten; 0: it cannot
 * be had. */
slot_t kept_doorbell(const struct kept *kept, uint32_t client, uint64_t badge);
/* From now on this is the client's Notification; `slot` is empty afterwards, and free. */
enum status kept_notify(const struct kept *kept, uint32_t client, slot_t slot) BH_NODISCARD;
static inline slot_t kept_notification(const struct kept *kept, uint32_t client)
{
    return kept->notifications + client;
}
/* A client that is gone, or never told us its Notification, cannot be signalled and needs not be. */
void kept_signal(const struct kept *kept, uint32_t client);
/* Whoever had this place neither rings its doorbell nor is signalled any more. */
void kept_forget(const struct kept *kept, uint32_t client);

#endif
