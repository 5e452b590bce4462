/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest.h - a VM of a few instructions, whose vmm is the test
 *
 * Its code is at GUEST_CODE, its vectors behind it, one page of data after that; the same pages are in the
 * test's own address space.  guest_code.c has the programs.
 */
#ifndef GUEST_H
#define GUEST_H

#include "ktest.h"

#define GUEST_CODE 0x40000000u
#define GUEST_VECTORS (GUEST_CODE + 4096)
#define GUEST_DATA (GUEST_CODE + 2 * 4096)
#define GUEST_DATA_HERE ((volatile uint64_t *)(SCRATCH_IPA + 2 * 4096))
#define GUEST_NOWHERE 0x09000000u /* nothing is mapped there */

enum { GUEST_PAGES = 3 };

/* Slots of guest n (0..3). */
#define GUEST_SLOT(n) (FREE + 300 + (slot_t)(n)*20)
#define G_SPACE(n) GUEST_SLOT(n)
#define G_VCPU(n) (GUEST_SLOT(n) + 1)
#define G_EXITS(n) (GUEST_SLOT(n) + 2)
#define G_SC(n) (GUEST_SLOT(n) + 3)
#define G_CSPACE(n) (GUEST_SLOT(n) + 4)
#define G_FRAMES(n) (GUEST_SLOT(n) + 5) /* code, vectors, data: in its space */
#define G_OURS (FREE + 390)             /* the same, in ours; only of the guest made last */

struct program {
    const char *begin, *end;
};
/* Each program, and what it expects in its registers: guest_code.c. */
extern const struct program program_calls, program_loads, program_stores, program_doorbell,
    program_interrupts, program_faults, program_syscalls, program_timer, program_switches;

/* Make guest n on `pcpu`, suspended at its first instruction; x9 = GUEST_NOWHERE, x10 = GUEST_DATA. */
void guest_make(unsigned n, uint32_t pcpu, const struct program *program);
void guest_start(unsigned n);
/* Its next exit; the label, or 0 when none comes within two seconds. */
uint32_t guest_exit(unsigned n, struct bh_msg *m);
void guest_reply(uint32_t label, uint64_t w0, uint64_t w1);
/* An exit that has to be this HVC; x0 and x1 are in m->w[0] and [1]. */
void guest_expect_hvc(unsigned n, uint16_t imm, struct bh_msg *m);

#endif
