/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * untyped.c - memory that may become objects
 *
 * An Untyped is a range of physical memory with a watermark: what is below `used` has been given out and
 * comes back, all at once, when the Untyped is revoked.  Objects are made zeroed, so nobody reads what
 * another left.
 *
 * Always true:  every object, Frame and smaller Untyped lies inside its parent Untyped, below the mark.
 * Locking:      kernel_lock.
 */
#include "kernel.h"
#include "sys.h"

enum { RETYPE_COUNT_MAX = 512, ZERO_STEP = 64 * 1024 };

struct layout {
    uint64_t bytes;
    uint64_t align;
};

/* The size and alignment of one object; bytes 0 if there is no such kind or size. */
static struct layout object_layout(uint32_t kind, uint64_t size)
{
    switch (kind) {
    case CAP_UNTYPED:
        if (size == 0 || size % PAGE_SIZE || size > 1ull << 40)
            break;
        return (struct layout){size, size >= 1ull << FRAME_2M ? 1ull << FRAME_2M : PAGE_SIZE};
    case CAP_FRAME:
        if (size != FRAME_4K && size != FRAME_2M && size != FRAME_1G)
            break;
        return (struct layout){1ull << size, 1ull << size};
    case CAP_CSPACE:
        if (size < 4 || size > 16)
            break;
        return (struct layout){sizeof(struct cspace) + (sizeof(struct slot) << size), 64};
    case CAP_ASPACE:
        return (struct layout){sizeof(struct aspace), PAGE_SIZE};
    case CAP_IOSPACE:
        return (struct layout){sizeof(struct iospace), PAGE_SIZE};
    case CAP_VCPU:
        return (struct layout){sizeof(struct vcpu), 64};
    case CAP_ENDPOINT:
        return (struct layout){sizeof(struct endpoint), 64};
    case CAP_NOTIFICATION:
        return (struct layout){sizeof(struct notification), 64};
    case CAP_SC:
        return (struct layout){sizeof(struct sc), 64};
    default:
        break;
    }
    return (struct layout){0, 0};
}

static void object_init(uint32_t kind, uint64_t size, uint64_t at)
{
    if (kind == CAP_CSPACE)
        ((struct cspace *)at)->slot_count = 1u << size;
    if (kind == CAP_SC)
        ((struct sc *)at)->entry = -1;
    if (kind != CAP_UNTYPED && kind != CAP_FRAME)
        object_header(kind, (void *)at)->kind = (uint8_t)kind;
}

/*
 * Zero [from, to) in steps; the progress stands in the Untyped, so that a restarted call goes on.  Between
 * two steps somebody else may ask for something else, which begins elsewhere or is smaller.
 */
static enum status zero_range(struct slot *untyped, uint64_t from, uint64_t to)
{
    if (untyped->zero_from != from) {
        untyped->zero_from = from;
        untyped->zeroed = 0;
    }
    while (untyped->zeroed < to - from) {
        uint64_t left = to - from - untyped->zeroed;
        uint64_t step = left < ZERO_STEP ? left : ZERO_STEP;

        memory_zero(from + untyped->zeroed, step);
        untyped->zeroed += step;
        if (untyped->zeroed < to - from && preempt_wanted())
            return RESTART;
    }
    untyped->zeroed = 0;
    return OK;
}

static bool slots_are_free(struct cspace *dest, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (dest->slots[first + i].kind != CAP_NONE)
            return false;
    return true;
}

static uint64_t align_up(uint64_t v, uint64_t align)
{
    return (v + align - 1) & ~(align - 1);
}

enum status sys_untyped_retype(struct slot *untyped, uint32_t kind, uint64_t size, uint32_t count,
                               struct cspace *dest, uint32_t first)
{
    struct layout layout = object_layout(kind, size);
    bool plain = kind == CAP_FRAME || kind == CAP_UNTYPED;

    if (!layout.bytes || count == 0 || count > RETYPE_COUNT_MAX)
        return ERR_ARG;
    if (first == 0 || first >= dest->slot_count || count > dest->slot_count - first)
        return ERR_ARG;
    if (!plain && !(untyped->rights & RIGHT_GRANT))
        return ERR_RIGHT;
    if ((untyped->flags & (SLOT_DEVICE | SLOT_BUNDLE)) && !plain)
        return ERR_ARG;
    if (!slots_are_free(dest, first, count))
        return ERR_FULL;
    enum status status = reap();
    if (status != OK)
        return status;

    uint64_t stride = align_up(layout.bytes, plain ? PAGE_SIZE : 64);
    uint64_t from = align_up(untyped->object + untyped->used, layout.align);
    uint64_t end = untyped->object + untyped->bytes;

    if (!plain && layout.align > 64)
        stride = align_up(stride, layout.align);
    if (from > end || stride > (end - from) / count)
        return ERR_MEM;
    uint64_t to = from + stride * count;

    if (kind != CAP_UNTYPED && !(untyped->flags & (SLOT_DEVICE | SLOT_BUNDLE))) {
        status = zero_range(untyped, from, to);
        if (status != OK)
            return status;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct slot *slot = &dest->slots[first + i];
        uint64_t at = from + stride * i;

        object_init(kind, size, at);
        *slot = (struct slot){
            .kind = (uint8_t)kind,
            .rights = plain ? untyped->rights : RIGHT_ALL,
            .flags = untyped->flags & (SLOT_DEVICE | SLOT_BUNDLE),
            .object = at,
        };
        if (kind == CAP_FRAME) {
            slot->size_bits = (uint8_t)size;
            slot->rights =
                (untyped->flags & SLOT_BUNDLE) ? RIGHT_READ : (RIGHT_READ | RIGHT_WRITE | RIGHT_EXEC);
        } else if (kind == CAP_UNTYPED) {
            slot->bytes = size;
        }
        slot_insert(slot, untyped);
    }
    untyped->used = to - untyped->object;
    return OK;
}

enum status sys_untyped_allow_objects(struct slot *untyped, struct control *control)
{
    (void)control; /* holding it is the right to */
    if (untyped->flags & (SLOT_DEVICE | SLOT_BUNDLE))
        return ERR_ARG;
    untyped->rights |= RIGHT_GRANT;
    return OK;
}

enum status sys_untyped_info(struct slot *untyped, uint64_t *out)
{
    out[0] = untyped->object;
    out[1] = untyped->bytes;
    out[2] = untyped->used;
    return OK;
}

enum status sys_frame_address(struct slot *frame, uint64_t *out)
{
    out[0] = frame->object;
    out[1] = frame->size_bits;
    return OK;
}
