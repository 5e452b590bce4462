/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verb_shutdown.c - VMs, or the whole machine, are asked to end in good order: shutdown, reboot
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fail.h"
#include "results.h"
#include "verbs.h"
#include "vms.h"

#define WAIT_SECONDS 120u /* for VMs to end, if --timeout says nothing */
#define LOOK_MS 200       /* how often is looked whether they have */

/* The VMs that are meant: those named, or with -a all that exist. */
static bh_MgmtVm *vms_meant(struct client *client, const struct args *args, unsigned *count)
{
    bh_MgmtVm *vms;
    unsigned kept = 0;

    if (!args_has(args, "all") && args->count == 0)
        fail_usage("%s: which VM? -a means all of them", args->verb->name);
    if (args_has(args, "all") && args->count != 0)
        fail_usage("%s: -a means all VMs: '%s' is too much", args->verb->name, args->words[0]);
    vms = vms_asked(client, args, count);
    for (unsigned i = 0; i < *count; i++)
        if (args->count || vm_exists(&vms[i]))
            vms[kept++] = vms[i];
    *count = kept;
    return vms;
}

/* Ask each; a VM that refuses is taken out.  They are named by id: names may change. */
static void each_ask(struct client *client, uint32_t method, struct results *results, bh_MgmtVm *vms,
                     unsigned *count)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < *count; i++) {
        bh_MgmtVmRequest request = bh_MgmtVmRequest_init_zero;
        char error[WIRE_ERROR_BYTES];
        bh_MgmtVmReply reply;
        uint32_t status;

        snprintf(request.vm, sizeof(request.vm), "%u", (unsigned)vms[i].id);
        status = client_request(client, method, &request, &reply, error);
        results_take(results, status, &reply, error);
        if (status == bh_MgmtStatus_MGMT_OK)
            vms[kept++] = vms[i];
    }
    *count = kept;
}

/* Whether `before` is not what it was: gone, off, preserved, or started again. */
static bool has_ended(const bh_MgmtVm *before, const bh_MgmtVm *now, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (now[i].id == before->id &&
            !memcmp(now[i].uuid.bytes, before->uuid.bytes, sizeof(before->uuid.bytes)))
            return !vm_exists(&now[i]) || now[i].state == bh_MgmtVmState_MGMT_VM_PRESERVED ||
                   now[i].starts != before->starts;
    return true;
}

/* Wait until they have ended; those that have not are left in `vms`. */
static void end_await(struct client *client, unsigned seconds, bh_MgmtVm *vms, unsigned *count)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000l};
    time_t deadline = time(NULL) + (time_t)seconds;

    for (;;) {
        unsigned now_count, left = 0;
        bh_MgmtVm *now = vms_list(client, &now_count);

        for (unsigned i = 0; i < *count; i++)
            if (!has_ended(&vms[i], now, now_count))
                vms[left++] = vms[i];
        *count = left;
        free(now);
        if (left == 0 || time(NULL) >= deadline)
            return;
        nanosleep(&pause, NULL);
    }
}

static char *names_of(const bh_MgmtVm *vms, unsigned count)
{
    char *text = must_print("%s", "");

    for (unsigned i = 0; i < count; i++) {
        char *longer = must_print("%s%s%s", text, i ? ", " : "", vms[i].name);

        free(text);
        text = longer;
    }
    return text;
}

/* ---- shutdown and reboot of VMs ----------------------------------------------------------------------- */

/* Under --json each reply comes as it is given; what -w waited in vain for is an error behind it. */
static int each_end(const struct args *args, uint32_t method, const char *done)
{
    struct client *client = client_open(args);
    unsigned count, seconds = client_patience(args, WAIT_SECONDS);
    bh_MgmtVm *vms = vms_meant(client, args, &count);
    struct results results;
    int status;

    results_start(&results, args, done);
    each_ask(client, method, &results, vms, &count);
    status = results_end(&results);
    if (args_has(args, "wait")) {
        end_await(client, seconds, vms, &count);
        if (count)
            fail_as(EXIT_TIMEOUT, "timeout",
                    "%s: still there after %u seconds; `bh destroy` ends a VM at once", names_of(vms, count),
                    seconds);
    }
    free(vms);
    client_close(client);
    return status;
}

static const struct option_spec end_options[] = {
    {"all", 'a', NULL, "all VMs", 0},
    {"wait", 'w', NULL, "wait until they have; --timeout says how long (120)", 0},
    {"fallback", 'F', NULL, "for xl's users: there is one way to ask, it is always the same", 0},
    {NULL, 0, NULL, NULL, 0},
};

static int vm_reboot(const struct args *args)
{
    return each_end(args, MGMT_METHOD_REBOOT, "asked to reboot");
}

