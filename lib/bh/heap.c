/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap.c - first fit over a row of blocks
 *
 * The heap is a row of blocks without gaps; each begins with its own length and that of the block before it,
 * so neighbours are found in both directions.
 *
 * Always true: lengths are multiples of 16 and no two neighbours are both free.  A pointer that this file did
 * not give out, or that was freed before, is our own bug: assert.
 */
#include "heap.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define ALIGN 16u
#define USED 0x6d61u /* in `state`: neither a likely length nor zero */
#define FREE 0x6672u

struct heap_block {
    uint32_t units;      /* length in 16-byte units, this header included */
    uint32_t prev_units; /* that of the block before; 0: it is the first */
    uint32_t state;
    uint32_t spare; /* so that what follows is aligned */
};
_Static_assert(sizeof(struct heap_block) == ALIGN, "a header is one unit");

static struct heap_block *block_next(struct heap_block *block)
{
    return block + block->units;
}

static struct heap_block *block_of(const struct heap *heap, void *memory)
{
    struct heap_block *block = (struct heap_block *)memory - 1;

    assert(block >= heap->first && block < heap->end && block->state == USED);
    return block;
}

/* `block` now has `units`: tell the one after it. */
static void block_resize(struct heap *heap, struct heap_block *block, uint32_t units)
{
    block->units = units;
    if (block_next(block) < heap->end)
        block_next(block)->prev_units = units;
}

void heap_init(struct heap *heap, uintptr_t base, size_t bytes)
{
    uintptr_t aligned = (base + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1);
    size_t lost = aligned - base;

    memset(heap, 0, sizeof(*heap));
    if (bytes < lost + 2 * ALIGN || (bytes - lost) / ALIGN > UINT32_MAX)
        return;
    heap->first = (struct heap_block *)aligned;
    heap->end = heap->first + (bytes - lost) / ALIGN;
    heap->hint = heap->first;
    *heap->first = (struct heap_block){.units = (uint32_t)(heap->end - heap->first), .state = FREE};
}

/* Take `units` from the front of a free block; the rest stays free if it can hold anything. */
static void block_take(struct heap *heap, struct heap_block *block, uint32_t units)
{
    uint32_t rest = block->units - units;

    block->state = USED;
    if (rest < 2)
        return;
    block_resize(heap, block, units);
    *block_next(block) = (struct heap_block){.prev_units = units, .state = FREE};
    block_resize(heap, block_next(block), rest);
}

/* The units that hold `bytes`, header included; 0: more than any heap has. */
static uint32_t units_for(size_t bytes)
{
    size_t units = bytes / ALIGN + (bytes % ALIGN != 0) + 1;

    return units > UINT32_MAX ? 0 : (uint32_t)(units < 2 ? 2 : units);
}

void *heap_alloc(struct heap *heap, size_t bytes)
{
    uint32_t units = units_for(bytes);
    bool seen_free = false;

    if (units == 0 || !heap->first)
        return NULL;
    for (struct heap_block *block = heap->hint; block < heap->end; block = block_next(block)) {
        if (block->state == USED)
            continue;
        if (!seen_free)
            heap->hint = block;
        seen_free = true;
        if (block->units < units)
            continue;
        block_take(heap, block, units);
        return block + 1;
    }
    return NULL;
}

/* If the block after this one is free, it becomes part of this one. */
static void block_join_next(struct heap *heap, struct heap_block *block)
{
    struct heap_block *next = block_next(block);

    if (next >= heap->end || next->state != FREE)
        return;
    next->state = 0;
    block_resize(heap, block, block->units + next->units);
    if (heap->hint == next)
        heap->hint = block;
}

void heap_free(struct heap *heap, void *memory)
{
    struct heap_block *block;

    if (!memory)
        return;
    block = block_of(heap, memory);
    block->state = FREE;
    block_join_next(heap, block);
    if (block->prev_units && (block - block->prev_units)->state == FREE) {
        block -= block->prev_units;
        block_join_next(heap, block);
    }
    if (block < heap->hint)
        heap->hint = block;
}

void *heap_resize(struct heap *heap, void *memory, size_t bytes)
{
    struct heap_block *block = block_of(heap, memory);
    uint32_t units = units_for(bytes);
    size_t kept = (block->units - 1) * (size_t)ALIGN;
    void *moved;

    if (units != 0 && units <= block->units)
        return memory;
    moved = heap_alloc(heap, bytes);
    if (!moved)
        return NULL;
    memcpy(moved, memory, kept);
    heap_free(heap, memory);
    return moved;
}

size_t heap_bytes_free(const struct heap *heap)
{
    size_t bytes = 0;

    for (struct heap_block *block = heap->first; block < heap->end; block = block_next(block)) {
        if (block->state == FREE)
            bytes += (block->units - 1) * (size_t)ALIGN;
    }
    return bytes;
}
