/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_aspace.c - address spaces: what is mapped where, with which rights, in whose memory
 */
#include "ktest.h"

#define SPACE (FREE + 0) /* an address space of nobody */
#define TABLES (FREE + 1)
#define PAGE (FREE + 2)
#define PAGE2 (FREE + 3)
#define BIG (FREE + 4)
#define NOTE (FREE + 5)
#define A (FREE + 10)
#define B (FREE + 11)
#define TOP (1ull << ASPACE_IPA_BITS)
#define BLOCK (1ull << FRAME_2M)

static void make_space(uint32_t table_pages)
{
    EXPECT(kt_make(CAP_ASPACE, 0, SPACE), OK);
    EXPECT(kt_make(CAP_UNTYPED, 32 * 4096, TABLES), OK);
    if (table_pages)
        EXPECT(bh_aspace_donate(SPACE, TABLES, table_pages), OK);
    EXPECT(kt_make(CAP_FRAME, FRAME_4K, PAGE), OK);
    EXPECT(kt_make(CAP_FRAME, FRAME_4K, PAGE2), OK);
}

TEST(aspace, map_refuses_what_does_not_fit)
{
    make_space(8);
    EXPECT(kt_make(CAP_FRAME, FRAME_2M, BIG), OK);
    EXPECT(bh_aspace_map(NO_SLOT, PAGE, 0x1000, RW), ERR_CAP);
    EXPECT(bh_aspace_map(PAGE, PAGE, 0x1000, RW), ERR_CAP);
    EXPECT(bh_aspace_map(SPACE, SPACE, 0x1000, RW), ERR_CAP);
    EXPECT(bh_aspace_map(SPACE, NO_SLOT, 0x1000, RW), ERR_CAP);
    EXPECT(kt_copy(SPACE, A, RIGHT_READ), OK);
    EXPECT(bh_aspace_map(A, PAGE, 0x1000, RW), ERR_RIGHT);
    EXPECT(bh_aspace_map(SPACE, PAGE, 0x1800, RW), ERR_ARG);
    EXPECT(bh_aspace_map(SPACE, PAGE, TOP, RW), ERR_ARG);
    EXPECT(bh_aspace_map(SPACE, PAGE, UINT64_MAX & ~0xfffull, RW), ERR_ARG);
    EXPECT(bh_aspace_map(SPACE, BIG, BLOCK + 4096, RW), ERR_ARG);
    EXPECT(bh_aspace_map(SPACE, PAGE, 0x1000, RW | RIGHT_GRANT), ERR_ARG);
    EXPECT(bh_aspace_map(SPACE, PAGE, 0x1000, RW | 0x200), ERR_ARG);
    EXPECT(kt_raw(SYS_aspace_map, SPACE, PAGE, 0x1000, 1ull << 32 | RW, 0, 0, 0), ERR_ARG);
    EXPECT(kt_copy(PAGE, B, RIGHT_READ), OK);
    EXPECT(bh_aspace_map(SPACE, B, 0x1000, RW), ERR_RIGHT);
    EXPECT(bh_aspace_map(SPACE, B, 0x1000, RIGHT_READ | RIGHT_EXEC), ERR_RIGHT);
    EXPECT(bh_aspace_map(SPACE, B, 0x1000, RIGHT_READ), OK);
    EXPECT(bh_aspace_map(SPACE, PAGE, TOP - 4096, RW | MAP_UNCACHED), OK);
    EXPECT(bh_aspace_map(SPACE, BIG, TOP - 2 * BLOCK, RWX), OK);
}

