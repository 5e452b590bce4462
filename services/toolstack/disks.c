/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * disks.c - the volumes in a VM's drives: with the VM, and put in and taken out while it is there
 *
 * A drive's number at blkdrv, and of its memory at mem, is its place (vdev.h).  A drive of a VM that is there
 * keeps its step when its volume is taken out: requests may still be in the device.
 *
 * Always true:  a drive whose volume is being changed has its bit in vm->changing, saved before the change;
 * one that still has it when we start again is made empty.
 */
#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "blk_rpc.h"
#include "build.h"
#include "caps_toolstack.h"
#include "mem_rpc.h"
#include "mem_session.h"
#include "ram_volume.h"
#include "vdev.h"
#include "vmm_events.h"
#include "vmm_slots.h"

#define CLOSE_TRIES 3u
#define CLOSE_PAUSE_MS 200u

_Static_assert(sizeof(((bh_VmConfig *)0)->disks) / sizeof(bh_Disk) == DRIVES_MAX, "an entry per drive");
_Static_assert(VMM_DISKS_MAX == DRIVES_MAX && VMM_EVENT_DISKS == DRIVES_MAX, "a slot and an event per drive");

static uint32_t step_disk(uint32_t place)
{
    return (uint32_t)STEP_DISK0 << place;
}

static uint32_t step_ram(uint32_t place)
{
    return (uint32_t)STEP_RAM0 << place;
}

static uint32_t session_of(const struct vm *vm, uint32_t place)
{
    return vm_id(vm) << 8 | place;
}

bool vm_disks_are_good(const bh_VmConfig *config, char *error, uint32_t error_bytes)
{
    uint32_t seen = 0;

    for (uint32_t i = 0; i < config->disks_count; i++) {
        const char *vdev = config->disks[i].vdev;
        uint32_t place = vdev_place(vdev);

        if (place < DRIVES_MAX && !(seen & 1u << place)) {
            seen |= 1u << place;
            continue;
        }
        snprintf(error, error_bytes, "disk %s: %s", vdev,
                 place < DRIVES_MAX ? "it is there twice" : "a VM's drives are " DRIVES_WORDS);
        return false;
    }
    return true;
}

bh_Disk *vm_disk(struct vm *vm, uint32_t place)
{
    for (uint32_t i = 0; i < vm->config.disks_count; i++)
        if (vdev_place(vm->config.disks[i].vdev) == place)
            return &vm->config.disks[i];
    return NULL;
}

/* ---- opening --------------------------------------------------------------------------------------- */

/* The memory of a ram volume has a session of its own at mem; blkdrv gets it with Blk.Open, to fetch the
 * memory.  A size that makes no sense has none: blkdrv says what is wrong with it. */
static enum status ram_open(struct toolstack *ts, struct vm *vm, const bh_Disk *disk, slot_t *session,
                            char *error)
{
    uint32_t place = vdev_place(disk->vdev);
    bh_MemOpenRequest request = {.vm_id = RAM_VOLUME_SESSION(vm_id(vm), place)};
    bh_MemStatus reply;
    char what[64];

    *session = 0;
    if (!ram_volume_is(disk->volume) || ram_volume_bytes(disk->volume) == 0)
        return OK;
    snprintf(what, sizeof what, "disk %s: %s", disk->vdev, disk->volume);
    request.quota_bytes = ram_volume_quota(ram_volume_bytes(disk->volume));
    step_begin(ts, vm, step_ram(place));
    enum status status = mem_rpc_open(CAP_MEM, &request, &reply, NULL, bh_after_ms(ASK_MS));

    status = judge(status, reply.status, reply.error, what, error);
    if (status == OK)
        status = judge(memory_session_mint(request.vm_id, session), OK, "", what, error);
    return status;
}

