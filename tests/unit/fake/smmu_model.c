/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * smmu_model.c - an SMMUv3 as a driver sees it (IHI 0070)
 *
 * Stage 1, two-level stream table, one context per stream, 4 KiB granule.  Stream entries, contexts and
 * translations are cached at their first use, faulting ones too where the architecture allows it (invalid
 * stream entries), and forgotten only by a command.
 */
#include "smmu_model.h"

#include <stdlib.h>
#include <string.h>

#include "dev/mmio.h"

#define BASE 0x09050000ull
#define ADDRESS_MASK 0x000fffffffffffc0ull

struct smmu_model model;

enum { STREAMS = 256, TLB_ENTRIES = 4096 };
struct config {
    bool cached;
    uint64_t ste[8], cd[8];
    bool cd_cached;
};
static struct config configs[STREAMS];
struct translation {
    bool valid;
    uint32_t asid;
    uint64_t from, bytes, leaf;
};
static struct translation tlb[TLB_ENTRIES];
static unsigned tlb_next;

void model_reset(void)
{
    memset(&model, 0, sizeof model);
    memset(configs, 0, sizeof configs);
    memset(tlb, 0, sizeof tlb);
    model.idr0 = 1u << 1 | 2u << 2 | 1u << 4 | 1u << 12 | 2u << 21 | 1u << 24 | 1u << 26 | 1u << 27;
    model.idr1 = 16 | 19u << 16 | 19u << 21;
    model.idr5 = 4 | 7u << 4;
}

bool model_enabled(void)
{
    return (model.cr0 & 0xd) == 0xd;
}

/* ---- commands (4) */

static void tlb_drop(bool all, uint32_t asid, bool by_address, uint64_t address)
{
    for (unsigned i = 0; i < TLB_ENTRIES; i++)
        if (all || (tlb[i].asid == asid &&
                    (!by_address || (address >= tlb[i].from && address - tlb[i].from < tlb[i].bytes))))
            tlb[i].valid = false;
}

static bool command_execute(const uint64_t command[2])
{
    uint32_t stream = (uint32_t)(command[0] >> 32);

    switch (command[0] & 0xff) {
    case 0x03: /* CFGI_STE: contexts too */
        if (stream < STREAMS)
            configs[stream].cached = configs[stream].cd_cached = false;
        return true;
    case 0x04: /* CFGI_STE_RANGE; 31: all */
        if ((command[1] & 31) != 31)
            return false;
        memset(configs, 0, sizeof configs);
        return true;
    case 0x05: /* CFGI_CD */
        if (stream < STREAMS)
            configs[stream].cd_cached = false;
        return true;
    case 0x11: /* TLBI_NH_ASID */
        tlb_drop(false, (uint32_t)(command[0] >> 48), false, 0);
        return true;
    case 0x12: /* TLBI_NH_VA */
        tlb_drop(false, (uint32_t)(command[0] >> 48), true, command[1] & ~0xfffull);
        return true;
    case 0x30: /* TLBI_NSNH_ALL */
        tlb_drop(true, 0, false, 0);
        return true;
    case 0x46: /* SYNC */
        return true;
    default:
        model.unknown++;
        return false;
    }
}

static uint32_t queue_bits(uint64_t base)
{
    return (uint32_t)base & 31;
}

static void commands_execute(void)
{
    uint32_t bits = queue_bits(model.cmdq), mask = (2u << bits) - 1;

    if (!(model.cr0 & 8) || model.dead)
        return;
    while ((model.cmdq_cons & mask) != (model.cmdq_prod & mask)) {
        uint64_t at = (model.cmdq & 0x000fffffffffffe0ull) + 16ull * (model.cmdq_cons & ((1u << bits) - 1));

        if (model.refuse || !command_execute((const uint64_t *)at)) {
            model.gerror ^= 1;
            return;
        }
        model.cmdq_cons = (model.cmdq_cons + 1) & mask;
    }
}

/* ---- registers (6) */

