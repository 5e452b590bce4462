/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verb_processors.c - time and memory of VMs: vcpu-list, vcpu-pin, sched, mem-set
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "list.h"
#include "mgmt_json.h"
#include "results.h"
#include "verbs.h"
#include "vms.h"

#define PCPU_MAX 255
#define VCPU_MAX 255
#define WEIGHT_MAX 65535
#define CAP_MAX 100

/* ---- vcpu-list -------------------------------------------------------------------------------------------
 */

static void vcpu_row(const bh_MgmtVcpuList *list, const bh_MgmtVcpu *vcpu, const char *index)
{
    printf("%-32s %5u %5s %5u %7" PRIu64 ".%" PRIu64 " %6u %10" PRIu64 "\n", list->name, (unsigned)list->id,
           index, (unsigned)vcpu->pcpu, vcpu->cpu_us / 1000000, vcpu->cpu_us / 100000 % 10,
           (unsigned)vcpu->weight, vcpu->switches);
}

static void vcpus_print(const void *reply)
{
    const bh_MgmtVcpuList *list = reply;

    for (unsigned i = 0; i < list->vcpus_count; i++) {
        char index[16];

        snprintf(index, sizeof(index), "%u", (unsigned)list->vcpus[i].index);
        vcpu_row(list, &list->vcpus[i], index);
    }
    if (list->has_vmm)
        vcpu_row(list, &list->vmm, "vmm");
}

static void vcpus_json(struct json *json, const void *reply)
{
    mgmt_json_vcpu_list(json, NULL, reply);
}

static int vcpu_list(const struct args *args)
{
    static const struct vm_list list = {
        "Name                                ID  VCPU   CPU   Time(s) Weight   Switches",
        MGMT_METHOD_VCPU_LIST, vcpus_print, vcpus_json};

    return vm_list_say(args, &list);
}

const struct verb verb_vcpu_list = {
    .name = "vcpu-list",
    .aliases = "vcpuinfo",
    .group = GROUP_DEVICES,
    .arguments = "[VM...]",
    .summary = "the virtual processors of VMs, and where they run",
    .text = "The row `vmm` is the time that the VM's own monitor used.",
    .most = WORDS_ANY,
    .asks = true,
    .run = vcpu_list,
};

/* ---- vcpu-pin
 * ----------------------------------------------------------------------------------------------- */

static int vcpu_pin(const struct args *args)
{
    bh_MgmtVcpuPinRequest request = bh_MgmtVcpuPinRequest_init_zero;

    vm_word(request.vm, args->words[0]);
    request.all = !strcmp(args->words[1], "all");
    if (!request.all)
        request.vcpu = (uint32_t)args_number("vcpu-pin: VCPU", args->words[1], 0, VCPU_MAX);
    if (strpbrk(args->words[2], ",-^") || !strcmp(args->words[2], "all"))
        fail("vcpu-pin: CPU %s: one physical CPU is needed: each vCPU stays on one", args->words[2]);
    request.pcpu = (uint32_t)args_number("vcpu-pin: CPU", args->words[2], 0, PCPU_MAX);
    return result_of(args, "pinned", MGMT_METHOD_VCPU_PIN, &request);
}

const struct verb verb_vcpu_pin = {
    .name = "vcpu-pin",
    .aliases = "vcpupin",
    .group = GROUP_DEVICES,
    .arguments = "VM VCPU|all CPU",
    .summary = "run a virtual processor on this physical one",
    .least = 3,
    .most = 3,
    .asks = true,
    .run = vcpu_pin,
};

/* ---- sched
 * ----------------------------------------------------------------------------------------------------- */

static const struct option_spec sched_options[] = {
    {"domain", 'd', "VM", "which VM", 0},
    {"weight", 'w', "WEIGHT", "its share when time is short: 1 to 65535, 256 is usual", 0},
    {"cap", 'c', "CAP", "percent of a physical CPU that each of its vCPUs gets at most; 0: no limit", 0},
    {NULL, 0, NULL, NULL, 0},
};

static bool sched_is_meant(const bh_MgmtSched *row, const char *vm)
{
    char id[16];

    snprintf(id, sizeof(id), "%u", (unsigned)row->id);
    return !vm || !strcmp(row->name, vm) || !strcmp(id, vm);
}

