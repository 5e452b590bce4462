/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verb_metrics.c - what a machine counts, as Prometheus reads it
 *
 * Names, labels and units of VMs are those of libvirt-exporter (docs/metrics.md), so that what shows its VMs
 * shows ours.  The text format is Prometheus' version 0.0.4.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "metrics_serve.h"
#include "sample.h"
#include "verbs.h"

struct metrics {
    FILE *out;
    const struct sample *sample;
    bh_MgmtVmInfo *infos; /* of each VM of the sample */
};

/* ---- the format -------------------------------------------------------------------------------------- */

static void family(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: \, " and line feeds are escaped. */
static void label(FILE *out, char before, const char *name, const char *value)
{
    fprintf(out, "%c%s=\"", before, name);
    for (; *value; value++) {
        if (*value == '\n') {
            fputs("\\n", out);
            continue;
        }
        if (*value == '\\' || *value == '"')
            fputc('\\', out);
        fputc(*value, out);
    }
    fputc('"', out);
}

static void number(FILE *out, uint64_t value)
{
    fprintf(out, "} %" PRIu64 "\n", value);
}

static void seconds(FILE *out, uint64_t us)
{
    fprintf(out, "} %" PRIu64 ".%06u\n", us / 1000000, (unsigned)(us % 1000000));
}

static void plain(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
    family(out, name, type, help);
    fprintf(out, "%s %" PRIu64 "\n", name, value);
}

/* ---- VMs -------------------------------------------------------------------------------------------------
 */

/* libvirt's virDomainState */
static unsigned libvirt_state(bh_MgmtVmState state)
{
    switch (state) {
    case bh_MgmtVmState_MGMT_VM_RUNNING:
        return 1;
    case bh_MgmtVmState_MGMT_VM_PAUSED:
        return 3;
    case bh_MgmtVmState_MGMT_VM_SHUTDOWN:
        return 4;
    case bh_MgmtVmState_MGMT_VM_OFF:
    case bh_MgmtVmState_MGMT_VM_PRESERVED:
        return 5;
    default:
        return 0;
    }
}

static uint64_t vm_memory(const bh_MgmtVmStats *vm)
{
    return vm->memory_bytes;
}

static uint64_t vm_vcpus(const bh_MgmtVmStats *vm)
{
    return vm->vcpus_count;
}

static uint64_t vm_state(const bh_MgmtVmStats *vm)
{
    return libvirt_state(vm->state);
}

static uint64_t vm_cpu(const bh_MgmtVmStats *vm)
{
    uint64_t us = vm->vmm_us;

    for (unsigned i = 0; i < vm->vcpus_count; i++)
        us += vm->vcpus[i].run_us;
    return us;
}

static uint64_t vm_vmm(const bh_MgmtVmStats *vm)
{
    return vm->vmm_us;
}

static uint64_t vm_uptime(const bh_MgmtVmStats *vm)
{
    return vm->uptime_us;
}

static const struct vm_metric {
    const char *name, *type, *help;
    uint64_t (*value)(const bh_MgmtVmStats *vm);
    bool in_seconds;
} vm_metrics[] = {
    {"libvirt_domain_info_maximum_memory_bytes", "gauge", "Memory that the VM may have.", vm_memory, false},
    {"libvirt_domain_info_memory_usage_bytes", "gauge", "Memory that the VM has.", vm_memory, false},
    {"libvirt_domain_info_virtual_cpus", "gauge", "Number of its vCPUs.", vm_vcpus, false},
    {"libvirt_domain_info_vstate", "gauge",
     "Its state: 0 none, 1 running, 3 paused, 4 in shutdown, 5 off, 6 crashed.", vm_state, false},
    {"libvirt_domain_info_cpu_time_seconds_total", "counter", "Time of its vCPUs and its vmm.", vm_cpu, true},
    {"bulkhead_vm_vmm_seconds_total", "counter", "Time of its vmm's own.", vm_vmm, true},
    {"bulkhead_vm_uptime_seconds", "gauge", "Time since its last start.", vm_uptime, true},
};

static void vms_render(const struct metrics *m)
{
    for (unsigned k = 0; k < sizeof(vm_metrics) / sizeof(vm_metrics[0]); k++) {
        const struct vm_metric *metric = &vm_metrics[k];

        family(m->out, metric->name, metric->type, metric->help);
        for (unsigned i = 0; i < m->sample->vm_count; i++) {
            const bh_MgmtVmStats *vm = &m->sample->vms[i];

            fputs(metric->name, m->out);
            label(m->out, '{', "domain", vm->name);
            (metric->in_seconds ? seconds : number)(m->out, metric->value(vm));
        }
    }
}

/* ---- vCPUs -----------------------------------------------------------------------------------------------
 */

static void vcpu_labels(const struct metrics *m, const char *name, const bh_MgmtVmStats *vm,
                        const bh_MgmtVcpuStats *vcpu)
{
    char index[12];

    snprintf(index, sizeof(index), "%u", (unsigned)vcpu->index);
    fputs(name, m->out);
    label(m->out, '{', "domain", vm->name);
    label(m->out, ',', "vcpu", index);
}

static uint64_t vcpu_time(const bh_MgmtVcpuStats *vcpu)
{
    return vcpu->run_us;
}

static uint64_t vcpu_delay(const bh_MgmtVcpuStats *vcpu)
{
    return vcpu->steal_us;
}

static uint64_t vcpu_wait(const bh_MgmtVcpuStats *vcpu)
{
    return vcpu->blocked_us;
}

static const struct vcpu_metric {
    const char *name, *help;
    uint64_t (*value)(const bh_MgmtVcpuStats *vcpu);
} vcpu_metrics[] = {
    {"libvirt_domain_vcpu_time_seconds_total", "Time that the vCPU ran.", vcpu_time},
    {"libvirt_domain_vcpu_delay_seconds_total", "Time that it could have run and had to wait.", vcpu_delay},
    {"libvirt_domain_vcpu_wait_seconds_total", "Time that it had nothing to do, was paused or off.",
     vcpu_wait},
};

static void vcpus_render(const struct metrics *m)
{
    for (unsigned k = 0; k < sizeof(vcpu_metrics) / sizeof(vcpu_metrics[0]); k++) {
        const struct vcpu_metric *metric = &vcpu_metrics[k];

        family(m->out, metric->name, "counter", metric->help);
        for (unsigned i = 0; i < m->sample->vm_count; i++)
            for (unsigned j = 0; j < m->sample->vms[i].vcpus_count; j++) {
                const bh_MgmtVcpuStats *vcpu = &m->sample->vms[i].vcpus[j];

                vcpu_labels(m, metric->name, &m->sample->vms[i], vcpu);
                seconds(m->out, metric->value(vcpu));
            }
    }
}

static void exits_render(const struct metrics *m)
{
    static const char name[] = "bulkhead_vm_vcpu_exits_total";
    static const char *const reasons[] = {"read", "write", "hvc", "smc", "fault", "sysreg", "wfi", "irq"};

    family(m->out, name, "counter", "How often the vCPU left its guest, by reason.");
    for (unsigned i = 0; i < m->sample->vm_count; i++)
        for (unsigned j = 0; j < m->sample->vms[i].vcpus_count; j++) {
            const bh_MgmtVcpuStats *vcpu = &m->sample->vms[i].vcpus[j];

            for (unsigned r = 0; r < sizeof(reasons) / sizeof(reasons[0]) && r < vcpu->exits_count; r++) {
                vcpu_labels(m, name, &m->sample->vms[i], vcpu);
                label(m->out, ',', "reason", reasons[r]);
                number(m->out, vcpu->exits[r]);
            }
        }
}

/* ---- disks -----------------------------------------------------------------------------------------------
 */

#define DISK(member)                                                                                         \
    static uint64_t disk_##member(const bh_MgmtDiskStats *disk)                                              \
    {                                                                                                        \
        return disk->member;                                                                                 \
    }
DISK(read_bytes)
DISK(reads)
DISK(written_bytes)
DISK(writes)
DISK(flushes)
DISK(errors)

static const struct disk_metric {
    const char *name, *help;
    uint64_t (*value)(const bh_MgmtDiskStats *disk);
} disk_metrics[] = {
    {"libvirt_domain_block_stats_read_bytes_total", "Bytes read.", disk_read_bytes},
    {"libvirt_domain_block_stats_read_requests_total", "Requests to read.", disk_reads},
    {"libvirt_domain_block_stats_write_bytes_total", "Bytes written.", disk_written_bytes},
    {"libvirt_domain_block_stats_write_requests_total", "Requests to write.", disk_writes},
    {"libvirt_domain_block_stats_flush_requests_total", "Requests to make stable.", disk_flushes},
    {"bulkhead_vm_block_errors_total", "Requests that failed.", disk_errors},
};

/* The volume that a disk is. */
static const char *volume_of(const bh_VmConfig *config, const char *vdev)
{
    for (unsigned i = 0; i < config->disks_count; i++)
        if (!strcmp(config->disks[i].vdev, vdev))
            return config->disks[i].volume;
    return "";
}

static void disks_render(const struct metrics *m)
{
    for (unsigned k = 0; k < sizeof(disk_metrics) / sizeof(disk_metrics[0]); k++) {
        family(m->out, disk_metrics[k].name, "counter", disk_metrics[k].help);
        for (unsigned i = 0; i < m->sample->vm_count; i++)
            for (unsigned j = 0; j < m->sample->vms[i].disks_count; j++) {
                const bh_MgmtDiskStats *disk = &m->sample->vms[i].disks[j];

                fputs(disk_metrics[k].name, m->out);
                label(m->out, '{', "domain", m->sample->vms[i].name);
                label(m->out, ',', "source_file", volume_of(&m->infos[i].config, disk->vdev));
                label(m->out, ',', "target_device", disk->vdev);
                number(m->out, disk_metrics[k].value(disk));
            }
    }
}

/* ---- interfaces -----------------------------------------------------------------------------------------
 */

static uint64_t dropped(const bh_MgmtNetCounters *c)
{
    return c->dropped_rate + c->dropped_full + c->dropped_spoofed + c->dropped_malformed + c->dropped_flood;
}

static uint64_t bytes(const bh_MgmtNetCounters *c)
{
    return c->bytes;
}

static uint64_t packets(const bh_MgmtNetCounters *c)
{
    return c->packets;
}

static const struct net_metric {
    const char *name, *help;
    uint64_t (*value)(const bh_MgmtNetCounters *c);
    bool from_vm;
} net_metrics[] = {
    {"libvirt_domain_interface_stats_receive_bytes_total", "Bytes that the VM received.", bytes, false},
    {"libvirt_domain_interface_stats_receive_packets_total", "Packets that it received.", packets, false},
    {"libvirt_domain_interface_stats_receive_drops_total", "Packets to it that were dropped.", dropped,
     false},
    {"libvirt_domain_interface_stats_transmit_bytes_total", "Bytes that it sent.", bytes, true},
    {"libvirt_domain_interface_stats_transmit_packets_total", "Packets that it sent.", packets, true},
    {"libvirt_domain_interface_stats_transmit_drops_total", "Packets from it that were dropped.", dropped,
     true},
};

static void interfaces_render(const struct metrics *m)
{
    for (unsigned k = 0; k < sizeof(net_metrics) / sizeof(net_metrics[0]); k++) {
        family(m->out, net_metrics[k].name, "counter", net_metrics[k].help);
        for (unsigned i = 0; i < m->sample->vm_count; i++)
            for (unsigned j = 0; j < m->sample->vms[i].interfaces_count; j++) {
                const bh_MgmtVmStats *vm = &m->sample->vms[i];
                const bh_MgmtNetStats *interface = &vm->interfaces[j];
                char device[48];

                snprintf(device, sizeof(device), "%s.%u", vm->name, (unsigned)interface->index);
                fputs(net_metrics[k].name, m->out);
                label(m->out, '{', "domain", vm->name);
                label(m->out, ',', "source_bridge",
                      interface->index < m->infos[i].config.vifs_count
                          ? m->infos[i].config.vifs[interface->index].bridge
                          : "");
                label(m->out, ',', "target_device", device);
                number(m->out, net_metrics[k].value(net_metrics[k].from_vm ? &interface->from_vm
                                                                           : &interface->to_vm));
            }
    }
}

/* ---- the machine
 * ------------------------------------------------------------------------------------------- */

static void services_render(const struct metrics *m)
{
    static const char cpu[] = "bulkhead_service_cpu_seconds_total", up[] = "bulkhead_service_up",
                      restarts[] = "bulkhead_service_restarts_total";

    family(m->out, cpu, "counter", "Time that a domain of Bulkhead's own ran.");
    for (unsigned i = 0; i < m->sample->domain_count; i++) {
        fputs(cpu, m->out);
        label(m->out, '{', "service", m->sample->domains[i].name);
        seconds(m->out, m->sample->domains[i].cpu_us);
    }
    family(m->out, up, "gauge", "Whether it runs.");
    for (unsigned i = 0; i < m->sample->domain_count; i++) {
        fputs(up, m->out);
        label(m->out, '{', "service", m->sample->domains[i].name);
        number(m->out, m->sample->domains[i].running);
    }
    family(m->out, restarts, "counter", "How often it was restarted.");
    for (unsigned i = 0; i < m->sample->domain_count; i++) {
        fputs(restarts, m->out);
        label(m->out, '{', "service", m->sample->domains[i].name);
        number(m->out, m->sample->domains[i].restarts);
    }
}

static void machine_render(const struct metrics *m)
{
    const bh_MgmtMachine *machine = &m->sample->machine;

    plain(m->out, "libvirt_up", "gauge", "Whether the machine answers.", 1);
    plain(m->out, "bulkhead_machine_pcpus", "gauge", "Number of its pCPUs.", machine->pcpus);
    plain(m->out, "bulkhead_machine_memory_bytes", "gauge", "Memory for VMs.", machine->memory_total);
    plain(m->out, "bulkhead_machine_memory_free_bytes", "gauge", "What of it is free.", machine->memory_free);
    plain(m->out, "bulkhead_machine_vms", "gauge", "VMs that the machine knows.", machine->vms);
    plain(m->out, "bulkhead_machine_vms_running", "gauge", "VMs that run.", machine->vms_running);
    family(m->out, "bulkhead_machine_uptime_seconds", "gauge", "Time since its start.");
    fprintf(m->out, "bulkhead_machine_uptime_seconds %" PRIu64 ".%06u\n", m->sample->uptime_us / 1000000,
            (unsigned)(m->sample->uptime_us % 1000000));
}

static bh_MgmtVmInfo *infos_take(struct client *client, const struct sample *sample)
{
    bh_MgmtVmInfo *infos = must_alloc((sample->vm_count + 1) * sizeof(*infos));

    for (unsigned i = 0; i < sample->vm_count; i++) {
        bh_MgmtVmRequest request = bh_MgmtVmRequest_init_zero;
        char error[WIRE_ERROR_BYTES];

        snprintf(request.vm, sizeof(request.vm), "%u", (unsigned)sample->vms[i].id);
        if (client_request(client, MGMT_METHOD_VM_INFO, &request, &infos[i], error))
            infos[i] = (bh_MgmtVmInfo)bh_MgmtVmInfo_init_zero; /* it has just ended */
    }
    return infos;
}

/* Ask, and write everything; the tool ends when the machine does not answer. */
static void render(const struct args *args, FILE *out)
{
    struct client *client = client_open(args);
    struct sample sample;

    sample_take(client, &sample);
    struct metrics m = {.out = out, .sample = &sample, .infos = infos_take(client, &sample)};

    machine_render(&m);
    vms_render(&m);
    vcpus_render(&m);
    exits_render(&m);
    disks_render(&m);
    interfaces_render(&m);
    services_render(&m);
    client_close(client);
    free(m.infos);
    sample_free(&sample);
}

/* ---- the verb
 * ---------------------------------------------------------------------------------------------- */

static const struct option_spec metrics_options[] = {
    {"listen", 0, "[ADDRESS:]PORT", "serve them over HTTP, on /metrics of this address (127.0.0.1)", 0},
    {NULL, 0, NULL, NULL, 0},
};

static int metrics(const struct args *args)
{
    const char *where = args_value(args, "listen");

    if (args->json)
        fail_usage("metrics: Prometheus text is no JSON: `bh top --json -n 1` has the same numbers");
    if (where)
        metrics_serve(args, where, render);
    render(args, stdout);
    return 0;
}

const struct verb verb_metrics = {
    .name = "metrics",
    .group = GROUP_MACHINES,
    .arguments = "",
    .summary = "what VMs and services use, as Prometheus reads it",
    .text = "Without --listen it is printed once. Names are libvirt-exporter's where it has them: "
            "docs/metrics.md.",
    .options = metrics_options,
    .asks = true,
    .run = metrics,
};
