/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest.S - guests that measure one path each, at EL1 with the MMU off
 *
 * x0 at entry: a page that the benchmark shares; each round stores its duration there (word 0: the least so
 * far), and MMIO to DONE ends the guest.  x28 holds the page.
 */
#define ROUNDS 200
#define DONE 0x0a001000
#define MMIO 0x0a000000

.macro read_cycles reg
    isb
    mrs \reg, pmccntr_el0
    isb
.endm

/* x1 = from, x2 = to: keep the least difference in [x28] */
.macro keep
    sub x3, x2, x1
    ldr x4, [x28]
    cmp x3, x4
    csel x3, x3, x4, lo
    str x3, [x28]
.endm

.macro finish
    ldr x5, =DONE
    str wzr, [x5]
    b .
.endm

.text
    .global guest_hypercall
guest_hypercall:
    mov x28, x0
    mov x27, #ROUNDS
1:  read_cycles x1
    ldr x0, =0xc6000000
    hvc #0
    read_cycles x2
    keep
    subs x27, x27, #1
    b.ne 1b
    finish

    .global guest_mmio
guest_mmio:
    mov x28, x0
    mov x27, #ROUNDS
    ldr x26, =MMIO
1:  read_cycles x1
    ldr w0, [x26]
    read_cycles x2
    keep
    subs x27, x27, #1
    b.ne 1b
    finish

    .global guest_doorbell
guest_doorbell:
    mov x28, x0
    mov x27, #ROUNDS
    ldr x26, =MMIO + 0x50
1:  read_cycles x1
    str wzr, [x26]
    ldr x2, [x28, #64]      /* the woken service wrote its time there before we ran again */
    keep
    subs x27, x27, #1
    b.ne 1b
    finish

/* The interrupt handler: the time of its first instruction in x2, then acknowledge and end. */
    .balign 2048
guest_vectors:
    .rept 5
    b .
    .balign 128
    .endr
    isb
    mrs x2, pmccntr_el0
    mrs x6, s3_0_c12_c12_0      /* ICC_IAR1_EL1 */
    ldr x7, [x28, #72]          /* timer: disable it, else it fires for ever */
    cbz x7, 2f
    msr cntv_ctl_el0, xzr
    isb
2:  msr s3_0_c12_c12_1, x6      /* ICC_EOIR1_EL1 */
    add x25, x25, #1
    eret
    .balign 2048

.macro interrupts_on
    adr x5, guest_vectors
    msr vbar_el1, x5
    mov x5, #0xff
    msr s3_0_c4_c6_0, x5        /* ICC_PMR_EL1 */
    mov x5, #1
    msr s3_0_c12_c12_7, x5      /* ICC_IGRPEN1_EL1 */
    isb
    msr daifclr, #2
.endm

    .global guest_sgi
guest_sgi:
    mov x28, x0
    mov x27, #ROUNDS
    mov x25, #0
    interrupts_on
    mov x26, #1                 /* SGI 0 to Aff0 0 */
1:  mov x24, x25
    read_cycles x1
    msr s3_0_c12_c11_5, x26     /* ICC_SGI1R_EL1 */
    isb
3:  cmp x24, x25
    b.eq 3b
    keep
    subs x27, x27, #1
    b.ne 1b
    finish

    .global guest_timer
guest_timer:
    mov x28, x0
    mov x27, #ROUNDS
    mov x25, #0
    mov x5, #1
    str x5, [x28, #72]
    interrupts_on
1:  mov x24, x25
    msr cntv_tval_el0, xzr
    mov x5, #1
    read_cycles x1
    msr cntv_ctl_el0, x5
    isb
3:  cmp x24, x25
    b.eq 3b
    keep
    subs x27, x27, #1
    b.ne 1b
    finish

/* A notification bound to an interrupt of ours: signalled by hypercall, seen by the handler. */
    .global guest_notify_self
guest_notify_self:
    mov x28, x0
    mov x27, #ROUNDS
    mov x25, #0
    interrupts_on
1:  mov x24, x25
    ldr x0, [x28, #80]          /* HVC number of notification_signal */
    mov x1, #1                  /* slot */
    read_cycles x26
    hvc #0
3:  cmp x24, x25
    b.eq 3b
    mov x1, x26
    keep
    subs x27, x27, #1
    b.ne 1b
    finish

/* Two guests: the first signals the second and sleeps until it is signalled back. */
    .global guest_ping
guest_ping:
    mov x28, x0
    mov x27, #ROUNDS
    mov x25, #0
    interrupts_on
1:  mov x24, x25
    msr daifset, #2
    read_cycles x26
    ldr x0, [x28, #80]
    mov x1, #1
    hvc #0
3:  wfi
    msr daifclr, #2
    isb
    msr daifset, #2
    cmp x24, x25
    b.eq 3b
    read_cycles x2
    mov x1, x26
    keep
    msr daifclr, #2
    subs x27, x27, #1
    b.ne 1b
    finish

    .global guest_pong
guest_pong:
    mov x28, x0
    mov x25, #0
    interrupts_on
    msr daifset, #2
1:  mov x24, x25
3:  wfi
    msr daifclr, #2
    isb
    msr daifset, #2
    cmp x24, x25
    b.eq 3b
    ldr x0, [x28, #80]
    mov x1, #2
    hvc #0
    b 1b

/*
 * Two pCPUs, two vCPUs: an SGI there, and one back as the first instruction of its handler; so the time is
 * twice the way from the instruction that sends to the handler's first.  QEMU runs one pCPU at a time, and
 * yield is where the other one's turn comes: nobody waits in what is counted.
 */
    .global guest_cross_ping
guest_cross_ping:
    mov x28, x0
    mov x27, #ROUNDS
    mov x25, #0
    interrupts_on
    mov x26, #2                 /* SGI 0 to Aff0 1 */
1:  mov x5, #20                 /* the other one comes back to where it waits, or to sleep */
2:  yield
    subs x5, x5, #1
    b.ne 2b
    mov x24, x25
    read_cycles x1
    msr s3_0_c12_c11_5, x26     /* ICC_SGI1R_EL1 */
3:  yield
    cmp x24, x25
    b.eq 3b
    keep
    subs x27, x27, #1
    b.ne 1b
    finish

    .balign 2048
cross_vectors:
    .rept 5
    b .
    .balign 128
    .endr
    msr s3_0_c12_c11_5, x26
    yield
    mrs x6, s3_0_c12_c12_0
    msr s3_0_c12_c12_1, x6
    eret
    .balign 2048

.macro cross_interrupts_on
    interrupts_on
    adr x5, cross_vectors
    msr vbar_el1, x5
    isb
    mov x26, #1
.endm

    .global guest_cross_pong
guest_cross_pong:
    cross_interrupts_on
1:  yield
    b 1b

    .global guest_cross_sleeper
guest_cross_sleeper:
    cross_interrupts_on
1:  wfi
    b 1b

    .section .note.GNU-stack, "", %progbits
