/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_vwatchdog.c - claims about the guest's watchdog: its registers, its two stages, and pauses
 *
 * links: services/vmm/vwatchdog.c
 * flags: -Iservices/vmm
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vwatchdog.h"

enum { WRR = 0, WCS = 0, WOR = 8, WCV = 0x10, IIDR = 0xfcc };

static struct vwatchdog w;
static uint64_t time_now;
static bool line;

static uint64_t now(void)
{
    return time_now;
}

static void interrupt(void *context, bool is_asserted)
{
    (void)context;
    assert_int_not_equal(line, is_asserted);
    line = is_asserted;
}

static int scene(void **state)
{
    (void)state;
    w = (struct vwatchdog){.now = now, .interrupt = interrupt};
    vwatchdog_init(&w);
    time_now = 1000;
    line = false;
    return 0;
}

static void start(uint32_t offset)
{
    vwatchdog_control_write(&w, WOR, 4, offset);
    vwatchdog_control_write(&w, WCS, 4, 1);
}

static void refresh(void)
{
    vwatchdog_refresh_write(&w, WRR, 4, 0);
}

static uint64_t status(void)
{
    return vwatchdog_control_read(&w, WCS, 4);
}

static void it_is_off_until_it_is_turned_on(void **state)
{
    (void)state;
    assert_int_equal(vwatchdog_deadline(&w), UINT64_MAX);
    vwatchdog_control_write(&w, WOR, 4, 1);
    time_now = 1u << 30;
    assert_false(vwatchdog_expire(&w, 0));
    assert_false(line);
    start(100);
    assert_int_equal(vwatchdog_deadline(&w), time_now + 100);
    vwatchdog_control_write(&w, WCS, 4, 0);
    assert_int_equal(vwatchdog_deadline(&w), UINT64_MAX);
    assert_int_equal(status(), 0);
}

static void the_second_stage_ends_the_vm(void **state)
{
    (void)state;
    start(100);
    time_now = 1099;
    assert_false(vwatchdog_expire(&w, 0));
    assert_int_equal(status(), 1);
    time_now = 1100;
    assert_false(vwatchdog_expire(&w, 0));
    assert_true(line);
    assert_int_equal(status(), 3);
    assert_int_equal(vwatchdog_deadline(&w), 1200);
    time_now = 1199;
    assert_false(vwatchdog_expire(&w, 0));
    time_now = 1200;
    assert_true(vwatchdog_expire(&w, 0));
    assert_int_equal(status(), 7);
    refresh(); /* too late */
    assert_int_equal(status(), 7);
    assert_true(vwatchdog_expire(&w, 0));
    assert_int_equal(vwatchdog_deadline(&w), UINT64_MAX);
}

static void who_refreshes_lives(void **state)
{
    (void)state;
    start(100);
    for (int i = 0; i < 50; i++) {
        time_now += 99;
        assert_false(vwatchdog_expire(&w, 0));
        refresh();
        assert_int_equal(status(), 1);
    }
    time_now += 150; /* also after the first stage */
    assert_false(vwatchdog_expire(&w, 0));
    assert_true(line);
    refresh();
    assert_false(line);
    time_now += 99;
    assert_false(vwatchdog_expire(&w, 0));
    vwatchdog_control_write(&w, WOR, 4, 200); /* refreshes too */
    assert_int_equal(vwatchdog_deadline(&w), time_now + 200);
}

static void paused_time_does_not_count(void **state)
{
    (void)state;
    start(100); /* at 1000 */
    time_now = 5000;
    assert_false(vwatchdog_expire(&w, 4950)); /* paused up to 4950 */
    assert_int_equal(vwatchdog_deadline(&w), 5050);
    time_now = 5050;
    assert_false(vwatchdog_expire(&w, 4950));
    assert_true(line);
    time_now = 9000;
    assert_false(vwatchdog_expire(&w, 8990)); /* a pause between the stages */
    assert_false(line);
    time_now = 9090;
    assert_false(vwatchdog_expire(&w, 8990));
    time_now = 9190;
    assert_true(vwatchdog_expire(&w, 8990));
}

static void registers_are_as_in_the_specification(void **state)
{
    (void)state;
    assert_int_equal(vwatchdog_control_read(&w, IIDR, 4), 0x1043b);
    assert_int_equal(vwatchdog_refresh_read(&w, IIDR, 4), 0x1043b);
    vwatchdog_control_write(&w, WOR, 8, 0xffff123456789abcull);
    assert_int_equal(vwatchdog_control_read(&w, WOR, 8), 0x123456789abcull);
    assert_int_equal(vwatchdog_control_read(&w, WOR + 4, 4), 0x1234);
    assert_int_equal(vwatchdog_control_read(&w, WCV, 8), 1000 + 0x123456789abcull);
    vwatchdog_control_write(&w, WCV, 8, 1234);
    vwatchdog_control_write(&w, WCS, 2, 1); /* no register is that narrow */
    assert_int_equal(status(), 0);
    for (uint64_t offset = 0; offset < 0x1000; offset += 4) {
        vwatchdog_refresh_write(&w, offset, 4, ~0u);
        (void)vwatchdog_refresh_read(&w, offset, 4);
        if (offset != WCS)
            vwatchdog_control_write(&w, offset, 4, ~0u);
    }
    assert_int_equal(vwatchdog_deadline(&w), UINT64_MAX);
}

#define TEST(name) cmocka_unit_test_setup(name, scene)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_off_until_it_is_turned_on),
        TEST(the_second_stage_ends_the_vm),
        TEST(who_refreshes_lives),
        TEST(paused_time_does_not_count),
        TEST(registers_are_as_in_the_specification),
    };

    return cmocka_run_group_tests_name("vwatchdog", tests, NULL, NULL);
}
