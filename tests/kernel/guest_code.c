/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest_code.c - the guests' programs, and their making
 *
 * Programs run at EL1 without MMU, anywhere.  The vectors report by HVC: 0x100 a synchronous exception (x0
 * ESR_EL1, x1 ELR_EL1, x2 FAR_EL1, x3 SPSR_EL1).  An interrupt is counted in x20, its number kept in x21.
 */
#include "guest.h"

/* At EL1, SPx: sync 0x200, IRQ 0x280; of EL0: sync 0x400. */
__asm__(".section .rodata\n"
        ".balign 2048\n"
        "guest_vectors:\n"
        ".space 0x200, 0\n"
        "mrs x0, esr_el1\n mrs x1, elr_el1\n mrs x2, far_el1\n mrs x3, spsr_el1\n hvc #0x100\n b .\n"
        ".balign 128\n"
        "mrs x21, s3_0_c12_c12_0\n" /* ICC_IAR1_EL1 */
        "add x20, x20, #1\n"
        "cmp x21, #27\n b.ne 1f\n msr cntv_ctl_el0, xzr\n isb\n"
        "1: msr s3_0_c12_c12_1, x21\n" /* ICC_EOIR1_EL1 */
        "eret\n"
        "guest_vectors_end:\n"
        ".previous");
extern const char guest_vectors[], guest_vectors_end[];

