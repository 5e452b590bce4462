/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_stage2.c - address spaces: what is mapped is what was asked for, and nothing is left behind
 *
 * The tables are read by a walker of this file's own, which knows the architecture and not the kernel.
 *
 * links: tests/unit/fake/kmem.c tests/unit/fake/no_iospace.c
 *
 * links: kernel/slot.c kernel/table.c kernel/stage2.c kernel/aspace.c kernel/sys_aspace.c
 *
 * flags: -Itests/unit/fake -Ikernel
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "kmem.h"
#include "sys.h"

#define RW (RIGHT_READ | RIGHT_WRITE)
#define RWX (RW | RIGHT_EXEC)
#define MIB (1ull << 20)
#define GIB (1ull << 30)
/* Frames need no memory behind them here: nobody reads through the tables. */
#define SOMEWHERE 0x7c0000000ull

static struct aspace *space;
static struct slot untyped;

static int setup(void **state)
{
    (void)state;
    kmem_reset();
    space = memory_get(8192);
    space->object = (struct object){.refs = 1, .kind = CAP_ASPACE};
    untyped = untyped_of(64 * PAGE_SIZE);
    return 0;
}

static void donate(uint32_t pages)
{
    assert_int_equal(sys_aspace_donate(space, &untyped, pages), OK);
}

/* ---- a walker: the leaf for an address, and at which level; 0 if the walk faults */
static uint64_t walk(uint64_t address, unsigned *level)
{
    const uint64_t *table = space->root;

    for (*level = 1; *level <= 3; ++*level) {
        uint64_t entry = table[address >> (39 - 9 * *level) & 511];

        if (!(entry & 1))
            return 0;
        if (*level == 3)
            return entry & 2 ? entry : 0;
        if (!(entry & 2))
            return entry;
        table = (const uint64_t *)(entry & 0xfffffffff000);
    }
    return 0;
}

static uint64_t leaf_of(uint64_t address)
{
    unsigned level;

    return walk(address, &level);
}

static bool root_is_empty(void)
{
    for (unsigned i = 0; i < 512; i++)
        if (space->root[i])
            return false;
    return true;
}

/* ---- mapping */
static void map_writes_the_leaf_the_architecture_wants(void **state)
{
    (void)state;
    struct slot frame = frame_of(FRAME_4K, RWX, SOMEWHERE);
    unsigned level;
    donate(8);

    assert_int_equal(sys_aspace_map(space, &frame, 0x40201000, RW), OK);
    uint64_t leaf = walk(0x40201000, &level);
    assert_int_equal(level, 3);
    /* XN, AF, inner-shareable, read and write, Normal write-back, page. */
    assert_int_equal(leaf, SOMEWHERE | 1ull << 54 | 1 << 10 | 3 << 8 | 3 << 6 | 0xf << 2 | 3);
    assert_int_equal(leaf_of(0x40200000), 0);
    assert_int_equal(leaf_of(0x40202000), 0);
    assert_true(publishes > 0);
}

static void blocks_are_leaves_of_levels_1_and_2(void **state)
{
    (void)state;
    struct slot two = frame_of(FRAME_2M, RWX, SOMEWHERE), one = frame_of(FRAME_1G, RWX, SOMEWHERE);
    unsigned level;
    donate(8);

    assert_int_equal(sys_aspace_map(space, &two, 4 * MIB, RWX), OK);
    assert_int_equal(walk(4 * MIB + 0x1fffff, &level), SOMEWHERE | 1 << 10 | 3 << 8 | 3 << 6 | 0xf << 2 | 1);
    assert_int_equal(level, 2);
    assert_int_equal(sys_aspace_map(space, &one, 511 * GIB, RIGHT_READ), OK);
    assert_int_equal(walk(512 * GIB - 1, &level),
                     SOMEWHERE | 1ull << 54 | 1 << 10 | 3 << 8 | 1 << 6 | 0xf << 2 | 1);
    assert_int_equal(level, 1);
}

