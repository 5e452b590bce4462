/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_vring.c - claims about the device's side of a virtqueue: what an honest driver gets, and what a lying
 * one
 *
 * links: lib/virtio/vring.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vring_driver.h"

static struct vring ring;
static struct vring_chain chain;

static int set_up(void **state)
{
    (void)state;
    driver_set_up(&ring);
    assert_int_equal(vring_start(&ring, &ram, QUEUE_SIZE), OK);
    return 0;
}

static void expect_chain(void)
{
    bool found = false;

    assert_int_equal(vring_take(&ring, &chain, &found), OK);
    assert_true(found);
}

static void expect_broken(void)
{
    bool found = true;

    assert_int_equal(vring_take(&ring, &chain, &found), ERR_ARG);
    assert_false(found);
    /* and it stays broken, whatever comes next */
    descriptor(0, BUFFERS, 16, 0, 0);
    make_available(0);
    assert_int_equal(vring_take(&ring, &chain, &found), OK);
    assert_false(found);
}

static void start_refuses_sizes_that_are_no_power_of_two(void **state)
{
    (void)state;
    for (uint32_t size = 0; size < 20; size++) {
        driver_set_up(&ring);
        ring.size = size;
        bool ok = size == 1 || size == 2 || size == 4 || size == 8;
        assert_int_equal(vring_start(&ring, &ram, QUEUE_SIZE), ok ? OK : ERR_ARG);
    }
}

static void start_refuses_addresses_outside_memory(void **state)
{
    (void)state;
    const uint64_t bad[] = {0, RAM_BASE - 16, RAM_BASE + RAM_BYTES, RAM_BASE + RAM_BYTES - 16,
                            UINT64_MAX - 15};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (int field = 0; field < 3; field++) {
            driver_set_up(&ring);
            *(field == 0   ? &ring.descriptor_address
              : field == 1 ? &ring.avail_address
                           : &ring.used_address) = bad[i];
            assert_int_equal(vring_start(&ring, &ram, QUEUE_SIZE), ERR_ARG);
        }
    }
}

static void start_refuses_misaligned_addresses(void **state)
{
    (void)state;
    driver_set_up(&ring);
    ring.descriptor_address += 8;
    assert_int_equal(vring_start(&ring, &ram, QUEUE_SIZE), ERR_ARG);
    driver_set_up(&ring);
    ring.avail_address += 1;
    assert_int_equal(vring_start(&ring, &ram, QUEUE_SIZE), ERR_ARG);
    driver_set_up(&ring);
    ring.used_address += 2;
    assert_int_equal(vring_start(&ring, &ram, QUEUE_SIZE), ERR_ARG);
}

static void a_chain_is_taken_once_and_given_back(void **state)
{
    (void)state;
    bool found;

    descriptor(3, BUFFERS, 16, VRING_NEXT, 5);
    descriptor(5, BUFFERS + 0x100, 32, VRING_WRITE, 0);
    make_available(3);
    expect_chain();
    assert_int_equal(chain.head, 3);
    assert_int_equal(chain.readable_bytes, 16);
    assert_int_equal(chain.writable_bytes, 32);
    assert_int_equal(vring_take(&ring, &chain, &found), OK);
    assert_false(found);

    vring_give(&ring, 3, 32);
    assert_int_equal(get16(USED + 2), 1);
    assert_int_equal(get32(USED + 4), 3);
    assert_int_equal(get32(USED + 8), 32);
}

static void copies_cross_segments(void **state)
{
    (void)state;
    uint8_t bytes[10];

    memcpy(at(BUFFERS), "abc", 3);
    memcpy(at(BUFFERS + 0x100), "defgh", 5);
    descriptor(0, BUFFERS, 3, VRING_NEXT, 1);
    descriptor(1, BUFFERS + 0x100, 5, VRING_NEXT, 2);
    descriptor(2, BUFFERS + 0x200, 2, VRING_NEXT | VRING_WRITE, 3);
    descriptor(3, BUFFERS + 0x300, 4, VRING_WRITE, 0);
    make_available(0);
    expect_chain();
    vring_copy_from(&chain, 2, bytes, 5);
    assert_memory_equal(bytes, "cdefg", 5);
    vring_copy_to(&chain, 1, "WXYZ", 4);
    assert_memory_equal(at(BUFFERS + 0x200), "\0W", 2);
    assert_memory_equal(at(BUFFERS + 0x300), "XYZ\0", 4);
}

