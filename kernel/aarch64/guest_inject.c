/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest_inject.c - exceptions that a guest takes at EL1
 *
 * As the architecture takes a synchronous exception (Arm ARM, AArch64.TakeException): PSTATE and PC are saved
 * in SPSR_EL1 and ELR_EL1, the syndrome says why, and it goes on at the vector.  The answer to an exit may
 * come from another pCPU than the one that has the guest's EL1 registers, so it is only noted (vcpu->inject)
 * and taken before the guest's next instruction.
 */
#include "aarch64/guest.h"

#define EC_UNKNOWN 0x00ull
#define EC_INSTRUCTION_ABORT_LOWER 0x20u
#define EC_INSTRUCTION_ABORT_SAME 0x21u
#define EC_DATA_ABORT_LOWER 0x24ull
#define EC_DATA_ABORT_SAME 0x25ull
#define ISS_WNR (1ull << 6)
#define ISS_EXTERNAL_ABORT 0x10ull

static uint64_t vector_offset(uint64_t pstate)
{
    if (pstate & PSTATE_AARCH32)
        return 0x600;
    switch (pstate & PSTATE_MODE) {
    case PSTATE_EL0:
        return 0x400;
    case PSTATE_EL1T:
        return 0x000;
    default:
        return 0x200;
    }
}

/* The PSTATE that the handler starts with. */
static uint64_t handler_pstate(uint64_t old, uint64_t sctlr)
{
    uint64_t pstate = old & ~(PSTATE_MODE | PSTATE_AARCH32 | PSTATE_BTYPE | PSTATE_IL | PSTATE_SS |
                              PSTATE_UAO | PSTATE_SSBS);

    if (old & PSTATE_AARCH32) /* of A32's state only the flags have a meaning here, and PAN */
        pstate = old & (0xfull << 28 | PSTATE_PAN);
    if (!(sctlr & SCTLR_SPAN) && (read_sysreg(id_aa64mmfr1_el1) >> 20 & 0xfu))
        pstate |= PSTATE_PAN;
    if (sctlr & SCTLR_DSSBS)
        pstate |= PSTATE_SSBS;
    return pstate | PSTATE_EL1H | PSTATE_DAIF;
}

static void take(struct vcpu *vcpu, uint64_t esr, bool has_far, uint64_t far)
{
    struct el1_regs *r = &vcpu->el1;
    uint64_t pstate = vcpu->regs.pstate;
    bool live = guest_is_live(vcpu);

    if (live) {
        r->vbar = read_sysreg(vbar_el1);
        r->sctlr = read_sysreg(sctlr_el1);
    }
    r->spsr = pstate;
    r->elr = vcpu->regs.pc;
    r->esr = esr;
    if (has_far)
        r->far = far;
    if (live) {
        write_sysreg(spsr_el1, r->spsr);
        write_sysreg(elr_el1, r->elr);
        write_sysreg(esr_el1, r->esr);
        if (has_far)
            write_sysreg(far_el1, far);
    }
    vcpu->regs.pc = r->vbar + vector_offset(pstate);
    vcpu->regs.pstate = handler_pstate(pstate, r->sctlr);
}

void guest_inject_undef(struct vcpu *vcpu)
{
    take(vcpu, EC_UNKNOWN << 26 | ESR_IL, false, 0);
}

/* `esr` is what EL2 got for the access: data or instruction, load or store. */
void guest_inject_abort(struct vcpu *vcpu, uint64_t esr, uint64_t far)
{
    bool from_el0 = (vcpu->regs.pstate & PSTATE_AARCH32) || (vcpu->regs.pstate & PSTATE_MODE) == PSTATE_EL0;
    uint32_t ec = ESR_EC(esr);
    uint64_t syndrome = ESR_IL | ISS_EXTERNAL_ABORT;

    if (ec == EC_INSTRUCTION_ABORT_LOWER)
        syndrome |= (uint64_t)(from_el0 ? EC_INSTRUCTION_ABORT_LOWER : EC_INSTRUCTION_ABORT_SAME) << 26;
    else
        syndrome |= (from_el0 ? EC_DATA_ABORT_LOWER : EC_DATA_ABORT_SAME) << 26 | (esr & ISS_WNR);
    take(vcpu, syndrome, true, far);
}

void guest_inject_pending(struct vcpu *vcpu)
{
    uint8_t what = vcpu->inject;

    vcpu->inject = INJECT_NONE;
    if (what == INJECT_UNDEF)
        guest_inject_undef(vcpu);
    else if (what == INJECT_ABORT)
        guest_inject_abort(vcpu, vcpu->exit_esr, vcpu->exit_far);
}
