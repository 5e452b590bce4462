/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_smmu.c - IO spaces and the SMMU driver against a model of the SMMU
 *
 * The model (fake/smmu_model.c) reads registers, queues, stream table, contexts and tables as the
 * specification says, and caches whatever it may, so that a forgotten invalidation is seen.
 *
 * links: tests/unit/fake/kmem.c tests/unit/fake/smmu_model.c kernel/slot.c kernel/table.c
 *
 * links: kernel/stage2.c kernel/aspace.c kernel/iospace.c kernel/sys_iospace.c kernel/dev/smmu.c
 *
 * flags: -Itests/unit/fake -Ikernel
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kmem.h"
#include "smmu_model.h"
#include "sys.h"

#define RW ((uint32_t)(RIGHT_READ | RIGHT_WRITE))
#define MIB (1ull << 20)
#define GIB (1ull << 30)
#define SOMEWHERE 0x7c0000000ull
#define STREAM 0x10u

static struct iospace *space;
static struct slot untyped;
static struct control control;

static int setup(void **state)
{
    (void)state;
    kmem_reset();
    model_reset();
    smmu_init();
    space = memory_get(8192);
    space->object = (struct object){.refs = 1, .kind = CAP_IOSPACE};
    untyped = untyped_of(64 * PAGE_SIZE);
    return 0;
}

/* The driver's tables are static: leave no stream attached for the next test. */
static int teardown(void **state)
{
    (void)state;
    preempt_now = false;
    space->mappings = NULL; /* those stood on the test's stack */
    assert_int_equal(iospace_destroy(space), OK);
    return 0;
}

static void bind_and_donate(void)
{
    assert_int_equal(sys_iospace_bind(space, &control, STREAM), OK);
    assert_int_equal(sys_iospace_donate(space, &untyped, 8), OK);
}

static bool reaches(uint32_t stream, uint64_t iova, bool write, uint64_t where)
{
    uint64_t out;

    return model_access(stream, iova, write, &out) == 0 && out == where;
}

/* ---- start */
static void start_enables_translation_for_all(void **state)
{
    (void)state;
    assert_true(model_enabled());
    assert_true(model.irq_ctrl == 5);
    assert_int_equal(model.bypassed, 0);
    assert_int_equal(model.unknown, 0);
}

static void init_call(void *nothing)
{
    (void)nothing;
    smmu_init();
}

static void start_refuses_an_smmu_that_lacks_something(void **state)
{
    (void)state;
    static const uint32_t needed[] = {1u << 1, 2u << 2, 1u << 4, 1u << 27};

    for (unsigned i = 0; i < 4; i++) {
        model_reset();
        model.idr0 &= ~needed[i];
        assert_true(panics(init_call, NULL));
        assert_non_null(strstr(last_line, "IDR0"));
    }
    model_reset();
    model.idr1 = (model.idr1 & ~0x3fu) | 8;
    assert_true(panics(init_call, NULL));
    model_reset();
    model.idr5 &= ~(1u << 4);
    assert_true(panics(init_call, NULL));
}

static void start_panics_when_the_smmu_does_not_answer(void **state)
{
    (void)state;
    model_reset();
    model.dead = true;
    assert_true(panics(init_call, NULL));
}

/* ---- streams */
static void a_stream_nobody_attached_is_blocked_and_reported_once(void **state)
{
    (void)state;
    uint64_t out;

    assert_int_equal(model_access(0x20, 0x1000, true, &out), 0x04);
    smmu_handle_events();
    assert_non_null(strstr(last_line, "stream 0x20"));
    unsigned before = lines;
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(model_access(0x20, 0x1000, true, &out), MODEL_ABORTED);
    smmu_handle_events();
    assert_int_equal(lines, before);
    assert_int_equal(model_access(0x4321, 0x1000, true, &out), 0x02); /* no such bus */
    smmu_handle_events();
    assert_int_equal(model.bypassed, 0);
}

