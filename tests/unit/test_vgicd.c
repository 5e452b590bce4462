/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_vgicd.c - claims about the distributor and redistributors, with a table in the kernel's place
 *
 * links: services/vmm/vgic.c services/vmm/vgic_bank.c services/vmm/vgicd.c services/vmm/vgicr.c
 * flags: -Iservices/vmm
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vgic.h"
#include "virq.h"

/* ---- the kernel, as far as the GIC sees it; slot = 100 + vCPU ---- */
#define VCPUS 2u
static struct {
    uint32_t flags;
    uint8_t priority;
} kernel[VCPUS][VIRQ_MAX];
static struct vgic gic;

/* The source of an interrupt, as the kernel has it; a signal of another thread can come at any call. */
static slot_t bound_to, signalled;
static bool has_bits;
static uint32_t calls, signal_at; /* 0: none comes */

static void source_signal(void)
{
    has_bits = true;
    if (bound_to != 0)
        kernel[bound_to - 100][40].flags |= VIRQ_PENDING;
}

static void kernel_call(void)
{
    if (++calls == signal_at)
        source_signal();
}

static uint32_t *kernel_flags(slot_t vcpu, uint32_t intid)
{
    kernel_call();
    assert_in_range(vcpu, 100, 100 + VCPUS - 1);
    assert_in_range(intid, 0, VIRQ_MAX - 1);
    return &kernel[vcpu - 100][intid].flags;
}

static void set_bits(uint32_t *word, uint32_t mask, uint32_t bits)
{
    *word = (*word & ~mask) | (bits & mask);
}

void virq_config(slot_t vcpu, uint32_t intid, uint32_t flags, uint8_t priority)
{
    const uint32_t known = VIRQ_ENABLED | VIRQ_LEVEL | VIRQ_GROUP1;

    assert_int_equal(flags & ~known, 0);
    set_bits(kernel_flags(vcpu, intid), known, flags);
    kernel[vcpu - 100][intid].priority = priority;
}

void virq_inject(slot_t vcpu, uint32_t intid, uint32_t level)
{
    uint32_t *flags = kernel_flags(vcpu, intid);
    uint32_t bit = (*flags & VIRQ_LEVEL) != 0 ? VIRQ_LINE : VIRQ_PENDING;

    set_bits(flags, bit, level ? bit : 0);
}

uint32_t virq_read(slot_t vcpu, uint32_t intid)
{
    return *kernel_flags(vcpu, intid);
}

void virq_write(slot_t vcpu, uint32_t intid, uint32_t mask, uint32_t flags)
{
    assert_int_equal(mask & ~(uint32_t)(VIRQ_PENDING | VIRQ_ACTIVE), 0);
    set_bits(kernel_flags(vcpu, intid), mask, flags);
}

void virq_bind(slot_t notification, slot_t vcpu, uint32_t intid)
{
    assert_int_equal(notification, 300);
    assert_int_equal(intid, 40);
    kernel_call();
    bound_to = 0;
    has_bits = false;
    kernel_call();
    bound_to = vcpu;
    if (has_bits)
        kernel[vcpu - 100][intid].flags |= VIRQ_PENDING;
}

void virq_signal(slot_t notification)
{
    signalled = notification;
}

/* ---- a guest that set everything up as Linux does ---- */
#define SPI 40u
#define ROUTER (0x6000u + 8 * SPI)
#define SGI_FRAME 0x10000u
#define GICR1 0x20000u

static int set_up(void **state)
{
    (void)state;
    memset(kernel, 0, sizeof kernel);
    bound_to = 0;
    has_bits = false;
    memset(&gic, 0, sizeof gic);
    gic.vcpu_count = VCPUS;
    for (uint32_t i = 0; i < VCPUS; i++)
        gic.vcpus[i] = 100 + i;
    vgic_init(&gic);
    return 0;
}

static int set_up_enabled(void **state)
{
    set_up(state);
    vgicd_write(&gic, 0, 4, 0x12);
    vgicd_write(&gic, 0x084, 4, 0xffffffff);
    vgicd_write(&gic, 0x104, 4, 1u << (SPI - 32));
    return 0;
}

static bool is_enabled(uint32_t vcpu, uint32_t intid)
{
    return (kernel[vcpu][intid].flags & VIRQ_ENABLED) != 0;
}

