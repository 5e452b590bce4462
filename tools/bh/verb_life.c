/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verb_life.c - what happens to VMs: start, pause, unpause, reboot, destroy, rename
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "fail.h"
#include "results.h"
#include "verbs.h"
#include "vms.h"

/* Ask the same of each VM named. */
static int each_vm(const struct args *args, uint32_t method, const char *done)
{
    struct client *client = client_open(args);
    struct results results;

    results_start(&results, args, done);
    for (unsigned i = 0; i < args->count; i++) {
        bh_MgmtVmRequest request = bh_MgmtVmRequest_init_zero;
        char error[WIRE_ERROR_BYTES];
        bh_MgmtVmReply reply;
        uint32_t status;

        vm_word(request.vm, args->words[i]);
        status = client_request(client, method, &request, &reply, error);
        results_take(&results, status, &reply, error);
    }
    client_close(client);
    return results_end(&results);
}

/* ---- start ------------------------------------------------------------------------------------------ */

static const struct option_spec start_options[] = {
    {"console", 'c', NULL, "then attach to its console", 0},
    {NULL, 0, NULL, NULL, 0},
};

static int start(const struct args *args)
{
    int status = each_vm(args, MGMT_METHOD_START, "started");

    if (status == 0 && args_has(args, "console")) {
        struct console console = {.client = client_open(args), .vm = args->words[0], .json = args->json};

        console_attach(&console);
        return console_serve(&console);
    }
    return status;
}

const struct verb verb_start = {
    .name = "start",
    .group = GROUP_VMS,
    .arguments = "VM...",
    .summary = "start a VM that the machine knows and that is off",
    .text = "Those are the VMs of the files that `bh run` was given. A VM from a new file: `create`.",
    .options = start_options,
    .least = 1,
    .most = WORDS_ANY,
    .asks = true,
    .run = start,
};

/* ---- pause, unpause ------------------------------------------------------------------------------------ */

static int vm_pause(const struct args *args)
{
    return each_vm(args, MGMT_METHOD_PAUSE, "paused");
}

const struct verb verb_pause = {
    .name = "pause",
    .aliases = "suspend",
    .group = GROUP_VMS,
    .arguments = "VM...",
    .summary = "a VM's processors stop until `unpause`; its memory stays",
    .least = 1,
    .most = WORDS_ANY,
    .asks = true,
    .run = vm_pause,
};

static int vm_unpause(const struct args *args)
{
    return each_vm(args, MGMT_METHOD_UNPAUSE, "running");
}

const struct verb verb_unpause = {
    .name = "unpause",
    .aliases = "resume",
    .group = GROUP_VMS,
    .arguments = "VM...",
    .summary = "a paused VM goes on",
    .least = 1,
    .most = WORDS_ANY,
    .asks = true,
    .run = vm_unpause,
};

/* ---- destroy ---------------------------------------------------------------------------------------------
 */

static const struct option_spec destroy_options[] = {
    {"force", 'f', NULL, "for xl's users: whatever it is doing, it always ends", 0},
    {NULL, 0, NULL, NULL, 0},
};

static int destroy(const struct args *args)
{
    return each_vm(args, MGMT_METHOD_DESTROY, "destroyed");
}

const struct verb verb_destroy = {
    .name = "destroy",
    .group = GROUP_VMS,
    .arguments = "VM...",
    .summary = "end a VM at once, as if its power were cut",
    .options = destroy_options,
    .least = 1,
    .most = WORDS_ANY,
    .asks = true,
    .run = destroy,
};

/* ---- rename
 * ------------------------------------------------------------------------------------------------ */

static int vm_rename(const struct args *args)
{
    bh_MgmtRenameRequest request = bh_MgmtRenameRequest_init_zero;

    vm_word(request.vm, args->words[0]);
    if (strlen(args->words[1]) >= sizeof(request.name))
        fail("rename: '%s' is longer than %zu characters", args->words[1], sizeof(request.name) - 1);
    snprintf(request.name, sizeof(request.name), "%s", args->words[1]);
    return result_of(args, "its name now", MGMT_METHOD_RENAME, &request);
}

const struct verb verb_rename = {
    .name = "rename",
    .aliases = "domrename",
    .group = GROUP_VMS,
    .arguments = "VM NAME",
    .summary = "give a VM another name",
    .least = 2,
    .most = 2,
    .asks = true,
    .run = vm_rename,
};
