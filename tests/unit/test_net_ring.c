/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_net_ring.c - claims about a packet lane: both ends, and an other side that writes garbage everywhere
 *
 * links: lib/ring/net_ring.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/ring/net_ring.h"

#define LARGE_FIT (NET_LANE_PAGES / NET_PACKET_PAGES)
#define PAGES_LEFT (NET_LANE_PAGES % NET_PACKET_PAGES)

static union {
    struct net_ring ring;
    uint8_t page[NET_PAGE_BYTES];
} shared __attribute__((aligned(4096)));
static struct net_producer producer;
static struct net_consumer consumer;

static int set_up(void **state)
{
    (void)state;
    memset(&shared, 0xa5, sizeof(shared));
    net_ring_create(&shared.ring, 7);
    assert_int_equal(net_producer_init(&producer, &shared.ring), OK);
    assert_int_equal(net_consumer_init(&consumer, &shared.ring), OK);
    return 0;
}

static void put(uint32_t length)
{
    struct net_descriptor d;

    assert_int_equal(net_ring_prepare(&producer, length, &d), OK);
    net_ring_put(&producer, &d);
}

/* As many of the greatest size as there is room for. */
static void put_large(void)
{
    for (uint32_t i = 0; i < LARGE_FIT; i++)
        put(NET_PACKET_BYTES_MAX);
}

static void expect(uint32_t length)
{
    struct net_descriptor d;
    uint32_t bad = 0;

    assert_true(net_ring_take(&consumer, &d, &bad));
    assert_int_equal(d.length, length);
    assert_int_equal(bad, 0);
}

static void expect_nothing(uint32_t bad_expected)
{
    struct net_descriptor d;
    uint32_t bad = 0;

    assert_false(net_ring_take(&consumer, &d, &bad));
    assert_int_equal(bad, bad_expected);
}

static void page_without_magic_is_refused(void **state)
{
    (void)state;
    shared.ring.magic = 0;
    assert_int_equal(net_producer_init(&producer, &shared.ring), ERR_ARG);
    assert_int_equal(net_consumer_init(&consumer, &shared.ring), ERR_ARG);
}

static void packets_come_in_the_order_they_were_put(void **state)
{
    (void)state;
    expect_nothing(0);
    for (uint32_t i = 0; i < 10; i++)
        put(100 + i);
    for (uint32_t i = 0; i < 10; i++)
        expect(100 + i);
    expect_nothing(0);
}

static void descriptor_arrives_as_it_was_put(void **state)
{
    struct net_offload offload = {.flags = NET_NEEDS_CHECKSUM,
                                  .gso = NET_GSO_TCP4,
                                  .header_bytes = 54,
                                  .segment_bytes = 1460,
                                  .csum_start = 34,
                                  .csum_offset = 16};
    struct net_descriptor d, got;
    uint32_t bad = 0;

    (void)state;
    assert_int_equal(net_ring_prepare(&producer, 9000, &d), OK);
    d.offload = offload;
    net_ring_put(&producer, &d);
    assert_true(net_ring_take(&consumer, &got, &bad));
    assert_memory_equal(&got.offload, &offload, sizeof(offload));
    assert_memory_equal(got.pages, d.pages, 3);
}

static void pages_in_use_are_never_given_twice(void **state)
{
    struct net_descriptor d[LARGE_FIT], more;
    uint64_t seen = 0;

    (void)state;
    for (uint32_t k = 0; k < LARGE_FIT; k++) {
        assert_int_equal(net_ring_prepare(&producer, NET_PACKET_BYTES_MAX, &d[k]), OK);
        for (uint32_t i = 0; i < NET_PACKET_PAGES; i++) {
            assert_int_equal(seen >> d[k].pages[i] & 1, 0);
            seen |= UINT64_C(1) << d[k].pages[i];
        }
    }
    assert_int_equal(net_ring_prepare(&producer, (PAGES_LEFT + 1) * NET_PAGE_BYTES, &more), ERR_FULL);
    net_ring_cancel(&producer, &d[1]);
    assert_int_equal(net_ring_prepare(&producer, (PAGES_LEFT + 1) * NET_PAGE_BYTES, &more), OK);
}

