/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.c - what becomes of RAM
 *
 * At power-on init has all of it.  The services are made from it, and the rest is mem's pool.  What init has
 * of RAM after that are the services' Untypeds; vmms are made from memory that mem gives (vmm.c).
 */
#include "bh.h"
#include "init.h"

#define OWN_TABLE_PAGES 4u
#define RETYPE_MAX 512u

/* RAM Untypeds, largest last: small things fill the small ones first, and the pool stays in one piece. */
static struct {
    slot_t slot;
    uint64_t base, size;
} ram[BOOT_UNTYPED_MAX];
static uint32_t ram_count;

static uint64_t ram_used(uint32_t i)
{
    uint64_t base, size, used;

    if (bh_untyped_info(ram[i].slot, &base, &size, &used) != OK)
        bh_panic("RAM Untyped %u is gone", i);
    return used;
}

static void ram_insert(const struct boot_untyped *untyped)
{
    uint32_t at = ram_count++;

    for (; at > 0 && ram[at - 1].size > untyped->size; at--)
        ram[at] = ram[at - 1];
    ram[at].slot = untyped->slot;
    ram[at].base = untyped->base;
    ram[at].size = untyped->size;
}

void memory_start(void)
{
    for (uint32_t i = 0; i < init.boot->untyped_count; i++)
        if (init.boot->untyped[i].kind == UNTYPED_RAM)
            ram_insert(&init.boot->untyped[i]);
    if (ram_count == 0)
        bh_panic("the machine has no RAM");
    if (bh_aspace_donate(INIT_SLOT_ASPACE, ram[ram_count - 1].slot, OWN_TABLE_PAGES) != OK)
        bh_panic("no memory for init's own tables");
}

/* The kernel makes at most RETYPE_MAX objects at once. */
enum status row_retype(slot_t untyped, enum cap_kind kind, uint64_t size, uint32_t count, slot_t first)
{
    enum status status = OK;

    for (uint32_t done = 0; status == OK && done < count; done += RETYPE_MAX) {
        uint32_t now = count - done < RETYPE_MAX ? count - done : RETYPE_MAX;

        status = bh_untyped_retype(untyped, kind, size, now, INIT_SLOT_CSPACE, first + done);
    }
    return status;
}

slot_t ram_row(enum cap_kind kind, uint64_t size, uint32_t count)
{
    slot_t first = bh_slots_alloc(count);
    enum status status = ERR_MEM;

    if (!first)
        bh_panic("no slots left for %u objects", count);
    for (uint32_t i = 0; i < ram_count && status == ERR_MEM; i++)
        status = row_retype(ram[i].slot, kind, size, count, first);
    if (status != OK)
        bh_panic("no RAM for %u objects of kind %d: %s", count, (int)kind, bh_status_name(status));
    return first;
}

static uint64_t align_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) & ~(to - 1);
}

/* What is left of one Untyped, 2 MiB-aligned, as one Untyped that cannot become kernel objects, in mem's
 * CSpace. */
static bool pool_give_one(uint32_t i, struct domain *mem, slot_t to)
{
    uint64_t used = ram_used(i);
    uint64_t pad = align_up(ram[i].base + used, BLOCK_BYTES) - ram[i].base - align_up(used, PAGE_BYTES);
    uint64_t start = align_up(used, PAGE_BYTES) + pad;
    slot_t whole, skipped;
    uint64_t bytes;

    if (start >= ram[i].size || ram[i].size - start < BLOCK_BYTES)
        return false;
    whole = bh_slot_alloc();
    skipped = bh_slot_alloc();
    bytes = (ram[i].size - start) & ~(uint64_t)(BLOCK_BYTES - 1);
    if (pad > 0 && bh_untyped_retype(ram[i].slot, CAP_UNTYPED, pad, 1, INIT_SLOT_CSPACE, skipped) != OK)
        bh_panic("the pool cannot be aligned");
    if (bh_untyped_retype(ram[i].slot, CAP_UNTYPED, bytes, 1, INIT_SLOT_CSPACE, whole) != OK ||
        domain_give_badged(mem, to, whole, RIGHT_READ | RIGHT_WRITE, 0) != OK)
        bh_panic("the pool cannot be given to mem");
    bh_slot_drop(skipped);
    bh_slot_drop(whole);
    init.pool_bytes += bytes;
    return true;
}

/* mem gets the rest; init forgets the RAM itself, and with it the power to take it back. */
void pool_give(void)
{
    uint32_t given = 0;

    for (uint32_t d = 0; d < DOMAIN_COUNT; d++)
        for (uint32_t i = 0; manifest_domains[d].pool && i < ram_count && given < MANIFEST_POOL_MAX; i++)
            given += pool_give_one(i, &init.domains[d], manifest_domains[d].pool_slot + given);
    if (given == 0)
        bh_log("no memory is left for guests");
    for (uint32_t i = 0; i < ram_count; i++)
        if (bh_cspace_delete(INIT_SLOT_CSPACE, ram[i].slot) != OK)
            bh_panic("RAM cannot be given away");
}

uint64_t memory_services_bytes(void)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < ram_count; i++)
        bytes += ram[i].size;
    return bytes - init.pool_bytes;
}
