/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load.h - from one vCPU's context to another's, as short as it can be
 *
 * General registers are vectors.S's.  Here is the rest, each part only when it differs.
 */
#ifndef AARCH64_LOAD_H
#define AARCH64_LOAD_H

#include "guest.h"

#define HCR_DC (1ull << 12)
#define HCR_TGE (1ull << 27)
#define HCR_SERVICE (HCR_VM | HCR_FMO | HCR_IMO | HCR_AMO | HCR_DC | HCR_TGE | HCR_RW)

#define CPTR_RES1 0x33ffull
#define CPTR_TFP (1ull << 10)

/*
 * Services read the physical counter.  Without VHE that is CNTHCTL_EL2.EL1PCTEN's to allow, but QEMU asks
 * EL1PCEN when EL0 reads it, which must be 0 for guests: their physical timer is emulated.
 */
#define CNTHCTL_GUEST 1u
#define CNTHCTL_SERVICE 3u

static inline void regime_guest(void)
{
    write_sysreg(hcr_el2, HCR_GUEST);
    write_sysreg(cnthctl_el2, CNTHCTL_GUEST);
}

static inline void regime_service(void)
{
    write_sysreg(hcr_el2, HCR_SERVICE);
    write_sysreg(cnthctl_el2, CNTHCTL_SERVICE);
}

static inline void aspace_switch(struct cpu *cpu, struct aspace *aspace)
{
    /* Named first, then judged: see vmid_begin_generation. */
    __atomic_store_n(&cpu->aspace_loaded, aspace, __ATOMIC_SEQ_CST);
    if (__builtin_expect(__atomic_load_n(&aspace->vmid_generation, __ATOMIC_SEQ_CST) ==
                             __atomic_load_n(&vmid_generation, __ATOMIC_SEQ_CST),
                         1))
        write_sysreg(vttbr_el2, aspace->vttbr);
    else
        write_sysreg(vttbr_el2, aspace_load(cpu, aspace));
}

/* A guest's timers go in and out of the heap with it. */
static inline void guest_load_locked(struct vcpu *vcpu, bool locked)
{
    if (!locked)
        kernel_lock();
    guest_load(vcpu);
    if (!locked)
        kernel_unlock();
}

/* What is the same for services and guests. */
static inline void switch_rest(struct cpu *cpu, struct vcpu *old, struct vcpu *vcpu)
{
    if (cpu->aspace_loaded != vcpu->aspace || vcpu->aspace->vmid_generation != vmid_generation)
        aspace_switch(cpu, vcpu->aspace);
    if (cpu->fp_owner == vcpu)
        write_sysreg(cptr_el2, CPTR_RES1);
    else if (cpu->fp_owner == old)
        write_sysreg(cptr_el2, CPTR_RES1 | CPTR_TFP);
    __atomic_store_n(&cpu->loaded, vcpu, __ATOMIC_RELEASE);
}

/* context_switch between two services: the way of most messages. */
static inline void service_switch(struct cpu *cpu, struct vcpu *old, struct vcpu *vcpu)
{
    old->tpidr_el0 = read_sysreg(tpidr_el0);
    write_sysreg(tpidr_el0, vcpu->tpidr_el0);
    switch_rest(cpu, old, vcpu);
}

/*
 * `old` is loaded (cpu->loaded), `vcpu` is to be.  Until that is written here other pCPUs leave `old` alone
 * (vcpu_is_off_cpu), so this needs no lock but where a guest changes.  `locked`: kernel_lock is held.
 */
static inline void context_switch(struct cpu *cpu, struct vcpu *old, struct vcpu *vcpu, bool locked)
{
    old->tpidr_el0 = read_sysreg(tpidr_el0);
    write_sysreg(tpidr_el0, vcpu->tpidr_el0);
    if (vcpu->kind == VCPU_GUEST) {
        if (cpu->el1_owner != vcpu)
            guest_load_locked(vcpu, locked);
        else
            guest_unshield(vcpu);
        regime_guest();
    } else if (old->kind == VCPU_GUEST) {
        guest_shield(cpu, locked);
        regime_service();
    }
    switch_rest(cpu, old, vcpu);
}

#endif
