/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.c - translation tables: their memory, and the tree that they make
 *
 * A space's tables stand in memory that was donated to it, so no space can use up another's.  A table lives
 * exactly while something is mapped through it: each entry that leads to a table counts the entries in use
 * there, in bits that walkers ignore.
 *
 * Always true:  an entry that leads to a table has a count of at least 1; `free_count` is what table_alloc
 * can still give; pages on the free list are zero but for their first word. Locking:      kernel_lock.
 * Walkers (CPUs, the SMMU) read the tables at any time.
 */
#include "table.h"

/* ---- pages -------------------------------------------------------------------------------------- */

static uint64_t donation_take(struct slot *donation)
{
    uint64_t page = donation->object + donation->used;

    donation->used += PAGE_SIZE;
    memory_zero(page, PAGE_SIZE);
    return page;
}

uint64_t table_alloc(struct table_pool *pool)
{
    uint64_t page = pool->free;

    if (pool->free_count == 0)
        return 0;
    pool->free_count--;
    if (page) {
        pool->free = *(uint64_t *)page;
        *(uint64_t *)page = 0;
        return page;
    }
    for (unsigned i = 0; i < ASPACE_DONATIONS_MAX; i++) {
        struct slot *donation = &pool->donations[i];

        if (donation->kind == CAP_UNTYPED && donation->used < donation->bytes)
            return donation_take(donation);
    }
    panic("table_alloc: pages counted are not there");
}

void table_free(struct table_pool *pool, uint64_t page)
{
    *(uint64_t *)page = pool->free;
    pool->free = page;
    pool->free_count++;
}

static struct slot *donation_unused(struct table_pool *pool)
{
    for (unsigned i = 0; i < ASPACE_DONATIONS_MAX; i++)
        if (pool->donations[i].kind == CAP_NONE)
            return &pool->donations[i];
    return NULL;
}

