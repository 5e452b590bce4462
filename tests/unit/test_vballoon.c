/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_vballoon.c - claims about the memory balloon: what an honest driver gives comes back in whole blocks,
 * what a liar says costs the liar
 *
 * links: services/vmm/vballoon.c lib/virtio/vring.c lib/virtio/virtio_mmio.c
 * flags: -Iservices/vmm
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vballoon.h"
#include "virtio_mmio_driver.h"

#define BLOCKS 70u
#define PAGES VBALLOON_BLOCK_PAGES
#define FIRST_PAGE (uint32_t)(RAM_BASE / VBALLOON_PAGE_BYTES)
/* The inflate queue is where vring_driver.h has its one; the deflate queue lies behind it. */
#define DEFLATE_DESCRIPTORS (RAM_BASE + 0x4000)
#define DEFLATE_AVAIL (RAM_BASE + 0x5000)
#define DEFLATE_USED (RAM_BASE + 0x6000)
#define DEFLATE_NUMBERS (BUFFERS + 0x8000)
#define MUST_TELL_HOST 1u

static struct vballoon balloon;
static struct vballoon_block blocks[BLOCKS];
static uint64_t gone[(BLOCKS + 63) / 64];
static uint32_t changes;
static uint16_t deflate_avail;

static void changed(void *context)
{
    (void)context;
    changes++;
}

static void start(uint32_t features)
{
    driver_negotiate(features);
    deflate_avail = 0;
    driver_queue(0, DESCRIPTORS, AVAIL, USED);
    driver_queue(1, DEFLATE_DESCRIPTORS, DEFLATE_AVAIL, DEFLATE_USED);
    driver_ok();
}

static int fresh(void **state)
{
    (void)state;
    memset(blocks, 0, sizeof blocks);
    memset(gone, 0, sizeof gone);
    balloon = (struct vballoon){.block_count = BLOCKS, .blocks = blocks, .gone = gone, .changed = changed};
    balloon.virtio.ram = &ram;
    balloon.virtio.interrupt = interrupt;
    driven = &balloon.virtio;
    vballoon_init(&balloon);
    start(MUST_TELL_HOST);
    changes = 0;
    return 0;
}

static void put32(uint64_t address, uint32_t value)
{
    memcpy(at(address), &value, sizeof value);
}

/* Ask with an array of page numbers; returns how many requests of the queue are answered. */
static uint16_t inflate(uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        put32(BUFFERS + 4ull * i, first + i);
    descriptor(0, BUFFERS, 4 * count, 0, 0);
    make_available(0);
    mmio(0x50, 0);
    return get16(USED + 2);
}

static uint16_t deflate(uint32_t first, uint32_t count)
{
    struct vring_descriptor d = {DEFLATE_NUMBERS, 4 * count, 0, 0};

    for (uint32_t i = 0; i < count; i++)
        put32(DEFLATE_NUMBERS + 4ull * i, first + i);
    memcpy(at(DEFLATE_DESCRIPTORS), &d, sizeof d);
    put16(DEFLATE_AVAIL + 4 + 2ull * (deflate_avail % QUEUE_SIZE), 0);
    deflate_avail++;
    put16(DEFLATE_AVAIL + 2, deflate_avail);
    mmio(0x50, 1);
    return get16(DEFLATE_USED + 2);
}

static uint32_t page_of(uint32_t block, uint32_t page)
{
    return FIRST_PAGE + block * PAGES + page;
}

static void release_all(void)
{
    uint32_t block;

    while (vballoon_next(&balloon, &block) == VBALLOON_RELEASE)
        vballoon_gone(&balloon, block);
}

static void target_is_what_the_driver_reads(void **state)
{
    uint32_t before = interrupts;

    (void)state;
    assert_int_equal(mmio_read(0x08), 5);
    vballoon_set_target(&balloon, 1234);
    assert_int_equal(mmio_read(0x100), 1234);
    assert_int_equal(interrupts, before + 1);
    vballoon_set_target(&balloon, 1234);
    assert_int_equal(interrupts, before + 1);
}

