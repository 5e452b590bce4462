/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mgmt_info.c - what a client asks about: VMs, the machine, our own domains, images, the log
 *
 * Lists come in pieces: what does not fit is asked for again, from `next` on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blk_rpc.h"
#include "caps_toolstack.h"
#include "console_rpc.h"
#include "image_names.h"
#include "init_rpc.h"
#include "mgmt_call.h"
#include "text.h"
#include "vdev.h"

#define LIST_MAX 16u /* idl/mgmt.options */
#define DMESG_PIECES_MAX 4u

/* ---- VMs ------------------------------------------------------------------------------------------ */

bh_MgmtVmState mgmt_state_of(const struct vm *vm)
{
    switch (vm->state) {
    case VM_BUILDING:
        return bh_MgmtVmState_MGMT_VM_BUILDING;
    case VM_STARTING:
        return bh_MgmtVmState_MGMT_VM_STARTING;
    case VM_RUNNING:
        if (vm->is_paused)
            return bh_MgmtVmState_MGMT_VM_PAUSED;
        return vm->is_stopping ? bh_MgmtVmState_MGMT_VM_SHUTDOWN : bh_MgmtVmState_MGMT_VM_RUNNING;
    case VM_PRESERVED:
        return bh_MgmtVmState_MGMT_VM_PRESERVED;
    default:
        return bh_MgmtVmState_MGMT_VM_OFF;
    }
}

static void vm_describe(const struct vm *vm, uint64_t cpu_us, bh_MgmtVm *out)
{
    *out = (bh_MgmtVm)bh_MgmtVm_init_zero;
    out->id = vm_id(vm);
    snprintf(out->name, sizeof out->name, "%s", vm->config.name);
    out->uuid.size = sizeof vm->config.uuid;
    memcpy(out->uuid.bytes, vm->config.uuid, sizeof vm->config.uuid);
    out->memory_bytes = vm->config.memory_bytes;
    out->vcpus = vm->config.vcpus;
    out->state = mgmt_state_of(vm);
    snprintf(out->letters, sizeof out->letters, "%s", info_state_letters(vm));
    out->cpu_us = cpu_us;
    out->uptime_us = vm->state != VM_OFF ? bh_ticks_to_us(bh_now() - vm->started) : 0;
    out->autostart = vm->config.autostart;
    out->persistent = vm->is_record;
    out->starts = vm->starts;
    out->start_us = vm->start_us;
}

uint32_t mgmt_on_list(struct wire_call *call, const bh_MgmtPageRequest *request, bh_MgmtVmList *reply)
{
    const struct toolstack *ts = call->context;
    uint32_t first = request->first > VM_ID_MIN ? request->first - VM_ID_MIN : 0;
    uint64_t us[VMS_MAX];

    info_cpu_us(ts, us);
    for (uint32_t i = first; i < ts->vm_count; i++) {
        if (ts->vms[i].config.name[0] == 0)
            continue;
        if (reply->vms_count == LIST_MAX) {
            reply->next = VM_ID_MIN + i;
            break;
        }
        vm_describe(&ts->vms[i], us[i], &reply->vms[reply->vms_count++]);
    }
    return bh_MgmtStatus_MGMT_OK;
}

/* Without an answer of mem's it is not known what came back. */
static void memory_describe(const struct vm *vm, bh_MgmtVmInfo *out)
{
    if (vm->state == VM_OFF || !vm_memory_held(vm, &out->memory_held))
        return;
    out->memory_max = vm->memory;
    out->memory_target = vm->target != 0 ? vm->target : vm->memory;
    out->memory_given = vm->given;
    out->balloon_driver = vm->has_balloon;
}

uint32_t mgmt_on_vm_info(struct wire_call *call, const bh_MgmtVmRequest *request, bh_MgmtVmInfo *reply)
{
    const struct toolstack *ts = call->context;
    uint64_t us[VMS_MAX];
    uint32_t status;
    const struct vm *vm = vm_asked(call, request->vm, &status);

    if (!vm)
        return status;
    info_cpu_us(ts, us);
    reply->has_vm = reply->has_config = true;
    vm_describe(vm, us[vm - ts->vms], &reply->vm);
    reply->config = vm->config;
    memset(reply->config.seed, 0, sizeof reply->config.seed); /* nobody's business but the guest's */
    snprintf(reply->text, sizeof reply->text, "%s", vm->text);
    memory_describe(vm, reply);
    return bh_MgmtStatus_MGMT_OK;
}

static void vcpu_describe(const bh_SchedInfoReply *row, bh_MgmtVcpu *out)
{
    if (out->name[0] == 0)
        snprintf(out->name, sizeof out->name, "%s", row->name);
    out->pcpu = row->pcpu;
    out->weight = row->weight;
    out->cpu_us += bh_ticks_to_us(row->ticks);
    out->switches += row->switches;
}

