/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest.c - the EL1 state of guests: which one is loaded on this pCPU
 *
 * Always true:  the registers of cpu->el1_owner are in the hardware, its vcpu->el1 is stale; of every
 *               other guest vcpu->el1 is the truth.  A vCPU is el1_owner only of its own pCPU, and only
 *               that pCPU loads or unloads it.
 * Locking:      kernel_lock (timers of the heap, cpu->el1_owner as others see it).
 */
#include "aarch64/guest.h"

#include "aarch64/cntv.h"
#include "vgic.h"

/* RES1 bits of SCTLR_EL1 in ARMv8.0: MMU and caches off, little endian. */
#define SCTLR_RESET 0x30d00800ull
/* For services: EL0 may read CTR_EL0, maintain caches by address, DC ZVA, WFI and WFE. */
#define SCTLR_SAFE (SCTLR_RESET | 1ull << 14 | 1ull << 15 | 1ull << 16 | 1ull << 18 | 1ull << 26)
#define CPACR_NO_TRAPS (3ull << 20)
#define CNTKCTL_SERVICE 3ull /* EL0 may read both counters */

#define MPIDR_RES1 (1ull << 31)

#define MDCR_TPMCR (1ull << 5)
#define MDCR_TPM (1ull << 6)
#define MDCR_TDA (1ull << 9)
#define MDCR_TDOSA (1ull << 10)
#define MDCR_TDRA (1ull << 11)
#define MDCR_HPMN 0x1full

bool guest_pmu_allowed;

/* No guest is loaded: what services may rely on. */
static void el1_make_safe(void)
{
    write_sysreg(sctlr_el1, SCTLR_SAFE);
    write_sysreg(cpacr_el1, CPACR_NO_TRAPS);
    write_sysreg(cntkctl_el1, CNTKCTL_SERVICE);
    write_sysreg(mdscr_el1, 0);
    write_sysreg(tpidrro_el0, 0);
}

void guest_cpu_init(void)
{
    uint64_t mdcr = (read_sysreg(mdcr_el2) & MDCR_HPMN) | MDCR_TDA | MDCR_TDOSA | MDCR_TDRA;

    if (!guest_pmu_allowed)
        mdcr |= MDCR_TPM | MDCR_TPMCR;
    write_sysreg(mdcr_el2, mdcr);
    write_sysreg(oslar_el1, 0); /* locked at reset, and then a guest cannot single-step */
    write_sysreg(hstr_el2, 0);
    write_sysreg(vpidr_el2, read_sysreg(midr_el1));
    el1_make_safe();
    vgic_init();
    vtimer_cpu_init();
    gic_enable(PPI_MAINTENANCE);
    gic_enable(PPI_VTIMER);
}

void guest_init(struct vcpu *vcpu)
{
    vcpu->el1 = (struct el1_regs){.sctlr = SCTLR_RESET};
    vcpu->regs.pstate = PSTATE_EL1H | PSTATE_DAIF;
    vcpu->inject = INJECT_NONE;
    vgic_reset(vcpu);
    vtimer_reset(vcpu);
}

static void el1_load(const struct el1_regs *r)
{
    write_sysreg(sp_el1, r->sp_el1);
    write_sysreg(elr_el1, r->elr);
    write_sysreg(spsr_el1, r->spsr);
    write_sysreg(sctlr_el1, r->sctlr);
    write_sysreg(ttbr0_el1, r->ttbr0);
    write_sysreg(ttbr1_el1, r->ttbr1);
    write_sysreg(tcr_el1, r->tcr);
    write_sysreg(mair_el1, r->mair);
    write_sysreg(amair_el1, r->amair);
    write_sysreg(vbar_el1, r->vbar);
    write_sysreg(esr_el1, r->esr);
    write_sysreg(far_el1, r->far);
    write_sysreg(afsr0_el1, r->afsr0);
    write_sysreg(afsr1_el1, r->afsr1);
    write_sysreg(par_el1, r->par);
    write_sysreg(contextidr_el1, r->contextidr);
    write_sysreg(tpidr_el1, r->tpidr_el1);
    write_sysreg(tpidrro_el0, r->tpidrro);
    write_sysreg(cpacr_el1, r->cpacr);
    write_sysreg(cntkctl_el1, r->cntkctl);
    write_sysreg(csselr_el1, r->csselr);
    write_sysreg(mdscr_el1, r->mdscr);
}

/* MDSCR_EL1 traps, so its copy is always true; CNTKCTL_EL1 may be a service's already. */
static void el1_save(struct el1_regs *r, bool shielded)
{
    r->sp_el1 = read_sysreg(sp_el1);
    r->elr = read_sysreg(elr_el1);
    r->spsr = read_sysreg(spsr_el1);
    r->sctlr = read_sysreg(sctlr_el1);
    r->ttbr0 = read_sysreg(ttbr0_el1);
    r->ttbr1 = read_sysreg(ttbr1_el1);
    r->tcr = read_sysreg(tcr_el1);
    r->mair = read_sysreg(mair_el1);
    r->amair = read_sysreg(amair_el1);
    r->vbar = read_sysreg(vbar_el1);
    r->esr = read_sysreg(esr_el1);
    r->far = read_sysreg(far_el1);
    r->afsr0 = read_sysreg(afsr0_el1);
    r->afsr1 = read_sysreg(afsr1_el1);
    r->par = read_sysreg(par_el1);
    r->contextidr = read_sysreg(contextidr_el1);
    r->tpidr_el1 = read_sysreg(tpidr_el1);
    r->tpidrro = read_sysreg(tpidrro_el0);
    r->cpacr = read_sysreg(cpacr_el1);
    if (!shielded)
        r->cntkctl = read_sysreg(cntkctl_el1);
    r->csselr = read_sysreg(csselr_el1);
}