static void device_and_uncached_memory_have_their_types(void **state)
{
    (void)state;
    struct slot device = frame_of(FRAME_4K, RWX, 0x9000000), uncached = frame_of(FRAME_4K, RWX, SOMEWHERE);
    donate(8);

    device.flags = SLOT_DEVICE;
    assert_int_equal(sys_aspace_map(space, &device, 0, RWX), ERR_ARG);
    assert_int_equal(sys_aspace_map(space, &device, 0, RW | MAP_UNCACHED), OK);
    assert_int_equal(leaf_of(0) >> 2 & 15, 1);
    assert_true(leaf_of(0) >> 54 & 1);
    assert_int_equal(sys_aspace_map(space, &uncached, 0x1000, RW | MAP_UNCACHED), OK);
    assert_int_equal(leaf_of(0x1000) >> 2 & 15, 5);
}

static void map_refuses_what_does_not_fit(void **state)
{
    (void)state;
    struct slot page = frame_of(FRAME_4K, RWX, SOMEWHERE), two = frame_of(FRAME_2M, RWX, SOMEWHERE),
                one = frame_of(FRAME_1G, RWX, SOMEWHERE);
    donate(8);

    assert_int_equal(sys_aspace_map(space, &page, 0x800, RW), ERR_ARG);
    assert_int_equal(sys_aspace_map(space, &two, 0x1000, RW), ERR_ARG);
    assert_int_equal(sys_aspace_map(space, &one, 2 * MIB, RW), ERR_ARG);
    assert_int_equal(sys_aspace_map(space, &page, 1ull << 39, RW), ERR_ARG);
    assert_int_equal(sys_aspace_map(space, &page, ~0xfffull, RW), ERR_ARG);
    assert_int_equal(sys_aspace_map(space, &page, 0, 0x200 | RW), ERR_ARG);
    assert_int_equal(sys_aspace_map(space, &page, 0, RIGHT_GRANT | RW), ERR_ARG);
    assert_true(root_is_empty());
    assert_int_equal(sys_aspace_map(space, &page, (1ull << 39) - 0x1000, RW), OK);
}

static void map_gives_no_more_rights_than_the_frame_has(void **state)
{
    (void)state;
    donate(8);

    for (uint32_t has = 0; has < 8; has++) {
        for (uint32_t asked = 0; asked < 8; asked++) {
            struct slot frame = frame_of(FRAME_4K, (uint8_t)has, SOMEWHERE);
            enum status status = sys_aspace_map(space, &frame, 0, asked);

            assert_int_equal(status, asked & ~has ? ERR_RIGHT : OK);
            if (status == OK) {
                assert_int_equal(leaf_of(0) >> 6 & 3,
                                 (asked & RIGHT_READ ? 1 : 0) | (asked & RIGHT_WRITE ? 2 : 0));
                assert_int_equal(leaf_of(0) >> 54 & 1, !(asked & RIGHT_EXEC));
                assert_int_equal(sys_aspace_unmap(&frame), OK);
            }
        }
    }
}

static void one_capability_makes_one_mapping(void **state)
{
    (void)state;
    struct slot frame = frame_of(FRAME_4K, RWX, SOMEWHERE), copy = {0};
    donate(8);

    assert_int_equal(sys_aspace_map(space, &frame, 0, RW), OK);
    assert_int_equal(sys_aspace_map(space, &frame, 0x1000, RW), ERR_STATE);
    slot_copy(&copy, &frame, RIGHT_ALL, 0);
    assert_int_equal(sys_aspace_map(space, &copy, 0x1000, RW), OK);
    assert_int_equal(sys_aspace_unmap(&copy), OK);
    assert_int_equal(leaf_of(0x1000), 0);
    assert_int_not_equal(leaf_of(0), 0);
}

static void nothing_is_mapped_over_anything(void **state)
{
    (void)state;
    struct slot page = frame_of(FRAME_4K, RWX, SOMEWHERE), two = frame_of(FRAME_2M, RWX, SOMEWHERE),
                one = frame_of(FRAME_1G, RWX, SOMEWHERE), other = frame_of(FRAME_4K, RWX, SOMEWHERE + 0x1000);
    donate(16);

    assert_int_equal(sys_aspace_map(space, &page, GIB + 3 * 0x1000, RW), OK);
    uint64_t leaf = leaf_of(GIB + 3 * 0x1000);
    assert_int_equal(sys_aspace_map(space, &other, GIB + 3 * 0x1000, RW), ERR_FULL);
    assert_int_equal(sys_aspace_map(space, &two, GIB, RW), ERR_FULL);
    assert_int_equal(sys_aspace_map(space, &one, GIB, RW), ERR_FULL);
    assert_int_equal(leaf_of(GIB + 3 * 0x1000), leaf);
    assert_int_equal(sys_aspace_map(space, &two, GIB + 2 * MIB, RW), OK);
    assert_int_equal(sys_aspace_map(space, &other, GIB + 3 * MIB, RW), ERR_FULL);
    assert_int_equal(sys_aspace_map(space, &one, 0, RW), OK);
    assert_int_equal(sys_aspace_map(space, &other, 0x1000, RW), ERR_FULL);
}

