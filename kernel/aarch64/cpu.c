/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpu.c - into the kernel and out of it
 *
 * vectors.S saves the general registers into the running vCPU and calls trap_sync() or trap_irq(); what they
 * return is the vCPU to enter.  Everything else of a vCPU is switched only when another one needs the
 * registers: services use no EL1 state, so the last guest's stays loaded while its vmm works.
 *
 * Always true:  cpu->loaded is whose TPIDR_EL0, HCR_EL2 and VTTBR_EL2 are in the registers; el1_owner and
 *               fp_owner likewise for EL1 and SIMD state; all of them are vCPUs of this pCPU.
 * Locking:      the registers are the pCPU's own; the rest under kernel_lock.
 */
#include "cpu.h"

#include "aarch64/guest.h"
#include "aarch64/irq.h"
#include "aarch64/load.h"
#include "aarch64/lock.h"
#include "dispatcher.h"
#include "ipc.h"

struct cpu cpus[CPU_MAX];
uint32_t cpu_count;

enum { EC_UNKNOWN = 0x00, EC_FP = 0x07, EC_SYSREG = 0x18 };

/* ---- the kernel's lock ------------------------------------------------------------------------------ */

uint32_t kernel_lock_word;

void kernel_lock(void)
{
    lock_take();
}

void kernel_unlock(void)
{
    lock_give();
}

/* ---- SIMD registers ------------------------------------------------------------------------------- */

void fp_save(struct fp_state *fp); /* vectors.S */
void fp_load(const struct fp_state *fp);

static void fp_take(struct cpu *cpu, struct vcpu *vcpu)
{
    write_sysreg(cptr_el2, CPTR_RES1);
    isb();
    if (cpu->fp_owner)
        fp_save(&cpu->fp_owner->fp);
    fp_load(&vcpu->fp);
    __atomic_store_n(&cpu->fp_owner, vcpu, __ATOMIC_RELEASE); /* the old one may go from now on */
}

static void fp_drop(struct cpu *cpu, bool save)
{
    if (!cpu->fp_owner)
        return;
    write_sysreg(cptr_el2, CPTR_RES1);
    isb();
    if (save)
        fp_save(&cpu->fp_owner->fp);
    cpu->fp_owner = NULL;
    write_sysreg(cptr_el2, CPTR_RES1 | CPTR_TFP);
}

/* ---- what is loaded -------------------------------------------------------------------------------- */

void cpu_save(struct cpu *cpu, struct vcpu *vcpu)
{
    if (cpu != this_cpu())
        return; /* vcpu_is_off_cpu has made sure that nothing is live there */
    if (cpu->loaded == vcpu) {
        vcpu->tpidr_el0 = read_sysreg(tpidr_el0);
        cpu->loaded = NULL;
    }
    if (cpu->el1_owner == vcpu)
        guest_unload(cpu);
    if (cpu->fp_owner == vcpu)
        fp_drop(cpu, true);
}

void cpu_forget(struct cpu *cpu, struct vcpu *vcpu)
{
    if (cpu->current == vcpu) {
        cpu->current = NULL;
        cpu->resched = true;
    }
    if (cpu == this_cpu()) {
        if (cpu->el1_owner == vcpu)
            guest_unload(cpu);
        if (cpu->fp_owner == vcpu)
            fp_drop(cpu, false);
    }
    if (cpu->loaded == vcpu)
        cpu->loaded = NULL;
}

/* As context_switch, from no context that could be told apart. */
static void load_first(struct cpu *cpu, struct vcpu *vcpu, bool locked)
{
    write_sysreg(tpidr_el0, vcpu->tpidr_el0);
    if (vcpu->kind == VCPU_GUEST) {
        if (cpu->el1_owner != vcpu)
            guest_load_locked(vcpu, locked);
        else
            guest_unshield(vcpu);
        regime_guest();
    } else {
        guest_shield(cpu, locked);
        regime_service();
    }
    aspace_switch(cpu, vcpu->aspace);
    write_sysreg(cptr_el2, cpu->fp_owner == vcpu ? CPTR_RES1 : CPTR_RES1 | CPTR_TFP);
    cpu->loaded = vcpu;
}

