/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pool.c - the chunks as capabilities
 *
 * The pool is a few large Untypeds (CAP_POOL0..), without the right to make kernel objects.  A chunk is a
 * child of one of them, carved when first needed and kept for ever.  What a vmm gets is a child of the chunk
 * as large as the chunk; the chunk itself stays here, so that revoking it takes everything back, whatever was
 * made of it.
 */
#include <string.h>

#include "bh.h"
#include "bh_syscalls.h"
#include "caps_mem.h"
#include "mem.h"

_Static_assert(1u << CAP_CSPACE_BITS == CSPACE_SLOTS, "mem.h and system/bulkhead.toml agree on mem's CSpace");
_Static_assert(OUT_SLOT0 >= CAP_FIRST_FREE + 64, "lib/bh finds slots below mem's own");

static slot_t chunk_slot(uint32_t chunk)
{
    return CHUNK_SLOT0 + chunk;
}

/* A restarted mem finds in its CSpace what the last one was sending or receiving when it ended.  And lib/bh
 * is told, again, which slots it may give out: not those with a fixed meaning. */
static void slots_tidy(void)
{
    for (slot_t slot = CAP_FIRST_FREE; slot < CHUNK_SLOT0; slot++)
        if (bh_cspace_delete(SLOT_CSPACE, slot) != OK)
            bh_panic("slot %u cannot be emptied", slot);
    memset(bh_ipcbuf->recv_slots, 0, sizeof(bh_ipcbuf->recv_slots));
    bh_slots_init(CAP_FIRST_FREE, OUT_SLOT0);
}

static uint32_t pool_measure(struct mem *mem)
{
    uint64_t base, size, used, chunks = 0;

    while (mem->pool_count < CAP_POOL_COUNT &&
           bh_untyped_info(CAP_POOL0 + mem->pool_count, &base, &size, &used) == OK) {
        chunks += size / CHUNK_BYTES;
        mem->pool_count++;
    }
    if (chunks > CHUNKS_MAX) {
        bh_log("%llu MiB of the pool are not used: at most %u MiB can be managed",
               (unsigned long long)(chunks - CHUNKS_MAX) * 2, CHUNKS_MAX * 2);
        chunks = CHUNKS_MAX;
    }
    return (uint32_t)chunks;
}

static uint32_t carved_count(void)
{
    uint64_t base, size, used;
    uint32_t count = 0;

    while (count < CHUNKS_MAX && bh_untyped_info(chunk_slot(count), &base, &size, &used) == OK)
        count++;
    return count;
}

void mem_recover(struct mem *mem)
{
    uint32_t pool_chunks, carved;

    slots_tidy();
    pool_chunks = pool_measure(mem);
    carved = carved_count();
    if (ledger_open(&mem->ledger, (struct ledger_page *)PERSIST_IPA, pool_chunks, carved) != OK)
        bh_panic("the ledger in the persist page is damaged");
    if (carved > 0)
        bh_log("took over %u sessions, %u of %u MiB in use", ledger_session_count(&mem->ledger),
               mem->ledger.taken * 2, pool_chunks * 2);
}

/* The next chunk comes from the first pool that still holds one. */
static enum status chunk_carve(struct mem *mem)
{
    if (mem->ledger.carved == mem->ledger.pool_chunks)
        return ERR_MEM;
    for (uint32_t i = 0; i < mem->pool_count; i++) {
        enum status status = bh_untyped_retype(CAP_POOL0 + i, CAP_UNTYPED, CHUNK_BYTES, 1, SLOT_CSPACE,
                                               chunk_slot(mem->ledger.carved));
        if (status == ERR_MEM)
            continue;
        if (status == OK)
            ledger_carve(&mem->ledger);
        return status;
    }
    return ERR_MEM;
}

uint32_t mem_take_chunk(struct mem *mem, const struct ledger_session *session)
{
    uint32_t chunk = ledger_take(&mem->ledger, session);

    if (chunk == NO_CHUNK && chunk_carve(mem) == OK)
        chunk = ledger_take(&mem->ledger, session);
    return chunk;
}

enum status mem_lend_chunk(uint32_t chunk, slot_t out)
{
    return bh_untyped_retype(chunk_slot(chunk), CAP_UNTYPED, CHUNK_BYTES, 1, SLOT_CSPACE, out);
}

enum status mem_return_chunk(struct mem *mem, const struct ledger_session *session, uint32_t chunk)
{
    uint64_t base, size, used;
    enum status status;

    status = bh_cspace_revoke(SLOT_CSPACE, chunk_slot(chunk));
    if (status != OK)
        return status;
    status = bh_untyped_info(chunk_slot(chunk), &base, &size, &used);
    if (status != OK)
        return status;
    if (used != 0 || size != CHUNK_BYTES)
        return ERR_STATE;
    ledger_put(&mem->ledger, session, chunk);
    return OK;
}
