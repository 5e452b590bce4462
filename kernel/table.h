/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.h - translation tables, as address spaces (stage 2) and IO spaces (stage 1 of the SMMU) build them
 *
 * Both kinds of space have 39 bits of address, 4 KiB granule, and a root of level 1, so they share one tree
 * and differ only in the bits of a leaf.
 */
#ifndef KERNEL_TABLE_H
#define KERNEL_TABLE_H

#include "kernel.h"

/* ---- bits of an entry that both formats agree on (DDI 0487, D8.3) */
#define ENTRY_VALID 1ull
#define ENTRY_TABLE 2ull /* levels 1 and 2: a table, else a block; level 3: always set */
#define ENTRY_ADDRESS 0x0000fffffffff000ull
#define ENTRY_INNER_SHAREABLE (3ull << 8)
#define ENTRY_ACCESSED (1ull << 10)
#define ENTRY_XN (1ull << 54)
/* Bits 11:2 of a table entry are ignored by the walker: how many entries of that table are in use. */
#define ENTRY_COUNT_ONE (1ull << 2)
#define ENTRY_COUNT (0x3ffull << 2)

#define TABLE_DEPTH 3u

/* The type bits of a leaf of 1 << size_bits bytes. */
static inline uint64_t leaf_type(unsigned size_bits)
{
    return size_bits == FRAME_4K ? ENTRY_VALID | ENTRY_TABLE : ENTRY_VALID;
}

/* ---- pages for tables */
/* One zeroed page, or 0 when none is left. */
uint64_t table_alloc(struct table_pool *pool);
/* Give back a page whose entries are all zero, and which no walker reads any more. */
void table_free(struct table_pool *pool, uint64_t page);
/* Take `pages` pages off an Untyped: ERR_ARG (none, or not plain memory), ERR_RIGHT (no right to make kernel
 * objects), ERR_FULL (too many donations), ERR_MEM. */
enum status table_donate(struct table_pool *pool, struct slot *untyped, uint32_t pages, enum embed_role role);
/* All pages go back where they came from; mappings made so far are void.  No walker may read them any more.
 */
void table_pool_drop(struct table_pool *pool);

/* ---- the tree */
/* Put a leaf at `address`: ERR_FULL (something is there), ERR_MEM (then nothing has changed). */
enum status table_insert(struct table_pool *pool, uint64_t *root, uint64_t address, unsigned size_bits,
                         uint64_t leaf);
/* The leaf at `address`, or NULL. */
uint64_t *table_leaf(uint64_t *root, uint64_t address, unsigned size_bits);
/* Clear a leaf that is there.  Tables that became empty are cut off and stored in `emptied`: table_free them
 * after the TLBs have been invalidated.  Returns how many. */
unsigned table_remove(uint64_t *root, uint64_t address, unsigned size_bits, uint64_t emptied[TABLE_DEPTH]);

/* ---- the list of a space's mappings, through the Frame capabilities that made them */
/* `flag` is SLOT_MAPPED_AS or SLOT_MAPPED_IO and says what kind of space it is. */
void mapping_link(struct slot *frame, uint8_t flag, void *space, uint64_t address);
void mapping_unlink(struct slot *frame); /* no matter if it is on none */
/* This capability made a mapping, and the tables have not gone since. */
bool mapping_stands(const struct slot *frame);

#endif
