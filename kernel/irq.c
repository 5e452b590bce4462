/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * irq.c - physical interrupts as capabilities
 *
 * An interrupt that fires is masked, and signals the Notification it is bound to; irq_ack unmasks it.
 *
 * Always true:  an SPI is unmasked only while it has a capability, a Notification, and no unacknowledged
 * firing. Locking:      kernel_lock.
 */
#include "aarch64/irq.h"

#include "dispatcher.h"
#include "ipc.h"
#include "sys.h"

enum { IRQ_MAX = 288 };
struct irq {
    struct object object;
    bool claimed;
    uint32_t intid;
    struct slot notify_cap;
};
static struct irq irqs[IRQ_MAX];

static void spi_fired(uint32_t intid)
{
    if (intid == SMMU_IRQ_EVENT || intid == SMMU_IRQ_ERROR) {
        smmu_handle_events();
        return;
    }
    gic_disable(intid);
    if (intid < IRQ_MAX && irqs[intid].notify_cap.kind == CAP_NOTIFICATION)
        notification_signal(slot_object(&irqs[intid].notify_cap), irqs[intid].notify_cap.badge);
}

/* `intid` has been acknowledged.  kernel_lock. */
static void handle(struct cpu *cpu, uint32_t intid)
{
    gic_priority_drop(intid);
    switch (intid) {
    case SGI_KICK:
        __atomic_store_n(&cpu->kick, 0, __ATOMIC_RELEASE); /* whoever kicked has set resched if it matters */
        break;
    case PPI_HYP_TIMER:
        cpu->timer_armed = BH_FOREVER;
        hyp_timer_arm(BH_FOREVER);
        cpu->resched = true;
        break;
    case PPI_VTIMER:
        kernel_unlock(); /* it takes the lock by itself, if it must */
        vtimer_fired(cpu);
        kernel_lock();
        return; /* the guest deactivates it */
    case PPI_MAINTENANCE:
        vgic_maintenance(cpu);
        break;
    default:
        if (intid >= 32)
            spi_fired(intid);
        break;
    }
    gic_deactivate(intid);
}

bool irq_take_vtimer(uint32_t *intid)
{
    *intid = gic_acknowledge();
    if (*intid != PPI_VTIMER)
        return false;
    gic_priority_drop(PPI_VTIMER);
    vtimer_fired(this_cpu());
    return true;
}

void irq_handle(uint32_t intid)
{
    struct cpu *cpu = this_cpu();

    while (intid < 1020) {
        handle(cpu, intid);
        intid = gic_acknowledge();
    }
}

void timers_expire(struct cpu *cpu, uint64_t t)
{
    while (cpu->timers && cpu->timers->when <= t) {
        struct timer *timer = cpu->timers;

        timer_cancel(cpu, timer);
        switch ((enum timer_role)timer->role) {
        case TIMER_WAIT:
            ipc_timeout((struct vcpu *)((char *)timer - offsetof(struct vcpu, timer)), t);
            break;
        case TIMER_PTIMER:
            guest_timer_expired((struct vcpu *)((char *)timer - offsetof(struct vcpu, ptimer)), timer);
            break;
        case TIMER_VTIMER:
            guest_timer_expired((struct vcpu *)((char *)timer - offsetof(struct vcpu, vtimer)), timer);
            break;
        }
    }
}

void irq_destroy(struct irq *irq)
{
    enum status status = slot_delete(&irq->notify_cap);

    assert(status == OK); /* a Notification goes without a preemption point */
    gic_disable(irq->intid);
    irq->claimed = false;
}

enum status sys_irq_claim(struct control *control, uint32_t intid, struct cspace *dest, uint32_t slot)
{
    struct slot *to = cspace_slot(dest, slot);

    (void)control;
    if (intid < 32 || intid >= IRQ_MAX || intid == SMMU_IRQ_EVENT || intid == SMMU_IRQ_ERROR || !to)
        return ERR_ARG;
    if (to->kind != CAP_NONE)
        return ERR_FULL;
    if (irqs[intid].claimed)
        return ERR_EXIST;
    irqs[intid].claimed = true;
    irqs[intid].intid = intid;
    irqs[intid].object.kind = CAP_IRQ;
    *to = (struct slot){.kind = CAP_IRQ, .rights = RIGHT_ALL, .object = (uint64_t)&irqs[intid]};
    slot_insert(to, NULL);
    return OK;
}

enum status sys_irq_bind(struct irq *irq, struct slot *notification)
{
    if (irq->notify_cap.kind != CAP_NONE) {
        enum status status = slot_delete(&irq->notify_cap);

        if (status != OK)
            return status;
    }
    slot_embed(&irq->notify_cap, notification, EMBED_NOTIFY, 0);
    gic_enable(irq->intid);
    return OK;
}

enum status sys_irq_ack(struct irq *irq)
{
    if (irq->notify_cap.kind != CAP_NOTIFICATION)
        return ERR_STATE;
    gic_enable(irq->intid);
    return OK;
}
