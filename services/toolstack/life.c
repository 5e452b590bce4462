/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * life.c - what becomes of VMs, and of the machine
 *
 * Endings are only noted when they are reported (by a vmm, by init, by a person) and dealt with here, between
 * two messages: so nobody who reports waits for what follows from it.
 */
#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "caps_toolstack.h"
#include "console_rpc.h"
#include "init_rpc.h"
#include "policy.h"
#include "sched_rpc.h"
#include "text.h"
#include "toolstack.h"
#include "vmm_events.h"

#define DEATHS_AT_ONCE 32u
#define OFF_TRIES 10u
#define OFF_PAUSE_MS 500u

struct vm *vm_find(struct toolstack *ts, const char *name)
{
    for (uint32_t i = 0; i < ts->vm_count; i++)
        if (strcmp(ts->vms[i].config.name, name) == 0)
            return &ts->vms[i];
    return NULL;
}

struct vm *vm_of_id(struct toolstack *ts, uint64_t id)
{
    if (id < VM_ID_MIN || id - VM_ID_MIN >= ts->vm_count)
        return NULL;
    struct vm *vm = &ts->vms[id - VM_ID_MIN];

    return vm->config.name[0] != 0 ? vm : NULL;
}

void console_give(struct toolstack *ts, uint32_t id)
{
    bh_FocusRequest request = {.vm_id = id};
    bh_ConsoleStatus reply;

    out_flush(ts);
    enum status status = console_rpc_focus(CAP_CONSOLE, &request, &reply, NULL, bh_after_ms(ASK_MS));

    if (status != OK || reply.status != OK)
        bh_log("the focus cannot be moved: %s", status == OK ? reply.error : bh_status_name(status));
}

/* What went wrong first is what the machine's exit status says. */
static void exit_note(struct toolstack *ts, const struct vm *vm, enum vm_ending ending, const char *text)
{
    uint32_t status = policy_exit_status(ending);

    if (ts->only == vm)
        ts->exit_status = 0; /* the machine is there for this one: its end is what counts */
    if (status == 0 || ts->exit_status != 0 || !(vm->config.autostart || ts->only == vm))
        return;
    ts->exit_status = status;
    snprintf(ts->exit_text, sizeof ts->exit_text, "%s: %s%s%s", vm->config.name, policy_ending_name(ending),
             text[0] ? ": " : "", text);
}

static void say_ending(struct toolstack *ts, const struct vm *vm, enum vm_ending ending, const char *text)
{
    exit_note(ts, vm, ending, text);
    out_printf(ts, "%s: %s%s%s\n", vm->config.name, policy_ending_name(ending), text[0] ? ": " : "", text);
}

void vm_start(struct toolstack *ts, struct vm *vm)
{
    char error[ERROR_BYTES];

    if (vm_create(ts, vm, false, error) == OK)
        return;
    say_ending(ts, vm, END_REFUSED, error);
    bh_log("%s: refused: %s", vm->config.name, error);
    if (ts->only == vm)
        life_machine_off(ts);
}

/* While it starts its threads borrow its vCPUs' time: it is paused when its vmm says that it is ready. */
static bool is_paused_later(const struct vm *vm)
{
    return vm->state != VM_RUNNING;
}

enum status vm_pause(struct toolstack *ts, struct vm *vm, bool paused, char error[ERROR_BYTES])
{
    if (is_paused_later(vm)) {
        vm->is_paused = paused;
        toolstack_save(ts);
        return OK;
    }
    bh_PauseRequest request = {.vm_id = vm_id(vm), .paused = paused};
    bh_SchedStatus reply;
    enum status status = sched_rpc_pause(CAP_SCHED, &request, &reply, NULL, bh_after_ms(ASK_MS));

    if (status != OK)
        snprintf(error, ERROR_BYTES, "sched: %s", bh_status_name(status));
    else if (reply.status != OK)
        snprintf(error, ERROR_BYTES, "sched: %s", reply.error);
    if (status != OK || reply.status != OK)
        return status != OK ? status : (enum status)reply.status;
    vm->is_paused = paused;
    toolstack_save(ts);
    return OK;
}

/* init knows the vmm, also when we have just been restarted. */
enum status vmm_tell(const struct vm *vm, uint64_t events, char *error)
{
    bh_TellVmmRequest request = {.vm_id = vm_id(vm), .events = events};
    bh_InitStatus reply;
    enum status status = init_rpc_tell_vmm(CAP_INIT, &request, &reply, NULL, bh_after_ms(ASK_MS));

    if (status != OK)
        snprintf(error, ERROR_BYTES, "init: %s", bh_status_name(status));
    else if (reply.status != OK)
        snprintf(error, ERROR_BYTES, "%s", reply.error);
    return status != OK ? status : (enum status)reply.status;
}

enum status vm_ask(struct toolstack *ts, struct vm *vm, enum vm_wish wish, char error[ERROR_BYTES])
{
    uint64_t bit = wish == WISH_SHUTDOWN ? VMM_EVENT_POWER : VMM_EVENT_REBOOT;

    if (!vm->is_heard) {
        snprintf(error, ERROR_BYTES, "its guest cannot hear it: no driver (virtio_input) has started there");
        return ERR_STATE;
    }
    enum status status = vmm_tell(vm, 1ull << bit, error);