TEST(aspace, one_capability_makes_one_mapping)
{
    make_space(8);
    EXPECT(bh_aspace_map(SPACE, PAGE, 0x1000, RW), OK);
    EXPECT(bh_aspace_map(SPACE, PAGE, 0x2000, RW), ERR_STATE);
    EXPECT(bh_aspace_map(ASPACE, PAGE, SCRATCH_IPA, RW), ERR_STATE);
    EXPECT(bh_iospace_unmap(PAGE), ERR_STATE);
    EXPECT(kt_copy(PAGE, A, RIGHT_ALL), OK);
    EXPECT(bh_aspace_map(SPACE, A, 0x2000, RW), OK);
    EXPECT(bh_aspace_unmap(PAGE), OK);
    EXPECT(bh_aspace_unmap(PAGE), OK);
    EXPECT(bh_aspace_map(SPACE, PAGE, 0x2000, RW), ERR_FULL);
    EXPECT(bh_aspace_map(SPACE, PAGE, 0x1000, RW), OK);
    EXPECT(bh_aspace_unmap(SPACE), ERR_CAP);
    EXPECT(bh_aspace_unmap(NO_SLOT), ERR_CAP);
}

TEST(aspace, mappings_do_not_overlap)
{
    make_space(8);
    EXPECT(kt_make(CAP_FRAME, FRAME_2M, BIG), OK);
    EXPECT(bh_aspace_map(SPACE, PAGE, BLOCK + 0x3000, RW), OK);
    EXPECT(bh_aspace_map(SPACE, PAGE2, BLOCK + 0x3000, RW), ERR_FULL);
    EXPECT(bh_aspace_map(SPACE, BIG, BLOCK, RW), ERR_FULL);
    EXPECT(bh_aspace_unmap(PAGE), OK);
    EXPECT(bh_aspace_map(SPACE, BIG, BLOCK, RW), OK);
    EXPECT(bh_aspace_map(SPACE, PAGE, BLOCK + 0x3000, RW), ERR_FULL);
    EXPECT(bh_aspace_map(SPACE, PAGE, 2 * BLOCK - 4096, RW), ERR_FULL);
    EXPECT(bh_aspace_map(SPACE, PAGE, 2 * BLOCK, RW), OK);
    EXPECT(bh_aspace_map(SPACE, PAGE2, BLOCK - 4096, RW), OK);
}

TEST(aspace, tables_need_donated_memory)
{
    make_space(0);
    EXPECT(bh_aspace_map(SPACE, PAGE, 0x1000, RW), ERR_MEM);
    EXPECT(bh_aspace_donate(SPACE, TABLES, 1), OK);
    EXPECT(bh_aspace_map(SPACE, PAGE, 0x1000, RW), ERR_MEM); /* two tables: of levels 2 and 3 */
    EXPECT(bh_aspace_donate(SPACE, TABLES, 1), OK);
    EXPECT(bh_aspace_map(SPACE, PAGE, 0x1000, RW), OK);
    EXPECT(bh_aspace_map(SPACE, PAGE2, BLOCK, RW), ERR_MEM);
    EXPECT(bh_aspace_map(SPACE, PAGE2, BLOCK - 4096, RW), OK);
    /* Tables that become empty are used again. */
    EXPECT(bh_aspace_unmap(PAGE), OK);
    EXPECT(bh_aspace_unmap(PAGE2), OK);
    EXPECT(bh_aspace_map(SPACE, PAGE2, TOP - BLOCK, RW), OK);
}

TEST(aspace, donate_refuses_what_is_no_memory_for_tables)
{
    make_space(0);
    EXPECT(bh_aspace_donate(SPACE, TABLES, 0), ERR_ARG);
    EXPECT(bh_aspace_donate(SPACE, kt_device(0x09010000), 1), ERR_ARG);
    EXPECT(bh_aspace_donate(SPACE, TABLES, 33), ERR_MEM);
    EXPECT(bh_aspace_donate(SPACE, TABLES, 0xffffffff), ERR_MEM);
    EXPECT(bh_aspace_donate(SPACE, PAGE, 1), ERR_CAP);
    EXPECT(bh_aspace_donate(PAGE, TABLES, 1), ERR_CAP);
    EXPECT(kt_copy(SPACE, A, RIGHT_READ), OK);
    EXPECT(bh_aspace_donate(A, TABLES, 1), ERR_RIGHT);
    EXPECT(kt_make(CAP_UNTYPED, 65536, A + 5), OK);
    EXPECT(kt_copy(A + 5, B, RIGHT_WRITE), OK);
    EXPECT(bh_aspace_donate(SPACE, B, 1), ERR_RIGHT); /* only memory, no Grant */
    for (unsigned i = 0; i < 8; i++)
        EXPECT(bh_aspace_donate(SPACE, TABLES, 1), OK);
    EXPECT(bh_aspace_donate(SPACE, TABLES, 1), ERR_FULL);
    EXPECT(kt_used(TABLES), 8 * 4096);
}

