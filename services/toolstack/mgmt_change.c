/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mgmt_change.c - what a client changes of VMs that are there: their time, disks, interfaces, configuration
 */
#include <stdio.h>
#include <string.h>

#include "caps_toolstack.h"
#include "mgmt_call.h"
#include "sched_rpc.h"
#include "vdev.h"

#define PIN_NONE 0xffu /* idl/vm.proto: sched chooses */

/* ---- time ------------------------------------------------------------------------------------------- */

/* The pCPU that sched has each vCPU of a VM on: false, at least one is not where its pin says. */
static bool pins_are_in_force(const struct vm *vm)
{
    bh_SchedInfoReply row;

    for (uint32_t i = 0; i < INFO_ROWS_MAX && info_sched_row(i, false, &row); i++)
        if (row.vm_id == vm_id(vm) && !row.service && row.vcpu < vm->config.pins.size &&
            vm->config.pins.bytes[row.vcpu] != PIN_NONE && vm->config.pins.bytes[row.vcpu] != row.pcpu)
            return false;
    return true;
}

static void pin(bh_VmConfig *config, const bh_MgmtVcpuPinRequest *request)
{
    while (config->pins.size < config->vcpus)
        config->pins.bytes[config->pins.size++] = PIN_NONE;
    for (uint32_t v = 0; v < config->vcpus; v++)
        if (request->all || request->vcpu == v)
            config->pins.bytes[v] = (uint8_t)request->pcpu;
}

uint32_t mgmt_on_vcpu_pin(struct wire_call *call, const bh_MgmtVcpuPinRequest *request, bh_MgmtVmReply *reply)
{
    static bh_InitInfoReply info;
    enum status asked = info_init(&info);
    uint32_t status;
    struct vm *vm = vm_asked(call, request->vm, &status);

    if (!vm)
        return status;
    if (asked != OK)
        return service_fails(call, "init", asked);
    if (!request->all && request->vcpu >= vm->config.vcpus)
        return refuse(call, bh_MgmtStatus_MGMT_BAD_REQUEST, "%s: there is no vCPU %u, only 0 to %u",
                      vm->config.name, request->vcpu, vm->config.vcpus - 1);
    if (request->pcpu >= info.pcpus)
        return refuse(call, bh_MgmtStatus_MGMT_BAD_REQUEST, "%s: there is no pCPU %u, only 0 to %u",
                      vm->config.name, request->pcpu, info.pcpus - 1);
    pin(&vm->config, request);
    toolstack_save_config(call->context, vm);
    reply_vm(call, reply, vm);
    reply->unchanged = vm->state != VM_OFF && pins_are_in_force(vm);
    if (!reply->unchanged)
        snprintf(reply->text, sizeof reply->text, "%s",
                 vm->state == VM_OFF
                     ? ""
                     : "from its next start (a reboot, too): a vCPU that exists stays on its pCPU");
    return bh_MgmtStatus_MGMT_OK;
}

static uint32_t sched_judge(struct wire_call *call, const struct vm *vm, uint32_t weight, uint32_t cap)
{
    if (weight > WEIGHT_MOST)
        return refuse(call, bh_MgmtStatus_MGMT_BAD_REQUEST, "%s: weight %u is not within 1 to %u",
                      vm->config.name, weight, WEIGHT_MOST);
    if (cap > 100 * vm->config.vcpus)
        return refuse(call, bh_MgmtStatus_MGMT_BAD_REQUEST,
                      "%s: cap %u is not within 0 to %u (100 for each vCPU)", vm->config.name, cap,
                      100 * vm->config.vcpus);
    return bh_MgmtStatus_MGMT_OK;
}

