/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest.h - the guest side, as seen from the switch between vCPUs, and among its own files
 *
 * A guest's EL1 registers, timers and list registers stay loaded while services run on its pCPU
 * (cpu->el1_owner), because most exits come back to the same guest.  What of them a service would notice is
 * shielded: see guest_shield().
 */
#ifndef AARCH64_GUEST_H
#define AARCH64_GUEST_H

#include "aarch64/ich.h"
#include "kernel.h"

/* ---- HCR_EL2 (Arm ARM, D13.2.48) --------------------------------------------------------------------- */
#define HCR_VM (1ull << 0)   /* stage 2 */
#define HCR_SWIO (1ull << 1) /* invalidate by set/way also cleans */
#define HCR_PTW (1ull << 2)  /* a stage 1 walk may not read a device */
#define HCR_FMO (1ull << 3)  /* physical interrupts come to EL2, virtual ones are on */
#define HCR_IMO (1ull << 4)
#define HCR_AMO (1ull << 5)
#define HCR_FB (1ull << 9)      /* TLB and cache maintenance is broadcast */
#define HCR_BSU_IS (1ull << 10) /* barriers reach the inner shareable domain at least */
#define HCR_TWI (1ull << 13)
#define HCR_TID3 (1ull << 18)  /* ID registers */
#define HCR_TSC (1ull << 19)   /* SMC */
#define HCR_TIDCP (1ull << 20) /* implementation-defined registers */
#define HCR_TACR (1ull << 21)  /* ACTLR_EL1 */
#define HCR_RW (1ull << 31)    /* EL1 is AArch64 */
#define HCR_GUEST                                                                                            \
    (HCR_VM | HCR_SWIO | HCR_PTW | HCR_FMO | HCR_IMO | HCR_AMO | HCR_FB | HCR_BSU_IS | HCR_TWI | HCR_TID3 |  \
     HCR_TSC | HCR_TIDCP | HCR_TACR | HCR_RW)

/* ---- fields that several files look at ----------------------------------------------------------------- */
#define PSTATE_MODE 0xfull
#define PSTATE_EL0 0x0ull
#define PSTATE_EL1T 0x4ull
#define PSTATE_EL1H 0x5ull
#define PSTATE_AARCH32 (1ull << 4)
#define PSTATE_DAIF (0xfull << 6)
#define PSTATE_BTYPE (3ull << 10)
#define PSTATE_SSBS (1ull << 12)
#define PSTATE_IL (1ull << 20)
#define PSTATE_SS (1ull << 21)
#define PSTATE_PAN (1ull << 22)
#define PSTATE_UAO (1ull << 23)

#define SCTLR_A (1ull << 1)
#define SCTLR_E0E (1ull << 24)
#define SCTLR_SPAN (1ull << 23)
#define SCTLR_DSSBS (1ull << 44)

#define ESR_EC(esr) ((uint32_t)((esr) >> 26 & 0x3fu))
#define ESR_IL (1ull << 25)

#define EC_HVC 0x16u

/* vcpu->inject */
enum { INJECT_NONE = 0, INJECT_UNDEF, INJECT_ABORT };

/* ---- for the switch ------------------------------------------------------------------------------------ */

void guest_enter_changed(struct vcpu *vcpu);
void guest_cpu_init(void); /* each pCPU, after gic_cpu_init */
extern bool guest_pmu_allowed;
bool guest_shield_owner(struct cpu *cpu); /* false: it cannot be, it has to be unloaded */

/* The el1_owner is about to be entered: interrupts and exceptions that came meanwhile. */
static inline void guest_enter(struct vcpu *vcpu)
{
    if (__builtin_expect(vcpu->virqs.dirty, 0))
        guest_enter_changed(vcpu);
}

/* A service is about to be entered: it must not notice the guest whose EL1 state is loaded.  `locked`: with
 * kernel_lock held, which unloading needs. */
static inline void guest_shield(struct cpu *cpu, bool locked)
{
    if (cpu->el1_owner && !cpu->el1_shielded && !guest_shield_owner(cpu)) {
        if (!locked)
            kernel_lock();
        guest_unload(cpu);
        if (!locked)
            kernel_unlock();
    }
}

/* The el1_owner is about to be entered after a service. */
static inline void guest_unshield(struct vcpu *vcpu)
{
    if (vcpu->cpu->el1_shielded) {
        write_sysreg(cntkctl_el1, vcpu->el1.cntkctl);
        vcpu->cpu->el1_shielded = false;
    }
}

/*
 * The pCPU waits at EL2 for an interrupt.  A virtual one that waits for its guest must not end that: hardware
 * would not let it, QEMU does, and the wait becomes a busy loop.  What begin returns goes to end.
 */
static inline uint64_t guest_idle_begin(void)
{
    uint64_t hcr = ich_hcr();

    ich_hcr_write(0);
    isb();
    return hcr;
}

static inline void guest_idle_end(uint64_t hcr)
{
    ich_hcr_write(hcr);
}

/* HVC with a function in SMCCC's vendor-specific hypervisor range is a system call. */
static inline uint32_t guest_call_number(const struct vcpu *vcpu)
{
    return (uint32_t)vcpu->regs.x[0] - HVC_BASE;
}

static inline bool guest_calls_kernel(const struct vcpu *vcpu, uint64_t esr)
{
    return ESR_EC(esr) == EC_HVC && guest_call_number(vcpu) < SYS_COUNT;
}

/* ---- among the guest side's files ------------------------------------------------------------------------
 */

/* Past the instruction that trapped.  A32 and T32 are EL0's only; IT blocks are not advanced. */
static inline void guest_step(struct vcpu *vcpu, uint64_t esr)
{
    vcpu->regs.pc += esr & ESR_IL ? 4u : 2u;
    if (!(vcpu->regs.pstate & PSTATE_AARCH32))
        vcpu->regs.pstate &= ~(PSTATE_SS | PSTATE_BTYPE);
}

/* An access to a system register trapped (EC 0x18). */
void guest_sysreg(struct vcpu *vcpu, uint64_t esr);
/* Take the exception that waits in vcpu->inject, into the registers or their saved copies. */
void guest_inject_pending(struct vcpu *vcpu);

static inline bool guest_is_live(const struct vcpu *vcpu)
{
    return vcpu->cpu == this_cpu() && vcpu->cpu->el1_owner == vcpu;
}

#endif
