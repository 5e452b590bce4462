/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verb_top.c - what VMs and Bulkhead's own domains use, live
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fail.h"
#include "mgmt_json.h"
#include "print.h"
#include "sample.h"
#include "verbs.h"

#define SECONDS_USUAL 2u
#define SECONDS_MOST 86400u
#define COUNT_MOST 1000000000u
#define HOME "\033[H"         /* ECMA-48: cursor to the first place, ... */
#define REST_OF_LINE "\033[K" /* ... erase to the line's end, ... */
#define REST_OF_PAGE "\033[J" /* ... and to the page's */
#define WHOLE_PAGE "\033[2J"

static const struct option_spec top_options[] = {
    {"batch", 'b', NULL, "one table after the other, as if this were no terminal", 0},
    {"delay", 'd', "SECONDS", "how long each lasts (2)", 0},
    {"iterations", 'n', "COUNT", "end after so many; without it, at Ctrl-C", 0},
    {"vcpus", 'v', NULL, "each vCPU in a line of its own, too", 0},
    {"networks", 0, NULL, "for xentop's users: interfaces and disks are always shown", 0},
    {NULL, 0, NULL, NULL, 0},
};

static const char *const exit_names[] = {"read", "write", "hvc", "smc", "fault", "sysreg", "wfi", "irq"};
#define EXITS (sizeof(exit_names) / sizeof(exit_names[0]))

struct top {
    const struct sample *now, *between;
    const char *end; /* of each line */
    bool with_vcpus;
};

/* ---- numbers over the time that passed ----------------------------------------------------------------- */

static double percent(const struct top *top, uint64_t us)
{
    return top->between->uptime_us ? 100.0 * (double)us / (double)top->between->uptime_us : 0;
}

static uint64_t per_second(const struct top *top, uint64_t count)
{
    return top->between->uptime_us ? (uint64_t)((double)count * 1e6 / (double)top->between->uptime_us) : 0;
}

/* 1234567 is "1.2M", in powers of 1000. */
static const char *short_number(char text[12], uint64_t number)
{
    static const char units[] = " KMGTPE";
    unsigned unit = 0;
    double rest = (double)number;

    for (; rest >= 999.5 && units[unit + 1]; unit++)
        rest /= 1000;
    if (unit == 0)
        snprintf(text, 12, "%" PRIu64, number);
    else
        snprintf(text, 12, rest < 9.95 ? "%.1f%c" : "%.0f%c", rest, units[unit]);
    return text;
}

static void rate_print(const struct top *top, unsigned width, uint64_t count)
{
    char text[12];

    printf(" %*s", (int)width, short_number(text, per_second(top, count)));
}

/* ---- the table -------------------------------------------------------------------------------------------
 */

static void head_print(const struct top *top)
{
    const bh_MgmtMachine *m = &top->now->machine;
    char up[TIME_TEXT_BYTES];

    time_print(up, top->now->uptime_us);
    printf("%s: up %s, %u pCPUs, %u VMs, %u run; memory %" PRIu64 " MiB, %" PRIu64 " MiB free%s\n",
           *m->machine ? m->machine : "bulkhead", up, (unsigned)m->pcpus, (unsigned)m->vms,
           (unsigned)m->vms_running, m->memory_total / MIB, m->memory_free / MIB, top->end);
}

static void times_print(const struct top *top, uint64_t run, uint64_t steal, uint64_t blocked)
{
    printf(" %6.1f %6.1f %6.1f", percent(top, run), percent(top, steal), percent(top, blocked));
}

static void exits_print(const struct top *top, const uint64_t exits[EXITS])
{
    for (unsigned i = 0; i < EXITS; i++)
        rate_print(top, 6, exits[i]);
}

