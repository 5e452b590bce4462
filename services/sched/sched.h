/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched.h - sched's state and the slots it uses
 *
 * sched's CSpace and its persist pages outlive it (keep_cspace in system/bulkhead.toml): a restarted sched
 * finds each SchedContext in the slot that its entry's index says.
 */
#ifndef SCHED_H
#define SCHED_H

#include "abi.h"
#include "table.h"

#define CSPACE_SLOTS 1024u
#define SC_SLOT0 (CSPACE_SLOTS - ENTRIES_MAX)
#define SCRATCH_SLOT (SC_SLOT0 - 1)
#define SCHED_TOOLSTACK_BADGE 1u
#define SCHED_INIT_BADGE 2u

struct sched {
    struct table *table;
    uint32_t pcpu_count;
};

/* Find the Dispatchers and what an earlier sched left. */
void sched_recover(struct sched *sched);
/* Drop entries whose SchedContext is gone: its VM was destroyed.  Of this VM, or (0) of all. */
void sched_sweep(struct sched *sched, uint32_t vm_id);
/* Make the plan of a pCPU and commit it; what is gone leaves the table first. */
enum status sched_commit(struct sched *sched, uint32_t pcpu);
/* Drop an entry and its capability; the plan is the caller's business. */
void sched_drop(struct sched *sched, uint32_t at);

#endif
