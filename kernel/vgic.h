/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vgic.h - what the rest of the guest side asks of the virtual interrupts
 */
#ifndef VGIC_H
#define VGIC_H

#include "kernel.h"

enum { PPI_PTIMER = 30 };

/* Handlers run with interrupts off, so a plain spin is enough. */
static inline void virqs_lock(struct virqs *q)
{
    while (__atomic_exchange_n(&q->lock, 1, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(&q->lock, __ATOMIC_RELAXED))
            ;
}
static inline void virqs_unlock(struct virqs *q)
{
    __atomic_store_n(&q->lock, 0, __ATOMIC_RELEASE);
}

void vgic_init(void);                 /* per pCPU */
void vgic_reset(struct vcpu *vcpu);   /* no interrupt enabled, pending or active */
void vgic_load(struct vcpu *vcpu);    /* its interface becomes this pCPU's */
void vgic_save(struct vcpu *vcpu);    /* and is taken away again */
void vgic_refresh(struct vcpu *vcpu); /* el1_owner: bring the list registers up to date */

/* An SGI of the vCPU that runs here, to itself; kernel_lock not needed. */
void vgic_set_self(struct vcpu *vcpu, uint32_t intid);
/* el1_owner: its timer's interrupt is active in the physical GIC.  True: it would wake from WFI. */
bool vgic_set_vtimer(struct vcpu *vcpu);
/* el1_owner: the guest deactivates an interrupt that has no list register (trapped ICC_DIR_EL1). */
void vgic_deactivate(struct vcpu *vcpu, uint32_t intid);

/* Of any vCPU, kernel_lock held.  flags, mask: VIRQ_*. */
void vgic_configure(struct vcpu *vcpu, uint32_t intid, uint32_t flags, uint8_t priority);
uint32_t vgic_read(struct vcpu *vcpu, uint32_t intid);
void vgic_write(struct vcpu *vcpu, uint32_t intid, uint32_t mask, uint32_t flags);

/* vtimer.c */
void vtimer_cpu_init(void);
void vtimer_reset(struct vcpu *vcpu);
void vtimer_load(struct vcpu *vcpu);
void vtimer_save(struct vcpu *vcpu);
/* el1_owner: the timer's interrupt went away before the guest took it; the physical one is deactivated. */
void vtimer_forget(struct vcpu *vcpu);
/* The emulated physical timer; the vCPU runs here. */
uint64_t ptimer_ctl(struct vcpu *vcpu);
void ptimer_set(struct vcpu *vcpu, uint64_t ctl, uint64_t cval);

#endif