static void block_goes_when_its_last_page_is_given(void **state)
{
    uint32_t block;

    (void)state;
    assert_int_equal(inflate(page_of(66, 0), PAGES - 1), 1);
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_NOTHING);
    assert_int_equal(inflate(page_of(66, PAGES - 1), 1), 2);
    assert_int_equal(balloon.page_count, PAGES);
    assert_int_equal(changes, 2);
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_RELEASE);
    assert_int_equal(block, 66);
    vballoon_gone(&balloon, block);
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_NOTHING);
}

static void page_of_a_block_that_is_gone_waits_until_it_is_back(void **state)
{
    uint32_t block;

    (void)state;
    inflate(page_of(3, 0), PAGES);
    inflate(page_of(4, 0), PAGES);
    release_all();
    assert_int_equal(balloon.gone_count, 2);
    assert_int_equal(deflate(page_of(3, PAGES - 2), 4), 0); /* two pages of each block */
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_FETCH);
    assert_int_equal(block, 3);
    vballoon_back(&balloon, 3);
    assert_int_equal(get16(DEFLATE_USED + 2), 0);
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_FETCH);
    assert_int_equal(block, 4);
    vballoon_back(&balloon, 4);
    assert_int_equal(get16(DEFLATE_USED + 2), 1);
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_NOTHING);
    assert_int_equal(balloon.page_count, 2 * PAGES - 4);
    assert_int_equal(deflate(page_of(3, 0), 1), 2); /* the block is there: no waiting */
}

static void guest_that_waits_may_go_on_giving(void **state)
{
    uint32_t block;

    (void)state;
    inflate(page_of(3, 0), PAGES);
    release_all();
    deflate(page_of(3, 7), 1);
    assert_int_equal(inflate(page_of(9, 0), PAGES), 2);
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_RELEASE); /* first: others may wait for it */
    assert_int_equal(block, 9);
    vballoon_gone(&balloon, 9);
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_FETCH);
    assert_int_equal(block, 3);
}

static void reserve_stays_until_memory_is_short(void **state)
{
    uint32_t block;

    (void)state;
    balloon.reserve = 2;
    inflate(page_of(3, 0), PAGES);
    inflate(page_of(4, 0), PAGES);
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_NOTHING);
    inflate(page_of(5, 0), PAGES);
    release_all();
    assert_int_equal(balloon.gone_count, 1);
    deflate(page_of(3, 0), 1);
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_FETCH);
    balloon.is_short = true;
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_RELEASE);
    vballoon_gone(&balloon, block);
    balloon.is_short = false;
    vballoon_back(&balloon, 3);
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_NOTHING);
    assert_int_equal(balloon.gone_count, 1);
}

static void giving_and_taking_twice_is_once(void **state)
{
    uint32_t block;

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        inflate(page_of(5, 0), PAGES - 1);
    assert_int_equal(balloon.page_count, PAGES - 1);
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_NOTHING);
    deflate(page_of(5, 0), 2);
    deflate(page_of(5, 0), 2);
    assert_int_equal(balloon.page_count, PAGES - 3);
    inflate(page_of(5, PAGES - 1), 1);
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_NOTHING);
    inflate(page_of(5, 0), 2);
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_RELEASE);
    deflate(page_of(5, 100), 1); /* it changed its mind in time */
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_NOTHING);
}

static void pages_that_the_guest_does_not_have_mean_nothing(void **state)
{
    uint32_t block;

    (void)state;
    inflate(0, 8);
    inflate(FIRST_PAGE - 1, 1);
    inflate(page_of(BLOCKS, 0), 512);
    inflate(UINT32_MAX - 3, 4);
    deflate(page_of(BLOCKS, 0), 4);
    deflate(FIRST_PAGE - 4, 4);
    assert_int_equal(balloon.page_count, 0);
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_NOTHING);
    assert_true(vballoon_has_driver(&balloon));
}

