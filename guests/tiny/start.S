/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * start.S - the first instructions of a bare EL1 payload, and its exception vectors
 *
 * Runs at EL1 with the MMU off, so all memory is Device: every access must be aligned.  vCPU n has the n-th KiB
 * x 4 below stacks_end.
 */
#define STACK_BYTES 4096

.section .head, "ax"
.global _start
_start: /* arm64 Image header */
    b start
    .word 0
    .quad 0                       /* text_offset */
    .quad image_end - _start      /* image_size */
    .quad 0x2                     /* little-endian, 4 KiB pages */
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .word 0

.text
start:
    mov x20, x0
    adrp x1, bss_start
    add x1, x1, :lo12:bss_start
    adrp x2, stacks_end
    add x2, x2, :lo12:stacks_end
1:  cmp x1, x2
    b.hs 2f
    str xzr, [x1], #8
    b 1b
2:  bl set_up
    mov x0, x20
    bl tiny_main
off:
    ldr x0, =0x84000008 /* PSCI SYSTEM_OFF */
    hvc #0
    b off

/* PSCI CPU_ON: x0 = the function to run. */
.global secondary_start
secondary_start:
    mov x20, x0
    bl set_up
    mrs x0, mpidr_el1
    and x0, x0, #0xff
    blr x20
3:  ldr x0, =0x84000002 /* PSCI CPU_OFF */
    hvc #0
    b 3b

/* Stack and vectors of this vCPU. */
set_up:
    mrs x1, mpidr_el1
    and x1, x1, #0xff
    adrp x2, stacks_end
    add x2, x2, :lo12:stacks_end
    mov x3, #STACK_BYTES
    msub x2, x1, x3, x2
    mov sp, x2
    adr x1, vectors
    msr vbar_el1, x1
    isb
    ret

.macro save
    sub sp, sp, #176
    stp x0, x1, [sp]
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x30, [sp, #144]
.endm
.macro restore
    ldp x0, x1, [sp]
    ldp x2, x3, [sp, #16]
    ldp x4, x5, [sp, #32]
    ldp x6, x7, [sp, #48]
    ldp x8, x9, [sp, #64]
    ldp x10, x11, [sp, #80]
    ldp x12, x13, [sp, #96]
    ldp x14, x15, [sp, #112]
    ldp x16, x17, [sp, #128]
    ldp x18, x30, [sp, #144]
    add sp, sp, #176
.endm
.macro vector function
    .balign 128
    save
    bl \function
    restore
    eret
.endm

.balign 2048
vectors:
    vector unexpected /* from EL1 with SP_EL0: nobody uses it */
    vector unexpected
    vector unexpected
    vector unexpected
    vector on_sync
    vector on_irq
    vector on_fiq
    vector unexpected
    vector unexpected /* from EL0 */
    vector unexpected
    vector unexpected
    vector unexpected
    vector unexpected
    vector unexpected
    vector unexpected
    vector unexpected

/* uint64_t try(void (*f)(uint64_t, uint64_t), uint64_t a, uint64_t b): run f; a synchronous exception in it
 * returns here with its ESR_EL1, else 0.  After an exception interrupts stay masked. */
.global try
try:
    stp x29, x30, [sp, #-96]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    adrp x9, try_sp
    add x9, x9, :lo12:try_sp
    mov x10, sp
    str x10, [x9]
    mov x9, x0
    mov x0, x1
    mov x1, x2
    blr x9
    mov x0, #0
.global try_return
try_return: /* on_sync() comes back here, with x0 = ESR_EL1 */
    adrp x9, try_sp
    add x9, x9, :lo12:try_sp
    ldr x10, [x9]
    str xzr, [x9]
    mov sp, x10
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp x29, x30, [sp], #96
    ret

.bss
.balign 8
.global try_sp
try_sp: .quad 0
