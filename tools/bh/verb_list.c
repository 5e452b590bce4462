/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verb_list.c - which VMs there are: list, domid, domname, domuuid, domstate, uptime
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fail.h"
#include "mgmt_json.h"
#include "print.h"
#include "verbs.h"
#include "vms.h"

/* ---- list ------------------------------------------------------------------------------------------ */

static const struct option_spec list_options[] = {
    {"long", 'l', NULL, "all that is known of each, as `info` says it", 0},
    {"verbose", 'v', NULL, "their UUIDs too", 0},
    {"name", 0, NULL, "names only", 0},
    {"uuid", 0, NULL, "UUIDs only", 0},
    {"all", 'a', NULL, "for virsh's users: VMs that are off are always listed", 0},
    {NULL, 0, NULL, NULL, 0},
};

static void list_row(const bh_MgmtVm *vm, bool with_uuid)
{
    char uuid[UUID_TEXT_BYTES];

    uuid_print(uuid, vm->uuid.bytes);
    printf("%-40s %5s %5" PRIu64 " %5u %10s %7" PRIu64 ".%" PRIu64 "%s%s\n", vm->name, vm_id_text(vm),
           vm->memory_bytes / MIB, (unsigned)vm->vcpus, vm->letters, vm->cpu_us / 1000000,
           vm->cpu_us / 100000 % 10, with_uuid ? " " : "", with_uuid ? uuid : "");
}

static void list_json(const bh_MgmtVm *vms, unsigned count)
{
    struct json json;

    json_start(&json, stdout);
    json_object(&json, NULL);
    json_array(&json, "vms");
    for (unsigned i = 0; i < count; i++)
        mgmt_json_vm(&json, NULL, &vms[i]);
    json_array_end(&json);
    json_object_end(&json);
    json_finish(&json);
}

/* With -l: the VMs one after the other. */
static void list_long(struct client *client, const struct args *args, const bh_MgmtVm *vms, unsigned count)
{
    struct json json;

    json_start(&json, stdout);
    if (args->json) {
        json_object(&json, NULL);
        json_array(&json, "vms");
    }
    for (unsigned i = 0; i < count; i++) {
        bh_MgmtVmInfo info;

        vm_info(client, vms[i].name, &info);
        if (args->json)
            mgmt_json_vm_info(&json, NULL, &info);
        else
            info_vm_print(&info);
        if (!args->json && i + 1 < count)
            putchar('\n');
    }
    if (args->json) {
        json_array_end(&json);
        json_object_end(&json);
        json_finish(&json);
    }
}

static void list_single_column(const bh_MgmtVm *vms, unsigned count, bool is_uuid)
{
    for (unsigned i = 0; i < count; i++) {
        char uuid[UUID_TEXT_BYTES];

        uuid_print(uuid, vms[i].uuid.bytes);
        puts(is_uuid ? uuid : vms[i].name);
    }
}

static int list(const struct args *args)
{
    struct client *client = client_open(args);
    bool with_uuid = args_has(args, "verbose");
    unsigned count;
    bh_MgmtVm *vms = vms_asked(client, args, &count);

    if (args_has(args, "long")) {
        list_long(client, args, vms, count);
    } else if (args->json) {
        list_json(vms, count);
    } else if (args_has(args, "name") || args_has(args, "uuid")) {
        list_single_column(vms, count, args_has(args, "uuid"));
    } else {
        printf("%-40s %5s %5s %5s %10s %9s%s\n", "Name", "ID", "Mem", "VCPUs", "State", "Time(s)",
               with_uuid ? " UUID" : "");
        for (unsigned i = 0; i < count; i++)
            list_row(&vms[i], with_uuid);
    }
    free(vms);
    client_close(client);
    return 0;
}

const struct verb verb_list = {
    .name = "list",
    .group = GROUP_VMS,
    .arguments = "[VM...]",
    .summary = "which VMs there are",
    .text = "Columns are xl's. State: r runs, b is being started, p is paused, s has shut down, c has "
            "crashed; a VM "
            "without an ID is known to the machine and off.",
    .options = list_options,
    .most = WORDS_ANY,
    .asks = true,
    .run = list,
};

/* ---- one word about one VM ------------------------------------------------------------------------------
 */

static void vm_of(const struct args *args, bh_MgmtVmInfo *info)
{
    struct client *client = client_open(args);

    vm_info(client, args->words[0], info);
    client_close(client);
}

/* Under --json these say id, name and uuid alike, and the state. */
static void identity_json(const bh_MgmtVm *vm)
{
    struct json json;

    json_start(&json, stdout);
    json_object(&json, NULL);
    json_number(&json, "id", vm->id);
    json_text(&json, "name", vm->name);
    json_uuid(&json, "uuid", vm->uuid.bytes, vm->uuid.size);
    json_text(&json, "state", mgmt_vm_state_word(vm->state));
    json_object_end(&json);
    json_finish(&json);
}