/* Of a VM that exists: sched keeps it until the VM's end. */
static uint32_t sched_tell(struct wire_call *call, const struct vm *vm, uint32_t weight, uint32_t cap)
{
    bh_SetRequest set = {.vm_id = vm_id(vm), .weight = weight, .cap = cap};
    bh_SchedStatus answer;
    enum status status = sched_rpc_set(CAP_SCHED, &set, &answer, NULL, bh_after_ms(ASK_MS));

    if (status != OK)
        return service_fails(call, "sched", status);
    if (answer.status != OK)
        return refuse(call, bh_MgmtStatus_MGMT_REFUSED, "%s: %s", vm->config.name, answer.error);
    return bh_MgmtStatus_MGMT_OK;
}

uint32_t mgmt_on_sched_set(struct wire_call *call, const bh_MgmtSchedSetRequest *request,
                           bh_MgmtVmReply *reply)
{
    uint32_t status;
    struct vm *vm = vm_asked(call, request->vm, &status);

    if (!vm)
        return status;
    uint32_t weight = request->weight ? request->weight : vm->config.weight;
    uint32_t cap = request->has_cap ? request->cap : vm->config.cap;

    status = sched_judge(call, vm, weight, cap);
    if (status == bh_MgmtStatus_MGMT_OK && vm->state != VM_OFF)
        status = sched_tell(call, vm, weight, cap);
    if (status != bh_MgmtStatus_MGMT_OK)
        return status;
    reply_vm(call, reply, vm);
    reply->unchanged = vm->config.weight == weight && vm->config.cap == cap;
    vm->config.weight = weight;
    vm->config.cap = cap;
    toolstack_save_config(call->context, vm);
    return bh_MgmtStatus_MGMT_OK;
}

uint32_t mgmt_on_sched_list(struct wire_call *call, const bh_MgmtPageRequest *page, bh_MgmtSchedList *reply)
{
    const struct toolstack *ts = call->context;
    uint32_t first = page->first > VM_ID_MIN ? page->first - VM_ID_MIN : 0;

    for (uint32_t i = first; i < ts->vm_count; i++) {
        const struct vm *vm = &ts->vms[i];

        if (vm->config.name[0] == 0 || vm->state == VM_OFF)
            continue;
        if (reply->vms_count == sizeof reply->vms / sizeof reply->vms[0]) {
            reply->next = vm_id(vm);
            break;
        }
        bh_MgmtSched *out = &reply->vms[reply->vms_count++];

        out->id = vm_id(vm);
        snprintf(out->name, sizeof out->name, "%s", vm->config.name);
        out->weight = vm->config.weight;
        out->cap = vm->config.cap;
    }
    return bh_MgmtStatus_MGMT_OK;
}

/* ---- memory ------------------------------------------------------------------------------------------ */

/* What a person should know who waits for the guest to follow. */
static void say_what_it_waits_for(const struct vm *vm, bh_MgmtVmReply *reply)
{
    if (!vm->has_balloon)
        snprintf(
            reply->text, sizeof reply->text,
            "%s: its guest has no driver for the balloon (virtio_balloon): nothing changes until it has one",
            vm->config.name);
    else if (vm->is_paused)
        snprintf(reply->text, sizeof reply->text, "%s is paused: its guest follows when it is unpaused",
                 vm->config.name);
}

uint32_t mgmt_on_mem_set(struct wire_call *call, const bh_MgmtMemSetRequest *request, bh_MgmtVmReply *reply)
{
    char error[ERROR_BYTES];
    uint32_t status;
    struct vm *vm = vm_asked_running(call, request->vm, &status);

    if (!vm)
        return status;
    reply->unchanged = (vm->target != 0 ? vm->target : vm->memory) == request->bytes;
    enum status set = vm_set_memory(call->context, vm, request->bytes, error);

    if (set != OK)
        return refuse(call, set == ERR_ARG ? bh_MgmtStatus_MGMT_BAD_REQUEST : bh_MgmtStatus_MGMT_REFUSED,
                      "%s: %s", vm->config.name, error);
    reply_vm(call, reply, vm);
    say_what_it_waits_for(vm, reply);
    return bh_MgmtStatus_MGMT_OK;
}