enum status blk_open(struct toolstack *ts, struct vm *vm, uint32_t step, const bh_BlkOpenRequest *request,
                     slot_t ram, const char *what, bool *asked, char *error)
{
    bh_BlkStatus reply = bh_BlkStatus_init_zero;
    struct rpc_caps caps = {.in_count = ram ? 2 : 1, .in = {0, ram}};
    bool was_begun = (vm->steps & step) != 0;
    enum status status =
        vm_open_block(ts, vm, STEP_BLK_BLOCK, BLK_BLOCK_SESSION(vm_id(vm)), "disks: memory", error);

    *asked = false;
    if (status == OK)
        status = judge(memory_session_mint(BLK_BLOCK_SESSION(vm_id(vm)), &caps.in[0]), OK, "", what, error);
    if (status == OK) {
        step_begin(ts, vm, step);
        status = blk_rpc_open(CAP_BLK, request, &reply, &caps, bh_after_ms(BUILD_MS));
        *asked = status != OK || reply.status == OK;
        status = judge(status, reply.status, reply.error, what, error);
    }
    caps_drop(&caps);
    if (status != OK && !*asked && vm->state == VM_RUNNING) {
        if (!was_begun)
            vm->steps &= ~step;
        undo_blocks(ts, vm); /* of the first one: blkdrv may have lost what it fetched; nobody else has it */
    }
    return status;
}

/* *asked: blkdrv may have it open. */
static enum status disk_open(struct toolstack *ts, struct vm *vm, const bh_Disk *disk, bool *asked,
                             char *error)
{
    uint32_t place = vdev_place(disk->vdev);
    bh_BlkOpenRequest request = {.session = session_of(vm, place), .writable = disk->writable};
    char what[64];
    slot_t ram;
    enum status status = ram_open(ts, vm, disk, &ram, error);

    *asked = false;
    if (status != OK)
        return status;
    snprintf(request.volume, sizeof request.volume, "%s", disk->volume);
    snprintf(what, sizeof what, "disk %s", disk->vdev);
    return blk_open(ts, vm, step_disk(place), &request, ram, what, asked, error);
}

enum status vm_open_disks(struct toolstack *ts, struct vm *vm, char *error)
{
    enum status status = vm_disks_are_good(&vm->config, error, ERROR_BYTES) ? OK : ERR_ARG;
    bool asked;

    vm->read_only_drives = 0;
    for (uint32_t i = 0; status == OK && i < vm->config.disks_count; i++) {
        const bh_Disk *disk = &vm->config.disks[i];

        vm->read_only_drives |= disk->writable ? 0 : 1u << vdev_place(disk->vdev);
        status = disk_open(ts, vm, disk, &asked, error);
    }
    return status;
}

/* ---- closing --------------------------------------------------------------------------------------- */

enum status blk_close(const struct vm *vm, uint32_t place, char *error)
{
    bh_BlkCloseRequest request = {.session = session_of(vm, place)};
    bh_BlkStatus reply;
    enum status status = blk_rpc_close(CAP_BLK, &request, &reply, NULL, bh_after_ms(BUILD_MS));

    return judge(status, reply.status, reply.error, "disk", error);
}

static enum status undo_ram(const struct vm *vm, uint32_t place, char *error)
{
    return memory_close(RAM_VOLUME_SESSION(vm_id(vm), place), "disk: memory", error);
}

void vm_close_disks(struct toolstack *ts, struct vm *vm)
{
    for (uint32_t i = 0; i < DRIVES_MAX; i++) {
        undo(ts, vm, step_disk(i), i, blk_close);
        if (!(vm->steps & step_disk(i))) /* else blkdrv would fault on memory that it still serves from */
            undo(ts, vm, step_ram(i), i, undo_ram);
    }
    vm->changing = 0;
}

/* ---- while it is there ------------------------------------------------------------------------------ */

static void change_begin(struct toolstack *ts, struct vm *vm, uint32_t place)
{
    vm->changing |= 1u << place;
    toolstack_save(ts);
}

static void change_end(struct toolstack *ts, struct vm *vm, uint32_t place)
{
    vm->changing &= ~(1u << place);
    toolstack_save_config(ts, vm);
    toolstack_save(ts);
}

/* A blkdrv that dies just now is there again soon.  Requests in the device are no reason to wait: the block
 * that they use stays the VM's. */
static enum status close_patiently(struct toolstack *ts, const struct vm *vm, uint32_t place, char *error)
{
    enum status status = blk_close(vm, place, error);

    for (uint32_t tries = 1; tries < CLOSE_TRIES && status == ERR_PEER; tries++) {
        toolstack_pause(ts, CLOSE_PAUSE_MS);
        status = blk_close(vm, place, error);
    }
    return status == ERR_STATE ? OK : status;
}

