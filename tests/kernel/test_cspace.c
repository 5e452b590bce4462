/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_cspace.c - capabilities: what is copied, moved, deleted and revoked, and what of it goes along
 */
#include "ktest.h"

#define EP (FREE + 0)
#define NOTE (FREE + 1)
#define OTHER (FREE + 2) /* another CSpace, of 16 slots */
#define SMALL (FREE + 3)
#define A (FREE + 10)
#define B (FREE + 11)
#define C (FREE + 12)
#define D (FREE + 13)

static bool is_empty(slot_t slot)
{
    return kt_copy(slot, FREE + 400, RIGHT_ALL) == ERR_CAP;
}

/* What notification_wait takes out after a signal through this capability. */
static uint64_t badge_of(slot_t slot)
{
    uint64_t bits = 0;

    EXPECT(bh_notification_signal(slot), OK);
    EXPECT(bh_notification_wait(NOTE, 0, &bits), OK);
    return bits;
}

TEST(syscall, refuses_numbers_that_are_no_calls)
{
    EXPECT(kt_raw(SYS_COUNT, 0, 0, 0, 0, 0, 0, 0), ERR_CALL);
    EXPECT(kt_raw(SYS_COUNT + 1000, 0, 0, 0, 0, 0, 0, 0), ERR_CALL);
    EXPECT(kt_raw(UINT64_MAX, 0, 0, 0, 0, 0, 0, 0), ERR_CALL);
    EXPECT(kt_raw(1ull << 32 | SYS_untyped_info, POOL, 0, 0, 0, 0, 0, 0), ERR_CALL);
}

TEST(syscall, refuses_arguments_wider_than_they_are)
{
    const uint64_t wide = 1ull << 32;

    EXPECT(kt_raw(SYS_untyped_info, wide | POOL, 0, 0, 0, 0, 0, 0), ERR_CAP);
    EXPECT(kt_raw(SYS_untyped_retype, POOL, wide | CAP_ENDPOINT, 0, 1, CSPACE, EP, 0), ERR_ARG);
    EXPECT(kt_raw(SYS_untyped_retype, POOL, CAP_ENDPOINT, 0, wide | 1, CSPACE, EP, 0), ERR_ARG);
    EXPECT(kt_raw(SYS_untyped_retype, POOL, CAP_ENDPOINT, 0, 1, CSPACE, wide | EP, 0), ERR_ARG);
    EXPECT(kt_raw(SYS_cspace_delete, CSPACE, wide | POOL, 0, 0, 0, 0, 0), ERR_ARG);
    EXPECT(kt_raw(SYS_cspace_copy, CSPACE, wide | POOL, CSPACE, A, RIGHT_ALL, 0, 0), ERR_ARG);
    EXPECT(kt_raw(SYS_cspace_copy, CSPACE, POOL, CSPACE, wide | A, RIGHT_ALL, 0, 0), ERR_ARG);
    EXPECT(is_empty(A), 1);
}

TEST(cspace, copy_never_adds_rights)
{
    struct bh_msg m = {.info = INFO(0, 0, 0, 0)};

    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(kt_copy(EP, A, RIGHT_READ), OK);
    EXPECT(kt_copy(A, B, RIGHT_ALL), OK);
    EXPECT(bh_endpoint_call(B, 0, &m), ERR_RIGHT);
    EXPECT(bh_endpoint_recv(B, 0, &m), ERR_TIME);
    EXPECT(kt_copy(B, C, 0), OK);
    EXPECT(bh_endpoint_recv(C, 0, &m), ERR_RIGHT);
    EXPECT(kt_mint(EP, D, RIGHT_WRITE, 5), OK);
    EXPECT(bh_endpoint_recv(D, 0, &m), ERR_RIGHT);
    EXPECT(bh_endpoint_call(D, 0, &m), ERR_TIME);
}

