/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vballoon.c - queues of the virtio memory balloon: 0 gives pages to us, 1 takes them back (5.5.2)
 *
 * A request is an array of page numbers, 32 bits each (5.5.6): the guest-physical address by 4096.
 */
#include "vballoon.h"

#include <string.h>

enum { QUEUE_INFLATE = 0, QUEUE_DEFLATE = 1 };
enum { CONFIG_NUM_PAGES = 0, CONFIG_ACTUAL = 4, CONFIG_BYTES = 8 }; /* 5.5.4 */
#define F_MUST_TELL_HOST (1ull << 0)
#define PIECE 64u /* page numbers at a time */

struct place {
    uint32_t block, page;
};

/* Of a page number that the guest said; false: it has no such page. */
static bool place_find(const struct vballoon *balloon, uint32_t number, struct place *place)
{
    uint64_t first = balloon->virtio.ram->base / VBALLOON_PAGE_BYTES;

    if (number < first || (number - first) / VBALLOON_BLOCK_PAGES >= balloon->block_count)
        return false;
    place->block = (uint32_t)((number - first) / VBALLOON_BLOCK_PAGES);
    place->page = (uint32_t)((number - first) % VBALLOON_BLOCK_PAGES);
    return true;
}

static bool block_is_gone(const struct vballoon *balloon, uint32_t block)
{
    return (balloon->gone[block / 64] >> block % 64 & 1) != 0;
}

static void page_give(struct vballoon *balloon, const struct place *at)
{
    struct vballoon_block *block = &balloon->blocks[at->block];
    uint64_t *word = &block->pages[at->page / 64], bit = 1ull << at->page % 64;

    if ((*word & bit) != 0)
        return;
    *word |= bit;
    balloon->page_count++;
    balloon->full_count += ++block->page_count == VBALLOON_BLOCK_PAGES;
}

static void page_take(struct vballoon *balloon, const struct place *at)
{
    struct vballoon_block *block = &balloon->blocks[at->block];
    uint64_t *word = &block->pages[at->page / 64], bit = 1ull << at->page % 64;

    if ((*word & bit) == 0)
        return;
    *word &= ~bit;
    balloon->page_count--;
    balloon->full_count -= block->page_count-- == VBALLOON_BLOCK_PAGES;
}

/* Numbers of a request from `done` bytes on, copied; returns how many: 0 at its end. */
static uint32_t numbers_copy(const struct vring_chain *chain, uint32_t done, uint32_t numbers[PIECE])
{
    uint32_t count = (chain->readable_bytes - done) / sizeof numbers[0];

    if (count > PIECE)
        count = PIECE;
    vring_copy_from(chain, done, numbers, count * (uint32_t)sizeof numbers[0]);
    return count;
}

static void give_all(struct vballoon *balloon, const struct vring_chain *chain)
{
    uint32_t numbers[PIECE], done = 0, count;

    while ((count = numbers_copy(chain, done, numbers)) != 0) {
        for (uint32_t i = 0; i < count; i++) {
            struct place at;

            if (place_find(balloon, numbers[i], &at))
                page_give(balloon, &at);
        }
        done += count * (uint32_t)sizeof numbers[0];
    }
}

/* False: a block that is gone must come back first. */
static bool take_rest(struct vballoon *balloon)
{
    uint32_t numbers[PIECE], count;

    while ((count = numbers_copy(&balloon->taking, balloon->taken_bytes, numbers)) != 0) {
        for (uint32_t i = 0; i < count; i++) {
            struct place at;

            if (place_find(balloon, numbers[i], &at)) {
                if (block_is_gone(balloon, at.block)) {
                    balloon->needed = at.block;
                    return false;
                }
                page_take(balloon, &at);
            }
            balloon->taken_bytes += (uint32_t)sizeof numbers[0];
        }
    }
    return true;
}

/* The next request of a queue; false: there is none. */
static bool request_take(struct virtio_mmio *v, uint32_t queue, struct vring_chain *chain)
{
    bool found = false;

    while (virtio_mmio_is_live(v) && !found) {
        if (vring_take(&v->queues[queue], chain, &found) != OK)
            virtio_mmio_break(v);
        else if (!found && !vring_want_kick(&v->queues[queue]))
            return false;
    }
    return found;
}

