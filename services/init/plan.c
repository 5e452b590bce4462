/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plan.c - time for the services: first from init's own plans, then from sched
 *
 * sched cannot make the plan by which it runs for the first time.  init commits one per pCPU at boot; with
 * the first admissions sched's own plans take over, and init gives its Dispatchers up.
 */
#include <string.h>

#include "bh.h"
#include "init.h"
#include "sched_rpc.h"

#define BOOT_EPOCH_US 10000u
#define BOOT_SLICE_US 1000u
#define ADMIT_MS 1000u

static void boot_plan(struct plan *plan, uint32_t pcpu)
{
    *plan = (struct plan){.epoch_us = BOOT_EPOCH_US, .flags = PLAN_ELASTIC};
    for (uint32_t i = 0; i < DOMAIN_COUNT; i++)
        if (init.domains[i].pcpu == pcpu)
            plan->entries[plan->count++] =
                (struct plan_entry){.sc = init.domains[i].sc, .slice_us = BOOT_SLICE_US};
}

void plans_commit(void)
{
    struct plan *plan = (struct plan *)((uintptr_t)bh_ipcbuf + PLAN_OFFSET);

    for (uint32_t pcpu = 0; pcpu < init.boot->pcpu_count; pcpu++) {
        enum status status;

        boot_plan(plan, pcpu);
        if (plan->count == 0)
            continue;
        status = bh_dispatcher_commit(INIT_SLOT_DISPATCHER0 + pcpu);
        if (status != OK)
            bh_panic("the boot plan of pCPU %u is refused: %s", pcpu, bh_status_name(status));
    }
}

enum status plan_admit(const struct domain *domain, uint32_t vm_id, char *error, uint32_t error_bytes)
{
    bh_AdmitRequest request = bh_AdmitRequest_init_zero;
    bh_SchedStatus reply;
    struct rpc_caps caps = {.in_count = 1, .in = {domain->sc}};
    enum status status;

    request.vm_id = vm_id;
    request.pcpu = domain->pcpu;
    request.weight = domain->manifest->weight;
    snprintf(request.name, sizeof(request.name), "%.*s", (int)sizeof(request.name) - 1, domain->name);
    status = sched_rpc_admit(init.sched_session, &request, &reply, &caps, bh_after_ms(ADMIT_MS));
    if (status != OK)
        snprintf(error, error_bytes, "%s: sched does not answer: %s", domain->name, bh_status_name(status));
    else if (reply.status != OK)
        snprintf(error, error_bytes, "sched: %s", reply.error);
    return status != OK ? status : (enum status)reply.status;
}

/* init first: sched's plan with nobody else in it must let init go on, and sched runs on init's time while it
 * answers. */
void services_admit(void)
{
    char error[LOG_LINE_MAX];

    for (uint32_t i = 0; i < DOMAIN_COUNT; i++)
        if (plan_admit(&init.domains[i], 0, error, sizeof(error)) != OK)
            bh_log("%s", error);
}
