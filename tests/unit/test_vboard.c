/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_vboard.c - claims about how a guest starts: its images judged and placed, its device tree
 *
 * links: services/vmm/loader.c services/vmm/board_tree.c
 * flags: -Iservices/vmm
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "board_tree.h"
#include "loader.h"

#define BASE 0x40000000ull
#define MIB (1ull << 20)

static uint8_t file[8192];
static struct image kernel, ramdisk;
static struct layout layout;
static char error[LOADER_ERROR_MAX];

static void put(uint32_t offset, uint64_t value, uint32_t bytes)
{
    memcpy(file + offset, &value, bytes);
}

static int set_up(void **state)
{
    (void)state;
    memset(file, 0, sizeof file);
    put(56, 0x644d5241, 4);
    put(16, 0x10000, 8); /* image_size */
    put(24, 2, 8);
    kernel = (struct image){"image/k", file, sizeof file};
    ramdisk = (struct image){"image/r", file, 5 * MIB};
    error[0] = '\0';
    return 0;
}

static enum status plan(uint64_t ram_bytes)
{
    return loader_plan(&kernel, &ramdisk, BASE, ram_bytes, &layout, error);
}

static void expect_refused(const char *word)
{
    assert_int_equal(plan(128 * MIB), ERR_ARG);
    assert_non_null(strstr(error, word));
    assert_non_null(strstr(error, "image/k"));
}

static void images_go_where_qemu_puts_them(void **state)
{
    (void)state;
    assert_int_equal(plan(512 * MIB), OK);
    assert_int_equal(layout.kernel, BASE + 2 * MIB);
    assert_int_equal(layout.ramdisk, BASE + 128 * MIB);
    assert_int_equal(layout.dtb, BASE + 134 * MIB);
    put(8, 0x80000, 8);
    assert_int_equal(plan(128 * MIB), OK);
    assert_int_equal(layout.kernel, BASE + 2 * MIB + 0x80000);
    assert_int_equal(layout.ramdisk, BASE + 64 * MIB);
}

static void without_a_ramdisk_there_is_none(void **state)
{
    (void)state;
    ramdisk.size = 0;
    assert_int_equal(plan(128 * MIB), OK);
    assert_int_equal(layout.ramdisk, 0);
    assert_true(layout.dtb > layout.kernel);
}

static void nothing_overlaps_and_all_is_inside(void **state)
{
    (void)state;
    for (uint64_t image = 1; image < 70; image += 7) {
        for (uint64_t disk = 0; disk < 70; disk += 5) {
            put(16, image * MIB, 8);
            ramdisk.size = disk * MIB + (disk ? 1 : 0);
            if (plan(64 * MIB) != OK)
                continue;
            uint64_t kernel_end = layout.kernel + layout.kernel_bytes;
            if (layout.ramdisk != 0) {
                assert_true(layout.ramdisk >= kernel_end);
                assert_true(layout.dtb >= layout.ramdisk + layout.ramdisk_bytes);
            }
            assert_true(layout.dtb >= kernel_end);
            assert_true(layout.dtb + LOADER_DTB_BYTES <= BASE + 64 * MIB);
        }
    }
}

static void what_does_not_fit_is_refused_by_name(void **state)
{
    (void)state;
    put(16, 127 * MIB, 8);
    assert_int_equal(plan(128 * MIB), ERR_MEM);
    assert_non_null(strstr(error, "kernel image/k"));
    put(16, UINT64_MAX, 8);
    assert_int_equal(plan(128 * MIB), ERR_MEM);
    put(16, 0x10000, 8);
    ramdisk.size = 125 * MIB;
    assert_int_equal(plan(128 * MIB), ERR_MEM);
    assert_non_null(strstr(error, "ramdisk image/r"));
    ramdisk.size = UINT64_MAX;
    assert_int_equal(plan(128 * MIB), ERR_MEM);
}

static void bad_headers_are_refused(void **state)
{
    kernel.size = 63;
    expect_refused("shorter");
    set_up(state);
    put(56, 0, 4);
    expect_refused("no arm64 Image");
    put(0, 0x8b1f, 2);
    expect_refused("gzip");
    set_up(state);
    put(24, 1, 8);
    expect_refused("big-endian");
    set_up(state);
    put(8, UINT64_MAX, 8);
    expect_refused("text_offset");
    set_up(state);
    put(16, 4096, 8);
    expect_refused("longer");
}

/* A kernel on a volume: its size is the volume's, until its header has said less. */
static void a_kernel_on_a_volume_is_placed_by_its_head(void **state)
{
    uint64_t place;

    (void)state;
    put(8, 0x80000, 8);
    kernel.size = 64 * MIB;
    assert_int_equal(loader_kernel_place(&kernel, BASE, 128 * MIB, &place, error), OK);
    assert_int_equal(place, BASE + 2 * MIB + 0x80000);
    assert_int_equal(kernel.size, 0x10000);
    put(16, UINT64_MAX, 8);
    kernel.size = 64 * MIB;
    assert_int_equal(loader_kernel_place(&kernel, BASE, 128 * MIB, &place, error), OK);
    assert_int_equal(kernel.size, 64 * MIB);
    assert_int_equal(loader_kernel_place(&kernel, BASE, 66 * MIB, &place, error), ERR_MEM);
    assert_non_null(strstr(error, "kernel image/k"));
    put(56, 0, 4);
    assert_int_equal(loader_kernel_place(&kernel, BASE, 128 * MIB, &place, error), ERR_ARG);
    assert_non_null(strstr(error, "no arm64 Image"));
}