TEST(aspace, revoked_donation_empties_the_space)
{
    make_space(4);
    EXPECT(kt_make(CAP_UNTYPED, 65536, A), OK);
    EXPECT(bh_aspace_donate(SPACE, A, 2), OK);
    EXPECT(bh_aspace_map(SPACE, PAGE, 0x1000, RW), OK);
    EXPECT(bh_aspace_protect(PAGE, RIGHT_READ), OK);
    EXPECT(kt_revoke(A), OK);
    EXPECT(kt_used(A), 0);
    EXPECT(bh_aspace_protect(PAGE, RW), ERR_STATE);
    EXPECT(bh_aspace_map(SPACE, PAGE, 0x1000, RW), ERR_MEM); /* the other donation went as well */
    EXPECT(bh_aspace_unmap(PAGE), OK);
    EXPECT(bh_aspace_donate(SPACE, A, 2), OK);
    EXPECT(bh_aspace_map(SPACE, PAGE, 0x1000, RW), OK);
    EXPECT(kt_delete(SPACE), OK);
    EXPECT(bh_aspace_map(ASPACE, PAGE, SCRATCH_IPA, RW), OK);
}

TEST(aspace, frames_outlive_the_space_they_were_mapped_in)
{
    make_space(8);
    EXPECT(bh_aspace_map(SPACE, PAGE, 0x1000, RW), OK);
    EXPECT(bh_aspace_map(SPACE, PAGE2, 0x5000, RW), OK);
    EXPECT(kt_delete(PAGE2), OK);
    EXPECT(kt_delete(SPACE), OK);
    EXPECT(bh_aspace_protect(PAGE, RIGHT_READ), ERR_STATE);
    EXPECT(bh_aspace_map(ASPACE, PAGE, SCRATCH_IPA, RW), OK);
    SCRATCH[5] = 3;
    EXPECT(SCRATCH[5], 3);
    /* What its tables stood in is free for others. */
    EXPECT(kt_revoke(TABLES), OK);
    EXPECT(kt_used(TABLES), 0);
}

TEST(aspace, two_capabilities_show_the_same_memory)
{
    EXPECT(kt_make(CAP_FRAME, FRAME_4K, PAGE), OK);
    EXPECT(kt_copy(PAGE, A, RW), OK);
    EXPECT(bh_aspace_map(ASPACE, PAGE, SCRATCH_IPA, RW), OK);
    EXPECT(bh_aspace_map(ASPACE, A, SCRATCH_IPA + 4096, RIGHT_READ), OK);
    SCRATCH[3] = 0x1234;
    EXPECT(SCRATCH[512 + 3], 0x1234);
}

TEST(aspace, two_mib_are_mapped_whole)
{
    EXPECT(kt_make(CAP_FRAME, FRAME_2M, BIG), OK);
    EXPECT(bh_aspace_map(ASPACE, BIG, SCRATCH_IPA, RW), OK);
    for (unsigned i = 0; i < 512; i++)
        SCRATCH[i * 512 + 7] = i;
    for (unsigned i = 0; i < 512; i++)
        EXPECT(SCRATCH[i * 512 + 7], i);
    EXPECT(bh_aspace_protect(BIG, RIGHT_READ), OK);
    EXPECT(SCRATCH[511 * 512 + 7], 511);
}

