/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * balloon.c - the memory of VMs that run: more or less of it, up to what they started with
 *
 * mem is asked first: less is allowed at once and comes back as the guest follows; more is a promise that mem
 * can refuse.  Only then the vmm is told to look at its target, and asks its guest.
 */
#include <stdio.h>

#include "bh.h"
#include "caps_toolstack.h"
#include "mem_rpc.h"
#include "toolstack.h"
#include "vmm_events.h"

#define MIB (1024ull * 1024)
#define STEP_BYTES (2 * MIB)
#define LEAST_BYTES (32 * MIB) /* less than Linux starts in leaves its guest nothing but to kill */

static enum status memory_judge(const struct vm *vm, uint64_t bytes, char error[ERROR_BYTES])
{
    unsigned long long mib = bytes / MIB, most = vm->memory / MIB;

    if (bytes % STEP_BYTES != 0)
        snprintf(error, ERROR_BYTES, "memory: an even number of MiB is needed");
    else if (bytes > vm->memory)
        snprintf(error, ERROR_BYTES, "memory: %llu MiB are more than the %llu MiB that it started with", mib,
                 most);
    else if (bytes < LEAST_BYTES && bytes < vm->memory)
        snprintf(error, ERROR_BYTES, "memory: %llu MiB: a guest is left %llu MiB at least", mib,
                 LEAST_BYTES / MIB);
    else
        return OK;
    return ERR_ARG;
}

static enum status target_ask(const struct vm *vm, uint64_t bytes, char error[ERROR_BYTES])
{
    bh_MemSetTargetRequest request = {.vm_id = vm_id(vm), .bytes = bytes + vmm_memory()};
    bh_MemStatus reply;
    enum status status = mem_rpc_set_target(CAP_MEM, &request, &reply, NULL, bh_after_ms(ASK_MS));

    if (status != OK)
        snprintf(error, ERROR_BYTES, "memory: mem: %s", bh_status_name(status));
    else if (reply.status != OK)
        snprintf(error, ERROR_BYTES, "memory: %s", reply.error);
    return status != OK ? status : (enum status)reply.status;
}

enum status vm_set_memory(struct toolstack *ts, struct vm *vm, uint64_t bytes, char error[ERROR_BYTES])
{
    enum status status = memory_judge(vm, bytes, error);

    if (status == OK)
        status = target_ask(vm, bytes, error);
    if (status != OK)
        return status;
    vm->target = bytes;
    toolstack_save(ts);
    return vmm_tell(vm, 1ull << VMM_EVENT_MEMORY, error);
}

void vm_memory_ready(struct toolstack *ts, struct vm *vm)
{
    char error[ERROR_BYTES];

    if (vm->target == 0 || vm->target >= vm->memory)
        return;
    if (vm_set_memory(ts, vm, vm->target, error) != OK)
        bh_log("%s: not back to %llu MiB: %s", vm->config.name, (unsigned long long)(vm->target / MIB),
               error);
}

bool vm_memory_held(const struct vm *vm, uint64_t *bytes)
{
    bh_MemSessionRequest request = {.vm_id = vm_id(vm)};
    bh_MemSessionReply reply;

    if (mem_rpc_session(CAP_MEM, &request, &reply, NULL, bh_after_ms(ASK_MS)) != OK || reply.status != OK)
        return false;
    *bytes = reply.held_bytes > vmm_memory() ? reply.held_bytes - vmm_memory() : 0;
    return true;
}