static int domid(const struct args *args)
{
    bh_MgmtVmInfo info;

    vm_of(args, &info);
    if (args->json)
        identity_json(&info.vm);
    else
        printf("%u\n", (unsigned)info.vm.id);
    return 0;
}

static int domname(const struct args *args)
{
    bh_MgmtVmInfo info;

    vm_of(args, &info);
    if (args->json)
        identity_json(&info.vm);
    else
        puts(info.vm.name);
    return 0;
}

static int domuuid(const struct args *args)
{
    bh_MgmtVmInfo info;
    char uuid[UUID_TEXT_BYTES];

    vm_of(args, &info);
    uuid_print(uuid, info.vm.uuid.bytes);
    if (args->json)
        identity_json(&info.vm);
    else
        puts(uuid);
    return 0;
}

static int domstate(const struct args *args)
{
    bh_MgmtVmInfo info;

    vm_of(args, &info);
    if (args->json)
        identity_json(&info.vm);
    else
        puts(mgmt_vm_state_word(info.vm.state));
    return 0;
}

const struct verb verb_domid = {
    .name = "domid",
    .group = GROUP_VMS,
    .arguments = ARGUMENTS_VM,
    .summary = "the id of a VM",
    .least = 1,
    .most = 1,
    .asks = true,
    .run = domid,
};

const struct verb verb_domname = {
    .name = "domname",
    .group = GROUP_VMS,
    .arguments = ARGUMENTS_VM,
    .summary = "the name of a VM",
    .least = 1,
    .most = 1,
    .asks = true,
    .run = domname,
};

const struct verb verb_domuuid = {
    .name = "domuuid",
    .group = GROUP_VMS,
    .arguments = ARGUMENTS_VM,
    .summary = "the UUID of a VM",
    .least = 1,
    .most = 1,
    .asks = true,
    .run = domuuid,
};

const struct verb verb_domstate = {
    .name = "domstate",
    .group = GROUP_VMS,
    .arguments = ARGUMENTS_VM,
    .summary = "the state of a VM, in a word",
    .least = 1,
    .most = 1,
    .asks = true,
    .run = domstate,
};

/* ---- uptime
 * ------------------------------------------------------------------------------------------------ */

static const struct option_spec uptime_options[] = {
    {"short", 's', NULL, "only VMs that run, with the time of day, as `xl uptime -s`", 0},
    {NULL, 0, NULL, NULL, 0},
};

static void uptime_json(const bh_MgmtVm *vms, unsigned count)
{
    struct json json;

    json_start(&json, stdout);
    json_object(&json, NULL);
    json_array(&json, "vms");
    for (unsigned i = 0; i < count; i++) {
        json_object(&json, NULL);
        json_number(&json, "id", vms[i].id);
        json_text(&json, "name", vms[i].name);
        json_number(&json, "uptime_us", vms[i].uptime_us);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    json_finish(&json);
}

static void uptime_short(const bh_MgmtVm *vm)
{
    time_t now = time(NULL);
    char clock[16] = "", up[TIME_TEXT_BYTES];
    struct tm local;

    if (localtime_r(&now, &local))
        strftime(clock, sizeof(clock), "%H:%M:%S", &local);
    time_print(up, vm->uptime_us);
    printf("%s up %s, %s (%u)\n", clock, up, vm->name, (unsigned)vm->id);
}

static int uptime(const struct args *args)
{
    struct client *client = client_open(args);
    bool is_short = args_has(args, "short");
    unsigned count;
    bh_MgmtVm *vms = vms_asked(client, args, &count);

    if (args->json) {
        uptime_json(vms, count);
        count = 0;
    } else if (!is_short) {
        printf("%-33s %4s %s\n", "Name", "ID", "Uptime");
    }
    for (unsigned i = 0; i < count; i++) {
        char up[TIME_TEXT_BYTES];

        if (!vm_exists(&vms[i]))
            continue;
        time_print(up, vms[i].uptime_us);
        if (is_short)
            uptime_short(&vms[i]);
        else
            printf("%-33s %4s %s\n", vms[i].name, vm_id_text(&vms[i]), up);
    }
    free(vms);
    client_close(client);
    return 0;
}

const struct verb verb_uptime = {
    .name = "uptime",
    .group = GROUP_VMS,
    .arguments = "[VM...]",
    .summary = "how long VMs have been running",
    .options = uptime_options,
    .most = WORDS_ANY,
    .asks = true,
    .run = uptime,
};
