/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mmu.c - what EL2 itself may reach, and how stage 2 is laid out
 *
 * The kernel runs at the addresses it was loaded at, and sees RAM and its few devices at their physical
 * addresses.  Each is mapped no wider than needed: its text can be executed and not written, its constants
 * only read, everything else is data that cannot be executed (and SCTLR_EL2.WXN holds us to it).  What no
 * line of mmu_init names is not mapped.
 *
 * Always true:  the tables do not change after mmu_init.
 */
#include "kernel.h"

/* ---- entries: EL2 stage 1, 39 bits, 4 KiB granule, root at level 1 (DDI 0487, D8.3) */
#define VALID 1ull
#define TABLE 2ull /* levels 1 and 2: a table; level 3: always set */
#define NORMAL (0ull << 2)
#define DEVICE (1ull << 2)
#define ONE_PRIVILEGE (1ull << 6) /* AP[1]: RES1 where there is no EL0 */
#define READ_ONLY (1ull << 7)
#define INNER_SHAREABLE (3ull << 8)
#define ACCESSED (1ull << 10)
#define XN (1ull << 54)
#define ADDRESS 0x0000fffffffff000ull

#define COMMON (VALID | ONE_PRIVILEGE | ACCESSED)
#define CODE (COMMON | NORMAL | INNER_SHAREABLE | READ_ONLY)
#define CONSTANT (CODE | XN)
#define DATA (COMMON | NORMAL | INNER_SHAREABLE | XN)
#define REGISTERS (COMMON | DEVICE | XN)

/* ---- system registers */
/* MAIR_EL2: 0 Normal write-back, 1 Device-nGnRE. */
#define MAIR_VALUE 0x04ffull
/* TCR_EL2: T0SZ 25 (39 bits), walks inner-shareable write-back, 4 KiB; bits 23 and 31 are RES1. */
#define TCR_VALUE (25ull | 1ull << 8 | 1ull << 10 | 3ull << 12 | 1ull << 23 | 1ull << 31)
/* VTCR_EL2: T0SZ 25, SL0 1 (start at level 1), the same walks, 8-bit VMIDs; bit 31 is RES1. */
#define VTCR_VALUE (25ull | 1ull << 6 | 1ull << 8 | 1ull << 10 | 3ull << 12 | 1ull << 31)
#define PS_SHIFT 16 /* in both */
/* SCTLR_EL2: its RES1 bits, and M, C, SA, I, WXN. */
#define SCTLR_VALUE (0x30c50830ull | 1ull | 1ull << 2 | 1ull << 3 | 1ull << 12 | 1ull << 19)

/* ---- the board (docs/internals.md) */
#define GICD_BASE 0x08000000ull
#define GICD_BYTES 0x10000ull
#define GICR_BASE 0x080a0000ull
#define GICR_BYTES 0x20000ull /* per pCPU */
#define UART_BASE 0x09000000ull
#define SMMU_BYTES 0x20000ull

extern char __text_start[], __text_end[], __rodata_start[], __rodata_end[], __data_start[], __image_end[];

/* Level 1, then: level 2 of the devices' GiB, of the first and of a partial last GiB of RAM; level 3 of the
 * GIC (2), UART and SMMU, the kernel's image and the odd ends of RAM. */
enum { TABLES_MAX = 16, ENTRIES = 512 };
static uint64_t tables[TABLES_MAX][ENTRIES] __attribute__((aligned(4096)));
static unsigned table_count = 1;

static uint64_t *next_table(uint64_t *entry)
{
    if (!(*entry & VALID)) {
        assert(table_count < TABLES_MAX);
        *entry = (uint64_t)tables[table_count++] | TABLE | VALID;
    }
    assert(*entry & TABLE); /* ranges that are mapped do not overlap */
    return (uint64_t *)(*entry & ADDRESS);
}

