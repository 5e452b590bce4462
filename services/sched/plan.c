/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plan.c - the table as capabilities: SchedContexts come, go, and are committed as plans
 *
 * A SchedContext whose object is destroyed leaves an empty slot here; the kernel has taken it out of the plan
 * then, so nothing is urgent: the entry goes when the table is next looked at.
 */
#include <string.h>

#include "bh.h"
#include "bh_syscalls.h"
#include "caps_sched.h"
#include "sched.h"

_Static_assert(1u << CAP_CSPACE_BITS == CSPACE_SLOTS,
               "sched.h and system/bulkhead.toml agree on sched's CSpace");
_Static_assert(DOMAIN_PERSIST >= TABLE_PAGES, "system/bulkhead.toml: persist of sched");
_Static_assert(SC_SLOT0 >= CAP_FIRST_FREE + 64, "lib/bh finds slots below sched's own");

/* A restarted sched finds in its CSpace what the last one was receiving when it ended.  And lib/bh is told,
 * again, which slots it may give out: not those with a fixed meaning. */
static void slots_tidy(void)
{
    for (slot_t slot = CAP_FIRST_FREE; slot < SC_SLOT0; slot++)
        if (bh_cspace_delete(SLOT_CSPACE, slot) != OK)
            bh_panic("slot %u cannot be emptied", slot);
    memset(bh_ipcbuf->recv_slots, 0, sizeof(bh_ipcbuf->recv_slots));
    bh_slots_init(CAP_FIRST_FREE, SCRATCH_SLOT);
}

/* A Dispatcher is there if it can be copied. */
static uint32_t pcpu_count_find(void)
{
    uint32_t count = 0;

    while (count < CAP_DISPATCHER_COUNT && bh_cspace_copy(SLOT_CSPACE, CAP_DISPATCHER0 + count, SLOT_CSPACE,
                                                          SCRATCH_SLOT, RIGHT_READ) == OK) {
        if (bh_cspace_delete(SLOT_CSPACE, SCRATCH_SLOT) != OK)
            bh_panic("a copied Dispatcher cannot be deleted");
        count++;
    }
    return count;
}

/* A capability without an entry: the last sched ended between taking it in and writing it down. */
static void orphans_drop(struct sched *sched)
{
    for (uint32_t i = 0; i < ENTRIES_MAX; i++)
        if (!sched->table->entries[i].used && bh_cspace_delete(SLOT_CSPACE, SC_SLOT0 + i) != OK)
            bh_panic("slot %u cannot be emptied", SC_SLOT0 + i);
}

void sched_recover(struct sched *sched)
{
    sched->table = (struct table *)PERSIST_IPA;
    slots_tidy();
    sched->pcpu_count = pcpu_count_find();
    if (sched->pcpu_count == 0)
        bh_panic("no Dispatcher was given");
    if (table_open(sched->table, sched->pcpu_count) != OK)
        bh_panic("the table in the persist pages is damaged");
    orphans_drop(sched);
    sched_sweep(sched, 0);
}

void sched_drop(struct sched *sched, uint32_t at)
{
    table_remove(sched->table, at);
    if (bh_cspace_delete(SLOT_CSPACE, SC_SLOT0 + at) != OK)
        bh_panic("slot %u cannot be emptied", SC_SLOT0 + at);
}

void sched_sweep(struct sched *sched, uint32_t vm_id)
{
    uint64_t ticks, switches, wanted;

    for (uint32_t i = 0; i < sched->table->high; i++) {
        const struct entry *entry = &sched->table->entries[i];

        if (entry->used && (vm_id == 0 || entry->vm_id == vm_id) &&
            bh_sc_usage(SC_SLOT0 + i, &ticks, &switches, &wanted) == ERR_CAP)
            sched_drop(sched, i);
    }
}

static enum status plan_commit(const struct sched *sched, uint32_t pcpu)
{
    table_plan(sched->table, pcpu, SC_SLOT0, (struct plan *)(IPCBUF_IPA + PLAN_OFFSET));
    return bh_dispatcher_commit(CAP_DISPATCHER0 + pcpu);
}

enum status sched_commit(struct sched *sched, uint32_t pcpu)
{
    enum status status = plan_commit(sched, pcpu);

    if (status != ERR_CAP)
        return status;
    sched_sweep(sched, 0); /* asking for each one first would cost as much as there are VMs */
    return plan_commit(sched, pcpu);
}
