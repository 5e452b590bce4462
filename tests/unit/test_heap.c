/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_heap.c - lib/bh/heap.c: blocks never overlap, and everything comes back
 *
 * links: lib/bh/heap.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "heap.h"

#define HEAP_BYTES 65536u
#define PIECES 64u

static _Alignas(16) uint8_t area[HEAP_BYTES];

static struct heap fresh_heap(void)
{
    struct heap heap;

    memset(area, 0xa5, sizeof(area));
    heap_init(&heap, (uintptr_t)area, sizeof(area));
    return heap;
}

static void a_heap_of_nothing_refuses(void **state)
{
    struct heap heap;

    (void)state;
    heap_init(&heap, (uintptr_t)area, 0);
    assert_null(heap_alloc(&heap, 1));
    assert_int_equal(heap_bytes_free(&heap), 0);
    heap_free(&heap, NULL);
}

static void memory_is_aligned_even_if_the_area_is_not(void **state)
{
    struct heap heap;

    (void)state;
    heap_init(&heap, (uintptr_t)area + 5, 1000);
    for (size_t bytes = 0; bytes < 40; bytes++) {
        void *memory = heap_alloc(&heap, bytes);

        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 16, 0);
        heap_free(&heap, memory);
    }
}

static void too_much_is_refused_and_takes_nothing(void **state)
{
    struct heap heap = fresh_heap();
    size_t before = heap_bytes_free(&heap);

    (void)state;
    assert_null(heap_alloc(&heap, HEAP_BYTES));
    assert_null(heap_alloc(&heap, SIZE_MAX));
    assert_null(heap_alloc(&heap, SIZE_MAX - 15));
    assert_null(heap_alloc(&heap, (size_t)UINT32_MAX * 16));
    assert_int_equal(heap_bytes_free(&heap), before);
}

static void the_whole_heap_can_be_one_block_again_and_again(void **state)
{
    struct heap heap = fresh_heap();

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        void *all = heap_alloc(&heap, HEAP_BYTES - 16);

        assert_non_null(all);
        memset(all, 0, HEAP_BYTES - 16);
        assert_null(heap_alloc(&heap, 0));
        heap_free(&heap, all);
    }
}

/* Freed in an order that joins with the next, with the one before, with both, with neither. */
static void neighbours_that_are_freed_become_one(void **state)
{
    static const unsigned orders[][4] = {
        {0, 1, 2, 3}, {3, 2, 1, 0}, {0, 2, 1, 3}, {1, 3, 0, 2}, {2, 0, 3, 1}};
    struct heap heap = fresh_heap();
    size_t before = heap_bytes_free(&heap);

    (void)state;
    for (unsigned o = 0; o < sizeof(orders) / sizeof(orders[0]); o++) {
        void *p[4];

        for (unsigned i = 0; i < 4; i++)
            p[i] = heap_alloc(&heap, HEAP_BYTES / 4 - 16);
        for (unsigned i = 0; i < 4; i++) {
            assert_non_null(p[i]);
            heap_free(&heap, p[orders[o][i]]);
        }
        assert_int_equal(heap_bytes_free(&heap), before);
    }
}

static void resize_keeps_what_was_there(void **state)
{
    struct heap heap = fresh_heap();
    uint8_t *memory = heap_alloc(&heap, 100);
    uint8_t *moved;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        memory[i] = (uint8_t)i;
    assert_non_null(heap_alloc(&heap, 16)); /* so that it cannot grow in place */
    moved = heap_resize(&heap, memory, 5000);
    assert_non_null(moved);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(moved[i], i);
    assert_null(heap_resize(&heap, moved, HEAP_BYTES));
    assert_int_equal(moved[99], 99);
    assert_ptr_equal(heap_resize(&heap, moved, 10), moved);
}

static void no_two_pieces_overlap_whatever_the_order(void **state)
{
    struct heap heap = fresh_heap();
    size_t before = heap_bytes_free(&heap);
    uint8_t *piece[PIECES] = {0};
    size_t size[PIECES] = {0};
    uint32_t random = 12345;

    (void)state;
    for (unsigned turn = 0; turn < 20000; turn++) {
        unsigned i;

        random = random * 1664525u + 1013904223u;
        i = random >> 16 & (PIECES - 1);
        if (piece[i]) {
            for (size_t b = 0; b < size[i]; b++)
                assert_int_equal(piece[i][b], i);
            heap_free(&heap, piece[i]);
            piece[i] = NULL;
            continue;
        }
        size[i] = random >> 8 & 2047;
        piece[i] = heap_alloc(&heap, size[i]);
        if (piece[i])
            memset(piece[i], (int)i, size[i]);
    }
    for (unsigned i = 0; i < PIECES; i++)
        heap_free(&heap, piece[i]);
    assert_int_equal(heap_bytes_free(&heap), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heap_of_nothing_refuses),
        cmocka_unit_test(memory_is_aligned_even_if_the_area_is_not),
        cmocka_unit_test(too_much_is_refused_and_takes_nothing),
        cmocka_unit_test(the_whole_heap_can_be_one_block_again_and_again),
        cmocka_unit_test(neighbours_that_are_freed_become_one),
        cmocka_unit_test(resize_keeps_what_was_there),
        cmocka_unit_test(no_two_pieces_overlap_whatever_the_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
