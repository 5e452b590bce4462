/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest_exit.c - what a guest's synchronous exception becomes
 *
 * The kernel itself handles what only moves bits: WFI, SGIs, timers, doorbells, ID registers.
 * The rest is a call to the vmm, decoded as far as the syndrome goes; its reply is written back here.
 *
 * Locking:      entered without kernel_lock; taken for what others may touch (queues, doorbells).
 */
#include "aarch64/guest.h"

/* ESR_EL2.EC (Arm ARM, D13.2.37) */
enum {
    EC_UNKNOWN = 0x00,
    EC_WFX = 0x01,
    EC_CP15_32 = 0x03,
    EC_CP15_64 = 0x04,
    EC_CP14_32 = 0x05,
    EC_CP14_LDC = 0x06,
    EC_CP10_ID = 0x08,
    EC_CP14_64 = 0x0c,
    EC_SMC = 0x17,
    EC_SYSREG = 0x18,
    EC_INSTRUCTION_ABORT = 0x20,
    EC_DATA_ABORT = 0x24,
};

/* ISS of a data abort */
#define ISS_ISV (1ull << 24)
#define ISS_SIZE(esr) (1u << ((esr) >> 22 & 3u))
#define ISS_SIGN (1ull << 21)
#define ISS_REGISTER(esr) ((uint32_t)((esr) >> 16 & 31u))
#define ISS_64 (1ull << 15)
#define ISS_FNV (1ull << 10)
#define ISS_CACHE (1ull << 8)
#define ISS_WALK (1ull << 7)
#define ISS_WRITE (1ull << 6)
#define ISS_FAULT(esr) ((uint32_t)((esr) >> 2 & 15u)) /* without the level */
enum { FAULT_TRANSLATION = 1, FAULT_ACCESS_FLAG = 2, FAULT_PERMISSION = 3 };

#define ISS_IMM16(esr) ((esr)&0xffffull)

#define XZR 31u

static void exit_to_vmm(struct vcpu *vcpu, enum exit_label label, const uint64_t words[IPC_WORDS])
{
    kernel_lock();
    vcpu_exit(vcpu, label, words);
    kernel_unlock();
}

static void exit_call(struct vcpu *vcpu, enum exit_label label, uint64_t esr)
{
    const uint64_t *x = vcpu->regs.x;

    exit_to_vmm(vcpu, label, (uint64_t[IPC_WORDS]){x[0], x[1], x[2], x[3], ISS_IMM16(esr), vcpu->regs.pc});
}

static void exit_fault(struct vcpu *vcpu, uint64_t esr, uint64_t far, uint64_t at)
{
    vcpu->exit_esr = esr;
    vcpu->exit_far = far;
    exit_to_vmm(vcpu, EXIT_FAULT, (uint64_t[IPC_WORDS]){esr, far, at, vcpu->regs.pc, 0, 0});
}

/* ---- WFI ------------------------------------------------------------------------------------------------
 */

static void guest_wfi(struct vcpu *vcpu, uint64_t esr)
{
    guest_step(vcpu, esr);
    if (vgic_pending(vcpu))
        return;
    kernel_lock();
    /* Others post with kernel_lock held, so nothing comes between this look and the sleep. */
    if (!vcpu->virqs.dirty || !vgic_pending(vcpu))
        vcpu_block(vcpu, VCPU_WFI);
    kernel_unlock();
}

/* ---- accesses to memory that is not there ----------------------------------------------------------------
 */

/* Did the hardware say which page?  After a permission fault of the access itself it need not have. */
static bool hpfar_is_valid(uint64_t esr)
{
    return (esr & ISS_WALK) || ISS_FAULT(esr) != FAULT_PERMISSION;
}

/* Ask the guest's own tables, whose registers are loaded.  False: they changed under us. */
static bool ipa_from_tables(uint64_t far, uint64_t *at)
{
    uint64_t saved = read_sysreg(par_el1);

    __asm__ volatile("at s1e1r, %0\n\tisb" ::"r"(far) : "memory");
    uint64_t par = read_sysreg(par_el1);

    write_sysreg(par_el1, saved);
    *at = (par & 0xfffffffff000ull) | (far & 0xfff);
    return !(par & 1u);
}

/* The doorbell that a store of 4 bytes rings, or NULL.  kernel_lock held. */
static inline struct doorbell *doorbell_at(struct aspace *space, uint64_t at, uint64_t value)
{
    return space && space->doorbell_count ? aspace_doorbell_find(space, at, value) : NULL;
}

/* Rung.  False: it takes a signal back, and there is none. */
static inline bool doorbell_ring(const struct doorbell *bell)
{
    struct notification *n = slot_object(&bell->notification_cap);

    if (bell->value != DOORBELL_TAKES) {
        notification_signal(n, bell->notification_cap.badge);
        return true;
    }
    bool is_there = n->bits;

    n->bits = 0;
    return is_there;
}

static inline uint64_t truncate(uint64_t value, uint32_t size)
{
    return size < 8 ? value & ((1ull << (size * 8u)) - 1u) : value;
}

static void guest_store(struct vcpu *vcpu, uint64_t esr, uint64_t at)
{
    uint32_t size = ISS_SIZE(esr);
    uint32_t reg = ISS_REGISTER(esr);
    uint64_t value = reg == XZR ? 0 : truncate(vcpu->regs.x[reg], size);

    kernel_lock();
    struct doorbell *bell = size == 4 ? doorbell_at(vcpu->aspace, at, value) : NULL;

    if (bell && doorbell_ring(bell)) {
        vcpu_count_exit(vcpu, EXIT_MMIO_WRITE);
        guest_step(vcpu, esr);
    } else {
        vcpu_exit(vcpu, EXIT_MMIO_WRITE, (uint64_t[IPC_WORDS]){at, size, value, 0, 0, 0});
    }
    kernel_unlock();
}

