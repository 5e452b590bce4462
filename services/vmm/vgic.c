/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vgic.c - the state behind the GIC's registers, and what of it the kernel is told
 *
 * See vgic.h for what is kept where.
 */
#include "vgic.h"

#include <string.h>

#include "board.h"
#include "virq.h"

enum { CONTROL_GROUP0 = 1, CONTROL_GROUP1 = 2 }; /* GICD_CTLR.EnableGrp0, EnableGrp1 */
#define AFFINITY_MASK 0xff00ffffffull
#define SGI_COUNT 16u

struct vgic_irq *vgic_irq(struct vgic *gic, uint32_t vcpu, uint32_t intid)
{
    return intid < VGIC_PRIVATE ? &gic->private[vcpu][intid] : &gic->spis[intid - VGIC_PRIVATE];
}

/* An SPI that is routed to nobody keeps its state at vCPU 0, not enabled there. */
slot_t vgic_home(const struct vgic *gic, const struct vgic_irq *irq)
{
    return gic->vcpus[irq->target == VGIC_NOBODY ? 0 : irq->target];
}

static uint32_t not_enabled_flags(const struct vgic_irq *irq)
{
    return (irq->edge ? 0u : VIRQ_LEVEL) | (irq->group1 ? VIRQ_GROUP1 : 0u);
}

void vgic_push(struct vgic *gic, const struct vgic_irq *irq, uint32_t intid)
{
    bool group_is_enabled = (gic->control & (irq->group1 ? CONTROL_GROUP1 : CONTROL_GROUP0)) != 0;
    uint32_t flags = not_enabled_flags(irq);

    if (irq->enabled && group_is_enabled && irq->target != VGIC_NOBODY)
        flags |= VIRQ_ENABLED;
    virq_config(vgic_home(gic, irq), intid, flags, irq->priority);
}

void vgic_push_all(struct vgic *gic)
{
    for (uint32_t vcpu = 0; vcpu < gic->vcpu_count; vcpu++)
        for (uint32_t intid = 0; intid < VGIC_PRIVATE; intid++)
            vgic_push(gic, vgic_irq(gic, vcpu, intid), intid);
    for (uint32_t intid = VGIC_PRIVATE; intid < VIRQ_MAX; intid++)
        vgic_push(gic, vgic_irq(gic, 0, intid), intid);
}

void vgic_init(struct vgic *gic)
{
    gic->control = 0;
    memset(gic->private, 0, sizeof gic->private);
    memset(gic->spis, 0, sizeof gic->spis);
    for (uint32_t vcpu = 0; vcpu < gic->vcpu_count; vcpu++) {
        gic->asleep[vcpu] = true;
        for (uint32_t intid = 0; intid < VGIC_PRIVATE; intid++) {
            gic->private[vcpu][intid].target = vcpu;
            gic->private[vcpu][intid].edge = intid < SGI_COUNT;
        }
    }
    vgic_push_all(gic);
}

/* GICD_IROUTER: affinity levels as in MPIDR_EL1; our vCPUs differ in Aff0 only. */
static uint32_t route_target(const struct vgic *gic, uint64_t route)
{
    uint64_t affinity = route & AFFINITY_MASK;

    return affinity < gic->vcpu_count ? (uint32_t)affinity : VGIC_NOBODY;
}

/* Move what is pending along.  What is active stays where it was taken: that vCPU will deactivate it. */
void vgic_route(struct vgic *gic, uint32_t intid, uint64_t route)
{
    struct vgic_irq *irq = vgic_irq(gic, 0, intid);
    slot_t old = vgic_home(gic, irq);

    irq->route = route & AFFINITY_MASK;
    irq->target = route_target(gic, route);

    slot_t new = vgic_home(gic, irq);

    if (new != old) {
        virq_config(old, intid, not_enabled_flags(irq),
                    irq->priority); /* first disable: it can no longer be taken there */
        if (irq->source !=
            0) /* a pulse may go out just now: before the look it is moved, later it comes there */
            virq_bind(irq->source, new, intid);
        uint32_t state = virq_read(old, intid);

        virq_write(old, intid, VIRQ_PENDING, 0);
        if (!irq->edge)
            virq_inject(old, intid, 0);
        vgic_push(gic, irq, intid);
        if ((state & VIRQ_PENDING) != 0)
            virq_write(new, intid, VIRQ_PENDING, VIRQ_PENDING);
        if (!irq->edge && irq->line)
            virq_inject(new, intid, 1);
        return;
    }
    vgic_push(gic, irq, intid);
}

void vgic_input(struct vgic *gic, uint32_t intid, bool is_asserted)
{
    struct vgic_irq *irq = vgic_irq(gic, 0, intid);
    bool was_asserted = irq->line;

    irq->line = is_asserted;
    if (irq->edge) {
        if (is_asserted)
            virq_inject(vgic_home(gic, irq), intid, 1);
    } else if (is_asserted != was_asserted) {
        virq_inject(vgic_home(gic, irq), intid, is_asserted);
    }
}

void vgic_source_set(struct vgic *gic, uint32_t intid, slot_t notification)
{
    struct vgic_irq *irq = vgic_irq(gic, 0, intid);

    irq->source = notification;
    virq_bind(notification, vgic_home(gic, irq), intid);
}

bool vgic_pulse(struct vgic *gic, uint32_t intid, slot_t signal)
{
    struct vgic_irq *irq = vgic_irq(gic, 0, intid);

    if (!irq->edge)
        return false;
    irq->line = true;
    virq_signal(signal);
    return true;
}

uint32_t vgic_id_read(uint64_t offset)
{
    /* PIDR4..7, PIDR0..3, CIDR0..3: as Arm's GICs; PIDR2 says architecture version 3. */
    static const uint8_t ids[] = {0x44, 0x00, 0x00, 0x00, 0x92, 0xb4, 0x3b, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    return ids[(offset - VGIC_ID_OFFSET) / 4];
}