static void vcpus_sum(const bh_MgmtVmStats *vm, bh_MgmtVcpuStats *sum)
{
    for (unsigned i = 0; i < vm->vcpus_count; i++) {
        sum->run_us += vm->vcpus[i].run_us;
        sum->steal_us += vm->vcpus[i].steal_us;
        sum->blocked_us += vm->vcpus[i].blocked_us;
        for (unsigned j = 0; j < vm->vcpus[i].exits_count; j++)
            sum->exits[j] += vm->vcpus[i].exits[j];
    }
}

static void vm_print(const struct top *top, const bh_MgmtVmStats *vm)
{
    bh_MgmtVcpuStats sum = bh_MgmtVcpuStats_init_zero;

    vcpus_sum(vm, &sum);
    printf("%4u %-20.20s %-8s", (unsigned)vm->id, vm->name, mgmt_vm_state_word(vm->state));
    times_print(top, sum.run_us, sum.steal_us, sum.blocked_us);
    printf(" %5.1f", percent(top, vm->vmm_us));
    exits_print(top, sum.exits);
    printf("%s\n", top->end);
    for (unsigned i = 0; top->with_vcpus && i < vm->vcpus_count; i++) {
        const bh_MgmtVcpuStats *vcpu = &vm->vcpus[i];

        printf("     vCPU %-2u on pCPU %-2u          ", (unsigned)vcpu->index, (unsigned)vcpu->pcpu);
        times_print(top, vcpu->run_us, vcpu->steal_us, vcpu->blocked_us);
        printf("      ");
        exits_print(top, vcpu->exits);
        printf("%s\n", top->end);
    }
}

static void vms_print(const struct top *top)
{
    printf("%s\n%4s %-20s %-8s %6s %6s %6s %5s", top->end, "ID", "Name", "State", "CPU%", "Steal%", "Idle%",
           "VMM%");
    for (unsigned i = 0; i < EXITS; i++)
        printf(" %6s", exit_names[i]);
    printf("%s\n", top->end);
    for (unsigned i = 0; i < top->between->vm_count; i++)
        vm_print(top, &top->between->vms[i]);
}

static void disks_print(const struct top *top)
{
    bool is_first = true;

    for (unsigned i = 0; i < top->between->vm_count; i++)
        for (unsigned j = 0; j < top->between->vms[i].disks_count; j++) {
            const bh_MgmtDiskStats *disk = &top->between->vms[i].disks[j];

            if (is_first)
                printf("%s\n%4s %-25s %8s %8s %8s %8s %8s%s\n", top->end, "", "Disk", "reads", "B read",
                       "writes", "B writ.", "flushes", top->end);
            is_first = false;
            printf("     %-20.20s %-4.4s", top->between->vms[i].name, disk->vdev);
            rate_print(top, 8, disk->reads);
            rate_print(top, 8, disk->read_bytes);
            rate_print(top, 8, disk->writes);
            rate_print(top, 8, disk->written_bytes);
            rate_print(top, 8, disk->flushes);
            printf("%s\n", top->end);
        }
}

static uint64_t dropped(const bh_MgmtNetCounters *c)
{
    return c->dropped_rate + c->dropped_full + c->dropped_spoofed + c->dropped_malformed + c->dropped_flood;
}

static void interfaces_print(const struct top *top)
{
    bool is_first = true;

    for (unsigned i = 0; i < top->between->vm_count; i++)
        for (unsigned j = 0; j < top->between->vms[i].interfaces_count; j++) {
            const bh_MgmtNetStats *interface = &top->between->vms[i].interfaces[j];

            if (is_first)
                printf("%s\n%4s %-25s %8s %8s %8s %8s %8s%s\n", top->end, "", "Interface", "p sent", "B sent",
                       "p recv.", "B recv.", "dropped", top->end);
            is_first = false;
            printf("     %-20.20s %-4u", top->between->vms[i].name, (unsigned)interface->index);
            rate_print(top, 8, interface->from_vm.packets);
            rate_print(top, 8, interface->from_vm.bytes);
            rate_print(top, 8, interface->to_vm.packets);
            rate_print(top, 8, interface->to_vm.bytes);
            rate_print(top, 8, dropped(&interface->from_vm) + dropped(&interface->to_vm));
            printf("%s\n", top->end);
        }
}

