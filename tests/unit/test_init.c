/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_init.c - services/init: faults in words, how often a service may die, boot options, PCI addresses
 *
 * The PCI function is a model of configuration space: read-only bits stay, address bits are written.
 *
 * links: services/init/options.c services/init/fault_text.c services/init/pci_bars.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/init/fault_text.h"
#include "services/init/options.h"
#include "services/init/pci_bars.h"
#include "services/init/restarts.h"

/* ---- faults ------------------------------------------------------------------------------------ */

static const char *text_of(uint64_t esr, uint64_t far, uint64_t pc)
{
    static char text[200];
    struct bh_msg msg = {.info = INFO(EXIT_FAULT, 6, 0, 0) | INFO_EXIT, .w = {esr, far, 0, pc}};

    fault_text(text, sizeof(text), "blkdrv", &msg);
    return text;
}

static void fault_names_kind_pc_and_address(void **state)
{
    (void)state;
    assert_string_equal(
        text_of(0x92000006, 0x10, 0x401234),
        "blkdrv faulted: ESR 0x92000006 (data abort, translation) at pc 0x401234, address 0x10");
    assert_string_equal(
        text_of(0x8200000f, 0, 0),
        "blkdrv faulted: ESR 0x8200000f (instruction abort, permission) at pc 0x0, address 0x0");
    assert_string_equal(text_of(0xf2000001, 0x10, 0x400100),
                        "blkdrv faulted: ESR 0xf2000001 (brk: it gave up by itself) at pc 0x400100");
    assert_string_equal(text_of(0x02000000, 0, 4),
                        "blkdrv faulted: ESR 0x2000000 (undefined instruction) at pc 0x4");
}

static void fault_text_fits_any_buffer(void **state)
{
    struct bh_msg msg = {.info = INFO(EXIT_FAULT, 6, 0, 0), .w = {0x92000006, 1, 0, 2}};

    (void)state;
    for (uint32_t bytes = 1; bytes < 120; bytes++) {
        char *text = malloc(bytes); /* the sanitizer watches its end */

        fault_text(text, bytes, "blkdrv", &msg);
        assert_in_range(strlen(text), 0, bytes - 1);
        free(text);
    }
}

/* ---- restarts ---------------------------------------------------------------------------------- */

static void service_may_die_five_times_in_ten_seconds(void **state)
{
    struct restarts restarts = {0};
    uint64_t hz = 1000;

    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        assert_true(restarts_allow(&restarts, 5000 + i, hz));
    assert_false(restarts_allow(&restarts, 5006, hz));
    assert_false(restarts_allow(&restarts, 14999, hz));
    assert_true(restarts_allow(&restarts, 15000, hz)); /* the first is 10 s ago */
    assert_false(restarts_allow(&restarts, 15000, hz));
    assert_true(restarts_allow(&restarts, 15001, hz));
}

/* ---- options ----------------------------------------------------------------------------------- */

static void option_is_found_by_its_whole_name(void **state)
{
    char value[8];

    (void)state;
    assert_true(option_find("xa=1 a=22 b=3", "a", value, sizeof(value)));
    assert_string_equal(value, "22");
    assert_true(option_find("  a=", "a", value, sizeof(value)));
    assert_string_equal(value, "");
    assert_false(option_find("ab=1 debug", "a", value, sizeof(value)));
    assert_false(option_find("", "a", value, sizeof(value)));
    assert_false(option_find("a=12345678", "a", value, sizeof(value))); /* does not fit */
}

static void crash_hook_takes_turns(void **state)
{
    struct crash_hook hook;
    char name[sizeof(hook.names)];

    (void)state;
    assert_true(crash_hook_parse(&hook, "crash=mem,sched:5"));
    for (const char *const *want = (const char *const[]){"mem", "sched", "mem", "sched", NULL}; *want;
         want++) {
        crash_hook_turn(&hook, name);
        assert_string_equal(name, *want);
    }
}

static void crash_hook_takes_a_name_and_a_time(void **state)
{
    struct crash_hook hook;

    (void)state;
    assert_true(crash_hook_parse(&hook, "console=a crash=blkdrv:1500"));
    assert_string_equal(hook.names, "blkdrv");
    assert_int_equal(hook.after_ms, 1500);
    assert_int_equal(hook.times, 1);
    assert_true(crash_hook_parse(&hook, "crash=mem:20:7 debug"));
    assert_int_equal(hook.after_ms, 20);
    assert_int_equal(hook.times, 7);
    assert_true(crash_hook_parse(&hook, "crash=mem"));
    assert_int_equal(hook.after_ms, 0);
    assert_true(crash_hook_parse(&hook, "crash=vm1/2:30"));
    assert_string_equal(hook.names, "vm1");
    assert_int_equal(hook.thread, 2);
    assert_int_equal(hook.after_ms, 30);
    assert_false(crash_hook_parse(&hook, "crash=vm1/x"));
    assert_false(crash_hook_parse(&hook, "crash=vm1:1/2"));
    assert_false(crash_hook_parse(&hook, "crash=vm1/99"));
    assert_true(crash_hook_parse(&hook, "crash=mem:1:2:3"));
    assert_int_equal(hook.every_ms, 3);
    assert_false(crash_hook_parse(&hook, "crash=mem:1:2:3:4"));
    assert_false(crash_hook_parse(&hook, "crash=mem:1:x"));
    assert_false(crash_hook_parse(&hook, "crash=mem:-1"));
    assert_false(crash_hook_parse(&hook, "console=a"));
    assert_false(crash_hook_parse(&hook, "crash=mem:soon"));
    assert_false(crash_hook_parse(&hook, "crash=mem:"));
    assert_false(crash_hook_parse(&hook, "crash=:5"));
    assert_string_equal(hook.names, "");
}

