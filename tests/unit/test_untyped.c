/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_untyped.c - memory that becomes objects: inside its Untyped, never twice, and zeroed, whoever
 * interrupts
 *
 * links: tests/unit/fake/kcore.c kernel/slot.c kernel/timer.c kernel/sc.c kernel/dispatcher.c kernel/ipc.c
 *
 * links: kernel/fastpath.c kernel/notification.c kernel/vcpu.c kernel/irq.c kernel/untyped.c
 * kernel/sys_cspace.c
 *
 * flags: -Itests/unit/fake -Ikernel -include tests/unit/fake/host_cpu.h
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kcore.h"
#include "sys.h"

enum { BYTES = 4 << 20, SLOTS = 1024 };

static struct cspace *space;
static struct slot *untyped;
static uint8_t *memory;

static int setup(void **state)
{
    (void)state;
    kcore_reset();
    space = kcore_memory(sizeof(struct cspace) + SLOTS * sizeof(struct slot));
    space->slot_count = SLOTS;
    /* An Untyped of 2 MiB and more begins at a multiple of 2 MiB. */
    memory = kcore_memory(BYTES + (2 << 20));
    memory += -(uint64_t)memory & ((2 << 20) - 1);
    memset(memory, 0xa5, BYTES);
    untyped = &space->slots[1];
    *untyped =
        (struct slot){.kind = CAP_UNTYPED, .rights = RIGHT_ALL, .object = (uint64_t)memory, .bytes = BYTES};
    slot_insert(untyped, NULL);
    return 0;
}

static bool is_zero(const uint8_t *p, uint64_t bytes)
{
    const uint64_t *words = (const uint64_t *)(const void *)p;

    for (uint64_t i = 0; i < bytes / 8; i++)
        if (words[i])
            return false;
    return true;
}

static uint64_t bytes_of(const struct slot *slot)
{
    switch ((enum cap_kind)slot->kind) {
    case CAP_FRAME:
        return 1ull << slot->size_bits;
    case CAP_UNTYPED:
        return slot->bytes;
    case CAP_ENDPOINT:
        return sizeof(struct endpoint);
    case CAP_VCPU:
        return sizeof(struct vcpu);
    case CAP_ASPACE:
        return sizeof(struct aspace);
    default:
        return 0;
    }
}

struct want {
    uint32_t kind;
    uint64_t size;
};
static const struct want wants[] = {{CAP_FRAME, FRAME_4K}, {CAP_FRAME, FRAME_2M}, {CAP_ENDPOINT, 0},
                                    {CAP_VCPU, 0},         {CAP_ASPACE, 0},       {CAP_UNTYPED, 12288}};
enum { WANTS = sizeof wants / sizeof wants[0] };

/* What was just made is where it may be, and as it must be; then its owner writes all over a Frame. */
static void check_made(uint32_t first, uint32_t count, uint64_t mark)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct slot *slot = &space->slots[first + i];
        uint8_t *at = (uint8_t *)slot->object;
        uint64_t bytes = bytes_of(slot);

        assert_true(at >= memory + mark && at + bytes <= memory + untyped->used);
        if (i)
            assert_true(slot->object >= slot[-1].object + bytes_of(slot - 1));
        if (slot->kind == CAP_FRAME) {
            assert_int_equal(slot->object % bytes, 0);
            assert_true(is_zero(at, bytes));
            memset(at, 0x5a, bytes);
        } else if (slot->kind == CAP_ENDPOINT) {
            assert_null(((struct endpoint *)slot->object)->first);
            assert_int_equal(((struct endpoint *)slot->object)->object.refs, 1);
        } else if (slot->kind == CAP_VCPU) {
            const struct vcpu *vcpu = (const struct vcpu *)slot->object;

            assert_int_equal(vcpu->object.refs, 1);
            assert_true(is_zero((const uint8_t *)&vcpu->regs, sizeof vcpu->regs));
            assert_int_equal(vcpu->state, VCPU_SUSPENDED);
            assert_false(vcpu->configured);
        }
    }
}

static void objects_are_zeroed_and_apart_whoever_interrupts(void **state)
{
    for (unsigned seed = 0; seed < 10; seed++) {
        setup(state);
        random_seed(seed);
        preempt_percent = 30;
        /* Two callers: each goes on with its own call until it is done, in any order. */
        struct {
            const struct want *want;
            uint32_t count, slot;
        } callers[2] = {{0}};
        uint32_t next = 2;

        for (unsigned step = 0; step < 1000; step++) {
            unsigned who = random_below(2);

            if (!callers[who].want) {
                callers[who].want = &wants[random_below(WANTS)];
                callers[who].count = 1 + random_below(callers[who].want->size == FRAME_2M ? 1 : 8);
                callers[who].slot = next;
                next += callers[who].count;
            }
            uint64_t mark = untyped->used;
            enum status status = sys_untyped_retype(untyped, callers[who].want->kind, callers[who].want->size,
                                                    callers[who].count, space, callers[who].slot);

            if (status == RESTART) {
                assert_int_equal(untyped->used, mark);
                continue;
            }
            if (status == OK)
                check_made(callers[who].slot, callers[who].count, mark);
            else
                assert_int_equal(status, ERR_MEM);
            callers[who].want = NULL;
            if (status == ERR_MEM || next > SLOTS - 16) {
                while (slot_revoke(untyped) == RESTART)
                    ;
                assert_int_equal(untyped->used, 0);
                memset(callers, 0, sizeof callers);
                next = 2;
            }
        }
    }
}

