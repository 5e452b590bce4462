/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vgicd.c - the distributor's registers (GICv3 architecture, 12.9)
 */
#include "vgic.h"

enum {
    GICD_CTLR = 0x0000,
    GICD_TYPER = 0x0004,
    GICD_IIDR = 0x0008,
    GICD_IROUTER = 0x6000, /* + 8 * INTID */
};

#define CTLR_ENABLES 3u /* EnableGrp0, EnableGrp1 */
#define CTLR_ARE (1u << 4)
#define CTLR_DS (1u << 6)

/* ITLinesNumber, IDbits = 10 bits, No1N: an SPI goes to the one PE that IROUTER names. */
#define TYPER ((VIRQ_MAX / 32 - 1) | 9u << 19 | 1u << 25)

static bool is_router(uint64_t offset, uint32_t *intid)
{
    if (offset < GICD_IROUTER + 8 * VGIC_PRIVATE || offset >= GICD_IROUTER + 8 * VIRQ_MAX)
        return false;
    *intid = (uint32_t)(offset - GICD_IROUTER) / 8;
    return true;
}

static uint64_t router_read(struct vgic *gic, uint32_t intid, uint64_t offset, uint32_t size_bytes)
{
    uint64_t route = vgic_irq(gic, 0, intid)->route;

    if (size_bytes == 8)
        return route;
    if (size_bytes == 4)
        return offset % 8 == 0 ? route & 0xffffffffu : route >> 32;
    return 0;
}

static void router_write(struct vgic *gic, uint32_t intid, uint64_t offset, uint32_t size_bytes,
                         uint64_t value)
{
    uint64_t route = vgic_irq(gic, 0, intid)->route;

    if (size_bytes == 8)
        route = value;
    else if (size_bytes == 4 && offset % 8 == 0)
        route = (route & ~0xffffffffull) | (value & 0xffffffffu);
    else if (size_bytes == 4)
        route = (route & 0xffffffffu) | value << 32;
    else
        return;
    vgic_route(gic, intid, route);
}

static struct vgic_bank spi_bank(struct vgic *gic)
{
    return (struct vgic_bank){gic, 0, VGIC_PRIVATE, VGIC_SPIS};
}

uint64_t vgicd_read(struct vgic *gic, uint64_t offset, uint32_t size_bytes)
{
    struct vgic_bank bank = spi_bank(gic);
    uint32_t intid;

    if (is_router(offset, &intid))
        return router_read(gic, intid, offset, size_bytes);
    if (size_bytes == 4) {
        if (offset >= VGIC_ID_OFFSET)
            return vgic_id_read(offset);
        switch (offset) {
        case GICD_CTLR:
            return gic->control | CTLR_ARE | CTLR_DS;
        case GICD_TYPER:
            return TYPER;
        case GICD_IIDR:
            return VGIC_IIDR;
        default:
            break;
        }
    }
    return vgic_bank_read(&bank, offset, size_bytes);
}

void vgicd_write(struct vgic *gic, uint64_t offset, uint32_t size_bytes, uint64_t value)
{
    struct vgic_bank bank = spi_bank(gic);
    uint32_t intid;

    if (is_router(offset, &intid)) {
        router_write(gic, intid, offset, size_bytes, value);
    } else if (offset == GICD_CTLR && size_bytes == 4) {
        uint32_t control = (uint32_t)value & CTLR_ENABLES;

        if (control == gic->control)
            return;
        gic->control = control;
        vgic_push_all(gic);
    } else {
        vgic_bank_write(&bank, offset, size_bytes, value);
    }
}