uint32_t mgmt_on_vcpu_list(struct wire_call *call, const bh_MgmtVmRequest *request, bh_MgmtVcpuList *reply)
{
    bh_SchedInfoReply row;
    uint32_t status;
    const struct vm *vm = vm_asked(call, request->vm, &status);

    if (!vm)
        return status;
    reply->id = vm_id(vm);
    snprintf(reply->name, sizeof reply->name, "%s", vm->config.name);
    for (uint32_t i = 0; i < INFO_ROWS_MAX && info_sched_row(i, false, &row); i++) {
        if (row.vm_id != vm_id(vm))
            continue;
        if (row.service) {
            reply->has_vmm = true;
            vcpu_describe(&row, &reply->vmm);
        } else if (reply->vcpus_count < LIST_MAX) {
            vcpu_describe(&row, &reply->vcpus[reply->vcpus_count]);
            reply->vcpus[reply->vcpus_count++].index = row.vcpu;
        }
    }
    return bh_MgmtStatus_MGMT_OK;
}

static void block_traffic(uint32_t session, bh_MgmtBlock *block)
{
    bh_BlkInfoReply row;

    if (!info_disk_row(session, &row))
        return;
    block->sectors = row.sectors;
    block->reads = row.reads;
    block->writes = row.writes;
    block->flushes = row.flushes;
    block->errors = row.errors;
    snprintf(block->text, sizeof block->text, "%s", row.text);
}

uint32_t mgmt_on_block_list(struct wire_call *call, const bh_MgmtVmRequest *request, bh_MgmtBlockList *reply)
{
    uint32_t status;
    const struct vm *vm = vm_asked(call, request->vm, &status);

    if (!vm)
        return status;
    reply->id = vm_id(vm);
    snprintf(reply->name, sizeof reply->name, "%s", vm->config.name);
    for (uint32_t i = 0; i < vm->config.disks_count; i++) {
        bh_MgmtBlock *block = &reply->blocks[reply->blocks_count++];

        snprintf(block->vdev, sizeof block->vdev, "%s", vm->config.disks[i].vdev);
        snprintf(block->volume, sizeof block->volume, "%s", vm->config.disks[i].volume);
        block->writable = vm->config.disks[i].writable;
        if (vm->state != VM_OFF)
            block_traffic(vm_id(vm) << 8 | vdev_place(block->vdev), block);
    }
    return bh_MgmtStatus_MGMT_OK;
}

void mgmt_traffic(const bh_NetCounters *from, bool *said, bh_MgmtNetCounters *to)
{
    *said = true;
    *to = (bh_MgmtNetCounters){.packets = from->packets,
                               .bytes = from->bytes,
                               .dropped_rate = from->dropped_rate,
                               .dropped_full = from->dropped_full,
                               .dropped_spoofed = from->dropped_spoofed,
                               .dropped_malformed = from->dropped_malformed,
                               .dropped_flood = from->dropped_flood};
}

/* What netdrv knows of a session: its network, addresses, the link, and what it carried. */
static void network_state(uint32_t session, bh_MgmtNetwork *interface)
{
    bh_NetInfoReply row;

    if (!info_interface_row(session, &row))
        return;
    snprintf(interface->network, sizeof interface->network, "%s", row.network);
    interface->link = row.link;
    interface->attached = row.attached;
    interface->ipv4_count = row.ipv4_count;
    memcpy(interface->ipv4, row.ipv4, sizeof interface->ipv4);
    mgmt_traffic(&row.from_vm, &interface->has_from_vm, &interface->from_vm);
    mgmt_traffic(&row.to_vm, &interface->has_to_vm, &interface->to_vm);
}

uint32_t mgmt_on_network_list(struct wire_call *call, const bh_MgmtVmRequest *request,
                              bh_MgmtNetworkList *reply)
{
    uint32_t status;
    const struct vm *vm = vm_asked(call, request->vm, &status);

    if (!vm)
        return status;
    reply->id = vm_id(vm);
    snprintf(reply->name, sizeof reply->name, "%s", vm->config.name);
    for (uint32_t i = 0; i < vm->config.vifs_count; i++) {
        bh_MgmtNetwork *interface = &reply->interfaces[reply->interfaces_count++];
        const bh_Vif *vif = &vm->config.vifs[i];

        interface->index = i;
        interface->vlan = vif->vlan;
        snprintf(interface->network, sizeof interface->network, "%s", vif->bridge);
        memcpy(interface->mac.bytes, vif->mac, sizeof vif->mac);
        interface->mac.size = sizeof vif->mac;
        if (vm->state != VM_OFF)
            network_state(vm_id(vm) << 8 | i, interface);
    }
    return bh_MgmtStatus_MGMT_OK;
}

