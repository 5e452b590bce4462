/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_toolstack_waits.c - claims about who is told that a request waited
 *
 * links: services/toolstack/waits.c
 * flags: -Iservices/toolstack
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "waits.h"

static struct waits waits;
static char text[WAITS_TEXT_BYTES];

static int scene(void **state)
{
    (void)state;
    memset(&waits, 0, sizeof waits);
    return 0;
}

static void who_lay_in_the_ring_is_told(void **state)
{
    (void)state;
    waits_of(&waits, 0, text);
    assert_string_equal(text, "");
    waits_note(&waits, 1000, 60, 750, "destruction", "a");
    waits_of(&waits, 1000, text);
    assert_string_equal(text, "waited 750 ms for the destruction of a");
    waits_of(&waits, 1030, text);
    assert_string_equal(text, "waited 750 ms for the destruction of a");
    waits_of(&waits, 1060, text); /* came after */
    assert_string_equal(text, "");
}

static void short_work_and_an_empty_ring_are_no_wait(void **state)
{
    (void)state;
    waits_note(&waits, 0, 0, 750, "start", "a");
    waits_note(&waits, 0, 60, WAITS_LEAST_MS - 1, "start", "a");
    waits_of(&waits, 0, text);
    assert_string_equal(text, "");
}

static void positions_wrap(void **state)
{
    (void)state;
    waits_note(&waits, UINT32_MAX - 20, 60, 30, "start", "b");
    waits_of(&waits, UINT32_MAX - 20, text);
    assert_string_not_equal(text, "");
    waits_of(&waits, 10, text);
    assert_string_not_equal(text, "");
    waits_of(&waits, 39, text);
    assert_string_equal(text, "");
}

static void a_long_name_is_cut(void **state)
{
    (void)state;
    waits_note(&waits, 0, 1, UINT64_MAX, "destruction", "0123456789012345678901234567890");
    waits_of(&waits, 0, text);
    assert_true(strlen(text) < WAITS_TEXT_BYTES);
}

#define TEST(name) cmocka_unit_test_setup(name, scene)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_lay_in_the_ring_is_told),
        TEST(short_work_and_an_empty_ring_are_no_wait),
        TEST(positions_wrap),
        TEST(a_long_name_is_cut),
    };

    return cmocka_run_group_tests_name("toolstack_waits", tests, NULL, NULL);
}
