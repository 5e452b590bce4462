/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blk_ring.c - both ends of the block ring; the layout and its rules are in blk_ring.h
 *
 * Always true:  what decides memory safety (positions, slots started or outstanding) is read from the end's
 * own struct, never from the page; the page only says that something new may be there.
 */
#include "blk_ring.h"

#include "shared.h"

static uint32_t slot_of(uint32_t position)
{
    return position % BLK_RING_SLOTS;
}

static uint64_t done_word(uint32_t position, enum status status)
{
    return (uint64_t)status << 32 | position;
}

static bool slot_is_done(const struct blk_ring *ring, uint32_t position)
{
    return (uint32_t)__atomic_load_n(&ring->done[slot_of(position)], __ATOMIC_ACQUIRE) == position;
}

/* ---- the front end -------------------------------------------------------------------------- */

enum status blk_front_init(struct blk_front *front, struct blk_ring *ring)
{
    if (shared_load(&ring->magic) != BLK_RING_MAGIC)
        return ERR_ARG;

    *front = (struct blk_front){.ring = ring,
                                .put = shared_load(&ring->put),
                                .generation = shared_load(&ring->generation),
                                .pool_free = (UINT64_C(1) << BLK_POOL_PAGES) - 1u,
                                .pool_free_count = BLK_POOL_PAGES};
    shared_store(&ring->front_wants_signal, 1);
    return OK;
}

enum status blk_pool_take(struct blk_front *front, uint32_t count, uint8_t *pages)
{
    if (count > front->pool_free_count)
        return ERR_FULL;

    front->pool_free_count -= count;
    for (uint32_t i = 0; i < count; i++) {
        pages[i] = (uint8_t)__builtin_ctzll(front->pool_free);
        front->pool_free &= front->pool_free - 1u;
    }
    return OK;
}

void blk_pool_put(struct blk_front *front, uint32_t count, const uint8_t *pages)
{
    front->pool_free_count += count;
    for (uint32_t i = 0; i < count; i++)
        front->pool_free |= UINT64_C(1) << pages[i] % BLK_POOL_PAGES;
}

enum status blk_ring_put_request(struct blk_front *front, const struct blk_request *request, uint64_t tag)
{
    uint32_t slot = slot_of(front->put);

    if (front->outstanding & 1u << slot)
        return ERR_FULL;

    front->ring->requests[slot].request = *request;
    front->positions[slot] = front->put;
    front->tags[slot] = tag;
    front->outstanding |= 1u << slot;
    front->put++;
    shared_store(&front->ring->put, front->put);
    return OK;
}

bool blk_front_must_signal(const struct blk_front *front)
{
    shared_barrier();
    return shared_load(&front->ring->back_wants_signal) != 0;
}

bool blk_ring_take_completion(struct blk_front *front, uint64_t *tag, enum status *status)
{
    for (uint32_t left = front->outstanding; left != 0; left &= left - 1u) {
        uint32_t slot = (uint32_t)__builtin_ctz(left);
        uint64_t word = __atomic_load_n(&front->ring->done[slot], __ATOMIC_ACQUIRE);

        if ((uint32_t)word != front->positions[slot])
            continue;

        uint32_t said = (uint32_t)(word >> 32);
        *status = said == OK ? OK : said == ERR_ARG || said == ERR_RIGHT ? ERR_ARG : ERR_IO;
        *tag = front->tags[slot];
        front->outstanding &= ~(1u << slot);
        return true;
    }
    return false;
}

void blk_front_awake(struct blk_front *front)
{
    shared_store(&front->ring->front_wants_signal, 0);
}

bool blk_front_may_sleep(struct blk_front *front)
{
    shared_store(&front->ring->front_wants_signal, 1);
    shared_barrier();
    for (uint32_t left = front->outstanding; left != 0; left &= left - 1u)
        if (slot_is_done(front->ring, front->positions[__builtin_ctz(left)]))
            return false;
    return true;
}

