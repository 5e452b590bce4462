/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slot.c - capabilities and their derivation tree
 *
 * A slot holds one capability.  What is derived from a capability (copies, badges, what was made from an
 * Untyped, what other objects keep of it) are its children, so revoking it is deleting its subtree.
 *
 * Always true:  a slot is in the tree exactly while its kind is not CAP_NONE; an object's `refs` is the
 *               number of slots that name it; a Frame is mapped exactly while its slot says so.
 * Locking:      kernel_lock.
 */
#include "kernel.h"

enum { PREEMPT_EVERY = 32 };

static void link_child(struct slot *parent, struct slot *slot)
{
    slot->parent = parent;
    slot->prev = NULL;
    slot->next = NULL;
    if (!parent)
        return;
    slot->next = parent->child;
    if (slot->next)
        slot->next->prev = slot;
    parent->child = slot;
}

static void unlink_slot(struct slot *slot)
{
    if (slot->prev)
        slot->prev->next = slot->next;
    else if (slot->parent)
        slot->parent->child = slot->next;
    if (slot->next)
        slot->next->prev = slot->prev;
    slot->next = slot->prev = NULL;
}

static bool counts_references(const struct slot *slot)
{
    return slot->kind != CAP_NONE && slot->kind != CAP_FRAME && slot->kind != CAP_UNTYPED;
}

struct object *object_header(enum cap_kind kind, void *object)
{
    return kind == CAP_VCPU ? &((struct vcpu *)object)->object : object;
}

void slot_insert(struct slot *slot, struct slot *parent)
{
    assert(slot->kind != CAP_NONE);
    slot->child = NULL;
    link_child(parent, slot);
    if (counts_references(slot))
        object_header(slot->kind, slot_object(slot))->refs++;
}

void slot_copy(struct slot *dest, struct slot *src, uint32_t rights, uint64_t badge)
{
    assert(dest->kind == CAP_NONE);
    *dest = (struct slot){
        .kind = src->kind,
        .rights = (uint8_t)(src->rights & rights),
        .size_bits = src->size_bits,
        .flags = src->flags & (SLOT_DEVICE | SLOT_BUNDLE),
        .object = src->object,
    };
    if (src->kind == CAP_ENDPOINT || src->kind == CAP_NOTIFICATION)
        dest->badge = badge;
    slot_insert(dest, src);
}

void slot_embed(struct slot *dest, struct slot *src, enum embed_role role, unsigned index)
{
    slot_copy(dest, src, RIGHT_ALL, src->badge);
    dest->flags |= SLOT_EMBEDDED;
    dest->role = (uint16_t)role;
    dest->index = (uint16_t)index;
}

/* The list of a space's mappings goes through the slots, so a moved one must be re-linked. */
static void move_mapping(struct slot *dest, struct slot *src)
{
    struct slot **head = (dest->flags & SLOT_MAPPED_AS) ? &((struct aspace *)dest->mapped_in)->mappings
                                                        : &((struct iospace *)dest->mapped_in)->mappings;

    if (*head == src)
        *head = dest;
    if (dest->map_prev)
        dest->map_prev->map_next = dest;
    if (dest->map_next)
        dest->map_next->map_prev = dest;
}

void slot_move(struct slot *dest, struct slot *src)
{
    assert(dest->kind == CAP_NONE && src->kind != CAP_NONE);
    *dest = *src;
    if (dest->prev)
        dest->prev->next = dest;
    else if (dest->parent)
        dest->parent->child = dest;
    if (dest->next)
        dest->next->prev = dest;
    /* Its children must name their new parent.  Those with many are refused by sys_cspace_move. */
    for (struct slot *child = dest->child; child; child = child->next)
        child->parent = dest;
    if (dest->kind == CAP_FRAME && (dest->flags & (SLOT_MAPPED_AS | SLOT_MAPPED_IO)))
        move_mapping(dest, src);
    *src = (struct slot){0};
}

static struct cspace *reap_list;