/* Map one block or page: as large as alignment and what is left allow.  Returns its size. */
static uint64_t map_leaf(uint64_t address, uint64_t bytes, uint64_t attributes)
{
    uint64_t *table = tables[0];

    for (unsigned shift = 30;; shift -= 9) {
        uint64_t size = 1ull << shift;
        uint64_t *entry = &table[(address >> shift) & (ENTRIES - 1)];

        if (!(address & (size - 1)) && bytes >= size && !(*entry & VALID)) {
            *entry = address | attributes | (shift == 12 ? TABLE : 0);
            return size;
        }
        assert(shift > 12);
        table = next_table(entry);
    }
}

static void map(uint64_t from, uint64_t to, uint64_t attributes)
{
    assert(!((from | to) & (PAGE_SIZE - 1)) && to <= 1ull << 39);
    while (from < to)
        from += map_leaf(from, to - from, attributes);
}

static void map_kernel(void)
{
    map((uint64_t)__text_start, (uint64_t)__text_end, CODE);
    map((uint64_t)__rodata_start, (uint64_t)__rodata_end, CONSTANT);
    map((uint64_t)__data_start, (uint64_t)__image_end, DATA);
}

static void map_ram(uint64_t image, const struct bundle *bundle)
{
    uint64_t end = bundle->ram_base + bundle->ram_size;

    map(bundle->ram_base, image, DATA);
    map(image + KERNEL_IMAGE_BYTES, end & ~(PAGE_SIZE - 1), DATA);
}

static void map_devices(const struct bundle *bundle)
{
    map(GICD_BASE, GICD_BASE + GICD_BYTES, REGISTERS);
    map(GICR_BASE, GICR_BASE + GICR_BYTES * bundle->pcpu_count, REGISTERS);
    map(UART_BASE, UART_BASE + PAGE_SIZE, REGISTERS);
    map(SMMU_BASE, SMMU_BASE + SMMU_BYTES, REGISTERS);
}

/* Caches are off, so the tables went to memory directly: no older line may hide them from the walker. */
static void tables_invalidate(void)
{
    uint64_t line = 4ull << (read_sysreg(ctr_el0) >> 16 & 15);

    dsb(sy);
    for (uint64_t at = (uint64_t)tables; at < (uint64_t)tables + sizeof tables; at += line)
        __asm__ volatile("dc ivac, %0" ::"r"(at) : "memory");
    dsb(sy);
}

/* Runs with MMU and caches off: aligned single accesses only, and no memory_zero (DC ZVA would fault). */
void mmu_init(void)
{
    uint64_t image = (uint64_t)__text_start & ~(uint64_t)(KERNEL_IMAGE_BYTES - 1);
    const struct bundle *bundle = (const struct bundle *)(image + KERNEL_IMAGE_BYTES);

    if (bundle->magic != BUNDLE_MAGIC || bundle->pcpu_count == 0 || bundle->pcpu_count > CPU_MAX)
        panic("mmu: no bundle behind the kernel's image at %lx", image);
    map_kernel();
    map_ram(image, bundle);
    map_devices(bundle);
    tables_invalidate();
    mmu_cpu_init();
}

/* PARange of ID_AA64MMFR0_EL1, as the PS fields take it: at most 48 bits, which our entries have. */
static uint64_t physical_size(void)
{
    uint64_t range = read_sysreg(id_aa64mmfr0_el1) & 15;

    return range > 5 ? 5 : range;
}

void mmu_cpu_init(void)
{
    uint64_t size = physical_size() << PS_SHIFT;

    write_sysreg(mair_el2, MAIR_VALUE);
    write_sysreg(tcr_el2, TCR_VALUE | size);
    write_sysreg(ttbr0_el2, (uint64_t)tables);
    write_sysreg(vtcr_el2, VTCR_VALUE | size);
    write_sysreg(vttbr_el2, aspace_vttbr_none());
    isb();
    __asm__ volatile("tlbi alle2\n\ttlbi alle1\n\tic iallu" ::: "memory");
    dsb(nsh);
    isb();
    write_sysreg(sctlr_el2, SCTLR_VALUE);
    isb();
}
