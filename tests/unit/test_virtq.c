/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_virtq.c - claims about the driver's side of a virtqueue; vring.c, the device's side, is the device
 *
 * links: lib/virtio/virtq.c lib/virtio/vring.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "virtq.h"
#include "vring.h"

#define IOVA UINT64_C(0x1000000000)
#define SIZE 8u

static struct {
    struct vring_descriptor descriptors[VRING_SIZE_MAX];
    struct virtq_avail avail __attribute__((aligned(16)));
    struct virtq_used used __attribute__((aligned(16)));
    uint8_t buffers[SIZE][64];
} memory;
static const struct guest_ram ram = {.host = (uint8_t *)&memory, .base = IOVA, .size = sizeof(memory)};
static volatile uint16_t doorbell;
static struct virtq q;
static struct vring device;

void machine_dma_barrier(void)
{
}

static uint64_t iova(const volatile void *at)
{
    return IOVA + (uint64_t)((const volatile uint8_t *)at - (const uint8_t *)&memory);
}

static int set_up(void **state)
{
    (void)state;
    memset(&memory, 0xee, sizeof(memory));
    memset(&q, 0xee, sizeof(q));
    doorbell = 99;
    virtq_place(&q, memory.descriptors, IOVA, &memory.avail, iova(&memory.avail), &memory.used,
                iova(&memory.used));
    virtq_start(&q, 3, SIZE, &doorbell);
    device = (struct vring){.size = SIZE,
                            .descriptor_address = q.descriptors_iova,
                            .avail_address = q.avail_iova,
                            .used_address = q.used_iova};
    assert_int_equal(vring_start(&device, &ram, VRING_SIZE_MAX), OK);
    return 0;
}

/* Buffers to read, then buffers to write, 64 bytes each. */
static uint16_t put(uint32_t readable, uint32_t writable, uint16_t owner)
{
    struct virtq_chain chain = {0};

    for (uint32_t i = 0; i < readable; i++)
        virtq_add(&q, &chain, iova(memory.buffers[i]), 64, 0);
    for (uint32_t i = 0; i < writable; i++)
        virtq_add(&q, &chain, iova(memory.buffers[readable + i]), 64, VRING_WRITE);
    virtq_put(&q, &chain, owner);
    return chain.head;
}

static struct vring_chain device_take(void)
{
    struct vring_chain chain;
    bool found;

    assert_int_equal(vring_take(&device, &chain, &found), OK);
    assert_true(found);
    return chain;
}

static void expect(uint16_t owner, uint32_t written)
{
    uint32_t got_written;
    uint16_t got;

    if (virtq_look(&q))
        virtq_accept(&q);
    assert_true(virtq_take(&q, &got, &got_written));
    assert_int_equal(got, owner);
    assert_int_equal(got_written, written);
}

static void expect_broken(void)
{
    uint32_t written;
    uint16_t owner;

    if (virtq_look(&q))
        virtq_accept(&q);
    assert_false(virtq_take(&q, &owner, &written));
    assert_true(q.broken);
    assert_false(virtq_look(&q));
}

static void chain_reaches_the_device_as_it_was_built(void **state)
{
    (void)state;
    put(2, 1, 40);
    struct vring_chain chain = device_take();
    assert_int_equal(chain.readable_count, 2);
    assert_int_equal(chain.writable_count, 1);
    assert_ptr_equal(chain.segments[0].data, memory.buffers[0]);
    assert_ptr_equal(chain.segments[2].data, memory.buffers[2]);
    vring_give(&device, chain.head, 64);
    expect(40, 64);
}

static void descriptors_come_back_whatever_the_order(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 1000; round++) {
        put(1, 1, 1);
        put(2, 1, 2);
        put(0, 3, 3);
        assert_int_equal(q.free_count, 0);
        struct vring_chain first = device_take(), second = device_take(), third = device_take();
        vring_give(&device, third.head, round % 193);
        vring_give(&device, first.head, 0);
        vring_give(&device, second.head, 64);
        expect(3, round % 193);
        expect(1, 0);
        expect(2, 64);
        assert_int_equal(q.free_count, SIZE);
    }
}