uint32_t mmio_read32(uint64_t address)
{
    switch (address - BASE) {
    case 0x0:
        return model.idr0;
    case 0x4:
        return model.idr1;
    case 0x14:
        return model.idr5;
    case 0x24:
        return model.cr0;
    case 0x44:
        return 0;
    case 0x54:
        return model.irq_ctrl;
    case 0x60:
        return model.gerror;
    case 0x64:
        return model.gerrorn;
    case 0x9c:
        return model.cmdq_cons;
    case 0x100a8:
        return model.eventq_prod;
    default:
        model.unknown++;
        return 0;
    }
}

void mmio_write32(uint64_t address, uint32_t value)
{
    if (model.dead)
        return;
    switch (address - BASE) {
    case 0x20:
        model.cr0 = value;
        break;
    case 0x28:
        model.cr1 = value;
        break;
    case 0x2c:
        model.cr2 = value;
        break;
    case 0x44:
        break;
    case 0x50:
        model.irq_ctrl = value;
        break;
    case 0x64:
        model.gerrorn = value;
        break;
    case 0x88:
        model.strtab_cfg = value;
        break;
    case 0x98:
        model.cmdq_prod = value;
        commands_execute();
        break;
    case 0x9c:
        model.cmdq_cons = value;
        break;
    case 0x100a8:
        model.eventq_prod = value;
        break;
    case 0x100ac:
        model.eventq_cons = value;
        break;
    default:
        model.unknown++;
    }
}

void mmio_write64(uint64_t address, uint64_t value)
{
    switch (address - BASE) {
    case 0x80:
        model.strtab = value;
        break;
    case 0x90:
        model.cmdq = value;
        break;
    case 0xa0:
        model.eventq = value;
        break;
    default:
        model.unknown++;
    }
}

void mmio_barrier(void)
{
}

/* ---- events (7) */

unsigned model_event_count(void)
{
    return (model.eventq_prod - model.eventq_cons) & ((2u << queue_bits(model.eventq)) - 1);
}

static int event_record(int code, uint32_t stream, uint64_t iova, bool write)
{
    uint32_t bits = queue_bits(model.eventq), mask = (2u << bits) - 1;

    if (!(model.cr0 & 4))
        return code;
    if (model_event_count() == 1u << bits) {
        if (!((model.eventq_prod ^ model.eventq_cons) >> 31))
            model.eventq_prod ^= 1u << 31;
        model.overflowed = true;
        return code;
    }
    uint64_t *event = (uint64_t *)((model.eventq & 0x000fffffffffffe0ull) +
                                   32ull * (model.eventq_prod & ((1u << bits) - 1)));
    event[0] = (uint64_t)stream << 32 | (uint64_t)code;
    event[1] = write ? 0 : 1ull << 35;
    event[2] = iova;
    event[3] = 0;
    model.eventq_prod = (model.eventq_prod & 1u << 31) | ((model.eventq_prod + 1) & mask);
    return code;
}

/* ---- configuration (3.3) */

/* 0, or an event's code. */
static int stream_find(uint32_t stream, uint64_t ste[8])
{
    uint32_t bits = model.strtab_cfg & 63, split = model.strtab_cfg >> 6 & 31,
             format = model.strtab_cfg >> 16 & 3;

    if (stream >> bits || format != 1)
        return 0x02;
    const uint64_t *directory = (const uint64_t *)(model.strtab & ADDRESS_MASK);
    uint64_t entry = directory[stream >> split];
    uint32_t span = (uint32_t)entry & 31, index = stream & ((1u << split) - 1);

    if (span == 0 || index >= 1u << (span - 1))
        return 0x02;
    memcpy(ste, (const char *)(entry & ADDRESS_MASK) + 64ull * index, 64);
    return 0;
}

static int config_load(uint32_t stream, struct config *config)
{
    if (!config->cached) {
        int code = stream_find(stream, config->ste);

        if (code)
            return code;
        config->cached = true;
    }
    if (!(config->ste[0] & 1))
        return 0x04;
    if (!config->cd_cached && (config->ste[0] >> 1 & 7) == 5) {
        memcpy(config->cd, (const void *)(config->ste[0] & ADDRESS_MASK), 64);
        config->cd_cached = true;
    }
    return 0;
}

