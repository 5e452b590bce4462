/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pieces.c - memory whose address matters: device registers, and the images in the bundle
 *
 * An Untyped gives out its memory upwards only.  To reach an address in the middle, what lies before it is
 * made an Untyped of its own first: a further piece, from which lower addresses can still be had.
 */
#include "bh.h"
#include "init.h"

#define PIECES_MAX 320u /* an image leaves two behind it at most */

static struct {
    slot_t slot;
    uint64_t next, end; /* addresses not given out yet */
} pieces[PIECES_MAX];
static uint32_t piece_count;

static void piece_add(slot_t slot, uint64_t base, uint64_t size)
{
    if (piece_count == PIECES_MAX)
        bh_panic("more than %u pieces of device memory", PIECES_MAX);
    pieces[piece_count].slot = slot;
    pieces[piece_count].next = base;
    pieces[piece_count].end = base + size;
    piece_count++;
}

void pieces_start(void)
{
    const struct boot_info *boot = init.boot;

    for (uint32_t i = 0; i < boot->untyped_count; i++)
        if (boot->untyped[i].kind != UNTYPED_RAM)
            piece_add(boot->untyped[i].slot, boot->untyped[i].base, boot->untyped[i].size);
}

static enum status piece_split(uint32_t i, uint64_t bytes)
{
    slot_t slot = bh_slot_alloc();
    enum status status;

    if (!slot)
        return ERR_FULL;
    status = bh_untyped_retype(pieces[i].slot, CAP_UNTYPED, bytes, 1, INIT_SLOT_CSPACE, slot);
    if (status != OK) {
        bh_slot_free(slot);
        return status;
    }
    piece_add(slot, pieces[i].next, bytes);
    pieces[i].next += bytes;
    return OK;
}

/* The kernel aligns an Untyped of 2 MiB or more to 2 MiB: first go to such a boundary. */
static enum status piece_skip_to(uint32_t i, uint64_t address)
{
    uint64_t bytes = address - pieces[i].next;
    uint64_t to_boundary = -pieces[i].next & (BLOCK_BYTES - 1);
    enum status status = OK;

    if (bytes >= BLOCK_BYTES && to_boundary > 0)
        status = piece_split(i, to_boundary);
    if (status == OK && address > pieces[i].next)
        status = piece_split(i, address - pieces[i].next);
    return status;
}

static enum status piece_frames(uint32_t i, uint64_t address, uint32_t size_bits, uint32_t count,
                                slot_t *first)
{
    enum status status = piece_skip_to(i, address);
    slot_t row = bh_slots_alloc(count);

    if (status == OK && row == 0)
        return ERR_FULL;
    if (status == OK)
        status = row_retype(pieces[i].slot, CAP_FRAME, size_bits, count, row);
    if (status != OK) {
        bh_slots_free(row, row ? count : 0);
        return status;
    }
    pieces[i].next += (uint64_t)count << size_bits;
    *first = row;
    return OK;
}

enum status pieces_frames(uint64_t address, uint32_t size_bits, uint32_t count, slot_t *first)
{
    uint64_t bytes = (uint64_t)count << size_bits;

    for (uint32_t i = 0; i < piece_count; i++)
        if (pieces[i].next <= address && address < pieces[i].end && bytes <= pieces[i].end - address)
            return piece_frames(i, address, size_bits, count, first);
    return ERR_EXIST;
}

void pieces_drop(void)
{
    for (uint32_t i = 0; i < piece_count; i++)
        if (bh_cspace_delete(INIT_SLOT_CSPACE, pieces[i].slot) != OK)
            bh_panic("device memory cannot be given away");
    piece_count = 0;
}