static void guest_abort(struct vcpu *vcpu, uint64_t esr)
{
    uint64_t far = read_sysreg(far_el2);
    uint64_t at = (read_sysreg(hpfar_el2) & 0xffffffffff0ull) << 8 | (far & 0xfff);

    if (__builtin_expect(!hpfar_is_valid(esr), 0) && !ipa_from_tables(far, &at))
        return; /* another vCPU unmapped it: the instruction will fault anew, as it should */
    vcpu->exit_esr = esr;
    vcpu->exit_far = far;
    uint32_t fault = ISS_FAULT(esr);

    if (ESR_EC(esr) != EC_DATA_ABORT || (esr & ISS_WALK) || fault < FAULT_TRANSLATION ||
        fault > FAULT_PERMISSION) {
        exit_fault(vcpu, esr, far, at);
    } else if (!(esr & ISS_ISV)) {
        if (esr & ISS_CACHE)
            guest_step(vcpu, esr); /* nothing is cached there */
        else
            exit_fault(vcpu, esr, far, at);
    } else if (esr & ISS_WRITE) {
        guest_store(vcpu, esr, at);
    } else {
        vcpu->exit_register = (uint8_t)ISS_REGISTER(esr);
        vcpu->exit_size = (uint8_t)ISS_SIZE(esr);
        vcpu->exit_sign = esr & ISS_SIGN;
        vcpu->exit_64 = esr & ISS_64;
        exit_to_vmm(vcpu, EXIT_MMIO_READ, (uint64_t[IPC_WORDS]){at, ISS_SIZE(esr), 0, 0, 0, 0});
    }
}

/* ---- all of them ------------------------------------------------------------------------------------------
 */

void guest_sync(struct vcpu *vcpu, uint64_t esr)
{
    switch (ESR_EC(esr)) {
    case EC_HVC:
        exit_call(vcpu, EXIT_HVC, esr);
        break;
    case EC_DATA_ABORT:
    case EC_INSTRUCTION_ABORT:
        guest_abort(vcpu, esr);
        break;
    case EC_SYSREG:
        vcpu_count_exit(vcpu, EXIT_SYSREG);
        guest_sysreg(vcpu, esr);
        break;
    case EC_WFX:
        vcpu_count_exit(vcpu, EXIT_WFI);
        guest_wfi(vcpu, esr);
        break;
    case EC_SMC:
        vcpu->exit_esr = esr;
        exit_call(vcpu, EXIT_SMC, esr);
        break;
    case EC_UNKNOWN: /* HVC and SMC of EL0, and A32 accesses to what we trap for EL1's sake */
    case EC_CP15_32:
    case EC_CP15_64:
    case EC_CP14_32:
    case EC_CP14_LDC:
    case EC_CP10_ID:
    case EC_CP14_64:
        vcpu_count_exit(vcpu, EXIT_FAULT);
        guest_inject_undef(vcpu);
        break;
    default:
        exit_fault(vcpu, esr, read_sysreg(far_el2), 0);
        break;
    }
}

/* ---- the vmm's answer
 * --------------------------------------------------------------------------------------- */

/* A load's result as its instruction defines it: sign-extended to 32 or 64 bits, or zero-extended. */
static void finish_load(struct vcpu *vcpu, uint64_t value)
{
    uint32_t size = vcpu->exit_size;

    value = truncate(value, size);
    if (vcpu->exit_sign && size < 8) {
        uint64_t sign = 1ull << (size * 8u - 1u);

        value = (value ^ sign) - sign;
        if (!vcpu->exit_64)
            value &= 0xffffffffu;
    }
    if (vcpu->exit_register != XZR)
        vcpu->regs.x[vcpu->exit_register] = value;
}

static void finish(struct vcpu *vcpu, const uint64_t words[IPC_WORDS])
{
    switch ((enum exit_label)vcpu->exit_label) {
    case EXIT_MMIO_READ:
        finish_load(vcpu, words[0]);
        guest_step(vcpu, vcpu->exit_esr);
        break;
    case EXIT_HVC:
    case EXIT_SMC:
        for (unsigned i = 0; i < 4; i++)
            vcpu->regs.x[i] = words[i];
        if (vcpu->exit_label == EXIT_SMC) /* SMC traps before it is executed; HVC is executed */
            guest_step(vcpu, vcpu->exit_esr);
        break;
    case EXIT_MMIO_WRITE:
    case EXIT_FAULT:
        guest_step(vcpu, vcpu->exit_esr);
        break;
    }
}

static void inject(struct vcpu *vcpu, uint8_t what)
{
    vcpu->inject = what;
    vcpu->virqs.dirty = true;
}

void guest_exit_reply(struct vcpu *vcpu, uint32_t label, const uint64_t words[IPC_WORDS])
{
    bool is_call = vcpu->exit_label == EXIT_HVC || vcpu->exit_label == EXIT_SMC;

    if (label == REPLY_DONE) {
        finish(vcpu, words);
    } else if (label == REPLY_ABORT && !is_call) {
        inject(vcpu, INJECT_ABORT);
    } else if (label == REPLY_RETRY && vcpu->exit_label == EXIT_HVC) {
        vcpu->regs.pc -= 4; /* it has been executed: the address is that of the next one */
    } else if (label != REPLY_STOP && label != REPLY_RETRY) { /* a call has no address to abort at */
        if (vcpu->exit_label == EXIT_HVC)
            vcpu->regs.pc -= 4; /* an undefined instruction's address is its own */
        inject(vcpu, INJECT_UNDEF);
    }
}
