/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage2.h - what aspace.c and sys_aspace.c ask of the stage-2 tables
 */
#ifndef KERNEL_STAGE2_H
#define KERNEL_STAGE2_H

#include "kernel.h"

/* `attributes` (RIGHT_*, MAP_UNCACHED) have been judged.  ERR_FULL, ERR_MEM: nothing has changed. */
enum status stage2_map(struct aspace *aspace, struct slot *frame, uint64_t at, uint32_t attributes);
/* These two: mapping_stands(frame), in this address space. */
void stage2_unmap(struct aspace *aspace, const struct slot *frame);
void stage2_protect(struct aspace *aspace, const struct slot *frame, uint32_t rights);
/* Nothing is mapped any more, and all table memory goes back.  Bounded, however much was mapped. */
void stage2_clear(struct aspace *aspace);

#endif
