/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sys_cspace.c - judge the calls that copy, move and delete capabilities
 *
 * Locking: kernel_lock.
 */
#include "kernel.h"
#include "sys.h"

enum { MOVE_CHILDREN_MAX = 256 };

/* An unused Untyped may be handed on with fewer rights: the copy takes all of its memory. */
static enum status mint_untyped(struct slot *dest, struct slot *src, uint32_t rights)
{
    if (src->used || src->child)
        return ERR_STATE;
    slot_copy(dest, src, rights, 0);
    dest->bytes = src->bytes;
    src->used = src->bytes;
    return OK;
}

static enum status find_both(struct cspace *src, uint32_t src_slot, struct cspace *dest, uint32_t dest_slot,
                             struct slot **from, struct slot **to)
{
    *from = cspace_slot(src, src_slot);
    *to = cspace_slot(dest, dest_slot);
    if (!*from || !slot_is_usable(*from))
        return ERR_CAP;
    if (!*to)
        return ERR_ARG;
    return (*to)->kind == CAP_NONE ? OK : ERR_FULL;
}

enum status sys_cspace_copy(struct cspace *src, uint32_t src_slot, struct cspace *dest, uint32_t dest_slot,
                            uint32_t rights)
{
    struct slot *from;
    struct slot *to;
    enum status status = find_both(src, src_slot, dest, dest_slot, &from, &to);

    if (status != OK)
        return status;
    if (from->kind == CAP_UNTYPED)
        return mint_untyped(to, from, rights);
    slot_copy(to, from, rights, from->badge);
    return OK;
}

enum status sys_cspace_mint(struct cspace *src, uint32_t src_slot, struct cspace *dest, uint32_t dest_slot,
                            uint32_t rights, uint64_t badge)
{
    struct slot *from;
    struct slot *to;
    enum status status = find_both(src, src_slot, dest, dest_slot, &from, &to);

    if (status != OK)
        return status;
    if (from->kind == CAP_UNTYPED)
        return mint_untyped(to, from, rights);
    if (from->kind != CAP_ENDPOINT && from->kind != CAP_NOTIFICATION)
        return ERR_ARG;
    if (from->badge)
        return ERR_STATE;
    slot_copy(to, from, rights, badge);
    return OK;
}

enum status sys_cspace_move(struct cspace *src, uint32_t src_slot, struct cspace *dest, uint32_t dest_slot)
{
    struct slot *from;
    struct slot *to;
    enum status status = find_both(src, src_slot, dest, dest_slot, &from, &to);
    unsigned children = 0;

    if (status != OK)
        return status;
    /* Each child is told of its new parent: bounded, as there is no point in the middle to stop at. */
    for (struct slot *child = from->child; child; child = child->next)
        if (++children > MOVE_CHILDREN_MAX)
            return ERR_STATE;
    slot_move(to, from);
    return OK;
}

enum status sys_cspace_delete(struct cspace *cspace, uint32_t slot)
{
    struct slot *victim = cspace_slot(cspace, slot);

    if (!victim)
        return ERR_ARG;
    enum status status = slot_delete(victim);
    return status == OK ? reap() : status;
}

enum status sys_cspace_revoke(struct cspace *cspace, uint32_t slot)
{
    struct slot *root = cspace_slot(cspace, slot);

    if (!root)
        return ERR_ARG;
    if (root->kind == CAP_NONE)
        return ERR_CAP;
    return slot_revoke(root);
}