static void map_without_table_memory_changes_nothing(void **state)
{
    (void)state;
    struct slot page = frame_of(FRAME_4K, RWX, SOMEWHERE), two = frame_of(FRAME_2M, RWX, SOMEWHERE);

    assert_int_equal(sys_aspace_map(space, &page, 0, RW), ERR_MEM);
    donate(1);
    assert_int_equal(sys_aspace_map(space, &page, 0, RW), ERR_MEM); /* it takes two */
    assert_true(root_is_empty());
    assert_int_equal(space->tables.free_count, 1);
    assert_false(page.flags & SLOT_MAPPED_AS);
    assert_int_equal(sys_aspace_map(space, &two, 0, RW), OK);
    assert_int_equal(space->tables.free_count, 0);
}

/* ---- unmapping */
static void leaf_must_be_clear_by_now(struct aspace *aspace, uint64_t at)
{
    (void)aspace;
    assert_int_equal(leaf_of(at), 0);
    assert_true(space->tables.free_count < 8); /* the tables have not been given back yet */
}

static void unmap_clears_then_invalidates_then_frees(void **state)
{
    (void)state;
    struct slot frame = frame_of(FRAME_4K, RWX, SOMEWHERE);
    donate(8);

    assert_int_equal(sys_aspace_map(space, &frame, 0x12345000, RW), OK);
    assert_int_equal(tlb_ipa_flushes, 0); /* from invalid to valid there is nothing to invalidate */
    on_tlb_flush = leaf_must_be_clear_by_now;
    assert_int_equal(sys_aspace_unmap(&frame), OK);
    assert_int_equal(tlb_ipa_flushes, 1);
    assert_int_equal(space->tables.free_count, 8);
    assert_true(root_is_empty());
    assert_null(space->mappings);
    assert_int_equal(sys_aspace_unmap(&frame), OK); /* not mapped: no matter */
    assert_int_equal(tlb_ipa_flushes, 1);
}

static void unmap_keeps_tables_that_others_use(void **state)
{
    (void)state;
    struct slot a = frame_of(FRAME_4K, RWX, SOMEWHERE), b = frame_of(FRAME_4K, RWX, SOMEWHERE + 0x1000);
    donate(8);

    assert_int_equal(sys_aspace_map(space, &a, 0x1000, RW), OK);
    assert_int_equal(sys_aspace_map(space, &b, 0x2000, RW), OK);
    assert_int_equal(space->tables.free_count, 6);
    assert_int_equal(sys_aspace_unmap(&a), OK);
    assert_int_equal(space->tables.free_count, 6);
    assert_int_equal(leaf_of(0x2000) & 0xfffffffff000, SOMEWHERE + 0x1000);
    assert_int_equal(sys_aspace_unmap(&b), OK);
    assert_int_equal(space->tables.free_count, 8);
}

static void a_full_table_is_counted_right(void **state)
{
    (void)state;
    static struct slot frames[512];
    donate(8);

    for (unsigned i = 0; i < 512; i++) {
        frames[i] = frame_of(FRAME_4K, RWX, SOMEWHERE + i * 0x1000);
        assert_int_equal(sys_aspace_map(space, &frames[i], GIB + i * 0x1000, RW), OK);
    }
    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal(space->tables.free_count, 6);
        assert_int_equal(leaf_of(GIB + i * 0x1000) & 0xfffffffff000, SOMEWHERE + i * 0x1000);
        assert_int_equal(sys_aspace_unmap(&frames[i]), OK);
    }
    assert_int_equal(space->tables.free_count, 8);
    assert_true(root_is_empty());
}

static void tables_are_empty_whatever_was_in_their_memory(void **state)
{
    (void)state;
    struct slot frame = frame_of(FRAME_4K, RWX, SOMEWHERE);
    donate(2); /* filled with 0xa5 */

    for (unsigned round = 0; round < 2; round++) { /* fresh pages, then used ones */
        assert_int_equal(sys_aspace_map(space, &frame, 5 * 0x1000, RW), OK);
        for (uint64_t at = 0; at < GIB; at += 0x1000)
            if (at != 5 * 0x1000)
                assert_int_equal(leaf_of(at), 0);
        assert_int_equal(sys_aspace_unmap(&frame), OK);
    }
}