static void pages_come_back_only_when_the_consumer_is_done(void **state)
{
    struct net_descriptor d;

    (void)state;
    put_large();
    expect(NET_PACKET_BYTES_MAX);
    assert_int_equal(net_ring_prepare(&producer, NET_PACKET_BYTES_MAX, &d), ERR_FULL);
    net_ring_done(&consumer);
    assert_int_equal(net_ring_prepare(&producer, NET_PACKET_BYTES_MAX, &d), OK);
}

static void slots_run_out_before_small_packets_do(void **state)
{
    struct net_descriptor d;

    (void)state;
    for (uint32_t i = 0; i < NET_LANE_SLOTS; i++)
        put(60);
    assert_int_equal(net_ring_prepare(&producer, 60, &d), ERR_FULL);
    expect(60);
    net_ring_done(&consumer);
    put(61);
}

static void lengths_out_of_bounds_are_refused(void **state)
{
    struct net_descriptor d;

    (void)state;
    assert_int_equal(net_ring_prepare(&producer, 0, &d), ERR_ARG);
    assert_int_equal(net_ring_prepare(&producer, NET_PACKET_BYTES_MIN - 1, &d), ERR_ARG);
    assert_int_equal(net_ring_prepare(&producer, NET_PACKET_BYTES_MAX + 1, &d), ERR_ARG);
    assert_int_equal(net_ring_prepare(&producer, UINT32_MAX, &d), ERR_ARG);
}

static void positions_may_wrap(void **state)
{
    (void)state;
    shared.ring.put = shared.ring.taken = UINT32_MAX - 5;
    producer.put = producer.done = consumer.take = UINT32_MAX - 5;
    for (uint32_t i = 0; i < 100; i++) {
        put(100 + i);
        expect(100 + i);
        net_ring_done(&consumer);
    }
}

static void signals_are_asked_for_only_before_sleeping(void **state)
{
    (void)state;
    assert_true(net_producer_must_signal(&producer)); /* nobody has looked yet */
    net_consumer_awake(&consumer);
    assert_false(net_producer_must_signal(&producer));
    assert_true(net_consumer_may_sleep(&consumer));
    assert_true(net_producer_must_signal(&producer));
    put(60);
    assert_false(net_consumer_may_sleep(&consumer));
}

static void producer_sleeps_only_while_room_is_missing(void **state)
{
    (void)state;
    assert_false(net_consumer_must_signal(&consumer));
    put_large();
    assert_false(net_producer_may_sleep(&producer, PAGES_LEFT));
    assert_true(net_producer_may_sleep(&producer, PAGES_LEFT + 1));
    assert_true(net_consumer_must_signal(&consumer));
    expect(NET_PACKET_BYTES_MAX);
    net_ring_done(&consumer);
    assert_false(net_producer_may_sleep(&producer, PAGES_LEFT + 1));
    net_producer_awake(&producer);
    assert_false(net_consumer_must_signal(&consumer));
}

static void new_generation_is_seen(void **state)
{
    (void)state;
    assert_false(net_ring_restarted(&shared.ring, producer.generation));
    net_ring_create(&shared.ring, 8);
    assert_true(net_ring_restarted(&shared.ring, producer.generation));
    assert_true(net_ring_restarted(&shared.ring, consumer.generation));
}

/* ---- an other side that lies ---------------------------------------------------------------------- */

/* One packet whose descriptor says this; `good`: it is taken. */
static void judge(const struct net_descriptor *said, bool good)
{
    struct net_descriptor d;
    uint32_t bad = 0;

    set_up(NULL);
    shared.ring.packets[0] = *said;
    shared.ring.put = 1;
    assert_int_equal(net_ring_take(&consumer, &d, &bad), good);
    assert_int_equal(bad, !good);
    net_ring_done(&consumer);
    assert_int_equal(shared.ring.taken, 1);
}