/* ---- the machine ------------------------------------------------------------------------------------- */

static uint32_t machine_of_init(struct wire_call *call, bh_MgmtMachine *reply)
{
    static bh_InitInfoReply info;
    enum status status = info_init(&info);

    if (status != OK)
        return service_fails(call, "init", status);
    memcpy(reply->options, info.options, sizeof reply->options);
    reply->options[sizeof reply->options - 1] = 0;
    reply->pcpus = info.pcpus;
    reply->ram_bytes = info.ram_bytes;
    reply->kernel_bytes = info.kernel_bytes;
    reply->services_bytes = info.services_bytes;
    reply->bundle_bytes = info.bundle_bytes;
    reply->vmms = info.vmms;
    reply->vmms_max = info.vmms_max;
    reply->init_slots_free = info.slots_free;
    return bh_MgmtStatus_MGMT_OK;
}

static uint32_t machine_of_mem(struct wire_call *call, bh_MgmtMachine *reply)
{
    bh_MemInfoReply info;
    enum status status = info_memory(&info);

    if (status != OK)
        return service_fails(call, "mem", status);
    reply->memory_total = info.total_bytes;
    reply->memory_free = info.free_bytes;
    reply->memory_promised = info.promised_bytes;
    reply->memory_sessions = info.sessions;
    reply->mem_slots_free = info.slots_free;
    return bh_MgmtStatus_MGMT_OK;
}

uint32_t mgmt_on_machine(struct wire_call *call, const bh_MgmtNothing *request, bh_MgmtMachine *reply)
{
    const struct toolstack *ts = call->context;
    char started[24];
    uint32_t status = machine_of_init(call, reply);

    (void)request;
    if (status == bh_MgmtStatus_MGMT_OK)
        status = machine_of_mem(call, reply);
    if (status != bh_MgmtStatus_MGMT_OK)
        return status;
    snprintf(reply->product, sizeof reply->product, "%s", MGMT_PRODUCT);
    snprintf(reply->machine, sizeof reply->machine, "%s", ts->mgmt.machine);
    reply->boot_id.size = BOOT_ID_BYTES;
    memcpy(reply->boot_id.bytes, ts->mgmt.boot_id, BOOT_ID_BYTES);
    reply->uptime_us = bh_ticks_to_us(bh_now());
    reply->toolstack_slots_free = bh_slots_left();
    text_option(ts->options, "started", started, sizeof started);
    reply->started_seconds = strtoul(started, NULL, 10);
    for (uint32_t i = 0; i < ts->vm_count; i++) {
        reply->vms += ts->vms[i].config.name[0] != 0;
        reply->vms_running += vm_is_alive(&ts->vms[i]);
    }
    return bh_MgmtStatus_MGMT_OK;
}

/* Its SchedContext's row has the domain's name. */
static void domain_time(const char *name, bh_MgmtDomain *out)
{
    bh_SchedInfoReply row;

    for (uint32_t i = 0; i < INFO_ROWS_MAX && info_sched_row(i, false, &row); i++) {
        if (row.vm_id != 0 || strcmp(row.name, name) != 0)
            continue;
        out->cpu_us = bh_ticks_to_us(row.ticks);
        out->switches = row.switches;
        out->weight = row.weight;
        out->pcpu = row.pcpu;
        return;
    }
}

uint32_t mgmt_on_domain_list(struct wire_call *call, const bh_MgmtPageRequest *page, bh_MgmtDomainList *reply)
{
    for (uint32_t index = page->first;; index++) {
        bh_DomainRequest request = {.index = index};
        bh_DomainReply domain;
        enum status status = init_rpc_domain(CAP_INIT, &request, &domain, NULL, bh_after_ms(ASK_MS));

        if (status != OK)
            return service_fails(call, "init", status);
        if (domain.status != OK)
            return bh_MgmtStatus_MGMT_OK; /* that was the last */
        if (reply->domains_count == LIST_MAX) {
            reply->next = index;
            return bh_MgmtStatus_MGMT_OK;
        }
        bh_MgmtDomain *out = &reply->domains[reply->domains_count++];

        snprintf(out->name, sizeof out->name, "%.31s", domain.name);
        out->memory_bytes = domain.memory_bytes;
        out->restarts = domain.restarts;
        out->running = domain.running;
        domain_time(domain.name, out);
    }
}

/* ---- images ----------------------------------------------------------------------------------------------
 */