static void identification_says_gicv3(void **state)
{
    (void)state;
    assert_int_equal(vgicd_read(&gic, 0xffe8, 4) & 0xf0, 0x30);
    assert_int_equal(vgicr_read(&gic, 0xffe8, 4) & 0xf0, 0x30);
    assert_int_equal(vgicr_read(&gic, GICR1 + 0xffe8, 4) & 0xf0, 0x30);
    assert_int_equal(vgicd_read(&gic, 4, 4) & 0x1f, VIRQ_MAX / 32 - 1);
}

static void redistributors_name_their_vcpu_and_the_last(void **state)
{
    (void)state;
    assert_int_equal(vgicr_read(&gic, 8, 8), 0);
    assert_int_equal(vgicr_read(&gic, GICR1 + 8, 8), 1ull << 32 | 1 << 8 | 0x10);
    assert_int_equal(vgicr_read(&gic, GICR1 + 12, 4), 1);
}

static void waking_a_redistributor_is_seen(void **state)
{
    (void)state;
    assert_int_equal(vgicr_read(&gic, GICR1 + 0x14, 4), 6);
    vgicr_write(&gic, GICR1 + 0x14, 4, 0);
    assert_int_equal(vgicr_read(&gic, GICR1 + 0x14, 4), 0);
    assert_int_equal(vgicr_read(&gic, 0x14, 4), 6); /* the other one sleeps on */
}

static void an_spi_is_enabled_only_with_its_group_and_the_distributor(void **state)
{
    (void)state;
    vgicd_write(&gic, 0x104, 4, 1u << (SPI - 32));
    assert_false(is_enabled(0, SPI));
    vgicd_write(&gic, 0, 4, 0x12);
    assert_false(is_enabled(0, SPI)); /* group 0 */
    vgicd_write(&gic, 0x084, 4, 0xffffffff);
    assert_true(is_enabled(0, SPI));
    assert_true((kernel[0][SPI].flags & VIRQ_GROUP1) != 0);
    assert_false(is_enabled(1, SPI));
    vgicd_write(&gic, 0, 4, 0x11);
    assert_false(is_enabled(0, SPI));
    vgicd_write(&gic, 0x084, 4, 0);
    assert_true(is_enabled(0, SPI)); /* as group 0 */
    assert_false((kernel[0][SPI].flags & VIRQ_GROUP1) != 0);
}

static void clearing_enable_touches_only_the_bits_written(void **state)
{
    (void)state;
    vgicd_write(&gic, 0x104, 4, 0xffffffff);
    vgicd_write(&gic, 0x184, 4, 1u << (SPI - 32));
    assert_false(is_enabled(0, SPI));
    assert_true(is_enabled(0, SPI + 1));
    assert_int_equal(vgicd_read(&gic, 0x104, 4), ~(1u << (SPI - 32)));
    assert_int_equal(vgicd_read(&gic, 0x184, 4), ~(1u << (SPI - 32)));
}

static void private_interrupts_are_the_redistributors(void **state)
{
    (void)state;
    vgicd_write(&gic, 0x100, 4, 0xffffffff);
    assert_int_equal(vgicd_read(&gic, 0x100, 4), 0);
    vgicr_write(&gic, GICR1 + SGI_FRAME + 0x80, 4, 0xffffffff);
    vgicr_write(&gic, GICR1 + SGI_FRAME + 0x100, 4, 1u << 27);
    assert_true(is_enabled(1, 27));
    assert_false(is_enabled(0, 27));
    assert_true((kernel[1][27].flags & VIRQ_LEVEL) != 0);
    assert_false((kernel[1][3].flags & VIRQ_LEVEL) != 0); /* an SGI is an edge */
    vgicr_write(&gic, SGI_FRAME + 0x104, 4, 0xffffffff);  /* no SPIs there */
    assert_false(is_enabled(0, SPI + 1));
}

static void priorities_go_by_bytes_and_words(void **state)
{
    (void)state;
    vgicd_write(&gic, 0x400 + SPI, 4, 0x40506070);
    assert_int_equal(kernel[0][SPI].priority, 0x70);
    assert_int_equal(kernel[0][SPI + 3].priority, 0x40);
    vgicd_write(&gic, 0x400 + SPI + 1, 1, 0xaf);
    assert_int_equal(kernel[0][SPI + 1].priority, 0xa8); /* five bits */
    assert_int_equal(vgicd_read(&gic, 0x400 + SPI, 4), 0x4050a870);
    assert_int_equal(vgicd_read(&gic, 0x400 + SPI + 3, 1), 0x40);
}

static void other_widths_are_ignored(void **state)
{
    (void)state;
    vgicd_write(&gic, 0x106, 2, 0xffff);
    vgicd_write(&gic, 0x104, 1, 0xff);
    vgicd_write(&gic, 0x100, 8, UINT64_MAX);
    assert_int_equal(vgicd_read(&gic, 0x104, 4), 1u << (SPI - 32));
    assert_int_equal(vgicd_read(&gic, 0x104, 1), 0);
}

