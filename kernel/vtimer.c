/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vtimer.c - a guest's two timers
 *
 * The virtual timer is the pCPU's own while the guest is el1_owner, also while services run or the guest
 * sleeps: its PPI 27 comes to EL2, which only drops the priority; the list register is tied to it, so
 * that the guest's end of interrupt lets it fire again.  While another guest owns EL1 a timer of the heap
 * stands in, whose only job is to wake the vCPU: once loaded, the real one fires.
 *
 * The physical timer is emulated with a timer of the heap and PPI 30.
 *
 * Always true:  vtimer_active is set exactly while PPI 27 is active in the physical GIC on this guest's
 *               account (or would be, if the guest were loaded).
 * Locking:      kernel_lock for the heap.
 */
#include "vgic.h"

#include "aarch64/cntv.h"

void vtimer_cpu_init(void)
{
    cntv_ctl_write(0);
    cnthctl_write(CNTHCTL_EL1PCTEN);
}

void vtimer_reset(struct vcpu *vcpu)
{
    vcpu->el1.cntv_ctl = 0;
    vcpu->el1.cntv_cval = 0;
    vcpu->el1.cntp_ctl = 0;
    vcpu->el1.cntp_cval = 0;
    vcpu->el1.cntvoff = now();
    vcpu->vtimer_active = false;
}

static void ptimer_update(struct vcpu *vcpu);

void vtimer_load(struct vcpu *vcpu)
{
    timer_cancel(vcpu->cpu, &vcpu->vtimer);
    if (vcpu->el1.cntp_ctl & CNT_CTL_ENABLE)
        ptimer_update(vcpu); /* vcpu_write may have set it */
    if (vcpu->vtimer_active)
        gic_set_active(PPI_VTIMER, true);
    cntvoff_write(vcpu->el1.cntvoff);
    cntv_cval_write(vcpu->el1.cntv_cval);
    cntv_ctl_write(vcpu->el1.cntv_ctl);
}

/* After vgic_save: vtimer_active is up to date. */
void vtimer_save(struct vcpu *vcpu)
{
    uint64_t ctl = cntv_ctl() & (CNT_CTL_ENABLE | CNT_CTL_IMASK);

    cntv_ctl_write(0);
    isb();
    vcpu->el1.cntv_ctl = ctl;
    vcpu->el1.cntv_cval = cntv_cval();
    if (vcpu->vtimer_active)
        gic_set_active(PPI_VTIMER, false); /* for the next owner; its own comes back with vtimer_load */
    else if (ctl == CNT_CTL_ENABLE)
        timer_queue(vcpu->cpu, &vcpu->vtimer, vcpu->el1.cntv_cval + vcpu->el1.cntvoff);
}

void vtimer_forget(struct vcpu *vcpu)
{
    vcpu->vtimer_active = false;
    vcpu->virqs.line[0] &= ~(1ull << PPI_VTIMER);
    gic_set_active(PPI_VTIMER, false);
}

void vtimer_fired(struct cpu *cpu)
{
    struct vcpu *vcpu = cpu->el1_owner;

    if (!vcpu || !cntv_asserted()) { /* it was on its way while the owner changed */
        gic_set_active(PPI_VTIMER, false);
        return;
    }
    if (!vgic_set_vtimer(vcpu) || vcpu->state != VCPU_WFI)
        return;
    kernel_lock();
    if (vcpu->state == VCPU_WFI)
        vcpu_wake(vcpu);
    kernel_unlock();
}

/* ---- the physical timer ---------------------------------------------------------------------------------
 */

static bool ptimer_is_due(const struct vcpu *vcpu)
{
    return (vcpu->el1.cntp_ctl & CNT_CTL_ENABLE) && now() >= vcpu->el1.cntp_cval;
}

/* kernel_lock held */
static void ptimer_update(struct vcpu *vcpu)
{
    bool due = ptimer_is_due(vcpu);

    if ((vcpu->el1.cntp_ctl & CNT_CTL_ENABLE) && !due)
        timer_queue(vcpu->cpu, &vcpu->ptimer, vcpu->el1.cntp_cval);
    else
        timer_cancel(vcpu->cpu, &vcpu->ptimer);
    vgic_set(vcpu, PPI_PTIMER, due && !(vcpu->el1.cntp_ctl & CNT_CTL_IMASK));
}

uint64_t ptimer_ctl(struct vcpu *vcpu)
{
    return vcpu->el1.cntp_ctl | (ptimer_is_due(vcpu) ? CNT_CTL_ISTATUS : 0u);
}

void ptimer_set(struct vcpu *vcpu, uint64_t ctl, uint64_t cval)
{
    kernel_lock();
    vcpu->el1.cntp_ctl = ctl & (CNT_CTL_ENABLE | CNT_CTL_IMASK);
    vcpu->el1.cntp_cval = cval;
    ptimer_update(vcpu);
    kernel_unlock();
}

void guest_timer_expired(struct vcpu *vcpu, struct timer *timer)
{
    if (timer == &vcpu->ptimer)
        ptimer_update(vcpu);
    else if (vcpu->state == VCPU_WFI)
        vcpu_wake(vcpu); /* a WFI that ends without an interrupt is allowed, should PPI 27 be disabled */
}
