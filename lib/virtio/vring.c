/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vring.c - the device's side of a split virtqueue: judge what a guest put there, give it back when done
 *
 * See vring.h for what is always true.  Numbers in rings are little-endian, as everything we run on is.
 */
#include "vring.h"

#include <string.h>

/* Shared words are read and written whole and once: the guest writes them on another pCPU meanwhile. */
static uint16_t shared_load(const uint8_t *at)
{
    return __atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_ACQUIRE);
}

static void shared_store(uint8_t *at, uint16_t value)
{
    __atomic_store_n((uint16_t *)(void *)at, value, __ATOMIC_RELEASE);
}

static uint8_t *avail_index_at(const struct vring *ring)
{
    return ring->avail + 2;
}

static uint8_t *used_event_at(const struct vring *ring)
{
    return ring->avail + 4 + 2 * (size_t)ring->size;
}

static uint8_t *used_index_at(const struct vring *ring)
{
    return ring->used + 2;
}

static uint8_t *avail_event_at(const struct vring *ring)
{
    return ring->used + 4 + 8 * (size_t)ring->size;
}

enum status vring_start(struct vring *ring, const struct guest_ram *ram, uint32_t size_max)
{
    uint32_t size = ring->size;

    if (size == 0 || size > size_max || size > VRING_SIZE_MAX || (size & (size - 1)) != 0)
        return ERR_ARG;
    if (ring->descriptor_address % 16 != 0 || ring->avail_address % 2 != 0 || ring->used_address % 4 != 0)
        return ERR_ARG;

    uint8_t *descriptors = guest_ram_at(ram, ring->descriptor_address, 16 * (uint64_t)size);
    uint8_t *avail = guest_ram_at(ram, ring->avail_address, 6 + 2 * (uint64_t)size);
    uint8_t *used = guest_ram_at(ram, ring->used_address, 6 + 8 * (uint64_t)size);

    if (!descriptors || !avail || !used)
        return ERR_ARG;

    ring->ram = ram;
    ring->descriptors = descriptors;
    ring->avail = avail;
    ring->used = used;
    ring->avail_taken = 0;
    ring->used_index = 0;
    ring->used_told = 0;
    ring->is_broken = false;
    ring->is_started = true;
    return OK;
}

void vring_reset(struct vring *ring)
{
    memset(ring, 0, sizeof *ring);
}

/* One descriptor, copied; the guest may rewrite the original from here on. */
static struct vring_descriptor descriptor_copy(const uint8_t *table, uint32_t index)
{
    const volatile uint64_t *from =
        (const volatile uint64_t *)(const volatile void *)(table + 16 * (size_t)index);
    uint64_t low = from[0];
    uint64_t high = from[1];

    return (struct vring_descriptor){
        .address = low,
        .length = (uint32_t)high,
        .flags = (uint16_t)(high >> 32),
        .next = (uint16_t)(high >> 48),
    };
}

/* What a walk has found so far: segments, how many of them are writable, and the bytes of each kind. */
struct tally {
    uint32_t count, writable_count;
    uint32_t readable_bytes, writable_bytes;
};

/* Add one buffer to the chain, or say what is wrong with it. */
static inline enum status chain_add(struct vring_chain *chain, struct tally *t, const struct guest_ram *ram,
                                    const struct vring_descriptor *d)
{
    bool is_writable = (d->flags & VRING_WRITE) != 0;
    uint32_t bytes = is_writable ? t->writable_bytes : t->readable_bytes;

    if (t->count == VRING_SEGMENTS_MAX || d->length == 0 || d->length > VRING_BYTES_MAX - bytes)
        return ERR_ARG;
    if (!is_writable && t->writable_count != 0)
        return ERR_ARG; /* 2.6.4.2: the readable ones come first */

    uint8_t *data = guest_ram_at(ram, d->address, d->length);

    if (!data)
        return ERR_ARG;
    chain->segments[t->count++] = (struct vring_segment){data, d->length};
    if (is_writable) {
        t->writable_count++;
        t->writable_bytes += d->length;
    } else {
        t->readable_bytes += d->length;
    }
    return OK;
}

/* A table of descriptors to walk: the ring's own, or one that an indirect descriptor names. */
struct table {
    const uint8_t *at;
    uint32_t count;
};

/* 2.6.5.3: an indirect table is the whole rest of its chain, and has no indirect descriptors itself. */
static enum status table_enter(const struct vring *ring, const struct vring_descriptor *d, bool is_nested,
                               struct table *table)
{
    if (!ring->has_indirect || is_nested || (d->flags & (VRING_NEXT | VRING_WRITE)) != 0)
        return ERR_ARG;
    if (d->address % 8 != 0 || d->length == 0 || d->length % 16 != 0 || d->length / 16 > VRING_SIZE_MAX)
        return ERR_ARG;
    table->at = guest_ram_at(ring->ram, d->address, d->length);
    table->count = d->length / 16;
    return table->at ? OK : ERR_ARG;
}

/* Follow one chain from its head.  `left` bounds the walk: a chain longer than its table has a loop. */
static enum status chain_walk(const struct vring *ring, uint32_t head, struct vring_chain *chain)
{
    struct table table = {ring->descriptors, ring->size};
    struct tally tally = {0};
    uint32_t left = table.count;
    uint32_t index = head;
    bool is_nested = false;

