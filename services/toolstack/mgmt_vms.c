/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mgmt_vms.c - what a client asks for VMs: make, start, end, attach
 *
 * Requests are served one after the other, so each is judged by what the one before it left.
 */
#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "caps_toolstack.h"
#include "console_rpc.h"
#include "image_names.h"
#include "mgmt_call.h"
#include "toolstack.h"

#define VCPUS_MOST 16u
#define WEIGHT_USUAL 256u
#define MEMORY_STEP 0x200000ull

/* ---- make ---------------------------------------------------------------------------------------- */

bool mgmt_name_is_good(const char *name, char *error, uint32_t error_bytes)
{
    const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    if (name[0] != 0 && name[strspn(name, allowed)] == 0 && strspn(name, "0123456789") != strlen(name))
        return true;
    snprintf(error, error_bytes,
             "name `%s`: letters, digits, '.', '_' and '-' are needed, and not digits alone", name);
    return false;
}

static bool image_is_missing(struct toolstack *ts, const char *name)
{
    return image_is_upload(name) && !image_find(ts, name);
}

/* A client tells the time that it is now; a VM counts from the machine's start.  0: it told none. */
static uint64_t time_at_start(uint64_t seconds)
{
    uint64_t up = bh_ticks_to_us(bh_now()) / 1000000u;

    return seconds > up ? seconds - up : seconds;
}

/* self: the VM that it is for; NULL: a new one. */
static uint32_t config_judge(struct wire_call *call, bh_VmConfig *config, const struct vm *self)
{
    struct toolstack *ts = call->context;
    static const uint8_t no_uuid[16];

    if (!mgmt_name_is_good(config->name, call->error, sizeof call->error))
        return bh_MgmtStatus_MGMT_BAD_REQUEST;
    if (config->memory_bytes == 0 || config->memory_bytes % MEMORY_STEP != 0)
        return refuse(call, bh_MgmtStatus_MGMT_BAD_REQUEST, "memory: an even number of MiB is needed");
    if (config->vcpus == 0 || config->vcpus > VCPUS_MOST)
        return refuse(call, bh_MgmtStatus_MGMT_BAD_REQUEST, "vcpus: 1 to %u", VCPUS_MOST);
    if (config->weight == 0)
        config->weight = WEIGHT_USUAL;
    if (config->weight > WEIGHT_MOST)
        return refuse(call, bh_MgmtStatus_MGMT_BAD_REQUEST, "cpu_weight: 1 to %u", WEIGHT_MOST);
    if (config->cap > 100 * config->vcpus)
        return refuse(call, bh_MgmtStatus_MGMT_BAD_REQUEST, "cap: 0 to %u (100 for each vCPU)",
                      100 * config->vcpus);
    if (!vm_disks_are_good(config, call->error, sizeof call->error))
        return bh_MgmtStatus_MGMT_BAD_REQUEST;
    if (config->kernel[0] == 0 || image_is_missing(ts, config->kernel))
        return refuse(call, bh_MgmtStatus_MGMT_NOT_FOUND, "kernel: there is no image `%s`", config->kernel);
    if (image_is_missing(ts, config->ramdisk))
        return refuse(call, bh_MgmtStatus_MGMT_NOT_FOUND, "ramdisk: there is no image `%s`", config->ramdisk);
    for (uint32_t i = 0; i < ts->vm_count; i++)
        if (&ts->vms[i] != self && memcmp(config->uuid, no_uuid, sizeof no_uuid) != 0 &&
            ts->vms[i].config.name[0] != 0 &&
            memcmp(ts->vms[i].config.uuid, config->uuid, sizeof no_uuid) == 0)
            return refuse(call, bh_MgmtStatus_MGMT_EXISTS, "uuid: %s has it", ts->vms[i].config.name);
    config->epoch_seconds = time_at_start(config->epoch_seconds);
    return bh_MgmtStatus_MGMT_OK;
}

/* Make it, and note what it says if it cannot be. */
static uint32_t vm_make(struct wire_call *call, struct vm *vm, bool paused)
{
    struct toolstack *ts = call->context;
    char error[ERROR_BYTES];

    if (vm_create(ts, vm, paused, error) == OK)
        return bh_MgmtStatus_MGMT_OK;
    bh_log("%s: refused: %s", vm->config.name, error);
    return refuse(call, bh_MgmtStatus_MGMT_REFUSED, "%s: cannot start: %s", vm->config.name, error);
}

