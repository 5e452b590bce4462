/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * build.c - a VM from nothing, and back (docs/internals.md, "A VM from file to end")
 *
 * Always true:  a step's bit is set (and saved) before the step is asked for, so whatever exists of a VM is
 * known even if we die in between; undoing what was never done is answered ERR_EXIST, which is as good as OK.
 */
#include <pb_encode.h>
#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "blk_rpc.h"
#include "build.h"
#include "caps_toolstack.h"
#include "console_rpc.h"
#include "image_names.h"
#include "init_rpc.h"
#include "mem_rpc.h"
#include "mem_session.h"
#include "ram_volume.h"
#include "sched_rpc.h"
#include "toolstack.h"
#include "vmm_slots.h"

#define UNDO_TRIES 3u
#define UNDO_PAUSE_MS 200u
#define DRAIN_PAUSE_MS 20u
#define DRAIN_MS 25000u             /* longer than blkdrv's patience with a silent device, twice */
#define MEM_BLOCK_BYTES 0x200000ull /* mem gives whole pieces of this size */

enum status judge(enum status asked, uint32_t answered, const char *text, const char *what, char *error)
{
    enum status status = asked == OK ? (enum status)answered : asked;

    if (status == OK)
        return OK;
    if (asked == OK && text[0] != 0)
        snprintf(error, ERROR_BYTES, "%s: %s", what, text);
    else
        snprintf(error, ERROR_BYTES, "%s: %s", what, bh_status_name(status));
    return status;
}

/* The first `count` of the steps that are numbered from `first` on. */
#define STEPS_ROW(first, count) (((uint32_t)(first) << (count)) - (uint32_t)(first))
#define STEPS_AT_BLKDRV (STEPS_ROW(STEP_DISK0, VMM_DISKS_MAX) | STEPS_ROW(STEP_IMAGE0, VMM_IMAGES_MAX))
#define STEPS_AT_NETDRV STEPS_ROW(STEP_NET0, VMM_NETS_MAX)

static uint32_t step_image(uint32_t index)
{
    return (uint32_t)STEP_IMAGE0 << index;
}

void caps_drop(const struct rpc_caps *caps)
{
    for (uint32_t i = 0; i < caps->in_count; i++)
        bh_slot_drop(caps->in[i]);
    for (uint32_t i = 0; i < caps->out_count; i++)
        bh_slot_drop(caps->out[i]);
}

void step_begin(struct toolstack *ts, struct vm *vm, uint32_t step)
{
    vm->steps |= step;
    toolstack_save(ts);
}

/* ---- making ------------------------------------------------------------------------------------ */

static enum status vm_place(struct toolstack *ts, struct vm *vm, bh_PlaceReply *reply, char *error)
{
    bh_PlaceRequest request = {
        .vm_id = vm_id(vm), .vcpus = vm->config.vcpus, .weight = vm->config.weight, .cap = vm->config.cap};

    _Static_assert(sizeof request.pins.bytes == sizeof vm->config.pins.bytes, "a pin for each vCPU");
    request.pins.size = vm->config.pins.size;
    memcpy(request.pins.bytes, vm->config.pins.bytes, sizeof request.pins.bytes);

    step_begin(ts, vm, STEP_SCHED);
    enum status status = sched_rpc_place(CAP_SCHED, &request, reply, NULL, bh_after_ms(ASK_MS));

    status = judge(status, reply->status, reply->error, "vcpus", error);
    if (status == OK && reply->pcpus_count != vm->config.vcpus)
        status = judge(OK, ERR_ARG, "sched placed another number of them", "vcpus", error);
    return status;
}

static uint64_t whole_blocks(uint64_t bytes)
{
    return (bytes + MEM_BLOCK_BYTES - 1) / MEM_BLOCK_BYTES * MEM_BLOCK_BYTES;
}

uint64_t vmm_memory(void)
{
    return whole_blocks(vmm_slots.memory_bytes);
}

static enum status memory_open(struct vm *vm, uint64_t bytes, char *error)
{
    bh_MemOpenRequest request = {.vm_id = vm_id(vm), .quota_bytes = whole_blocks(bytes) + vmm_memory()};
    bh_MemStatus reply;

    vm->memory = bytes;
    enum status status = mem_rpc_open(CAP_MEM, &request, &reply, NULL, bh_after_ms(ASK_MS));