static void owner_save(struct cpu *cpu)
{
    struct vcpu *vcpu = cpu->el1_owner;

    el1_save(&vcpu->el1, cpu->el1_shielded);
    vgic_save(vcpu);
    vtimer_save(vcpu);
    cpu->el1_owner = NULL;
    cpu->el1_shielded = false;
}

/*
 * vCPUs of one VM share a VMID but think that each has its own TLB: when another of them ran last on this
 * pCPU what it left behind has to go.
 */
static void tlb_change_hands(struct cpu *cpu, struct vcpu *vcpu)
{
    uint8_t *last = &vcpu->aspace->last_guest[cpu->index];
    uint8_t me = (uint8_t)(vcpu->index + 1u);

    if (*last != 0 && *last != me) {
        write_sysreg(vttbr_el2, aspace_vttbr(vcpu->aspace));
        isb();
        __asm__ volatile("tlbi vmalle1\n\tic iallu" ::: "memory");
        dsb(nsh);
        isb();
    }
    *last = me;
}

void guest_load(struct vcpu *vcpu)
{
    struct cpu *cpu = vcpu->cpu;

    if (cpu->el1_owner == vcpu)
        return;
    if (cpu->el1_owner)
        owner_save(cpu);
    if (vcpu->aspace)
        tlb_change_hands(cpu, vcpu);
    write_sysreg(vmpidr_el2, MPIDR_RES1 | vcpu->index);
    el1_load(&vcpu->el1);
    vgic_load(vcpu);
    vtimer_load(vcpu);
    cpu->el1_owner = vcpu;
}

void guest_unload(struct cpu *cpu)
{
    if (!cpu->el1_owner)
        return;
    owner_save(cpu);
    el1_make_safe();
    isb();
}

void guest_enter_changed(struct vcpu *vcpu)
{
    if (vcpu->inject)
        guest_inject_pending(vcpu);
    vgic_refresh(vcpu);
}

/*
 * With the MMU bit ignored (HCR_EL2.TGE), what is left that a service would notice is: its counter, alignment
 * checks, big-endian data, single-stepping; and FP or cache instructions that trap, which are dealt with when
 * they do.
 */
bool guest_shield_owner(struct cpu *cpu)
{
    struct vcpu *vcpu = cpu->el1_owner;

    if ((read_sysreg(sctlr_el1) & (SCTLR_A | SCTLR_E0E)) || vcpu->el1.mdscr)
        return false;
    vcpu->el1.cntkctl = read_sysreg(cntkctl_el1);
    write_sysreg(cntkctl_el1, CNTKCTL_SERVICE);
    cpu->el1_shielded = true;
    return true;
}

uint64_t *guest_reg(struct vcpu *vcpu, uint32_t reg)
{
    static const uint16_t offset[REG_COUNT] = {
#define AT(field) offsetof(struct el1_regs, field) + 1
        [REG_SP_EL1] = AT(sp_el1),         [REG_ELR_EL1] = AT(elr),
        [REG_SPSR_EL1] = AT(spsr),         [REG_SCTLR_EL1] = AT(sctlr),
        [REG_TTBR0_EL1] = AT(ttbr0),       [REG_TTBR1_EL1] = AT(ttbr1),
        [REG_TCR_EL1] = AT(tcr),           [REG_MAIR_EL1] = AT(mair),
        [REG_AMAIR_EL1] = AT(amair),       [REG_VBAR_EL1] = AT(vbar),
        [REG_ESR_EL1] = AT(esr),           [REG_FAR_EL1] = AT(far),
        [REG_AFSR0_EL1] = AT(afsr0),       [REG_AFSR1_EL1] = AT(afsr1),
        [REG_PAR_EL1] = AT(par),           [REG_CONTEXTIDR_EL1] = AT(contextidr),
        [REG_TPIDR_EL1] = AT(tpidr_el1),   [REG_TPIDRRO_EL0] = AT(tpidrro),
        [REG_CPACR_EL1] = AT(cpacr),       [REG_CNTKCTL_EL1] = AT(cntkctl),
        [REG_CNTV_CTL_EL0] = AT(cntv_ctl), [REG_CNTV_CVAL_EL0] = AT(cntv_cval),
        [REG_CNTP_CTL_EL0] = AT(cntp_ctl), [REG_CNTP_CVAL_EL0] = AT(cntp_cval),
        [REG_CNTVOFF_EL2] = AT(cntvoff),
#undef AT
    };

    if (reg >= REG_COUNT || !offset[reg])
        return NULL;
    return (uint64_t *)((char *)&vcpu->el1 + offset[reg] - 1);
}