static void inflate_pump(struct vballoon *balloon)
{
    struct virtio_mmio *v = &balloon->virtio;
    struct vring_chain chain;

    while (request_take(v, QUEUE_INFLATE, &chain)) {
        give_all(balloon, &chain);
        vring_give(&v->queues[QUEUE_INFLATE], chain.head, 0);
    }
    virtio_mmio_used(v, QUEUE_INFLATE);
}

static void deflate_pump(struct vballoon *balloon)
{
    struct virtio_mmio *v = &balloon->virtio;

    while (virtio_mmio_is_live(v)) {
        if (!balloon->is_taking) {
            if (!request_take(v, QUEUE_DEFLATE, &balloon->taking))
                break;
            balloon->is_taking = true;
            balloon->taken_bytes = 0;
        }
        if (!take_rest(balloon))
            break;
        balloon->is_taking = false;
        vring_give(&v->queues[QUEUE_DEFLATE], balloon->taking.head, 0);
    }
    virtio_mmio_used(v, QUEUE_DEFLATE);
}

static void on_kick(struct virtio_mmio *v, uint32_t queue)
{
    struct vballoon *balloon = v->device;

    if (queue == QUEUE_INFLATE)
        inflate_pump(balloon);
    else
        deflate_pump(balloon);
    balloon->changed(balloon->changed_context);
}

static void on_ready(struct virtio_mmio *v)
{
    struct vballoon *balloon = v->device;

    balloon->changed(balloon->changed_context);
}

/* What it gave stays given: the driver did not say that it takes it back. */
static void on_reset(struct virtio_mmio *v)
{
    struct vballoon *balloon = v->device;

    balloon->is_taking = false;
    memset(v->config + CONFIG_ACTUAL, 0, CONFIG_BYTES - CONFIG_ACTUAL);
    balloon->changed(balloon->changed_context);
}

static const struct virtio_kind vballoon_kind = {
    .id = VIRTIO_ID_BALLOON,
    .queue_count = 2,
    .queue_size_max = VBALLOON_QUEUE_MAX,
    .ready = on_ready,
    .kick = on_kick,
    .reset = on_reset,
};

void vballoon_init(struct vballoon *balloon)
{
    struct virtio_mmio *v = &balloon->virtio;

    v->kind = &vballoon_kind;
    v->device = balloon;
    v->features = F_MUST_TELL_HOST | VIRTIO_F_INDIRECT_DESC;
    v->config_bytes = CONFIG_BYTES;
    virtio_mmio_init(v);
}

void vballoon_set_target(struct vballoon *balloon, uint32_t pages)
{
    struct virtio_mmio *v = &balloon->virtio;

    if (memcmp(v->config + CONFIG_NUM_PAGES, &pages, sizeof pages) == 0)
        return;
    memcpy(v->config + CONFIG_NUM_PAGES, &pages, sizeof pages);
    virtio_mmio_config_changed(v);
}

bool vballoon_has_driver(const struct vballoon *balloon)
{
    return virtio_mmio_is_live(&balloon->virtio);
}

/* There is one. */
static uint32_t full_block_find(struct vballoon *balloon)
{
    uint32_t block = balloon->look_from;

    while (balloon->blocks[block].page_count != VBALLOON_BLOCK_PAGES || block_is_gone(balloon, block))
        block = (block + 1) % balloon->block_count;
    balloon->look_from = block;
    return block;
}

/* What can go goes first: the guest may wait for what others have. */
enum vballoon_work vballoon_next(struct vballoon *balloon, uint32_t *block)
{
    uint32_t kept = balloon->is_short ? 0 : balloon->reserve;
    bool will_tell = virtio_mmio_has(&balloon->virtio, F_MUST_TELL_HOST);

    if (balloon->full_count - balloon->gone_count > kept && vballoon_has_driver(balloon) && will_tell) {
        *block = full_block_find(balloon);
        return VBALLOON_RELEASE;
    }
    if (!balloon->is_taking)
        return VBALLOON_NOTHING;
    *block = balloon->needed;
    return VBALLOON_FETCH;
}

void vballoon_gone(struct vballoon *balloon, uint32_t block)
{
    balloon->gone[block / 64] |= 1ull << block % 64;
    balloon->gone_count++;
}

void vballoon_back(struct vballoon *balloon, uint32_t block)
{
    balloon->gone[block / 64] &= ~(1ull << block % 64);
    balloon->gone_count--;
    if (balloon->is_taking)
        deflate_pump(balloon);
}