static void bind_refuses_what_does_not_fit(void **state)
{
    (void)state;
    struct iospace *other = memory_get(8192);
    other->object = (struct object){.refs = 1, .kind = CAP_IOSPACE};

    assert_int_equal(sys_iospace_bind(space, &control, 256), ERR_ARG);
    assert_int_equal(sys_iospace_bind(space, &control, UINT32_MAX), ERR_ARG);
    assert_int_equal(sys_iospace_bind(space, &control, STREAM), OK);
    assert_int_equal(sys_iospace_bind(space, &control, STREAM + 1), ERR_STATE);
    assert_int_equal(sys_iospace_bind(other, &control, STREAM), ERR_EXIST);
    assert_int_equal(iospace_destroy(space), OK);
    assert_int_equal(sys_iospace_bind(other, &control, STREAM), OK);
    assert_int_equal(iospace_destroy(other), OK);
}

static void bind_works_after_a_stray_access(void **state)
{
    (void)state;
    struct slot frame = {.kind = CAP_FRAME, .rights = RIGHT_ALL, .size_bits = FRAME_4K, .object = SOMEWHERE};
    uint64_t out;

    assert_int_equal(model_access(STREAM, 0, true, &out), 0x04);
    smmu_handle_events();
    assert_int_equal(model_access(STREAM, 0, true, &out), MODEL_ABORTED);
    bind_and_donate();
    assert_int_equal(sys_iospace_map(space, &frame, 0, RW), OK);
    assert_true(reaches(STREAM, 0x123, true, SOMEWHERE + 0x123));
}

static void two_streams_do_not_see_each_other(void **state)
{
    (void)state;
    struct iospace *other = memory_get(8192);
    struct slot a = frame_of(FRAME_4K, RIGHT_ALL, SOMEWHERE),
                b = frame_of(FRAME_4K, RIGHT_ALL, SOMEWHERE + 0x1000);
    uint64_t out;

    other->object = (struct object){.refs = 1, .kind = CAP_IOSPACE};
    bind_and_donate();
    assert_int_equal(sys_iospace_bind(other, &control, STREAM + 8), OK);
    assert_int_equal(sys_iospace_donate(other, &untyped, 8), OK);
    assert_int_equal(sys_iospace_map(space, &a, 0x5000, RW), OK);
    assert_int_equal(sys_iospace_map(other, &b, 0x5000, RW), OK);
    assert_true(reaches(STREAM, 0x5000, true, SOMEWHERE));
    assert_true(reaches(STREAM + 8, 0x5000, true, SOMEWHERE + 0x1000));
    assert_int_equal(sys_iospace_unmap(&a), OK);
    assert_int_equal(model_access(STREAM, 0x5000, true, &out), 0x10);
    assert_true(reaches(STREAM + 8, 0x5000, true, SOMEWHERE + 0x1000));
    assert_int_equal(iospace_destroy(other), OK);
    assert_int_equal(model_access(STREAM + 8, 0x5000, true, &out), 0x04);
}

/* ---- mapping */
static void the_device_reaches_what_is_mapped_and_no_more(void **state)
{
    (void)state;
    struct slot page = frame_of(FRAME_4K, RIGHT_ALL, SOMEWHERE),
                read = frame_of(FRAME_4K, RIGHT_ALL, SOMEWHERE + 0x1000),
                two = frame_of(FRAME_2M, RIGHT_ALL, SOMEWHERE + GIB),
                one = frame_of(FRAME_1G, RIGHT_ALL, 2 * GIB);
    uint64_t out;

    bind_and_donate();
    assert_int_equal(sys_iospace_map(space, &page, 0x7000, RW), OK);
    assert_int_equal(sys_iospace_map(space, &read, 0x8000, RIGHT_READ), OK);
    assert_int_equal(sys_iospace_map(space, &two, 4 * MIB, RW | MAP_UNCACHED), OK);
    assert_int_equal(sys_iospace_map(space, &one, 511 * GIB, RW), OK);

    assert_true(reaches(STREAM, 0x7fff, true, SOMEWHERE + 0xfff));
    assert_true(reaches(STREAM, 0x8000, false, SOMEWHERE + 0x1000));
    assert_int_equal(model_access(STREAM, 0x8000, true, &out), 0x13);
    assert_int_equal(model_access(STREAM, 0x6fff, false, &out), 0x10);
    assert_int_equal(model_access(STREAM, 0x9000, false, &out), 0x10);
    assert_true(reaches(STREAM, 4 * MIB + 0x12345, true, SOMEWHERE + GIB + 0x12345));
    assert_int_equal(model_access(STREAM, 6 * MIB, false, &out), 0x10);
    assert_true(reaches(STREAM, 512 * GIB - 1, true, 3 * GIB - 1));
    assert_int_equal(model_access(STREAM, 512 * GIB, false, &out), 0x10);
}

