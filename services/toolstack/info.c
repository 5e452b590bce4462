/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * info.c - what there is: the VMs, one VM, the machine
 */
#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "blk_rpc.h"
#include "caps_toolstack.h"
#include "init_rpc.h"
#include "mem_rpc.h"
#include "net_rpc.h"
#include "policy.h"
#include "sched_rpc.h"
#include "toolstack.h"
#include "vdev.h"

#define KIB 1024ull
#define MIB (1024ull * KIB)
#define PAGE 4096ull

/* As in `xl list`: r running, p paused, s shutting down or shut down, c crashed; b: its vmm is loading it. */
const char *info_state_letters(const struct vm *vm)
{
    switch (vm->state) {
    case VM_BUILDING:
    case VM_STARTING:
        return vm->is_paused ? "-bp---" : "-b----";
    case VM_RUNNING:
        if (vm->is_paused)
            return vm->is_stopping ? "--ps--" : "--p---";
        return vm->is_stopping ? "---s--" : "r-----";
    case VM_PRESERVED:
        return vm->ending == END_CRASH ? "----c-" : "---s--";
    default:
        return "------";
    }
}

static const char *state_name(const struct vm *vm)
{
    static const char *const names[] = {
        [VM_OFF] = "off",         [VM_BUILDING] = "being made", [VM_STARTING] = "starting",
        [VM_RUNNING] = "running", [VM_PRESERVED] = "preserved",
    };

    if (vm->state == VM_RUNNING && (vm->is_paused || vm->is_stopping))
        return vm->is_paused ? "paused" : "asked to shut down";
    return names[vm->state];
}

enum status info_init(bh_InitInfoReply *info)
{
    static const bh_InitInfoRequest request = bh_InitInfoRequest_init_zero;
    enum status status = init_rpc_init_info(CAP_INIT, &request, info, NULL, bh_after_ms(ASK_MS));

    return status == OK ? (enum status)info->status : status;
}

enum status info_memory(bh_MemInfoReply *info)
{
    static const bh_MemInfoRequest request = bh_MemInfoRequest_init_zero;
    enum status status = mem_rpc_info(CAP_MEM, &request, info, NULL, bh_after_ms(ASK_MS));

    return status == OK ? (enum status)info->status : status;
}

/* The index-th SchedContext that sched knows; false past the last. */
bool info_sched_row(uint32_t index, bool exits, bh_SchedInfoReply *row)
{
    bh_SchedInfoRequest request = {.index = index, .exits = exits};
    enum status status = sched_rpc_info(CAP_SCHED, &request, row, NULL, bh_after_ms(ASK_MS));

    return status == OK && row->status == OK;
}

bool info_disk_row(uint32_t session, bh_BlkInfoReply *row)
{
    bh_BlkInfoRequest request = {.session = session};
    enum status status = blk_rpc_info(CAP_BLK, &request, row, NULL, bh_after_ms(ASK_MS));

    return status == OK && row->status == OK;
}

bool info_interface_row(uint32_t session, bh_NetInfoReply *row)
{
    bh_NetInfoRequest request = {.session = session};
    enum status status = net_rpc_info(CAP_NET, &request, row, NULL, bh_after_ms(ASK_MS));

    return status == OK && row->status == OK;
}

/* CPU time of each VM's SchedContexts, in microseconds. */
void info_cpu_us(const struct toolstack *ts, uint64_t us[VMS_MAX])
{
    bh_SchedInfoReply row;

    memset(us, 0, VMS_MAX * sizeof us[0]);
    for (uint32_t i = 0; i < INFO_ROWS_MAX && info_sched_row(i, false, &row); i++)
        if (row.vm_id >= VM_ID_MIN && row.vm_id - VM_ID_MIN < ts->vm_count)
            us[row.vm_id - VM_ID_MIN] += bh_ticks_to_us(row.ticks);
}

void info_list(struct toolstack *ts)
{
    uint64_t us[VMS_MAX];

    info_cpu_us(ts, us);
    out_printf(ts, "%-32s %5s %5s %5s %6s %9s\n", "Name", "ID", "Mem", "VCPUs", "State", "Time(s)");
    for (uint32_t i = 0; i < ts->vm_count; i++) {
        const struct vm *vm = &ts->vms[i];
        char id[16] = "-";

        if (vm->config.name[0] == 0)
            continue;
        if (vm->state != VM_OFF)
            snprintf(id, sizeof id, "%u", vm_id(vm));
        out_printf(ts, "%-32s %5s %5llu %5u %6s %7llu.%llu\n", vm->config.name, id,
                   (unsigned long long)(vm->config.memory_bytes / MIB), vm->config.vcpus,
                   info_state_letters(vm), (unsigned long long)(us[i] / 1000000),
                   (unsigned long long)(us[i] / 100000 % 10));
    }
}