/* It goes behind the one being emptied, so that that one stays the first. */
static void cspace_condemn(struct cspace *cspace)
{
    struct cspace **link = reap_list ? &reap_list->reap_next : &reap_list;

    cspace->dying = true;
    cspace->reap_at = 0;
    cspace->reap_next = *link;
    *link = cspace;
}

enum status reap(void)
{
    unsigned steps = 0;

    while (reap_list) {
        struct cspace *cspace = reap_list;

        while (cspace->reap_at < cspace->slot_count) {
            enum status status = slot_delete(&cspace->slots[cspace->reap_at]);

            if (status != OK)
                return status;
            cspace->reap_at++;
            if (++steps % PREEMPT_EVERY == 0 && preempt_wanted())
                return RESTART;
        }
        reap_list = cspace->reap_next;
    }
    return OK;
}

static enum status destroy_object(struct slot *slot)
{
    void *object = slot_object(slot);

    switch ((enum cap_kind)(slot->kind & ~CAP_DYING)) {
    case CAP_CSPACE:
        cspace_condemn(object);
        return OK;
    case CAP_ASPACE:
        return aspace_destroy(object);
    case CAP_VCPU:
        return vcpu_destroy(object);
    case CAP_IOSPACE:
        return iospace_destroy(object);
    case CAP_ENDPOINT:
        return endpoint_destroy(object);
    case CAP_NOTIFICATION:
        notification_destroy(object);
        return OK;
    case CAP_SC:
        sc_destroy(object);
        return OK;
    case CAP_IRQ:
        irq_destroy(object);
        return OK;
    case CAP_NONE:
    case CAP_UNTYPED:
    case CAP_FRAME:
    case CAP_DISPATCHER: /* static objects of the kernel: never reused */
    case CAP_CONTROL:
    case CAP_LOG:
    case CAP_KIND_COUNT:
        break;
    }
    return OK;
}

/* Hand `slot`'s children to its parent: what was derived from it lives on, under who it came from. */
static enum status give_up_children(struct slot *slot)
{
    unsigned steps = 0;

    while (slot->child) {
        struct slot *child = slot->child;

        unlink_slot(child);
        link_child(slot->parent, child);
        if (++steps % PREEMPT_EVERY == 0 && preempt_wanted())
            return RESTART;
    }
    return OK;
}

enum status slot_delete(struct slot *slot)
{
    enum status status;

    if (slot->kind == CAP_NONE)
        return OK;
    if (slot->flags & SLOT_EMBEDDED) {
        status = embedded_gone(slot);
        if (status != OK)
            return status;
        if (slot->kind == CAP_NONE)
            return OK; /* a donation: its space has dropped all of them */
    }
    status = give_up_children(slot);
    if (status != OK)
        return status;
    if (slot->flags & SLOT_MAPPED_AS)
        aspace_unmap_slot(slot);
    if (slot->flags & SLOT_MAPPED_IO)
        iospace_unmap_slot(slot);
    if (counts_references(slot)) {
        struct object *object = object_header(slot->kind & ~CAP_DYING, slot_object(slot));

        if (object->refs == 1) {
            status = destroy_object(slot);
            if (status != OK) {
                slot->kind |= CAP_DYING; /* nobody may begin anything with what is half gone */
                return status;
            }
        }
        object->refs--;
    }
    unlink_slot(slot);
    *slot = (struct slot){0};
    return OK;
}

/*
 * From the top: a child that goes hands its own children up to here, where their turn comes.  So each is
 * moved at most once, and nobody has to walk down a chain of copies, which may be as long as memory allows.
 */
enum status slot_revoke(struct slot *slot)
{
    unsigned steps = 0;

    while (slot->child) {
        enum status status = slot_delete(slot->child);

        if (status != OK)
            return status;
        if (++steps % PREEMPT_EVERY == 0 && preempt_wanted())
            return RESTART;
    }
    enum status status = reap();
    if (status != OK)
        return status;
    if (slot->kind == CAP_UNTYPED)
        slot->used = slot->zeroed = 0;
    return OK;
}

struct slot *cspace_slot(struct cspace *cspace, uint64_t index)
{
    if (!cspace || index == 0 || index >= cspace->slot_count)
        return NULL;
    return &cspace->slots[index];
}
