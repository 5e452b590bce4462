/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vgicr.c - the redistributors' registers (GICv3 architecture, 12.10 and 12.11): two 64 KiB frames per vCPU
 */
#include "board.h"
#include "vgic.h"

enum {
    GICR_CTLR = 0x0000, /* no LPIs and nothing that takes time: reads as zero */
    GICR_IIDR = 0x0004,
    GICR_TYPER = 0x0008,
    GICR_WAKER = 0x0014,
};

#define FRAME_BYTES 0x10000u
#define WAKER_SLEEP 2u           /* ProcessorSleep, written by the guest */
#define WAKER_CHILDREN_ASLEEP 4u /* follows at once */
#define TYPER_LAST 0x10u

static uint64_t typer(const struct vgic *gic, uint32_t vcpu)
{
    uint64_t value = (uint64_t)vcpu << 32 | (uint64_t)vcpu << 8; /* Affinity_Value, Processor_Number */

    return vcpu == gic->vcpu_count - 1 ? value | TYPER_LAST : value;
}

static uint64_t rd_read(const struct vgic *gic, uint32_t vcpu, uint64_t offset, uint32_t size_bytes)
{
    if (offset == GICR_TYPER && size_bytes == 8)
        return typer(gic, vcpu);
    if (size_bytes != 4)
        return 0;
    if (offset >= VGIC_ID_OFFSET)
        return vgic_id_read(offset);
    switch (offset) {
    case GICR_IIDR:
        return VGIC_IIDR;
    case GICR_TYPER:
        return typer(gic, vcpu) & 0xffffffffu;
    case GICR_TYPER + 4:
        return typer(gic, vcpu) >> 32;
    case GICR_WAKER:
        return gic->asleep[vcpu] ? WAKER_SLEEP | WAKER_CHILDREN_ASLEEP : 0;
    default:
        return 0;
    }
}

uint64_t vgicr_read(struct vgic *gic, uint64_t offset, uint32_t size_bytes)
{
    uint32_t vcpu = (uint32_t)(offset / BOARD_GICR_BYTES);
    uint64_t within = offset % BOARD_GICR_BYTES;

    if (vcpu >= gic->vcpu_count)
        return 0;
    if (within < FRAME_BYTES)
        return rd_read(gic, vcpu, within, size_bytes);

    struct vgic_bank bank = {gic, vcpu, 0, VGIC_PRIVATE};

    return vgic_bank_read(&bank, within - FRAME_BYTES, size_bytes);
}

void vgicr_write(struct vgic *gic, uint64_t offset, uint32_t size_bytes, uint64_t value)
{
    uint32_t vcpu = (uint32_t)(offset / BOARD_GICR_BYTES);
    uint64_t within = offset % BOARD_GICR_BYTES;

    if (vcpu >= gic->vcpu_count)
        return;
    if (within < FRAME_BYTES) {
        if (within == GICR_WAKER && size_bytes == 4)
            gic->asleep[vcpu] = (value & WAKER_SLEEP) != 0;
        return;
    }

    struct vgic_bank bank = {gic, vcpu, 0, VGIC_PRIVATE};

    vgic_bank_write(&bank, within - FRAME_BYTES, size_bytes, value);
}
