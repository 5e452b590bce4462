/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage2.c - the translation tables of an address space
 *
 * 39 bits of IPA, 4 KiB granule, root at level 1 (VTCR_EL2 in aarch64/mmu.c).  An entry goes from invalid to
 * valid or back, or changes its rights in place; it never changes its address or size while it is valid, so
 * break-before-make (DDI 0487, D8.14) is kept by construction.
 *
 * Always true:  when a function here returns, no TLB holds anything that the tables do not say.
 * Locking:      kernel_lock.
 */
#include "stage2.h"

#include "table.h"

/* Stage-2 leaf attributes: DDI 0487, D8.5.5 (memory type), D8.4.2 (access permissions). */
enum {
    S2_MEMATTR_SHIFT = 2,
    S2_DEVICE_NGNRE = 0x1,
    S2_NORMAL_NC = 0x5,
    S2_NORMAL_WB = 0xf,
};
#define S2_READ (1ull << 6)
#define S2_WRITE (1ull << 7)
#define S2_RIGHTS (S2_READ | S2_WRITE | ENTRY_XN)

static uint64_t rights_bits(uint32_t rights)
{
    uint64_t bits = 0;

    if (rights & RIGHT_READ)
        bits |= S2_READ;
    if (rights & RIGHT_WRITE)
        bits |= S2_WRITE;
    if (!(rights & RIGHT_EXEC))
        bits |= ENTRY_XN;
    return bits;
}

static uint64_t memory_type(const struct slot *frame, uint32_t attributes)
{
    if (frame->flags & SLOT_DEVICE)
        return S2_DEVICE_NGNRE;
    return attributes & MAP_UNCACHED ? S2_NORMAL_NC : S2_NORMAL_WB;
}

enum status stage2_map(struct aspace *aspace, struct slot *frame, uint64_t at, uint32_t attributes)
{
    uint64_t leaf = frame->object | leaf_type(frame->size_bits) | ENTRY_ACCESSED | ENTRY_INNER_SHAREABLE |
                    memory_type(frame, attributes) << S2_MEMATTR_SHIFT | rights_bits(attributes);

    enum status status = table_insert(&aspace->tables, aspace->root, at, frame->size_bits, leaf);
    if (status == OK)
        mapping_link(frame, SLOT_MAPPED_AS, aspace, at);
    return status;
}

void stage2_unmap(struct aspace *aspace, const struct slot *frame)
{
    uint64_t emptied[TABLE_DEPTH];
    unsigned count = table_remove(aspace->root, frame->mapped_at, frame->size_bits, emptied);

    tlb_flush_ipa(aspace, frame->mapped_at, 1ull << frame->size_bits);
    while (count)
        table_free(&aspace->tables, emptied[--count]);
}

void stage2_protect(struct aspace *aspace, const struct slot *frame, uint32_t rights)
{
    uint64_t *leaf = table_leaf(aspace->root, frame->mapped_at, frame->size_bits);

    assert(leaf);
    __atomic_store_n(leaf, (*leaf & ~S2_RIGHTS) | rights_bits(rights), __ATOMIC_RELAXED);
    tlb_flush_ipa(aspace, frame->mapped_at, 1ull << frame->size_bits);
}

void stage2_clear(struct aspace *aspace)
{
    memory_zero((uint64_t)aspace->root, sizeof aspace->root);
    tlb_flush_vmid(aspace);
    table_pool_drop(&aspace->tables);
}