static void leaves_have_the_memory_types_of_the_context(void **state)
{
    (void)state;
    struct slot page = frame_of(FRAME_4K, RIGHT_ALL, SOMEWHERE),
                uncached = frame_of(FRAME_4K, RIGHT_ALL, SOMEWHERE),
                device = frame_of(FRAME_4K, RIGHT_ALL, 0x8020000);

    bind_and_donate();
    device.flags = SLOT_DEVICE;
    assert_int_equal(sys_iospace_map(space, &page, 0, RW), OK);
    assert_int_equal(sys_iospace_map(space, &uncached, 0x1000, RW | MAP_UNCACHED), OK);
    assert_int_equal(sys_iospace_map(space, &device, 0x2000, RW), OK);
    assert_int_equal(model_memory_type(STREAM, 0), 0xff);
    assert_int_equal(model_memory_type(STREAM, 0x1000), 0x44);
    assert_int_equal(model_memory_type(STREAM, 0x2000), 0x04);
}

static void map_refuses_what_does_not_fit(void **state)
{
    (void)state;
    struct slot page = frame_of(FRAME_4K, RIGHT_READ, SOMEWHERE),
                full = frame_of(FRAME_4K, RIGHT_ALL, SOMEWHERE);

    assert_int_equal(sys_iospace_bind(space, &control, STREAM), OK);
    assert_int_equal(sys_iospace_map(space, &full, 0, RW), ERR_MEM);
    assert_int_equal(sys_iospace_donate(space, &untyped, 8), OK);
    assert_int_equal(sys_iospace_map(space, &page, 0, RW), ERR_RIGHT);
    assert_int_equal(sys_iospace_map(space, &full, 0, RIGHT_WRITE), ERR_ARG); /* stage 1 would let it read */
    assert_int_equal(sys_iospace_map(space, &full, 0, 0), ERR_ARG);
    assert_int_equal(sys_iospace_map(space, &full, 0, RW | RIGHT_EXEC), ERR_ARG);
    assert_int_equal(sys_iospace_map(space, &full, 0x10, RW), ERR_ARG);
    assert_int_equal(sys_iospace_map(space, &full, 1ull << 39, RW), ERR_ARG);
    assert_int_equal(sys_iospace_map(space, &full, 0, RW), OK);
    assert_int_equal(sys_iospace_map(space, &full, 0x1000, RW), ERR_STATE);
    assert_int_equal(sys_iospace_map(space, &page, 0, RIGHT_READ), ERR_FULL);
}

/* ---- taking away: the model has cached all it may */
static void unmap_ends_access_before_it_returns(void **state)
{
    (void)state;
    struct slot page = frame_of(FRAME_4K, RIGHT_ALL, SOMEWHERE),
                two = frame_of(FRAME_2M, RIGHT_ALL, SOMEWHERE + GIB);
    uint64_t out;

    bind_and_donate();
    assert_int_equal(sys_iospace_map(space, &page, 0x7000, RW), OK);
    assert_int_equal(sys_iospace_map(space, &two, GIB, RW), OK);
    assert_true(reaches(STREAM, 0x7000, true, SOMEWHERE));
    assert_true(reaches(STREAM, GIB + 0x5000, true, SOMEWHERE + GIB + 0x5000));
    assert_int_equal(sys_iospace_unmap(&page), OK);
    assert_int_equal(model_access(STREAM, 0x7000, false, &out), 0x10);
    assert_int_equal(sys_iospace_unmap(&two), OK);
    assert_int_equal(model_access(STREAM, GIB + 0x5000, false, &out), 0x10);
    assert_int_equal(space->tables.free_count, 8);
    assert_int_equal(sys_iospace_unmap(&page), OK);
}

