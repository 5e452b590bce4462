/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kept.c - see kept.h
 */
#include "kept.h"

#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "mem_chunks.h"

_Static_assert(BLOCK_BYTES == MEM_CHUNK_BYTES, "a block is one chunk of mem's");

/* lib/bh is told, again, which slots it may give out: not those with a fixed meaning. */
void kept_start(struct kept *kept, slot_t first, uint32_t slots, uint32_t count, uint32_t row)
{
    kept->count = count;
    kept->row = slots - row;
    kept->doorbells = kept->row - count;
    kept->notifications = kept->doorbells - count;
    kept->blocks = kept->notifications - count;
    for (slot_t slot = first; slot < kept->blocks; slot++)
        if (bh_cspace_delete(SLOT_CSPACE, slot) != OK)
            bh_panic("slot %u cannot be emptied", (unsigned)slot);
    memset(bh_ipcbuf->recv_slots, 0, sizeof(bh_ipcbuf->recv_slots));
    bh_slots_init(first, kept->blocks);
    kept->memory = bh_ipa_alloc_2m(count);
}

/* ---- Frames ------------------------------------------------------------------------------------------ */

bool kept_frame_exists(slot_t slot)
{
    uint64_t address, size_bits;

    return bh_frame_address(slot, &address, &size_bits) == OK;
}

enum status kept_frame_resume(slot_t slot, uint64_t ipa)
{
    return bh_map(slot, ipa, RIGHT_READ | RIGHT_WRITE);
}

/* The kernel zeroes a Frame when it is made. */
enum status kept_frame_make(slot_t slot, slot_t untyped, uint64_t ipa)
{
    enum status status = bh_cspace_delete(SLOT_CSPACE, slot);

    if (status != OK)
        return status;
    status = bh_untyped_retype(untyped, CAP_FRAME, FRAME_2M, 1, SLOT_CSPACE, slot);
    if (status != OK)
        return status;
    status = kept_frame_resume(slot, ipa);
    if (status != OK && bh_cspace_delete(SLOT_CSPACE, slot) != OK)
        bh_panic("slot %u cannot be emptied", (unsigned)slot);
    return status;
}

enum status kept_block_fetch(const struct kept *kept, uint32_t block, slot_t memory, char *error,
                             size_t error_bytes)
{
    slot_t untyped[IPC_CAPS_MAX];
    uint32_t count;
    enum status status = mem_chunks_ask(memory, 1, untyped, &count, error, error_bytes);

    if (status != OK)
        return status;
    status =
        kept_frame_make(kept_frame(kept, block), untyped[0], kept->memory + (uint64_t)block * BLOCK_BYTES);
    if (status != OK)
        snprintf(error, error_bytes, "mapping it: %s", bh_status_name(status));
    bh_slot_drop(untyped[0]);
    return status;
}

/* ---- clients ----------------------------------------------------------------------------------------- */

slot_t kept_doorbell(const struct kept *kept, uint32_t client, uint64_t badge)
{
    slot_t slot = kept->doorbells + client;
    enum status status = bh_cspace_mint(SLOT_CSPACE, SLOT_EVENTS, SLOT_CSPACE, slot, RIGHT_WRITE, badge);

    return status == OK || status == ERR_FULL ? slot : 0; /* ERR_FULL: it is there */
}

enum status kept_notify(const struct kept *kept, uint32_t client, slot_t slot)
{
    enum status status = bh_cspace_delete(SLOT_CSPACE, kept_notification(kept, client));

    if (status == OK)
        status = bh_cspace_move(SLOT_CSPACE, slot, SLOT_CSPACE, kept_notification(kept, client));
    if (status == OK)
        bh_slot_free(slot);
    else
        bh_slot_drop(slot);
    return status;
}

void kept_signal(const struct kept *kept, uint32_t client)
{
    enum status status = bh_notification_signal(kept_notification(kept, client));

    (void)status;
}

/* Copies of the doorbell that others hold go with it.  ERR_CAP: nobody has had one. */
void kept_forget(const struct kept *kept, uint32_t client)
{
    slot_t doorbell = kept->doorbells + client;
    enum status status = bh_cspace_revoke(SLOT_CSPACE, doorbell);

    if (status == OK)
        status = bh_cspace_delete(SLOT_CSPACE, doorbell);
    if ((status != OK && status != ERR_CAP) ||
        bh_cspace_delete(SLOT_CSPACE, kept_notification(kept, client)) != OK)
        bh_panic("place %u: what its last holder had cannot be taken back", (unsigned)client);
}