    if (status != OK)
        return status;
    vm->is_stopping = wish == WISH_SHUTDOWN;
    toolstack_save(ts);
    return OK;
}

/* ---- endings ------------------------------------------------------------------------------------ */

void vm_report(struct vm *vm, enum vm_ending ending, const char *text)
{
    if (!vm_is_alive(vm) || vm->ending != END_NONE)
        return; /* only the first word counts: a vmm that we are about to destroy may say anything */
    vm->ending = ending;
    text_clean(vm->text, sizeof vm->text, text);
}

void life_collect_deaths(struct toolstack *ts)
{
    static const bh_DeathsRequest request = bh_DeathsRequest_init_zero;
    bh_DeathsReply reply;

    for (uint32_t i = 0; i < DEATHS_AT_ONCE; i++) {
        enum status status = init_rpc_next_death(CAP_INIT, &request, &reply, NULL, bh_after_ms(ASK_MS));

        if (status != OK || reply.status != OK || !reply.found)
            return;
        struct vm *vm = vm_of_id(ts, reply.vm_id);

        if (vm)
            vm_report(vm, END_CRASH, reply.text);
    }
}

static void vm_preserve(struct toolstack *ts, struct vm *vm)
{
    say_ending(ts, vm, vm->ending, vm->text);
    out_printf(ts, "%s: preserved for inspection (`destroy %s` removes it)\n", vm->config.name,
               vm->config.name);
    vm->state = VM_PRESERVED;
    toolstack_save(ts);
    if (ts->only == vm)
        console_give(ts, 0); /* from here on a person decides */
    out_flush(ts);
}

/* The words come before the console closes: they are shown as soon as Bulkhead has the wire. */
static void vm_end(struct toolstack *ts, struct vm *vm)
{
    enum vm_ending ending = vm->ending;
    uint64_t lived_us = bh_ticks_to_us(bh_now() - vm->started);
    enum action action = policy_decide(vm, ending, lived_us / 1000000);

    bh_log("%s: %s %s", vm->config.name, policy_ending_name(ending), vm->text);
    if (action == ACTION_PRESERVE)
        return vm_preserve(ts, vm);
    if (action == ACTION_RESTART) {
        if (ending != END_REBOOT)
            out_printf(ts, "%s: %s, starting again %s\n", vm->config.name, policy_ending_name(ending),
                       vm->text);
        out_flush(ts);
        uint64_t target = vm->target;

        vm_destroy(ts, vm, true);
        vm->target = target; /* as xl: a reboot does not make it larger */
        return vm_start(ts, vm);
    }
    if (vm->quick_ends >= QUICK_ENDS_MAX && ending == END_REBOOT)
        snprintf(vm->text, sizeof vm->text, "%u times within seconds of its start: not started again",
                 vm->quick_ends);
    say_ending(ts, vm, ending, vm->text);
    out_flush(ts);
    vm_destroy(ts, vm, ts->only == vm);
    if (ts->only == vm)
        life_machine_off(ts);
}

static bool somebody_is_alive(const struct toolstack *ts)
{
    for (uint32_t i = 0; i < ts->vm_count; i++)
        if (vm_is_alive(&ts->vms[i]))
            return true;
    return false;
}

void life_go_on(struct toolstack *ts)
{
    for (uint32_t i = 0; i < ts->vm_count; i++) {
        if (vm_is_alive(&ts->vms[i]) && ts->vms[i].ending != END_NONE)
            vm_end(ts, &ts->vms[i]);
        else if (ts->vms[i].state == VM_RUNNING)
            vm_close_images(ts, &ts->vms[i]);
    }
    vms_forget(ts);
    images_collect(ts);
    out_flush(ts);
    if (ts->off_due)
        life_machine_off(ts);
    if (ts->input_ended && !somebody_is_alive(ts))
        life_machine_off(ts);
}

/* ---- the machine's end ---------------------------------------------------------------------------- */

static void machine_off_ask(struct toolstack *ts)
{
    bh_OffRequest request = {.reason = 0};
    bh_InitStatus reply;

    for (uint32_t tries = 0; tries < OFF_TRIES; tries++) {
        enum status status = init_rpc_machine_off(CAP_INIT, &request, &reply, NULL, bh_after_ms(ASK_MS));

        toolstack_pause(ts, OFF_PAUSE_MS);
        bh_log("the machine does not go off: %s", status == OK ? reply.error : bh_status_name(status));
    }
}

/*
 * End what runs (so that what its guests asked of the disks is finished), say how it went to whoever started
 * the machine, off. The words are an operating system command (ECMA-48, 8.3.89) that no terminal shows and
 * that the console lets no VM write.
 */
void life_machine_off(struct toolstack *ts)
{
    char words[ERROR_BYTES + 32], text[ERROR_BYTES];

    for (uint32_t i = 0; i < ts->vm_count; i++)
        if (ts->vms[i].state != VM_OFF)
            vm_destroy(ts, &ts->vms[i], ts->only == &ts->vms[i]);
    out_drain(ts);
    text_clean(text, sizeof text, ts->exit_status ? ts->exit_text : "");
    snprintf(words, sizeof words, "\033]bh;exit=%u;%s\a", ts->exit_status, text);
    out_raw(ts, words);
    out_drain(ts);
    machine_off_ask(ts);
}
