/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mgmt_call.c - what the methods of the management channel have in common
 */
#include "mgmt_call.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

uint32_t refuse(struct wire_call *call, uint32_t status, const char *format, ...)
{
    const struct toolstack *ts = call->context;
    size_t length;
    va_list args;

    va_start(args, format);
    vsnprintf(call->error, sizeof call->error, format, args);
    va_end(args);
    length = strlen(call->error);
    if (ts->mgmt.waited[0] != 0)
        snprintf(call->error + length, sizeof call->error - length, " (it %s)", ts->mgmt.waited);
    return status;
}

uint32_t service_fails(struct wire_call *call, const char *service, enum status status)
{
    return refuse(call, bh_MgmtStatus_MGMT_REFUSED, "%s does not answer: %s", service,
                  bh_status_name(status));
}

struct vm *vm_asked(struct wire_call *call, const char *text, uint32_t *status)
{
    struct vm *vm = vm_named(call->context, text);

    *status =
        vm ? bh_MgmtStatus_MGMT_OK : refuse(call, bh_MgmtStatus_MGMT_NOT_FOUND, "there is no VM `%s`", text);
    return vm;
}

struct vm *vm_asked_running(struct wire_call *call, const char *text, uint32_t *status)
{
    struct vm *vm = vm_asked(call, text, status);

    if (!vm || vm->state == VM_RUNNING)
        return vm;
    *status = refuse(call, bh_MgmtStatus_MGMT_STATE, "%s: %s", vm->config.name, state_words(vm));
    return NULL;
}

void reply_vm(const struct wire_call *call, bh_MgmtVmReply *reply, const struct vm *vm)
{
    const struct toolstack *ts = call->context;

    snprintf(reply->text, sizeof reply->text, "%s", ts->mgmt.waited);
    reply->id = vm_id(vm);
    snprintf(reply->name, sizeof reply->name, "%s", vm->config.name);
}

const char *state_words(const struct vm *vm)
{
    switch (vm->state) {
    case VM_BUILDING:
    case VM_STARTING:
        return "it is being started";
    case VM_RUNNING:
        return vm->is_paused ? "it is paused" : "it runs";
    case VM_PRESERVED:
        return "it has ended and is preserved";
    default:
        return "it is off";
    }
}
