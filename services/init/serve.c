/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * serve.c - what the toolstack asks of init
 *
 * Only the toolstack has a session (badge 1); whatever else might be asked with another badge is refused.
 */
#include <string.h>

#include "bh.h"
#include "init.h"
#include "init_rpc.h"
#include "vmm_events.h"

static bool asks_toolstack(const struct rpc_call *call)
{
    return call->badge == INIT_TOOLSTACK_BADGE;
}

static enum status refuse(char *error, uint32_t error_bytes)
{
    snprintf(error, error_bytes, "only the toolstack may ask that");
    return ERR_RIGHT;
}

void init_on_create_vmm(struct rpc_call *call, const bh_CreateVmmRequest *req, bh_CreateVmmReply *rep)
{
    if (!asks_toolstack(call)) {
        rep->status = refuse(rep->error, sizeof(rep->error));
        return;
    }
    if (call->in_count == 1) {
        rep->status = vmm_create(req, call->in[0], rep);
    } else {
        rep->status = ERR_ARG;
        snprintf(rep->error, sizeof(rep->error), "%u capabilities came instead of a session at mem",
                 (unsigned)call->in_count);
    }
    for (uint32_t i = 0; i < call->in_count; i++)
        bh_slot_drop(call->in[i]);
}

static bool slot_is_granted(uint32_t slot)
{
    for (uint32_t i = 0; i < manifest_vmm.grant_count; i++)
        if (manifest_vmm.grants[i].slot == slot)
            return true;
    return false;
}

/* Judged as a whole before the first capability moves. */
static enum status grant_judge(const struct rpc_call *call, const bh_GrantVmmRequest *req,
                               const struct vmm *vmm, char *error, uint32_t error_bytes)
{
    if (!vmm || vmm->state == VMM_DEAD) {
        snprintf(error, error_bytes, "VM %u has no vmm", (unsigned)req->vm_id);
        return ERR_EXIST;
    }
    if (call->in_count != req->slots_count) {
        snprintf(error, error_bytes, "%u capabilities came for %u slots", (unsigned)call->in_count,
                 (unsigned)req->slots_count);
        return ERR_ARG;
    }
    for (uint32_t i = 0; i < req->slots_count; i++)
        if (!slot_is_granted(req->slots[i])) {
            snprintf(error, error_bytes, "slot %u of a vmm is not for grants", (unsigned)req->slots[i]);
            return ERR_ARG;
        }
    return OK;
}

void init_on_grant_vmm(struct rpc_call *call, const bh_GrantVmmRequest *req, bh_InitStatus *rep)
{
    struct vmm *vmm = vmm_find(req->vm_id);

    if (!asks_toolstack(call))
        rep->status = refuse(rep->error, sizeof(rep->error));
    else
        rep->status = grant_judge(call, req, vmm, rep->error, sizeof(rep->error));
    for (uint32_t i = 0; rep->status == OK && i < call->in_count; i++) {
        rep->status = bh_cspace_move(INIT_SLOT_CSPACE, call->in[i], vmm->domain.cspace, req->slots[i]);
        if (rep->status != OK)
            snprintf(rep->error, sizeof(rep->error), "slot %u of %s: %s", (unsigned)req->slots[i],
                     vmm->domain.name, bh_status_name((enum status)rep->status));
    }
    for (uint32_t i = 0; i < call->in_count; i++)
        bh_slot_drop(call->in[i]);
}

void init_on_start_vmm(struct rpc_call *call, const bh_VmmRequest *req, bh_InitStatus *rep)
{
    struct vmm *vmm = vmm_find(req->vm_id);

    if (!asks_toolstack(call)) {
        rep->status = refuse(rep->error, sizeof(rep->error));
    } else if (!vmm || vmm->state != VMM_BUILT || vmm->config_bytes == 0) {
        rep->status = ERR_STATE;
        snprintf(rep->error, sizeof(rep->error), "VM %u has no vmm that could start", (unsigned)req->vm_id);
    } else {
        rep->status = vmm_start(vmm);
        if (rep->status != OK)
            snprintf(rep->error, sizeof(rep->error), "%s cannot start: %s", vmm->domain.name,
                     bh_status_name((enum status)rep->status));
    }
}

