/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verb_info.c - what is known of a machine and of a VM: info, dominfo, machines
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "fail.h"
#include "list.h"
#include "machines.h"
#include "mgmt_json.h"
#include "print.h"
#include "verbs.h"
#include "vms.h"

#define MACHINES_PATIENCE_SECONDS 3u

/* ---- one VM ------------------------------------------------------------------------------------------- */

static void disks_print(const bh_VmConfig *config)
{
    for (unsigned i = 0; i < config->disks_count; i++)
        line_print("disk", "%s is %s, %s", config->disks[i].vdev, config->disks[i].volume,
                   config->disks[i].writable ? "w" : "r");
}

static void limits_print(const char *does, unsigned rate, unsigned pps)
{
    if (rate)
        printf(", %s at most %u KB/s", does, rate);
    if (pps)
        printf(", %s at most %u packets/s", does, pps);
}

static void vif_print(const bh_Vif *vif, unsigned index)
{
    char mac[MAC_TEXT_BYTES], address[INET6_ADDRSTRLEN];

    mac_print(mac, vif->mac);
    printf("%-23s: %u is %s on %s", "vif", index, mac, *vif->bridge ? vif->bridge : "the first network");
    for (unsigned i = 0; i < vif->ipv4_count; i++) {
        struct in_addr in = {.s_addr = htonl(vif->ipv4[i])};

        printf(", %s", inet_ntop(AF_INET, &in, address, sizeof(address)));
    }
    if (vif->ipv6.size == sizeof(struct in6_addr))
        printf(", %s", inet_ntop(AF_INET6, vif->ipv6.bytes, address, sizeof(address)));
    if (vif->vlan)
        printf(", VLAN %u", (unsigned)vif->vlan);
    limits_print("sends", vif->rate, vif->pps);
    limits_print("gets", vif->rate_in, vif->pps_in);
    puts(vif->any_address ? ", any address" : "");
}

static void config_print(const bh_VmConfig *config)
{
    line_print("kernel", "%s", config->kernel);
    if (config->ramdisk[0])
        line_print("ramdisk", "%s", config->ramdisk);
    line_print("extra", "%s", config->extra);
    line_print("cpu_weight", "%u", (unsigned)config->weight);
    if (config->cap)
        line_print("cap", "%u", (unsigned)config->cap);
    line_print("on_poweroff", "%s", on_event_word(config->on_poweroff));
    line_print("on_reboot", "%s", on_event_word(config->on_reboot));
    line_print("on_crash", "%s", on_event_word(config->on_crash));
    disks_print(config);
    for (unsigned i = 0; i < config->vifs_count; i++)
        vif_print(&config->vifs[i], i);
}

/* Of a VM that exists. */
static void memory_print(const bh_MgmtVmInfo *info)
{
    if (info->memory_max == 0)
        return;
    line_print("memory_max", "%" PRIu64 " MiB", info->memory_max / MIB);
    line_print("memory_target", "%" PRIu64 " MiB", info->memory_target / MIB);
    line_print("memory_given", "%" PRIu64 " KiB by its guest%s", info->memory_given / 1024,
               info->balloon_driver ? "" : ", which has no driver for the balloon");
    line_print("memory_held", "%" PRIu64 " MiB", info->memory_held / MIB);
}

void info_vm_print(const bh_MgmtVmInfo *info)
{
    const bh_MgmtVm *vm = &info->vm;
    char text[UUID_TEXT_BYTES];

    line_print("name", "%s", vm->name);
    uuid_print(text, vm->uuid.bytes);
    line_print("uuid", "%s", text);
    line_print("id", "%s", vm_id_text(vm));
    line_print("state", "%s", mgmt_vm_state_word(vm->state));
    line_print("memory", "%" PRIu64 " MiB", vm->memory_bytes / MIB);
    memory_print(info);
    line_print("vcpus", "%u", (unsigned)vm->vcpus);
    line_print("cpu_time", "%" PRIu64 ".%03u s", vm->cpu_us / 1000000, (unsigned)(vm->cpu_us / 1000 % 1000));
    time_print(text, vm->uptime_us);
    line_print("uptime", "%s", vm_exists(vm) ? text : "-");
    line_print("starts", "%u", (unsigned)vm->starts);
    line_print("autostart", "%s", vm->autostart ? "yes" : "no");
    line_print("persistent", "%s", vm->persistent ? "yes" : "no");
    if (info->has_config)
        config_print(&info->config);
    if (info->text[0])
        line_print("last_end", "%s", info->text);
}

static int dominfo(const struct args *args)
{
    struct client *client = client_open(args);
    bh_MgmtVmInfo info;
    struct json json;

    vm_info(client, args->words[0], &info);
    if (args->json) {
        json_start(&json, stdout);
        mgmt_json_vm_info(&json, NULL, &info);
        json_finish(&json);
    } else {
        info_vm_print(&info);
    }
    client_close(client);
    return 0;
}

const struct verb verb_dominfo = {
    .name = "dominfo",
    .group = GROUP_VMS,
    .arguments = ARGUMENTS_VM,
    .summary = "all that is known of a VM",
    .least = 1,
    .most = 1,
    .asks = true,
    .run = dominfo,
};

