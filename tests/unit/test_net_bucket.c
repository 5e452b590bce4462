/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_net_bucket.c - claims about rate limits: what passes over any time is rate and burst, to the unit
 *
 * links: services/netdrv/bucket.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "services/netdrv/bucket.h"

static struct bucket b;

static void no_rate_is_no_limit(void **state)
{
    (void)state;
    bucket_init(&b, 0, 0, 0);
    for (int i = 0; i < 1000; i++)
        assert_true(bucket_take(&b, UINT64_MAX, 0));
}

/* Take single units as often as they come, at odd times. */
static uint64_t units_in(uint64_t rate, uint64_t burst, uint64_t duration_ms)
{
    uint64_t taken = 0;

    bucket_init(&b, rate, burst, 5);
    for (uint64_t ms = 0; ms <= duration_ms; ms += 1 + (uint64_t)rand() % 3) {
        uint64_t now = ms > duration_ms ? duration_ms : ms;

        while (bucket_take(&b, 1, 5 + now))
            taken++;
    }
    while (bucket_take(&b, 1, 5 + duration_ms))
        taken++;
    return taken;
}

static void nothing_is_lost_to_rounding(void **state)
{
    (void)state;
    assert_int_equal(units_in(7, 1000, 100000), 1000 + 700);
    assert_int_equal(units_in(333, 10, 60000), 10 + 333 * 60);
    assert_int_equal(units_in(1, 1, 999), 1);
    assert_int_equal(units_in(1, 1, 1000), 2);
    assert_int_equal(units_in(999, 100, 1001), 100 + 999);
}

static void a_full_bucket_gets_no_fuller(void **state)
{
    (void)state;
    bucket_init(&b, 1000, 50, 0);
    assert_true(bucket_take(&b, 50, UINT64_MAX / 2));
    assert_false(bucket_take(&b, 1, UINT64_MAX / 2));
}

static void what_is_larger_than_the_burst_passes_and_is_owed(void **state)
{
    (void)state;
    bucket_init(&b, 1000, 100, 0);
    assert_true(bucket_take(&b, 1100, 0));
    assert_int_equal(bucket_wait_ms(&b, 1, 0), 1001);
    assert_false(bucket_take(&b, 1, 1000));
    assert_true(bucket_take(&b, 1, 1001));
    assert_int_equal(bucket_wait_ms(&b, 5000, 1001), 100);
    assert_true(bucket_take(&b, 5000, 1101));
}

static void waiting_as_long_as_told_is_enough_and_needed(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t rate = 1 + (uint64_t)rand() % 5000, burst = 1 + (uint64_t)rand() % 5000;
        uint64_t cost = (uint64_t)rand() % 6000, now = 0, wait;

        bucket_init(&b, rate, burst, now);
        for (int turn = 0; turn < 3; turn++) {
            now += (uint64_t)rand() % 100;
            wait = bucket_wait_ms(&b, cost, now);
            if (wait > 0)
                assert_false(bucket_take(&b, cost, now + wait - 1));
            assert_true(bucket_take(&b, cost, now + wait));
            now += wait;
        }
    }
}

static void great_numbers_do_not_wrap(void **state)
{
    uint64_t now = 0;

    (void)state;
    bucket_init(&b, UINT64_MAX, UINT64_MAX, now);
    assert_int_equal(b.rate, BUCKET_MAX);
    for (int i = 0; i < 1000; i++) {
        assert_true(bucket_take(&b, UINT64_MAX, now));
        assert_true(b.level >= -(int64_t)BUCKET_MAX);
        now += bucket_wait_ms(&b, UINT64_MAX, now);
        assert_true(now <= 1000 * (uint64_t)(i + 2));
    }
    bucket_init(&b, 1, BUCKET_MAX, 0);
    assert_true(bucket_take(&b, BUCKET_MAX, 0));
    assert_int_equal(bucket_wait_ms(&b, BUCKET_MAX, UINT64_MAX), 0);
}

static void time_that_goes_back_gives_nothing(void **state)
{
    (void)state;
    bucket_init(&b, 1000, 10, 1000);
    assert_true(bucket_take(&b, 10, 1000));
    assert_false(bucket_take(&b, 1, 0));
    assert_false(bucket_take(&b, 1, 1000));
    assert_true(bucket_take(&b, 1, 1001));
}

static void a_packet_passes_both_limits_or_pays_neither(void **state)
{
    struct rate_limit l;

    (void)state;
    rate_limit_init(&l, 1000, 1000, 10, 2, 0);
    assert_true(rate_limit_take(&l, 100, 1, 0));
    assert_true(rate_limit_take(&l, 100, 1, 0));
    assert_false(rate_limit_take(&l, 100, 1, 0));
    assert_int_equal(l.bytes.level, 800);
    assert_int_equal(rate_limit_wait_ms(&l, 100, 1, 0), 100);
    assert_true(rate_limit_take(&l, 900, 1, 100));
    assert_false(rate_limit_is_off(&l));
    rate_limit_init(&l, 0, 0, 0, 0, 0);
    assert_true(rate_limit_is_off(&l));
    assert_true(rate_limit_take(&l, UINT64_MAX, UINT64_MAX, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rate_is_no_limit),
        cmocka_unit_test(nothing_is_lost_to_rounding),
        cmocka_unit_test(a_full_bucket_gets_no_fuller),
        cmocka_unit_test(what_is_larger_than_the_burst_passes_and_is_owed),
        cmocka_unit_test(waiting_as_long_as_told_is_enough_and_needed),
        cmocka_unit_test(great_numbers_do_not_wrap),
        cmocka_unit_test(time_that_goes_back_gives_nothing),
        cmocka_unit_test(a_packet_passes_both_limits_or_pays_neither),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