static void descriptor_lengths_are_judged(void **state)
{
    struct net_descriptor d = {.length = 60};

    (void)state;
    for (uint8_t i = 0; i < NET_PACKET_PAGES; i++)
        d.pages[i] = i;
    judge(&d, true);
    d.length = NET_PACKET_BYTES_MIN;
    judge(&d, true);
    d.length = NET_PACKET_BYTES_MAX;
    judge(&d, true);
    d.length = NET_PACKET_BYTES_MIN - 1;
    judge(&d, false);
    d.length = NET_PACKET_BYTES_MAX + 1;
    judge(&d, false);
    d.length = UINT32_MAX;
    judge(&d, false);
    d.length = 0;
    judge(&d, false);
}

static void descriptor_pages_are_judged(void **state)
{
    struct net_descriptor d = {.length = 5000, .pages = {3, 4}};

    (void)state;
    judge(&d, true);
    d.pages[1] = 3;
    judge(&d, false);
    d.pages[1] = NET_LANE_PAGES;
    judge(&d, false);
    d.pages[1] = 255;
    judge(&d, false);
    d.pages[1] = NET_LANE_PAGES - 1;
    judge(&d, true);
}

static void checksum_places_are_judged(void **state)
{
    struct net_descriptor d = {.length = 100,
                               .offload = {.flags = NET_NEEDS_CHECKSUM, .csum_start = 34, .csum_offset = 16}};

    (void)state;
    judge(&d, true);
    d.offload.csum_start = 82;
    judge(&d, true);
    d.offload.csum_start = 83;
    judge(&d, false);
    d.offload.csum_start = 65535;
    d.offload.csum_offset = 65535;
    judge(&d, false);
    d.offload.flags = 0; /* they say nothing then */
    judge(&d, true);
    d.offload.flags = 4;
    judge(&d, false);
}

static void segmentation_is_judged(void **state)
{
    struct net_descriptor good = {.length = 3000,
                                  .offload = {.flags = NET_NEEDS_CHECKSUM,
                                              .gso = NET_GSO_TCP6,
                                              .header_bytes = 74,
                                              .segment_bytes = 1440,
                                              .csum_start = 54,
                                              .csum_offset = 16}};
    struct net_descriptor d = good;

    (void)state;
    judge(&d, true);
    d.offload.gso = 3;
    judge(&d, false);
    d = good, d.offload.flags = 0;
    judge(&d, false);
    d = good, d.offload.header_bytes = 0;
    judge(&d, false);
    d = good, d.offload.header_bytes = 3001;
    judge(&d, false);
    d = good, d.offload.segment_bytes = 0;
    judge(&d, false);
}

static void fields_that_say_nothing_are_zero_in_the_copy(void **state)
{
    struct net_descriptor d = {
        .length = 60, .offload = {.csum_start = 9, .csum_offset = 9, .header_bytes = 9, .segment_bytes = 9}};
    struct net_offload none = {0};
    struct net_descriptor got;
    uint32_t bad = 0;

    (void)state;
    shared.ring.packets[0] = d;
    shared.ring.put = 1;
    assert_true(net_ring_take(&consumer, &got, &bad));
    assert_memory_equal(&got.offload, &none, sizeof(none));
}

static void bad_packets_are_skipped_and_counted(void **state)
{
    struct net_descriptor d;
    uint32_t bad = 0;

    (void)state;
    put(60);
    put(61);
    put(62);
    shared.ring.packets[0].length = 1;
    shared.ring.packets[1].pages[0] = 99;
    assert_true(net_ring_take(&consumer, &d, &bad));
    assert_int_equal(d.length, 62);
    assert_int_equal(bad, 2);
}

static void consumer_stops_at_a_position_that_makes_no_sense(void **state)
{
    (void)state;
    put(60);
    shared.ring.put = NET_LANE_SLOTS + 1;
    expect_nothing(0);
    assert_true(consumer.broken);
    assert_true(net_consumer_may_sleep(&consumer));
    shared.ring.put = 1;
    expect_nothing(0);
}

static void producer_stops_at_a_position_that_makes_no_sense(void **state)
{
    struct net_descriptor d;

    (void)state;
    put_large();
    shared.ring.taken = LARGE_FIT + 1;
    assert_int_equal(net_ring_prepare(&producer, NET_PACKET_BYTES_MAX, &d), ERR_FULL);
    assert_true(producer.broken);
    assert_int_equal(net_ring_prepare(&producer, 60, &d), ERR_FULL);
    assert_true(net_producer_may_sleep(&producer, 1));
}