static void protect_changes_rights_and_nothing_else(void **state)
{
    (void)state;
    struct slot frame = frame_of(FRAME_4K, RW, SOMEWHERE);
    donate(8);

    assert_int_equal(sys_aspace_protect(&frame, RIGHT_READ), ERR_STATE);
    assert_int_equal(sys_aspace_map(space, &frame, 0x1000, RW | MAP_UNCACHED), OK);
    uint64_t before = leaf_of(0x1000);
    assert_int_equal(sys_aspace_protect(&frame, RWX), ERR_RIGHT);
    assert_int_equal(sys_aspace_protect(&frame, RW | MAP_UNCACHED), ERR_ARG);
    assert_int_equal(tlb_ipa_flushes, 0);
    assert_int_equal(sys_aspace_protect(&frame, RIGHT_READ), OK);
    assert_int_equal(tlb_ipa_flushes, 1);
    assert_int_equal(leaf_of(0x1000), before & ~(2ull << 6));
    assert_int_equal(sys_aspace_protect(&frame, RW), OK);
    assert_int_equal(leaf_of(0x1000), before);
}

static void deleting_the_capability_unmaps(void **state)
{
    (void)state;
    struct slot frame = frame_of(FRAME_4K, RW, SOMEWHERE), moved = {0};
    donate(8);

    assert_int_equal(sys_aspace_map(space, &frame, 0x1000, RW), OK);
    slot_move(&moved, &frame);
    assert_int_not_equal(leaf_of(0x1000), 0);
    assert_int_equal(slot_delete(&moved), OK);
    assert_int_equal(leaf_of(0x1000), 0);
    assert_null(space->mappings);
}

/* A model of what should be mapped, against the walker, through thousands of random calls. */
static void random_calls_agree_with_a_model(void **state)
{
    (void)state;
    enum { FRAMES = 64 };
    static struct slot frames[FRAMES];
    static const unsigned sizes[] = {FRAME_4K, FRAME_4K, FRAME_4K, FRAME_2M, FRAME_1G};
    unsigned ok = 0, full = 0, mem = 0;

    donate(12); /* few enough to run out */
    srand(7);
    for (unsigned i = 0; i < FRAMES; i++)
        frames[i] = frame_of(sizes[i % 5], RWX, SOMEWHERE + i * GIB);
    for (unsigned step = 0; step < 20000; step++) {
        struct slot *frame = &frames[rand() % FRAMES];

        if (frame->flags & SLOT_MAPPED_AS) {
            assert_int_equal(sys_aspace_unmap(frame), OK);
            continue;
        }
        /* 4 GiB, in each 4 blocks of 2 MiB, in each 4 pages: many meet */
        uint64_t at =
            (uint64_t)(rand() % 4) << 30 | (uint64_t)(rand() % 4) << 21 | (uint64_t)(rand() % 4) << 12;
        at &= ~((1ull << frame->size_bits) - 1);
        bool meets = false;
        for (unsigned i = 0; i < FRAMES; i++)
            if (frames[i].flags & SLOT_MAPPED_AS &&
                at < frames[i].mapped_at + (1ull << frames[i].size_bits) &&
                frames[i].mapped_at < at + (1ull << frame->size_bits))
                meets = true;
        enum status status = sys_aspace_map(space, frame, at, RW);
        if (meets)
            assert_int_equal(status, ERR_FULL);
        else
            assert_true(status == OK || status == ERR_MEM);
        status == OK ? ok++ : status == ERR_FULL ? full++ : mem++;

        unsigned mapped = 0;
        for (unsigned i = 0; i < FRAMES; i++)
            if (frames[i].flags & SLOT_MAPPED_AS) {
                mapped++;
                assert_int_equal(leaf_of(frames[i].mapped_at) & 0xfffffffff000, frames[i].object);
            }
        for (struct slot *at_list = space->mappings; at_list; at_list = at_list->map_next)
            mapped--;
        assert_int_equal(mapped, 0);
    }
    assert_true(ok > 1000 && full > 1000 && mem > 10); /* each case was met */
    for (unsigned i = 0; i < FRAMES; i++)
        assert_int_equal(sys_aspace_unmap(&frames[i]), OK);
    assert_int_equal(space->tables.free_count, 12);
    assert_true(root_is_empty());
}

