/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * map.c - objects from my own memory, and mappings into my own address space
 */
#include "bh.h"

#define TABLE_PAGES 8u /* given to the address space each time it runs out; covers 16 MiB of 4 KiB pages */

enum status bh_retype_row(enum cap_kind kind, uint64_t size, uint32_t count, slot_t *first)
{
    slot_t row = bh_slots_alloc(count);
    enum status status;

    *first = 0;
    if (!row)
        return ERR_FULL;
    status = bh_untyped_retype(SLOT_UNTYPED, kind, size, count, SLOT_CSPACE, row);
    if (status != OK) {
        bh_slots_free(row, count);
        return status;
    }
    *first = row;
    return OK;
}

enum status bh_retype(enum cap_kind kind, uint64_t size, slot_t *out)
{
    return bh_retype_row(kind, size, 1, out);
}

enum status bh_map(slot_t frame, uint64_t ipa, uint32_t attributes)
{
    enum status status = bh_aspace_map(SLOT_ASPACE, frame, ipa, attributes);

    if (status != ERR_MEM)
        return status;
    status = bh_aspace_donate(SLOT_ASPACE, SLOT_UNTYPED, TABLE_PAGES);
    if (status != OK)
        return ERR_MEM;
    return bh_aspace_map(SLOT_ASPACE, frame, ipa, attributes);
}

enum status bh_map_block(slot_t frame, uint64_t *ipa)
{
    uint64_t at;
    enum status status;

    if (*ipa != 0) {
        bh_slot_drop(frame);
        return OK;
    }
    at = bh_ipa_alloc_2m(1);
    status = bh_map(frame, at, RIGHT_READ | RIGHT_WRITE);
    if (status == OK)
        *ipa = at;
    else
        bh_slot_drop(frame);
    return status;
}

static void drop_row(slot_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        bh_slot_drop(first + i); /* deleting a mapped Frame unmaps it */
}

enum status bh_map_new_row(uint64_t ipa, uint32_t pages, uint32_t rights, slot_t *first)
{
    enum status status = bh_retype_row(CAP_FRAME, FRAME_4K, pages, first);

    if (status != OK)
        return status;
    for (uint32_t i = 0; i < pages; i++) {
        status = bh_map(*first + i, ipa + (uint64_t)i * 4096, rights);
        if (status == OK)
            continue;
        drop_row(*first, pages);
        *first = 0;
        return status;
    }
    return OK;
}

enum status bh_map_new(uint64_t ipa, uint32_t pages, uint32_t rights)
{
    slot_t first;

    return bh_map_new_row(ipa, pages, rights, &first);
}

/* The window is 3.5 GiB: no service of ours gives back what it maps, or comes near the end. */
uint64_t bh_ipa_alloc(uint32_t pages)
{
    static uint64_t next = DYNAMIC_IPA;
    uint64_t ipa = next;

    if (pages > (BUNDLE_IPA - next) / 4096)
        bh_panic("no addresses left for %u pages", pages);
    next += (uint64_t)pages * 4096;
    return ipa;
}

uint64_t bh_ipa_alloc_2m(uint32_t count)
{
    const uint64_t size = UINT64_C(1) << 21;

    return (bh_ipa_alloc((count + 1u) * (uint32_t)(size / 4096u)) + size - 1u) / size * size;
}