bool blk_front_restarted(struct blk_front *front)
{
    uint32_t generation = shared_load(&front->ring->generation);

    if (generation == front->generation)
        return false;
    front->generation = generation;
    return true;
}

/* ---- the back end --------------------------------------------------------------------------- */

void blk_ring_create(struct blk_ring *ring)
{
    /* Each slot looks as if the request one lap before position 0.. had been answered. */
    for (uint32_t slot = 0; slot < BLK_RING_SLOTS; slot++)
        ring->done[slot] = done_word(slot - BLK_RING_SLOTS, OK);
    ring->put = 0;
    ring->back_wants_signal = 1;
    ring->front_wants_signal = 1;
    shared_store(&ring->magic, BLK_RING_MAGIC);
}

void blk_back_start(struct blk_back *back, struct blk_ring *ring, uint32_t generation)
{
    uint32_t put = shared_load(&ring->put);
    uint32_t take = put - BLK_RING_SLOTS;

    /* The oldest unanswered request bounds how far the front end can have gone: start exactly there. */
    while (take != put && slot_is_done(ring, take))
        take++;
    *back = (struct blk_back){.ring = ring, .take = take};
    shared_store(&ring->generation, generation);
}

void blk_back_end(struct blk_back *back)
{
    shared_store(&back->ring->generation, ~shared_load(&back->ring->generation));
}

bool blk_ring_take_request(struct blk_back *back, struct blk_request *copy, uint32_t *position)
{
    uint32_t put = shared_load(&back->ring->put);

    if (put - back->take > BLK_RING_SLOTS)
        back->broken = true;

    while (!back->broken && back->take != put) {
        uint32_t p = back->take;
        uint32_t bit = 1u << slot_of(p);

        if (back->started & bit) { /* its slot still holds a request that we have not answered */
            back->broken = true;
            break;
        }
        back->take++;
        if (slot_is_done(back->ring, p)) /* answered in an earlier life */
            continue;
        shared_copy_out(copy, &back->ring->requests[slot_of(p)], sizeof(*copy));
        back->started |= bit;
        *position = p;
        return true;
    }
    return false;
}

static enum status data_check(const struct blk_request *request, const struct blk_limits *limits)
{
    if (request->count == 0 || request->count > BLK_MAX_SECTORS)
        return ERR_ARG;
    if (request->sector > limits->sectors || request->count > limits->sectors - request->sector)
        return ERR_ARG;
    if (request->sector % limits->align_sectors != 0 || request->count % limits->align_sectors != 0)
        return ERR_ARG;

    for (uint32_t i = 0; i < blk_pages_count(request->count); i++)
        if (request->pages[i] >= BLK_POOL_PAGES)
            return ERR_ARG;
    return OK;
}

enum status blk_request_check(const struct blk_request *request, const struct blk_limits *limits)
{
    switch (request->op) {
    case BLK_READ:
        return data_check(request, limits);
    case BLK_WRITE:
    case BLK_WRITE_FUA:
        return limits->writable ? data_check(request, limits) : ERR_RIGHT;
    case BLK_FLUSH:
        return request->count == 0 ? OK : ERR_ARG;
    default:
        return ERR_ARG;
    }
}

void blk_ring_put_completion(struct blk_back *back, uint32_t position, enum status status)
{
    uint32_t slot = slot_of(position);

    back->started &= ~(1u << slot);
    __atomic_store_n(&back->ring->done[slot], done_word(position, status), __ATOMIC_RELEASE);
}

bool blk_back_must_signal(const struct blk_back *back)
{
    shared_barrier();
    return shared_load(&back->ring->front_wants_signal) != 0;
}

void blk_back_awake(struct blk_back *back)
{
    shared_store(&back->ring->back_wants_signal, 0);
}

bool blk_back_may_sleep(struct blk_back *back)
{
    shared_store(&back->ring->back_wants_signal, 1);
    shared_barrier();
    return back->broken || shared_load(&back->ring->put) == back->take;
}
