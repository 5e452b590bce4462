/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mem.h - mem's state and the slots it uses
 *
 * mem's CSpace and its persist page outlive it (keep_cspace in system/bulkhead.toml): a restarted mem finds
 * each chunk's capability in the slot that the chunk's index says.
 */
#ifndef MEM_H
#define MEM_H

#include "abi.h"
#include "ledger.h"

#define CSPACE_SLOTS 4096u
#define CHUNK_SLOT0 (CSPACE_SLOTS - CHUNKS_MAX) /* 512: chunk i is slot CHUNK_SLOT0 + i */
#define OUT_SLOT0 (CHUNK_SLOT0 - IPC_CAPS_MAX)  /* what goes out with the reply that is being made */
#define MEM_TOOLSTACK_BADGE 1u

struct mem {
    struct ledger ledger;
    uint32_t pool_count;
};

/* Find the pool and what an earlier mem left. */
void mem_recover(struct mem *mem);
/* A free chunk for the session (carved from the pool when need be), or NO_CHUNK. */
uint32_t mem_take_chunk(struct mem *mem, const struct ledger_session *session);
/* Make in slot `out` what goes to the vmm: an Untyped that is the whole chunk. */
enum status mem_lend_chunk(uint32_t chunk, slot_t out);
/* Take back a chunk of the session: ERR_STATE if the kernel says that it is still in use. */
enum status mem_return_chunk(struct mem *mem, const struct ledger_session *session, uint32_t chunk);

#endif
