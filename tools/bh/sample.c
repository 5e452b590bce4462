/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sample.c - what VMs and Bulkhead's own domains have used so far
 */
#include "sample.h"

#include <stdlib.h>
#include <string.h>

#include "fail.h"

/* Make room for `more` behind `count`. */
static void *grow(void *rows, unsigned count, unsigned more, size_t bytes)
{
    size_t all = (count + more) * bytes;

    rows = realloc(rows, all ? all : 1);
    if (!rows)
        fail("out of memory (%lu bytes)", (unsigned long)all);
    return rows;
}

static void vms_take(struct client *client, struct sample *sample)
{
    bh_MgmtPageRequest page = bh_MgmtPageRequest_init_zero;
    static bh_MgmtStats stats;

    do {
        client_ask(client, MGMT_METHOD_STATS, &page, &stats);
        sample->vms = grow(sample->vms, sample->vm_count, stats.vms_count, sizeof(*sample->vms));
        memcpy(sample->vms + sample->vm_count, stats.vms, stats.vms_count * sizeof(*sample->vms));
        sample->vm_count += stats.vms_count;
        sample->uptime_us = stats.uptime_us;
        page.first = stats.next;
    } while (page.first != 0);
}

static void domains_take(struct client *client, struct sample *sample)
{
    bh_MgmtPageRequest page = bh_MgmtPageRequest_init_zero;
    static bh_MgmtDomainList list;

    do {
        client_ask(client, MGMT_METHOD_DOMAIN_LIST, &page, &list);
        sample->domains =
            grow(sample->domains, sample->domain_count, list.domains_count, sizeof(*sample->domains));
        memcpy(sample->domains + sample->domain_count, list.domains,
               list.domains_count * sizeof(*sample->domains));
        sample->domain_count += list.domains_count;
        page.first = list.next;
    } while (page.first != 0);
}

void sample_take(struct client *client, struct sample *sample)
{
    static const bh_MgmtNothing nothing = bh_MgmtNothing_init_zero;

    *sample = (struct sample){0};
    client_ask(client, MGMT_METHOD_MACHINE, &nothing, &sample->machine);
    domains_take(client, sample);
    vms_take(client, sample);
}

void sample_free(struct sample *sample)
{
    free(sample->vms);
    free(sample->domains);
    *sample = (struct sample){0};
}

/* ---- between two ------------------------------------------------------------------------------------- */

/* A counter that is less than it was began anew. */
static void since(uint64_t *now, uint64_t before)
{
    if (*now >= before)
        *now -= before;
}

static void vcpu_since(bh_MgmtVcpuStats *now, const bh_MgmtVcpuStats *before)
{
    since(&now->run_us, before->run_us);
    since(&now->steal_us, before->steal_us);
    since(&now->blocked_us, before->blocked_us);
    for (unsigned i = 0; i < now->exits_count && i < before->exits_count; i++)
        since(&now->exits[i], before->exits[i]);
}

static void disk_since(bh_MgmtDiskStats *now, const bh_MgmtDiskStats *before)
{
    since(&now->reads, before->reads);
    since(&now->writes, before->writes);
    since(&now->flushes, before->flushes);
    since(&now->errors, before->errors);
    since(&now->read_bytes, before->read_bytes);
    since(&now->written_bytes, before->written_bytes);
}

static void traffic_since(bh_MgmtNetCounters *now, const bh_MgmtNetCounters *before)
{
    since(&now->packets, before->packets);
    since(&now->bytes, before->bytes);
    since(&now->dropped_rate, before->dropped_rate);
    since(&now->dropped_full, before->dropped_full);
    since(&now->dropped_spoofed, before->dropped_spoofed);
    since(&now->dropped_malformed, before->dropped_malformed);
    since(&now->dropped_flood, before->dropped_flood);
}

static void vm_since(bh_MgmtVmStats *now, const bh_MgmtVmStats *before)
{
    since(&now->vmm_us, before->vmm_us);
    for (unsigned i = 0; i < now->vcpus_count; i++)
        for (unsigned j = 0; j < before->vcpus_count; j++)
            if (now->vcpus[i].index == before->vcpus[j].index)
                vcpu_since(&now->vcpus[i], &before->vcpus[j]);
    for (unsigned i = 0; i < now->disks_count; i++)
        for (unsigned j = 0; j < before->disks_count; j++)
            if (!strcmp(now->disks[i].vdev, before->disks[j].vdev))
                disk_since(&now->disks[i], &before->disks[j]);
    for (unsigned i = 0; i < now->interfaces_count; i++)
        for (unsigned j = 0; j < before->interfaces_count; j++)
            if (now->interfaces[i].index == before->interfaces[j].index) {
                traffic_since(&now->interfaces[i].from_vm, &before->interfaces[j].from_vm);
                traffic_since(&now->interfaces[i].to_vm, &before->interfaces[j].to_vm);
            }
}

/* The same VM, not started anew meanwhile. */
static bool is_same(const bh_MgmtVmStats *now, const bh_MgmtVmStats *before)
{
    return now->id == before->id && now->uptime_us >= before->uptime_us &&
           !memcmp(now->uuid.bytes, before->uuid.bytes, sizeof(now->uuid.bytes));
}

void sample_difference(struct sample *between, const struct sample *before, const struct sample *now)
{
    *between = (struct sample){.machine = now->machine, .uptime_us = now->uptime_us - before->uptime_us};
    between->vms = must_alloc((now->vm_count + 1) * sizeof(*between->vms));
    between->domains = must_alloc((now->domain_count + 1) * sizeof(*between->domains));
    between->vm_count = now->vm_count;
    between->domain_count = now->domain_count;
    memcpy(between->vms, now->vms, now->vm_count * sizeof(*now->vms));
    memcpy(between->domains, now->domains, now->domain_count * sizeof(*now->domains));
    for (unsigned i = 0; i < now->vm_count; i++)
        for (unsigned j = 0; j < before->vm_count; j++)
            if (is_same(&now->vms[i], &before->vms[j]))
                vm_since(&between->vms[i], &before->vms[j]);
    for (unsigned i = 0; i < now->domain_count; i++)
        for (unsigned j = 0; j < before->domain_count; j++)
            if (!strcmp(now->domains[i].name, before->domains[j].name)) {
                since(&between->domains[i].cpu_us, before->domains[j].cpu_us);
                since(&between->domains[i].switches, before->domains[j].switches);
            }
}
