/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_blk_ring.c - claims about the block ring: both ends, a restart in between, and a front end that lies
 *
 * links: lib/ring/blk_ring.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/ring/blk_ring.h"

static union {
    struct blk_ring ring;
    uint8_t page[BLK_PAGE_BYTES];
} shared __attribute__((aligned(4096)));
static struct blk_front front;
static struct blk_back back;

static int set_up(void **state)
{
    (void)state;
    memset(&shared, 0, sizeof(shared));
    blk_ring_create(&shared.ring);
    blk_back_start(&back, &shared.ring, 1);
    assert_int_equal(blk_front_init(&front, &shared.ring), OK);
    return 0;
}

static void put(uint64_t tag)
{
    struct blk_request r = {.op = BLK_READ, .sector = tag, .count = 8};

    assert_int_equal(blk_ring_put_request(&front, &r, tag), OK);
}

static uint32_t take(uint64_t sector)
{
    struct blk_request r;
    uint32_t position;

    assert_true(blk_ring_take_request(&back, &r, &position));
    assert_int_equal(r.sector, sector);
    return position;
}

static void take_nothing(void)
{
    struct blk_request r;
    uint32_t position;

    assert_false(blk_ring_take_request(&back, &r, &position));
}

static void expect_completion(uint64_t tag, enum status status)
{
    enum status got;
    uint64_t got_tag;

    assert_true(blk_ring_take_completion(&front, &got_tag, &got));
    assert_int_equal(got_tag, tag);
    assert_int_equal(got, status);
}

static void expect_no_completion(void)
{
    enum status status;
    uint64_t tag;

    assert_false(blk_ring_take_completion(&front, &tag, &status));
}

static void page_without_magic_is_refused(void **state)
{
    (void)state;
    shared.ring.magic = 0;
    assert_int_equal(blk_front_init(&front, &shared.ring), ERR_ARG);
}

static void new_ring_is_empty(void **state)
{
    (void)state;
    take_nothing();
    expect_no_completion();
    assert_false(back.broken);
}

static void request_goes_there_and_back(void **state)
{
    (void)state;
    put(77);
    expect_no_completion();
    blk_ring_put_completion(&back, take(77), OK);
    take_nothing();
    expect_completion(77, OK);
    expect_no_completion();
}

static void statuses_are_from_a_closed_set(void **state)
{
    (void)state;
    put(1);
    put(2);
    put(3);
    put(4);
    blk_ring_put_completion(&back, take(1), ERR_RIGHT);
    blk_ring_put_completion(&back, take(2), ERR_ARG);
    blk_ring_put_completion(&back, take(3), ERR_IO);
    blk_ring_put_completion(&back, take(4), (enum status)200);
    expect_completion(1, ERR_ARG);
    expect_completion(2, ERR_ARG);
    expect_completion(3, ERR_IO);
    expect_completion(4, ERR_IO);
}

static void full_ring_takes_no_more_until_a_completion(void **state)
{
    struct blk_request r = {.op = BLK_READ, .count = 8};

    (void)state;
    for (uint64_t i = 0; i < BLK_RING_SLOTS; i++)
        put(i);
    assert_int_equal(blk_ring_put_request(&front, &r, 99), ERR_FULL);
    blk_ring_put_completion(&back, take(0), OK);
    assert_int_equal(blk_ring_put_request(&front, &r, 99), ERR_FULL); /* done, but not taken */
    expect_completion(0, OK);
    put(32);
    for (uint64_t i = 1; i <= 32; i++)
        (void)take(i);
    take_nothing();
    assert_false(back.broken);
}

static void completions_come_in_any_order(void **state)
{
    uint32_t first, second;

    (void)state;
    put(1);
    put(2);
    first = take(1);
    second = take(2);
    blk_ring_put_completion(&back, second, OK);
    expect_completion(2, OK);
    expect_no_completion();
    blk_ring_put_completion(&back, first, ERR_IO);
    expect_completion(1, ERR_IO);
}