/* ---- interfaces --------------------------------------------------------------------------------------- */

static bool mac_is_given(const bh_Vif *vif)
{
    static const uint8_t none[sizeof vif->mac];

    return memcmp(vif->mac, none, sizeof none) != 0;
}

/* The interface that is meant: the one with that MAC, or the first that is detached; vifs_count: none. */
static uint32_t interface_meant(const struct vm *vm, const bh_Vif *vif)
{
    uint32_t i = 0;

    while (i < vm->config.vifs_count &&
           (mac_is_given(vif) ? memcmp(vm->config.vifs[i].mac, vif->mac, sizeof vif->mac) != 0
                              : !vm->config.vifs[i].detached))
        i++;
    return i;
}

static uint32_t interface_refused(struct wire_call *call, const struct vm *vm, const char *why)
{
    return refuse(call, bh_MgmtStatus_MGMT_REFUSED, "%s: %s", vm->config.name, why);
}

/* As it was, if nothing is said of it but which one; else as is said, on the network that it was on if none
 * is. */
static bh_Vif vif_meant(const bh_Vif *said, const bh_Vif *was)
{
    bh_Vif vif = *said;
    bool says_more = vif.ipv4_count || vif.ipv6.size || vif.any_address || vif.vlan || vif.rate ||
                     vif.rate_in || vif.pps || vif.pps_in;

    if (vif.bridge[0] == 0 && !says_more)
        return *was;
    if (vif.bridge[0] == 0)
        memcpy(vif.bridge, was->bridge, sizeof vif.bridge);
    return vif;
}

uint32_t mgmt_on_network_attach(struct wire_call *call, const bh_MgmtNetworkAttachRequest *request,
                                bh_MgmtVmReply *reply)
{
    char error[ERROR_BYTES];
    uint32_t status;
    struct vm *vm = vm_asked(call, request->vm, &status);

    if (!vm)
        return status;
    uint32_t index = interface_meant(vm, &request->vif);

    if (index == vm->config.vifs_count)
        return refuse(
            call, bh_MgmtStatus_MGMT_NOT_SUPPORTED,
            "%s: it has no detached interface%s: only those of its file can be plugged in, as virtio-mmio "
            "has no hot plug",
            vm->config.name, mac_is_given(&request->vif) ? " with that MAC" : "");
    bh_Vif vif = vif_meant(&request->vif, &vm->config.vifs[index]);

    if (!vm->config.vifs[index].detached)
        return refuse(call, bh_MgmtStatus_MGMT_STATE, "%s: interface %u is plugged in: detach it first",
                      vm->config.name, index);
    memcpy(vif.mac, vm->config.vifs[index].mac, sizeof vif.mac);
    vif.detached = false;
    if (vm->steps & (STEP_NET0 << index) && vm_net_replug(vm, index, &vif, error) != OK)
        return interface_refused(call, vm, error);
    vm->config.vifs[index] = vif;
    toolstack_save_config(call->context, vm);
    reply_vm(call, reply, vm);
    if (reply->text[0] == 0) /* else it says what was waited for */
        snprintf(reply->text, sizeof reply->text, "interface %u", index);
    return bh_MgmtStatus_MGMT_OK;
}

uint32_t mgmt_on_network_detach(struct wire_call *call, const bh_MgmtNetworkDetachRequest *request,
                                bh_MgmtVmReply *reply)
{
    char error[ERROR_BYTES];
    uint32_t status;
    struct vm *vm = vm_asked(call, request->vm, &status);

    if (!vm)
        return status;
    if (request->index >= vm->config.vifs_count)
        return refuse(call, bh_MgmtStatus_MGMT_NOT_FOUND, "%s: there is no interface %u", vm->config.name,
                      request->index);
    bh_Vif *vif = &vm->config.vifs[request->index];

    if (vm->steps & (STEP_NET0 << request->index) && vm_net_unplug(vm, request->index, error) != OK)
        return interface_refused(call, vm, error);
    reply_vm(call, reply, vm);
    reply->unchanged = vif->detached;
    vif->detached = true;
    toolstack_save_config(call->context, vm);
    return bh_MgmtStatus_MGMT_OK;
}

