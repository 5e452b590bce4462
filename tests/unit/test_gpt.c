/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_gpt.c - claims about partition tables: what is good is found, what is damaged never gets through
 *
 * links: tests/unit/gpt_image.c services/blkdrv/gpt.c lib/bh/crc32.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gpt_image.h"
#include "lib/bh/crc32.h"
#include "services/blkdrv/gpt.h"

#define BLOCKS 2048u
#define PARTITIONS 8u

static uint8_t bytes[BLOCKS * 4096u];
static struct gpt_image image;
static struct gpt gpt;
static struct gpt_partition partitions[PARTITIONS];
static uint64_t unreadable; /* block that cannot be read, or 0 */

static enum status image_read(void *context, uint64_t block, void *buffer)
{
    const struct gpt_image *i = context;

    assert_true(block < i->blocks); /* gpt_read never asks beyond the disk */
    if (unreadable != 0 && block == unreadable)
        return ERR_IO;
    memcpy(buffer, i->bytes + block * i->block_bytes, i->block_bytes);
    return OK;
}

static void image_with(uint32_t block_bytes)
{
    gpt_image_make(&image, bytes, BLOCKS, block_bytes);
    gpt_image_partition(&image, 0, "debian1", 100, 199);
    gpt_image_partition(&image, 2, "debian2", 200, 299);
}

static int set_up(void **state)
{
    (void)state;
    image_with(512);
    unreadable = 0;
    return 0;
}

static enum status read_tables(void)
{
    gpt = (struct gpt){.read = image_read,
                       .context = &image,
                       .block_bytes = image.block_bytes,
                       .blocks = image.blocks,
                       .partitions = partitions,
                       .partitions_max = PARTITIONS};
    return gpt_read(&gpt);
}

static void expect_both(void)
{
    assert_int_equal(read_tables(), OK);
    assert_int_equal(gpt.count, 2);
    assert_string_equal(partitions[0].label, "debian1");
    assert_int_equal(partitions[0].first, 100);
    assert_int_equal(partitions[0].blocks, 100);
    assert_string_equal(partitions[1].label, "debian2");
    assert_int_equal(partitions[1].first, 200);
}

static void crc32_of_the_check_string(void **state)
{
    (void)state;
    assert_int_equal(crc32_add(0, "123456789", 9), 0xcbf43926u);
    assert_int_equal(crc32_add(crc32_add(0, "1234", 4), "56789", 5), 0xcbf43926u);
}

static void good_table_is_read(void **state)
{
    (void)state;
    expect_both();
    assert_string_equal(gpt.why, "");
    assert_int_equal(gpt.ignored, 0);
}

static void blocks_of_4096_are_read(void **state)
{
    (void)state;
    image_with(4096);
    expect_both();
}

static void bad_primary_falls_back_to_backup(void **state)
{
    (void)state;
    gpt_image_header(&image, 0)[GPT_HEADER_LAST_USABLE] ^= 1;
    expect_both();
    assert_non_null(strstr(gpt.why, "primary"));
    assert_null(strstr(gpt.why, "backup"));
}

static void bad_primary_entries_fall_back_to_backup(void **state)
{
    (void)state;
    gpt_image_entry(&image, 0, 0)[GPT_ENTRY_FIRST] ^= 1;
    expect_both();
}

static void unreadable_primary_falls_back_to_backup(void **state)
{
    (void)state;
    unreadable = 1;
    expect_both();
}

static void both_bad_is_refused(void **state)
{
    (void)state;
    gpt_image_header(&image, 0)[GPT_HEADER_CRC] ^= 1;
    gpt_image_header(&image, 1)[GPT_HEADER_CRC] ^= 1;
    assert_int_equal(read_tables(), ERR_ARG);
    assert_int_equal(gpt.count, 0);
    assert_non_null(strstr(gpt.why, "backup"));
}

static void empty_disk_is_refused(void **state)
{
    (void)state;
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(read_tables(), ERR_ARG);
    image.blocks = 2;
    assert_int_equal(read_tables(), ERR_ARG);
}

static void truncated_disk_is_refused(void **state)
{
    (void)state;
    /* The image was cut: the primary still says that its usable blocks go on, and the backup is gone. */
    image.blocks = BLOCKS / 2;
    assert_int_equal(read_tables(), ERR_ARG);
    assert_int_equal(gpt.count, 0);
}

static void header_field(uint32_t offset, uint64_t value, int is_64_bit)
{
    for (int backup = 0; backup < 2; backup++) {
        uint8_t *field = gpt_image_header(&image, backup) + offset;

        if (is_64_bit)
            put64(field, value);
        else
            put32(field, (uint32_t)value);
    }
    gpt_image_seal(&image);
}