static void positions_wrap(void **state)
{
    (void)state;
    /* Both ends as after 2^32 - 40 requests. */
    shared.ring.put = front.put = UINT32_MAX - 39;
    for (uint32_t p = front.put - BLK_RING_SLOTS; p != front.put; p++)
        shared.ring.done[p % BLK_RING_SLOTS] = p;
    blk_back_start(&back, &shared.ring, 1);
    for (uint64_t i = 0; i < 100; i++) {
        put(i);
        blk_ring_put_completion(&back, take(i), OK);
        expect_completion(i, OK);
    }
    take_nothing();
    assert_false(back.broken);
}

static void restarted_back_end_takes_exactly_the_unanswered(void **state)
{
    uint32_t positions[6];

    (void)state;
    for (uint64_t i = 0; i < 6; i++)
        put(i);
    for (uint64_t i = 0; i < 5; i++) /* the sixth was not even seen */
        positions[i] = take(i);
    blk_ring_put_completion(&back, positions[1], OK);
    blk_ring_put_completion(&back, positions[3], OK);
    expect_completion(1, OK);

    blk_back_start(&back, &shared.ring, 2);
    uint32_t again[] = {take(0), take(2), take(4), take(5)};
    take_nothing();
    assert_false(back.broken);
    for (size_t i = 0; i < 4; i++)
        blk_ring_put_completion(&back, again[i], OK);
    expect_completion(0, OK);
    expect_completion(2, OK);
    expect_completion(3, OK); /* answered before the restart, taken after */
}

static void restart_with_a_long_outstanding_request_keeps_pace(void **state)
{
    uint32_t oldest;

    (void)state;
    put(0);
    oldest = take(0);
    for (uint64_t i = 1; i < BLK_RING_SLOTS; i++) {
        put(i);
        blk_ring_put_completion(&back, take(i), OK);
        expect_completion(i, OK);
    }
    blk_back_start(&back, &shared.ring, 2);
    assert_int_equal(take(0), oldest);
    take_nothing();
    blk_ring_put_completion(&back, oldest, OK);
    expect_completion(0, OK);
    for (uint64_t i = 32; i < 200; i++) {
        put(i);
        blk_ring_put_completion(&back, take(i), OK);
        expect_completion(i, OK);
    }
    assert_false(back.broken);
}

static void front_end_sees_a_restart_once(void **state)
{
    (void)state;
    assert_false(blk_front_restarted(&front));
    blk_back_start(&back, &shared.ring, 2);
    assert_true(blk_front_restarted(&front));
    assert_false(blk_front_restarted(&front));
}

static void index_that_jumps_breaks_the_ring(void **state)
{
    static const uint32_t jumps[] = {33, 1000, 0x80000000u, UINT32_MAX};

    for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        (void)set_up(state);
        shared.ring.put = jumps[i];
        take_nothing();
        assert_true(back.broken);
        assert_true(blk_back_may_sleep(&back)); /* nobody spins on it */
        shared.ring.put = 1;
        take_nothing(); /* and it stays so */
    }
}

static void slot_reused_before_its_answer_breaks_the_ring(void **state)
{
    struct blk_request r;
    uint32_t position;

    (void)state;
    for (uint64_t i = 0; i < BLK_RING_SLOTS; i++) {
        put(i);
        (void)take(i);
    }
    shared.ring.put++;
    assert_false(blk_ring_take_request(&back, &r, &position));
    assert_true(back.broken);
}

static void copy_is_not_changed_by_the_front_end(void **state)
{
    struct blk_request r;
    uint32_t position;

    (void)state;
    put(5);
    assert_true(blk_ring_take_request(&back, &r, &position));
    memset(shared.ring.requests, 0xff, sizeof(shared.ring.requests));
    assert_int_equal(r.sector, 5);
    assert_int_equal(r.count, 8);
}