void init_on_destroy_vmm(struct rpc_call *call, const bh_VmmRequest *req, bh_InitStatus *rep)
{
    struct vmm *vmm = vmm_find(req->vm_id);

    if (!asks_toolstack(call)) {
        rep->status = refuse(rep->error, sizeof(rep->error));
        return;
    }
    if (vmm)
        vmm_destroy(vmm);
    rep->status = OK;
}

void init_on_next_death(struct rpc_call *call, const bh_DeathsRequest *req, bh_DeathsReply *rep)
{
    (void)req;
    if (!asks_toolstack(call)) {
        rep->status = ERR_RIGHT;
        return;
    }
    rep->status = OK;
    for (uint32_t i = 0; i < VMMS_MAX; i++) {
        struct vmm *vmm = &init.vmms[i];

        if (vmm->state != VMM_DEAD || vmm->death_told)
            continue;
        vmm->death_told = true;
        rep->found = true;
        rep->vm_id = vmm->vm_id;
        snprintf(rep->text, sizeof(rep->text), "%s", vmm->death);
        return;
    }
}

void init_on_machine_off(struct rpc_call *call, const bh_OffRequest *req, bh_InitStatus *rep)
{
    if (!asks_toolstack(call)) {
        rep->status = refuse(rep->error, sizeof(rep->error));
        return;
    }
    rep->status = bh_control_off(INIT_SLOT_CONTROL, req->reason);
    snprintf(rep->error, sizeof(rep->error), "the machine stays on: %s",
             bh_status_name((enum status)rep->status));
}

void init_on_vm_record(struct rpc_call *call, const bh_ModuleRequest *req, bh_ModuleReply *rep)
{
    const struct bundle_module *module = asks_toolstack(call) ? bundle_vm_record(req->index) : NULL;
    uint64_t left;

    if (!module) {
        rep->status = asks_toolstack(call) ? ERR_EXIST : ERR_RIGHT;
        return;
    }
    left = req->offset < module->size ? module->size - req->offset : 0;
    rep->piece.size = (pb_size_t)(left < sizeof(rep->piece.bytes) ? left : sizeof(rep->piece.bytes));
    memcpy(rep->piece.bytes, (const uint8_t *)bundle_bytes(module) + req->offset, rep->piece.size);
    rep->bytes = (uint32_t)module->size;
    rep->status = OK;
}

static uint32_t vmms_count(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < VMMS_MAX; i++)
        count += init.vmms[i].state != VMM_FREE;
    return count;
}

void init_on_init_info(struct rpc_call *call, const bh_InitInfoRequest *req, bh_InitInfoReply *rep)
{
    (void)req;
    if (!asks_toolstack(call)) {
        rep->status = ERR_RIGHT;
        return;
    }
    rep->status = OK;
    rep->ram_bytes = init.boot->ram_bytes;
    rep->kernel_bytes = init.boot->kernel_bytes;
    rep->services_bytes = memory_services_bytes();
    rep->bundle_bytes = init.boot->bundle_size;
    rep->pcpus = init.boot->pcpu_count;
    rep->vmms = vmms_count();
    rep->vmms_max = manifest_vmm.max < VMMS_MAX ? manifest_vmm.max : VMMS_MAX;
    rep->vmm_bytes = manifest_vmm.domain.memory_bytes;
    rep->slots_free = bh_slots_left();
    snprintf(rep->options, sizeof(rep->options), "%s", init.boot->options);
}

/* The kernel refuses what is no Frame or does not fit its place; the vmm suffers from nothing else. */
void init_on_map_image(struct rpc_call *call, const bh_MapImageRequest *req, bh_InitStatus *rep)
{
    struct vmm *vmm = vmm_find(req->vm_id);

    if (!asks_toolstack(call)) {
        rep->status = refuse(rep->error, sizeof(rep->error));
    } else if (!vmm || vmm->state != VMM_BUILT) {
        rep->status = ERR_STATE;
        snprintf(rep->error, sizeof(rep->error), "VM %u has no vmm that waits for images",
                 (unsigned)req->vm_id);
    } else {
        rep->status = vmm_image_frames(vmm, req->is_ramdisk, req->offset, call->in, call->in_count);
        if (rep->status != OK)
            snprintf(rep->error, sizeof(rep->error), "an image of VM %u cannot be mapped: %s",
                     (unsigned)req->vm_id, bh_status_name((enum status)rep->status));
    }
    for (uint32_t i = 0; i < call->in_count; i++)
        bh_slot_drop(call->in[i]);
}

