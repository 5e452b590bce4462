/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * threads.c - a vmm's further vCPUs, one on the pCPU of each further vCPU of its VM
 *
 * init makes them, with their stacks, because a vCPU's faults go where whoever configured it said: so a fault
 * of any thread comes here like one of the first, and no vmm holds anything of init's for it.  What they run
 * and when is the vmm's affair: they get no SchedContext (docs/decisions/0008-a-vmm-thread-per-vcpu.md).
 *
 * Always true:  threads and stacks come from domain->untyped like the rest of the domain.
 */
#include "bh.h"
#include "init.h"

_Static_assert(THREAD_STACK_TOP_IPA(MANIFEST_PCPUS_MAX) <= IPCBUF_IPA, "the stacks end below the IPC buffer");
_Static_assert(THREAD_STACK_BYTES < THREAD_STACK_STEP, "a page below each stack is unmapped");

uint32_t threads_page_count(const struct domain *domain)
{
    return domain->thread_count * (THREAD_STACK_BYTES / PAGE_BYTES);
}

static enum status stack_map(struct domain *domain, uint32_t thread)
{
    uint64_t ipa = THREAD_STACK_TOP_IPA(thread) - THREAD_STACK_BYTES;
    enum status status = OK;

    for (uint32_t at = 0; status == OK && at < THREAD_STACK_BYTES; at += PAGE_BYTES) {
        slot_t page = domain_page(domain);

        status = bh_aspace_map(domain->aspace, page, ipa + at, RIGHT_READ | RIGHT_WRITE);
        domain->thread_stacks[thread] = page; /* the last is the top one */
    }
    return status;
}

enum status threads_create(struct domain *domain)
{
    enum status status = OK;

    if (domain->thread_count == 0)
        return OK;
    domain->threads = bh_slots_alloc(domain->thread_count);
    if (!domain->threads)
        return ERR_FULL;
    status = row_retype(domain->untyped, CAP_VCPU, 0, domain->thread_count, domain->threads);
    for (uint32_t i = 0; status == OK && i < domain->thread_count; i++) {
        status = bh_vcpu_configure(domain->threads + i, VCPU_SERVICE, 0, domain->thread_pcpus[i],
                                   domain->cspace, domain->aspace, domain->exits);
        if (status == OK)
            status = stack_map(domain, i);
    }
    return status;
}

enum status threads_give(struct domain *domain)
{
    enum status status = OK;

    for (uint32_t i = 0; status == OK && i < domain->thread_count; i++)
        status =
            domain_give(domain, manifest_vmm.thread_slot + i, domain->threads + i, RIGHT_READ | RIGHT_WRITE);
    return status;
}

void threads_stop(struct domain *domain)
{
    for (uint32_t i = 0; i < domain->thread_count; i++)
        if (bh_vcpu_suspend(domain->threads + i) != OK)
            bh_log("thread %u of %s cannot be stopped", (unsigned)i + 1, domain->name);
}

/* The vCPUs are gone with what they were made from. */
void threads_forget(struct domain *domain)
{
    if (domain->threads)
        bh_slots_free(domain->threads, domain->thread_count);
    domain->threads = 0;
    domain->thread_count = 0;
}

enum status thread_break(struct domain *domain, uint32_t thread)
{
    if (thread >= domain->thread_count)
        return ERR_ARG;
    return bh_aspace_unmap(domain->thread_stacks[thread]);
}