static void position_that_goes_back_frees_nothing(void **state)
{
    struct net_descriptor d;

    (void)state;
    put(60);
    expect(60);
    net_ring_done(&consumer);
    assert_false(net_producer_may_sleep(&producer, 1)); /* it has seen that */
    put_large();
    shared.ring.taken = 0;
    assert_int_equal(net_ring_prepare(&producer, NET_PACKET_BYTES_MAX, &d), ERR_FULL);
    assert_true(producer.broken);
}

/* The generator's sequence is fixed: the test does the same each time. */
static void garbage(void)
{
    for (uint32_t i = 0; i < sizeof(shared); i++)
        shared.page[i] = (uint8_t)rand();
}

/* Whatever the page says, what is taken is in bounds, and no page in use is given out. */
static void garbage_in_the_page_hurts_nobody(void **state)
{
    (void)state;
    srand(3);
    for (uint32_t round = 0; round < 20000; round++) {
        struct net_descriptor d;
        uint32_t bad = 0;

        set_up(NULL);
        garbage();
        shared.ring.put = (uint32_t)rand() % 40;
        shared.ring.taken = 0;
        for (uint32_t slot = 0; slot < NET_LANE_SLOTS; slot++)
            shared.ring.packets[slot].length %= 70000;
        while (net_ring_take(&consumer, &d, &bad)) {
            assert_in_range(d.length, NET_PACKET_BYTES_MIN, NET_PACKET_BYTES_MAX);
            for (uint32_t i = 0; i < net_pages_count(d.length); i++)
                assert_in_range(d.pages[i], 0, NET_LANE_PAGES - 1);
            assert_true(d.offload.csum_start + d.offload.csum_offset <= d.length);
        }
        assert_true(bad <= NET_LANE_SLOTS);
        put(5000);
        uint64_t in_use = producer.slot_pages[0];
        shared.ring.taken = (uint32_t)rand();
        if (shared.ring.taken != 1 && net_ring_prepare(&producer, NET_PACKET_BYTES_MAX, &d) == OK)
            for (uint32_t i = 0; i < NET_PACKET_PAGES; i++)
                assert_false(in_use >> d.pages[i] & 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(page_without_magic_is_refused, set_up),
        cmocka_unit_test_setup(packets_come_in_the_order_they_were_put, set_up),
        cmocka_unit_test_setup(descriptor_arrives_as_it_was_put, set_up),
        cmocka_unit_test_setup(pages_in_use_are_never_given_twice, set_up),
        cmocka_unit_test_setup(pages_come_back_only_when_the_consumer_is_done, set_up),
        cmocka_unit_test_setup(slots_run_out_before_small_packets_do, set_up),
        cmocka_unit_test_setup(lengths_out_of_bounds_are_refused, set_up),
        cmocka_unit_test_setup(positions_may_wrap, set_up),
        cmocka_unit_test_setup(signals_are_asked_for_only_before_sleeping, set_up),
        cmocka_unit_test_setup(producer_sleeps_only_while_room_is_missing, set_up),
        cmocka_unit_test_setup(new_generation_is_seen, set_up),
        cmocka_unit_test_setup(descriptor_lengths_are_judged, set_up),
        cmocka_unit_test_setup(descriptor_pages_are_judged, set_up),
        cmocka_unit_test_setup(checksum_places_are_judged, set_up),
        cmocka_unit_test_setup(segmentation_is_judged, set_up),
        cmocka_unit_test_setup(fields_that_say_nothing_are_zero_in_the_copy, set_up),
        cmocka_unit_test_setup(bad_packets_are_skipped_and_counted, set_up),
        cmocka_unit_test_setup(consumer_stops_at_a_position_that_makes_no_sense, set_up),
        cmocka_unit_test_setup(producer_stops_at_a_position_that_makes_no_sense, set_up),
        cmocka_unit_test_setup(position_that_goes_back_frees_nothing, set_up),
        cmocka_unit_test_setup(garbage_in_the_page_hurts_nobody, set_up),
    };

    return cmocka_run_group_tests_name("net_ring", tests, NULL, NULL);
}