/* ---- donations */
static void donate_takes_whole_pages_off_the_untyped(void **state)
{
    (void)state;
    untyped.used = 100;
    untyped.zeroed = 5000;

    assert_int_equal(sys_aspace_donate(space, &untyped, 0), ERR_ARG);
    assert_int_equal(sys_aspace_donate(space, &untyped, 64), ERR_MEM); /* the first page is begun */
    assert_int_equal(sys_aspace_donate(space, &untyped, UINT32_MAX), ERR_MEM);
    assert_int_equal(untyped.used, 100);
    assert_int_equal(sys_aspace_donate(space, &untyped, 63), OK);
    assert_int_equal(untyped.used, 64 * PAGE_SIZE);
    assert_int_equal(untyped.zeroed, 0);
    assert_int_equal(space->tables.free_count, 63);
    assert_int_equal(space->tables.donations[0].object, untyped.object + PAGE_SIZE);
    assert_ptr_equal(untyped.child, &space->tables.donations[0]);
    assert_int_equal(sys_aspace_donate(space, &untyped, 1), ERR_MEM);
}

static void donate_takes_plain_memory_only(void **state)
{
    (void)state;
    untyped.flags = SLOT_DEVICE;
    assert_int_equal(sys_aspace_donate(space, &untyped, 1), ERR_ARG);
    untyped.flags = SLOT_BUNDLE;
    assert_int_equal(sys_aspace_donate(space, &untyped, 1), ERR_ARG);
    untyped.flags = 0;
    untyped.rights = RW;
    assert_int_equal(sys_aspace_donate(space, &untyped, 1), ERR_RIGHT);
}

static void donate_works_eight_times(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++)
        donate(2);
    assert_int_equal(sys_aspace_donate(space, &untyped, 2), ERR_FULL);
    assert_int_equal(space->tables.free_count, 16);
    for (unsigned i = 0; i < 8; i++) { /* and every page of them can be used */
        static struct slot frames[8];

        frames[i] = frame_of(FRAME_4K, RW, SOMEWHERE);
        assert_int_equal(sys_aspace_map(space, &frames[i], i * GIB, RW), OK);
    }
    assert_int_equal(space->tables.free_count, 0);
}

static void revoking_the_untyped_empties_the_space(void **state)
{
    (void)state;
    struct slot other = untyped_of(8 * PAGE_SIZE);
    struct slot a = frame_of(FRAME_4K, RW, SOMEWHERE), b = frame_of(FRAME_2M, RW, SOMEWHERE);
    donate(4);
    assert_int_equal(sys_aspace_donate(space, &other, 4), OK);
    assert_int_equal(sys_aspace_map(space, &a, 0x1000, RW), OK);
    assert_int_equal(sys_aspace_map(space, &b, GIB, RW), OK);

    assert_int_equal(slot_revoke(&untyped), OK);
    assert_true(root_is_empty());
    assert_int_equal(tlb_vmid_flushes, 1);
    assert_int_equal(untyped.used, 0);
    assert_int_equal(space->tables.free_count, 0);
    assert_null(other.child); /* all tables may stand in these pages, so all of them go */
    assert_int_equal(sys_aspace_protect(&a, RIGHT_READ), ERR_STATE);
    assert_int_equal(sys_aspace_map(space, &a, 0x1000, RW), ERR_MEM);

    /* The space can be used again, and a mapping from before is neither in the way nor in danger. */
    donate(4);
    assert_int_equal(sys_aspace_map(space, &a, 0x1000, RW), OK);
    assert_int_equal(sys_aspace_unmap(&b), OK);
    assert_int_not_equal(leaf_of(0x1000), 0);
    assert_int_equal(sys_aspace_unmap(&a), OK);
    assert_null(space->mappings);
    assert_int_equal(space->tables.free_count, 4);
}

