/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_mem_ledger.c - services/mem: quotas are kept, every chunk comes back, a restart changes nothing
 *
 * links: services/mem/ledger.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/mem/ledger.h"

#define POOL 64u
#define MIB 0x100000ull

static struct ledger_page page;
static struct ledger ledger;
static char error[LEDGER_ERROR_BYTES];

static int fresh(void **state)
{
    (void)state;
    memset(&page, 0, sizeof(page));
    assert_int_equal(ledger_open(&ledger, &page, POOL, 0), OK);
    return 0;
}

/* As pool.c does it: from the free list, else carve. */
static uint32_t take(const struct ledger_session *session)
{
    uint32_t chunk = ledger_take(&ledger, session);

    if (chunk == NO_CHUNK && ledger.carved < ledger.pool_chunks) {
        ledger_carve(&ledger);
        chunk = ledger_take(&ledger, session);
    }
    return chunk;
}

static struct ledger_session *open_session(uint32_t vm_id, uint32_t chunks)
{
    assert_int_equal(ledger_judge_session(&ledger, vm_id, chunks * (uint64_t)CHUNK_BYTES, error), OK);
    ledger_session_create(&ledger, vm_id, chunks);
    return ledger_find(&ledger, vm_id);
}

static void close_session(struct ledger_session *session)
{
    uint32_t chunk;

    while ((chunk = ledger_held(&ledger, session)) != NO_CHUNK)
        ledger_put(&ledger, session, chunk);
    ledger_session_destroy(&ledger, session);
}

static void quota_is_refused_in_words(void **state)
{
    (void)state;
    assert_int_equal(ledger_judge_session(&ledger, 16, 3 * MIB, error), ERR_ARG);
    assert_string_equal(error, "memory of 3072 KiB is not a multiple of 2 MiB");
    assert_int_equal(ledger_judge_session(&ledger, 16, 0, error), ERR_ARG);
    assert_int_equal(ledger_judge_session(&ledger, 1, 2 * MIB, error), ERR_ARG);
    assert_int_equal(ledger_judge_session(&ledger, 16, UINT64_MAX & ~(2 * MIB - 1), error), ERR_MEM);
    assert_int_equal(ledger_judge_session(&ledger, 16, 130 * MIB, error), ERR_MEM);
    assert_string_equal(error, "memory of 130 MiB asked for, 128 MiB of 128 MiB are free");
}

static void memory_of_a_disk_is_a_session_like_others_and_says_whose(void **state)
{
    struct ledger_session *disk;

    (void)state;
    open_session(16, 8);
    disk = open_session(16 | 0x200, 32); /* disk 1 of VM 16 */
    assert_int_equal(ledger_judge_session(&ledger, 16 | 0x200, 2 * MIB, error), ERR_EXIST);
    assert_string_equal(error, "disk 1 of VM 16 has a memory session already");
    assert_int_equal(ledger_judge_session(&ledger, 17 | 0x100, 50 * MIB, error), ERR_MEM);
    assert_string_equal(error, "memory of 50 MiB asked for, 48 MiB of 128 MiB are free");
    assert_int_equal(ledger_judge_take(&ledger, disk, 66 * MIB, error), ERR_MEM);
    assert_string_equal(error, "disk 1 of VM 16 asked for 66 MiB, its quota of 64 MiB has 64 MiB left");
    while (take(disk) != NO_CHUNK && ledger.taken < 32)
        ;
    close_session(disk);
    assert_int_equal(ledger.taken, 0);
    assert_int_equal(ledger.promised, 8);
}

static void quotas_together_never_exceed_the_pool(void **state)
{
    (void)state;
    open_session(16, 40);
    assert_int_equal(ledger_judge_session(&ledger, 17, 25 * 2 * MIB, error), ERR_MEM);
    assert_int_equal(ledger_judge_session(&ledger, 17, 24 * 2 * MIB, error), OK);
    assert_int_equal(ledger_judge_session(&ledger, 16, 2 * MIB, error), ERR_EXIST);
}

static void session_gets_its_quota_and_no_more(void **state)
{
    struct ledger_session *session = open_session(16, 8);

    (void)state;
    assert_int_equal(ledger_judge_take(&ledger, session, 18 * MIB, error), ERR_MEM);
    assert_string_equal(error, "VM 16 asked for 18 MiB, its quota of 16 MiB has 16 MiB left");
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(ledger_judge_take(&ledger, session, 2 * MIB, error), OK);
        assert_int_not_equal(take(session), NO_CHUNK);
    }
    assert_int_equal(ledger_judge_take(&ledger, session, 2 * MIB, error), ERR_MEM);
    assert_int_equal(ledger_judge_take(&ledger, session, MIB, error), ERR_ARG);
}

static void no_chunk_has_two_owners(void **state)
{
    struct ledger_session *a = open_session(16, 30), *b = open_session(17, 30);
    bool seen[POOL] = {false};

    (void)state;
    for (uint32_t i = 0; i < 60; i++) {
        uint32_t chunk = take(i % 3 ? a : b);

        if (chunk == NO_CHUNK)
            continue;
        assert_true(chunk < POOL);
        assert_false(seen[chunk]);
        seen[chunk] = true;
    }
}