/* ---- the machine ----------------------------------------------------------------------------------------
 */

static void machine_print(const bh_MgmtMachine *m)
{
    time_t started = (time_t)m->started_seconds;
    char text[64];
    struct tm local;

    line_print("host", "%s", m->machine);
    line_print("release", "%s", m->product);
    line_print("machine", "aarch64");
    line_print("nr_cpus", "%u", (unsigned)m->pcpus);
    line_print("total_memory", "%" PRIu64, m->ram_bytes / MIB);
    line_print("free_memory", "%" PRIu64, m->memory_free / MIB);
    line_print("vm_memory", "%" PRIu64 " (for VMs in all)", m->memory_total / MIB);
    line_print("promised_memory", "%" PRIu64, m->memory_promised / MIB);
    line_print("kernel_memory", "%" PRIu64 " KiB", m->kernel_bytes / 1024);
    line_print("services_memory", "%" PRIu64 " KiB", m->services_bytes / 1024);
    line_print("boot_image", "%" PRIu64 " KiB", m->bundle_bytes / 1024);
    line_print("vms", "%u, %u of them run", (unsigned)m->vms, (unsigned)m->vms_running);
    line_print("vmms", "%u of at most %u", (unsigned)m->vmms, (unsigned)m->vmms_max);
    time_print(text, m->uptime_us);
    line_print("uptime", "%s", text);
    if (started && localtime_r(&started, &local) && strftime(text, sizeof(text), "%F %T", &local))
        line_print("started", "%s", text);
    line_print("options", "%s", m->options);
}

static int info_of_machine(const struct args *args)
{
    bh_MgmtNothing nothing = bh_MgmtNothing_init_zero;
    struct client *client = client_open(args);
    bh_MgmtMachine machine;
    struct json json;

    client_ask(client, MGMT_METHOD_MACHINE, &nothing, &machine);
    if (args->json) {
        json_start(&json, stdout);
        mgmt_json_machine(&json, NULL, &machine);
        json_finish(&json);
    } else {
        machine_print(&machine);
    }
    client_close(client);
    return 0;
}

static int info(const struct args *args)
{
    return args->count ? dominfo(args) : info_of_machine(args);
}

const struct verb verb_info = {
    .name = "info",
    .aliases = "nodeinfo",
    .group = GROUP_MACHINES,
    .arguments = "[VM]",
    .summary = "all that is known of the machine, or of a VM",
    .text = "Memory is in MiB, as xl has it. With a VM it is the same as `dominfo`.",
    .most = 1,
    .asks = true,
    .run = info,
};

/* ---- which machines
 * ----------------------------------------------------------------------------------------- */

/* False: it does not answer. */
static bool machine_ask(const struct machine_name *name, bh_MgmtMachine *machine)
{
    bh_MgmtNothing nothing = bh_MgmtNothing_init_zero;
    struct client *client = client_try(name->path, MACHINES_PATIENCE_SECONDS);

    if (!client)
        return false;
    client_ask(client, MGMT_METHOD_MACHINE, &nothing, machine);
    client_close(client);
    return true;
}

static void machine_row(const char *name, const bh_MgmtMachine *m)
{
    char up[TIME_TEXT_BYTES];

    time_print(up, m->uptime_us);
    printf("%-32s %5u %7u %10" PRIu64 " %10" PRIu64 " %s\n", name, (unsigned)m->pcpus,
           (unsigned)m->vms_running, m->ram_bytes / MIB, m->memory_free / MIB, up);
}

static void machine_json(struct json *json, const struct machine_name *name, const bh_MgmtMachine *machine)
{
    json_object(json, NULL);
    json_text(json, "name", name->name);
    json_text(json, "socket", name->path);
    if (machine)
        mgmt_json_machine(json, "machine", machine);
    else
        json_null(json, "machine");
    json_object_end(json);
}

static int machine_names(void)
{
    for (const struct machine_name *name = machines_list(); name->name; name++)
        puts(name->name);
    return 0;
}

static int machines(const struct args *args)
{
    struct json json;

    if (args_has(args, "name") && !args->json)
        return machine_names();
    list_start(&json, args, "machines",
               "Name                              CPUs     VMs   Mem(MiB)  Free(MiB) Uptime");
    for (const struct machine_name *name = machines_list(); name->name; name++) {
        bh_MgmtMachine machine;
        bool answers = machine_ask(name, &machine);

        if (args->json)
            machine_json(&json, name, answers ? &machine : NULL);
        else if (answers)
            machine_row(name->name, &machine);
        else
            printf("%-32s does not answer: it boots, hangs, or is of another version\n", name->name);
    }
    list_end(&json, args);
    return 0;
}

static const struct option_spec machines_options[] = {
    {"name", 0, NULL, "names only", 0},
    {NULL, 0, NULL, NULL, 0},
};

const struct verb verb_machines = {
    .name = "machines",
    .group = GROUP_MACHINES,
    .arguments = "",
    .summary = "which machines run on this host",
    .text = "Those whose socket is in its usual place, $XDG_RUNTIME_DIR/bulkhead or /tmp/bulkhead-UID.",
    .options = machines_options,
    .run = machines,
};