/* ---- the end */
static void destroy_makes_every_frame_forget_it(void **state)
{
    (void)state;
    static struct slot frames[100];
    struct notification notification = {.object = {.kind = CAP_NOTIFICATION}};
    struct slot signal = {.kind = CAP_NOTIFICATION, .rights = RIGHT_ALL, .object = (uint64_t)&notification};
    unsigned restarts = 0;

    slot_insert(&signal, NULL);
    donate(8);
    assert_int_equal(sys_aspace_doorbell(space, 0xa000050, 0, &signal), OK);
    for (unsigned i = 0; i < 100; i++) {
        frames[i] = frame_of(FRAME_4K, RW, SOMEWHERE);
        assert_int_equal(sys_aspace_map(space, &frames[i], i * 0x1000, RW), OK);
    }
    cpus[2].aspace_loaded = space;
    preempt_now = true;
    while (aspace_destroy(space) == RESTART) {
        assert_true(root_is_empty()); /* nothing can be reached from the first step on */
        restarts++;
    }
    assert_int_equal(restarts, 3);
    assert_null(cpus[2].aspace_loaded);
    assert_null(untyped.child);
    assert_null(signal.child);
    assert_int_equal(notification.object.refs, 1);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(frames[i].flags, 0);
    assert_int_equal(tlb_vmid_flushes, 1);
}

/* ---- doorbells */
static void doorbells_ring_for_their_value_only(void **state)
{
    (void)state;
    struct notification notification = {.object = {.kind = CAP_NOTIFICATION}};
    struct slot signal = {
        .kind = CAP_NOTIFICATION, .rights = RIGHT_ALL, .object = (uint64_t)&notification, .badge = 77};
    slot_insert(&signal, NULL);

    assert_int_equal(sys_aspace_doorbell(space, 0x52, 0, &signal), ERR_ARG);
    assert_int_equal(sys_aspace_doorbell(space, 1ull << 39, 0, &signal), ERR_ARG);
    assert_int_equal(sys_aspace_doorbell(space, 0x50, 1ull << 32, &signal), ERR_ARG);
    assert_int_equal(sys_aspace_doorbell(space, 0x50, 1, &signal), OK);
    assert_int_equal(sys_aspace_doorbell(space, 0x50, 2, &signal), OK);
    assert_int_equal(sys_aspace_doorbell(space, 0x60, DOORBELL_ANY, &signal), OK);
    assert_int_equal(sys_aspace_doorbell(space, 0x50, 1, &signal), ERR_FULL);
    assert_int_equal(sys_aspace_doorbell(space, 0x50, DOORBELL_ANY, &signal), ERR_FULL);
    assert_int_equal(sys_aspace_doorbell(space, 0x60, 5, &signal), ERR_FULL);

    assert_ptr_equal(aspace_doorbell_find(space, 0x50, 2), &space->doorbells[1]);
    assert_null(aspace_doorbell_find(space, 0x50, 3));
    assert_non_null(aspace_doorbell_find(space, 0x60, 12345));
    assert_int_equal(aspace_doorbell_find(space, 0x60, 0)->notification_cap.badge, 77);

    assert_int_equal(sys_aspace_doorbell_clear(space, 0x50, 3), ERR_STATE);
    assert_int_equal(sys_aspace_doorbell_clear(space, 0x50, 1), OK);
    assert_null(aspace_doorbell_find(space, 0x50, 1));
    assert_non_null(aspace_doorbell_find(space, 0x50, 2));
    assert_int_equal(notification.object.refs, 3);
    assert_int_equal(sys_aspace_doorbell(space, 0x70, 9, &signal), OK); /* takes the gap */
    assert_int_equal(space->doorbell_count, 3);
}

static void doorbells_end_with_their_notification(void **state)
{
    (void)state;
    struct notification notification = {.object = {.kind = CAP_NOTIFICATION}};
    struct slot signal = {.kind = CAP_NOTIFICATION, .rights = RIGHT_ALL, .object = (uint64_t)&notification};
    slot_insert(&signal, &untyped);

    for (unsigned i = 0; i < ASPACE_DOORBELLS_MAX; i++)
        assert_int_equal(sys_aspace_doorbell(space, 4 * i, i, &signal), OK);
    assert_int_equal(sys_aspace_doorbell(space, 0x1000, 0, &signal), ERR_FULL);
    assert_int_equal(slot_revoke(&untyped), OK);
    assert_int_equal(space->doorbell_count, 0);
    for (unsigned i = 0; i < ASPACE_DOORBELLS_MAX; i++)
        assert_int_equal(space->doorbells[i].notification_cap.kind, CAP_NONE);
    assert_int_equal(notification.bits, ~0ull); /* it was destroyed */
}