static void domains_print(const struct top *top)
{
    printf("%s\n%4s %-20s %-8s %6s %8s %8s %8s%s\n", top->end, "", "Bulkhead's own", "State", "CPU%", "wakes",
           "KiB", "restarts", top->end);
    for (unsigned i = 0; i < top->between->domain_count; i++) {
        const bh_MgmtDomain *domain = &top->between->domains[i];

        printf("     %-20.20s %-8s %6.1f", domain->name, domain->running ? "running" : "down",
               percent(top, domain->cpu_us));
        rate_print(top, 8, domain->switches);
        printf(" %8" PRIu64 " %8u%s\n", domain->memory_bytes / 1024, (unsigned)domain->restarts, top->end);
    }
}

static void top_print(const struct top *top)
{
    head_print(top);
    vms_print(top);
    disks_print(top);
    interfaces_print(top);
    domains_print(top);
}

static void top_json(const struct sample *now, const struct sample *between)
{
    struct json json;

    json_start_line(&json, stdout);
    json_object(&json, NULL);
    json_number(&json, "uptime_us", now->uptime_us);
    json_number(&json, "interval_us", between->uptime_us);
    mgmt_json_machine(&json, "machine", &now->machine);
    json_array(&json, "vms");
    for (unsigned i = 0; i < between->vm_count; i++)
        mgmt_json_vm_stats(&json, NULL, &between->vms[i]);
    json_array_end(&json);
    json_array(&json, "domains");
    for (unsigned i = 0; i < between->domain_count; i++)
        mgmt_json_domain(&json, NULL, &between->domains[i]);
    json_array_end(&json);
    json_object_end(&json);
    json_finish(&json);
}

/* ---- again and again
 * --------------------------------------------------------------------------------------- */

static int top(const struct args *args)
{
    const char *delay = args_value(args, "delay"), *times = args_value(args, "iterations");
    struct timespec pause = {
        .tv_sec = (time_t)(delay ? args_number("--delay", delay, 1, SECONDS_MOST) : SECONDS_USUAL)};
    uint64_t left = times ? args_number("--iterations", times, 1, COUNT_MOST) : UINT64_MAX;
    bool is_live = !args->json && !args_has(args, "batch") && isatty(STDOUT_FILENO);
    struct client *client = client_open(args);
    struct sample before, now, between;

    if (is_live)
        fputs(WHOLE_PAGE, stdout);
    sample_take(client, &before);
    for (; left > 0; left--) {
        nanosleep(&pause, NULL);
        sample_take(client, &now);
        sample_difference(&between, &before, &now);
        struct top table = {&now, &between, is_live ? REST_OF_LINE : "", args_has(args, "vcpus")};

        if (is_live)
            fputs(HOME, stdout);
        if (args->json)
            top_json(&now, &between);
        else
            top_print(&table);
        if (is_live)
            fputs(REST_OF_PAGE, stdout);
        else if (!args->json && left > 1)
            putchar('\n');
        if (fflush(stdout))
            break; /* nobody reads it any more */
        sample_free(&between);
        sample_free(&before);
        before = now;
    }
    client_close(client);
    return 0;
}

const struct verb verb_top = {
    .name = "top",
    .aliases = "xentop",
    .group = GROUP_VMS,
    .arguments = "",
    .summary = "what VMs, their disks and networks, and Bulkhead's own domains use",
    .text =
        "Everything is per second, over the time since the table before. CPU%: of one pCPU, of all vCPUs "
        "together, "
        "with what their vmm did on their time; Steal%: they could have run and had to wait; Idle%: they had "
        "nothing "
        "to do; VMM%: its vmm on time of its own. Then why vCPUs left their guests: loads from and stores to "
        "devices, HVC and SMC calls, faults, system registers, WFI (nothing to do), physical interrupts.",
    .options = top_options,
    .asks = true,
    .run = top,
};
