/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_vpsci.c - claims about the guest's firmware calls
 *
 * links: services/vmm/psci.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/vmm/psci.h"

#define VCPUS 3u
static bool on[VCPUS];
static uint64_t started_entry, started_argument;

static bool is_on(void *context, uint32_t vcpu)
{
    (void)context;
    return on[vcpu];
}

static bool start(void *context, uint32_t vcpu, uint64_t entry, uint64_t argument)
{
    (void)context;
    if (entry < 0x40000000)
        return false;
    on[vcpu] = true;
    started_entry = entry;
    started_argument = argument;
    return true;
}

static const struct psci_machine machine = {NULL, VCPUS, is_on, start};

static int set_up(void **state)
{
    (void)state;
    on[0] = true;
    on[1] = on[2] = false;
    return 0;
}

static int64_t call(uint64_t x0, uint64_t x1, uint64_t x2, uint64_t x3)
{
    uint64_t x[4] = {x0, x1, x2, x3};
    int64_t result;

    assert_int_equal(psci_call(&machine, x, &result), PSCI_RETURN);
    return result;
}

static enum psci_outcome outcome(uint64_t x0)
{
    uint64_t x[4] = {x0, 0, 0, 0};
    int64_t result;

    return psci_call(&machine, x, &result);
}

static void it_is_version_1_1(void **state)
{
    (void)state;
    assert_int_equal(call(0x84000000, 0, 0, 0), 0x10001);
    assert_int_equal(call(0x80000000, 0, 0, 0), 0x10001);
    assert_int_equal(call(0x84000006, 0, 0, 0), 2);
}

static void unknown_calls_are_not_supported(void **state)
{
    (void)state;
    const uint64_t ids[] = {0,          1,          0x8400000b, 0x84000005, 0xc4000002, 0xc4000008,
                            0x80008000, 0xc6000000, 0xffffffff, 0x84000012, 0xc400000a, 0xbf00ff01};

    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        assert_int_equal(call(ids[i], 0, 0, 0), PSCI_NOT_SUPPORTED);
        assert_int_equal(call(0x8400000a, ids[i], 0, 0), PSCI_NOT_SUPPORTED);
    }
}

static void features_tells_what_there_is(void **state)
{
    (void)state;
    const uint64_t ids[] = {0x84000000, 0x84000001, 0xc4000001, 0x84000002, 0x84000003,
                            0xc4000003, 0x84000004, 0xc4000004, 0x84000006, 0x84000008,
                            0x84000009, 0x8400000a, 0x80000000};

    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        assert_int_equal(call(0x8400000a, ids[i], 0, 0), PSCI_SUCCESS);
}

static void cpu_on_starts_what_is_off(void **state)
{
    (void)state;
    assert_int_equal(call(0xc4000003, 1, 0x1240000000, 0x1234567890), PSCI_SUCCESS);
    assert_int_equal(started_entry, 0x1240000000);
    assert_int_equal(started_argument, 0x1234567890);
    assert_int_equal(call(0xc4000003, 1, 0x40000000, 0), PSCI_ALREADY_ON);
    assert_int_equal(call(0xc4000003, 0, 0x40000000, 0), PSCI_ALREADY_ON);
}

static void cpu_on_refuses_vcpus_that_do_not_exist(void **state)
{
    (void)state;
    const uint64_t targets[] = {VCPUS, 0x100, 0x101, 1ull << 32, 1ull << 31 | 1, UINT64_MAX};

    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        assert_int_equal(call(0xc4000003, targets[i], 0x40000000, 0), PSCI_INVALID_PARAMETERS);
    assert_false(on[1]);
}

static void cpu_on_refuses_an_entry_outside_memory(void **state)
{
    (void)state;
    assert_int_equal(call(0xc4000003, 1, 0x1000, 0), PSCI_INVALID_ADDRESS);
    assert_false(on[1]);
}

static void a_32_bit_call_ignores_upper_halves(void **state)
{
    (void)state;
    assert_int_equal(call(0x84000003, 0xdead00000001, 0xdead40000000, 0xdead00000007), PSCI_SUCCESS);
    assert_int_equal(started_entry, 0x40000000);
    assert_int_equal(started_argument, 7);
}

static void affinity_info_tells_who_is_on(void **state)
{
    (void)state;
    assert_int_equal(call(0xc4000004, 0, 0, 0), 0);
    assert_int_equal(call(0xc4000004, 1, 0, 0), 1);
    assert_int_equal(call(0xc4000004, 1, 1, 0), 0); /* its cluster is on */
    assert_int_equal(call(0xc4000004, 0x100, 1, 0), PSCI_INVALID_PARAMETERS);
    assert_int_equal(call(0xc4000004, VCPUS, 0, 0), PSCI_INVALID_PARAMETERS);
    assert_int_equal(call(0xc4000004, 0, 4, 0), PSCI_INVALID_PARAMETERS);
    assert_int_equal(call(0xc4000004, 0, UINT64_MAX, 0), PSCI_INVALID_PARAMETERS);
}

static void off_reset_and_cpu_off_do_not_return(void **state)
{
    (void)state;
    assert_int_equal(outcome(0x84000002), PSCI_CALLER_OFF);
    assert_int_equal(outcome(0x84000008), PSCI_OFF);
    assert_int_equal(outcome(0x84000009), PSCI_RESET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_is_version_1_1, set_up),
        cmocka_unit_test_setup(unknown_calls_are_not_supported, set_up),
        cmocka_unit_test_setup(features_tells_what_there_is, set_up),
        cmocka_unit_test_setup(cpu_on_starts_what_is_off, set_up),
        cmocka_unit_test_setup(cpu_on_refuses_vcpus_that_do_not_exist, set_up),
        cmocka_unit_test_setup(cpu_on_refuses_an_entry_outside_memory, set_up),
        cmocka_unit_test_setup(a_32_bit_call_ignores_upper_halves, set_up),
        cmocka_unit_test_setup(affinity_info_tells_who_is_on, set_up),
        cmocka_unit_test_setup(off_reset_and_cpu_off_do_not_return, set_up),
    };

    return cmocka_run_group_tests_name("vpsci", tests, NULL, NULL);
}