static void pending_and_active_are_the_kernels(void **state)
{
    (void)state;
    vgicd_write(&gic, 0x204, 4, 1u << (SPI - 32));
    assert_true((kernel[0][SPI].flags & VIRQ_PENDING) != 0);
    assert_int_equal(vgicd_read(&gic, 0x204, 4), 1u << (SPI - 32));
    assert_int_equal(vgicd_read(&gic, 0x284, 4), 1u << (SPI - 32));
    vgicd_write(&gic, 0x284, 4, 1u << (SPI - 32));
    assert_int_equal(vgicd_read(&gic, 0x204, 4), 0);
    vgicd_write(&gic, 0x304, 4, 1u << (SPI - 32));
    assert_int_equal(vgicd_read(&gic, 0x384, 4), 1u << (SPI - 32));
    vgicd_write(&gic, 0x384, 4, 1u << (SPI - 32));
    assert_int_equal(vgicd_read(&gic, 0x304, 4), 0);
}

static void a_level_input_reads_as_pending(void **state)
{
    (void)state;
    vgic_input(&gic, SPI, true);
    assert_int_equal(vgicd_read(&gic, 0x204, 4), 1u << (SPI - 32));
    vgicd_write(&gic, 0x284, 4, 1u << (SPI - 32)); /* the line is still up */
    assert_int_equal(vgicd_read(&gic, 0x204, 4), 1u << (SPI - 32));
    vgic_input(&gic, SPI, false);
    assert_int_equal(vgicd_read(&gic, 0x204, 4), 0);
}

static void an_edge_input_is_pending_until_cleared(void **state)
{
    (void)state;
    vgicd_write(&gic, 0xc00 + SPI / 16 * 4, 4, 2u << (SPI % 16 * 2));
    assert_int_equal(vgicd_read(&gic, 0xc00 + SPI / 16 * 4, 4), 2u << (SPI % 16 * 2));
    vgic_input(&gic, SPI, true);
    vgic_input(&gic, SPI, false);
    assert_int_equal(vgicd_read(&gic, 0x204, 4), 1u << (SPI - 32));
    virq_write(100, SPI, VIRQ_PENDING, 0); /* taken */
    vgic_input(&gic, SPI, true);
    vgic_input(&gic, SPI, true); /* a second edge without the line having been down */
    assert_int_equal(vgicd_read(&gic, 0x204, 4), 1u << (SPI - 32));
}

static void sgis_and_ppis_keep_their_trigger(void **state)
{
    (void)state;
    vgicr_write(&gic, SGI_FRAME + 0xc00, 4, 0);
    vgicr_write(&gic, SGI_FRAME + 0xc04, 4, 0xffffffff);
    assert_int_equal(vgicr_read(&gic, SGI_FRAME + 0xc00, 4), 0xaaaaaaaa);
    assert_int_equal(vgicr_read(&gic, SGI_FRAME + 0xc04, 4), 0);
}

static void rerouting_carries_what_is_pending(void **state)
{
    (void)state;
    virq_write(100, SPI, VIRQ_PENDING, VIRQ_PENDING);
    vgicd_write(&gic, ROUTER, 8, 1);
    assert_int_equal(vgicd_read(&gic, ROUTER, 8), 1);
    assert_false(is_enabled(0, SPI));
    assert_true(is_enabled(1, SPI));
    assert_false((kernel[0][SPI].flags & VIRQ_PENDING) != 0);
    assert_true((kernel[1][SPI].flags & VIRQ_PENDING) != 0);
}

static void rerouting_carries_a_level_line(void **state)
{
    (void)state;
    vgic_input(&gic, SPI, true);
    vgicd_write(&gic, ROUTER, 4, 1);
    assert_false((kernel[0][SPI].flags & (VIRQ_LINE | VIRQ_PENDING)) != 0);
    assert_true((kernel[1][SPI].flags & VIRQ_LINE) != 0);
    vgic_input(&gic, SPI, false);
    assert_false((kernel[1][SPI].flags & (VIRQ_LINE | VIRQ_PENDING)) != 0);
}