    return judge(status, reply.status, reply.error, "memory", error);
}

/* The guest's memory, and what its vmm is made from.  A VM that reboots after it gave memory back, which
 * others have now, goes on with what was left to it. */
static enum status vm_open_memory(struct toolstack *ts, struct vm *vm, char *error)
{
    step_begin(ts, vm, STEP_MEM);
    enum status status = memory_open(vm, vm->config.memory_bytes, error);

    if (status != ERR_MEM || vm->target == 0 || vm->target >= vm->config.memory_bytes)
        return status;
    bh_log("%s: starts with its target of %llu MiB: %s", vm->config.name,
           (unsigned long long)vm->target >> 20, error);
    return memory_open(vm, vm->target, error);
}

enum status vm_open_block(struct toolstack *ts, struct vm *vm, uint32_t step, uint32_t session,
                          const char *what, char *error)
{
    bh_MemOpenRequest request = {.vm_id = session, .quota_bytes = MEM_BLOCK_BYTES};
    bh_MemStatus reply;
    bool may_be_there = (vm->steps & step) != 0;

    if (vm->sure & step)
        return OK;
    step_begin(ts, vm, step);
    enum status status = mem_rpc_open(CAP_MEM, &request, &reply, NULL, bh_after_ms(ASK_MS));

    if (may_be_there && status == OK && reply.status == ERR_EXIST)
        reply.status = OK;
    if (status == OK && reply.status == OK)
        vm->sure |= step;
    if (status == OK && reply.status != OK && !may_be_there)
        vm->steps &= ~step; /* a VM that runs may ask again */
    return judge(status, reply.status, reply.error, what, error);
}

/* Its vmm reads a kernel or ramdisk that is a volume by itself. */
static enum status vm_open_image(struct toolstack *ts, struct vm *vm, uint32_t index, char *error)
{
    const char *name = vm_image_volume(vm, index);
    bh_BlkOpenRequest request = {.session = vm_id(vm) << 8 | (IMAGE_DISK_FIRST + index)};
    bool asked;

    if (!name)
        return OK;
    if (ram_volume_is(name))
        return judge(OK, ERR_ARG, "an image is a volume of the disk", name, error);
    snprintf(request.volume, sizeof request.volume, "%s", name);
    return blk_open(ts, vm, step_image(index), &request, 0, index == 0 ? "kernel" : "ramdisk", &asked, error);
}

static enum status vm_open_console(struct toolstack *ts, struct vm *vm, char *error)
{
    bh_ConsoleOpenRequest request = {.vm_id = vm_id(vm)};
    bh_ConsoleStatus reply;

    snprintf(request.name, sizeof request.name, "%s", vm->config.name);
    step_begin(ts, vm, STEP_CONSOLE);
    enum status status = console_rpc_open(CAP_CONSOLE, &request, &reply, NULL, bh_after_ms(ASK_MS));

    return judge(status, reply.status, reply.error, "console", error);
}

/* What its vmm is told, with where init has mapped its images.  It goes over in pieces. */
static enum status vm_configure(const struct vm *vm, const bh_CreateVmmReply *made, char *error)
{
    static bh_VmConfig config;
    static uint8_t bytes[bh_VmConfig_size];
    bh_ConfigureRequest request = {.vm_id = vm_id(vm)};
    bh_InitStatus reply = bh_InitStatus_init_zero;
    pb_ostream_t stream = pb_ostream_from_buffer(bytes, sizeof bytes);
    enum status status = OK;

    config = vm->config;
    config.memory_bytes = vm->memory;
    config.kernel_bytes = made->kernel_bytes;
    config.ramdisk_bytes = made->ramdisk_bytes;
    config.ramdisk_ipa = made->ramdisk_ipa;
    if (!pb_encode(&stream, bh_VmConfig_fields, &config))
        return judge(ERR_ARG, 0, "", "domain: its configuration", error);
    while (status == OK && request.offset < stream.bytes_written) {
        size_t left = stream.bytes_written - request.offset;

        request.piece.size =
            (pb_size_t)(left < sizeof request.piece.bytes ? left : sizeof request.piece.bytes);
        memcpy(request.piece.bytes, bytes + request.offset, request.piece.size);
        status = init_rpc_configure(CAP_INIT, &request, &reply, NULL, bh_after_ms(ASK_MS));
        status = judge(status, reply.status, reply.error, "domain", error);
        request.offset += request.piece.size;
    }
    return status;
}

