/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * aspace.h - what sys_aspace.c and aarch64/tlb.c ask of an address space
 */
#ifndef KERNEL_ASPACE_H
#define KERNEL_ASPACE_H

#include "kernel.h"

/* aspace->vttbr holds a VMID of this generation: TLBs may know it. */
bool aspace_has_vmid(const struct aspace *aspace);

/* The doorbell with exactly this address and value, or NULL. */
struct doorbell *aspace_doorbell_at(struct aspace *aspace, uint64_t ipa, uint64_t value);
/* One store would ring both that and one that is there. */
bool aspace_doorbell_clashes(struct aspace *aspace, uint64_t ipa, uint64_t value);
struct doorbell *aspace_doorbell_unused(struct aspace *aspace); /* NULL: all are taken */
void aspace_doorbell_set(struct aspace *aspace, struct doorbell *doorbell, uint64_t ipa, uint64_t value,
                         struct slot *notification);
void aspace_doorbell_clear(struct doorbell *doorbell);

#endif
