/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_string.c - lib/bh/string.c against the host's C library, at every small size and alignment
 *
 * The file under test is compiled in, under other names: the host's own memcpy stays what it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void *our_memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *our_memmove(void *to, const void *from, size_t bytes);
void *our_memset(void *to, int value, size_t bytes);
int our_memcmp(const void *left, const void *right, size_t bytes);

#define memcpy our_memcpy
#define memmove our_memmove
#define memset our_memset
#define memcmp our_memcmp
#include "lib/bh/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp

/* In place of copy_bulk.S, which tests/kernel/test_machine.c tries. */
void bh_copy_bulk(void *to, const void *from, size_t blocks)
{
    for (size_t i = 0; i < blocks * BULK_BLOCK; i++)
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
}

#define AREA 512u
#define SIZES 200u

static uint8_t from[AREA], ours[AREA], theirs[AREA];

static void fill(void)
{
    for (unsigned i = 0; i < AREA; i++) {
        from[i] = (uint8_t)(i * 7 + 3);
        ours[i] = theirs[i] = (uint8_t)(i * 5 + 1);
    }
}

static void memcpy_writes_what_it_should_and_nothing_else(void **state)
{
    (void)state;
    for (unsigned bytes = 0; bytes < SIZES; bytes++) {
        for (unsigned shift = 0; shift < 64; shift++) {
            fill();
            assert_ptr_equal(our_memcpy(ours + shift % 8 + 16, from + shift / 8, bytes),
                             ours + shift % 8 + 16);
            memcpy(theirs + shift % 8 + 16, from + shift / 8, bytes);
            assert_memory_equal(ours, theirs, AREA);
        }
    }
}

static void memcpy_copies_much_as_well(void **state)
{
    static uint8_t large[BULK_LEAST * 2], copy[BULK_LEAST * 2 + 2];

    (void)state;
    for (unsigned i = 0; i < sizeof large; i++)
        large[i] = (uint8_t)(i * 7 + i / 251);
    for (unsigned bytes = BULK_LEAST - 2; bytes < BULK_LEAST + 2 * BULK_BLOCK; bytes++) {
        memset(copy, 0x5a, sizeof copy);
        our_memcpy(copy + 1, large + bytes % 9, bytes);
        assert_memory_equal(copy + 1, large + bytes % 9, bytes);
        assert_true(copy[0] == 0x5a && copy[bytes + 1] == 0x5a);
    }
}

static void memmove_is_right_for_every_overlap(void **state)
{
    (void)state;
    for (unsigned bytes = 0; bytes < SIZES; bytes++) {
        for (unsigned to = 0; to < 160; to += 3) {
            fill();
            our_memmove(ours + to, ours + 80, bytes);
            memmove(theirs + to, theirs + 80, bytes);
            assert_memory_equal(ours, theirs, AREA);
        }
    }
}

static void memset_writes_what_it_should_and_nothing_else(void **state)
{
    (void)state;
    for (unsigned bytes = 0; bytes < SIZES; bytes++) {
        for (unsigned shift = 0; shift < 8; shift++) {
            fill();
            our_memset(ours + shift, 0x1c3, bytes);
            memset(theirs + shift, 0xc3, bytes);
            assert_memory_equal(ours, theirs, AREA);
        }
    }
}

static void memcmp_finds_the_first_difference(void **state)
{
    (void)state;
    fill();
    memcpy(ours, from, AREA);
    for (unsigned bytes = 0; bytes < 70; bytes++) {
        assert_int_equal(our_memcmp(ours + 3, from + 3, bytes), 0);
        for (unsigned at = 0; at < bytes; at++) {
            ours[3 + at] ^= 0x80;
            ours[3 + bytes] ^= 1; /* beyond the end: must not count */
            assert_int_equal(our_memcmp(ours + 3, from + 3, bytes) > 0, ours[3 + at] > from[3 + at]);
            assert_int_not_equal(our_memcmp(ours + 3, from + 3, bytes), 0);
            ours[3 + at] ^= 0x80;
            ours[3 + bytes] ^= 1;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memcpy_writes_what_it_should_and_nothing_else),
        cmocka_unit_test(memcpy_copies_much_as_well),
        cmocka_unit_test(memmove_is_right_for_every_overlap),
        cmocka_unit_test(memset_writes_what_it_should_and_nothing_else),
        cmocka_unit_test(memcmp_finds_the_first_difference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
