/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verb_create.c - a VM from its file: create, config-update
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "console.h"
#include "fail.h"
#include "mgmt_json.h"
#include "start.h"
#include "upload.h"
#include "verbs.h"
#include "vmfile.h"
#include "vms.h"

static const struct option_spec create_options[] = {
    {"console", 'c', NULL, "then attach to its console", 0},
    {"paused", 'p', NULL, "leave it paused", 0},
    {"quiet", 'q', NULL, "no progress, and no word when it is done", 0},
    {"dryrun", 'n', NULL, "judge the file, say what it means as JSON, create nothing", 0},
    {"defconfig", 'f', "FILE", "the VM's file, as xl has it", 0},
    {NULL, 0, NULL, NULL, 0},
};

/* The first word is the file unless it is KEY=VALUE or -f named one; the rest are assignments. */
static struct vm vm_of_words(const struct args *args, char **words, unsigned count)
{
    const char *path = args_value(args, "defconfig");

    if (!path && count && !strchr(words[0], '=')) {
        path = words[0];
        words++;
        count--;
    }
    if (!path && !count)
        fail_usage("%s: a VM's file is missing", args->verb->name);
    return vm_read_with(path, words, count);
}

/* Its kernel and ramdisk, judged before anything is asked of the machine. */
struct images {
    struct file kernel, ramdisk;
};

static struct images images_read(const struct vm *vm)
{
    struct images images = {0};

    if (vm->kernel)
        images.kernel = vm_kernel_read(vm);
    if (vm->ramdisk)
        images.ramdisk = vm_ramdisk_read(vm);
    return images;
}

static void images_send(struct client *client, const struct args *args, const struct images *images,
                        bh_VmConfig *config)
{
    bool shows = isatty(STDERR_FILENO) && !args->json && !args_has(args, "quiet");

    if (images->kernel.bytes)
        image_upload(client, "kernel", &images->kernel, shows, config->kernel, sizeof(config->kernel));
    if (images->ramdisk.bytes)
        image_upload(client, "ramdisk", &images->ramdisk, shows, config->ramdisk, sizeof(config->ramdisk));
    free(images->kernel.bytes);
    free(images->ramdisk.bytes);
}

static int config_show(struct vm *vm)
{
    struct json json;

    if (vm->kernel)
        snprintf(vm->config.kernel, sizeof(vm->config.kernel), "%s", vm->kernel);
    if (vm->ramdisk)
        snprintf(vm->config.ramdisk, sizeof(vm->config.ramdisk), "%s", vm->ramdisk);
    json_start(&json, stdout);
    mgmt_json_vm_config(&json, NULL, &vm->config);
    json_finish(&json);
    return 0;
}

/*
 * With -c the VM is made paused where that can be, so that nothing of what it writes is missed; it goes on
 * when the console is there.  *goes_on: it has to be told.
 */
static void create_ask(struct client *client, const struct args *args, const struct vm *vm,
                       bh_MgmtVmReply *reply, bool *goes_on)
{
    bh_MgmtCreateRequest request = {.has_config = true, .config = vm->config};
    char error[WIRE_ERROR_BYTES];
    uint32_t status;

    *goes_on = args_has(args, "console") && !args_has(args, "paused");
    request.paused = args_has(args, "paused") || *goes_on;
    status = client_request(client, MGMT_METHOD_CREATE, &request, reply, error);
    if (status == bh_MgmtStatus_MGMT_NOT_SUPPORTED && *goes_on) {
        *goes_on = request.paused = false;
        status = client_request(client, MGMT_METHOD_CREATE, &request, reply, error);
    }
    if (status != bh_MgmtStatus_MGMT_OK)
        client_refused(status, must_print("%s: %s", vm->path, error));
}

static void create_say(const struct args *args, const bh_MgmtVmReply *reply)
{
    struct json json;

    if (args->json) {
        json_start(&json, stdout);
        mgmt_json_vm_reply(&json, NULL, reply);
        json_finish(&json);
    } else if (!args_has(args, "quiet")) {
        printf("%s: created, its id is %u\n", reply->name, (unsigned)reply->id);
        fflush(stdout);
    }
}