static void deleting_the_frame_ends_access(void **state)
{
    (void)state;
    struct slot page = frame_of(FRAME_4K, RIGHT_ALL, SOMEWHERE);
    uint64_t out;

    bind_and_donate();
    assert_int_equal(sys_iospace_map(space, &page, 0x7000, RW), OK);
    assert_true(reaches(STREAM, 0x7000, true, SOMEWHERE));
    assert_int_equal(slot_delete(&page), OK);
    assert_int_equal(model_access(STREAM, 0x7000, false, &out), 0x10);
}

static void revoking_the_tables_memory_ends_access(void **state)
{
    (void)state;
    struct slot page = frame_of(FRAME_4K, RIGHT_ALL, SOMEWHERE);
    uint64_t out;

    bind_and_donate();
    assert_int_equal(sys_iospace_map(space, &page, 0x7000, RW), OK);
    assert_true(reaches(STREAM, 0x7000, true, SOMEWHERE));
    assert_int_equal(slot_revoke(&untyped), OK);
    memset((void *)untyped.object, 0xff, untyped.bytes); /* somebody else's now */
    assert_int_equal(model_access(STREAM, 0x7000, false, &out), 0x10);
    assert_int_equal(sys_iospace_unmap(&page), OK);
    assert_null(space->mappings);
}

static void destroy_blocks_the_stream(void **state)
{
    (void)state;
    static struct slot frames[70];
    uint64_t out;
    unsigned restarts = 0;

    bind_and_donate();
    for (unsigned i = 0; i < 70; i++) {
        frames[i] = frame_of(FRAME_4K, RIGHT_ALL, SOMEWHERE + i * PAGE_SIZE);
        assert_int_equal(sys_iospace_map(space, &frames[i], i * PAGE_SIZE, RW), OK);
        assert_true(reaches(STREAM, i * PAGE_SIZE, true, SOMEWHERE + i * PAGE_SIZE));
    }
    preempt_now = true;
    while (iospace_destroy(space) == RESTART)
        restarts++;
    assert_int_equal(restarts, 2);
    for (unsigned i = 0; i < 70; i++)
        assert_int_equal(frames[i].flags, 0);
    memset(space->context, 0xff, sizeof space->context);
    memset(space->root, 0xff, sizeof space->root);
    assert_int_equal(model_access(STREAM, 0, true, &out), 0x04);
    memset(space->root, 0, sizeof space->root);
    assert_null(untyped.child);
}

/* ---- faults */
static void faults_reach_the_owner(void **state)
{
    (void)state;
    struct notification notification = {.object = {.kind = CAP_NOTIFICATION}};
    struct slot signal = {
        .kind = CAP_NOTIFICATION, .rights = RIGHT_ALL, .object = (uint64_t)&notification, .badge = 0x40};
    uint64_t out[4] = {0}, address;

    slot_insert(&signal, NULL);
    bind_and_donate();
    assert_int_equal(sys_iospace_notify(space, &signal), OK);
    assert_int_equal(model_access(STREAM, 0x40201000, true, &address), 0x10);
    smmu_handle_events();
    assert_int_equal(sys_iospace_fault(space, out), OK);
    assert_int_equal(out[0], 1);
    assert_int_equal(out[1], 0x40201000);
    assert_int_equal(out[2], 0x10);
    assert_int_equal(signals, 1);
    assert_int_equal(signalled_bits, 0x40);
    assert_string_equal(last_line, "smmu: stream 0x10 refused: translation at 0x40201000 (write, fault 1)\n");

    assert_int_equal(model_access(STREAM, 0x123, false, &address), 0x10);
    assert_int_equal(model_access(STREAM, 0x456, false, &address), 0x10);
    smmu_handle_events(); /* one interrupt, two records */
    assert_int_equal(sys_iospace_fault(space, out), OK);
    assert_int_equal(out[0], 3);
    assert_int_equal(out[1], 0x456);
    assert_int_equal(model_event_count(), 0);
}

static void a_device_that_faults_for_ever_is_blocked_and_grows_silent(void **state)
{
    (void)state;
    uint64_t address;

    bind_and_donate();
    for (unsigned i = 0; i < 5000; i++) {
        assert_int_not_equal(model_access(STREAM, 0x1000, true, &address), 0);
        if (i % 50 == 0)
            smmu_handle_events();
    }
    smmu_handle_events();
    assert_in_range(space->fault_count, 4096, 4096 + 128); /* what was in the queue by then counts too */
    assert_int_equal(model_event_count(), 0);
    assert_true(lines < 20);
}

