/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * start.S - the first instructions
 *
 * An arm64 Image header (Linux Documentation/arm64/booting.rst) so that any loader of Linux kernels loads us,
 * at RAM base + text_offset, at EL2 with the MMU off.
 */
#define STACK_BYTES 8192 /* main.c has the number, too */
#define CPU_STACK_TOP 0

.section .text.start, "ax"
    .global _start
_start:
    b primary
    .long 0
    .quad 0x200000      /* text_offset */
    .quad 0x200000      /* image_size: KERNEL_IMAGE_BYTES */
    .quad 0xa           /* little-endian, 4 KiB pages, anywhere */
    .quad 0
    .quad 0
    .quad 0
    .ascii "ARM\x64"
    .long 0

primary:
    mrs x1, CurrentEL
    cmp x1, #8
    b.ne wrong_level
    msr spsel, #1
    ldr x1, =__bss_start
    ldr x2, =__bss_end
1:  cmp x1, x2
    b.hs 2f
    stp xzr, xzr, [x1], #16
    b 1b
2:  ldr x0, =cpus
    ldr x1, =stacks + STACK_BYTES
    mov sp, x1
    msr tpidr_el2, x0
    ldr x1, =vectors
    msr vbar_el2, x1
    isb
    bl kernel_main
    b vcpu_enter

/* Not EL2: there is nothing we can do but stop (and say so, on the reference board's UART). */
wrong_level:
    ldr x1, =0x09000000
    adr x2, 4f
3:  ldrb w3, [x2], #1
    cbz w3, 5f
    str w3, [x1]
    b 3b
5:  wfi
    b 5b
4:  .asciz "bulkhead: not started at EL2 (QEMU: -M virt,virtualization=on)\n"
    .balign 4

/* PSCI CPU_ON comes here with x0 = struct cpu. */
    .global secondary
secondary:
    msr spsel, #1
    msr tpidr_el2, x0
    ldr x1, [x0, #CPU_STACK_TOP]
    mov sp, x1
    ldr x1, =vectors
    msr vbar_el2, x1
    isb
    bl secondary_main
    b vcpu_enter

.section .bss.stacks, "aw", %nobits
    .balign 4096
    .global stacks
stacks:
    .skip 16 * STACK_BYTES

.section .note.GNU-stack, "", %progbits
