/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.S - the functions that compilers call by themselves, and the zeroing of pages
 */
.text
/* memset(to, byte, count) */
    .global memset
memset:
    and x1, x1, #0xff
    mov x3, #0x0101010101010101
    mul x1, x1, x3
    mov x3, x0
1:  subs x2, x2, #16
    b.lo 2f
    stp x1, x1, [x3], #16
    b 1b
2:  adds x2, x2, #16
    b.eq 4f
3:  strb w1, [x3], #1
    subs x2, x2, #1
    b.ne 3b
4:  ret

/* memcpy(to, from, count) */
    .global memcpy
memcpy:
    mov x3, x0
1:  subs x2, x2, #16
    b.lo 2f
    ldp x4, x5, [x1], #16
    stp x4, x5, [x3], #16
    b 1b
2:  adds x2, x2, #16
    b.eq 4f
3:  ldrb w4, [x1], #1
    strb w4, [x3], #1
    subs x2, x2, #1
    b.ne 3b
4:  ret

/* memory_zero(at, bytes): both multiples of 64; DC ZVA where its block is 64 bytes. */
    .global memory_zero
memory_zero:
    mrs x2, dczid_el0
    and w2, w2, #31     /* DZP and the block size */
    cmp w2, #4
    b.ne 2f
    subs x1, x1, #256
    b.lo 1f
0:  .rept 4             /* several blocks a turn: most of what making a VM costs is this loop */
    dc zva, x0
    add x0, x0, #64
    .endr
    subs x1, x1, #256
    b.hs 0b
1:  adds x1, x1, #256
    b.eq 4f
3:  dc zva, x0
    add x0, x0, #64
    subs x1, x1, #64
    b.hi 3b
4:  ret
2:  stp xzr, xzr, [x0], #16
    subs x1, x1, #16
    b.hi 2b
    ret

.section .note.GNU-stack, "", %progbits
