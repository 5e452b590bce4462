/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_host_cpulist.c - bh reads lists of pCPUs as xl.cfg(5) has them
 *
 * links: tools/bh/cpulist.c
 * flags: -Itools/bh
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpulist.h"

static void check(const char *text, uint32_t expected)
{
    uint32_t pcpus;

    assert_null(cpulist_parse(text, &pcpus));
    assert_int_equal(pcpus, expected);
}

static void check_wrong(const char *text, const char *words)
{
    uint32_t pcpus;
    const char *wrong = cpulist_parse(text, &pcpus);

    assert_non_null(wrong);
    assert_non_null(strstr(wrong, words));
}

static void lists_are_read(void **state)
{
    (void)state;
    check("2", 4);
    check("0-3,5,^1", 0x2d);
    check(" 0-3 , ^0-1", 0xc);
    check("0-15", 0xffff);
    check("15", 0x8000);
    check("1,1,0-1", 3);
    check("all", CPULIST_ANY);
    check("", CPULIST_ANY);
}

static void what_is_no_list_is_refused(void **state)
{
    (void)state;
    check_wrong("16", "0 to 15");
    check_wrong("99999999999999999999", "0 to 15");
    check_wrong("-1", "pCPUs are as");
    check_wrong("one", "pCPUs are as");
    check_wrong("1,", "pCPUs are as");
    check_wrong("1-", "pCPUs are as");
    check_wrong("1 2", "pCPUs are as");
    check_wrong("3-1", "goes up");
    check_wrong("1,^1", "no pCPU is left");
    check_wrong("^1", "no pCPU is left");
    check_wrong("all,^1", "all stands alone");
    check_wrong("nodes:0", "one NUMA node");
    check_wrong("1,^node:1", "one NUMA node");
}

static void vcpus_take_them_in_turn(void **state)
{
    static const uint32_t expected[] = {0, 2, 3, 5, 0, 2};

    (void)state;
    for (uint32_t v = 0; v < sizeof(expected) / sizeof(expected[0]); v++)
        assert_int_equal(cpulist_pick(0x2d, v), expected[v]);
    assert_int_equal(cpulist_pick(0x8000, 7), 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(vcpus_take_them_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