TEST(cspace, copy_refuses_what_it_cannot_do)
{
    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(kt_copy(NO_SLOT, A, RIGHT_ALL), ERR_CAP);
    EXPECT(kt_copy(0, A, RIGHT_ALL), ERR_CAP);
    EXPECT(kt_copy(NO_SUCH_SLOT, A, RIGHT_ALL), ERR_CAP);
    EXPECT(kt_copy(0xffffffff, A, RIGHT_ALL), ERR_CAP);
    EXPECT(kt_copy(EP, 0, RIGHT_ALL), ERR_ARG);
    EXPECT(kt_copy(EP, NO_SUCH_SLOT, RIGHT_ALL), ERR_ARG);
    EXPECT(kt_copy(EP, 0xffffffff, RIGHT_ALL), ERR_ARG);
    EXPECT(kt_copy(EP, POOL, RIGHT_ALL), ERR_FULL);
    EXPECT(kt_copy(EP, EP, RIGHT_ALL), ERR_FULL);
    EXPECT(bh_cspace_copy(EP, 1, CSPACE, A, RIGHT_ALL), ERR_CAP);
    EXPECT(bh_cspace_copy(CSPACE, EP, EP, A, RIGHT_ALL), ERR_CAP);
    /* Reading a CSpace and writing it are two rights. */
    EXPECT(kt_copy(CSPACE, B, RIGHT_READ), OK);
    EXPECT(kt_copy(CSPACE, C, RIGHT_WRITE), OK);
    EXPECT(bh_cspace_copy(C, EP, CSPACE, A, RIGHT_ALL), ERR_RIGHT);
    EXPECT(bh_cspace_copy(CSPACE, EP, B, A, RIGHT_ALL), ERR_RIGHT);
    EXPECT(bh_cspace_copy(B, EP, C, A, RIGHT_ALL), OK);
    EXPECT(bh_cspace_move(B, A, C, D), ERR_RIGHT);
    EXPECT(bh_cspace_mint(C, EP, CSPACE, D, RIGHT_ALL, 1), ERR_RIGHT);
    EXPECT(bh_cspace_mint(CSPACE, EP, B, D, RIGHT_ALL, 1), ERR_RIGHT);
    EXPECT(bh_cspace_delete(B, A), ERR_RIGHT);
    EXPECT(bh_cspace_revoke(B, A), ERR_RIGHT);
    EXPECT(bh_untyped_retype(POOL, CAP_ENDPOINT, 0, 1, B, D), ERR_RIGHT);
    EXPECT(bh_untyped_retype(POOL, CAP_ENDPOINT, 0, 1, C, D), OK);
    EXPECT(kt_delete(B), OK);
    EXPECT(kt_delete(C), OK);
}

TEST(cspace, badge_is_given_once)
{
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_make(CAP_FRAME, FRAME_4K, SMALL), OK);
    EXPECT(kt_mint(NOTE, A, RIGHT_ALL, 0x30), OK);
    EXPECT(badge_of(A), 0x30);
    EXPECT(kt_mint(A, B, RIGHT_ALL, 0x40), ERR_STATE);
    EXPECT(kt_mint(A, B, RIGHT_ALL, 0x30), ERR_STATE);
    EXPECT(kt_mint(A, B, RIGHT_ALL, 0), ERR_STATE);
    EXPECT(kt_copy(A, B, RIGHT_ALL), OK);
    EXPECT(badge_of(B), 0x30);
    EXPECT(kt_mint(B, C, RIGHT_ALL, 1), ERR_STATE);
    EXPECT(kt_mint(NOTE, C, RIGHT_ALL, UINT64_MAX), OK);
    EXPECT(badge_of(C), UINT64_MAX);
    /* Only Endpoints and Notifications have one. */
    EXPECT(kt_mint(SMALL, D, RIGHT_ALL, 1), ERR_ARG);
    EXPECT(kt_mint(CSPACE, D, RIGHT_ALL, 1), ERR_ARG);
    EXPECT(kt_mint(NOTE, A, RIGHT_ALL, 1), ERR_FULL);
    EXPECT(kt_mint(NO_SLOT, D, RIGHT_ALL, 1), ERR_CAP);
    EXPECT(kt_mint(NOTE, 0, RIGHT_ALL, 1), ERR_ARG);
}

TEST(cspace, signal_without_a_badge_says_nothing)
{
    uint64_t bits;

    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(bh_notification_signal(NOTE), OK);
    EXPECT(bh_notification_wait(NOTE, 0, &bits), ERR_TIME);
}

