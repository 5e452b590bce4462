/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vectors.S - the way into the kernel and out
 *
 * While a vCPU runs SP_EL2 points at it, so the entry saves straight into vcpu->regs; the kernel's stack is
 * the pCPU's, taken from vcpu->kernel_stack.  Offsets are checked by static_asserts in layout.c.
 */
#define VCPU_PC 256
#define ESR_EC_SVC64 0x15
#define SYS_ENDPOINT_CALL 1
#define SYS_ENDPOINT_REPLY_RECV 4
#define VCPU_KERNEL_STACK 272

/* As struct regs has them; x30 is stored with what follows it. */
.macro store_x0_to_x29
    stp x0, x1, [sp, #0]
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x19, [sp, #144]
    stp x20, x21, [sp, #160]
    stp x22, x23, [sp, #176]
    stp x24, x25, [sp, #192]
    stp x26, x27, [sp, #208]
    stp x28, x29, [sp, #224]
.endm

/* x0 becomes the vCPU; \kept (if named, one of x5..x28) what x0 was. */
.macro save_registers kept
    store_x0_to_x29
    mrs x2, sp_el0
    mrs x3, elr_el2
    mrs x4, spsr_el2
    stp x30, x2, [sp, #240]
    stp x3, x4, [sp, #VCPU_PC]
    .ifnb \kept
    mov \kept, x0
    .endif
    mov x0, sp
    ldr x2, [sp, #VCPU_KERNEL_STACK]
    mov sp, x2
.endm

.macro vector handler
    .balign 128
    b \handler
.endm

.section .text.vectors, "ax"
    .balign 2048
    .global vectors
vectors:
    vector bad_sync      /* current EL, SP0: never used */
    vector bad_irq
    vector bad_fiq
    vector bad_serror
    vector bad_sync      /* current EL, SPx: our own fault */
    vector bad_irq
    vector bad_fiq
    vector bad_serror
    vector lower_sync    /* a service or a guest */
    vector lower_irq
    vector lower_irq
    vector lower_serror
    vector bad_sync32    /* lower EL, AArch32: guests' EL0 */
    vector lower_irq
    vector lower_irq
    vector lower_serror

lower_sync:
bad_sync32:
    save_registers x5
    mrs x1, esr_el2
    lsr x2, x1, #26
    cmp x2, #ESR_EC_SVC64       /* only services' come here */
    b.ne 1f
    mov x19, x0
    cmp x5, #SYS_ENDPOINT_REPLY_RECV
    b.eq 2f
    cmp x5, #SYS_ENDPOINT_CALL
    b.ne 3f
    bl fast_call
    cbnz x0, vcpu_enter
    b 3f
2:  bl fast_reply_recv
    cbnz x0, vcpu_enter
3:  mov x0, x19
    bl trap_svc
    b vcpu_enter
1:  bl trap_sync
    b vcpu_enter

lower_irq:
    save_registers
    bl trap_irq
    b vcpu_enter

/* An SError of the lower level: it is the guest's or a device's; take it as an interrupt, it is counted there. */
lower_serror:
    save_registers
    bl trap_serror
    b vcpu_enter

/* x0: the vCPU to enter */
    .global vcpu_enter
vcpu_enter:
    mov sp, x0
    ldp x2, x3, [sp, #VCPU_PC]
    ldp x30, x4, [sp, #240]
    msr elr_el2, x2
    msr spsr_el2, x3
    msr sp_el0, x4
    ldp x28, x29, [sp, #224]
    ldp x26, x27, [sp, #208]
    ldp x24, x25, [sp, #192]
    ldp x22, x23, [sp, #176]
    ldp x20, x21, [sp, #160]
    ldp x18, x19, [sp, #144]
    ldp x16, x17, [sp, #128]
    ldp x14, x15, [sp, #112]
    ldp x12, x13, [sp, #96]
    ldp x10, x11, [sp, #80]
    ldp x8, x9, [sp, #64]
    ldp x6, x7, [sp, #48]
    ldp x4, x5, [sp, #32]
    ldp x2, x3, [sp, #16]
    ldp x0, x1, [sp, #0]
    eret

.macro bad which
    sub sp, sp, #256
    store_x0_to_x29
    str x30, [sp, #240]
    mov x0, #\which
    mov x1, sp
    b trap_kernel
.endm
bad_sync:
    bad 0
bad_irq:
    bad 1
bad_fiq:
    bad 2
bad_serror:
    bad 3

.text
.macro fp_all op
    \op q0, q1, [x0, #0]
    \op q2, q3, [x0, #32]
    \op q4, q5, [x0, #64]
    \op q6, q7, [x0, #96]
    \op q8, q9, [x0, #128]
    \op q10, q11, [x0, #160]
    \op q12, q13, [x0, #192]
    \op q14, q15, [x0, #224]
    \op q16, q17, [x0, #256]
    \op q18, q19, [x0, #288]
    \op q20, q21, [x0, #320]
    \op q22, q23, [x0, #352]
    \op q24, q25, [x0, #384]
    \op q26, q27, [x0, #416]
    \op q28, q29, [x0, #448]
    \op q30, q31, [x0, #480]
.endm
    .arch armv8-a+fp+simd
    .global fp_save
fp_save:
    fp_all stp
    mrs x1, fpcr
    mrs x2, fpsr
    str w1, [x0, #512]
    str w2, [x0, #516]
    ret
    .global fp_load
fp_load:
    fp_all ldp
    ldr w1, [x0, #512]
    ldr w2, [x0, #516]
    msr fpcr, x1
    msr fpsr, x2
    ret

.section .note.GNU-stack, "", %progbits
