/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mgmt_change.c - what a client changes of VMs that are there: their time, disks, interfaces, configuration
 */
#include "mgmt_call.h"

static uint32_t later(struct wire_call *call, const char *text, const char *what)
{
    uint32_t status;
    const struct vm *vm = vm_asked(call, text, &status);

    if (!vm)
        return status;
    return refuse(call, bh_MgmtStatus_MGMT_NOT_SUPPORTED, "%s: this machine cannot %s yet", vm->config.name,
                  what);
}

uint32_t mgmt_on_vcpu_pin(struct wire_call *call, const bh_MgmtVcpuPinRequest *request, bh_MgmtVmReply *reply)
{
    (void)reply;
    return later(call, request->vm, "move a vCPU");
}

uint32_t mgmt_on_mem_set(struct wire_call *call, const bh_MgmtMemSetRequest *request, bh_MgmtVmReply *reply)
{
    uint32_t status;
    const struct vm *vm = vm_asked(call, request->vm, &status);

    (void)reply;
    if (!vm)
        return status;
    return refuse(
        call, bh_MgmtStatus_MGMT_NOT_SUPPORTED,
        "%s: its memory cannot change: guests have no balloon device, and a VM's memory is given to it "
        "whole at its start",
        vm->config.name);
}

uint32_t mgmt_on_sched_set(struct wire_call *call, const bh_MgmtSchedSetRequest *request,
                           bh_MgmtVmReply *reply)
{
    (void)reply;
    return later(call, request->vm, "change weights");
}

uint32_t mgmt_on_sched_list(struct wire_call *call, const bh_MgmtPageRequest *page, bh_MgmtSchedList *reply)
{
    (void)page;
    (void)reply;
    return refuse(call, bh_MgmtStatus_MGMT_NOT_SUPPORTED, "this machine cannot list weights yet");
}

uint32_t mgmt_on_network_attach(struct wire_call *call, const bh_MgmtNetworkAttachRequest *request,
                                bh_MgmtVmReply *reply)
{
    (void)reply;
    return later(call, request->vm, "attach an interface");
}

uint32_t mgmt_on_network_detach(struct wire_call *call, const bh_MgmtNetworkDetachRequest *request,
                                bh_MgmtVmReply *reply)
{
    (void)reply;
    return later(call, request->vm, "detach an interface");
}

uint32_t mgmt_on_block_attach(struct wire_call *call, const bh_MgmtBlockAttachRequest *request,
                              bh_MgmtVmReply *reply)
{
    (void)reply;
    return later(call, request->vm, "attach a disk");
}

uint32_t mgmt_on_block_detach(struct wire_call *call, const bh_MgmtBlockDetachRequest *request,
                              bh_MgmtVmReply *reply)
{
    (void)reply;
    return later(call, request->vm, "detach a disk");
}

uint32_t mgmt_on_config_update(struct wire_call *call, const bh_MgmtConfigUpdateRequest *request,
                               bh_MgmtVmReply *reply)
{
    (void)reply;
    return later(call, request->config.name, "change configurations");
}