TEST(cspace, moved_capability_keeps_its_descendants)
{
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, A, RIGHT_ALL, 1), OK);
    EXPECT(kt_copy(A, B, RIGHT_ALL), OK);
    EXPECT(bh_cspace_move(CSPACE, A, CSPACE, C), OK);
    EXPECT(is_empty(A), 1);
    EXPECT(badge_of(C), 1);
    EXPECT(badge_of(B), 1);
    EXPECT(kt_revoke(C), OK);
    EXPECT(is_empty(B), 1);
    EXPECT(badge_of(C), 1);
    EXPECT(kt_revoke(NOTE), OK);
    EXPECT(is_empty(C), 1);
}

TEST(cspace, move_refuses_what_it_cannot_do)
{
    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(bh_cspace_move(CSPACE, NO_SLOT, CSPACE, A), ERR_CAP);
    EXPECT(bh_cspace_move(CSPACE, EP, CSPACE, EP), ERR_FULL);
    EXPECT(bh_cspace_move(CSPACE, EP, CSPACE, POOL), ERR_FULL);
    EXPECT(bh_cspace_move(CSPACE, EP, CSPACE, 0), ERR_ARG);
    EXPECT(bh_cspace_move(CSPACE, EP, CSPACE, NO_SUCH_SLOT), ERR_ARG);
    EXPECT(bh_cspace_move(EP, EP, CSPACE, A), ERR_CAP);
    /* With more children than can be told in bounded time it stays where it is. */
    for (slot_t i = 0; i < 256; i++)
        EXPECT(kt_copy(EP, FREE + 100 + i, RIGHT_READ), OK);
    EXPECT(bh_cspace_move(CSPACE, EP, CSPACE, A), OK);
    EXPECT(kt_copy(A, FREE + 100 + 256, RIGHT_READ), OK);
    EXPECT(bh_cspace_move(CSPACE, A, CSPACE, EP), ERR_STATE);
    EXPECT(kt_revoke(A), OK);
    EXPECT(bh_cspace_move(CSPACE, A, CSPACE, EP), OK);
    EXPECT(is_empty(FREE + 100), 1);
}

TEST(cspace, moved_frame_stays_mapped)
{
    EXPECT(kt_make(CAP_FRAME, FRAME_4K, A), OK);
    EXPECT(kt_make(CAP_FRAME, FRAME_4K, B), OK);
    EXPECT(bh_aspace_map(ASPACE, A, SCRATCH_IPA, RW), OK);
    EXPECT(bh_aspace_map(ASPACE, B, SCRATCH_IPA + 4096, RW), OK);
    SCRATCH[0] = 7;
    EXPECT(bh_cspace_move(CSPACE, A, CSPACE, C), OK);
    EXPECT(SCRATCH[0], 7);
    EXPECT(bh_aspace_map(ASPACE, C, SCRATCH_IPA + 8192, RW), ERR_STATE);
    EXPECT(bh_aspace_unmap(C), OK);
    EXPECT(bh_aspace_map(ASPACE, C, SCRATCH_IPA + 8192, RW), OK);
    EXPECT(SCRATCH[1024], 7);
}

TEST(cspace, delete_of_the_middle_keeps_what_was_derived)
{
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, A, RIGHT_ALL, 8), OK);
    EXPECT(kt_copy(A, B, RIGHT_ALL), OK);
    EXPECT(kt_copy(B, C, RIGHT_ALL), OK);
    EXPECT(kt_delete(A), OK);
    EXPECT(badge_of(B), 8);
    EXPECT(kt_delete(B), OK);
    EXPECT(badge_of(C), 8);
    /* It is still under who it came from. */
    EXPECT(kt_revoke(NOTE), OK);
    EXPECT(is_empty(C), 1);
}

TEST(cspace, delete_refuses_only_what_is_no_slot)
{
    EXPECT(kt_delete(NO_SLOT), OK);
    EXPECT(kt_delete(0), ERR_ARG);
    EXPECT(kt_delete(NO_SUCH_SLOT), ERR_ARG);
    EXPECT(bh_cspace_delete(POOL, 1), ERR_CAP);
    EXPECT(bh_cspace_delete(NO_SLOT, 1), ERR_CAP);
}

