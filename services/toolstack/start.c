/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * start.c - the VM records and options of the boot bundle, and the VMs that start by themselves
 *
 * With "console=NAME" among the options that VM's console gets the wire before anything else is written, and
 * keeps it to the machine's end.  Otherwise a VM that starts alone gets it, and Bulkhead's prompt is a Ctrl-]
 * away; with several, or none, it is Bulkhead's prompt.
 */
#include <pb_decode.h>
#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "caps_toolstack.h"
#include "init_rpc.h"
#include "text.h"
#include "toolstack.h"

#define ASK_TRIES 10u
#define ASK_PAUSE_MS 200u

/* init starts everybody and only then serves: be patient with it. */
static void options_load(struct toolstack *ts)
{
    static bh_InitInfoReply reply;

    for (uint32_t tries = 0; tries < ASK_TRIES; tries++) {
        if (info_init(&reply) == OK) {
            memcpy(ts->options, reply.options, sizeof ts->options);
            ts->options[sizeof ts->options - 1] = 0;
            return;
        }
        toolstack_pause(ts, ASK_PAUSE_MS);
    }
    bh_panic("init does not answer");
}

/* A piece of a record; ERR_EXIST past the last record. */
static enum status piece_ask(struct toolstack *ts, uint32_t index, uint32_t offset, bh_ModuleReply *reply)
{
    bh_ModuleRequest request = {.index = index, .offset = offset};
    enum status status = ERR_TIME;

    for (uint32_t tries = 0; tries < ASK_TRIES && (status == ERR_TIME || status == ERR_PEER); tries++) {
        status = init_rpc_vm_record(CAP_INIT, &request, reply, NULL, bh_after_ms(ASK_MS));
        if (status == OK)
            status = (enum status)reply->status;
        if (status == ERR_TIME || status == ERR_PEER)
            toolstack_pause(ts, ASK_PAUSE_MS);
    }
    return status;
}

/* ERR_ARG: it is no configuration of a VM. */
static enum status record_ask(struct toolstack *ts, uint32_t index, bh_VmConfig *config)
{
    static bh_ModuleReply reply;
    static uint8_t bytes[bh_VmConfig_size];
    uint32_t have = 0;
    pb_istream_t stream;
    enum status status;

    do {
        status = piece_ask(ts, index, have, &reply);
        if (status != OK)
            return status;
        if (reply.bytes > sizeof bytes || reply.piece.size == 0 || reply.piece.size > reply.bytes - have)
            return ERR_ARG;
        memcpy(bytes + have, reply.piece.bytes, reply.piece.size);
        have += reply.piece.size;
    } while (have < reply.bytes);
    stream = pb_istream_from_buffer(bytes, have);
    return pb_decode(&stream, bh_VmConfig_fields, config) && config->name[0] != 0 ? OK : ERR_ARG;
}

/* A record that makes no sense keeps its place and is refused aloud; the others are not to suffer. */
static void record_refuse(struct toolstack *ts, uint32_t index, enum status status)
{
    struct vm *vm = &ts->vms[index];

    vm->config = (bh_VmConfig)bh_VmConfig_init_zero;
    snprintf(vm->config.name, sizeof vm->config.name, "record-%u", index);
    ts->exit_status = 1;
    snprintf(ts->exit_text, sizeof ts->exit_text, "VM record %u cannot be read: %s", index,
             bh_status_name(status));
    out_printf(ts, "%s\n", ts->exit_text);
}

static void records_load(struct toolstack *ts)
{
    for (uint32_t i = 0; i < VMS_MAX; i++) {
        enum status status = record_ask(ts, i, &ts->vms[i].config);

        if (status == ERR_EXIST)
            return;
        if (status != OK)
            record_refuse(ts, i, status);
        ts->vms[i].config.vm_id = VM_ID_MIN + i;
        ts->vms[i].is_record = true;
        ts->vm_count = ts->record_count = i + 1;
    }
}

/* Whose console alone is to be on the wire. */
static void only_choose(struct toolstack *ts)
{
    char name[64];

    text_option(ts->options, "console", name, sizeof name);
    if (name[0] == 0)
        return;
    ts->only = vm_find(ts, name);
    if (ts->only)
        return;
    ts->exit_status = 1;
    snprintf(ts->exit_text, sizeof ts->exit_text, "console=%s: there is no VM of that name", name);
    out_printf(ts, "%s\n", ts->exit_text);
    life_machine_off(ts);
}

/* Whatever else is written stays in the console from here on; what was on the wire until now ends with these
 * words. */
static void only_focus(struct toolstack *ts)
{
    char words[64];

    console_give(ts, vm_id(ts->only));
    snprintf(words, sizeof words, "\033]bh;console=%s\a", ts->only->config.name);
    out_raw(ts, words);
}

/* The VM that starts alone, if it is just one. */
static struct vm *single_autostart(struct toolstack *ts)
{
    struct vm *found = NULL;

    for (uint32_t i = 0; i < ts->vm_count; i++) {
        if (!ts->vms[i].config.autostart)
            continue;
        if (found)
            return NULL;
        found = &ts->vms[i];
    }
    return found;
}

static void vms_autostart(struct toolstack *ts)
{
    struct vm *single = ts->only ? NULL : single_autostart(ts);

    if (single)
        out_printf(ts, "%s: its console; Ctrl-] leads to Bulkhead's prompt\n", single->config.name);
    for (uint32_t i = 0; i < ts->vm_count; i++)
        if (ts->vms[i].config.autostart || &ts->vms[i] == ts->only) {
            vm_start(ts, &ts->vms[i]);
            reports_serve(ts);
        }
    if (single && vm_is_alive(single))
        console_give(ts, vm_id(single));
}

/* We died in the middle of something: a half-made VM is unmade; the others go on. */
static void vms_adopt(struct toolstack *ts)
{
    for (uint32_t i = 0; i < ts->vm_count; i++) {
        if (ts->vms[i].state == VM_BUILDING || (ts->vms[i].state == VM_OFF && ts->vms[i].steps != 0))
            vm_destroy(ts, &ts->vms[i], false);
        vm_disks_adopt(ts, &ts->vms[i]);
    }
    out_printf(ts, "toolstack: started again; VMs go on\n");
}

void toolstack_start(struct toolstack *ts)
{
    if (bh_retype(CAP_NOTIFICATION, 0, &ts->pause) != OK)
        bh_panic("no memory for a Notification");
    options_load(ts);
    records_load(ts);
    bool again = toolstack_load(ts);

    images_start(ts);
    mgmt_start(ts);
    only_choose(ts);
    if (ts->only && !again)
        only_focus(ts);
    if (again)
        vms_adopt(ts);
    else
        vms_autostart(ts);
    out_prompt(ts);
}