/* ---- one VM ------------------------------------------------------------------------------------- */

static const char *policy_name(bh_OnEvent event)
{
    return event == bh_OnEvent_RESTART ? "restart" : event == bh_OnEvent_PRESERVE ? "preserve" : "destroy";
}

static void vm_disk_traffic(struct toolstack *ts, uint32_t session)
{
    bh_BlkInfoReply row;

    if (info_disk_row(session, &row))
        out_printf(ts, ", %llu sectors, %llu reads, %llu writes, %llu flushes, %llu errors",
                   (unsigned long long)row.sectors, (unsigned long long)row.reads,
                   (unsigned long long)row.writes, (unsigned long long)row.flushes,
                   (unsigned long long)row.errors);
}

static void counters_tell(struct toolstack *ts, const char *way, const bh_NetCounters *c)
{
    uint64_t dropped =
        c->dropped_rate + c->dropped_full + c->dropped_spoofed + c->dropped_malformed + c->dropped_flood;

    out_printf(ts, ", %llu packets (%llu bytes) %s, %llu dropped", (unsigned long long)c->packets,
               (unsigned long long)c->bytes, way, (unsigned long long)dropped);
}

static void vm_net_traffic(struct toolstack *ts, uint32_t session)
{
    bh_NetInfoReply row;

    if (!info_interface_row(session, &row))
        return;
    out_printf(ts, " on %s, link %s", row.network, row.link ? "up" : "down");
    for (uint32_t i = 0; i < row.ipv4_count; i++)
        out_printf(ts, ", %u.%u.%u.%u", row.ipv4[i] >> 24, row.ipv4[i] >> 16 & 255, row.ipv4[i] >> 8 & 255,
                   row.ipv4[i] & 255);
    counters_tell(ts, "sent", &row.from_vm);
    counters_tell(ts, "received", &row.to_vm);
}

static void vm_nets(struct toolstack *ts, const struct vm *vm)
{
    for (uint32_t i = 0; i < vm->config.vifs_count; i++) {
        const uint8_t *mac = vm->config.vifs[i].mac;

        out_printf(ts, "vif              : %u is %02x:%02x:%02x:%02x:%02x:%02x", i, mac[0], mac[1], mac[2],
                   mac[3], mac[4], mac[5]);
        if (vm->state != VM_OFF)
            vm_net_traffic(ts, vm_id(vm) << 8 | i);
        else
            out_printf(ts, " on %s", vm->config.vifs[i].bridge);
        out_printf(ts, "\n");
    }
}

static void vm_vcpus(struct toolstack *ts, const struct vm *vm)
{
    bh_SchedInfoReply row;

    for (uint32_t i = 0; i < INFO_ROWS_MAX && info_sched_row(i, false, &row); i++)
        if (row.vm_id == vm_id(vm))
            out_printf(ts, "cpu              : %s on pCPU %u, weight %u, %llu ms, %llu switches\n", row.name,
                       row.pcpu, row.weight, (unsigned long long)(bh_ticks_to_us(row.ticks) / 1000),
                       (unsigned long long)row.switches);
}

/* Only of a VM that does not have all it started with. */
static void vm_balloon(struct toolstack *ts, const struct vm *vm)
{
    uint64_t held;

    if (vm->state == VM_OFF || (vm->given == 0 && (vm->target == 0 || vm->target == vm->memory)))
        return;
    if (!vm_memory_held(vm, &held))
        held = 0;
    out_printf(ts, "memory target    : %llu MiB, its guest gave %llu KiB, it has %llu MiB%s\n",
               (unsigned long long)((vm->target != 0 ? vm->target : vm->memory) / MIB),
               (unsigned long long)(vm->given / KIB), (unsigned long long)(held / MIB),
               vm->has_balloon ? "" : "; its guest has no driver for the balloon");
}

