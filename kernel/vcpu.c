/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vcpu.c - a thread of a service, or a processor of a VM
 *
 * Always true:  a configured vCPU stays on its pCPU; one that is not suspended has an address space; nobody
 *               but its pCPU touches its registers while it runs.
 * Locking:      kernel_lock.
 */
#include "aarch64/guest.h"
#include "cpu.h"
#include "ipc.h"
#include "sys.h"

enum { PREEMPT_EVERY = 32 };

bool vcpu_is_off_cpu(struct vcpu *vcpu)
{
    struct cpu *cpu = vcpu->cpu;

    /* loaded and fp_owner change without kernel_lock, after what they stood for has been saved. */
    if (!cpu || cpu == this_cpu() ||
        (cpu->current != vcpu && cpu->el1_owner != vcpu &&
         __atomic_load_n(&cpu->loaded, __ATOMIC_ACQUIRE) != vcpu &&
         __atomic_load_n(&cpu->fp_owner, __ATOMIC_ACQUIRE) != vcpu))
        return true;
    cpu->evict = true; /* it saves what it has of its guest and FP owner when it comes in */
    cpu->resched = true;
    cpu_kick(cpu);
    return false;
}

/* Stop it.  RESTART while it is still running on another pCPU. */
static enum status halt(struct vcpu *vcpu)
{
    if (!vcpu->configured)
        return OK;
    if (vcpu->state != VCPU_SUSPENDED) {
        vcpu_abort_wait(vcpu, ERR_STATE);
        vcpu_block(vcpu, VCPU_SUSPENDED);
    }
    return vcpu_is_off_cpu(vcpu) ? OK : RESTART;
}

enum status vcpu_destroy(struct vcpu *vcpu)
{
    enum status status = halt(vcpu);

    if (status != OK)
        return status;
    ipc_orphan_caller(vcpu);
    for (unsigned steps = 1; vcpu->virq_sources; steps++) {
        notification_unlink_virq(vcpu->virq_sources);
        if (steps % PREEMPT_EVERY == 0 && preempt_wanted())
            return RESTART;
    }
    if (vcpu->bound)
        vcpu->bound->bound = NULL;
    if (vcpu->sc)
        sc_detach(vcpu->sc);
    if (vcpu->configured) {
        timer_cancel(vcpu->cpu, &vcpu->timer);
        timer_cancel(vcpu->cpu, &vcpu->ptimer);
        timer_cancel(vcpu->cpu, &vcpu->vtimer);
        cpu_forget(vcpu->cpu, vcpu);
    }
    if (vcpu->aspace && vcpu->kind == VCPU_GUEST)
        vcpu->aspace->vcpus[vcpu->index] = NULL;
    struct slot *embedded[] = {&vcpu->cspace_cap, &vcpu->aspace_cap, &vcpu->exits_cap, &vcpu->ipcbuf_cap};
    for (unsigned i = 0; i < 4; i++) {
        status = slot_delete(embedded[i]);
        if (status != OK)
            return status;
    }
    vcpu->configured = false;
    return OK;
}

enum status sys_vcpu_configure(struct vcpu *vcpu, uint32_t kind, uint32_t index, uint32_t pcpu,
                               struct slot *cspace, struct slot *aspace, struct slot *exits)
{
    struct aspace *space = slot_object(aspace);

    if (kind > VCPU_GUEST || index >= VCPU_INDEX_MAX || pcpu >= cpu_count)
        return ERR_ARG;
    if (vcpu->configured)
        return ERR_STATE;
    if (kind == VCPU_GUEST && space->vcpus[index])
        return ERR_FULL;

    vcpu->kind = (uint8_t)kind;
    vcpu->index = (uint8_t)index;
    vcpu->cpu = &cpus[pcpu];
    vcpu->kernel_stack = vcpu->cpu->stack_top;
    slot_embed(&vcpu->cspace_cap, cspace, EMBED_VCPU_CSPACE, 0);
    slot_embed(&vcpu->aspace_cap, aspace, EMBED_VCPU_ASPACE, 0);
    slot_embed(&vcpu->exits_cap, exits, EMBED_VCPU_EXITS, 0);
    vcpu->cspace = slot_object(cspace);
    vcpu->aspace = space;
    vcpu->timer.role = TIMER_WAIT;
    vcpu->ptimer.role = TIMER_PTIMER;
    vcpu->vtimer.role = TIMER_VTIMER;
    if (kind == VCPU_GUEST) {
        space->vcpus[index] = vcpu;
        guest_init(vcpu);
    }
    vcpu->configured = true;
    return OK;
}

enum status sys_vcpu_set_ipcbuf(struct vcpu *vcpu, struct slot *frame)
{
    if (frame->size_bits != FRAME_4K || frame->flags & (SLOT_DEVICE | SLOT_BUNDLE))
        return ERR_ARG;
    if (vcpu->ipcbuf)
        return ERR_STATE;
    slot_embed(&vcpu->ipcbuf_cap, frame, EMBED_VCPU_IPCBUF, 0);
    vcpu->ipcbuf = (struct ipc_buffer *)frame->object;
    return OK;
}