static void any_page_contents_are_survived(void **state)
{
    uint32_t random = 12345;

    (void)state;
    for (uint32_t round = 0; round < 2000; round++) {
        struct blk_request r;
        uint32_t position, taken = 0;

        for (size_t i = 0; i < sizeof(shared.page); i++) {
            random = random * 1664525u + 1013904223u;
            shared.page[i] = (uint8_t)(random >> 24);
        }
        if (round % 2)
            shared.ring.put = (uint32_t)shared.ring.done[round % BLK_RING_SLOTS] + 5;
        blk_back_start(&back, &shared.ring, round);
        while (blk_ring_take_request(&back, &r, &position)) {
            taken++;
            if (random % 3)
                blk_ring_put_completion(&back, position, OK);
        }
        assert_true(taken <= BLK_RING_SLOTS);
    }
}

/* ---- doorbells ---------------------------------------------------------------------------------- */

static void sleeper_is_signalled_and_worker_is_not(void **state)
{
    (void)state;
    assert_true(blk_front_must_signal(&front)); /* a new back end sleeps */
    blk_back_awake(&back);
    put(1);
    assert_false(blk_front_must_signal(&front));
    assert_false(blk_back_may_sleep(&back)); /* it came while awake */
    (void)take(1);
    assert_true(blk_back_may_sleep(&back));
    assert_true(blk_front_must_signal(&front));

    blk_front_awake(&front);
    assert_false(blk_back_must_signal(&back));
    blk_ring_put_completion(&back, 0, OK);
    assert_false(blk_front_may_sleep(&front));
    expect_completion(1, OK);
    assert_true(blk_front_may_sleep(&front));
    assert_true(blk_back_must_signal(&back));
}

/* ---- the pool ----------------------------------------------------------------------------------- */

static void pool_pages_are_given_once(void **state)
{
    uint8_t a[BLK_POOL_PAGES], b[BLK_POOL_PAGES];
    uint64_t seen = 0;

    (void)state;
    assert_int_equal(blk_pool_take(&front, 5, a), OK);
    assert_int_equal(blk_pool_take(&front, BLK_POOL_PAGES - 4, b), ERR_FULL);
    assert_int_equal(blk_pool_take(&front, BLK_POOL_PAGES - 5, b), OK);
    for (uint32_t i = 0; i < 5; i++)
        seen |= UINT64_C(1) << a[i];
    for (uint32_t i = 0; i < BLK_POOL_PAGES - 5; i++)
        seen |= UINT64_C(1) << b[i];
    assert_int_equal(seen, (UINT64_C(1) << BLK_POOL_PAGES) - 1);
    blk_pool_put(&front, 5, a);
    assert_int_equal(blk_pool_take(&front, 5, b), OK);
    assert_memory_equal(a, b, 5);
}

/* ---- judging requests --------------------------------------------------------------------------- */

static const struct blk_limits writable = {.sectors = 1000, .align_sectors = 1, .writable = true};

static enum status check(uint8_t op, uint64_t sector, uint32_t count, const struct blk_limits *limits)
{
    struct blk_request r = {.op = op, .sector = sector, .count = count};

    for (uint32_t i = 0; i < BLK_REQUEST_PAGES; i++)
        r.pages[i] = (uint8_t)i;
    return blk_request_check(&r, limits);
}

static void requests_within_the_volume_are_accepted(void **state)
{
    (void)state;
    assert_int_equal(check(BLK_READ, 0, 1, &writable), OK);
    assert_int_equal(check(BLK_WRITE, 999, 1, &writable), OK);
    assert_int_equal(check(BLK_WRITE_FUA, 1000 - BLK_MAX_SECTORS, BLK_MAX_SECTORS, &writable), OK);
    assert_int_equal(check(BLK_FLUSH, 0, 0, &writable), OK);
}

static void requests_beyond_the_volume_are_refused(void **state)
{
    (void)state;
    assert_int_equal(check(BLK_READ, 1000, 1, &writable), ERR_ARG);
    assert_int_equal(check(BLK_READ, 993, 8, &writable), ERR_ARG);
    assert_int_equal(check(BLK_READ, UINT64_MAX, 1, &writable), ERR_ARG);     /* offset that wraps */
    assert_int_equal(check(BLK_READ, UINT64_MAX - 7, 8, &writable), ERR_ARG); /* end that wraps to 0 */
    assert_int_equal(check(BLK_READ, 0, 0, &writable), ERR_ARG);
    assert_int_equal(check(BLK_READ, 0, BLK_MAX_SECTORS + 1, &writable), ERR_ARG);
    assert_int_equal(check(BLK_READ, 0, UINT32_MAX, &writable), ERR_ARG);
}