static inline void load(struct cpu *cpu, struct vcpu *vcpu, bool locked)
{
    if (cpu->loaded)
        context_switch(cpu, cpu->loaded, vcpu, locked);
    else
        load_first(cpu, vcpu, locked);
}

/* Another pCPU wants to touch a vCPU whose state is live here. */
static __attribute__((noinline)) void let_go(struct cpu *cpu)
{
    cpu->evict = false;
    cpu->current = NULL;
    if (cpu->loaded)
        cpu_save(cpu, cpu->loaded);
    if (cpu->el1_owner)
        guest_unload(cpu);
    fp_drop(cpu, true);
    cpu->resched = true;
}

/* Nothing to run: wait, with interrupts masked, for one to be pending, and handle it. */
static __attribute__((noinline)) void idle(struct cpu *cpu)
{
    kernel_unlock();
    uint64_t virtual = guest_idle_begin();

    dsb(sy);
    __asm__ volatile("wfi");
    guest_idle_end(virtual);
    kernel_lock();
    irq_handle(gic_acknowledge());
    cpu->resched = true;
}

/* Leave the kernel: decide who runs, load it.  kernel_lock is held, and released here. */
static struct vcpu *leave(struct cpu *cpu)
{
    struct vcpu *vcpu;

    for (;;) {
        if (cpu->evict)
            let_go(cpu);
        vcpu = cpu->current;
        if (cpu->resched)
            vcpu = cpu->current = dispatch(cpu);
        if (vcpu)
            break;
        idle(cpu);
    }
    if (cpu->loaded != vcpu)
        load(cpu, vcpu, true);
    lock_give();
    if (vcpu->kind == VCPU_GUEST)
        guest_enter(vcpu);
    return vcpu;
}

void cpu_kick(struct cpu *cpu)
{
    if (cpu->online && !__atomic_exchange_n(&cpu->kick, 1, __ATOMIC_ACQ_REL))
        gic_send_sgi(cpu, SGI_KICK);
}

_Static_assert(offsetof(struct vcpu, regs.sp_el0) == 248, "vectors.S");
_Static_assert(offsetof(struct vcpu, regs.pc) == 256, "vectors.S");
_Static_assert(offsetof(struct vcpu, kernel_stack) == 272, "vectors.S");
_Static_assert(offsetof(struct cpu, stack_top) == 0, "start.S");
_Static_assert(offsetof(struct fp_state, fpcr) == 512, "vectors.S");

_Static_assert(SYS_endpoint_call == 1 && SYS_endpoint_reply_recv == 4, "vectors.S");

/* ---- traps ------------------------------------------------------------------------------------------ */

struct vcpu *trap_svc(struct vcpu *vcpu);
struct vcpu *trap_sync(struct vcpu *vcpu, uint64_t esr);
struct vcpu *trap_irq(struct vcpu *vcpu);
struct vcpu *trap_serror(struct vcpu *vcpu);
_Noreturn void trap_kernel(uint64_t which, uint64_t *registers);
struct vcpu *cpu_start(void);

/* A service did what it may not: its supervisor hears of it. */
static void service_fault(struct vcpu *vcpu, uint64_t esr)
{
    uint64_t hpfar = read_sysreg(hpfar_el2);
    uint64_t far = read_sysreg(far_el2);
    uint64_t words[IPC_WORDS] = {
        esr, far, (hpfar >> 4 << 12) | (far & 0xfff), vcpu->regs.pc, vcpu->regs.x[30], 0};

    vcpu_exit(vcpu, EXIT_FAULT, words);
}

static void service_sync(struct cpu *cpu, struct vcpu *vcpu, uint64_t esr)
{
    uint32_t ec = (uint32_t)(esr >> 26);

    kernel_lock();
    if ((ec == EC_UNKNOWN || ec == EC_FP || ec == EC_SYSREG) && cpu->el1_owner)
        guest_unload(cpu); /* perhaps a guest's CPACR_EL1 (then EC is 0) or CNTKCTL_EL1: try again without */
    else
        service_fault(vcpu, esr);
    kernel_unlock();
}

