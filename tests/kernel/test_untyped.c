/* SPDX-License-Identifier: BSD-2-Clause */
#include "ktest.h"

TEST(untyped, retype_refuses_bad_arguments)
{
    EXPECT(bh_untyped_retype(NO_SLOT, CAP_ENDPOINT, 0, 1, INIT_SLOT_CSPACE, FIRST), ERR_CAP);
    EXPECT(bh_untyped_retype(INIT_SLOT_CSPACE, CAP_ENDPOINT, 0, 1, INIT_SLOT_CSPACE, FIRST), ERR_CAP);
    EXPECT(bh_untyped_retype(POOL, 99, 0, 1, INIT_SLOT_CSPACE, FIRST), ERR_ARG);
    EXPECT(bh_untyped_retype(POOL, CAP_NONE, 0, 1, INIT_SLOT_CSPACE, FIRST), ERR_ARG);
    EXPECT(bh_untyped_retype(POOL, CAP_DISPATCHER, 0, 1, INIT_SLOT_CSPACE, FIRST), ERR_ARG);
    EXPECT(bh_untyped_retype(POOL, CAP_CONTROL, 0, 1, INIT_SLOT_CSPACE, FIRST), ERR_ARG);
    EXPECT(bh_untyped_retype(POOL, CAP_FRAME, 13, 1, INIT_SLOT_CSPACE, FIRST), ERR_ARG);
    EXPECT(bh_untyped_retype(POOL, CAP_UNTYPED, 100, 1, INIT_SLOT_CSPACE, FIRST), ERR_ARG);
    EXPECT(bh_untyped_retype(POOL, CAP_CSPACE, 3, 1, INIT_SLOT_CSPACE, FIRST), ERR_ARG);
    EXPECT(bh_untyped_retype(POOL, CAP_CSPACE, 17, 1, INIT_SLOT_CSPACE, FIRST), ERR_ARG);
    EXPECT(bh_untyped_retype(POOL, CAP_ENDPOINT, 0, 0, INIT_SLOT_CSPACE, FIRST), ERR_ARG);
    EXPECT(bh_untyped_retype(POOL, CAP_ENDPOINT, 0, 513, INIT_SLOT_CSPACE, FIRST), ERR_ARG);
    EXPECT(bh_untyped_retype(POOL, CAP_ENDPOINT, 0, 1, INIT_SLOT_CSPACE, 0), ERR_ARG);
    EXPECT(bh_untyped_retype(POOL, CAP_ENDPOINT, 0, 2, INIT_SLOT_CSPACE, NO_SUCH_SLOT - 1), ERR_ARG);
    EXPECT(bh_untyped_retype(POOL, CAP_ENDPOINT, 0, 1, INIT_SLOT_CSPACE, 0xffffffff), ERR_ARG);
    EXPECT(bh_untyped_retype(POOL, CAP_ENDPOINT, 0, 1, INIT_SLOT_CSPACE, INIT_SLOT_CSPACE), ERR_FULL);
    EXPECT(bh_untyped_retype(POOL, CAP_FRAME, FRAME_1G, 1, INIT_SLOT_CSPACE, FIRST), ERR_MEM);
}

TEST(untyped, gives_out_what_it_has_and_no_more)
{
    uint64_t base, size, used;

    EXPECT(bh_untyped_retype(POOL, CAP_FRAME, FRAME_4K, 512, INIT_SLOT_CSPACE, FIRST), OK);
    EXPECT(bh_untyped_retype(POOL, CAP_FRAME, FRAME_4K, 400, INIT_SLOT_CSPACE, FIRST + 512), OK);
    EXPECT(bh_untyped_info(POOL, &base, &size, &used), OK);
    EXPECT(size, POOL_BYTES);
    EXPECT(used, 912 * 4096);
    EXPECT(bh_cspace_revoke(INIT_SLOT_CSPACE, POOL), OK);
    EXPECT(bh_untyped_info(POOL, &base, &size, &used), OK);
    EXPECT(used, 0);
}

