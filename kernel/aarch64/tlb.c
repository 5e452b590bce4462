/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tlb.c - keeping the translation lookaside buffers of all pCPUs true
 *
 * Invalidation is by broadcast within the inner-shareable domain, so no pCPU is interrupted for it.  A TLBI
 * of the EL1&0 regime works on the VMID in VTTBR_EL2: when that is not the one meant it is put there for the
 * time. EL2 itself has no use for the regime, so nothing is translated by it in between.
 *
 * Always true:  an address space without a VMID of the current generation is in no TLB (aspace.c).
 * Locking:      kernel_lock.
 */
#include "aspace.h"

#define tlbi(operation) __asm__ volatile("tlbi " #operation ::: "memory")
#define tlbi_address(operation, value) __asm__ volatile("tlbi " #operation ", %0" ::"r"(value) : "memory")

/* Stores to tables before this are seen by table walks after it, on every pCPU and in the SMMU. */
void tlb_publish(void)
{
    dsb(ishst);
}

/* Returns what was there, for vttbr_restore. */
static uint64_t vttbr_borrow(uint64_t vttbr)
{
    uint64_t old = read_sysreg(vttbr_el2);

    if (old != vttbr) {
        write_sysreg(vttbr_el2, vttbr);
        isb();
    }
    return old;
}

static void vttbr_restore(uint64_t old, uint64_t vttbr)
{
    if (old != vttbr)
        write_sysreg(vttbr_el2, old);
    isb();
}

/*
 * One mapping, which is one leaf: an operation with any address inside it invalidates it, whatever its size.
 * It reaches only what is cached of stage 2 alone; what TLBs hold of both stages combined goes by VMID, as
 * its virtual address is not known here (DDI 0487, D8.14.5).
 */
void tlb_flush_ipa(struct aspace *aspace, uint64_t ipa, uint64_t bytes)
{
    (void)bytes;
    dsb(ishst);
    if (!aspace_has_vmid(aspace)) /* whoever gives it one now sees our stores */
        return;

    uint64_t old = vttbr_borrow(aspace->vttbr);
    tlbi_address(ipas2e1is, ipa >> 12);
    dsb(ish);
    tlbi(vmalle1is);
    dsb(ish);
    vttbr_restore(old, aspace->vttbr);
}

void tlb_flush_vmid(struct aspace *aspace)
{
    dsb(ishst);
    if (!aspace_has_vmid(aspace)) /* whoever gives it one now sees our stores */
        return;

    uint64_t old = vttbr_borrow(aspace->vttbr);
    tlbi(vmalls12e1is);
    dsb(ish);
    vttbr_restore(old, aspace->vttbr);
}

/* The instruction caches too: some are tagged with the VMID. */
void tlb_flush_all_guests(void)
{
    dsb(ishst);
    tlbi(alle1is);
    __asm__ volatile("ic ialluis" ::: "memory");
    dsb(ish);
    isb();
}

void vttbr_unload(uint64_t vttbr)
{
    if (read_sysreg(vttbr_el2) == vttbr) {
        write_sysreg(vttbr_el2, aspace_vttbr_none());
        isb();
    }
}