static void nothing_counts_before_it_is_accepted(void **state)
{
    uint32_t written;
    uint16_t owner;

    (void)state;
    put(1, 0, 7);
    vring_give(&device, device_take().head, 0);
    assert_true(virtq_look(&q));
    assert_false(virtq_take(&q, &owner, &written));
    virtq_accept(&q);
    assert_true(virtq_take(&q, &owner, &written));
    assert_false(virtq_take(&q, &owner, &written));
}

static void doorbell_rings_once_and_only_if_the_device_listens(void **state)
{
    (void)state;
    virtq_kick(&q);
    assert_int_equal(doorbell, 99);
    put(1, 0, 1);
    virtq_kick(&q);
    assert_int_equal(doorbell, 3);
    doorbell = 99;
    virtq_kick(&q);
    vring_want_no_kick(&device);
    put(1, 0, 2);
    virtq_kick(&q);
    assert_int_equal(doorbell, 99);
}

static void unwelcome_interrupts_are_not_raised(void **state)
{
    (void)state;
    virtq_interrupts(&q, false);
    put(1, 0, 1);
    vring_give(&device, device_take().head, 0);
    assert_false(vring_must_interrupt(&device));
    virtq_interrupts(&q, true);
    put(1, 0, 1);
    vring_give(&device, device_take().head, 0);
    assert_true(vring_must_interrupt(&device));
}

static void chain_that_the_device_does_not_have_breaks_the_queue(void **state)
{
    const uint32_t heads[] = {1 /* within the chain */, 5 /* free */, SIZE, UINT32_MAX};

    for (uint32_t i = 0; i < 4; i++) {
        set_up(state);
        put(1, 1, 1);
        memory.used.ring[0] = (struct vring_used_element){.id = heads[i]};
        memory.used.index = 1;
        expect_broken();
    }
}

static void chain_that_comes_back_twice_breaks_the_queue(void **state)
{
    (void)state;
    uint16_t head = put(1, 1, 1);
    put(1, 1, 2);
    vring_give(&device, head, 0);
    expect(1, 0);
    vring_give(&device, head, 0);
    expect_broken();
}

static void index_that_runs_ahead_breaks_the_queue(void **state)
{
    (void)state;
    put(1, 1, 1);
    memory.used.index = SIZE + 1;
    expect_broken();
}

static void more_bytes_than_there_was_room_for_break_the_queue(void **state)
{
    (void)state;
    uint16_t head = put(1, 2, 1);
    vring_give(&device, head, 129);
    expect_broken();
}

static void start_makes_a_broken_queue_whole(void **state)
{
    (void)state;
    put(1, 1, 1);
    memory.used.index = 300;
    expect_broken();
    virtq_start(&q, 0, SIZE, &doorbell);
    assert_int_equal(q.free_count, SIZE);
    vring_reset(&device);
    device = (struct vring){.size = SIZE,
                            .descriptor_address = q.descriptors_iova,
                            .avail_address = q.avail_iova,
                            .used_address = q.used_iova};
    assert_int_equal(vring_start(&device, &ram, VRING_SIZE_MAX), OK);
    put(1, 1, 5);
    vring_give(&device, device_take().head, 3);
    expect(5, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(chain_reaches_the_device_as_it_was_built, set_up),
        cmocka_unit_test_setup(descriptors_come_back_whatever_the_order, set_up),
        cmocka_unit_test_setup(nothing_counts_before_it_is_accepted, set_up),
        cmocka_unit_test_setup(doorbell_rings_once_and_only_if_the_device_listens, set_up),
        cmocka_unit_test_setup(unwelcome_interrupts_are_not_raised, set_up),
        cmocka_unit_test_setup(chain_that_the_device_does_not_have_breaks_the_queue, set_up),
        cmocka_unit_test_setup(chain_that_comes_back_twice_breaks_the_queue, set_up),
        cmocka_unit_test_setup(index_that_runs_ahead_breaks_the_queue, set_up),
        cmocka_unit_test_setup(more_bytes_than_there_was_room_for_break_the_queue, set_up),
        cmocka_unit_test_setup(start_makes_a_broken_queue_whole, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
