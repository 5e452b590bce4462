/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * serve.c - what vmms tell the toolstack (idl/toolstack.proto)
 *
 * The session's badge says which VM it is about: a vmm speaks for no other.
 */
#include "bh.h"
#include "toolstack.h"
#include "toolstack_rpc.h"

static enum vm_ending ending_of(bh_VmEventKind kind)
{
    switch (kind) {
    case bh_VmEventKind_POWEROFF:
        return END_POWEROFF;
    case bh_VmEventKind_REBOOT:
        return END_REBOOT;
    case bh_VmEventKind_REFUSED:
        return END_REFUSED;
    default:
        return END_CRASH;
    }
}

/* It has loaded its guest.  One that is to be paused does not run before it is: its vmm waits for our answer.
 */
static enum status ready(struct toolstack *ts, struct vm *vm)
{
    char error[ERROR_BYTES];

    vm->state = VM_RUNNING;
    vm->start_us = bh_ticks_to_us(bh_now() - vm->started);
    vm_memory_ready(ts, vm);
    if (!vm->is_paused)
        return OK;
    enum status status = vm_pause(ts, vm, true, error);

    if (status != OK)
        vm_report(vm, END_REFUSED, error);
    return status;
}

/* What a vmm says of more than there is is not believed. */
static void balloon_changed(struct vm *vm, const bh_VmEventRequest *req)
{
    vm->has_balloon = req->balloon_driver;
    vm->given = req->balloon_bytes < vm->memory ? req->balloon_bytes : vm->memory;
}

void toolstack_on_vm_event(struct rpc_call *call, const bh_VmEventRequest *req, bh_ToolstackStatus *rep)
{
    struct vm *vm = vm_of_id(call->context, call->badge);

    for (uint32_t i = 0; i < call->in_count; i++)
        bh_slot_drop(call->in[i]);
    if (!vm || !vm_is_alive(vm)) {
        rep->status = ERR_STATE;
        return;
    }
    rep->status = OK;
    if (req->kind == bh_VmEventKind_READY)
        rep->status = ready(call->context, vm);
    else if (req->kind == bh_VmEventKind_HEARD || req->kind == bh_VmEventKind_UNHEARD)
        vm->is_heard = req->kind == bh_VmEventKind_HEARD;
    else if (req->kind == bh_VmEventKind_BALLOON)
        balloon_changed(vm, req);
    else
        vm_report(vm, ending_of(req->kind), req->text);
    toolstack_save(call->context);
}