enum status table_donate(struct table_pool *pool, struct slot *untyped, uint32_t pages, enum embed_role role)
{
    uint64_t end = untyped->object + untyped->bytes;
    uint64_t from = (untyped->object + untyped->used + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    struct slot *donation = donation_unused(pool);

    if (pages == 0 || (untyped->flags & (SLOT_DEVICE | SLOT_BUNDLE)))
        return ERR_ARG;
    if (!(untyped->rights & RIGHT_GRANT))
        return ERR_RIGHT;
    if (!donation)
        return ERR_FULL;
    if (from > end || pages > (end - from) / PAGE_SIZE)
        return ERR_MEM;

    *donation = (struct slot){
        .kind = CAP_UNTYPED,
        .rights = untyped->rights,
        .flags = SLOT_EMBEDDED,
        .role = (uint16_t)role,
        .index = (uint16_t)(donation - pool->donations),
        .object = from,
        .bytes = pages * PAGE_SIZE,
    };
    slot_insert(donation, untyped);
    untyped->used = from + pages * PAGE_SIZE - untyped->object;
    untyped->zeroed = 0; /* it counts from the mark; an interrupted retype begins again behind us */
    pool->free_count += pages;
    return OK;
}

void table_pool_drop(struct table_pool *pool)
{
    pool->epoch++;
    pool->free = 0;
    pool->free_count = 0;
    for (unsigned i = 0; i < ASPACE_DONATIONS_MAX; i++) {
        struct slot *donation = &pool->donations[i];

        donation->flags &= (uint8_t)~SLOT_EMBEDDED; /* or slot_delete would call us again */
        /* An Untyped that nothing was derived from goes without a preemption point. */
        enum status status = slot_delete(donation);
        assert(status == OK);
    }
}

/* ---- the tree -------------------------------------------------------------------------------------- */

enum { ROOT_SHIFT = 30, LEVEL_BITS = 9 };

static uint64_t *entry_at(uint64_t table, uint64_t address, unsigned shift)
{
    return (uint64_t *)table + ((address >> shift) & 511u);
}

static bool entry_is_table(uint64_t entry)
{
    return (entry & (ENTRY_VALID | ENTRY_TABLE)) == (ENTRY_VALID | ENTRY_TABLE);
}

/* Walkers read while we write: one store for one entry. */
static void entry_write(uint64_t *entry, uint64_t value)
{
    __atomic_store_n(entry, value, __ATOMIC_RELAXED);
}

/*
 * Walk down to the level of 1 << size_bits, or to the first entry on the way that leads to no table.  Returns
 * the depth reached (0: the root); path[] are the entries passed, the last one included.
 */
static unsigned table_walk(uint64_t *root, uint64_t address, unsigned size_bits, uint64_t *path[TABLE_DEPTH])
{
    unsigned depth = 0;
    unsigned shift = ROOT_SHIFT;

    path[0] = entry_at((uint64_t)root, address, shift);
    while (shift > size_bits && entry_is_table(*path[depth])) {
        shift -= LEVEL_BITS;
        path[depth + 1] = entry_at(*path[depth] & ENTRY_ADDRESS, address, shift);
        depth++;
    }
    return depth;
}

static unsigned depth_of(unsigned size_bits)
{
    return (ROOT_SHIFT - size_bits) / LEVEL_BITS;
}

enum status table_insert(struct table_pool *pool, uint64_t *root, uint64_t address, unsigned size_bits,
                         uint64_t leaf)
{
    uint64_t *path[TABLE_DEPTH];
    unsigned depth = table_walk(root, address, size_bits, path);
    unsigned missing = depth_of(size_bits) - depth;
    uint64_t entry = leaf;

    if (*path[depth])
        return ERR_FULL;
    if (missing > pool->free_count)
        return ERR_MEM;

    /* New tables are made from the bottom up, so that they hang in the tree only when they are complete. */
    for (unsigned shift = size_bits; missing; missing--, shift += LEVEL_BITS) {
        uint64_t table = table_alloc(pool);

        *entry_at(table, address, shift) = entry;
        entry = table | ENTRY_COUNT_ONE | ENTRY_TABLE | ENTRY_VALID;
    }
    if (entry != leaf)
        tlb_publish();
    entry_write(path[depth], entry);
    if (depth > 0)
        entry_write(path[depth - 1], *path[depth - 1] + ENTRY_COUNT_ONE);
    tlb_publish();
    return OK;
}

uint64_t *table_leaf(uint64_t *root, uint64_t address, unsigned size_bits)
{
    uint64_t *path[TABLE_DEPTH];
    unsigned depth = table_walk(root, address, size_bits, path);

    if (depth != depth_of(size_bits) || !*path[depth])
        return NULL;
    if (size_bits != FRAME_4K && entry_is_table(*path[depth]))
        return NULL;
    return path[depth];
}

unsigned table_remove(uint64_t *root, uint64_t address, unsigned size_bits, uint64_t emptied[TABLE_DEPTH])
{
    uint64_t *path[TABLE_DEPTH];
    unsigned depth = table_walk(root, address, size_bits, path);
    unsigned count = 0;

    assert(depth == depth_of(size_bits) && *path[depth]);
    entry_write(path[depth], 0);
    while (depth > 0) {
        uint64_t parent = *path[--depth] - ENTRY_COUNT_ONE;

        if (parent & ENTRY_COUNT) {
            entry_write(path[depth], parent);
            break;
        }
        entry_write(path[depth], 0);
        emptied[count++] = parent & ENTRY_ADDRESS;
    }
    return count;
}

/* ---- mappings ------------------------------------------------------------------------------------------ */

static struct table_pool *pool_of(const struct slot *frame)
{
    if (frame->flags & SLOT_MAPPED_AS)
        return &((struct aspace *)frame->mapped_in)->tables;
    return &((struct iospace *)frame->mapped_in)->tables;
}

static struct slot **mappings_of(const struct slot *frame)
{
    if (frame->flags & SLOT_MAPPED_AS)
        return &((struct aspace *)frame->mapped_in)->mappings;
    return &((struct iospace *)frame->mapped_in)->mappings;
}

void mapping_link(struct slot *frame, uint8_t flag, void *space, uint64_t address)
{
    frame->flags |= flag;
    frame->mapped_in = space;
    frame->mapped_at = address;
    frame->map_epoch = pool_of(frame)->epoch;

    struct slot **head = mappings_of(frame);
    frame->map_prev = NULL;
    frame->map_next = *head;
    if (frame->map_next)
        frame->map_next->map_prev = frame;
    *head = frame;
}

void mapping_unlink(struct slot *frame)
{
    if (!(frame->flags & (SLOT_MAPPED_AS | SLOT_MAPPED_IO)))
        return;
    if (frame->map_prev)
        frame->map_prev->map_next = frame->map_next;
    else
        *mappings_of(frame) = frame->map_next;
    if (frame->map_next)
        frame->map_next->map_prev = frame->map_prev;
    frame->flags &= (uint8_t) ~(SLOT_MAPPED_AS | SLOT_MAPPED_IO);
    frame->mapped_in = NULL;
    frame->map_next = frame->map_prev = NULL;
    frame->mapped_at = 0;
    frame->map_epoch = 0;
}

bool mapping_stands(const struct slot *frame)
{
    return (frame->flags & (SLOT_MAPPED_AS | SLOT_MAPPED_IO)) && frame->map_epoch == pool_of(frame)->epoch;
}
