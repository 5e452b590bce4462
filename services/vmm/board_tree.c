/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * board_tree.c - the board as a flattened device tree, made with libfdt
 *
 * Names and properties follow QEMU's `virt`.  libfdt's sequential functions remember nothing between them but
 * an error of the buffer, so each returns its status into `tree.error` and the last one is looked at.
 */
#include "board_tree.h"

#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#include "board.h"
#include "virtio_mmio.h"

enum { PHANDLE_GIC = 1, PHANDLE_CLOCK = 2 };
enum { CELL_SPI = 0, CELL_PPI = 1 };
enum { EDGE_RISING = 1, LEVEL_HIGH = 4 };

struct tree {
    void *fdt;
    int error; /* the first one */
};

static void note(struct tree *t, int error)
{
    if (t->error == 0)
        t->error = error;
}

static void node_begin(struct tree *t, const char *name)
{
    note(t, fdt_begin_node(t->fdt, name));
}

static void node_begin_at(struct tree *t, const char *name, uint64_t address)
{
    char full[40];

    snprintf(full, sizeof full, "%s@%llx", name, (unsigned long long)address);
    node_begin(t, full);
}

static void node_end(struct tree *t)
{
    note(t, fdt_end_node(t->fdt));
}

static void put_string(struct tree *t, const char *name, const char *value)
{
    note(t, fdt_property(t->fdt, name, value, (int)strlen(value) + 1));
}

/* Several strings, given as one with embedded ends; sizeof of the literal counts the last end. */
#define put_strings(t, name, literal) note(t, fdt_property((t)->fdt, name, literal, sizeof(literal)))

static void put_flag(struct tree *t, const char *name)
{
    note(t, fdt_property(t->fdt, name, NULL, 0));
}

static void put_cell(struct tree *t, const char *name, uint32_t value)
{
    note(t, fdt_property_u32(t->fdt, name, value));
}

static void put_cells(struct tree *t, const char *name, const uint32_t *values, uint32_t count)
{
    void *data = NULL;

    note(t, fdt_property_placeholder(t->fdt, name, (int)(count * 4), &data));
    if (t->error != 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        fdt32_t cell = cpu_to_fdt32(values[i]);
        memcpy((uint8_t *)data + 4 * (size_t)i, &cell, sizeof cell);
    }
}

/* reg with two cells each for address and size, up to two ranges. */
static void put_reg(struct tree *t, uint64_t base, uint64_t bytes)
{
    uint32_t cells[4] = {(uint32_t)(base >> 32), (uint32_t)base, (uint32_t)(bytes >> 32), (uint32_t)bytes};

    put_cells(t, "reg", cells, 4);
}

static void put_spi(struct tree *t, uint32_t intid, uint32_t trigger)
{
    uint32_t cells[3] = {CELL_SPI, intid - INTID_SPI0, trigger};

    put_cells(t, "interrupts", cells, 3);
}

static void make_cpus(struct tree *t, uint32_t count)
{
    node_begin(t, "cpus");
    put_cell(t, "#address-cells", 1);
    put_cell(t, "#size-cells", 0);
    for (uint32_t i = 0; i < count; i++) {
        node_begin_at(t, "cpu", i);
        put_string(t, "device_type", "cpu");
        put_string(t, "compatible", "arm,armv8");
        put_cell(t, "reg", i); /* Aff0 */
        put_string(t, "enable-method", "psci");
        node_end(t);
    }
    node_end(t);

    node_begin(t, "psci");
    put_strings(t, "compatible", "arm,psci-1.0\0arm,psci-0.2\0arm,psci");
    put_string(t, "method", "hvc");
    node_end(t);
}

static void make_timer(struct tree *t)
{
    static const uint32_t ppis[] = {INTID_TIMER_SECURE, INTID_TIMER_PHYSICAL, INTID_TIMER_VIRTUAL,
                                    INTID_TIMER_HYP};
    uint32_t cells[12];

    for (uint32_t i = 0; i < 4; i++) {
        cells[3 * i] = CELL_PPI;
        cells[3 * i + 1] = ppis[i] - INTID_PPI0;
        cells[3 * i + 2] = LEVEL_HIGH;
    }
    node_begin(t, "timer");
    put_strings(t, "compatible", "arm,armv8-timer\0arm,armv7-timer");
    put_flag(t, "always-on");
    put_cells(t, "interrupts", cells, 12);
    node_end(t);
}

static void make_gic(struct tree *t, uint32_t vcpu_count)
{
    uint32_t reg[8] = {0, BOARD_GICD, 0, BOARD_GICD_BYTES, 0, BOARD_GICR, 0, vcpu_count * BOARD_GICR_BYTES};

    node_begin_at(t, "intc", BOARD_GICD);
    put_string(t, "compatible", "arm,gic-v3");
    put_cell(t, "#interrupt-cells", 3);
    put_flag(t, "interrupt-controller");
    put_cell(t, "#address-cells", 2);
    put_cell(t, "#size-cells", 2);
    put_flag(t, "ranges");
    put_cell(t, "#redistributor-regions", 1);
    put_cells(t, "reg", reg, 8);
    put_cell(t, "phandle", PHANDLE_GIC);
    node_end(t);
}

