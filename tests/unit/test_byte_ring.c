/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_byte_ring.c - lib/ring/byte_ring.h: order, wrap, hostile indices, signals only when asked for
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "byte_ring.h"

static struct byte_ring_page page;

static int fresh_page(void **state)
{
    (void)state;
    byte_ring_page_init(&page, 7);
    return 0;
}

static void bytes_come_out_in_order_over_many_wraps(void **state)
{
    struct byte_ring put = byte_ring_out_producer(&page), take = byte_ring_out_consumer(&page);
    uint8_t chunk[300], got[300];
    uint32_t sent = 0, received = 0;

    (void)state;
    while (received < 100000) {
        uint32_t want = 1 + sent % 299;

        for (uint32_t i = 0; i < want; i++)
            chunk[i] = (uint8_t)(sent + i);
        sent += byte_ring_put(&put, chunk, want);
        uint32_t count = byte_ring_take(&take, got, 1 + received % 257);

        for (uint32_t i = 0; i < count; i++)
            assert_int_equal(got[i], (uint8_t)(received + i));
        received += count;
        assert_true(sent - received <= BYTE_RING_OUT_BYTES);
    }
}

static void indices_may_wrap_around_32_bits(void **state)
{
    page.in.head = page.in.tail = UINT32_MAX - 3;
    struct byte_ring put = byte_ring_in_producer(&page), take = byte_ring_in_consumer(&page);
    uint8_t out[8] = {1, 2, 3, 4, 5, 6, 7, 8}, in[8];

    (void)state;
    assert_int_equal(byte_ring_put(&put, out, 8), 8);
    assert_int_equal(byte_ring_take(&take, in, 8), 8);
    assert_memory_equal(in, out, 8);
    assert_int_equal(put.status, OK);
    assert_int_equal(take.status, OK);
}

static void a_full_ring_takes_nothing_more(void **state)
{
    struct byte_ring put = byte_ring_in_producer(&page);
    static uint8_t many[BYTE_RING_IN_BYTES + 100];

    (void)state;
    assert_int_equal(byte_ring_put(&put, many, sizeof many), BYTE_RING_IN_BYTES);
    assert_int_equal(byte_ring_put(&put, many, 1), 0);
    assert_int_equal(put.status, OK);
}

static void a_consumer_refuses_a_head_beyond_the_ring(void **state)
{
    struct byte_ring take = byte_ring_out_consumer(&page);
    uint8_t byte;

    (void)state;
    page.out.head = BYTE_RING_OUT_BYTES + 1;
    assert_int_equal(byte_ring_take(&take, &byte, 1), 0);
    assert_int_equal(take.status, ERR_PEER);
    page.out.head = 1; /* too late: the ring stays closed */
    assert_int_equal(byte_ring_take(&take, &byte, 1), 0);
    assert_false(byte_ring_want_data(&take));
}

static void a_producer_refuses_a_tail_ahead_of_it(void **state)
{
    struct byte_ring put = byte_ring_in_producer(&page);
    uint8_t byte = 0;

    (void)state;
    page.in.tail = 1;
    assert_int_equal(byte_ring_put(&put, &byte, 1), 0);
    assert_int_equal(put.status, ERR_PEER);
}

static void my_index_is_not_what_the_peer_writes_over_it(void **state)
{
    struct byte_ring put = byte_ring_out_producer(&page), take = byte_ring_out_consumer(&page);
    uint8_t out[4] = "abc", in[4];

    (void)state;
    assert_int_equal(byte_ring_put(&put, out, 4), 4);
    page.out.tail = 4; /* that is the consumer's own word */
    assert_int_equal(byte_ring_take(&take, in, 4), 4);
    assert_memory_equal(in, out, 4);
}

static void a_signal_is_due_only_when_asked_for(void **state)
{
    struct byte_ring put = byte_ring_out_producer(&page), take = byte_ring_out_consumer(&page);
    uint8_t byte = 'x';

    (void)state;
    assert_false(byte_ring_must_signal(&put));
    assert_false(byte_ring_want_data(&take)); /* nothing there: sleep, but tell me */
    assert_int_equal(byte_ring_put(&put, &byte, 1), 1);
    assert_true(byte_ring_must_signal(&put));
    assert_true(byte_ring_want_data(&take)); /* it came meanwhile: do not sleep */
    byte_ring_want_nothing(&take);
    assert_false(byte_ring_must_signal(&put));
}

static void a_producer_is_told_of_room(void **state)
{
    struct byte_ring put = byte_ring_in_producer(&page), take = byte_ring_in_consumer(&page);
    static uint8_t many[BYTE_RING_IN_BYTES];

    (void)state;
    assert_int_equal(byte_ring_put(&put, many, sizeof many), sizeof many);
    assert_false(byte_ring_want_space(&put));
    assert_int_equal(byte_ring_take(&take, many, 1), 1);
    assert_true(byte_ring_must_signal(&take));
}

static void opening_again_goes_on_where_it_was(void **state)
{
    struct byte_ring put = byte_ring_out_producer(&page), take = byte_ring_out_consumer(&page);
    uint8_t in[8];

    (void)state;
    assert_int_equal(byte_ring_put(&put, (const uint8_t *)"abcdef", 6), 6);
    assert_int_equal(byte_ring_take(&take, in, 2), 2);
    take = byte_ring_out_consumer(&page); /* the consumer was restarted */
    assert_int_equal(byte_ring_take(&take, in, 8), 4);
    assert_memory_equal(in, "cdef", 4);
    put = byte_ring_out_producer(&page);
    assert_int_equal(byte_ring_put(&put, (const uint8_t *)"gh", 2), 2);
    assert_int_equal(byte_ring_take(&take, in, 8), 2);
    assert_memory_equal(in, "gh", 2);
    assert_int_equal(byte_ring_generation(&page), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(bytes_come_out_in_order_over_many_wraps, fresh_page),
        cmocka_unit_test_setup(indices_may_wrap_around_32_bits, fresh_page),
        cmocka_unit_test_setup(a_full_ring_takes_nothing_more, fresh_page),
        cmocka_unit_test_setup(a_consumer_refuses_a_head_beyond_the_ring, fresh_page),
        cmocka_unit_test_setup(a_producer_refuses_a_tail_ahead_of_it, fresh_page),
        cmocka_unit_test_setup(my_index_is_not_what_the_peer_writes_over_it, fresh_page),
        cmocka_unit_test_setup(a_signal_is_due_only_when_asked_for, fresh_page),
        cmocka_unit_test_setup(a_producer_is_told_of_room, fresh_page),
        cmocka_unit_test_setup(opening_again_goes_on_where_it_was, fresh_page),
    };

    return cmocka_run_group_tests_name("byte_ring", tests, NULL, NULL);
}