TEST(frame, address_is_where_it_is)
{
    uint64_t base, size, used, address, bits;

    EXPECT(kt_make(CAP_UNTYPED, 4u << 20, A), OK);
    EXPECT(bh_untyped_info(A, &base, &size, &used), OK);
    EXPECT(bh_untyped_retype(A, CAP_FRAME, FRAME_4K, 1, CSPACE, PAGE), OK);
    EXPECT(bh_untyped_retype(A, CAP_FRAME, FRAME_2M, 1, CSPACE, BIG), OK);
    EXPECT(bh_frame_address(PAGE, &address, &bits), OK);
    EXPECT(address, base);
    EXPECT(bits, FRAME_4K);
    EXPECT(bh_frame_address(BIG, &address, &bits), OK);
    EXPECT(address, (base + BLOCK) & ~(BLOCK - 1));
    EXPECT(bits, FRAME_2M);
    EXPECT(bh_frame_address(A, &address, &bits), ERR_CAP);
    EXPECT(bh_frame_address(NO_SLOT, &address, &bits), ERR_CAP);
}

TEST(aspace, protect_refuses_what_the_frame_does_not_allow)
{
    make_space(8);
    EXPECT(kt_copy(PAGE, A, RIGHT_READ), OK);
    EXPECT(bh_aspace_protect(PAGE, RIGHT_READ), ERR_STATE); /* not mapped */
    EXPECT(bh_aspace_map(SPACE, A, 0x1000, RIGHT_READ), OK);
    EXPECT(bh_aspace_protect(A, RW), ERR_RIGHT);
    EXPECT(bh_aspace_protect(A, 0x80), ERR_ARG);
    EXPECT(bh_aspace_protect(A, 0), OK);
    EXPECT(bh_aspace_protect(A, RIGHT_READ), OK);
    EXPECT(bh_aspace_protect(SPACE, RIGHT_READ), ERR_CAP);
    EXPECT(bh_aspace_protect(NO_SLOT, RIGHT_READ), ERR_CAP);
}

/* ---- devices and the bundle ------------------------------------------------------------------------------
 */

TEST(aspace, device_memory_is_never_run_or_made_into_objects)
{
    slot_t rtc = kt_device(0x09010000);

    EXPECT(bh_untyped_retype(rtc, CAP_ENDPOINT, 0, 1, CSPACE, A), ERR_ARG);
    EXPECT(bh_untyped_retype(rtc, CAP_FRAME, FRAME_4K, 1, CSPACE, A), OK);
    EXPECT(bh_aspace_map(ASPACE, A, SCRATCH_IPA, RIGHT_READ | RIGHT_EXEC), ERR_ARG);
    EXPECT(bh_aspace_map(ASPACE, A, SCRATCH_IPA, RW), OK);
    /* PL031: its identification registers. */
    EXPECT(((volatile uint32_t *)SCRATCH_IPA)[0xfe0 / 4], 0x31);
    EXPECT(kt_revoke(rtc), OK);
    EXPECT(kt_used(rtc), 0);
}

TEST(aspace, bundle_is_only_read)
{
    slot_t bundle = 0;

    for (uint32_t i = 0; i < kt_boot->untyped_count; i++)
        if (kt_boot->untyped[i].kind == UNTYPED_BUNDLE)
            bundle = kt_boot->untyped[i].slot;
    EXPECT(bh_untyped_retype(bundle, CAP_ENDPOINT, 0, 1, CSPACE, A), ERR_ARG);
    EXPECT(bh_untyped_retype(bundle, CAP_FRAME, FRAME_2M, 1, CSPACE, A), OK);
    EXPECT(bh_aspace_map(ASPACE, A, SCRATCH_IPA, RW), ERR_RIGHT);
    EXPECT(bh_aspace_map(ASPACE, A, SCRATCH_IPA, RIGHT_READ), OK);
    EXPECT(SCRATCH[0], *(const volatile uint64_t *)BUNDLE_IPA); /* it was not zeroed */
    EXPECT(kt_revoke(bundle), OK);
}

/* ---- doorbells: what guests ring is in test_guest.c ------------------------------------------------------
 */