/* ---- disks -------------------------------------------------------------------------------------------- */

/* The VM and the drive that are meant.  NULL: *status says what there is not. */
static struct vm *drive_asked(struct wire_call *call, const char *text, const char *vdev, uint32_t *status)
{
    struct vm *vm = vm_asked(call, text, status);

    if (!vm || vdev_place(vdev) < DRIVES_MAX)
        return vm;
    *status = refuse(call, bh_MgmtStatus_MGMT_BAD_REQUEST, "%s: disk `%s`: a VM's drives are " DRIVES_WORDS,
                     vm->config.name, vdev);
    return NULL;
}

static uint32_t insertion_judge(struct wire_call *call, struct vm *vm, const bh_Disk *disk)
{
    const bh_Disk *there = vm_disk(vm, vdev_place(disk->vdev));

    if (there)
        return refuse(call, bh_MgmtStatus_MGMT_STATE, "%s: %s has %s in it: detach it first", vm->config.name,
                      disk->vdev, there->volume);
    if (vm->state == VM_PRESERVED)
        return refuse(call, bh_MgmtStatus_MGMT_STATE, "%s: %s", vm->config.name, state_words(vm));
    if (vm->state != VM_OFF && disk->writable && vm->read_only_drives >> vdev_place(disk->vdev) & 1)
        return refuse(
            call, bh_MgmtStatus_MGMT_STATE,
            "%s: its guest took %s for read-only at its start: attach it read-only, or start the VM again",
            vm->config.name, disk->vdev);
    return bh_MgmtStatus_MGMT_OK;
}

uint32_t mgmt_on_block_attach(struct wire_call *call, const bh_MgmtBlockAttachRequest *request,
                              bh_MgmtVmReply *reply)
{
    const bh_Disk *disk = &request->disk;
    char error[ERROR_BYTES];
    uint32_t status;
    struct vm *vm = drive_asked(call, request->vm, disk->vdev, &status);

    if (vm)
        status = insertion_judge(call, vm, disk);
    if (status != bh_MgmtStatus_MGMT_OK)
        return status;
    if (vm_disk_insert(call->context, vm, disk, error) != OK)
        return refuse(call, bh_MgmtStatus_MGMT_REFUSED, "%s: %s", vm->config.name, error);
    reply_vm(call, reply, vm);
    if (vm->state != VM_OFF && !disk->writable && !(vm->read_only_drives >> vdev_place(disk->vdev) & 1))
        snprintf(reply->text, sizeof reply->text, "%s is read-only: what its guest writes there fails",
                 disk->vdev);
    return bh_MgmtStatus_MGMT_OK;
}

uint32_t mgmt_on_block_detach(struct wire_call *call, const bh_MgmtBlockDetachRequest *request,
                              bh_MgmtVmReply *reply)
{
    char error[ERROR_BYTES];
    uint32_t status;
    struct vm *vm = drive_asked(call, request->vm, request->vdev, &status);

    if (!vm)
        return status;
    enum status done = vm_disk_eject(call->context, vm, vdev_place(request->vdev), error);

    if (done == ERR_EXIST)
        return refuse(call, bh_MgmtStatus_MGMT_NOT_FOUND, "%s: there is no volume in %s", vm->config.name,
                      request->vdev);
    if (done != OK)
        return refuse(call, bh_MgmtStatus_MGMT_REFUSED, "%s: %s: %s", vm->config.name, request->vdev, error);
    reply_vm(call, reply, vm);
    return bh_MgmtStatus_MGMT_OK;
}