uint32_t mgmt_on_create(struct wire_call *call, const bh_MgmtCreateRequest *request, bh_MgmtVmReply *reply)
{
    struct toolstack *ts = call->context;
    static bh_VmConfig config;
    uint32_t status;

    if (!request->has_config)
        return refuse(call, bh_MgmtStatus_MGMT_BAD_REQUEST, "no configuration came with the request");
    config = request->config;
    const struct vm *other = vm_find(ts, config.name);

    if (other)
        return refuse(call, bh_MgmtStatus_MGMT_EXISTS, "%s: there is a VM of that name (id %u): %s",
                      config.name, vm_id(other), state_words(other));
    status = config_judge(call, &config, NULL);
    if (status != bh_MgmtStatus_MGMT_OK)
        return status;
    struct vm *vm = vm_add(ts, &config);

    if (!vm)
        return refuse(call, bh_MgmtStatus_MGMT_FULL, "the machine has as many VMs as it takes");
    status = vm_make(call, vm, request->paused);
    if (status == bh_MgmtStatus_MGMT_OK)
        images_used(ts, &vm->config, call->client);
    reply_vm(call, reply, vm);
    return status;
}

uint32_t mgmt_on_config_update(struct wire_call *call, const bh_MgmtConfigUpdateRequest *request,
                               bh_MgmtVmReply *reply)
{
    static bh_VmConfig config;
    uint32_t status;

    if (!request->has_config)
        return refuse(call, bh_MgmtStatus_MGMT_BAD_REQUEST, "no configuration came with the request");
    config = request->config;
    struct vm *vm = vm_asked(call, config.name, &status);

    if (vm)
        status = config_judge(call, &config, vm);
    if (status != bh_MgmtStatus_MGMT_OK)
        return status;
    vm_change(call->context, vm, &config);
    images_used(call->context, &config, call->client);
    reply_vm(call, reply, vm);
    return bh_MgmtStatus_MGMT_OK;
}

uint32_t mgmt_on_start(struct wire_call *call, const bh_MgmtVmRequest *request, bh_MgmtVmReply *reply)
{
    uint32_t status;
    struct vm *vm = vm_asked(call, request->vm, &status);

    if (!vm)
        return status;
    if (vm->state != VM_OFF)
        return refuse(call, bh_MgmtStatus_MGMT_EXISTS, "%s: %s", vm->config.name, state_words(vm));
    reply_vm(call, reply, vm);
    return vm_make(call, vm, false);
}

/* ---- end ------------------------------------------------------------------------------------------- */

uint32_t mgmt_on_destroy(struct wire_call *call, const bh_MgmtVmRequest *request, bh_MgmtVmReply *reply)
{
    struct toolstack *ts = call->context;
    uint32_t status;
    struct vm *vm = vm_asked(call, request->vm, &status);

    if (!vm)
        return status;
    if (vm->state == VM_OFF && vm->steps == 0)
        return refuse(call, bh_MgmtStatus_MGMT_STATE, "%s: it is off", vm->config.name);
    reply_vm(call, reply, vm);
    bh_log("%s: destroyed", vm->config.name);
    vm_destroy(ts, vm, ts->only == vm);
    if (vm->steps != 0)
        return refuse(call, bh_MgmtStatus_MGMT_REFUSED, "%s: not all of it could be undone: see dmesg",
                      vm->config.name);
    ts->off_due |= ts->only == vm;
    return bh_MgmtStatus_MGMT_OK;
}

/* ---- ask --------------------------------------------------------------------------------------------- */

/* Said again it is asked again: the guest may not have had an ear for it the first time. */
static uint32_t wish_tell(struct wire_call *call, const char *text, enum vm_wish wish, bh_MgmtVmReply *reply)
{
    char error[ERROR_BYTES];
    uint32_t status;
    struct vm *vm = vm_asked(call, text, &status);

    if (!vm)
        return status;
    if (vm->state != VM_RUNNING)
        return refuse(call, bh_MgmtStatus_MGMT_STATE, "%s: %s", vm->config.name, state_words(vm));
    enum status asked = vm_ask(call->context, vm, wish, error);

    if (asked != OK)
        return refuse(call, asked == ERR_STATE ? bh_MgmtStatus_MGMT_STATE : bh_MgmtStatus_MGMT_REFUSED,
                      "%s: %s", vm->config.name, error);
    reply_vm(call, reply, vm);
    if (vm->is_paused)
        snprintf(reply->text, sizeof reply->text, "%s is paused: its guest hears it when it is unpaused",
                 vm->config.name);
    return bh_MgmtStatus_MGMT_OK;
}

uint32_t mgmt_on_shutdown(struct wire_call *call, const bh_MgmtVmRequest *request, bh_MgmtVmReply *reply)
{
    return wish_tell(call, request->vm, WISH_SHUTDOWN, reply);
}

uint32_t mgmt_on_reboot(struct wire_call *call, const bh_MgmtVmRequest *request, bh_MgmtVmReply *reply)
{
    return wish_tell(call, request->vm, WISH_REBOOT, reply);
}

