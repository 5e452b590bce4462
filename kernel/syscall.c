/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * syscall.c - from a number to a handler
 *
 * The look-ups are generated from idl/syscalls.def (build/gen/syscall_table.c), but IPC is decoded by ipc.c.
 *
 * Always true:  a call that returns RESTART has changed nothing that it would not do again.
 * Locking:      kernel_lock.
 */
#include "aarch64/lock.h"
#include "ipc.h"
#include "sys.h"

extern enum status (*const syscall_table[SYS_COUNT])(struct vcpu *self, uint64_t *x);
extern const char *const syscall_names[SYS_COUNT];

static const char *const status_names[] = {"OK",       "ERR_CALL",  "ERR_CAP",  "ERR_RIGHT",
                                           "ERR_ARG",  "ERR_STATE", "ERR_FULL", "ERR_MEM",
                                           "ERR_PEER", "ERR_TIME",  "ERR_IO",   "ERR_EXIST"};

static enum status decode(struct vcpu *vcpu, uint64_t number)
{
    if (number >= SYS_COUNT || !syscall_table[number])
        return ERR_CALL;
    return syscall_table[number](vcpu, vcpu->regs.x);
}

void syscall(struct vcpu *vcpu, uint64_t number)
{
    struct cpu *cpu = this_cpu();
    enum status status = decode(vcpu, number);

    if (report_refusals && status != OK && status != ERR_TIME && status < BLOCKED && cpu->current == vcpu)
        kprintf("refused: vcpu %p pc 0x%lx: %s(0x%lx, 0x%lx, 0x%lx, 0x%lx, 0x%lx, 0x%lx): %s\n", (void *)vcpu,
                vcpu->regs.pc, number < SYS_COUNT && syscall_names[number] ? syscall_names[number] : "?",
                vcpu->regs.x[1], vcpu->regs.x[2], vcpu->regs.x[3], vcpu->regs.x[4], vcpu->regs.x[5],
                vcpu->regs.x[6],
                status < sizeof(status_names) / sizeof(status_names[0]) ? status_names[status] : "?");

    /* The caller may have ended itself: then there is nobody to tell. */
    if (status == RESTART) {
        if (cpu->current == vcpu)
            vcpu->regs.pc -= 4;
        cpu->resched = true;
        kernel_unlock(); /* it may be another pCPU that has to let go of something first */
        lock_yield();
        kernel_lock();
    } else if (status != BLOCKED && cpu->current == vcpu) {
        vcpu->regs.x[0] = status;
    }
}

enum status refused(struct vcpu *self, unsigned call, unsigned argument, enum status why)
{
    if (report_refusals)
        kprintf("refused: vcpu %p pc 0x%lx: %s: argument %u\n", (void *)self, self->regs.pc,
                syscall_names[call], argument);
    return why;
}