#define PROGRAM(name, code)                                                                                  \
    __asm__(".section .rodata\n.balign 8\nguest_" #name ":\n" code "guest_" #name "_end:\n.previous");       \
    extern const char guest_##name[], guest_##name##_end[];                                                  \
    const struct program program_##name = {guest_##name, guest_##name##_end}

PROGRAM(calls, "hvc #7\n"
               "hvc #8\n"
               "smc #9\n"
               "hvc #10\n"
               "b .\n");

/* From x9, each result to x10. */
PROGRAM(loads, "ldr w0, [x9]\n str x0, [x10], #8\n"
               "ldrb w0, [x9]\n str x0, [x10], #8\n"
               "ldrh w0, [x9]\n str x0, [x10], #8\n"
               "ldr x0, [x9]\n str x0, [x10], #8\n"
               "ldrsb w0, [x9]\n str x0, [x10], #8\n"
               "ldrsb x0, [x9]\n str x0, [x10], #8\n"
               "ldrsh x0, [x9]\n str x0, [x10], #8\n"
               "ldrsw x0, [x9]\n str x0, [x10], #8\n"
               "ldr wzr, [x9]\n"
               "hvc #1\n b .\n");

PROGRAM(stores, "str x1, [x9]\n"
                "str w1, [x9]\n"
                "strh w1, [x9]\n"
                "strb w1, [x9]\n"
                "str wzr, [x9]\n"
                "hvc #1\n b .\n");

/* Stores w1 and then w2 to x9; begins again after hvc #1. */
PROGRAM(doorbell, "1: str w1, [x9]\n str w2, [x9]\n hvc #1\n b 1b\n");

/* Sleeps; reports how many interrupts it had, and the last one, each time that it wakes.  As kernels do, it
 * takes none between its last look and the WFI. */
PROGRAM(interrupts, "mov x0, #0xff\n msr s3_0_c4_c6_0, x0\n" /* ICC_PMR_EL1 */
                    "mov x0, #1\n msr s3_0_c12_c12_7, x0\n"  /* ICC_IGRPEN1_EL1 */
                    "1: msr daifclr, #2\n isb\n msr daifset, #2\n"
                    "mov x0, x20\n mov x1, x21\n hvc #2\n wfi\n b 1b\n");

/* The syndrome of a pair of registers is not enough to emulate it. */
PROGRAM(faults, "ldp x0, x1, [x9]\n hvc #1\n udf #0\n b .\n");

/* A call of the kernel, and what it said. */
PROGRAM(syscalls, "1: hvc #0\n hvc #3\n b 1b\n");

/* Virtual timer after x1 ticks, sleeping until then. */
PROGRAM(timer, "mov x0, #0xff\n msr s3_0_c4_c6_0, x0\n mov x0, #1\n msr s3_0_c12_c12_7, x0\n isb\n"
               "2: msr daifset, #2\n"
               "mrs x3, cntvct_el0\n add x4, x3, x1\n msr cntv_cval_el0, x4\n"
               "mov x5, #1\n msr cntv_ctl_el0, x5\n isb\n"
               "mov x22, x20\n"
               "1: wfi\n msr daifclr, #2\n isb\n msr daifset, #2\n cmp x20, x22\n b.eq 1b\n"
               "mrs x5, cntvct_el0\n sub x0, x5, x3\n mov x1, x21\n hvc #4\n b 2b\n");

/* Its EL1 registers must stay its own: x1 is written to TPIDR_EL1 and x2 to ELR_EL1; rounds at x10. */
PROGRAM(switches, "1: msr tpidr_el1, x1\n msr elr_el1, x2\n msr contextidr_el1, x1\n isb\n"
                  "mov x6, #200\n"
                  "2: mrs x3, tpidr_el1\n mrs x4, elr_el1\n mrs x5, contextidr_el1\n"
                  "cmp x3, x1\n b.ne 9f\n cmp x4, x2\n b.ne 9f\n cmp w5, w1\n b.ne 9f\n"
                  "subs x6, x6, #1\n b.ne 2b\n"
                  "add x1, x1, #1\n add x2, x2, #3\n"
                  "ldr x7, [x10]\n add x7, x7, #1\n str x7, [x10]\n"
                  "tst x7, #15\n b.ne 1b\n ldr w8, [x9]\n" /* sometimes an exit in between */
                  "b 1b\n"
                  "9: hvc #9\n b .\n");

static void copy_code(uint64_t to, const char *from, const char *end)
{
    volatile char *p = (volatile char *)to;

    for (; from < end; from++)
        *p++ = *from;
    for (uint64_t line = to; line < (uint64_t)p; line += 16)
        __asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0" ::"r"(line) : "memory");
    __asm__ volatile("dsb ish\n\tisb" ::: "memory");
}

void guest_make(unsigned n, uint32_t pcpu, const struct program *program)
{
    EXPECT(kt_make(CAP_ASPACE, 0, G_SPACE(n)), OK);
    EXPECT(bh_aspace_donate(G_SPACE(n), POOL, 4), OK);
    EXPECT(kt_make(CAP_VCPU, 0, G_VCPU(n)), OK);
    EXPECT(kt_make(CAP_ENDPOINT, 0, G_EXITS(n)), OK);
    EXPECT(kt_make(CAP_SC, 0, G_SC(n)), OK);
    EXPECT(kt_make(CAP_CSPACE, 4, G_CSPACE(n)), OK);
    EXPECT(bh_untyped_retype(POOL, CAP_FRAME, FRAME_4K, GUEST_PAGES, CSPACE, G_FRAMES(n)), OK);
    for (slot_t i = 0; i < GUEST_PAGES; i++) {
        EXPECT(kt_delete(G_OURS + i), OK);
        EXPECT(kt_copy(G_FRAMES(n) + i, G_OURS + i, RW), OK);
        EXPECT(bh_aspace_map(ASPACE, G_OURS + i, SCRATCH_IPA + 4096 * i, RW), OK);
        EXPECT(bh_aspace_map(G_SPACE(n), G_FRAMES(n) + i, GUEST_CODE + 4096 * i, RWX), OK);
    }
    copy_code(SCRATCH_IPA, program->begin, program->end);
    copy_code(SCRATCH_IPA + 4096, guest_vectors, guest_vectors_end);
    EXPECT(bh_vcpu_configure(G_VCPU(n), VCPU_GUEST, 0, pcpu, G_CSPACE(n), G_SPACE(n), G_EXITS(n)), OK);
    EXPECT(bh_vcpu_write(G_VCPU(n), REG_PC, GUEST_CODE), OK);
    EXPECT(bh_vcpu_write(G_VCPU(n), REG_PSTATE, 0x3c5), OK);
    EXPECT(bh_vcpu_write(G_VCPU(n), REG_VBAR_EL1, GUEST_VECTORS), OK);
    EXPECT(bh_vcpu_write(G_VCPU(n), REG_X0 + 9, GUEST_NOWHERE), OK);
    EXPECT(bh_vcpu_write(G_VCPU(n), REG_X0 + 10, GUEST_DATA), OK);
    EXPECT(bh_sc_create_on(G_SC(n), pcpu), OK);
    EXPECT(bh_sc_bind(G_SC(n), G_VCPU(n)), OK);
    kt_plan_add(pcpu, G_SC(n));
}

void guest_start(unsigned n)
{
    EXPECT(bh_vcpu_resume(G_VCPU(n)), OK);
}

uint32_t guest_exit(unsigned n, struct bh_msg *m)
{
    enum status status = bh_endpoint_recv(G_EXITS(n), bh_after_ms(2000), m);

    EXPECT(status, OK);
    if (status != OK)
        return 0;
    EXPECT(m->info & INFO_EXIT, INFO_EXIT);
    return INFO_LABEL(m->info);
}

void guest_reply(uint32_t label, uint64_t w0, uint64_t w1)
{
    struct bh_msg m = {.info = INFO(label, 4, 0, 0), .w = {w0, w1, w0 + 1, w1 + 1}};

    EXPECT(bh_endpoint_reply(&m), OK);
}

void guest_expect_hvc(unsigned n, uint16_t imm, struct bh_msg *m)
{
    EXPECT(guest_exit(n, m), EXIT_HVC);
    EXPECT(m->w[4], imm);
}