/* ---- PCI --------------------------------------------------------------------------------------- */

struct function {
    uint32_t config[64];
    uint32_t writable[64];
};

static uint32_t config_read(void *context, uint32_t at)
{
    return ((struct function *)context)->config[at / 4];
}

/* Registers may change under a driver's feet only while decoding is off. */
static void config_write(void *context, uint32_t at, uint32_t value)
{
    struct function *function = context;

    if (at >= PCI_BAR0 && at < PCI_BAR0 + 4 * PCI_BARS)
        assert_int_equal(function->config[PCI_COMMAND / 4] & PCI_COMMAND_MEMORY, 0);
    function->config[at / 4] =
        (function->config[at / 4] & ~function->writable[at / 4]) | (value & function->writable[at / 4]);
}

static void bar_put(struct function *function, uint32_t index, uint32_t kind, uint64_t size)
{
    function->config[PCI_BAR0 / 4 + index] = kind;
    function->writable[PCI_BAR0 / 4 + index] = (uint32_t) ~(size - 1) & ~15u;
    if ((kind & 7) == 4)
        function->writable[PCI_BAR0 / 4 + index + 1] = (uint32_t)(~(size - 1) >> 32);
}

static struct pci_access access_to(struct function *function)
{
    memset(function, 0, sizeof(*function));
    function->writable[PCI_COMMAND / 4] = 0xffff;
    function->config[PCI_COMMAND / 4] = PCI_COMMAND_MEMORY;
    return (struct pci_access){config_read, config_write, function};
}

static void bars_get_aligned_addresses_that_do_not_overlap(void **state)
{
    struct function function;
    struct pci_access access = access_to(&function);
    struct pci_bar bars[PCI_BARS];
    uint64_t next = 0x10000000;
    uint32_t count;

    (void)state;
    bar_put(&function, 0, 1, 0x80);     /* I/O: left alone */
    bar_put(&function, 1, 0, 0x1000);   /* as QEMU's virtio-blk: 32-bit, 4 KiB */
    bar_put(&function, 2, 0, 0x20);     /* less than a page */
    bar_put(&function, 4, 0xc, 0x4000); /* 64-bit, prefetchable, 16 KiB */
    assert_int_equal(pci_bars_assign(&access, &next, 0x3eff0000, bars, &count), OK);
    assert_int_equal(count, 3);
    assert_int_equal(bars[0].index, 1);
    assert_int_equal(bars[0].address, 0x10000000);
    assert_int_equal(bars[1].address, 0x10001000);
    assert_int_equal(bars[1].size, 0x20);
    assert_int_equal(bars[2].index, 4);
    assert_int_equal(bars[2].address, 0x10004000);
    assert_int_equal(next, 0x10008000);
    assert_int_equal(function.config[PCI_BAR0 / 4 + 4], 0x1000400c);
    assert_int_equal(function.config[PCI_BAR0 / 4 + 5], 0);
    assert_int_equal(function.config[PCI_COMMAND / 4], 0);
}

static void bars_of_4_gib_and_more_are_sized(void **state)
{
    struct function function;
    struct pci_access access = access_to(&function);
    struct pci_bar bars[PCI_BARS];
    uint64_t next = 0x100001000;
    uint32_t count;

    (void)state;
    bar_put(&function, 2, 4, 1ull << 33);
    assert_int_equal(pci_bars_assign(&access, &next, 1ull << 36, bars, &count), OK);
    assert_int_equal(bars[0].size, 1ull << 33);
    assert_int_equal(bars[0].address, 1ull << 33);
    assert_int_equal(function.config[PCI_BAR0 / 4 + 3], 2);
}

static void bars_are_refused_when_the_window_is_full(void **state)
{
    struct function function;
    struct pci_access access = access_to(&function);
    struct pci_bar bars[PCI_BARS];
    uint64_t next = 0x3efe0000;
    uint32_t count;

    (void)state;
    bar_put(&function, 0, 0, 0x20000);
    assert_int_equal(pci_bars_assign(&access, &next, 0x3eff0000, bars, &count), ERR_MEM);
    assert_int_equal(count, 0);
    assert_int_equal(function.config[PCI_BAR0 / 4], 0); /* not left at all ones */
}

static void bridges_and_impossible_bars_are_refused(void **state)
{
    struct function function;
    struct pci_access access = access_to(&function);
    struct pci_bar bars[PCI_BARS];
    uint64_t next = 0x10000000;
    uint32_t count;

    (void)state;
    function.config[PCI_HEADER / 4] = 1u << 16;
    assert_int_equal(pci_bars_assign(&access, &next, 0x3eff0000, bars, &count), ERR_ARG);
    function.config[PCI_HEADER / 4] = 0x800000; /* multi-function bit only */
    assert_int_equal(pci_bars_assign(&access, &next, 0x3eff0000, bars, &count), OK);
    bar_put(&function, 5, 4, 0x1000); /* a 64-bit BAR without an upper half */
    assert_int_equal(pci_bars_assign(&access, &next, 0x3eff0000, bars, &count), ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_names_kind_pc_and_address),
        cmocka_unit_test(fault_text_fits_any_buffer),
        cmocka_unit_test(service_may_die_five_times_in_ten_seconds),
        cmocka_unit_test(option_is_found_by_its_whole_name),
        cmocka_unit_test(crash_hook_takes_a_name_and_a_time),
        cmocka_unit_test(crash_hook_takes_turns),
        cmocka_unit_test(bars_get_aligned_addresses_that_do_not_overlap),
        cmocka_unit_test(bars_of_4_gib_and_more_are_sized),
        cmocka_unit_test(bars_are_refused_when_the_window_is_full),
        cmocka_unit_test(bridges_and_impossible_bars_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