void info_vm(struct toolstack *ts, const struct vm *vm)
{
    const bh_VmConfig *config = &vm->config;

    out_printf(ts, "name             : %s\n", config->name);
    out_printf(ts, "id               : %u\n", config->vm_id);
    out_printf(ts, "state            : %s%s%s\n", state_name(vm), vm->text[0] ? ": " : "", vm->text);
    if (vm->start_us != 0)
        out_printf(ts, "started          : within %llu us\n", (unsigned long long)vm->start_us);
    out_printf(ts, "memory           : %llu MiB\n", (unsigned long long)(config->memory_bytes / MIB));
    vm_balloon(ts, vm);
    out_printf(ts, "vcpus            : %u, weight %u\n", config->vcpus, config->weight);
    out_printf(ts, "kernel           : %s\n", config->kernel);
    if (config->ramdisk[0] != 0)
        out_printf(ts, "ramdisk          : %s\n", config->ramdisk);
    out_printf(ts, "extra            : %s\n", config->extra);
    out_printf(ts, "on_poweroff      : %s\n", policy_name(config->on_poweroff));
    out_printf(ts, "on_reboot        : %s\n", policy_name(config->on_reboot));
    out_printf(ts, "on_crash         : %s\n", policy_name(config->on_crash));
    for (uint32_t i = 0; i < config->disks_count; i++) {
        out_printf(ts, "disk             : %s is %s, %s", config->disks[i].vdev, config->disks[i].volume,
                   config->disks[i].writable ? "writable" : "read-only");
        if (vm->state != VM_OFF)
            vm_disk_traffic(ts, config->vm_id << 8 | vdev_place(config->disks[i].vdev));
        out_printf(ts, "\n");
    }
    vm_nets(ts, vm);
    if (vm->state != VM_OFF)
        vm_vcpus(ts, vm);
}

/* ---- the machine ---------------------------------------------------------------------------------- */

static void info_of_init(struct toolstack *ts)
{
    bh_InitInfoReply info;

    if (info_init(&info) != OK) {
        out_printf(ts, "init does not answer\n");
        return;
    }
    out_printf(ts, "pcpus            : %u\n", info.pcpus);
    out_printf(ts, "ram              : %llu KiB\n", (unsigned long long)(info.ram_bytes / KIB));
    out_printf(ts, "kernel           : %llu KiB\n", (unsigned long long)(info.kernel_bytes / KIB));
    out_printf(ts, "bundle           : %llu KiB\n", (unsigned long long)(info.bundle_bytes / KIB));
    out_printf(ts, "services         : %llu KiB\n", (unsigned long long)(info.services_bytes / KIB));
    out_printf(ts, "vmms             : %u of %u, %llu KiB each\n", info.vmms, info.vmms_max,
               (unsigned long long)(info.vmm_bytes / KIB));
}

static void info_of_mem(struct toolstack *ts)
{
    bh_MemInfoReply info;

    if (info_memory(&info) != OK) {
        out_printf(ts, "mem does not answer\n");
        return;
    }
    out_printf(ts, "memory_total     : %llu KiB\n", (unsigned long long)(info.total_bytes / KIB));
    out_printf(ts, "memory_free      : %llu KiB (%llu pages)\n", (unsigned long long)(info.free_bytes / KIB),
               (unsigned long long)(info.free_bytes / PAGE));
    out_printf(ts, "memory_promised  : %llu KiB in %u sessions\n",
               (unsigned long long)(info.promised_bytes / KIB), info.sessions);
}

static void info_of_services(struct toolstack *ts)
{
    bh_SchedInfoReply row;

    for (uint32_t i = 0; i < INFO_ROWS_MAX && info_sched_row(i, false, &row); i++)
        if (row.vm_id == 0)
            out_printf(ts, "service          : %s on pCPU %u, weight %u, %llu ms\n", row.name, row.pcpu,
                       row.weight, (unsigned long long)(bh_ticks_to_us(row.ticks) / 1000));
}

void info_machine(struct toolstack *ts)
{
    uint32_t alive = 0, known = 0;

    for (uint32_t i = 0; i < ts->vm_count; i++) {
        alive += vm_is_alive(&ts->vms[i]);
        known += ts->vms[i].config.name[0] != 0;
    }
    info_of_init(ts);
    info_of_mem(ts);
    info_of_services(ts);
    out_printf(ts, "vms              : %u of %u running\n", alive, known);
}