static void pages_outside_the_pool_are_refused(void **state)
{
    struct blk_request r = {.op = BLK_READ, .count = 16, .pages = {0, BLK_POOL_PAGES}};

    (void)state;
    assert_int_equal(blk_request_check(&r, &writable), ERR_ARG);
    r.count = 8; /* now the second page does not matter */
    assert_int_equal(blk_request_check(&r, &writable), OK);
    r.count = 9; /* one sector of it does */
    assert_int_equal(blk_request_check(&r, &writable), ERR_ARG);
    r.pages[1] = 255;
    assert_int_equal(blk_request_check(&r, &writable), ERR_ARG);
}

static void read_only_sessions_cannot_write(void **state)
{
    struct blk_limits limits = writable;

    (void)state;
    limits.writable = false;
    assert_int_equal(check(BLK_WRITE, 0, 8, &limits), ERR_RIGHT);
    assert_int_equal(check(BLK_WRITE_FUA, 0, 8, &limits), ERR_RIGHT);
    assert_int_equal(check(BLK_READ, 0, 8, &limits), OK);
    assert_int_equal(check(BLK_FLUSH, 0, 0, &limits), OK);
}

static void large_blocks_must_be_whole(void **state)
{
    struct blk_limits limits = writable;

    (void)state;
    limits.align_sectors = 8;
    assert_int_equal(check(BLK_READ, 8, 16, &limits), OK);
    assert_int_equal(check(BLK_READ, 4, 8, &limits), ERR_ARG);
    assert_int_equal(check(BLK_READ, 8, 4, &limits), ERR_ARG);
}

static void unknown_operations_are_refused(void **state)
{
    (void)state;
    for (uint32_t op = BLK_WRITE_FUA + 1; op < 256; op++)
        assert_int_equal(check((uint8_t)op, 0, 8, &writable), ERR_ARG);
    assert_int_equal(check(BLK_FLUSH, 0, 8, &writable), ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(page_without_magic_is_refused, set_up),
        cmocka_unit_test_setup(new_ring_is_empty, set_up),
        cmocka_unit_test_setup(request_goes_there_and_back, set_up),
        cmocka_unit_test_setup(statuses_are_from_a_closed_set, set_up),
        cmocka_unit_test_setup(full_ring_takes_no_more_until_a_completion, set_up),
        cmocka_unit_test_setup(completions_come_in_any_order, set_up),
        cmocka_unit_test_setup(positions_wrap, set_up),
        cmocka_unit_test_setup(restarted_back_end_takes_exactly_the_unanswered, set_up),
        cmocka_unit_test_setup(restart_with_a_long_outstanding_request_keeps_pace, set_up),
        cmocka_unit_test_setup(front_end_sees_a_restart_once, set_up),
        cmocka_unit_test_setup(index_that_jumps_breaks_the_ring, set_up),
        cmocka_unit_test_setup(slot_reused_before_its_answer_breaks_the_ring, set_up),
        cmocka_unit_test_setup(copy_is_not_changed_by_the_front_end, set_up),
        cmocka_unit_test_setup(any_page_contents_are_survived, set_up),
        cmocka_unit_test_setup(sleeper_is_signalled_and_worker_is_not, set_up),
        cmocka_unit_test_setup(pool_pages_are_given_once, set_up),
        cmocka_unit_test_setup(requests_within_the_volume_are_accepted, set_up),
        cmocka_unit_test_setup(requests_beyond_the_volume_are_refused, set_up),
        cmocka_unit_test_setup(pages_outside_the_pool_are_refused, set_up),
        cmocka_unit_test_setup(read_only_sessions_cannot_write, set_up),
        cmocka_unit_test_setup(large_blocks_must_be_whole, set_up),
        cmocka_unit_test_setup(unknown_operations_are_refused, set_up),
    };

    return cmocka_run_group_tests_name("blk_ring", tests, NULL, NULL);
}