static void short_call_between_two_steps_of_a_long_one_gets_zeroed_memory(void **state)
{
    setup(state);
    preempt_at = 3; /* after some steps of 64 KiB */
    assert_int_equal(sys_untyped_retype(untyped, CAP_UNTYPED, 4096, 1, space, 2), OK);
    assert_int_equal(sys_untyped_retype(untyped, CAP_FRAME, FRAME_2M, 1, space, 3), RESTART);
    assert_true(untyped->zeroed > 0);
    assert_int_equal(sys_untyped_retype(untyped, CAP_FRAME, FRAME_4K, 1, space, 4), OK);
    assert_true(is_zero((uint8_t *)space->slots[4].object, 4096));
    assert_int_equal(sys_untyped_retype(untyped, CAP_FRAME, FRAME_2M, 1, space, 3), OK);
    assert_true(is_zero((uint8_t *)space->slots[3].object, 2 << 20));
}

static void zeroing_looks_for_interrupts_every_64_kib(void **state)
{
    setup(state);
    assert_int_equal(sys_untyped_retype(untyped, CAP_FRAME, FRAME_2M, 1, space, 3), OK);
    assert_int_equal(preempt_looks, 31);
}

static void interrupted_call_goes_on_where_it_was(void **state)
{
    setup(state);
    for (unsigned i = 0; i < 31; i++) {
        preempt_at = 1;
        assert_int_equal(sys_untyped_retype(untyped, CAP_FRAME, FRAME_2M, 1, space, 3), RESTART);
        assert_int_equal(untyped->zeroed, (i + 1) * 65536);
    }
    assert_int_equal(sys_untyped_retype(untyped, CAP_FRAME, FRAME_2M, 1, space, 3), OK);
}

static void device_memory_is_not_touched(void **state)
{
    setup(state);
    untyped->flags = SLOT_DEVICE;
    assert_int_equal(sys_untyped_retype(untyped, CAP_FRAME, FRAME_4K, 4, space, 2), OK);
    assert_int_equal(memory[0], 0xa5);
    assert_int_equal(space->slots[2].flags, SLOT_DEVICE);
    assert_int_equal(sys_untyped_retype(untyped, CAP_UNTYPED, 8192, 1, space, 10), OK);
    assert_int_equal(space->slots[10].flags, SLOT_DEVICE);
    assert_int_equal(sys_untyped_retype(&space->slots[10], CAP_ENDPOINT, 0, 1, space, 11), ERR_ARG);
}

static void sizes_that_wrap_are_refused(void **state)
{
    setup(state);
    assert_int_equal(sys_untyped_retype(untyped, CAP_UNTYPED, ~0xfffull, 1, space, 2), ERR_ARG);
    assert_int_equal(sys_untyped_retype(untyped, CAP_UNTYPED, 1ull << 40, 512, space, 2), ERR_MEM);
    assert_int_equal(sys_untyped_retype(untyped, CAP_UNTYPED, (1ull << 40) + 4096, 1, space, 2), ERR_ARG);
    assert_int_equal(sys_untyped_retype(untyped, CAP_FRAME, FRAME_1G, 512, space, 2), ERR_MEM);
    assert_int_equal(sys_untyped_retype(untyped, CAP_CSPACE, 64 + 4, 1, space, 2), ERR_ARG);
    assert_int_equal(sys_untyped_retype(untyped, CAP_FRAME, (1ull << 32) + FRAME_4K, 1, space, 2), ERR_ARG);
    assert_int_equal(untyped->used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_zeroed_and_apart_whoever_interrupts),
        cmocka_unit_test(short_call_between_two_steps_of_a_long_one_gets_zeroed_memory),
        cmocka_unit_test(zeroing_looks_for_interrupts_every_64_kib),
        cmocka_unit_test(interrupted_call_goes_on_where_it_was),
        cmocka_unit_test(device_memory_is_not_touched),
        cmocka_unit_test(sizes_that_wrap_are_refused),
    };

    return cmocka_run_group_tests_name("untyped", tests, NULL, NULL);
}
