/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slots.c - which slots of my CSpace are free
 *
 * Always true: a set bit is a slot that somebody here has; slots below the first one that is ours, and from
 * the end of the CSpace on, are always set.
 */
#include <assert.h>
#include <string.h>

#include "bh.h"
#include "internal.h"
#include "thread.h"

static struct {
    uint64_t taken[SLOT_COUNT_MAX / 64];
    slot_t first, end; /* ours: first .. end-1 */
    slot_t hint; /* where to look first; slots are given out in turn, so that a stale number is noticed */
    uint32_t left;
} slots;

static bool slot_is_taken(slot_t slot)
{
    return slots.taken[slot / 64] >> slot % 64 & 1;
}

static void slot_take(slot_t slot)
{
    slots.taken[slot / 64] |= 1ull << slot % 64;
    slots.left--;
}

void bh_slots_init(slot_t first, uint32_t count)
{
    assert(first > 0 && first < count && count <= SLOT_COUNT_MAX);
    memset(slots.taken, 0, sizeof(slots.taken));
    slots.first = slots.hint = first;
    slots.end = count;
    slots.left = count - first;
    bh_recv_slots_fill();
}

/* The first row of `count` free slots within from..end-1, or 0. */
static slot_t find_row(slot_t from, slot_t end, uint32_t count)
{
    uint32_t row = 0;

    for (slot_t slot = from; slot < end; slot++) {
        if (row == 0 && slot % 64 == 0 && slots.taken[slot / 64] == UINT64_MAX) {
            slot += 63;
            continue;
        }
        row = slot_is_taken(slot) ? 0 : row + 1;
        if (row == count)
            return slot + 1 - count;
    }
    return 0;
}

slot_t bh_slots_alloc(uint32_t count)
{
    slot_t first;

    bh_main_only();
    if (count == 0 || count > slots.left)
        return 0;
    first = find_row(slots.hint, slots.end, count);
    if (!first)
        first = find_row(slots.first, slots.end, count);
    if (!first)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        slot_take(first + i);
    slots.hint = first + count < slots.end ? first + count : slots.first;
    return first;
}

slot_t bh_slot_alloc(void)
{
    return bh_slots_alloc(1);
}

void bh_slot_free(slot_t slot)
{
    bh_main_only();
    assert(slot >= slots.first && slot < slots.end && slot_is_taken(slot));
    slots.taken[slot / 64] &= ~(1ull << slot % 64);
    slots.left++;
}

void bh_slots_free(slot_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        bh_slot_free(first + i);
}

/* A slot that cannot be emptied is kept: using it again would fail elsewhere. */
void bh_slot_drop(slot_t slot)
{
    if (slot != 0 && bh_cspace_delete(SLOT_CSPACE, slot) == OK)
        bh_slot_free(slot);
}

uint32_t bh_slots_left(void)
{
    return slots.left;
}