/* With nothing for the dispatcher: enter the current one, which nobody takes away without an IPI. */
static inline struct vcpu *go_on(struct cpu *cpu)
{
    struct vcpu *vcpu = cpu->current;

    bool other_guest = vcpu && vcpu->kind == VCPU_GUEST && cpu->el1_owner != vcpu; /* its timers: the heap */

    if (!vcpu || cpu->resched || cpu->evict || other_guest) {
        kernel_lock();
        return leave(cpu);
    }
    if (cpu->loaded != vcpu)
        load(cpu, vcpu, false);
    if (vcpu->kind == VCPU_GUEST)
        guest_enter(vcpu);
    return vcpu;
}

/* A system call: most change who runs, so the lock is kept until that is known. */
static inline struct vcpu *call(struct cpu *cpu, struct vcpu *vcpu, uint64_t number)
{
    lock_take();
    syscall(vcpu, number);
    return leave(cpu);
}

/* A service's. */
struct vcpu *trap_svc(struct vcpu *vcpu)
{
    return call(vcpu->cpu, vcpu, vcpu->regs.x[0]);
}

struct vcpu *trap_sync(struct vcpu *vcpu, uint64_t esr)
{
    struct cpu *cpu = vcpu->cpu;

    if (esr >> 26 == EC_FP && cpu->fp_owner != vcpu)
        fp_take(cpu, vcpu);
    else if (vcpu->kind == VCPU_SERVICE)
        service_sync(cpu, vcpu, esr);
    else if (guest_calls_kernel(vcpu, esr))
        return call(cpu, vcpu, guest_call_number(vcpu));
    else
        guest_sync(vcpu, esr);

    return go_on(cpu);
}

struct vcpu *trap_irq(struct vcpu *vcpu)
{
    struct cpu *cpu = vcpu->cpu;
    uint32_t intid;

    vcpu_count_exit(vcpu, EXIT_IRQ);
    if (irq_take_vtimer(&intid))
        return go_on(cpu);
    kernel_lock();
    irq_handle(intid);
    return leave(cpu);
}

/* An asynchronous error: no way to tell whose.  Said once a time, and the machine goes on. */
struct vcpu *trap_serror(struct vcpu *vcpu)
{
    kprintf("serror: esr 0x%lx while vcpu %p ran\n", read_sysreg(esr_el2), (void *)vcpu);
    kernel_lock();
    return leave(vcpu->cpu);
}

/* The first entry, on each pCPU. */
struct vcpu *cpu_start(void)
{
    struct cpu *cpu = this_cpu();

    kernel_lock();
    cpu->online = true;
    cpu->resched = true;
    return leave(cpu);
}

_Noreturn void trap_kernel(uint64_t which, uint64_t *registers)
{
    static const char *const names[] = {"synchronous", "irq", "fiq", "serror"};

    kprintf("kernel fault: %s, esr 0x%lx, elr 0x%lx, far 0x%lx, spsr 0x%lx\n", names[which & 3],
            read_sysreg(esr_el2), read_sysreg(elr_el2), read_sysreg(far_el2), read_sysreg(spsr_el2));
    for (unsigned i = 0; i < 30; i += 3)
        kprintf("  x%02u %016lx  x%02u %016lx  x%02u %016lx\n", i, registers[i], i + 1, registers[i + 1],
                i + 2, registers[i + 2]);
    panic("exception in the kernel, lr 0x%lx", registers[30]);
}

/* ---- the kernel's own timer -------------------------------------------------------------------------- */

void hyp_timer_arm(uint64_t when)
{
    write_sysreg(cnthp_cval_el2, when);
    write_sysreg(cnthp_ctl_el2, when == BH_FOREVER ? 0u : 1u);
    isb();
}

uint64_t timer_hz(void)
{
    return read_sysreg(cntfrq_el0);
}

/* An interrupt is pending for the kernel: ISR_EL1.I (physical, as HCR_EL2.IMO is set). */
bool preempt_wanted(void)
{
    return read_sysreg(isr_el1) & 0x80;
}