/* ---- pause ------------------------------------------------------------------------------------------- */

/* As `xl`: asked for twice it is done once, and both is well. */
static uint32_t pause_or_go_on(struct wire_call *call, const char *text, bool paused, bh_MgmtVmReply *reply)
{
    char error[ERROR_BYTES];
    uint32_t status;
    struct vm *vm = vm_asked(call, text, &status);

    if (!vm)
        return status;
    if (vm->state != VM_RUNNING && vm->state != VM_STARTING)
        return refuse(call, bh_MgmtStatus_MGMT_STATE, "%s: %s", vm->config.name, state_words(vm));
    reply_vm(call, reply, vm);
    reply->unchanged = vm->is_paused == paused;
    if (reply->unchanged || vm_pause(call->context, vm, paused, error) == OK)
        return bh_MgmtStatus_MGMT_OK;
    return refuse(call, bh_MgmtStatus_MGMT_REFUSED, "%s: %s", vm->config.name, error);
}

uint32_t mgmt_on_pause(struct wire_call *call, const bh_MgmtVmRequest *request, bh_MgmtVmReply *reply)
{
    return pause_or_go_on(call, request->vm, true, reply);
}

uint32_t mgmt_on_unpause(struct wire_call *call, const bh_MgmtVmRequest *request, bh_MgmtVmReply *reply)
{
    return pause_or_go_on(call, request->vm, false, reply);
}

/* ---- other -------------------------------------------------------------------------------------------- */

uint32_t mgmt_on_rename(struct wire_call *call, const bh_MgmtRenameRequest *request, bh_MgmtVmReply *reply)
{
    struct toolstack *ts = call->context;
    uint32_t status;
    struct vm *vm = vm_asked(call, request->vm, &status);
    const struct vm *other = vm_find(ts, request->name);

    if (!vm)
        return status;
    if (!mgmt_name_is_good(request->name, call->error, sizeof call->error))
        return bh_MgmtStatus_MGMT_BAD_REQUEST;
    if (other && other != vm)
        return refuse(call, bh_MgmtStatus_MGMT_EXISTS, "%s: there is a VM of that name (id %u)",
                      request->name, vm_id(other));
    reply->unchanged = other == vm;
    snprintf(vm->config.name, sizeof vm->config.name, "%s", request->name);
    toolstack_save_config(ts, vm);
    reply_vm(call, reply, vm);
    return bh_MgmtStatus_MGMT_OK;
}

uint32_t mgmt_on_console(struct wire_call *call, const bh_MgmtConsoleRequest *request, bh_MgmtVmReply *reply)
{
    uint32_t status;
    const struct vm *vm = vm_asked(call, request->vm, &status);
    bh_WatchRequest watch = {.client = call->client,
                             .stream = call->id,
                             .may_type = !request->watch_only,
                             .with_backlog = !request->no_backlog};
    bh_ConsoleStatus answer;

    if (!vm)
        return status;
    if (vm->state == VM_OFF)
        return refuse(call, bh_MgmtStatus_MGMT_STATE, "%s: it is off: it has no console", vm->config.name);
    watch.vm_id = vm_id(vm);
    enum status asked = console_rpc_watch(CAP_CONSOLE, &watch, &answer, NULL, bh_after_ms(ASK_MS));

    if (asked != OK)
        return refuse(call, bh_MgmtStatus_MGMT_REFUSED, "%s: console: %s", vm->config.name,
                      bh_status_name(asked));
    if (answer.status != OK)
        return refuse(call, answer.status == ERR_FULL ? bh_MgmtStatus_MGMT_FULL : bh_MgmtStatus_MGMT_REFUSED,
                      "%s: console: %s", vm->config.name, answer.error);
    reply_vm(call, reply, vm);
    return bh_MgmtStatus_MGMT_OK;
}

uint32_t mgmt_on_upload(struct wire_call *call, const bh_MgmtUploadRequest *request,
                        bh_MgmtUploadReply *reply)
{
    return image_upload(call->context, call->client, call->id, request, reply, call->error,
                        sizeof call->error);
}

uint32_t mgmt_on_machine_off(struct wire_call *call, const bh_MgmtOffRequest *request, bh_MgmtNothing *reply)
{
    struct toolstack *ts = call->context;

    (void)reply;
    for (uint32_t i = 0; i < ts->vm_count && !request->force; i++)
        if (vm_is_alive(&ts->vms[i]))
            return refuse(call, bh_MgmtStatus_MGMT_STATE, "%s runs: end the VMs first, or force it",
                          ts->vms[i].config.name);
    ts->off_due = true;
    return bh_MgmtStatus_MGMT_OK;
}