/* ---- VMIDs */
static unsigned vmid_of(uint64_t vttbr)
{
    return (unsigned)(vttbr >> 48);
}

static void vmids_are_unique_and_recycled(void **state)
{
    (void)state;
    enum { SPACES = 600 };
    static struct aspace *spaces[SPACES];
    static struct aspace *owner[256];
    uint64_t generation = 0;

    for (unsigned i = 0; i < SPACES; i++) {
        spaces[i] = memory_get(8192);
        spaces[i]->object.kind = CAP_ASPACE;
    }
    srand(3);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned cpu = (unsigned)rand() % 4;
        struct aspace *next = spaces[rand() % SPACES];
        unsigned flushes = tlb_all_flushes;
        uint64_t vttbr = aspace_load(&cpus[cpu], next);

        assert_ptr_equal(cpus[cpu].aspace_loaded, next);
        assert_int_equal(vttbr & 0xfffffffff000, (uint64_t)next->root);
        assert_int_not_equal(vmid_of(vttbr), 0);
        if (vmid_generation !=
            generation) { /* a new one begins with empty TLBs and what is loaded elsewhere */
            assert_true(generation == 0 || tlb_all_flushes == flushes + 1);
            generation = vmid_generation;
            memset(owner, 0, sizeof owner);
        }
        for (unsigned i = 0; i < 4; i++) {
            struct aspace *loaded = cpus[i].aspace_loaded;

            if (!loaded)
                continue;
            assert_int_equal(loaded->vmid_generation, vmid_generation);
            assert_true(!owner[loaded->vmid] || owner[loaded->vmid] == loaded);
            owner[loaded->vmid] = loaded;
        }
    }
    assert_true(tlb_all_flushes > 10);
}

static void a_running_space_keeps_its_vmid(void **state)
{
    (void)state;
    static struct aspace *spaces[300];
    uint64_t running = aspace_load(&cpus[1], space);

    for (unsigned i = 0; i < 300; i++) {
        spaces[i] = memory_get(8192);
        uint64_t vttbr = aspace_load(&cpus[0], spaces[i]);
        assert_int_not_equal(vmid_of(vttbr), vmid_of(running));
    }
    assert_true(tlb_all_flushes >= 1); /* they ran out */
    assert_int_equal(aspace_load(&cpus[1], space), running);
}

/* Four pCPUs load spaces at once, without a lock: while one runs nobody else's has its VMID, nor does it
 * change. */
enum { RACERS = 4, RACE_SPACES = 400, RACE_STEPS = 300000 };
static struct aspace *race_spaces[RACE_SPACES];
static uint64_t running[RACERS];
static unsigned collisions, changes;