static void its_owner_can_ask_for_more_records(void **state)
{
    (void)state;
    struct notification notification = {.object = {.kind = CAP_NOTIFICATION}};
    struct slot signal = {
        .kind = CAP_NOTIFICATION, .rights = RIGHT_ALL, .object = (uint64_t)&notification, .badge = 0x40};
    uint64_t out[4] = {0}, address;

    a_device_that_faults_for_ever_is_blocked_and_grows_silent(state);
    uint64_t before = space->fault_count;

    slot_insert(&signal, NULL);
    assert_int_equal(sys_iospace_notify(space, &signal), OK);
    assert_int_not_equal(model_access(STREAM, 0x7000, true, &address), 0);
    assert_int_equal(sys_iospace_fault(space, out), OK); /* without any interrupt */
    assert_int_equal(out[0], before + 1);
    assert_int_equal(out[1], 0x7000);
}

static void an_overflow_of_the_event_queue_does_not_stop_reports(void **state)
{
    (void)state;
    uint64_t address;

    bind_and_donate();
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(model_access(STREAM, 0x1000, true, &address), 0x10);
    assert_true(model.overflowed);
    smmu_handle_events();
    assert_int_equal(space->fault_count, 128);
    assert_int_equal(model_access(STREAM, 0x5000, true, &address), 0x10);
    smmu_handle_events();
    assert_int_equal(space->fault_count, 129);
    assert_int_equal(space->fault_address, 0x5000);
}

static void the_command_queue_wraps(void **state)
{
    (void)state;
    struct slot page = frame_of(FRAME_4K, RIGHT_ALL, SOMEWHERE);
    uint64_t out;

    bind_and_donate();
    for (unsigned i = 0; i < 500; i++) {
        assert_int_equal(sys_iospace_map(space, &page, 0x1000 * i, RW), OK);
        assert_true(reaches(STREAM, 0x1000 * i, true, SOMEWHERE));
        assert_int_equal(sys_iospace_unmap(&page), OK);
        assert_int_equal(model_access(STREAM, 0x1000 * i, true, &out), 0x10);
        smmu_handle_events();
    }
}

static void unmap_call(void *frame)
{
    (void)!sys_iospace_unmap(frame);
}

static void a_refused_command_is_our_bug_and_ends_in_panic(void **state)
{
    (void)state;
    struct slot page = frame_of(FRAME_4K, RIGHT_ALL, SOMEWHERE);

    bind_and_donate();
    assert_int_equal(sys_iospace_map(space, &page, 0x1000, RW), OK);
    model.refuse = true;
    assert_true(panics(unmap_call, &page));
    model_reset();
    smmu_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(start_enables_translation_for_all, setup, teardown),
        cmocka_unit_test_setup(start_refuses_an_smmu_that_lacks_something, setup),
        cmocka_unit_test_setup(start_panics_when_the_smmu_does_not_answer, setup),
        cmocka_unit_test_setup_teardown(a_stream_nobody_attached_is_blocked_and_reported_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(bind_refuses_what_does_not_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(bind_works_after_a_stray_access, setup, teardown),
        cmocka_unit_test_setup_teardown(two_streams_do_not_see_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(the_device_reaches_what_is_mapped_and_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_have_the_memory_types_of_the_context, setup, teardown),
        cmocka_unit_test_setup_teardown(map_refuses_what_does_not_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(unmap_ends_access_before_it_returns, setup, teardown),
        cmocka_unit_test_setup_teardown(deleting_the_frame_ends_access, setup, teardown),
        cmocka_unit_test_setup_teardown(revoking_the_tables_memory_ends_access, setup, teardown),
        cmocka_unit_test_setup_teardown(destroy_blocks_the_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(faults_reach_the_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(a_device_that_faults_for_ever_is_blocked_and_grows_silent, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(its_owner_can_ask_for_more_records, setup, teardown),
        cmocka_unit_test_setup_teardown(an_overflow_of_the_event_queue_does_not_stop_reports, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_command_queue_wraps, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refused_command_is_our_bug_and_ends_in_panic, setup, teardown),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    memory_release();
    return failed;
}
