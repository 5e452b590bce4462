/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vgic_bank.c - the GIC's registers with a field per interrupt, as a table
 *
 * GICv3 architecture, 12.9 (GICD_*) and 12.11 (GICR_*0): the same fields at the same offsets.  One entry says
 * how wide the field is and what reading or writing it for one interrupt means.
 */
#include "vgic.h"
#include "virq.h"

#include <stddef.h>

struct field {
    uint32_t offset;  /* of the register for INTID 0 */
    uint32_t bits;    /* per interrupt */
    bool byte_access; /* may be accessed by bytes as well as words */
    uint32_t (*read)(struct vgic *gic, struct vgic_irq *irq, uint32_t intid);
    void (*write)(struct vgic *gic, struct vgic_irq *irq, uint32_t intid, uint32_t value);
};

static uint32_t group_read(struct vgic *gic, struct vgic_irq *irq, uint32_t intid)
{
    (void)gic, (void)intid;
    return irq->group1;
}

static void group_write(struct vgic *gic, struct vgic_irq *irq, uint32_t intid, uint32_t value)
{
    if (irq->group1 == (value != 0))
        return;
    irq->group1 = value != 0;
    vgic_push(gic, irq, intid);
}

static uint32_t enable_read(struct vgic *gic, struct vgic_irq *irq, uint32_t intid)
{
    (void)gic, (void)intid;
    return irq->enabled;
}

static void enable_set(struct vgic *gic, struct vgic_irq *irq, uint32_t intid, uint32_t value)
{
    if (value == 0 || irq->enabled)
        return;
    irq->enabled = true;
    vgic_push(gic, irq, intid);
}

static void enable_clear(struct vgic *gic, struct vgic_irq *irq, uint32_t intid, uint32_t value)
{
    if (value == 0 || !irq->enabled)
        return;
    irq->enabled = false;
    vgic_push(gic, irq, intid);
}

static uint32_t pending_read(struct vgic *gic, struct vgic_irq *irq, uint32_t intid)
{
    uint32_t state = virq_read(vgic_home(gic, irq), intid);

    return (state & VIRQ_PENDING) != 0 || (!irq->edge && (state & VIRQ_LINE) != 0);
}

static void pending_set(struct vgic *gic, struct vgic_irq *irq, uint32_t intid, uint32_t value)
{
    if (value != 0)
        virq_write(vgic_home(gic, irq), intid, VIRQ_PENDING, VIRQ_PENDING);
}

static void pending_clear(struct vgic *gic, struct vgic_irq *irq, uint32_t intid, uint32_t value)
{
    if (value != 0)
        virq_write(vgic_home(gic, irq), intid, VIRQ_PENDING, 0);
}

static uint32_t active_read(struct vgic *gic, struct vgic_irq *irq, uint32_t intid)
{
    return (virq_read(vgic_home(gic, irq), intid) & VIRQ_ACTIVE) != 0;
}

static void active_set(struct vgic *gic, struct vgic_irq *irq, uint32_t intid, uint32_t value)
{
    if (value != 0)
        virq_write(vgic_home(gic, irq), intid, VIRQ_ACTIVE, VIRQ_ACTIVE);
}

static void active_clear(struct vgic *gic, struct vgic_irq *irq, uint32_t intid, uint32_t value)
{
    if (value != 0)
        virq_write(vgic_home(gic, irq), intid, VIRQ_ACTIVE, 0);
}

static uint32_t priority_read(struct vgic *gic, struct vgic_irq *irq, uint32_t intid)
{
    (void)gic, (void)intid;
    return irq->priority;
}

/* The CPU interface of a vCPU has five bits of priority: the others read as zero. */
static void priority_write(struct vgic *gic, struct vgic_irq *irq, uint32_t intid, uint32_t value)
{
    uint8_t priority = value & 0xf8;

    if (irq->priority == priority)
        return;
    irq->priority = priority;
    vgic_push(gic, irq, intid);
}

static uint32_t trigger_read(struct vgic *gic, struct vgic_irq *irq, uint32_t intid)
{
    (void)gic, (void)intid;
    return irq->edge ? 2 : 0;
}

/* SGIs are edge-triggered and our PPIs (timers) level-sensitive for good. */
static void trigger_write(struct vgic *gic, struct vgic_irq *irq, uint32_t intid, uint32_t value)
{
    bool edge = (value & 2) != 0;

    if (intid < VGIC_PRIVATE || irq->edge == edge)
        return;
    if (!irq->edge && irq->line)
        virq_inject(vgic_home(gic, irq), intid, 0);
    irq->edge = edge;
    vgic_push(gic, irq, intid);
    if (!irq->edge && irq->line)
        virq_inject(vgic_home(gic, irq), intid, 1);
}

static const struct field fields[] = {
    {0x080, 1, false, group_read, group_write},      /* IGROUPR */
    {0x100, 1, false, enable_read, enable_set},      /* ISENABLER */
    {0x180, 1, false, enable_read, enable_clear},    /* ICENABLER */
    {0x200, 1, false, pending_read, pending_set},    /* ISPENDR */
    {0x280, 1, false, pending_read, pending_clear},  /* ICPENDR */
    {0x300, 1, false, active_read, active_set},      /* ISACTIVER */
    {0x380, 1, false, active_read, active_clear},    /* ICACTIVER */
    {0x400, 8, true, priority_read, priority_write}, /* IPRIORITYR */
    {0xc00, 2, false, trigger_read, trigger_write},  /* ICFGR */
};

/* The field that an access touches, and its first INTID; NULL: not one of these registers. */
static const struct field *field_find(uint64_t offset, uint32_t size_bytes, uint32_t *first)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const struct field *f = &fields[i];
        uint64_t bytes = VIRQ_MAX * f->bits / 8;

        if (offset < f->offset || offset - f->offset >= bytes)
            continue;
        if (size_bytes != 4 && !(f->byte_access && size_bytes == 1))
            return NULL;
        *first = (uint32_t)(offset - f->offset) * 8 / f->bits;
        return f;
    }
    return NULL;
}

static bool bank_has(const struct vgic_bank *bank, uint32_t intid)
{
    return intid >= bank->first && intid - bank->first < bank->count;
}

uint64_t vgic_bank_read(const struct vgic_bank *bank, uint64_t offset, uint32_t size_bytes)
{
    uint32_t first = 0;
    uint32_t value = 0;
    const struct field *f = field_find(offset, size_bytes, &first);

    for (uint32_t i = 0; f && i < size_bytes * 8 / f->bits; i++)
        if (bank_has(bank, first + i))
            value |= f->read(bank->gic, vgic_irq(bank->gic, bank->vcpu, first + i), first + i)
                     << (i * f->bits);
    return value;
}

void vgic_bank_write(const struct vgic_bank *bank, uint64_t offset, uint32_t size_bytes, uint64_t value)
{
    uint32_t first = 0;
    const struct field *f = field_find(offset, size_bytes, &first);

    for (uint32_t i = 0; f && i < size_bytes * 8 / f->bits; i++) {
        uint32_t part = (uint32_t)(value >> (i * f->bits)) & ((1u << f->bits) - 1);

        if (bank_has(bank, first + i))
            f->write(bank->gic, vgic_irq(bank->gic, bank->vcpu, first + i), first + i, part);
    }
}