static void headers_that_lead_astray_are_refused(void **state)
{
    static const struct {
        uint32_t offset;
        uint64_t value;
        int is_64_bit;
    } cases[] = {
        {12, 91, 0},
        {12, 513, 0},
        {12, UINT32_MAX, 0},
        {GPT_HEADER_MY_BLOCK, 7, 1},
        {GPT_HEADER_LAST_USABLE, BLOCKS, 1},
        {GPT_HEADER_LAST_USABLE, UINT64_MAX, 1},
        {GPT_HEADER_FIRST_USABLE, UINT64_MAX, 1},
        {GPT_HEADER_ENTRIES_BLOCK, UINT64_MAX, 1},
        {GPT_HEADER_ENTRIES_BLOCK, UINT64_MAX - 31, 1},
        {GPT_HEADER_ENTRIES_BLOCK, BLOCKS - 31, 1},
        {GPT_HEADER_ENTRY_COUNT, 0, 0},
        {GPT_HEADER_ENTRY_COUNT, UINT32_MAX, 0},
        {GPT_HEADER_ENTRY_BYTES, 0, 0},
        {GPT_HEADER_ENTRY_BYTES, 64, 0},
        {GPT_HEADER_ENTRY_BYTES, 129, 0},
        {GPT_HEADER_ENTRY_BYTES, 1024, 0},
        {GPT_HEADER_ENTRY_BYTES, 0x80000000u, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        image_with(512);
        header_field(cases[i].offset, cases[i].value, cases[i].is_64_bit);
        assert_int_equal(read_tables(), ERR_ARG);
        assert_int_equal(gpt.count, 0);
    }
}

static void partition_outside_is_ignored(void **state)
{
    static const uint64_t ranges[][2] = {
        {10, 99},                      /* begins before the first usable block */
        {1000, BLOCKS - 1},            /* ends behind the last */
        {1000, UINT64_MAX},            /* length wraps */
        {500, 499},                    /* empty */
        {UINT64_MAX, UINT64_MAX},      /* far away */
        {BLOCKS + 100, BLOCKS + 200u}, /* beyond the disk */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        image_with(512);
        gpt_image_partition(&image, 1, "stray", ranges[i][0], ranges[i][1]);
        expect_both();
        assert_int_equal(gpt.ignored, 1);
    }
}

static void overlapping_partition_is_ignored(void **state)
{
    static const uint64_t ranges[][2] = {{150, 160}, {199, 199}, {50, 100}, {50, 1000}, {100, 199}};

    (void)state;
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        image_with(512);
        gpt_image_partition(&image, 3, "thief", ranges[i][0], ranges[i][1]);
        expect_both();
        assert_int_equal(gpt.ignored, 1);
    }
}

static void second_partition_of_a_label_is_ignored(void **state)
{
    (void)state;
    gpt_image_partition(&image, 3, "debian1", 500, 599);
    expect_both();
    assert_int_equal(gpt.ignored, 1);
}

static void partitions_that_do_not_fit_the_result_are_ignored(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 12; i++) {
        char label[] = {'v', (char)('a' + i), '\0'};

        gpt_image_partition(&image, 10 + i, label, 400 + 10 * i, 409 + 10 * i);
    }
    assert_int_equal(read_tables(), OK);
    assert_int_equal(gpt.count, PARTITIONS);
    assert_int_equal(gpt.ignored, 14 - PARTITIONS);
}

static void labels_become_ascii(void **state)
{
    (void)state;
    gpt_image_partition(&image, 0, "a", 100, 199);
    for (int backup = 0; backup < 2; backup++) {
        uint8_t *name = gpt_image_entry(&image, backup, 0) + GPT_ENTRY_NAME;

        for (int i = 0; i < 72; i++)
            name[i] = i % 2 == 0 ? 'x' : 0; /* 36 characters, no end */
        name[2] = 0x1b;                     /* escape */
        name[5] = 0x01;                     /* U+0178 */
    }
    gpt_image_seal(&image);
    assert_int_equal(read_tables(), OK);
    assert_string_equal(partitions[0].label, "x??xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
}

static void nameless_partition_is_called_by_its_number(void **state)
{
    (void)state;
    gpt_image_partition(&image, 2, "", 200, 299);
    assert_int_equal(read_tables(), OK);
    assert_string_equal(partitions[1].label, "part3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(crc32_of_the_check_string, set_up),
        cmocka_unit_test_setup(good_table_is_read, set_up),
        cmocka_unit_test_setup(blocks_of_4096_are_read, set_up),
        cmocka_unit_test_setup(bad_primary_falls_back_to_backup, set_up),
        cmocka_unit_test_setup(bad_primary_entries_fall_back_to_backup, set_up),
        cmocka_unit_test_setup(unreadable_primary_falls_back_to_backup, set_up),
        cmocka_unit_test_setup(both_bad_is_refused, set_up),
        cmocka_unit_test_setup(empty_disk_is_refused, set_up),
        cmocka_unit_test_setup(truncated_disk_is_refused, set_up),
        cmocka_unit_test_setup(headers_that_lead_astray_are_refused, set_up),
        cmocka_unit_test_setup(partition_outside_is_ignored, set_up),
        cmocka_unit_test_setup(overlapping_partition_is_ignored, set_up),
        cmocka_unit_test_setup(second_partition_of_a_label_is_ignored, set_up),
        cmocka_unit_test_setup(partitions_that_do_not_fit_the_result_are_ignored, set_up),
        cmocka_unit_test_setup(labels_become_ascii, set_up),
        cmocka_unit_test_setup(nameless_partition_is_called_by_its_number, set_up),
    };

    return cmocka_run_group_tests_name("gpt", tests, NULL, NULL);
}
