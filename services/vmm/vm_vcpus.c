/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm_vcpus.c - the guest's vCPUs: made, given time, reset, stopped
 *
 * sched says on which pCPU each belongs (it was asked before, by the toolstack, and says the same again) and
 * puts its SchedContext into that pCPU's plan.
 */
#include <stdio.h>
#include <string.h>

#include "caps_vmm.h"
#include "sched_rpc.h"
#include "vm.h"

#define CSPACE_BITS 4u
#define SCTLR_RESET 0x30d00800u /* the bits that are always one; MMU and caches off */
#define PSTATE_RESET 0x3c5u     /* EL1h, D A I F masked */

static void place(struct vm *vm)
{
    bh_PlaceRequest request = {.vm_id = vm->config.vm_id, .vcpus = vm->vcpu_count};
    bh_PlaceReply reply;
    enum status status = sched_rpc_place(CAP_SCHED, &request, &reply, NULL, bh_after_ms(SERVICE_MS));

    if (status != OK)
        vm_refuse(vm, "vcpus: sched.Place: %s", bh_status_name(status));
    if ((enum status)reply.status != OK || reply.pcpus_count != vm->vcpu_count)
        vm_refuse(vm, "vcpus: %s", reply.error[0] != '\0' ? reply.error : "sched placed too few");
    for (uint32_t i = 0; i < vm->vcpu_count; i++)
        vm->vcpus[i].pcpu = reply.pcpus[i];
}

static void admit(struct vm *vm, uint32_t index)
{
    struct vm_vcpu *v = &vm->vcpus[index];
    bh_AdmitRequest request = {.vm_id = vm->config.vm_id, .index = index, .pcpu = v->pcpu};
    bh_SchedStatus reply;
    struct rpc_caps caps = {.in_count = 1, .in = {v->sc}};
    enum status status;

    snprintf(request.name, sizeof request.name, "%.24s.%u", vm->config.name, (unsigned)index);
    status = sched_rpc_admit(CAP_SCHED, &request, &reply, &caps, bh_after_ms(SERVICE_MS));
    if (status != OK)
        vm_refuse(vm, "vcpu %u: sched.Admit: %s", (unsigned)index, bh_status_name(status));
    if ((enum status)reply.status != OK)
        vm_refuse(vm, "vcpu %u: %s", (unsigned)index, reply.error);
}

static enum status vcpu_make(struct vm *vm, uint32_t index)
{
    struct vm_vcpu *v = &vm->vcpus[index];
    slot_t exits = bh_slot_alloc();
    enum status status;

    if (exits == 0)
        return ERR_FULL;
    v->vm = vm;
    status = bh_retype(CAP_ENDPOINT, 0, &v->exits);
    if (status == OK)
        status = bh_cspace_mint(SLOT_CSPACE, v->exits, SLOT_CSPACE, exits, RIGHT_WRITE, (uint64_t)index + 1);
    if (status == OK)
        status = bh_retype(CAP_VCPU, 0, &v->vcpu);
    if (status == OK)
        status = bh_vcpu_configure(v->vcpu, VCPU_GUEST, index, v->pcpu, vm->cspace, vm->aspace, exits);
    if (status == OK)
        status = bh_retype(CAP_SC, 0, &v->sc);
    if (status == OK)
        status = bh_sc_create_on(v->sc, v->pcpu);
    return status;
}

void vm_vcpus_create(struct vm *vm)
{
    enum status status;

    vm->vcpu_count = vm->config.vcpus;
    if (vm->vcpu_count == 0 || vm->vcpu_count > VCPU_INDEX_MAX)
        vm_refuse(vm, "vcpus: %u is not 1 to %u", (unsigned)vm->vcpu_count, (unsigned)VCPU_INDEX_MAX);
    place(vm);
    status = bh_retype(CAP_CSPACE, CSPACE_BITS, &vm->cspace);
    if (status != OK)
        vm_refuse(vm, "vcpus: %s", bh_status_name(status));

    for (uint32_t i = 0; i < vm->vcpu_count; i++) {
        status = vcpu_make(vm, i);
        if (status != OK)
            vm_refuse(vm, "vcpu %u: %s", (unsigned)i, bh_status_name(status));
        admit(vm, i);
        status = i == 0 ? OK : vm_thread_start(vm, i);
        if (status == OK)
            status = bh_sc_bind(vm->vcpus[i].sc, vm->vcpus[i].vcpu);
        if (status != OK)
            vm_refuse(vm, "vcpu %u: its time: %s", (unsigned)i, bh_status_name(status));
    }
}

static void write_register(struct vm *vm, uint32_t index, uint32_t reg, uint64_t value)
{
    enum status status = bh_vcpu_write(vm->vcpus[index].vcpu, reg, value);

    if (status != OK)
        bh_panic("vcpu %u: register %u: %s", (unsigned)index, (unsigned)reg, bh_status_name(status));
}

/* A suspended vCPU as PSCI says that one starts (DEN 0022, 6.4), and let it run.  Its virtual counter is the
 * physical one: all vCPUs of a guest must read the same, and so must the services that share their pCPUs. */
void vm_vcpu_reset(struct vm *vm, uint32_t index, uint64_t entry, uint64_t argument)
{
    enum status status;

    for (uint32_t reg = REG_X0; reg < REG_COUNT; reg++)
        write_register(vm, index, reg, 0);
    write_register(vm, index, REG_PC, entry);
    write_register(vm, index, REG_X0, argument);
    write_register(vm, index, REG_PSTATE, PSTATE_RESET);
    write_register(vm, index, REG_SCTLR_EL1, SCTLR_RESET);
    vm->vcpus[index].is_on = true;
    status = bh_vcpu_resume(vm->vcpus[index].vcpu);
    if (status != OK)
        bh_panic("vcpu %u: resume: %s", (unsigned)index, bh_status_name(status));
}

void vm_vcpus_suspend(struct vm *vm)
{
    for (uint32_t i = 0; i < vm->vcpu_count; i++) {
        if (vm->vcpus[i].is_on && bh_vcpu_suspend(vm->vcpus[i].vcpu) != OK)
            continue; /* it is stopped already */
        vm->vcpus[i].is_on = false;
    }
}