/* A context that this SMMU takes: 5.4.1's rules, for an SMMU without stalls and hardware access flags. */
static bool context_is_good(const uint64_t cd[8])
{
    uint64_t word = cd[0];

    return (word >> 31 & 1) && (word >> 41 & 1) && (word >> 46 & 1) && !(word >> 44 & 1) &&
           !(word >> 42 & 3) && (word & 63) == 25 && !(word >> 6 & 3) && !(word >> 14 & 1) &&
           !(word >> 15 & 1) && (word >> 30 & 1) && (word >> 32 & 7) <= (model.idr5 & 7);
}

/* ---- translation (3.4) */

static struct translation *tlb_find(uint32_t asid, uint64_t iova)
{
    for (unsigned i = 0; i < TLB_ENTRIES; i++)
        if (tlb[i].valid && tlb[i].asid == asid && iova >= tlb[i].from && iova - tlb[i].from < tlb[i].bytes)
            return &tlb[i];
    return NULL;
}

static struct translation *walk(const struct config *config, uint64_t iova)
{
    uint32_t asid = (uint32_t)(config->cd[0] >> 48);
    const uint64_t *table = (const uint64_t *)(config->cd[1] & 0x000ffffffffffff0ull);

    for (unsigned shift = 30;; shift -= 9) {
        uint64_t entry = table[iova >> shift & 511];

        if (!(entry & 1) || (shift == 12 && !(entry & 2)))
            return NULL;
        if (shift == 12 || !(entry & 2)) {
            struct translation *found = &tlb[tlb_next++ % TLB_ENTRIES];

            *found = (struct translation){true, asid, iova >> shift << shift, 1ull << shift, entry};
            return found;
        }
        table = (const uint64_t *)(entry & 0x0000fffffffff000ull);
    }
}

static int translate(const struct config *config, uint64_t iova, bool write, uint64_t *where, uint64_t *leaf)
{
    struct translation *found;

    if (iova >> 39)
        return 0x10;
    found = tlb_find((uint32_t)(config->cd[0] >> 48), iova);
    if (!found)
        found = walk(config, iova);
    if (!found)
        return 0x10;
    if (!(found->leaf >> 10 & 1))
        return 0x12;
    /* PCIe functions are unprivileged: AP[1], and AP[2] is read-only; global entries would be everybody's */
    if (!(found->leaf >> 6 & 1) || (write && (found->leaf >> 7 & 1)) || !(found->leaf >> 11 & 1))
        return 0x13;
    *leaf = found->leaf;
    *where = (found->leaf & 0x0000fffffffff000ull & ~(found->bytes - 1)) | (iova & (found->bytes - 1));
    return 0;
}

static int access_judge(uint32_t stream, uint64_t iova, bool write, uint64_t *where, uint64_t *leaf)
{
    static struct config other_bus;
    struct config *config = stream < STREAMS ? &configs[stream] : &other_bus;

    if (!(model.cr0 & 1)) {
        model.bypassed++;
        return MODEL_ABORTED;
    }
    other_bus.cached = false;
    int code = config_load(stream, config);

    if (code)
        return event_record(code, stream, 0, write);
    switch (config->ste[0] >> 1 & 7) {
    case 0:
        return MODEL_ABORTED;
    case 5:
        break;
    default:
        model.bypassed++;
        return MODEL_ABORTED;
    }
    if (!context_is_good(config->cd))
        return event_record(0x0a, stream, 0, write);
    code = translate(config, iova, write, where, leaf);
    if (code && !(config->cd[0] >> 45 & 1))
        return MODEL_ABORTED; /* R: faults are not recorded */
    return code ? event_record(code, stream, iova, write) : 0;
}

int model_access(uint32_t stream, uint64_t iova, bool write, uint64_t *where)
{
    uint64_t leaf;

    return access_judge(stream, iova, write, where, &leaf);
}

unsigned model_memory_type(uint32_t stream, uint64_t iova)
{
    uint64_t where, leaf;

    if (access_judge(stream, iova, false, &where, &leaf) != 0)
        return ~0u;
    return (unsigned)(configs[stream].cd[3] >> 8 * (leaf >> 2 & 7)) & 0xff;
}