    for (;;) {
        if (index >= table.count || left-- == 0)
            return ERR_ARG;
        struct vring_descriptor d = descriptor_copy(table.at, index);

        if ((d.flags & VRING_INDIRECT) != 0) {
            if (table_enter(ring, &d, is_nested, &table) != OK)
                return ERR_ARG;
            is_nested = true;
            left = table.count;
            index = 0;
            continue;
        }
        if (chain_add(chain, &tally, ring->ram, &d) != OK)
            return ERR_ARG;
        if ((d.flags & VRING_NEXT) == 0)
            break;
        index = d.next;
    }
    chain->readable_count = tally.count - tally.writable_count;
    chain->writable_count = tally.writable_count;
    chain->readable_bytes = tally.readable_bytes;
    chain->writable_bytes = tally.writable_bytes;
    return OK;
}

static bool ring_is_usable(const struct vring *ring)
{
    return ring->is_started && !ring->is_broken;
}

enum status vring_take(struct vring *ring, struct vring_chain *chain, bool *found)
{
    *found = false;
    if (!ring_is_usable(ring))
        return OK;

    uint16_t made = (uint16_t)(shared_load(avail_index_at(ring)) - ring->avail_taken);

    if (made == 0)
        return OK;
    if (made > ring->size) {
        ring->is_broken = true;
        return ERR_ARG;
    }

    uint32_t place = ring->avail_taken & (ring->size - 1);
    uint32_t head = shared_load(ring->avail + 4 + 2 * (size_t)place);

    chain->head = head;
    if (chain_walk(ring, head, chain) != OK) {
        ring->is_broken = true;
        return ERR_ARG;
    }
    ring->avail_taken++;
    *found = true;
    return OK;
}

void vring_give_all(struct vring *ring, const struct vring_used_element *given, uint32_t count)
{
    if (!ring_is_usable(ring))
        return;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = ring->used_index & (ring->size - 1);

        memcpy(ring->used + 4 + sizeof given[i] * place, &given[i], sizeof given[i]);
        ring->used_index++;
    }
    shared_store(used_index_at(ring), ring->used_index); /* releases the elements and the data before them */
}

void vring_give(struct vring *ring, uint32_t head, uint32_t written_bytes)
{
    struct vring_used_element element = {head, written_bytes};

    vring_give_all(ring, &element, 1);
}

void vring_take_back(struct vring *ring, uint32_t count)
{
    ring->avail_taken = (uint16_t)(ring->avail_taken - count);
}

/* 2.6.7.2: does the driver want to hear that the used index is this one? */
static bool driver_waits_for(const struct vring *ring, uint16_t used_index)
{
    if (!ring->has_event_index)
        return (shared_load(ring->avail) & VRING_AVAIL_NO_INTERRUPT) == 0;

    uint16_t event = shared_load(used_event_at(ring));

    return (uint16_t)(used_index - event - 1) < (uint16_t)(used_index - ring->used_told);
}

bool vring_must_interrupt(struct vring *ring)
{
    if (!ring_is_usable(ring) || ring->used_index == ring->used_told)
        return false;
    /* Our used index must be visible before we read what the driver waits for: else it may go to sleep on the
     * old index while we see its old wish. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);

    bool must = driver_waits_for(ring, ring->used_index);

    ring->used_told = ring->used_index;
    return must;
}

bool vring_would_interrupt(const struct vring *ring, uint32_t count)
{
    return ring_is_usable(ring) && driver_waits_for(ring, (uint16_t)(ring->used_index + count));
}

bool vring_want_kick(struct vring *ring)
{
    if (!ring_is_usable(ring))
        return false;
    if (ring->has_event_index)
        shared_store(avail_event_at(ring), ring->avail_taken);
    else
        shared_store(ring->used, 0);
    /* Either the driver sees this wish, or we see its chain now. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return shared_load(avail_index_at(ring)) != ring->avail_taken;
}

void vring_want_no_kick(struct vring *ring)
{
    /* With the event index the wish is void as soon as the driver has passed it. */
    if (ring_is_usable(ring) && !ring->has_event_index)
        shared_store(ring->used, VRING_USED_NO_NOTIFY);
}

void vring_write_last(const struct vring_chain *chain, uint8_t value)
{
    const struct vring_segment *s = &chain->segments[chain->readable_count + chain->writable_count - 1];

    s->data[s->bytes - 1] = value;
}

void vring_copy_from(const struct vring_chain *chain, uint32_t offset, void *to, uint32_t bytes)
{
    uint8_t *out = to;

    for (uint32_t i = 0; i < chain->readable_count && bytes != 0; i++) {
        const struct vring_segment *s = &chain->segments[i];

        if (offset >= s->bytes) {
            offset -= s->bytes;
            continue;
        }
        uint32_t part = s->bytes - offset < bytes ? s->bytes - offset : bytes;

        memcpy(out, s->data + offset, part);
        out += part;
        bytes -= part;
        offset = 0;
    }
}

void vring_copy_to(const struct vring_chain *chain, uint32_t offset, const void *from, uint32_t bytes)
{
    const uint8_t *in = from;

    for (uint32_t i = 0; i < chain->writable_count && bytes != 0; i++) {
        const struct vring_segment *s = &chain->segments[chain->readable_count + i];

        if (offset >= s->bytes) {
            offset -= s->bytes;
            continue;
        }
        uint32_t part = s->bytes - offset < bytes ? s->bytes - offset : bytes;

        memcpy(s->data + offset, in, part);
        in += part;
        bytes -= part;
        offset = 0;
    }
}
