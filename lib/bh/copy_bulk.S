/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * copy_bulk.S - the part of memcpy (string.c) for much at once: with vector registers, 256 bytes a turn
 */
    .arch armv8-a+fp+simd
    .section .text.bh_copy_bulk, "ax"

/* void bh_copy_bulk(void *to, const void *from, size_t blocks of 256 bytes, at least 1) */
    .global bh_copy_bulk
    .type bh_copy_bulk, %function
bh_copy_bulk:
    ldp q0, q1, [x1]
    ldp q2, q3, [x1, #32]
    ldp q4, q5, [x1, #64]
    ldp q6, q7, [x1, #96]
    ldp q16, q17, [x1, #128]
    ldp q18, q19, [x1, #160]
    ldp q20, q21, [x1, #192]
    ldp q22, q23, [x1, #224]
    add x1, x1, #256
    stp q0, q1, [x0]
    stp q2, q3, [x0, #32]
    stp q4, q5, [x0, #64]
    stp q6, q7, [x0, #96]
    stp q16, q17, [x0, #128]
    stp q18, q19, [x0, #160]
    stp q20, q21, [x0, #192]
    stp q22, q23, [x0, #224]
    add x0, x0, #256
    subs x2, x2, #1
    b.ne bh_copy_bulk
    ret
    .size bh_copy_bulk, . - bh_copy_bulk

    .section .note.GNU-stack, "", %progbits
