/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest_sysreg.c - system registers that trap (EC 0x18)
 *
 * ID registers show what the hardware has, less what a guest cannot have here; the physical timer is
 * emulated; debug registers read as zero, but single-stepping works; all that we do not know is undefined, as
 * on hardware without it.
 */
#include "aarch64/cntv.h"
#include "aarch64/guest.h"
#include "vgic.h"

/* The fields of the syndrome that name a register; also those of MRS and MSR. */
#define SYSREG(op0, op1, crn, crm, op2)                                                                      \
    ((uint32_t)(op0) << 20 | (uint32_t)(op2) << 17 | (uint32_t)(op1) << 14 | (uint32_t)(crn) << 10 |         \
     (uint32_t)(crm) << 1)
#define ISS_SYSREG(esr) ((uint32_t)((esr)&0x3ffc1eu))
#define ISS_REGISTER(esr) ((uint32_t)((esr) >> 5 & 31u))
#define ISS_READ 1u
#define SYSREG_CRM(r) ((r) >> 1 & 15u)
#define SYSREG_OP2(r) ((r) >> 17 & 7u)
#define XZR 31u

#define ACTLR_EL1 SYSREG(3, 0, 1, 0, 1)
#define ICC_SGI1R_EL1 SYSREG(3, 0, 12, 11, 5)
#define ICC_ASGI1R_EL1 SYSREG(3, 0, 12, 11, 6)
#define ICC_SGI0R_EL1 SYSREG(3, 0, 12, 11, 7)
#define ICC_DIR_EL1 SYSREG(3, 0, 12, 11, 1)
#define ICC_SRE_EL1 SYSREG(3, 0, 12, 12, 5)
#define CNTPCT_EL0 SYSREG(3, 3, 14, 0, 1)
#define CNTP_TVAL_EL0 SYSREG(3, 3, 14, 2, 0)
#define CNTP_CTL_EL0 SYSREG(3, 3, 14, 2, 1)
#define CNTP_CVAL_EL0 SYSREG(3, 3, 14, 2, 2)
#define MDSCR_EL1 SYSREG(2, 0, 0, 2, 2)
#define MDCCINT_EL1 SYSREG(2, 0, 0, 2, 0)
#define OSDTRRX_EL1 SYSREG(2, 0, 0, 0, 2)
#define OSDTRTX_EL1 SYSREG(2, 0, 0, 3, 2)
#define OSECCR_EL1 SYSREG(2, 0, 0, 6, 2)
#define MDRAR_EL1 SYSREG(2, 0, 1, 0, 0)
#define OSLAR_EL1 SYSREG(2, 0, 1, 0, 4)
#define OSLSR_EL1 SYSREG(2, 0, 1, 1, 4)
#define OSDLR_EL1 SYSREG(2, 0, 1, 3, 4)
#define DBGPRCR_EL1 SYSREG(2, 0, 1, 4, 4)
#define DBGCLAIMSET_EL1 SYSREG(2, 0, 7, 8, 6)
#define DBGCLAIMCLR_EL1 SYSREG(2, 0, 7, 9, 6)
#define DBGAUTHSTATUS_EL1 SYSREG(2, 0, 7, 14, 6)
#define MDCCSR_EL0 SYSREG(2, 3, 0, 1, 0)
#define DBGDTR_EL0 SYSREG(2, 3, 0, 4, 0)
#define DBGDTRTX_EL0 SYSREG(2, 3, 0, 5, 0)

#define MDSCR_SS 1ull
#define OSLSR_IMPLEMENTED 8ull /* OS lock there, and unlocked */

/* ---- ID registers ----------------------------------------------------------------------------------------
 */

#define FIELD(shift) (0xfull << (shift))

/* What of each 64-bit ID register a guest may see; zero in a field means that the feature is not there. */
#define PFR0_SHOWN                                                                                           \
    (FIELD(0) | FIELD(4) | FIELD(16) | FIELD(20) | FIELD(24) | FIELD(48) | FIELD(56) | FIELD(60))
#define PFR1_SHOWN (FIELD(0) | FIELD(4))               /* BT, SSBS */
#define DFR0_SHOWN (FIELD(12) | FIELD(20) | FIELD(28)) /* BRPs, WRPs, CTX_CMPs */
#define DFR0_PMU FIELD(8)
#define ISAR0_SHOWN (~FIELD(24))                                      /* not TME */
#define ISAR1_SHOWN (~(FIELD(4) | FIELD(8) | FIELD(24) | FIELD(28)))  /* not pointer authentication */
#define MMFR0_SHOWN (0xffffffffull | FIELD(44))                       /* not the stage 2 granules, FGT, ECV */
#define MMFR1_SHOWN (~(FIELD(8) | FIELD(16) | FIELD(32) | FIELD(40))) /* not VHE, LORegions, TWED, HCX */
#define MMFR2_SHOWN (~(FIELD(24) | FIELD(40) | FIELD(56)))            /* not NV, FWB, EVT */
#define DFR0_DEBUG_V8 6ull