TEST(cspace, revoke_takes_descendants_at_any_depth_and_nobody_else)
{
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_make(CAP_CSPACE, 4, OTHER), OK);
    EXPECT(kt_mint(NOTE, A, RIGHT_ALL, 1), OK);
    EXPECT(kt_mint(NOTE, B, RIGHT_ALL, 2), OK);
    EXPECT(kt_copy(A, FREE + 100, RIGHT_ALL), OK);
    for (slot_t i = 1; i < 100; i++)
        EXPECT(kt_copy(FREE + 99 + i, FREE + 100 + i, RIGHT_ALL), OK);
    EXPECT(bh_cspace_copy(CSPACE, FREE + 150, OTHER, 3, RIGHT_ALL), OK);
    EXPECT(bh_cspace_copy(OTHER, 3, CSPACE, FREE + 200, RIGHT_ALL), OK);
    EXPECT(kt_revoke(A), OK);
    for (slot_t i = 0; i < 101; i++)
        EXPECT(is_empty(FREE + 100 + i), 1);
    EXPECT(bh_cspace_copy(OTHER, 3, CSPACE, C, RIGHT_ALL), ERR_CAP);
    EXPECT(badge_of(A), 1);
    EXPECT(badge_of(B), 2);
    EXPECT(kt_revoke(NO_SLOT), ERR_CAP);
    EXPECT(kt_revoke(0), ERR_ARG);
    EXPECT(kt_revoke(NO_SUCH_SLOT), ERR_ARG);
    EXPECT(bh_cspace_revoke(POOL, A), ERR_CAP);
    EXPECT(bh_cspace_revoke(NO_SLOT, A), ERR_CAP);
}

TEST(cspace, revoke_of_a_leaf_changes_nothing)
{
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, A, RIGHT_ALL, 1), OK);
    EXPECT(kt_revoke(A), OK);
    EXPECT(badge_of(A), 1);
}

TEST(cspace, untyped_is_handed_on_as_a_whole_or_not_at_all)
{
    EXPECT(kt_make(CAP_UNTYPED, 65536, A), OK);
    EXPECT(bh_untyped_retype(A, CAP_FRAME, FRAME_4K, 1, CSPACE, B), OK);
    EXPECT(kt_copy(A, C, RIGHT_ALL), ERR_STATE);
    EXPECT(kt_revoke(A), OK);
    EXPECT(kt_copy(A, C, RIGHT_ALL), OK);
    EXPECT(kt_used(C), 0);
    EXPECT(kt_used(A), 65536);
    EXPECT(bh_untyped_retype(A, CAP_FRAME, FRAME_4K, 1, CSPACE, B), ERR_MEM);
    EXPECT(bh_untyped_retype(C, CAP_FRAME, FRAME_4K, 16, CSPACE, FREE + 100), OK);
    EXPECT(bh_untyped_retype(C, CAP_FRAME, FRAME_4K, 1, CSPACE, B), ERR_MEM);
    /* Without the copy its memory is out, until all is revoked. */
    EXPECT(kt_delete(C), OK);
    EXPECT(bh_untyped_retype(A, CAP_FRAME, FRAME_4K, 1, CSPACE, B), ERR_MEM);
    EXPECT(kt_revoke(A), OK);
    EXPECT(is_empty(FREE + 100), 1);
    EXPECT(bh_untyped_retype(A, CAP_FRAME, FRAME_4K, 16, CSPACE, FREE + 100), OK);
}

/* ---- the last capability ---------------------------------------------------------------------------- */

static volatile uint64_t ended_with;

static void receiver(uint64_t endpoint)
{
    struct bh_msg m;

    ended_with = 1000;
    ended_with = bh_endpoint_recv((slot_t)endpoint, BH_FOREVER, &m);
    kt_stop(0);
}

static void waiter(uint64_t notification)
{
    uint64_t bits;

    ended_with = 1000;
    ended_with = bh_notification_wait((slot_t)notification, BH_FOREVER, &bits);
    kt_stop(0);
}

TEST(cspace, deleting_the_last_capability_wakes_who_waits)
{
    ended_with = 0;
    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(kt_copy(EP, A, RIGHT_ALL), OK);
    kt_spawn(0, 0, receiver, EP);
    UNTIL(ended_with == 1000);
    kt_sleep_ms(2);
    EXPECT(kt_delete(EP), OK);
    kt_sleep_ms(2);
    EXPECT(ended_with, 1000); /* there is another one */
    EXPECT(kt_delete(A), OK);
    UNTIL(ended_with == ERR_PEER);
}