TEST(aspace, doorbell_refuses_what_no_store_could_be)
{
    make_space(0);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(bh_aspace_doorbell(SPACE, 0x1002, 1, NOTE), ERR_ARG);
    EXPECT(bh_aspace_doorbell(SPACE, TOP, 1, NOTE), ERR_ARG);
    EXPECT(bh_aspace_doorbell(SPACE, 0x1000, 1ull << 32, NOTE), ERR_ARG);
    EXPECT(bh_aspace_doorbell(SPACE, 0x1000, 1, PAGE), ERR_CAP);
    EXPECT(bh_aspace_doorbell(PAGE, 0x1000, 1, NOTE), ERR_CAP);
    EXPECT(kt_copy(NOTE, A, RIGHT_READ), OK);
    EXPECT(bh_aspace_doorbell(SPACE, 0x1000, 1, A), ERR_RIGHT);
    EXPECT(bh_aspace_doorbell(SPACE, 0x1000, DOORBELL_TAKES - 1, NOTE), ERR_ARG);
    EXPECT(kt_delete(A), OK);
    EXPECT(kt_copy(NOTE, A, RIGHT_WRITE), OK);
    EXPECT(bh_aspace_doorbell(SPACE, 0x1000, DOORBELL_TAKES, A), ERR_RIGHT);
    EXPECT(kt_copy(SPACE, B, RIGHT_READ), OK);
    EXPECT(bh_aspace_doorbell(B, 0x1000, 1, NOTE), ERR_RIGHT);
    EXPECT(bh_aspace_doorbell_clear(B, 0x1000, 1), ERR_RIGHT);
    EXPECT(bh_aspace_doorbell_clear(SPACE, 0x1000, 1), ERR_STATE);
    EXPECT(bh_aspace_doorbell_clear(PAGE, 0x1000, 1), ERR_CAP);
}

TEST(aspace, doorbells_are_told_apart)
{
    make_space(0);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(bh_aspace_doorbell(SPACE, 0x1000, 1, NOTE), OK);
    EXPECT(bh_aspace_doorbell(SPACE, 0x1000, 1, NOTE), ERR_FULL);
    EXPECT(bh_aspace_doorbell(SPACE, 0x1000, DOORBELL_ANY, NOTE), ERR_FULL);
    EXPECT(bh_aspace_doorbell(SPACE, 0x1000, 2, NOTE), OK);
    EXPECT(bh_aspace_doorbell(SPACE, 0x1004, DOORBELL_ANY, NOTE), OK);
    EXPECT(bh_aspace_doorbell(SPACE, 0x1004, 9, NOTE), ERR_FULL);
    EXPECT(bh_aspace_doorbell_clear(SPACE, 0x1000, 2), OK);
    EXPECT(bh_aspace_doorbell_clear(SPACE, 0x1000, 2), ERR_STATE);
    EXPECT(bh_aspace_doorbell(SPACE, 0x1008, DOORBELL_TAKES, NOTE), OK);
    EXPECT(bh_aspace_doorbell(SPACE, 0x1008, DOORBELL_TAKES, NOTE), ERR_FULL);
    EXPECT(bh_aspace_doorbell(SPACE, 0x1008, DOORBELL_ANY, NOTE), ERR_FULL);
    EXPECT(bh_aspace_doorbell(SPACE, 0x1008, 9, NOTE), ERR_FULL);
    EXPECT(bh_aspace_doorbell_clear(SPACE, 0x1008, DOORBELL_ANY), ERR_STATE);
    EXPECT(bh_aspace_doorbell_clear(SPACE, 0x1008, DOORBELL_TAKES), OK);
    for (uint64_t i = 2; i < 32; i++)
        EXPECT(bh_aspace_doorbell(SPACE, 0x1000, i + 100, NOTE), OK);
    EXPECT(bh_aspace_doorbell(SPACE, 0x2000, 1, NOTE), ERR_FULL);
    /* They go with their Notification. */
    EXPECT(kt_revoke(NOTE), OK);
    EXPECT(bh_aspace_doorbell_clear(SPACE, 0x1000, 1), ERR_STATE);
    EXPECT(bh_aspace_doorbell(SPACE, 0x2000, 1, NOTE), OK);
}