static void sched_rows(struct client *client, const struct args *args, const char *vm, struct json *json)
{
    bh_MgmtPageRequest page = bh_MgmtPageRequest_init_zero;

    do {
        bh_MgmtSchedList list;

        client_ask(client, MGMT_METHOD_SCHED_LIST, &page, &list);
        for (unsigned i = 0; i < list.vms_count; i++) {
            const bh_MgmtSched *row = &list.vms[i];

            if (!sched_is_meant(row, vm))
                continue;
            if (args->json)
                mgmt_json_sched(json, NULL, row);
            else
                printf("%-33s %4u %6u %4u\n", row->name, (unsigned)row->id, (unsigned)row->weight,
                       (unsigned)row->cap);
        }
        page.first = list.next;
    } while (page.first != 0);
}

static int sched_list(const struct args *args, const char *vm)
{
    struct client *client = client_open(args);
    bh_MgmtVmInfo info;
    struct json json;

    if (vm)
        vm_info(client, vm, &info); /* also by its UUID; the tool ends if there is none */
    list_start(&json, args, "vms", "Name                                ID Weight  Cap");
    sched_rows(client, args, vm ? info.vm.name : NULL, &json);
    list_end(&json, args);
    client_close(client);
    return 0;
}

static int sched(const struct args *args)
{
    const char *vm = args_value(args, "domain"), *weight = args_value(args, "weight"),
               *cap = args_value(args, "cap");
    bh_MgmtSchedSetRequest request = bh_MgmtSchedSetRequest_init_zero;

    if (args->count && vm)
        fail_usage("sched: '%s' is too much: -d names the VM", args->words[0]);
    if (args->count)
        vm = args->words[0];
    if (!weight && !cap)
        return sched_list(args, vm);
    if (!vm)
        fail_usage("sched: of which VM? -d VM");
    vm_word(request.vm, vm);
    if (weight)
        request.weight = (uint32_t)args_number("--weight", weight, 1, WEIGHT_MAX);
    request.has_cap = cap != NULL;
    if (cap)
        request.cap = (uint32_t)args_number("--cap", cap, 0, CAP_MAX);
    return result_of(args, "set", MGMT_METHOD_SCHED_SET, &request);
}

const struct verb verb_sched = {
    .name = "sched",
    .aliases = "sched-credit sched-credit2 schedinfo",
    .group = GROUP_DEVICES,
    .arguments = "[VM]",
    .summary = "how VMs share time: weight and cap",
    .options = sched_options,
    .most = 1,
    .asks = true,
    .run = sched,
};

/* ---- mem-set
 * ----------------------------------------------------------------------------------------------------- */

/* As xl has it: a number of KiB, or with a letter (b, k, m, g, t). */
static uint64_t memory_parse(const char *text)
{
    static const struct {
        char letter;
        unsigned shift;
    } units[] = {{'\0', 10}, {'b', 0}, {'k', 10}, {'m', 20}, {'g', 30}, {'t', 40}};
    char *end;
    unsigned long long number = strtoull(text, &end, 10);

    if (*text >= '0' && *text <= '9' && (!*end || !end[1]))
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
            if ((*end | (*end ? 0x20 : 0)) == units[i].letter && number &&
                number <= UINT64_MAX >> units[i].shift)
                return number << units[i].shift;
    fail_usage("mem-set: MEM %s: a number of KiB, or with a letter as 512m, is needed", text);
}

static int mem_set(const struct args *args)
{
    bh_MgmtMemSetRequest request = bh_MgmtMemSetRequest_init_zero;

    vm_word(request.vm, args->words[0]);
    request.bytes = memory_parse(args->words[1]);
    return result_of(args, "set", MGMT_METHOD_MEM_SET, &request);
}

const struct verb verb_mem_set = {
    .name = "mem-set",
    .aliases = "setmem",
    .group = GROUP_DEVICES,
    .arguments = "VM MEM",
    .summary = "how much memory a VM has (KiB; or with b, k, m, g, t)",
    .least = 2,
    .most = 2,
    .asks = true,
    .run = mem_set,
};