/* Where a register is kept; NULL when there is no such register for this kind of vCPU. */
static uint64_t *register_of(struct vcpu *vcpu, uint32_t reg)
{
    if (reg < 31)
        return &vcpu->regs.x[reg];
    if (reg == REG_SP_EL0)
        return &vcpu->regs.sp_el0;
    if (reg == REG_PC)
        return &vcpu->regs.pc;
    if (reg == REG_PSTATE)
        return &vcpu->regs.pstate;
    if (reg == REG_TPIDR_EL0)
        return &vcpu->tpidr_el0;
    return vcpu->kind == VCPU_GUEST ? guest_reg(vcpu, reg) : NULL;
}

/* OK when its registers may be touched: suspended, and no pCPU has a live copy. */
static enum status settle(struct vcpu *vcpu)
{
    if (!vcpu->configured || vcpu->state != VCPU_SUSPENDED)
        return ERR_STATE;
    if (!vcpu_is_off_cpu(vcpu))
        return RESTART;
    cpu_save(vcpu->cpu, vcpu);
    if (vcpu->kind == VCPU_GUEST)
        guest_inject_pending(vcpu); /* so that PC and the rest are what they will be */
    return OK;
}

enum status sys_vcpu_read(struct vcpu *vcpu, uint32_t reg, uint64_t *out)
{
    enum status status = settle(vcpu);

    if (status != OK)
        return status;
    const uint64_t *place = register_of(vcpu, reg);
    if (!place)
        return ERR_ARG;
    out[0] = *place;
    return OK;
}

/* What a PSTATE may be: EL0t for services; EL0t, EL1t, EL1h, AArch64, for guests. */
static bool pstate_check(const struct vcpu *vcpu, uint64_t value)
{
    uint64_t mode = value & 0x1f;

    if (value & ~0xf03003dfull)
        return false;
    if (vcpu->kind == VCPU_SERVICE)
        return mode == 0 && (value & 0x3c0) == 0;
    return mode == 0 || mode == 4 || mode == 5;
}

enum status sys_vcpu_write(struct vcpu *vcpu, uint32_t reg, uint64_t value)
{
    enum status status = settle(vcpu);

    if (status != OK)
        return status;
    uint64_t *place = register_of(vcpu, reg);
    if (!place || (reg == REG_PSTATE && !pstate_check(vcpu, value)))
        return ERR_ARG;
    *place = value;
    return OK;
}

enum status sys_vcpu_resume(struct vcpu *vcpu)
{
    if (!vcpu->configured || !vcpu->aspace || vcpu->state != VCPU_SUSPENDED)
        return ERR_STATE;
    if (!vcpu_is_off_cpu(vcpu))
        return RESTART;
    vcpu_wake(vcpu);
    return OK;
}

enum status sys_vcpu_suspend(struct vcpu *vcpu)
{
    if (!vcpu->configured)
        return ERR_STATE;
    return halt(vcpu);
}

enum status sys_vcpu_bind_notification(struct vcpu *vcpu, struct notification *notification)
{
    if (vcpu->bound || notification->bound || notification->virq_vcpu)
        return ERR_STATE;
    vcpu->bound = notification;
    notification->bound = vcpu;
    notification_signal(notification, 0); /* it may be waiting, and bits be there */
    return OK;
}

enum status embedded_gone(struct slot *slot)
{
    switch ((enum embed_role)slot->role) {
    case EMBED_VCPU_CSPACE:
        ((struct vcpu *)((char *)slot - offsetof(struct vcpu, cspace_cap)))->cspace = NULL;
        return OK;
    case EMBED_VCPU_IPCBUF:
        ((struct vcpu *)((char *)slot - offsetof(struct vcpu, ipcbuf_cap)))->ipcbuf = NULL;
        return OK;
    case EMBED_VCPU_ASPACE: {
        struct vcpu *vcpu = (struct vcpu *)((char *)slot - offsetof(struct vcpu, aspace_cap));
        enum status status = halt(vcpu);

        if (status != OK)
            return status;
        cpu_forget(vcpu->cpu, vcpu);
        if (vcpu->kind == VCPU_GUEST && vcpu->aspace)
            vcpu->aspace->vcpus[vcpu->index] = NULL;
        vcpu->aspace = NULL;
        return OK;
    }
    case EMBED_DOORBELL:
        doorbell_gone(slot);
        return OK;
    case EMBED_ASPACE_DONATION:
        return aspace_donation_gone(slot);
    case EMBED_IOSPACE_DONATION:
        return iospace_donation_gone(slot);
    case EMBED_VCPU_EXITS:
    case EMBED_NOTIFY:
        return OK;
    }
    return OK;
}