/* ERR_EXIST: there was none.  A vmm that is not told sees it when it uses the drive. */
static enum status volume_take_out(struct toolstack *ts, struct vm *vm, uint32_t place, char *error)
{
    char untold[ERROR_BYTES];
    enum status status = close_patiently(ts, vm, place, error);

    if (status != OK && status != ERR_EXIST)
        return status;
    undo(ts, vm, step_ram(place), place, undo_ram);
    if (vmm_tell(vm, 1ull << (VMM_EVENT_DISK0 + place), untold) != OK)
        bh_log("%s: its vmm is not told that its drive %u is empty: %s", vm->config.name, (unsigned)place,
               untold);
    return status;
}

static void config_forget(struct vm *vm, uint32_t place)
{
    bh_Disk *disk = vm_disk(vm, place);

    if (!disk)
        return;
    uint32_t behind = --vm->config.disks_count - (uint32_t)(disk - vm->config.disks);

    memmove(disk, disk + 1, behind * sizeof *disk);
}

/* Before those whose drives are behind it. */
static void config_put(struct vm *vm, const bh_Disk *disk)
{
    bh_Disk *at = vm->config.disks;
    uint32_t behind = vm->config.disks_count++;

    for (; behind > 0 && vdev_place(at->vdev) < vdev_place(disk->vdev); at++)
        behind--;
    memmove(at + 1, at, behind * sizeof *at);
    *at = *disk;
}

/* Open, known, told: what goes wrong takes back what was done. */
static enum status volume_put_in(struct toolstack *ts, struct vm *vm, const bh_Disk *disk, char *error)
{
    uint32_t place = vdev_place(disk->vdev);
    char untaken[ERROR_BYTES];
    bool asked;
    enum status status = disk_open(ts, vm, disk, &asked, error);

    if (status == OK) {
        config_put(vm, disk);
        toolstack_save_config(ts, vm);
        status = vmm_tell(vm, 1ull << (VMM_EVENT_DISK0 + place), error);
    }
    if (status == OK)
        return OK;
    config_forget(vm, place);
    if (!asked)
        undo(ts, vm, step_ram(place), place, undo_ram);
    else if (volume_take_out(ts, vm, place, untaken) != OK)
        bh_log("%s: drive %u: %s", vm->config.name, (unsigned)place, untaken);
    return status;
}

enum status vm_disk_insert(struct toolstack *ts, struct vm *vm, const bh_Disk *disk, char error[ERROR_BYTES])
{
    uint32_t place = vdev_place(disk->vdev);
    enum status status;

    if (vm->state == VM_OFF) {
        config_put(vm, disk);
        toolstack_save_config(ts, vm);
        return OK;
    }
    if (vm->steps & step_ram(place)) /* not of this configuration: that memory is still served */
        return judge(OK, ERR_STATE, "it has memory that was not given back: detach it first", disk->vdev,
                     error);
    change_begin(ts, vm, place);
    status = volume_put_in(ts, vm, disk, error);
    change_end(ts, vm, place);
    return status;
}

enum status vm_disk_eject(struct toolstack *ts, struct vm *vm, uint32_t place, char error[ERROR_BYTES])
{
    bool is_known = vm_disk(vm, place) != NULL;
    enum status status = judge(OK, ERR_EXIST, "it is empty", "drive", error);

    change_begin(ts, vm, place);
    if (vm->steps & (step_disk(place) | step_ram(place)))
        status = volume_take_out(ts, vm, place, error);
    if (status == ERR_EXIST && is_known)
        status = OK;
    if (status == OK)
        config_forget(vm, place);
    change_end(ts, vm, place);
    return status;
}

void vm_disks_adopt(struct toolstack *ts, struct vm *vm)
{
    char error[ERROR_BYTES];

    for (uint32_t i = 0; i < DRIVES_MAX; i++) {
        if (!(vm->changing & 1u << i))
            continue;
        enum status status = vm_disk_eject(ts, vm, i, error);

        bh_log("%s: its drive %u, which was being changed, is %s%s", vm->config.name, (unsigned)i,
               status == OK || status == ERR_EXIST ? "empty" : "not: ",
               status == OK || status == ERR_EXIST ? "" : error);
    }
}