static enum status vm_make_domain(struct toolstack *ts, struct vm *vm, const bh_PlaceReply *place,
                                  char *error)
{
    bh_CreateVmmRequest request = {.vm_id = vm_id(vm), .memory_bytes = vm->memory};
    bh_CreateVmmReply reply = bh_CreateVmmReply_init_zero;
    struct rpc_caps caps = {.in_count = 1};

    snprintf(request.name, sizeof request.name, "%s", vm->config.name);
    snprintf(request.kernel, sizeof request.kernel, "%s", vm->config.kernel);
    snprintf(request.ramdisk, sizeof request.ramdisk, "%s", vm->config.ramdisk);
    request.pcpus_count = place->pcpus_count;
    memcpy(request.pcpus, place->pcpus, sizeof request.pcpus);
    images_describe(ts, &request);
    step_begin(ts, vm, STEP_DOMAIN);
    enum status status = memory_session_mint(vm_id(vm), &caps.in[0]);
    if (status == OK)
        status = init_rpc_create_vmm(CAP_INIT, &request, &reply, &caps, bh_after_ms(BUILD_MS));
    caps_drop(&caps);

    status = judge(status, reply.status, reply.error, "domain", error);
    return status == OK ? vm_configure(vm, &reply, error) : status;
}

static enum status vm_run(struct vm *vm, char *error)
{
    bh_VmmRequest request = {.vm_id = vm_id(vm)};
    bh_InitStatus reply;
    enum status status = init_rpc_start_vmm(CAP_INIT, &request, &reply, NULL, bh_after_ms(ASK_MS));

    return judge(status, reply.status, reply.error, "domain: start", error);
}

static enum status vm_build(struct toolstack *ts, struct vm *vm, char *error)
{
    bh_PlaceReply place = bh_PlaceReply_init_zero;
    enum status status = vm_place(ts, vm, &place, error);

    if (status == OK)
        status = vm_open_memory(ts, vm, error);
    if (status == OK)
        status = vm_open_disks(ts, vm, error);
    for (uint32_t i = 0; status == OK && i < VMM_IMAGES_MAX; i++)
        status = vm_open_image(ts, vm, i, error);
    if (status == OK)
        status = vm_open_nets(ts, vm, error);
    if (status == OK)
        status = vm_open_console(ts, vm, error);
    if (status == OK)
        status = vm_make_domain(ts, vm, &place, error);
    if (status == OK)
        status = images_map(ts, vm, error, ERROR_BYTES);
    if (status == OK)
        status = vm_grant(vm, error, ERROR_BYTES);
    if (status == OK)
        status = vm_run(vm, error);
    return status;
}

enum status vm_create(struct toolstack *ts, struct vm *vm, bool paused, char error[ERROR_BYTES])
{
    error[0] = 0;
    vm_take_next(ts, vm);
    vm->state = VM_BUILDING;
    vm->ending = END_NONE;
    vm->is_paused = paused;
    vm->is_heard = vm->is_stopping = vm->has_balloon = false;
    vm->given = 0;
    vm->text[0] = 0;
    vm->started = bh_now();
    vm->start_us = 0;
    vm->starts++;
    enum status status = vm_build(ts, vm, error);

    if (status != OK) {
        vm->steps |= STEP_CONSOLE; /* it may have the wire although its console was not opened yet */
        vm_destroy(ts, vm, ts->only == vm);
        return status;
    }
    vm->state = VM_STARTING;
    toolstack_save(ts);
    mgmt_worked(ts, "start", vm->config.name, vm->started);
    return OK;
}

/* ---- undoing ------------------------------------------------------------------------------------ */

static enum status undo_image(const struct vm *vm, uint32_t index, char *error)
{
    return blk_close(vm, IMAGE_DISK_FIRST + index, error);
}

enum status memory_close(uint32_t session, const char *what, char *error)
{
    bh_MemCloseRequest request = {.vm_id = session};
    bh_MemStatus reply;
    enum status status = mem_rpc_close(CAP_MEM, &request, &reply, NULL, bh_after_ms(BUILD_MS));

    return judge(status, reply.status, reply.error, what, error);
}

static enum status undo_block(const struct vm *vm, uint32_t session, char *error)
{
    (void)vm;
    return memory_close(session, "memory shared with a driver", error);
}