static void make_clock(struct tree *t)
{
    node_begin(t, "apb-pclk");
    put_string(t, "compatible", "fixed-clock");
    put_cell(t, "#clock-cells", 0);
    put_cell(t, "clock-frequency", 24000000);
    put_string(t, "clock-output-names", "clk24mhz");
    put_cell(t, "phandle", PHANDLE_CLOCK);
    node_end(t);
}

static void make_primecells(struct tree *t)
{
    static const uint32_t two_clocks[2] = {PHANDLE_CLOCK, PHANDLE_CLOCK};

    node_begin_at(t, "pl011", BOARD_UART);
    put_strings(t, "compatible", "arm,pl011\0arm,primecell");
    put_reg(t, BOARD_UART, BOARD_UART_BYTES);
    put_spi(t, INTID_UART, LEVEL_HIGH);
    put_cells(t, "clocks", two_clocks, 2);
    put_strings(t, "clock-names", "uartclk\0apb_pclk");
    node_end(t);

    node_begin_at(t, "pl031", BOARD_RTC);
    put_strings(t, "compatible", "arm,pl031\0arm,primecell");
    put_reg(t, BOARD_RTC, BOARD_RTC_BYTES);
    put_spi(t, INTID_RTC, LEVEL_HIGH);
    put_cell(t, "clocks", PHANDLE_CLOCK);
    put_string(t, "clock-names", "apb_pclk");
    node_end(t);
}

static void make_watchdog(struct tree *t)
{
    uint32_t reg[8] = {0, BOARD_WATCHDOG_CONTROL, 0, BOARD_WATCHDOG_BYTES,
                       0, BOARD_WATCHDOG_REFRESH, 0, BOARD_WATCHDOG_BYTES};

    node_begin_at(t, "watchdog", BOARD_WATCHDOG_CONTROL);
    put_string(t, "compatible", "arm,sbsa-gwdt");
    put_cells(t, "reg", reg, 8);
    put_spi(t, INTID_WATCHDOG, LEVEL_HIGH);
    node_end(t);
}

static void make_virtio(struct tree *t, uint32_t present)
{
    for (uint32_t i = 0; i < BOARD_VIRTIO_COUNT; i++) {
        uint64_t base = BOARD_VIRTIO + (uint64_t)i * VIRTIO_MMIO_BYTES;

        if ((present >> i & 1) == 0)
            continue;
        node_begin_at(t, "virtio_mmio", base);
        put_string(t, "compatible", "virtio,mmio");
        put_reg(t, base, VIRTIO_MMIO_BYTES);
        put_spi(t, INTID_VIRTIO0 + i, EDGE_RISING);
        put_flag(t, "dma-coherent");
        node_end(t);
    }
}

static void make_chosen(struct tree *t, const struct board_facts *facts)
{
    node_begin(t, "chosen");
    if (facts->command_line[0] != '\0')
        put_string(t, "bootargs", facts->command_line);
    if (facts->ramdisk != 0) {
        note(t, fdt_property_u64(t->fdt, "linux,initrd-start", facts->ramdisk));
        note(t, fdt_property_u64(t->fdt, "linux,initrd-end", facts->ramdisk + facts->ramdisk_bytes));
    }
    put_string(t, "stdout-path", "/pl011@9000000");
    /* Without it Linux has no random numbers for minutes, and all its CPUs queue for those it makes do with.
     */
    if (facts->seed)
        note(t, fdt_property(t->fdt, "rng-seed", facts->seed, (int)facts->seed_bytes));
    node_end(t);
}

static void make_root(struct tree *t, const struct board_facts *facts)
{
    node_begin(t, "");
    put_string(t, "model", "linux,dummy-virt");
    put_string(t, "compatible", "linux,dummy-virt");
    put_cell(t, "#address-cells", 2);
    put_cell(t, "#size-cells", 2);
    put_cell(t, "interrupt-parent", PHANDLE_GIC);
    put_flag(t, "dma-coherent");

    node_begin_at(t, "memory", BOARD_RAM);
    put_string(t, "device_type", "memory");
    put_reg(t, BOARD_RAM, facts->ram_size);
    node_end(t);

    make_cpus(t, facts->vcpu_count);
    make_timer(t);
    make_gic(t, facts->vcpu_count);
    make_clock(t);
    make_primecells(t);
    make_watchdog(t);
    make_virtio(t, facts->virtio_present);
    make_chosen(t, facts);
    node_end(t);
}

enum status board_tree_make(const struct board_facts *facts, void *buffer, uint32_t bytes)
{
    struct tree t = {buffer, 0};

    /* Looking whether a property's name is there already costs more than all the rest. */
    note(&t, fdt_create_with_flags(buffer, (int)bytes, FDT_CREATE_FLAG_NO_NAME_DEDUP));
    note(&t, fdt_finish_reservemap(buffer));
    make_root(&t, facts);
    note(&t, fdt_finish(buffer));
    return t.error == 0 ? OK : ERR_MEM;
}