static void a_head_past_the_table_breaks(void **state)
{
    (void)state;
    make_available(QUEUE_SIZE);
    expect_broken();
}

static void a_next_past_the_table_breaks(void **state)
{
    (void)state;
    descriptor(0, BUFFERS, 16, VRING_NEXT, QUEUE_SIZE);
    make_available(0);
    expect_broken();
}

static void a_loop_ends(void **state)
{
    (void)state;
    descriptor(0, BUFFERS, 16, VRING_NEXT, 1);
    descriptor(1, BUFFERS, 16, VRING_NEXT, 0);
    make_available(0);
    expect_broken();
}

static void more_available_than_the_ring_holds_breaks(void **state)
{
    (void)state;
    descriptor(0, BUFFERS, 16, 0, 0);
    put16(AVAIL + 2, QUEUE_SIZE + 1);
    expect_broken();
}

static void buffers_outside_memory_break(void **state)
{
    (void)state;
    const struct {
        uint64_t address;
        uint32_t bytes;
    } bad[] = {{RAM_BASE - 1, 1},
               {RAM_BASE + RAM_BYTES, 1},
               {RAM_BASE + RAM_BYTES - 1, 2},
               {UINT64_MAX, 1},
               {UINT64_MAX - 1, 4},
               {BUFFERS, UINT32_MAX},
               {BUFFERS, 0},
               {0, 4096}};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        set_up(state);
        descriptor(0, bad[i].address, bad[i].bytes, 0, 0);
        make_available(0);
        expect_broken();
    }
}

static void readable_after_writable_breaks(void **state)
{
    (void)state;
    descriptor(0, BUFFERS, 16, VRING_WRITE | VRING_NEXT, 1);
    descriptor(1, BUFFERS, 16, 0, 0);
    make_available(0);
    expect_broken();
}

static void indirect_breaks_unless_negotiated(void **state)
{
    (void)state;
    descriptor(0, BUFFERS, 16, VRING_INDIRECT, 0);
    make_available(0);
    expect_broken();
}

/* Entry `index` of a table at BUFFERS. */
static void indirect(uint32_t index, uint64_t address, uint32_t bytes, uint16_t flags, uint16_t next)
{
    struct vring_descriptor d = {address, bytes, flags, next};

    memcpy(at(BUFFERS + 16ull * index), &d, sizeof d);
}

static void an_indirect_table_is_followed(void **state)
{
    (void)state;
    ring.has_indirect = true;
    indirect(0, BUFFERS + 0x1000, 16, VRING_NEXT, 2);
    indirect(2, BUFFERS + 0x2000, 64, VRING_WRITE, 0);
    descriptor(1, BUFFERS, 48, VRING_INDIRECT, 0);
    make_available(1);
    expect_chain();
    assert_int_equal(chain.head, 1);
    assert_int_equal(chain.readable_bytes, 16);
    assert_int_equal(chain.writable_bytes, 64);
}

static void bad_indirect_tables_break(void **state)
{
    (void)state;
    const struct {
        uint64_t address;
        uint32_t bytes;
        uint16_t flags;
    } bad[] = {{BUFFERS, 0, VRING_INDIRECT},
               {BUFFERS, 15, VRING_INDIRECT},
               {BUFFERS, 16 * (VRING_SIZE_MAX + 1), VRING_INDIRECT},
               {BUFFERS, 16, VRING_INDIRECT | VRING_NEXT},
               {BUFFERS, 16, VRING_INDIRECT | VRING_WRITE},
               {BUFFERS + 1, 16, VRING_INDIRECT},
               {RAM_BASE + RAM_BYTES, 16, VRING_INDIRECT},
               {UINT64_MAX - 15, 16, VRING_INDIRECT}};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        set_up(state);
        ring.has_indirect = true;
        indirect(0, BUFFERS + 0x1000, 16, 0, 0);
        descriptor(0, bad[i].address, bad[i].bytes, bad[i].flags, 1);
        make_available(0);
        expect_broken();
    }
}

