/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crt0.S - the first instructions of every service
 *
 * init (for init: the kernel) starts us with x0 = bytes of heap at HEAP_IPA, x1 = the first slot that is ours,
 * x2 = slots in our CSpace; zeros mean the defaults (start.c).  Memory of bss is zero already.
 *
 * musl keeps `struct pthread` (errno is in it) below the thread pointer: TPIDR_EL0 points into a buffer of ours.
 */
    .equ STACK_TOP, 0x0f000000 /* STACK_TOP_IPA; start.c checks that they agree */
    .equ TLS_BELOW, 1024

    .section .text.start, "ax"
    .global _start
    .type _start, %function
_start:
    mov     x29, xzr
    mov     x30, xzr
    mov     x9, #STACK_TOP
    mov     sp, x9
    adrp    x9, bh_tls
    add     x9, x9, :lo12:bh_tls
    add     x9, x9, #TLS_BELOW
    msr     tpidr_el0, x9
    bl      bh_start
    brk     #1
    .size _start, . - _start

    .section .bss.tls, "aw", %nobits
    .balign 64
bh_tls:
    .skip TLS_BELOW + 256

    .section .note.GNU-stack, "", %progbits