static void *race(void *argument)
{
    struct cpu *cpu = argument;
    unsigned me = (unsigned)(cpu - cpus), seed = me;

    for (unsigned step = 0; step < RACE_STEPS; step++) {
        struct aspace *next = race_spaces[(unsigned)rand_r(&seed) % RACE_SPACES];
        uint64_t vttbr = aspace_load(cpu, next);

        __atomic_store_n(&running[me], vttbr, __ATOMIC_SEQ_CST);
        for (unsigned other = 0; other < RACERS; other++) {
            uint64_t theirs = __atomic_load_n(&running[other], __ATOMIC_SEQ_CST);

            if (theirs && theirs != vttbr && vmid_of(theirs) == vmid_of(vttbr))
                __atomic_fetch_add(&collisions, 1, __ATOMIC_RELAXED);
        }
        if (step % 64 == 0)
            sched_yield();
        if (__atomic_load_n(&next->vttbr, __ATOMIC_SEQ_CST) != vttbr)
            __atomic_fetch_add(&changes, 1, __ATOMIC_RELAXED);
        __atomic_store_n(&running[me], 0, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void pcpus_that_load_at_once_never_share_a_vmid(void **state)
{
    (void)state;
    pthread_t threads[RACERS];

    collisions = changes = 0;
    for (unsigned i = 0; i < RACE_SPACES; i++)
        race_spaces[i] = memory_get(8192);
    for (unsigned i = 0; i < RACERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race, &cpus[i]), 0);
    for (unsigned i = 0; i < RACERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(collisions, 0);
    assert_int_equal(changes, 0);
    assert_true(tlb_all_flushes > 10);
}

static void use_up_vmids(void)
{
    uint64_t generation = vmid_generation;

    while (vmid_generation == generation)
        aspace_load(&cpus[0], memory_get(8192));
}

/* pCPU 1 has named what it will load and not yet looked at the generation, when a new one begins. */
static void a_space_of_an_older_generation_is_not_carried_over(void **state)
{
    (void)state;
    struct aspace *stale = memory_get(8192);
    struct aspace *runs;

    aspace_load(&cpus[1], stale);
    cpus[1].aspace_loaded = NULL;
    use_up_vmids();
    do { /* in this generation somebody else has its VMID, and runs */
        runs = memory_get(8192);
        aspace_load(&cpus[2], runs);
    } while (runs->vmid != stale->vmid);
    cpus[1].aspace_loaded = stale;
    use_up_vmids();
    assert_int_equal(runs->vmid_generation, vmid_generation);
    assert_int_not_equal(stale->vmid_generation, vmid_generation);
    assert_int_not_equal(vmid_of(aspace_load(&cpus[1], stale)), runs->vmid);
}

static pthread_t late;
static bool late_is_done;

static void *late_load(void *space_of_it)
{
    aspace_load(&cpus[3], space_of_it);
    __atomic_store_n(&late_is_done, true, __ATOMIC_SEQ_CST);
    return NULL;
}

static void start_late_load(void)
{
    on_flush_all = NULL;
    assert_int_equal(pthread_create(&late, NULL, late_load, memory_get(8192)), 0);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    assert_false(__atomic_load_n(&late_is_done, __ATOMIC_SEQ_CST));
}

static void nobody_gets_a_vmid_before_all_tlbs_are_empty(void **state)
{
    (void)state;
    late_is_done = false;
    on_flush_all = start_late_load;
    use_up_vmids();
    pthread_join(late, NULL);
    assert_true(late_is_done);
    assert_int_not_equal(cpus[3].aspace_loaded->vmid, cpus[0].aspace_loaded->vmid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(map_writes_the_leaf_the_architecture_wants, setup),
        cmocka_unit_test_setup(blocks_are_leaves_of_levels_1_and_2, setup),
        cmocka_unit_test_setup(device_and_uncached_memory_have_their_types, setup),
        cmocka_unit_test_setup(map_refuses_what_does_not_fit, setup),
        cmocka_unit_test_setup(map_gives_no_more_rights_than_the_frame_has, setup),
        cmocka_unit_test_setup(one_capability_makes_one_mapping, setup),
        cmocka_unit_test_setup(nothing_is_mapped_over_anything, setup),
        cmocka_unit_test_setup(map_without_table_memory_changes_nothing, setup),
        cmocka_unit_test_setup(unmap_clears_then_invalidates_then_frees, setup),
        cmocka_unit_test_setup(unmap_keeps_tables_that_others_use, setup),
        cmocka_unit_test_setup(a_full_table_is_counted_right, setup),
        cmocka_unit_test_setup(tables_are_empty_whatever_was_in_their_memory, setup),
        cmocka_unit_test_setup(protect_changes_rights_and_nothing_else, setup),
        cmocka_unit_test_setup(deleting_the_capability_unmaps, setup),
        cmocka_unit_test_setup(random_calls_agree_with_a_model, setup),
        cmocka_unit_test_setup(donate_takes_whole_pages_off_the_untyped, setup),
        cmocka_unit_test_setup(donate_takes_plain_memory_only, setup),
        cmocka_unit_test_setup(donate_works_eight_times, setup),
        cmocka_unit_test_setup(revoking_the_untyped_empties_the_space, setup),
        cmocka_unit_test_setup(destroy_makes_every_frame_forget_it, setup),
        cmocka_unit_test_setup(doorbells_ring_for_their_value_only, setup),
        cmocka_unit_test_setup(doorbells_end_with_their_notification, setup),
        cmocka_unit_test_setup(vmids_are_unique_and_recycled, setup),
        cmocka_unit_test_setup(a_running_space_keeps_its_vmid, setup),
        cmocka_unit_test_setup(pcpus_that_load_at_once_never_share_a_vmid, setup),
        cmocka_unit_test_setup(a_space_of_an_older_generation_is_not_carried_over, setup),
        cmocka_unit_test_setup(nobody_gets_a_vmid_before_all_tlbs_are_empty, setup),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    memory_release();
    return failed;
}
