/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sys_aspace.c - the calls on address spaces: judge, then act
 *
 * Locking:  kernel_lock.
 */
#include "aspace.h"
#include "stage2.h"
#include "sys.h"
#include "table.h"

#define MAP_RIGHTS ((uint32_t)(RIGHT_READ | RIGHT_WRITE | RIGHT_EXEC))

/* May this Frame be mapped with these rights? */
static enum status rights_check(const struct slot *frame, uint32_t rights)
{
    if (rights & ~MAP_RIGHTS)
        return ERR_ARG;
    if (rights & ~(uint32_t)frame->rights)
        return ERR_RIGHT;
    if ((frame->flags & SLOT_DEVICE) && (rights & RIGHT_EXEC))
        return ERR_ARG;
    return OK;
}

/* aspace_map(aspace, frame, ipa, attributes): map a Frame. */
enum status sys_aspace_map(struct aspace *aspace, struct slot *frame, uint64_t ipa, uint32_t attributes)
{
    enum status status = rights_check(frame, attributes & ~MAP_UNCACHED);

    if (status != OK)
        return status;
    if (ipa >> ASPACE_IPA_BITS || ipa & ((1ull << frame->size_bits) - 1))
        return ERR_ARG;
    if (mapping_stands(frame))
        return ERR_STATE;

    mapping_unlink(frame); /* an earlier one, whose tables went */
    return stage2_map(aspace, frame, ipa, attributes);
}

/* aspace_unmap(frame): undo this capability's mapping. */
enum status sys_aspace_unmap(struct slot *frame)
{
    if (frame->flags & SLOT_MAPPED_IO)
        return ERR_STATE;
    if (frame->flags & SLOT_MAPPED_AS)
        aspace_unmap_slot(frame);
    return OK;
}

/* aspace_protect(frame, attributes): change the rights of this capability's mapping. */
enum status sys_aspace_protect(struct slot *frame, uint32_t attributes)
{
    enum status status = rights_check(frame, attributes);

    if (status != OK)
        return status;
    if (!(frame->flags & SLOT_MAPPED_AS) || !mapping_stands(frame))
        return ERR_STATE;

    stage2_protect(frame->mapped_in, frame, attributes);
    return OK;
}

/* aspace_donate(aspace, untyped, pages): memory for translation tables. */
enum status sys_aspace_donate(struct aspace *aspace, struct slot *untyped, uint32_t pages)
{
    return table_donate(&aspace->tables, untyped, pages, EMBED_ASPACE_DONATION);
}

/* aspace_doorbell(aspace, ipa, value, notification): a guest's store signals. */
enum status sys_aspace_doorbell(struct aspace *aspace, uint64_t ipa, uint64_t value,
                                struct slot *notification)
{
    struct doorbell *doorbell = aspace_doorbell_unused(aspace);

    if (ipa >> ASPACE_IPA_BITS || ipa & 3 || (value > UINT32_MAX && value < DOORBELL_TAKES))
        return ERR_ARG;
    if (value == DOORBELL_TAKES && !(notification->rights & RIGHT_READ))
        return ERR_RIGHT;
    if (!doorbell || aspace_doorbell_clashes(aspace, ipa, value))
        return ERR_FULL;

    aspace_doorbell_set(aspace, doorbell, ipa, value, notification);
    return OK;
}

/* aspace_doorbell_clear(aspace, ipa, value): remove a doorbell. */
enum status sys_aspace_doorbell_clear(struct aspace *aspace, uint64_t ipa, uint64_t value)
{
    struct doorbell *doorbell = aspace_doorbell_at(aspace, ipa, value);

    if (!doorbell)
        return ERR_STATE;

    aspace_doorbell_clear(doorbell);
    return OK;
}