static void odd_requests_are_answered(void **state)
{
    (void)state;
    descriptor(0, BUFFERS, 7, 0, 0); /* one number and a half */
    put32(BUFFERS, page_of(2, 2));
    make_available(0);
    descriptor(1, BUFFERS, 64, VRING_WRITE, 0); /* none at all */
    make_available(1);
    mmio(0x50, 0);
    assert_int_equal(get16(USED + 2), 2);
    assert_int_equal(balloon.page_count, 1);
    assert_true(vballoon_has_driver(&balloon));
}

static void broken_ring_costs_the_device_only(void **state)
{
    uint32_t block;

    (void)state;
    inflate(page_of(1, 0), PAGES);
    descriptor(0, RAM_BASE + RAM_BYTES, 4, 0, 0);
    make_available(0);
    mmio(0x50, 0);
    assert_false(vballoon_has_driver(&balloon));
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_NOTHING);
}

static void driver_that_does_not_promise_to_tell_gets_nothing_taken(void **state)
{
    uint32_t block;

    (void)state;
    start(0);
    inflate(page_of(1, 0), PAGES);
    assert_int_equal(balloon.page_count, PAGES);
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_NOTHING);
}

static void reset_forgets_what_waits_and_keeps_what_was_given(void **state)
{
    uint32_t block;

    (void)state;
    inflate(page_of(1, 0), PAGES);
    release_all();
    deflate(page_of(1, 0), 1);
    mmio(0x70, 0);
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_NOTHING);
    assert_int_equal(balloon.page_count, PAGES);
    vballoon_back(&balloon, 1); /* it was being fetched just then */
    start(MUST_TELL_HOST);
    assert_int_equal(vballoon_next(&balloon, &block), VBALLOON_RELEASE);
}

static void memory_that_is_gone_has_no_address(void **state)
{
    static const uint64_t holes[1] = {1ull << 1};
    const struct guest_ram holed = {ram_bytes, RAM_BASE, 3ull * GUEST_RAM_BLOCK_BYTES, holes};
    uint64_t second = RAM_BASE + GUEST_RAM_BLOCK_BYTES, third = second + GUEST_RAM_BLOCK_BYTES;

    (void)state;
    assert_non_null(guest_ram_at(&holed, second - 8, 8));
    assert_null(guest_ram_at(&holed, second - 8, 9));
    assert_null(guest_ram_at(&holed, second, 1));
    assert_null(guest_ram_at(&holed, third - 1, 1));
    assert_null(guest_ram_at(&holed, second - 1, GUEST_RAM_BLOCK_BYTES + 2));
    assert_non_null(guest_ram_at(&holed, third, GUEST_RAM_BLOCK_BYTES));
    assert_non_null(guest_ram_at(&holed, third + GUEST_RAM_BLOCK_BYTES, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(target_is_what_the_driver_reads, fresh),
        cmocka_unit_test_setup(block_goes_when_its_last_page_is_given, fresh),
        cmocka_unit_test_setup(page_of_a_block_that_is_gone_waits_until_it_is_back, fresh),
        cmocka_unit_test_setup(guest_that_waits_may_go_on_giving, fresh),
        cmocka_unit_test_setup(reserve_stays_until_memory_is_short, fresh),
        cmocka_unit_test_setup(giving_and_taking_twice_is_once, fresh),
        cmocka_unit_test_setup(pages_that_the_guest_does_not_have_mean_nothing, fresh),
        cmocka_unit_test_setup(odd_requests_are_answered, fresh),
        cmocka_unit_test_setup(broken_ring_costs_the_device_only, fresh),
        cmocka_unit_test_setup(driver_that_does_not_promise_to_tell_gets_nothing_taken, fresh),
        cmocka_unit_test_setup(reset_forgets_what_waits_and_keeps_what_was_given, fresh),
        cmocka_unit_test_setup(memory_that_is_gone_has_no_address, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