void init_on_configure(struct rpc_call *call, const bh_ConfigureRequest *req, bh_InitStatus *rep)
{
    struct vmm *vmm = vmm_find(req->vm_id);

    if (!asks_toolstack(call)) {
        rep->status = refuse(rep->error, sizeof(rep->error));
    } else if (!vmm || vmm->state != VMM_BUILT) {
        rep->status = ERR_STATE;
        snprintf(rep->error, sizeof(rep->error), "VM %u has no vmm that waits for its configuration",
                 (unsigned)req->vm_id);
    } else {
        rep->status = vmm_configure(vmm, req->offset, req->piece.bytes, req->piece.size);
        if (rep->status != OK)
            snprintf(rep->error, sizeof(rep->error), "the configuration of VM %u: not %u bytes at %u",
                     (unsigned)req->vm_id, (unsigned)req->piece.size, (unsigned)req->offset);
    }
}

/* With our own capability, so that whoever asks needs none of the vmm's. */
static enum status vmm_tell(const struct vmm *vmm, uint64_t events)
{
    slot_t slot = bh_slot_alloc();
    enum status status = slot ? bh_cspace_mint(INIT_SLOT_CSPACE, vmm->domain.events, INIT_SLOT_CSPACE, slot,
                                               RIGHT_WRITE, events)
                              : ERR_FULL;

    if (status == OK)
        status = bh_notification_signal(slot);
    if (slot)
        bh_slot_drop(slot);
    return status;
}

void init_on_tell_vmm(struct rpc_call *call, const bh_TellVmmRequest *req, bh_InitStatus *rep)
{
    const struct vmm *vmm = vmm_find(req->vm_id);

    if (!asks_toolstack(call)) {
        rep->status = refuse(rep->error, sizeof(rep->error));
    } else if (!vmm || vmm->state != VMM_RUNNING) {
        rep->status = ERR_STATE;
        snprintf(rep->error, sizeof(rep->error), "VM %u has no vmm that runs", (unsigned)req->vm_id);
    } else if (req->events == 0 || (req->events & ~VMM_EVENTS_TOLD) != 0) {
        rep->status = ERR_ARG;
        snprintf(rep->error, sizeof(rep->error), "a vmm cannot be told 0x%llx",
                 (unsigned long long)req->events);
    } else {
        rep->status = vmm_tell(vmm, req->events);
        if (rep->status != OK)
            snprintf(rep->error, sizeof(rep->error), "%s: %s", vmm->domain.name,
                     bh_status_name((enum status)rep->status));
    }
}

void init_on_image(struct rpc_call *call, const bh_ImageRequest *req, bh_ImageReply *rep)
{
    const struct bundle_module *module = asks_toolstack(call) ? bundle_image_at(req->index) : NULL;

    if (!module) {
        rep->status = asks_toolstack(call) ? ERR_EXIST : ERR_RIGHT;
        return;
    }
    snprintf(rep->name, sizeof(rep->name), "%s", module->name);
    rep->bytes = module->size;
    rep->status = OK;
}

void init_on_domain(struct rpc_call *call, const bh_DomainRequest *req, bh_DomainReply *rep)
{
    const struct domain *domain = &init.domains[req->index < DOMAIN_COUNT ? req->index : 0];

    if (!asks_toolstack(call) || req->index >= DOMAIN_COUNT) {
        rep->status = asks_toolstack(call) ? ERR_EXIST : ERR_RIGHT;
        return;
    }
    snprintf(rep->name, sizeof(rep->name), "%s", domain->name);
    rep->memory_bytes = domain->manifest->memory_bytes;
    rep->restarts = domain->restarts.count;
    rep->running = domain->is_running || req->index == DOMAIN_INIT;
    rep->status = OK;
}
