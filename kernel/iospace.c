/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iospace.c - the memory that one device may reach
 *
 * Tables as an address space has them (table.c), with leaves in the format of stage 1, because that is what
 * every SMMUv3 has.  A device never executes.
 *
 * Always true:  when a function here returns, the device reaches what the tables say and nothing else, and
 *               accesses under way to what was taken from it have ended.
 * Locking:      kernel_lock.
 */
#include "iospace.h"

#include "dev/smmu.h"
#include "table.h"

enum { FORGET_EVERY = 32 };

/* Stage-1 leaf attributes: DDI 0487, D8.3.2. */
#define S1_INDEX_SHIFT 2
#define S1_UNPRIVILEGED (1ull << 6)
#define S1_READ_ONLY (1ull << 7)
#define S1_NOT_GLOBAL (1ull << 11)
#define S1_PXN (1ull << 53)

static uint64_t memory_index(const struct slot *frame, uint32_t attributes)
{
    if (frame->flags & SLOT_DEVICE)
        return SMMU_DEVICE_NGNRE;
    return attributes & MAP_UNCACHED ? SMMU_NORMAL_NC : SMMU_NORMAL_WB;
}

enum status iospace_map(struct iospace *iospace, struct slot *frame, uint64_t iova, uint32_t attributes)
{
    uint64_t leaf = frame->object | leaf_type(frame->size_bits) |
                    memory_index(frame, attributes) << S1_INDEX_SHIFT | S1_UNPRIVILEGED |
                    ENTRY_INNER_SHAREABLE | ENTRY_ACCESSED | S1_NOT_GLOBAL | S1_PXN | ENTRY_XN;

    if (!(attributes & RIGHT_WRITE))
        leaf |= S1_READ_ONLY;

    enum status status = table_insert(&iospace->tables, iospace->root, iova, frame->size_bits, leaf);
    if (status == OK)
        mapping_link(frame, SLOT_MAPPED_IO, iospace, iova);
    return status;
}

void iospace_unmap_slot(struct slot *frame)
{
    struct iospace *iospace = frame->mapped_in;
    uint64_t emptied[TABLE_DEPTH];

    if (mapping_stands(frame)) {
        unsigned count = table_remove(iospace->root, frame->mapped_at, frame->size_bits, emptied);

        smmu_flush_iova(iospace, frame->mapped_at);
        while (count)
            table_free(&iospace->tables, emptied[--count]);
    }
    mapping_unlink(frame);
}

/* The device reaches nothing any more, and all table memory goes back. */
static void iospace_clear(struct iospace *iospace)
{
    memory_zero((uint64_t)iospace->root, sizeof iospace->root);
    smmu_flush_iospace(iospace);
    table_pool_drop(&iospace->tables);
}

enum status iospace_donation_gone(struct slot *donation)
{
    struct slot *first = donation - donation->index;

    iospace_clear((struct iospace *)((char *)first - offsetof(struct iospace, tables.donations)));
    return OK;
}

/* As aspace_destroy: first nothing can be reached, in bounded time; then the Frames forget it, in steps. */
enum status iospace_destroy(struct iospace *iospace)
{
    unsigned steps = 0;

    if (!iospace->dying) {
        iospace->dying = true;
        smmu_detach(iospace);
        iospace_clear(iospace);
        enum status status = slot_delete(&iospace->notify_cap);
        assert(status == OK); /* a Notification goes without a preemption point */
    }
    while (iospace->mappings) {
        mapping_unlink(iospace->mappings);
        if (++steps % FORGET_EVERY == 0 && iospace->mappings && preempt_wanted())
            return RESTART;
    }
    return OK;
}
