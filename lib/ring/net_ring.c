/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_ring.c - both ends of a packet lane; the layout and its rules are in net_ring.h
 *
 * Always true:  what decides memory safety (positions, free pages, the pages of each slot) is read from the
 * end's own struct, never from the page; the page only says that something new may be there.
 */
#include "net_ring.h"

#include "shared.h"

#define POOL_ALL ((UINT64_C(1) << NET_LANE_PAGES) - 1u)

static uint32_t slot_of(uint32_t position)
{
    return position % NET_LANE_SLOTS;
}

void net_ring_create(struct net_ring *ring, uint32_t generation)
{
    shared_store(&ring->magic, 0);
    ring->taken = 0;
    ring->put = 0;
    ring->consumer_wants_signal = 1;
    ring->producer_wants_signal = 0;
    __builtin_memset(ring->packets, 0, sizeof(ring->packets));
    ring->generation = generation;
    shared_store(&ring->magic, NET_RING_MAGIC);
}

bool net_ring_restarted(const struct net_ring *ring, uint32_t generation)
{
    return shared_load(&ring->generation) != generation;
}

/* ---- the producer ------------------------------------------------------------------------------- */

enum status net_producer_init(struct net_producer *p, struct net_ring *ring)
{
    if (shared_load(&ring->magic) != NET_RING_MAGIC)
        return ERR_ARG;

    *p = (struct net_producer){
        .ring = ring, .generation = shared_load(&ring->generation), .pool_free = POOL_ALL};
    return OK;
}

/* The pages of all that the consumer is done with are free again. */
static void collect(struct net_producer *p)
{
    uint32_t taken = shared_load(&p->ring->taken);

    if (taken - p->done > p->put - p->done)
        p->broken = true;
    if (p->broken)
        return;
    for (; p->done != taken; p->done++)
        p->pool_free |= p->slot_pages[slot_of(p->done)];
}

/* The compiler's own takes vector registers, and with them a switch of the vector unit's state
 * (lib/bh/string.c). */
static uint32_t bits_count(uint64_t word)
{
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (uint32_t)(word * 0x0101010101010101u >> 56);
}

static bool room_is_there(const struct net_producer *p, uint32_t pages)
{
    return !p->broken && p->put - p->done < NET_LANE_SLOTS && bits_count(p->pool_free) >= pages;
}

static uint64_t pages_mask(const struct net_descriptor *descriptor)
{
    uint64_t mask = 0;

    for (uint32_t i = 0; i < net_pages_count(descriptor->length); i++)
        mask |= UINT64_C(1) << descriptor->pages[i];
    return mask;
}

enum status net_ring_prepare(struct net_producer *p, uint32_t length, struct net_descriptor *descriptor)
{
    uint32_t pages = net_pages_count(length);

    if (length < NET_PACKET_BYTES_MIN || length > NET_PACKET_BYTES_MAX)
        return ERR_ARG;
    if (!room_is_there(p, pages)) {
        collect(p);
        if (!room_is_there(p, pages))
            return ERR_FULL;
    }

    descriptor->length = length;
    descriptor->offload = (struct net_offload){0};
    for (uint32_t i = 0; i < pages; i++) {
        descriptor->pages[i] = (uint8_t)__builtin_ctzll(p->pool_free);
        p->pool_free &= p->pool_free - 1u;
    }
    return OK;
}

void net_ring_cancel(struct net_producer *p, const struct net_descriptor *descriptor)
{
    p->pool_free |= pages_mask(descriptor);
}

void net_ring_put(struct net_producer *p, const struct net_descriptor *descriptor)
{
    struct net_descriptor *shared = &p->ring->packets[slot_of(p->put)];

    shared->length = descriptor->length;
    shared->offload = descriptor->offload;
    for (uint32_t i = 0; i < net_pages_count(descriptor->length); i++)
        shared->pages[i] = descriptor->pages[i];
    p->slot_pages[slot_of(p->put)] = pages_mask(descriptor);
    p->put++;
    shared_store(&p->ring->put, p->put);
}