static void every_chunk_comes_back(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 10; round++) {
        struct ledger_session *a = open_session(16 + round, 20), *b = open_session(100 + round, 44);

        for (uint32_t i = 0; i < 20; i++)
            assert_int_not_equal(take(a), NO_CHUNK);
        for (uint32_t i = 0; i < 44; i++)
            assert_int_not_equal(take(b), NO_CHUNK);
        assert_int_equal(ledger.taken, POOL);
        assert_int_equal(take(b), NO_CHUNK);
        close_session(a);
        assert_int_equal(ledger.taken, 44);
        close_session(b);
        assert_int_equal(ledger.taken, 0);
        assert_int_equal(ledger.promised, 0);
        assert_int_equal(ledger_session_count(&ledger), 0);
    }
}

static void restart_finds_the_same(void **state)
{
    struct ledger_session *session = open_session(16, 20);
    struct ledger before;

    (void)state;
    open_session(17, 4);
    for (uint32_t i = 0; i < 12; i++)
        take(session);
    ledger_put(&ledger, session, ledger_held(&ledger, session));
    before = ledger;
    assert_int_equal(ledger_open(&ledger, &page, POOL, before.carved), OK);
    assert_int_equal(ledger.taken, 11);
    assert_int_equal(ledger.promised, 24);
    assert_int_equal(ledger.held[0], 11);
    session = ledger_find(&ledger, 16);
    for (uint32_t i = 0; i < 9; i++)
        assert_int_not_equal(take(session), NO_CHUNK);
    close_session(session);
    assert_int_equal(ledger.taken, 0);
}

static void damaged_page_is_refused(void **state)
{
    struct ledger_session *session = open_session(16, 4);

    (void)state;
    take(session);
    page.owner[0] = 2; /* of a session that is not there */
    assert_int_equal(ledger_open(&ledger, &page, POOL, 1), ERR_STATE);
    page.owner[0] = 200;
    assert_int_equal(ledger_open(&ledger, &page, POOL, 1), ERR_STATE);
    page.owner[0] = 1;
    assert_int_equal(ledger_open(&ledger, &page, POOL, 0), ERR_STATE); /* a chunk that was never carved */
    assert_int_equal(ledger_open(&ledger, &page, POOL, 1), OK);
    page.sessions[0].quota = 0; /* it holds more than it may */
    assert_int_equal(ledger_open(&ledger, &page, POOL, 1), ERR_STATE);
    page.sessions[0].quota = page.sessions[0].target = POOL + 1;
    assert_int_equal(ledger_open(&ledger, &page, POOL, 1), ERR_STATE);
    page.sessions[0].quota = 4;
    page.sessions[0].target = 5;
    assert_int_equal(ledger_open(&ledger, &page, POOL, 1), ERR_STATE);
    page.sessions[0].target = 4;
    page.sessions[1] = page.sessions[0];
    assert_int_equal(ledger_open(&ledger, &page, POOL, 1), ERR_STATE);
}