static void an_indirect_table_in_an_indirect_table_breaks(void **state)
{
    (void)state;
    ring.has_indirect = true;
    indirect(0, BUFFERS, 16, VRING_INDIRECT, 0);
    descriptor(0, BUFFERS, 16, VRING_INDIRECT, 0);
    make_available(0);
    expect_broken();
}

static void a_loop_in_an_indirect_table_ends(void **state)
{
    (void)state;
    ring.has_indirect = true;
    indirect(0, BUFFERS + 0x1000, 1, VRING_NEXT, 0);
    descriptor(0, BUFFERS, 16, VRING_INDIRECT, 0);
    make_available(0);
    expect_broken();
}

static void the_driver_is_interrupted_unless_it_said_no(void **state)
{
    (void)state;
    assert_false(vring_must_interrupt(&ring)); /* nothing was given */
    vring_give(&ring, 0, 0);
    assert_true(vring_must_interrupt(&ring));
    assert_false(vring_must_interrupt(&ring));
    put16(AVAIL, VRING_AVAIL_NO_INTERRUPT);
    vring_give(&ring, 0, 0);
    assert_false(vring_must_interrupt(&ring));
}

static void with_event_index_the_driver_is_interrupted_where_it_asked(void **state)
{
    (void)state;
    ring.has_event_index = true;
    put16(AVAIL + 4 + 2 * QUEUE_SIZE, 2); /* used_event: when the third is given */
    vring_give(&ring, 0, 0);
    assert_false(vring_must_interrupt(&ring));
    vring_give(&ring, 0, 0);
    assert_false(vring_must_interrupt(&ring));
    vring_give(&ring, 0, 0);
    assert_true(vring_must_interrupt(&ring));
    vring_give(&ring, 0, 0);
    assert_false(vring_must_interrupt(&ring));
}

static void a_kick_is_asked_for_where_we_stopped(void **state)
{
    (void)state;
    ring.has_event_index = true;
    descriptor(0, BUFFERS, 16, 0, 0);
    make_available(0);
    assert_true(vring_want_kick(&ring)); /* there is one already */
    expect_chain();
    assert_false(vring_want_kick(&ring));
    assert_int_equal(get16(USED + 4 + 8 * QUEUE_SIZE), 1); /* avail_event */
}

static void indices_wrap(void **state)
{
    (void)state;
    descriptor(0, BUFFERS, 16, 0, 0);
    for (uint32_t i = 0; i < 70000; i++) {
        make_available(0);
        expect_chain();
        vring_give(&ring, chain.head, 0);
    }
    assert_int_equal(get16(USED + 2), 70000 % 65536);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(start_refuses_sizes_that_are_no_power_of_two, set_up),
        cmocka_unit_test_setup(start_refuses_addresses_outside_memory, set_up),
        cmocka_unit_test_setup(start_refuses_misaligned_addresses, set_up),
        cmocka_unit_test_setup(a_chain_is_taken_once_and_given_back, set_up),
        cmocka_unit_test_setup(copies_cross_segments, set_up),
        cmocka_unit_test_setup(a_head_past_the_table_breaks, set_up),
        cmocka_unit_test_setup(a_next_past_the_table_breaks, set_up),
        cmocka_unit_test_setup(a_loop_ends, set_up),
        cmocka_unit_test_setup(more_available_than_the_ring_holds_breaks, set_up),
        cmocka_unit_test_setup(buffers_outside_memory_break, set_up),
        cmocka_unit_test_setup(readable_after_writable_breaks, set_up),
        cmocka_unit_test_setup(indirect_breaks_unless_negotiated, set_up),
        cmocka_unit_test_setup(an_indirect_table_is_followed, set_up),
        cmocka_unit_test_setup(bad_indirect_tables_break, set_up),
        cmocka_unit_test_setup(an_indirect_table_in_an_indirect_table_breaks, set_up),
        cmocka_unit_test_setup(a_loop_in_an_indirect_table_ends, set_up),
        cmocka_unit_test_setup(the_driver_is_interrupted_unless_it_said_no, set_up),
        cmocka_unit_test_setup(with_event_index_the_driver_is_interrupted_where_it_asked, set_up),
        cmocka_unit_test_setup(a_kick_is_asked_for_where_we_stopped, set_up),
        cmocka_unit_test_setup(indices_wrap, set_up),
    };

    return cmocka_run_group_tests_name("vring", tests, NULL, NULL);
}