const struct verb verb_reboot = {
    .name = "reboot",
    .group = GROUP_VMS,
    .arguments = "[VM...]",
    .summary = "ask VMs to start again in good order",
    .options = end_options,
    .most = WORDS_ANY,
    .asks = true,
    .run = vm_reboot,
};

/* ---- the machine's end
 * ------------------------------------------------------------------------------------- */

static int machine_off(struct client *client, const struct args *args, bool force)
{
    bh_MgmtOffRequest request = {.force = force};
    unsigned seconds = client_patience(args, WAIT_SECONDS);
    bh_MgmtNothing nothing;
    struct json json;

    client_ask(client, MGMT_METHOD_MACHINE_OFF, &request, &nothing);
    if (!client_wait_end(client, seconds))
        fail_as(EXIT_TIMEOUT, "timeout", "%s said that it goes off, and is still there after %u seconds",
                client_where(client), seconds);
    if (args->json) {
        json_start(&json, stdout);
        json_object(&json, NULL);
        json_text(&json, "machine", client_hello(client)->machine);
        json_bool(&json, "off", true);
        json_object_end(&json);
        json_finish(&json);
    } else {
        printf("%s is off\n", client_where(client));
    }
    client_close(client);
    return 0;
}

/* Ask each to shut down; returns how many will, which stand in front then.  `error`: what one of the others
 * said. */
static unsigned each_ask_quietly(struct client *client, bh_MgmtVm *vms, unsigned count, char *error)
{
    unsigned asked = 0;

    for (unsigned i = 0; i < count; i++) {
        bh_MgmtVmRequest request = bh_MgmtVmRequest_init_zero;
        bh_MgmtVm vm = vms[i];
        bh_MgmtVmReply reply;

        snprintf(request.vm, sizeof(request.vm), "%u", (unsigned)vm.id);
        if (client_request(client, MGMT_METHOD_SHUTDOWN, &request, &reply, error) != bh_MgmtStatus_MGMT_OK)
            continue;
        vms[i] = vms[asked];
        vms[asked++] = vm;
    }
    return asked;
}

/* Whether one that was asked can still end by itself. */
static unsigned alive_keep(bh_MgmtVm *vms, unsigned count)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < count; i++)
        if (vm_exists(&vms[i]) && vms[i].state != bh_MgmtVmState_MGMT_VM_PRESERVED)
            vms[kept++] = vms[i];
    return kept;
}

static int machine_shutdown(const struct args *args)
{
    struct client *client = client_open(args);
    unsigned count, asked, left, seconds = client_patience(args, WAIT_SECONDS);
    bh_MgmtVm *vms = vms_list(client, &count);
    char error[WIRE_ERROR_BYTES] = "";
    bool force = args_has(args, "force");

    count = alive_keep(vms, count);
    left = asked = each_ask_quietly(client, vms, count, error);
    end_await(client, seconds, vms, &left);
    if (left && !force)
        fail_as(EXIT_TIMEOUT, "timeout", "%s stays on: still there after %u seconds: %s; --force ends them",
                client_where(client), seconds, names_of(vms, left));
    if (asked < count && !force)
        fail_as(EXIT_REFUSED, "state",
                "%s stays on: VMs that cannot be asked to shut down: %s (%s); --force ends them",
                client_where(client), names_of(vms + asked, count - asked), error);
    free(vms);
    return machine_off(client, args, force);
}

static const struct option_spec shutdown_options[] = {
    {"all", 'a', NULL, "all VMs", 0},
    {"wait", 'w', NULL, "wait until they have; --timeout says how long (120)", 0},
    {"fallback", 'F', NULL, "for xl's users: there is one way to ask, it is always the same", 0},
    {"force", 0, NULL, "of the machine: VMs that do not end in time are destroyed", 0},
    {NULL, 0, NULL, NULL, 0},
};

static int vm_shutdown(const struct args *args)
{
    bool is_machine = args->count == 0 && !args_has(args, "all") && args_has(args, "machine");

    if (args_has(args, "force") && !is_machine)
        fail_usage("shutdown: --force is for a whole machine; `bh destroy` ends a VM at once");
    return is_machine ? machine_shutdown(args) : each_end(args, MGMT_METHOD_SHUTDOWN, "asked to shut down");
}

const struct verb verb_shutdown = {
    .name = "shutdown",
    .group = GROUP_VMS,
    .arguments = "[VM...]",
    .summary = "ask VMs, or with --machine alone the whole machine, to shut down in good order",
    .text = "With --machine [MACHINE] and no VM the machine ends: its VMs are asked, given --timeout (120 s) "
            "to end, then "
            "the machine goes off. If some do not, it stays on and the message names them.",
    .options = shutdown_options,
    .most = WORDS_ANY,
    .asks = true,
    .takes_bare_machine = true,
    .run = vm_shutdown,
};