static void a_truncated_kernel_is_refused(void **state)
{
    (void)state;
    put(60, 0x40, 4); /* PE header, one section of 0x1000 bytes at 0x800 */
    put(0x40, 0x4550, 4);
    put(0x40 + 6, 1, 2);
    put(0x40 + 20, 16, 2);
    put(0x40 + 24 + 16 + 16, 0x1000, 4);
    put(0x40 + 24 + 16 + 20, 0x800, 4);
    assert_int_equal(plan(128 * MIB), OK);
    kernel.size = 0x1800;
    assert_int_equal(plan(128 * MIB), OK);
    kernel.size = 0x17ff;
    expect_refused("truncated");
    kernel.size = 0x60; /* the section table itself is cut */
    expect_refused("truncated");
    kernel.size = sizeof file;
    put(0x40 + 24 + 16 + 16, 0xffffffff, 4);
    put(0x40 + 24 + 16 + 20, 0xffffffff, 4);
    expect_refused("truncated");
}

/* ---- the tree ---- */
static uint8_t tree[LOADER_DTB_BYTES];

static int node(const char *path)
{
    return fdt_path_offset(tree, path);
}

static uint32_t cell(const char *path, const char *name, int index)
{
    int bytes = 0;
    const fdt32_t *p = fdt_getprop(tree, node(path), name, &bytes);

    assert_non_null(p);
    assert_true(bytes >= 4 * (index + 1));
    return fdt32_to_cpu(p[index]);
}

static void the_tree_says_what_the_board_has(void **state)
{
    (void)state;
    struct board_facts facts = {.vcpu_count = 3,
                                .ram_size = 5ull << 30,
                                .command_line = "console=ttyAMA0 quiet",
                                .ramdisk = 0x48000000,
                                .ramdisk_bytes = 4097,
                                .virtio_present = 1u << 1 | 1u << 4,
                                .seed = "\1\2\3\4",
                                .seed_bytes = 4};

    assert_int_equal(board_tree_make(&facts, tree, sizeof tree), OK);
    assert_int_equal(fdt_check_full(tree, sizeof tree), 0);
    assert_int_equal(cell("/memory@40000000", "reg", 1), 0x40000000);
    assert_int_equal(cell("/memory@40000000", "reg", 2), 1);
    assert_int_equal(cell("/memory@40000000", "reg", 3), 0x40000000);
    assert_true(node("/cpus/cpu@2") > 0);
    assert_int_equal(node("/cpus/cpu@3"), -FDT_ERR_NOTFOUND);
    assert_int_equal(cell("/cpus/cpu@2", "reg", 0), 2);
    assert_int_equal(cell("/intc@8000000", "reg", 7), 3 * 0x20000);
    assert_int_equal(cell("/virtio_mmio@a000200", "interrupts", 1), 17);
    assert_int_equal(cell("/virtio_mmio@a000800", "interrupts", 2), 1);
    assert_int_equal(node("/virtio_mmio@a000000"), -FDT_ERR_NOTFOUND);
    assert_int_equal(cell("/timer", "interrupts", 7), 11);
    assert_int_equal(cell("/pl011@9000000", "interrupts", 1), 1);
    assert_int_equal(cell("/watchdog@9200000", "reg", 5), 0x09210000);
    assert_int_equal(cell("/watchdog@9200000", "interrupts", 1), 10);
    assert_int_equal(cell("/chosen", "linux,initrd-start", 1), 0x48000000);
    assert_int_equal(cell("/chosen", "linux,initrd-end", 1), 0x48001001);
    assert_string_equal(fdt_getprop(tree, node("/chosen"), "bootargs", NULL), "console=ttyAMA0 quiet");
    assert_int_equal(cell("/chosen", "rng-seed", 0), 0x01020304);
    assert_string_equal(fdt_getprop(tree, node("/psci"), "method", NULL), "hvc");
    assert_int_equal(fdt_stringlist_count(tree, node("/psci"), "compatible"), 3);
}

static void a_tree_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct board_facts facts = {.vcpu_count = 16, .ram_size = 1 << 27, .command_line = ""};

    for (uint32_t bytes = 0; bytes < 2048; bytes += 64)
        assert_int_equal(board_tree_make(&facts, tree, bytes), ERR_MEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(images_go_where_qemu_puts_them, set_up),
        cmocka_unit_test_setup(without_a_ramdisk_there_is_none, set_up),
        cmocka_unit_test_setup(nothing_overlaps_and_all_is_inside, set_up),
        cmocka_unit_test_setup(what_does_not_fit_is_refused_by_name, set_up),
        cmocka_unit_test_setup(bad_headers_are_refused, set_up),
        cmocka_unit_test_setup(a_kernel_on_a_volume_is_placed_by_its_head, set_up),
        cmocka_unit_test_setup(a_truncated_kernel_is_refused, set_up),
        cmocka_unit_test_setup(the_tree_says_what_the_board_has, set_up),
        cmocka_unit_test_setup(a_tree_that_does_not_fit_is_refused, set_up),
    };

    return cmocka_run_group_tests_name("vboard", tests, NULL, NULL);
}