static uint64_t id_dfr0(void)
{
    uint64_t shown = DFR0_SHOWN | (guest_pmu_allowed ? DFR0_PMU : 0u);

    return (read_sysreg(id_aa64dfr0_el1) & shown) | DFR0_DEBUG_V8;
}

/* A row of AArch32's: what EL0 in A32 can do, unchanged but for the PMU (ID_DFR0_EL1[27:24]). */
#define A32_CASE(crm, op2, mask)                                                                             \
    case SYSREG(3, 0, 0, crm, op2):                                                                          \
        return read_sysreg(s3_0_c0_c##crm##_##op2) & (mask);

static uint64_t id_read(uint32_t reg)
{
    switch (reg) {
        A32_CASE(1, 0, ~0ull)
        A32_CASE(1, 1, ~0ull)
        A32_CASE(1, 2, ~FIELD(24))
        A32_CASE(1, 3, ~0ull)
        A32_CASE(1, 4, ~0ull)
        A32_CASE(1, 5, ~0ull)
        A32_CASE(1, 6, ~0ull)
        A32_CASE(1, 7, ~0ull)
        A32_CASE(2, 0, ~0ull)
        A32_CASE(2, 1, ~0ull)
        A32_CASE(2, 2, ~0ull)
        A32_CASE(2, 3, ~0ull)
        A32_CASE(2, 4, ~0ull)
        A32_CASE(2, 5, ~0ull)
        A32_CASE(2, 6, ~0ull)
        A32_CASE(2, 7, ~0ull)
        A32_CASE(3, 0, ~0ull)
        A32_CASE(3, 1, ~0ull)
        A32_CASE(3, 2, ~0ull)
        A32_CASE(4, 0, PFR0_SHOWN)
        A32_CASE(4, 1, PFR1_SHOWN)
        A32_CASE(6, 0, ISAR0_SHOWN)
        A32_CASE(6, 1, ISAR1_SHOWN)
        A32_CASE(7, 0, MMFR0_SHOWN)
        A32_CASE(7, 1, MMFR1_SHOWN)
        A32_CASE(7, 2, MMFR2_SHOWN)
    case SYSREG(3, 0, 0, 5, 0):
        return id_dfr0();
    default:
        return 0; /* reserved ones read as zero: SVE, SME, later ISARs */
    }
}

static bool is_id(uint32_t reg)
{
    return (reg & ~SYSREG(0, 0, 0, 7, 7)) == SYSREG(3, 0, 0, 0, 0) && SYSREG_CRM(reg) != 0;
}

/* ---- debug registers -------------------------------------------------------------------------------------
 */

static bool is_breakpoint(uint32_t reg)
{
    uint32_t op2 = SYSREG_OP2(reg);

    return (reg & ~SYSREG(0, 0, 0, 15, 7)) == SYSREG(2, 0, 0, 0, 0) && op2 >= 4;
}

static bool is_debug(uint32_t reg)
{
    switch (reg) {
    case MDSCR_EL1:
    case MDCCINT_EL1:
    case OSDTRRX_EL1:
    case OSDTRTX_EL1:
    case OSECCR_EL1:
    case MDRAR_EL1:
    case OSLAR_EL1:
    case OSLSR_EL1:
    case OSDLR_EL1:
    case DBGPRCR_EL1:
    case DBGCLAIMSET_EL1:
    case DBGCLAIMCLR_EL1:
    case DBGAUTHSTATUS_EL1:
    case MDCCSR_EL0:
    case DBGDTR_EL0:
    case DBGDTRTX_EL0:
        return true;
    default:
        return is_breakpoint(reg);
    }
}

static uint64_t debug_read(const struct vcpu *vcpu, uint32_t reg)
{
    if (reg == MDSCR_EL1)
        return vcpu->el1.mdscr;
    return reg == OSLSR_EL1 ? OSLSR_IMPLEMENTED : 0;
}

/* Breakpoints are not kept, so enabling them changes nothing; single-stepping does without. */
static void debug_write(struct vcpu *vcpu, uint32_t reg, uint64_t value)
{
    if (reg != MDSCR_EL1)
        return;
    vcpu->el1.mdscr = value & (MDSCR_SS | 1ull << 13);
    write_sysreg(mdscr_el1, vcpu->el1.mdscr);
}

/* ---- software-generated interrupts
 * ------------------------------------------------------------------------- */

#define SGIR_IRM (1ull << 40)
/* Aff3, RS, Aff2, Aff1: all vCPUs of a VM have zero there. */
#define SGIR_ELSEWHERE (0xffull << 48 | 0xfull << 44 | 0xffull << 32 | 0xffull << 16)
#define SGIR_INTID(v) ((uint32_t)((v) >> 24 & 15u))

static void sgi_others(struct vcpu *vcpu, uint32_t intid, uint32_t targets)
{
    kernel_lock();
    for (; targets && vcpu->aspace; targets &= targets - 1) {
        struct vcpu *to = vcpu->aspace->vcpus[__builtin_ctz(targets)];

        if (to)
            vgic_set(to, intid, true);
    }
    kernel_unlock();
}

static void sgi_send(struct vcpu *vcpu, uint64_t value)
{
    uint32_t me = 1u << vcpu->index;
    uint32_t targets = (uint32_t)(value & 0xffffu);

    if (value & SGIR_IRM)
        targets = 0xffffu & ~me;
    else if (value & SGIR_ELSEWHERE)
        return;
    if (targets & me)
        vgic_set_self(vcpu, SGIR_INTID(value));
    if (targets & ~me)
        sgi_others(vcpu, SGIR_INTID(value), targets & ~me);
}

/* ---- the physical timer
 * -------------------------------------------------------------------------------------- */

static uint64_t ptimer_read(struct vcpu *vcpu, uint32_t reg)
{
    switch (reg) {
    case CNTP_CTL_EL0:
        return ptimer_ctl(vcpu);
    case CNTP_CVAL_EL0:
        return vcpu->el1.cntp_cval;
    default:
        return (uint32_t)(vcpu->el1.cntp_cval - now());
    }
}

static void ptimer_write(struct vcpu *vcpu, uint32_t reg, uint64_t value)
{
    switch (reg) {
    case CNTP_CTL_EL0:
        ptimer_set(vcpu, value, vcpu->el1.cntp_cval);
        break;
    case CNTP_CVAL_EL0:
        ptimer_set(vcpu, vcpu->el1.cntp_ctl, value);
        break;
    default:
        ptimer_set(vcpu, vcpu->el1.cntp_ctl, now() + (uint64_t)(int64_t)(int32_t)value);
        break;
    }
}

/* ---- all of them
 * ------------------------------------------------------------------------------------------------ */

/* False: there is no such register, or it cannot be read. */
static bool sysreg_read(struct vcpu *vcpu, uint32_t reg, uint64_t *value)
{
    *value = 0;
    if (is_id(reg)) {
        *value = id_read(reg);
        return true;
    }
    switch (reg) {
    case CNTP_TVAL_EL0:
    case CNTP_CTL_EL0:
    case CNTP_CVAL_EL0:
        *value = ptimer_read(vcpu, reg);
        return true;
    case CNTPCT_EL0: /* free to read, but in QEMU EL0's read asks the enable of the timer */
        *value = now();
        return true;
    case ICC_SRE_EL1:
        *value = 7;
        return true;
    case ACTLR_EL1:
        return true;
    default:
        *value = debug_read(vcpu, reg);
        return is_debug(reg) && reg != OSLAR_EL1;
    }
}

static bool sysreg_write(struct vcpu *vcpu, uint32_t reg, uint64_t value)
{
    switch (reg) {
    case CNTP_TVAL_EL0:
    case CNTP_CTL_EL0:
    case CNTP_CVAL_EL0:
        ptimer_write(vcpu, reg, value);
        return true;
    case ICC_DIR_EL1:
        vgic_deactivate(vcpu, (uint32_t)(value & 0xffffffu));
        return true;
    case ICC_SRE_EL1:
    case ICC_ASGI1R_EL1: /* Secure and Group 0 ones: there are no such interrupts here */
    case ICC_SGI0R_EL1:
    case ACTLR_EL1:
        return true;
    default:
        debug_write(vcpu, reg, value);
        return is_debug(reg) && reg != OSLSR_EL1 && reg != MDRAR_EL1 && reg != DBGAUTHSTATUS_EL1 &&
               reg != MDCCSR_EL0;
    }
}

void guest_sysreg(struct vcpu *vcpu, uint64_t esr)
{
    uint32_t reg = ISS_SYSREG(esr);
    uint32_t rt = ISS_REGISTER(esr);
    bool known;

    if (esr & ISS_READ) {
        uint64_t value;

        known = sysreg_read(vcpu, reg, &value);
        if (known && rt != XZR)
            vcpu->regs.x[rt] = value;
    } else {
        uint64_t value = rt == XZR ? 0 : vcpu->regs.x[rt];

        if (__builtin_expect(reg == ICC_SGI1R_EL1, 1)) {
            sgi_send(vcpu, value);
            known = true;
        } else {
            known = sysreg_write(vcpu, reg, value);
        }
    }
    if (known)
        guest_step(vcpu, esr);
    else
        guest_inject_undef(vcpu);
}