bool net_producer_must_signal(const struct net_producer *p)
{
    shared_barrier();
    return shared_load(&p->ring->consumer_wants_signal) != 0;
}

void net_producer_awake(struct net_producer *p)
{
    shared_store(&p->ring->producer_wants_signal, 0);
}

bool net_producer_may_sleep(struct net_producer *p, uint32_t pages)
{
    shared_store(&p->ring->producer_wants_signal, 1);
    shared_barrier();
    collect(p);
    return !room_is_there(p, pages);
}

/* ---- the consumer ------------------------------------------------------------------------------- */

enum status net_consumer_init(struct net_consumer *c, struct net_ring *ring)
{
    if (shared_load(&ring->magic) != NET_RING_MAGIC)
        return ERR_ARG;

    *c = (struct net_consumer){.ring = ring, .generation = shared_load(&ring->generation)};
    return OK;
}

static bool pages_are_good(const struct net_descriptor *d)
{
    uint64_t seen = 0;

    for (uint32_t i = 0; i < net_pages_count(d->length); i++) {
        if (d->pages[i] >= NET_LANE_PAGES || seen >> d->pages[i] & 1u)
            return false;
        seen |= UINT64_C(1) << d->pages[i];
    }
    return true;
}

static bool gso_is_good(const struct net_descriptor *d)
{
    const struct net_offload *o = &d->offload;

    return (o->flags & NET_NEEDS_CHECKSUM) && (o->gso == NET_GSO_TCP4 || o->gso == NET_GSO_TCP6) &&
           o->header_bytes > 0 && o->header_bytes <= d->length && o->segment_bytes > 0;
}

/* What says nothing is zero in the copy, so that nobody goes by it. */
static bool offload_is_good(struct net_descriptor *d)
{
    struct net_offload *o = &d->offload;

    if (o->flags & ~(NET_NEEDS_CHECKSUM | NET_CHECKSUM_GOOD))
        return false;
    if (!(o->flags & NET_NEEDS_CHECKSUM))
        o->csum_start = o->csum_offset = 0;
    else if ((uint32_t)o->csum_start + o->csum_offset + 2u > d->length)
        return false;
    if (o->gso == NET_GSO_NONE) {
        o->header_bytes = o->segment_bytes = 0;
        return true;
    }
    return gso_is_good(d);
}

static bool descriptor_is_good(struct net_descriptor *d)
{
    return d->length >= NET_PACKET_BYTES_MIN && d->length <= NET_PACKET_BYTES_MAX && pages_are_good(d) &&
           offload_is_good(d);
}

bool net_ring_take(struct net_consumer *c, struct net_descriptor *descriptor, uint32_t *bad)
{
    uint32_t put = shared_load(&c->ring->put);

    if (put - c->take > NET_LANE_SLOTS)
        c->broken = true;
    while (!c->broken && c->take != put) {
        shared_copy_out(descriptor, &c->ring->packets[slot_of(c->take++)], sizeof(*descriptor));
        if (descriptor_is_good(descriptor))
            return true;
        ++*bad;
    }
    return false;
}

void net_ring_put_back(struct net_consumer *c)
{
    c->take--;
}

void net_ring_done(struct net_consumer *c)
{
    shared_store(&c->ring->taken, c->take);
}

bool net_consumer_must_signal(const struct net_consumer *c)
{
    shared_barrier();
    return shared_load(&c->ring->producer_wants_signal) != 0;
}

void net_consumer_awake(struct net_consumer *c)
{
    shared_store(&c->ring->consumer_wants_signal, 0);
}

bool net_consumer_may_sleep(struct net_consumer *c)
{
    shared_store(&c->ring->consumer_wants_signal, 1);
    shared_barrier();
    return c->broken || shared_load(&c->ring->put) == c->take;
}