TEST(cspace, deleting_the_last_capability_wakes_waiters_of_a_notification_elsewhere)
{
    uint32_t pcpu = kt_boot->pcpu_count - 1;

    ended_with = 0;
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    kt_spawn(0, pcpu, waiter, NOTE);
    UNTIL(ended_with == 1000);
    kt_sleep_ms(2);
    EXPECT(kt_delete(NOTE), OK);
    UNTIL(ended_with == ERR_PEER);
}

TEST(cspace, goes_with_all_it_holds)
{
    ended_with = 0;
    EXPECT(kt_make(CAP_CSPACE, 4, OTHER), OK);
    EXPECT(kt_make(CAP_CSPACE, 4, SMALL), OK);
    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    kt_spawn(0, 0, receiver, EP);
    UNTIL(ended_with == 1000);
    kt_sleep_ms(2);
    /* Endpoint in a CSpace in a CSpace. */
    EXPECT(bh_cspace_move(CSPACE, EP, OTHER, 15), OK);
    EXPECT(bh_cspace_move(CSPACE, OTHER, SMALL, 1), OK);
    EXPECT(ended_with, 1000);
    EXPECT(kt_delete(SMALL), OK);
    UNTIL(ended_with == ERR_PEER);
}

TEST(cspace, that_holds_itself_goes_with_its_memory)
{
    EXPECT(kt_make(CAP_UNTYPED, 65536, A), OK);
    EXPECT(bh_untyped_retype(A, CAP_CSPACE, 4, 1, CSPACE, OTHER), OK);
    EXPECT(bh_untyped_retype(A, CAP_NOTIFICATION, 0, 1, CSPACE, NOTE), OK);
    EXPECT(bh_cspace_copy(CSPACE, OTHER, OTHER, 1, RIGHT_ALL), OK);
    EXPECT(bh_cspace_copy(CSPACE, NOTE, OTHER, 2, RIGHT_ALL), OK);
    EXPECT(kt_delete(OTHER), OK);
    EXPECT(kt_delete(NOTE), OK);
    EXPECT(kt_revoke(A), OK);
    EXPECT(kt_used(A), 0);
}

TEST(cspace, that_holds_its_own_memory_goes_with_it)
{
    uint64_t before = kt_used(POOL);

    EXPECT(kt_make(CAP_UNTYPED, 65536, A), OK);
    EXPECT(bh_untyped_retype(A, CAP_CSPACE, 4, 1, CSPACE, OTHER), OK);
    EXPECT(bh_untyped_retype(A, CAP_NOTIFICATION, 0, 1, CSPACE, NOTE), OK);
    EXPECT(bh_cspace_move(CSPACE, A, OTHER, 5), OK);
    /* Revoking it through the CSpace that it holds deletes the one by which it was named. */
    EXPECT(bh_cspace_revoke(OTHER, 5), OK);
    EXPECT(is_empty(OTHER), 1);
    EXPECT(is_empty(NOTE), 1);
    EXPECT(kt_revoke(POOL), OK);
    EXPECT(kt_used(POOL), before);
}

TEST(cspace, slots_are_bounded_by_its_own_size)
{
    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(kt_make(CAP_CSPACE, 4, OTHER), OK);
    EXPECT(bh_cspace_copy(CSPACE, EP, OTHER, 15, RIGHT_ALL), OK);
    EXPECT(bh_cspace_copy(CSPACE, EP, OTHER, 16, RIGHT_ALL), ERR_ARG);
    EXPECT(bh_cspace_copy(OTHER, 16, CSPACE, A, RIGHT_ALL), ERR_CAP);
    EXPECT(bh_cspace_delete(OTHER, 16), ERR_ARG);
    EXPECT(bh_cspace_revoke(OTHER, 16), ERR_ARG);
    EXPECT(bh_untyped_retype(POOL, CAP_ENDPOINT, 0, 2, OTHER, 14), ERR_FULL);
    EXPECT(bh_untyped_retype(POOL, CAP_ENDPOINT, 0, 2, OTHER, 15), ERR_ARG);
    EXPECT(bh_untyped_retype(POOL, CAP_ENDPOINT, 0, 14, OTHER, 1), OK);
}
