/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm_balloon.c - the balloon's way to mem and to the toolstack: blocks that go and come, the target, the news
 *
 * All of it is the main thread's, and asks without vm->lock.  Whoever finds that there is something to do
 * knocks.
 *
 * Always true: the guest's memory has a hole (vm->ram.gone) before mem takes the block, and until it is back.
 */
#include <stdlib.h>

#include "caps_vmm.h"
#include "mem_rpc.h"
#include "toolstack_rpc.h"
#include "vm.h"

#define PASS_BLOCKS 8u /* before others have their turn */
/* Linux exchanges pages when it compacts its memory: it gives one, then takes one of a block that is gone.
 * With these it need not wait for others. */
#define RESERVE_BLOCKS 2u
#define TELL_AGAIN_MS 1000u
#define TELL_MS 100u /* vCPU 0 waits meanwhile */

/* ---- blocks ---------------------------------------------------------------------------------------- */

/* True: mem has it.  Else it is asked again, before anything else: it may have it. */
static bool block_leave(struct vm *vm, uint32_t block)
{
    enum status status;

    vm->leaving = block;
    vm_unlock(vm);
    status = vm_memory_release(vm, block);
    bh_lock_take(&vm->lock);
    if (status == OK)
        vm->leaving = VM_NO_BLOCK;
    return status == OK;
}

static bool block_release(struct vm *vm, uint32_t block)
{
    vballoon_gone(&vm->balloon, block);
    vm->ram.gone = vm->balloon.gone;
    return block_leave(vm, block);
}

/* What came but could not be mapped goes back. */
static bool block_fetch(struct vm *vm, uint32_t block)
{
    enum status status;

    vm_unlock(vm);
    status = vm_memory_fetch(vm, block);
    bh_lock_take(&vm->lock);
    if (status != OK) {
        if (vm->blocks[block].untyped != 0)
            vm->leaving = block;
        return false;
    }
    vm->balloon.is_short = false;
    vballoon_back(&vm->balloon, block);
    if (vm->balloon.gone_count == 0)
        vm->ram.gone = NULL;
    return true;
}

static bool step(struct vm *vm, enum vballoon_work work, uint32_t block)
{
    if (vm->leaving != VM_NO_BLOCK)
        return block_leave(vm, vm->leaving);
    if (work == VBALLOON_RELEASE)
        return block_release(vm, block);
    bool was_short = vm->balloon.is_short;

    if (block_fetch(vm, block))
        return true;
    vm->balloon.is_short = true;
    return !was_short; /* once more: with one of the reserve */
}

void vm_balloon_run(struct vm *vm)
{
    for (uint32_t i = 0; vm->balloon.blocks && i < PASS_BLOCKS; i++) {
        uint32_t block = 0;
        enum vballoon_work work = vballoon_next(&vm->balloon, &block);

        if (work == VBALLOON_NOTHING && vm->leaving == VM_NO_BLOCK)
            return;
        if (!step(vm, work, block)) {
            vm_look_soon(vm);
            return;
        }
    }
    if (vm->balloon.blocks)
        vm_knock(vm);
}

/* ---- the target ------------------------------------------------------------------------------------ */

static void target_ask(struct vm *vm)
{
    static const bh_MemSessionRequest request = bh_MemSessionRequest_init_zero;
    bh_MemSessionReply reply;
    enum status status;

    vm->ask_target = false;
    vm_unlock(vm);
    status = mem_rpc_session(CAP_MEM, &request, &reply, NULL, bh_after_ms(SERVICE_MS));
    bh_lock_take(&vm->lock);
    if (status != OK || reply.status != OK)
        vm->ask_target = true;
    else
        vballoon_set_target(&vm->balloon,
                            (uint32_t)((reply.quota_bytes - reply.target_bytes) / VBALLOON_PAGE_BYTES));
}

void vm_balloon_target_changed(struct vm *vm)
{
    if (!vm->balloon.blocks)
        return;
    target_ask(vm);
    vm_balloon_run(vm); /* a guest that waits may have its memory now */
    if (vm->ask_target)
        vm_look_soon(vm);
}

/* ---- the news -------------------------------------------------------------------------------------- */

static bool is_told(const struct vm *vm)
{
    return vm->told_pages == vm->balloon.page_count && vm->told_driver == vballoon_has_driver(&vm->balloon);
}

static void on_changed(void *context)
{
    struct vm *vm = context;
    uint32_t block;

    if (vballoon_next(&vm->balloon, &block) != VBALLOON_NOTHING)
        vm_knock(vm);
    if (vm->tell_balloon == BH_FOREVER && !is_told(vm))
        vm->tell_balloon = bh_now();
    vm_look_at(vm, vm->tell_balloon);
}

/* At once, then at most once a second while it changes. */
static void tell(struct vm *vm)
{
    bh_VmEventRequest request = {.kind = bh_VmEventKind_BALLOON};
    bh_ToolstackStatus reply;
    uint32_t pages = vm->balloon.page_count;
    enum status status;

    if (is_told(vm)) {
        vm->tell_balloon = BH_FOREVER;
        return;
    }
    vm->tell_balloon = bh_after_ms(TELL_AGAIN_MS);
    request.balloon_driver = vballoon_has_driver(&vm->balloon);
    request.balloon_bytes = (uint64_t)pages * VBALLOON_PAGE_BYTES;
    vm_unlock(vm);
    status = toolstack_rpc_vm_event(CAP_TOOLSTACK, &request, &reply, NULL, bh_after_ms(TELL_MS));
    bh_lock_take(&vm->lock);
    if (status != OK || reply.status != OK)
        return;
    vm->told_pages = pages;
    vm->told_driver = request.balloon_driver;
}

void vm_balloon_look(struct vm *vm)
{
    if (!vm->balloon.blocks)
        return;
    if (vm->ask_target)
        target_ask(vm);
    vm_balloon_run(vm);
    if (bh_now() >= vm->tell_balloon)
        tell(vm);
}

/* ---- start ----------------------------------------------------------------------------------------- */

bool vm_balloon_create(struct vm *vm)
{
    struct vballoon *balloon = &vm->balloon;

    vm->leaving = VM_NO_BLOCK;
    vm->tell_balloon = BH_FOREVER;
    balloon->block_count = (uint32_t)(vm->ram.size / GUEST_RAM_BLOCK_BYTES);
    balloon->gone = calloc((balloon->block_count + 63) / 64, sizeof *balloon->gone);
    if (balloon->gone)
        balloon->blocks = calloc(balloon->block_count, sizeof *balloon->blocks);
    balloon->reserve = RESERVE_BLOCKS;
    balloon->changed = on_changed;
    balloon->changed_context = vm;
    return balloon->blocks != NULL;
}