TEST(untyped, memory_comes_back_zeroed)
{
    volatile uint64_t *page = (volatile uint64_t *)DYNAMIC_IPA;

    EXPECT(kt_make(CAP_FRAME, FRAME_4K, FIRST), OK);
    EXPECT(bh_aspace_map(INIT_SLOT_ASPACE, FIRST, DYNAMIC_IPA, RIGHT_READ | RIGHT_WRITE), OK);
    for (unsigned i = 0; i < 512; i++)
        page[i] = 0x5a5a5a5a00000000u + i;
    EXPECT(bh_cspace_revoke(INIT_SLOT_CSPACE, POOL), OK);
    EXPECT(kt_make(CAP_FRAME, FRAME_4K, FIRST), OK);
    EXPECT(bh_aspace_map(INIT_SLOT_ASPACE, FIRST, DYNAMIC_IPA, RIGHT_READ | RIGHT_WRITE), OK);
    for (unsigned i = 0; i < 512; i++)
        EXPECT(page[i], 0);
}

TEST(untyped, without_grant_makes_only_memory)
{
    EXPECT(kt_make(CAP_UNTYPED, 65536, FIRST), OK);
    EXPECT(bh_cspace_mint(INIT_SLOT_CSPACE, FIRST, INIT_SLOT_CSPACE, FIRST + 1, RIGHT_WRITE, 0), OK);
    EXPECT(bh_untyped_retype(FIRST + 1, CAP_ENDPOINT, 0, 1, INIT_SLOT_CSPACE, FIRST + 2), ERR_RIGHT);
    EXPECT(bh_untyped_retype(FIRST + 1, CAP_ASPACE, 0, 1, INIT_SLOT_CSPACE, FIRST + 2), ERR_RIGHT);
    EXPECT(bh_untyped_retype(FIRST + 1, CAP_FRAME, FRAME_4K, 1, INIT_SLOT_CSPACE, FIRST + 2), OK);
    /* The copy took all of it. */
    EXPECT(bh_untyped_retype(FIRST, CAP_FRAME, FRAME_4K, 1, INIT_SLOT_CSPACE, FIRST + 3), ERR_MEM);
    EXPECT(bh_cspace_mint(INIT_SLOT_CSPACE, FIRST, INIT_SLOT_CSPACE, FIRST + 3, RIGHT_WRITE, 0), ERR_STATE);
}

TEST(untyped, allow_objects_needs_control_and_ordinary_memory)
{
    slot_t device = kt_device(0x09010000);

    EXPECT(kt_make(CAP_UNTYPED, 65536, FIRST), OK);
    EXPECT(bh_cspace_mint(INIT_SLOT_CSPACE, FIRST, INIT_SLOT_CSPACE, FIRST + 1, RIGHT_WRITE, 0), OK);
    EXPECT(bh_untyped_retype(FIRST + 1, CAP_UNTYPED, 8192, 1, INIT_SLOT_CSPACE, FIRST + 2), OK);
    EXPECT(bh_untyped_retype(FIRST + 2, CAP_ENDPOINT, 0, 1, INIT_SLOT_CSPACE, FIRST + 3), ERR_RIGHT);
    EXPECT(bh_untyped_allow_objects(FIRST + 2, POOL), ERR_CAP);
    EXPECT(bh_untyped_allow_objects(INIT_SLOT_CSPACE, INIT_SLOT_CONTROL), ERR_CAP);
    EXPECT(bh_untyped_allow_objects(device, INIT_SLOT_CONTROL), ERR_ARG);
    EXPECT(bh_untyped_allow_objects(FIRST + 2, INIT_SLOT_CONTROL), OK);
    EXPECT(bh_untyped_retype(FIRST + 2, CAP_ENDPOINT, 0, 1, INIT_SLOT_CSPACE, FIRST + 3), OK);
    /* Only that capability: not the one that it came from, and it still goes with it. */
    EXPECT(bh_untyped_retype(FIRST + 1, CAP_ENDPOINT, 0, 1, INIT_SLOT_CSPACE, FIRST + 4), ERR_RIGHT);
    EXPECT(bh_cspace_revoke(INIT_SLOT_CSPACE, FIRST + 1), OK);
    EXPECT(bh_untyped_retype(FIRST + 2, CAP_ENDPOINT, 0, 1, INIT_SLOT_CSPACE, FIRST + 4), ERR_CAP);
}