static void a_route_to_nobody_holds_the_interrupt(void **state)
{
    (void)state;
    vgicd_write(&gic, ROUTER, 8, 0x100);
    assert_false(is_enabled(0, SPI));
    assert_false(is_enabled(1, SPI));
    vgic_input(&gic, SPI, true);
    assert_int_equal(vgicd_read(&gic, 0x204, 4), 1u << (SPI - 32));
    vgicd_write(&gic, ROUTER + 4, 4, 0);
    vgicd_write(&gic, ROUTER, 4, 1);
    assert_true(is_enabled(1, SPI));
    assert_true((kernel[1][SPI].flags & VIRQ_LINE) != 0);
    assert_false((kernel[0][SPI].flags & VIRQ_LINE) != 0);
}

static void a_pulse_is_a_signal_and_only_for_an_edge(void **state)
{
    (void)state;
    bound_to = signalled = 0;
    vgic_source_set(&gic, SPI, 300);
    assert_int_equal(bound_to, 100);
    assert_false(vgic_pulse(&gic, SPI, 301)); /* level-sensitive */
    assert_int_equal(signalled, 0);
    vgicd_write(&gic, 0xc00 + SPI / 16 * 4, 4, 2u << (SPI % 16 * 2));
    assert_true(vgic_pulse(&gic, SPI, 301));
    assert_int_equal(signalled, 301);
    vgicd_write(&gic, ROUTER, 8, 1); /* it goes where the interrupt goes */
    assert_int_equal(bound_to, 101);
    /* The device's last word was that there is something. */
    vgicd_write(&gic, 0xc00 + SPI / 16 * 4, 4, 0);
    assert_true((kernel[1][SPI].flags & VIRQ_LINE) != 0);
}

static void a_pulse_that_meets_a_new_route_is_not_lost(void **state)
{
    (void)state;
    for (signal_at = 1; signal_at < 9; signal_at++) {
        set_up_enabled(state);
        vgicd_write(&gic, 0xc00 + SPI / 16 * 4, 4, 2u << (SPI % 16 * 2));
        vgic_source_set(&gic, SPI, 300);
        calls = 0;
        vgicd_write(&gic, ROUTER, 8, 1);
        if (calls < signal_at)
            source_signal();
        assert_true((kernel[1][SPI].flags & VIRQ_PENDING) != 0);
    }
    signal_at = 0;
}

static void every_offset_and_width_is_safe(void **state)
{
    (void)state;
    for (uint32_t size = 1; size <= 8; size *= 2) {
        for (uint32_t offset = 0; offset < 0x10000; offset += size) {
            vgicd_write(&gic, offset, size, UINT64_MAX);
            (void)vgicd_read(&gic, offset, size);
        }
        for (uint32_t offset = 0; offset < VCPUS * 0x20000; offset += size) {
            vgicr_write(&gic, offset, size, UINT64_MAX);
            (void)vgicr_read(&gic, offset, size);
        }
    }
    assert_int_equal(vgicd_read(&gic, ROUTER, 8), 0xff00ffffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(identification_says_gicv3, set_up),
        cmocka_unit_test_setup(redistributors_name_their_vcpu_and_the_last, set_up),
        cmocka_unit_test_setup(waking_a_redistributor_is_seen, set_up),
        cmocka_unit_test_setup(an_spi_is_enabled_only_with_its_group_and_the_distributor, set_up),
        cmocka_unit_test_setup(clearing_enable_touches_only_the_bits_written, set_up_enabled),
        cmocka_unit_test_setup(private_interrupts_are_the_redistributors, set_up_enabled),
        cmocka_unit_test_setup(priorities_go_by_bytes_and_words, set_up_enabled),
        cmocka_unit_test_setup(other_widths_are_ignored, set_up_enabled),
        cmocka_unit_test_setup(pending_and_active_are_the_kernels, set_up_enabled),
        cmocka_unit_test_setup(a_level_input_reads_as_pending, set_up_enabled),
        cmocka_unit_test_setup(an_edge_input_is_pending_until_cleared, set_up_enabled),
        cmocka_unit_test_setup(sgis_and_ppis_keep_their_trigger, set_up_enabled),
        cmocka_unit_test_setup(rerouting_carries_what_is_pending, set_up_enabled),
        cmocka_unit_test_setup(rerouting_carries_a_level_line, set_up_enabled),
        cmocka_unit_test_setup(a_route_to_nobody_holds_the_interrupt, set_up_enabled),
        cmocka_unit_test_setup(a_pulse_that_meets_a_new_route_is_not_lost, set_up_enabled),
        cmocka_unit_test_setup(a_pulse_is_a_signal_and_only_for_an_edge, set_up_enabled),
        cmocka_unit_test_setup(every_offset_and_width_is_safe, set_up_enabled),
    };

    return cmocka_run_group_tests_name("vgicd", tests, NULL, NULL);
}
