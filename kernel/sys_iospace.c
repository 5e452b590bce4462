/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sys_iospace.c - the calls on IO spaces: judge, then act
 *
 * Locking:  kernel_lock.
 */
#include "dev/smmu.h"
#include "iospace.h"
#include "sys.h"
#include "table.h"

/* iospace_bind(iospace, control, stream): attach an IO space to a stream. */
enum status sys_iospace_bind(struct iospace *iospace, struct control *control, uint32_t stream)
{
    (void)control; /* holding it is the right to */
    if (stream >= SMMU_STREAMS)
        return ERR_ARG;
    if (iospace->bound || iospace->mappings)
        return ERR_STATE;
    if (smmu_stream_taken(stream))
        return ERR_EXIST;

    smmu_attach(iospace, stream);
    return OK;
}

/* iospace_donate(iospace, untyped, pages): memory for its tables. */
enum status sys_iospace_donate(struct iospace *iospace, struct slot *untyped, uint32_t pages)
{
    return table_donate(&iospace->tables, untyped, pages, EMBED_IOSPACE_DONATION);
}

/* Stage 1 has no write-only, and a device executes nothing. */
static enum status attributes_check(const struct slot *frame, uint32_t attributes)
{
    uint32_t rights = attributes & ~MAP_UNCACHED;

    if (rights != RIGHT_READ && rights != (RIGHT_READ | RIGHT_WRITE))
        return ERR_ARG;
    if (rights & ~(uint32_t)frame->rights)
        return ERR_RIGHT;
    return OK;
}

/* iospace_map(iospace, frame, iova, attributes): let the device reach a Frame. */
enum status sys_iospace_map(struct iospace *iospace, struct slot *frame, uint64_t iova, uint32_t attributes)
{
    enum status status = attributes_check(frame, attributes);

    if (status != OK)
        return status;
    if (iova >> ASPACE_IPA_BITS || iova & ((1ull << frame->size_bits) - 1))
        return ERR_ARG;
    if (mapping_stands(frame))
        return ERR_STATE;

    mapping_unlink(frame); /* an earlier one, whose tables went */
    return iospace_map(iospace, frame, iova, attributes);
}

/* iospace_unmap(frame): undo this capability's mapping. */
enum status sys_iospace_unmap(struct slot *frame)
{
    if (frame->flags & SLOT_MAPPED_AS)
        return ERR_STATE;
    if (frame->flags & SLOT_MAPPED_IO)
        iospace_unmap_slot(frame);
    return OK;
}

/* iospace_notify(iospace, notification): whom to tell of refused accesses, which are recorded again if there
 * had been too many. */
enum status sys_iospace_notify(struct iospace *iospace, struct slot *notification)
{
    enum status status = slot_delete(&iospace->notify_cap);

    if (status != OK)
        return status;
    slot_embed(&iospace->notify_cap, notification, EMBED_NOTIFY, 0);
    smmu_record_faults(iospace);
    return OK;
}

/* iospace_fault(iospace) -> count, address, reason: what was refused. */
enum status sys_iospace_fault(struct iospace *iospace, uint64_t *out)
{
    smmu_handle_events(); /* what the device was refused before it said "done" counts, whatever interrupt came
                             first */
    out[0] = iospace->fault_count;
    out[1] = iospace->fault_address;
    out[2] = iospace->fault_reason;
    return OK;
}