static enum status undo_console(const struct vm *vm, uint32_t keep_focus, char *error)
{
    bh_ConsoleCloseRequest request = {.vm_id = vm_id(vm), .keep_focus = keep_focus != 0};
    bh_ConsoleStatus reply;
    enum status status = console_rpc_close(CAP_CONSOLE, &request, &reply, NULL, bh_after_ms(ASK_MS));

    return judge(status, reply.status, reply.error, "console", error);
}

static enum status undo_sched(const struct vm *vm, uint32_t unused, char *error)
{
    bh_RemoveRequest request = {.vm_id = vm_id(vm)};
    bh_SchedStatus reply;
    enum status status = sched_rpc_remove(CAP_SCHED, &request, &reply, NULL, bh_after_ms(ASK_MS));

    (void)unused;
    return judge(status, reply.status, reply.error, "vcpus", error);
}

static enum status undo_domain(const struct vm *vm, uint32_t unused, char *error)
{
    bh_VmmRequest request = {.vm_id = vm_id(vm)};
    bh_InitStatus reply;
    enum status status = init_rpc_destroy_vmm(CAP_INIT, &request, &reply, NULL, bh_after_ms(BUILD_MS));

    (void)unused;
    return judge(status, reply.status, reply.error, "domain", error);
}

static enum status undo_memory(const struct vm *vm, uint32_t unused, char *error)
{
    (void)unused;
    return memory_close(vm_id(vm), "memory", error);
}

void undo(struct toolstack *ts, struct vm *vm, uint32_t step, uint32_t argument,
          enum status (*once)(const struct vm *vm, uint32_t argument, char *error))
{
    uint64_t deadline = bh_after_ms(DRAIN_MS);
    char error[ERROR_BYTES];

    if (!(vm->steps & step))
        return;
    for (uint32_t tries = 0; tries < UNDO_TRIES;) {
        enum status status = once(vm, argument, error);
        bool is_draining = status == ERR_STATE && (step & STEPS_AT_BLKDRV) && bh_now() < deadline;

        if (status == OK || status == ERR_EXIST) {
            vm->steps &= ~step;
            vm->sure &= ~step;
            toolstack_save(ts);
            return;
        }
        tries += !is_draining;
        toolstack_pause(ts, is_draining ? DRAIN_PAUSE_MS : UNDO_PAUSE_MS);
    }
    out_printf(ts, "%s: not undone: %s\n", vm->config.name, error);
    bh_log("%s: not undone: %s", vm->config.name, error);
}

void vm_close_images(struct toolstack *ts, struct vm *vm)
{
    for (uint32_t i = 0; i < VMM_IMAGES_MAX; i++)
        undo(ts, vm, step_image(i), i, undo_image);
}

/* Not while a driver still serves from one, and would fault; nor its device writes into it. */
void undo_blocks(struct toolstack *ts, struct vm *vm)
{
    if (!(vm->steps & STEPS_AT_NETDRV))
        undo(ts, vm, STEP_NET_BLOCK, NET_BLOCK_SESSION(vm_id(vm)), undo_block);
    if (!(vm->steps & STEPS_AT_BLKDRV))
        undo(ts, vm, STEP_BLK_BLOCK, BLK_BLOCK_SESSION(vm_id(vm)), undo_block);
}

/* Disks first: what the guest asked of them is finished.  Memory last: it proves that everything came back.
 */
void vm_destroy(struct toolstack *ts, struct vm *vm, bool keep_focus)
{
    uint64_t begin = bh_now();

    vm_close_disks(ts, vm);
    vm_close_images(ts, vm);
    undo(ts, vm, STEP_CONSOLE, keep_focus, undo_console);
    undo(ts, vm, STEP_SCHED, 0, undo_sched);
    undo(ts, vm, STEP_DOMAIN, 0, undo_domain);
    vm_close_nets(ts, vm);
    undo_blocks(ts, vm);
    undo(ts, vm, STEP_MEM, 0, undo_memory);
    vm->state = VM_OFF;
    vm->target = vm->given = 0;
    vm->has_balloon = false;
    vm->is_paused = false;
    vm->ending = END_NONE;
    toolstack_save(ts);
    mgmt_worked(ts, "destruction", vm->config.name, begin);
    bh_log("%s: undone within %llu us", vm->config.name,
           (unsigned long long)bh_ticks_to_us(bh_now() - begin));
}