static void any_chunk_can_be_put_back_but_only_by_who_holds_it(void **state)
{
    struct ledger_session *a = open_session(16, 6), *b = open_session(17, 6);
    uint32_t chunks[6];

    (void)state;
    for (uint32_t i = 0; i < 6; i++)
        chunks[i] = take(a);
    take(b);
    assert_int_equal(ledger_judge_put(&ledger, b, chunks[3], error), ERR_EXIST);
    assert_string_equal(error, "VM 17 does not hold chunk 3");
    assert_int_equal(ledger_judge_put(&ledger, a, POOL, error), ERR_EXIST);
    assert_int_equal(ledger_judge_put(&ledger, a, NO_CHUNK, error), ERR_EXIST);
    for (uint32_t i = 0; i < 3; i++) { /* the middle, the last, the first */
        uint32_t chunk = chunks[(i * 2 + 3) % 6];

        assert_int_equal(ledger_judge_put(&ledger, a, chunk, error), OK);
        ledger_put(&ledger, a, chunk);
        assert_int_equal(ledger_judge_put(&ledger, a, chunk, error), ERR_EXIST);
    }
    assert_int_equal(ledger.taken, 4);
    assert_int_equal(ledger_held_count(&ledger, a), 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_not_equal(take(a), NO_CHUNK);
    close_session(a);
    close_session(b);
    assert_int_equal(ledger.taken, 0);
}

static void what_is_put_back_under_a_lower_target_is_promised_to_others(void **state)
{
    struct ledger_session *a = open_session(16, 40), *b;

    (void)state;
    for (uint32_t i = 0; i < 40; i++)
        take(a);
    assert_int_equal(ledger_judge_target(&ledger, a, 30 * 2 * MIB, error), OK);
    ledger_set_target(&ledger, a, 30);
    assert_int_equal(ledger.promised, 40); /* it has not given anything yet */
    for (uint32_t i = 0; i < 12; i++) {
        ledger_put(&ledger, a, ledger_held(&ledger, a));
        assert_int_equal(ledger.promised, i < 10 ? 39 - i : 30);
    }
    assert_int_equal(ledger_judge_session(&ledger, 17, 35 * 2 * MIB, error), ERR_MEM);
    b = open_session(17, 33);
    assert_int_equal(ledger_judge_take(&ledger, a, 3 * 2 * MIB, error), OK);
    assert_int_equal(ledger_judge_take(&ledger, a, 4 * 2 * MIB, error), ERR_MEM);
    assert_string_equal(error, "VM 16 asked for 4 MiB over its target of 60 MiB, 2 MiB are free");
    for (uint32_t i = 0; i < 3; i++)
        assert_int_not_equal(take(a), NO_CHUNK);
    assert_int_equal(ledger.promised, POOL); /* what it took over its target is nobody else's */
    assert_int_equal(ledger_judge_take(&ledger, a, 2 * MIB, error), ERR_MEM);
    close_session(b);
    assert_int_equal(ledger_judge_take(&ledger, a, 9 * 2 * MIB, error), OK);
    assert_int_equal(ledger_judge_take(&ledger, a, 10 * 2 * MIB, error), ERR_MEM);
    assert_string_equal(error, "VM 16 asked for 20 MiB, its quota of 80 MiB has 18 MiB left");
    close_session(a);
    assert_int_equal(ledger.promised, 0);
}

static void higher_target_is_a_promise_that_can_be_refused(void **state)
{
    struct ledger_session *a = open_session(16, 40), *b;

    (void)state;
    ledger_set_target(&ledger, a, 10);
    assert_int_equal(ledger.promised, 10);
    b = open_session(17, 50);
    assert_int_equal(ledger_judge_target(&ledger, a, 15 * 2 * MIB, error), ERR_MEM);
    assert_string_equal(error, "10 MiB more asked for, 8 MiB of 128 MiB are free");
    assert_int_equal(ledger_judge_target(&ledger, a, 14 * 2 * MIB, error), OK);
    assert_int_equal(ledger_judge_target(&ledger, a, 41 * 2 * MIB, error), ERR_ARG);
    assert_string_equal(error, "a target of 82 MiB is more than the quota of 80 MiB");
    assert_int_equal(ledger_judge_target(&ledger, a, 3 * MIB, error), ERR_ARG);
    assert_int_equal(ledger_judge_target(&ledger, a, 0, error), ERR_ARG);
    ledger_set_target(&ledger, a, 14);
    assert_int_equal(ledger.promised, 64);
    close_session(b);
    assert_int_equal(ledger_judge_target(&ledger, a, 40 * 2 * MIB, error), OK);
}

static void restart_finds_targets(void **state)
{
    struct ledger_session *session = open_session(16, 20);
    struct ledger before;

    (void)state;
    open_session(17, 4);
    for (uint32_t i = 0; i < 20; i++)
        take(session);
    ledger_set_target(&ledger, session, 12);
    for (uint32_t i = 0; i < 3; i++)
        ledger_put(&ledger, session, ledger_held(&ledger, session));
    before = ledger;
    assert_int_equal(ledger_open(&ledger, &page, POOL, before.carved), OK);
    assert_int_equal(ledger.promised, 17 + 4);
    assert_int_equal(ledger_find(&ledger, 16)->target, 12);
}

static void sessions_run_out_in_words(void **state)
{
    (void)state;
    memset(&page, 0, sizeof(page));
    assert_int_equal(ledger_open(&ledger, &page, SESSIONS_MAX + 1, 0), OK);
    for (uint32_t i = 0; i < SESSIONS_MAX; i++)
        open_session(16 + i, 1);
    assert_int_equal(ledger_judge_session(&ledger, 16 + SESSIONS_MAX, 2 * MIB, error), ERR_FULL);
    assert_string_equal(error, "all 250 memory sessions are in use");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(quota_is_refused_in_words, fresh),
        cmocka_unit_test_setup(quotas_together_never_exceed_the_pool, fresh),
        cmocka_unit_test_setup(memory_of_a_disk_is_a_session_like_others_and_says_whose, fresh),
        cmocka_unit_test_setup(session_gets_its_quota_and_no_more, fresh),
        cmocka_unit_test_setup(no_chunk_has_two_owners, fresh),
        cmocka_unit_test_setup(every_chunk_comes_back, fresh),
        cmocka_unit_test_setup(restart_finds_the_same, fresh),
        cmocka_unit_test_setup(damaged_page_is_refused, fresh),
        cmocka_unit_test_setup(any_chunk_can_be_put_back_but_only_by_who_holds_it, fresh),
        cmocka_unit_test_setup(what_is_put_back_under_a_lower_target_is_promised_to_others, fresh),
        cmocka_unit_test_setup(higher_target_is_a_promise_that_can_be_refused, fresh),
        cmocka_unit_test_setup(restart_finds_targets, fresh),
        cmocka_unit_test_setup(sessions_run_out_in_words, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