static void vm_unpause(const struct args *args, const char *name)
{
    bh_MgmtVmRequest request = bh_MgmtVmRequest_init_zero;
    struct client *client = client_open(args);
    bh_MgmtVmReply reply;

    vm_word(request.vm, name);
    client_ask(client, MGMT_METHOD_UNPAUSE, &request, &reply);
    client_close(client);
}

static int create(const struct args *args)
{
    struct vm vm = vm_of_words(args, args->words, args->count);
    struct images images = images_read(&vm);
    struct client *client;
    bh_MgmtVmReply reply;
    uint64_t log;
    bool goes_on;

    if (args_has(args, "dryrun"))
        return config_show(&vm);
    vm_identify(&vm);
    client = client_open(args);
    images_send(client, args, &images, &vm.config);
    log = log_end(client);
    create_ask(client, args, &vm, &reply, &goes_on);
    if (!args_has(args, "console"))
        start_await(client, args, &reply, log);
    create_say(args, &reply);
    if (args_has(args, "console")) {
        struct console console = {.client = client, .vm = reply.name, .json = args->json};

        console_attach(&console);
        if (goes_on)
            vm_unpause(args, reply.name);
        return console_serve(&console);
    }
    client_close(client);
    return 0;
}

const struct verb verb_create = {
    .name = "create",
    .group = GROUP_VMS,
    .arguments = "[FILE] [KEY=VALUE...]",
    .summary = "make a VM from an xl.cfg file and start it",
    .text = "Its kernel and ramdisk are sent to the machine, unless it has them already. A kernel "
            "`image:NAME` is one that "
            "`bh images` lists, `volume:LABEL` a volume of the machine's disk. KEY=VALUE overrides what the "
            "file says; such "
            "a VM is forgotten when it ends. Killed at any moment, bh leaves either the whole VM or nothing "
            "of it.",
    .options = create_options,
    .most = WORDS_ANY,
    .asks = true,
    .run = create,
};

/* ---- config-update ------------------------------------------------------------------------------------ */

static const struct option_spec update_options[] = {
    {"quiet", 'q', NULL, "no progress, and no word when it is done", 0},
    {"defconfig", 'f', "FILE", "the VM's file, as xl has it", 0},
    {NULL, 0, NULL, NULL, 0},
};

static int config_update(const struct args *args)
{
    bh_MgmtConfigUpdateRequest request = {.has_config = true};
    struct vm vm = vm_of_words(args, args->words + 1, args->count - 1);
    struct images images = images_read(&vm);
    struct client *client = client_open(args);
    bh_MgmtVmInfo info;
    bh_MgmtVmReply reply;
    struct json json;

    vm_info(client, args->words[0], &info);
    if (strcmp(vm.config.name, info.vm.name) != 0)
        fail("%s: name: '%s' is not '%s': `bh rename` changes a VM's name", vm_where(&vm, vm.name_line),
             vm.config.name, info.vm.name);
    images_send(client, args, &images, &vm.config);
    memcpy(vm.config.uuid, info.vm.uuid.bytes, sizeof(vm.config.uuid));
    vm_identify(&vm);
    request.config = vm.config;
    client_ask(client, MGMT_METHOD_CONFIG_UPDATE, &request, &reply);
    if (args->json) {
        json_start(&json, stdout);
        mgmt_json_vm_reply(&json, NULL, &reply);
        json_finish(&json);
    } else if (!args_has(args, "quiet")) {
        printf("%s: from its next start on\n", reply.name);
    }
    client_close(client);
    return 0;
}

const struct verb verb_config_update = {
    .name = "config-update",
    .group = GROUP_VMS,
    .arguments = "VM [FILE] [KEY=VALUE...]",
    .summary = "what a VM is from its next start on",
    .text = "The file is read as `create` does. The VM keeps its UUID.",
    .options = update_options,
    .least = 1,
    .most = WORDS_ANY,
    .asks = true,
    .run = config_update,
};
