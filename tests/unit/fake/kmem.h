/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kmem.h - a faked machine around the kernel's address spaces, for host tests
 *
 * slot.c, table.c, stage2.c, aspace.c and their like are the real ones; TLB operations are counted, memory is
 * the host's, and what those files never reach is left out.
 */
#ifndef FAKE_KMEM_H
#define FAKE_KMEM_H

#include "kernel.h"

extern unsigned tlb_ipa_flushes, tlb_vmid_flushes, tlb_all_flushes, publishes, signals;
extern uint64_t signalled_bits;
extern uint64_t vttbr_register;
extern bool preempt_now;                                   /* what preempt_wanted() says */
extern void (*on_tlb_flush)(struct aspace *, uint64_t at); /* called within tlb_flush_ipa */
extern void (*on_flush_all)(void);                         /* called within tlb_flush_all_guests */
extern char last_line[256];                                /* what kprintf wrote last */
extern unsigned lines;

/* Calls that must end in panic(): panics(x) is true if it did. */
bool panics(void (*function)(void *), void *argument);

/* Zeroed memory that starts at a multiple of its own size (a power of two); given back by memory_release. */
void *memory_get(uint64_t bytes);
void memory_release(void);

struct slot untyped_of(uint64_t bytes); /* over fresh memory that is filled with 0xa5 */
struct slot frame_of(unsigned size_bits, uint8_t rights, uint64_t address);
void kmem_reset(void);

#endif