static uint32_t users_of(const struct toolstack *ts, const char *name)
{
    uint32_t users = 0;

    for (uint32_t i = 0; i < ts->vm_count; i++)
        users += ts->vms[i].state != VM_OFF && (strcmp(ts->vms[i].config.kernel, name) == 0 ||
                                                strcmp(ts->vms[i].config.ramdisk, name) == 0);
    return users;
}

static void upload_describe(const struct toolstack *ts, const struct image *image, bh_MgmtImage *out)
{
    image_name(image, out->name);
    snprintf(out->file, sizeof out->file, "%s", image->file);
    out->bytes = image->bytes;
    out->uploaded = true;
    out->users = users_of(ts, out->name);
}

/* A volume of the disk that a VM may have as its kernel or ramdisk; whether it is one shows when it starts.
 */
static void volume_describe(const struct toolstack *ts, const bh_BlkInfoReply *volume, bh_MgmtImage *out)
{
    snprintf(out->name, sizeof out->name, IMAGE_VOLUME_PREFIX "%.32s", volume->volume);
    snprintf(out->file, sizeof out->file, "%.39s", volume->text);
    out->bytes = volume->sectors * 512;
    out->users = users_of(ts, out->name);
}

/* From blkdrv's index-th volume on; where to go on, or 0. */
static uint32_t volumes_list(const struct toolstack *ts, uint32_t index, bh_MgmtImageList *reply)
{
    for (; reply->images_count < LIST_MAX; index++) {
        bh_BlkInfoRequest request = {.index = index};
        bh_BlkInfoReply volume;
        enum status status = blk_rpc_info(CAP_BLK, &request, &volume, NULL, bh_after_ms(ASK_MS));

        if (status != OK || volume.status != OK || volume.session != 0)
            return 0; /* sessions follow the volumes */
        volume_describe(ts, &volume, &reply->images[reply->images_count++]);
    }
    return index;
}

/* The boot image's images first, by init's index; then uploads, from UPLOADS_FIRST on; then the disk's
 * volumes. */
#define UPLOADS_FIRST 1000u
#define VOLUMES_FIRST 2000u

uint32_t mgmt_on_image_list(struct wire_call *call, const bh_MgmtPageRequest *page, bh_MgmtImageList *reply)
{
    const struct toolstack *ts = call->context;
    uint32_t index = page->first;

    while (index < UPLOADS_FIRST && reply->images_count < LIST_MAX) {
        bh_ImageRequest request = {.index = index};
        bh_ImageReply image;
        enum status status = init_rpc_image(CAP_INIT, &request, &image, NULL, bh_after_ms(ASK_MS));

        if (status != OK)
            return service_fails(call, "init", status);
        index = image.status == OK ? index + 1 : UPLOADS_FIRST;
        if (image.status != OK)
            continue;
        bh_MgmtImage *out = &reply->images[reply->images_count++];

        snprintf(out->name, sizeof out->name, "%s", image.name);
        snprintf(out->file, sizeof out->file, "%s", image.name);
        out->bytes = image.bytes;
        out->users = users_of(ts, out->name);
    }
    for (; index < VOLUMES_FIRST && index - UPLOADS_FIRST < IMAGES_MAX && reply->images_count < LIST_MAX;
         index++)
        if (ts->images[index - UPLOADS_FIRST].state == IMAGE_READY)
            upload_describe(ts, &ts->images[index - UPLOADS_FIRST], &reply->images[reply->images_count++]);
    if (index - UPLOADS_FIRST >= IMAGES_MAX && index < VOLUMES_FIRST)
        index = VOLUMES_FIRST;
    reply->next = index;
    if (index >= VOLUMES_FIRST) {
        index = volumes_list(ts, index - VOLUMES_FIRST, reply);
        reply->next = index == 0 ? 0 : VOLUMES_FIRST + index;
    }
    return bh_MgmtStatus_MGMT_OK;
}

/* ---- the log
 * ------------------------------------------------------------------------------------------------ */

uint32_t mgmt_on_dmesg(struct wire_call *call, const bh_MgmtDmesgRequest *asked, bh_MgmtDmesg *reply)
{
    bh_DmesgRequest request = {.position = asked->position};
    static bh_DmesgReply piece;
    size_t used = 0;

    reply->next = asked->position;
    for (uint32_t i = 0; i < DMESG_PIECES_MAX && sizeof reply->text - used > sizeof piece.text; i++) {
        enum status status = console_rpc_dmesg(CAP_CONSOLE, &request, &piece, NULL, bh_after_ms(ASK_MS));

        if (status != OK || piece.status != OK)
            return service_fails(call, "the console", status);
        size_t length = strlen(piece.text);

        memcpy(reply->text + used, piece.text, length + 1);
        used += length;
        reply->next = request.position = piece.next;
        if (length == 0)
            break;
    }
    return bh_MgmtStatus_MGMT_OK;
}
