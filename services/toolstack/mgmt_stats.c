/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mgmt_stats.c - what VMs use: time and exits as sched reads them from the kernel, what disks and interfaces
 * carried as their drivers count it
 *
 * Nothing here is a vmm's word.
 */
#include <stdio.h>
#include <string.h>

#include "mgmt_call.h"
#include "vdev.h"

#define STATS_MAX 4u /* VMs in one answer: idl/mgmt.options */
_Static_assert(sizeof(((bh_MgmtStats *)0)->vms) / sizeof(bh_MgmtVmStats) == STATS_MAX, "idl/mgmt.options");

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Blocked is the rest of the time since its VM's start. */
static void vcpu_describe(const bh_SchedInfoReply *row, uint64_t uptime_us, bh_MgmtVcpuStats *out)
{
    uint64_t wanted_us = bh_ticks_to_us(row->wanted);

    out->index = row->vcpu;
    out->pcpu = row->pcpu;
    out->run_us = bh_ticks_to_us(row->ticks);
    out->steal_us = less(wanted_us, out->run_us);
    out->blocked_us = less(uptime_us, out->run_us + out->steal_us);
    out->exits_count = row->exits_count;
    memcpy(out->exits, row->exits, sizeof out->exits);
}

static bh_MgmtVmStats *stats_of_id(bh_MgmtStats *reply, uint32_t id)
{
    for (uint32_t i = 0; i < reply->vms_count; i++)
        if (reply->vms[i].id == id)
            return &reply->vms[i];
    return NULL;
}

/* sched's whole table is read once for all VMs of the answer. */
static void times_describe(bh_MgmtStats *reply)
{
    bh_SchedInfoReply row;

    for (uint32_t i = 0; i < INFO_ROWS_MAX && info_sched_row(i, true, &row); i++) {
        bh_MgmtVmStats *vm = stats_of_id(reply, row.vm_id);

        if (vm && row.service)
            vm->vmm_us += bh_ticks_to_us(row.ticks);
        else if (vm && vm->vcpus_count < sizeof vm->vcpus / sizeof vm->vcpus[0])
            vcpu_describe(&row, vm->uptime_us, &vm->vcpus[vm->vcpus_count++]);
    }
}

static void disks_describe(const struct vm *vm, bh_MgmtVmStats *out)
{
    bh_BlkInfoReply row;

    for (uint32_t i = 0; i < vm->config.disks_count; i++) {
        bh_MgmtDiskStats *disk = &out->disks[out->disks_count];

        if (!info_disk_row(vm_id(vm) << 8 | vdev_place(vm->config.disks[i].vdev), &row))
            continue;
        out->disks_count++;
        snprintf(disk->vdev, sizeof disk->vdev, "%s", vm->config.disks[i].vdev);
        disk->reads = row.reads;
        disk->writes = row.writes;
        disk->flushes = row.flushes;
        disk->errors = row.errors;
        disk->read_bytes = row.read_bytes;
        disk->written_bytes = row.written_bytes;
    }
}

static void interfaces_describe(const struct vm *vm, bh_MgmtVmStats *out)
{
    bh_NetInfoReply row;

    for (uint32_t i = 0; i < vm->config.vifs_count; i++) {
        bh_MgmtNetStats *interface = &out->interfaces[out->interfaces_count];

        if (!info_interface_row(vm_id(vm) << 8 | i, &row))
            continue;
        out->interfaces_count++;
        interface->index = i;
        interface->link = row.link;
        mgmt_traffic(&row.from_vm, &interface->has_from_vm, &interface->from_vm);
        mgmt_traffic(&row.to_vm, &interface->has_to_vm, &interface->to_vm);
    }
}

static void vm_describe(const struct vm *vm, bh_MgmtVmStats *out)
{
    out->id = vm_id(vm);
    snprintf(out->name, sizeof out->name, "%s", vm->config.name);
    out->uuid.size = sizeof vm->config.uuid;
    memcpy(out->uuid.bytes, vm->config.uuid, sizeof vm->config.uuid);
    out->state = mgmt_state_of(vm);
    out->memory_bytes = vm->config.memory_bytes;
    out->uptime_us = bh_ticks_to_us(bh_now() - vm->started);
    disks_describe(vm, out);
    interfaces_describe(vm, out);
}

uint32_t mgmt_on_stats(struct wire_call *call, const bh_MgmtPageRequest *page, bh_MgmtStats *reply)
{
    const struct toolstack *ts = call->context;
    uint32_t first = page->first > VM_ID_MIN ? page->first - VM_ID_MIN : 0;

    reply->uptime_us = bh_ticks_to_us(bh_now());
    for (uint32_t i = first; i < ts->vm_count; i++) {
        const struct vm *vm = &ts->vms[i];

        if (vm->config.name[0] == 0 || vm->state == VM_OFF)
            continue;
        if (reply->vms_count == STATS_MAX) {
            reply->next = VM_ID_MIN + i;
            break;
        }
        vm_describe(vm, &reply->vms[reply->vms_count++]);
    }
    times_describe(reply);
    return bh_MgmtStatus_MGMT_OK;
}
