/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm_memory.c - the guest's memory: asked from mem, mapped for the guest and for us
 *
 * Each 2 MiB Frame is mapped by two capabilities, one per address space.
 *
 * A block that is given back is taken by mem, from both: nothing is unmapped here.
 */
#include <stdlib.h>
#include <string.h>

#include "caps_vmm.h"
#include "mem_rpc.h"
#include "vm.h"

#define FRAME_BYTES 0x200000ull
#define TABLE_PAGES 8u /* the guest's address space: its root and one page per GiB, with room to spare */
#define MEMORY_MIN (8ull << 20)

_Static_assert(FRAME_BYTES == GUEST_RAM_BLOCK_BYTES, "a block is a Frame");

/* One Frame more for the guest, out of this Untyped, `offset` bytes up in its memory; into two empty slots.
 */
static enum status frame_add(struct vm *vm, slot_t untyped, slot_t slots, uint64_t offset)
{
    enum status status = bh_untyped_retype(untyped, CAP_FRAME, FRAME_2M, 1, SLOT_CSPACE, slots);

    if (status == OK)
        status = bh_cspace_copy(SLOT_CSPACE, slots, SLOT_CSPACE, slots + 1, RIGHT_ALL);
    if (status == OK)
        status = bh_map(slots, GUEST_WINDOW_IPA + offset, RIGHT_READ | RIGHT_WRITE);
    if (status == OK)
        status =
            bh_aspace_map(vm->aspace, slots + 1, BOARD_RAM + offset, RIGHT_READ | RIGHT_WRITE | RIGHT_EXEC);
    return status;
}

static enum status block_add(struct vm *vm, slot_t untyped, uint32_t chunk, uint64_t offset)
{
    struct vm_block *block = &vm->blocks[offset / FRAME_BYTES];

    if (block->frames == 0)
        block->frames = bh_slots_alloc(2);
    if (block->frames == 0)
        return ERR_FULL;
    block->chunk = chunk;
    block->untyped = untyped;
    return frame_add(vm, untyped, block->frames, offset);
}

/* Ask mem for up to `bytes`, and add what comes; *added says how much it was. */
static void memory_add(struct vm *vm, uint64_t bytes, uint64_t *offset)
{
    bh_MemAllocRequest request = {.bytes = bytes};
    bh_MemAllocReply reply;
    struct rpc_caps caps = {0};
    uint64_t before = *offset;
    enum status status = mem_rpc_alloc(CAP_MEM, &request, &reply, &caps, bh_after_ms(BUILD_MS));

    if (status != OK)
        vm_refuse(vm, "memory: mem.Alloc: %s", bh_status_name(status));
    if ((enum status)reply.status != OK)
        vm_refuse(vm, "memory: %s", reply.error);
    for (uint32_t i = 0; i < caps.out_count && i < reply.chunks_count && *offset < vm->ram.size; i++) {
        status = block_add(vm, caps.out[i], reply.chunks[i], *offset);
        if (status != OK)
            vm_refuse(vm, "memory: mapping %llu MiB up: %s", (unsigned long long)*offset >> 20,
                      bh_status_name(status));
        *offset += FRAME_BYTES;
    }
    if (*offset == before)
        vm_refuse(vm, "memory: mem gave nothing");
}

void vm_memory_create(struct vm *vm)
{
    uint64_t size = vm->config.memory_bytes;
    uint64_t offset = 0;
    enum status status;

    if (size < MEMORY_MIN || size % FRAME_BYTES != 0 || size > BOARD_RAM * 64)
        vm_refuse(vm, "memory: %llu KiB is not a multiple of 2 MiB, or out of range",
                  (unsigned long long)size >> 10);
    status = bh_retype(CAP_ASPACE, 0, &vm->aspace);
    if (status == OK)
        status = bh_aspace_donate(vm->aspace, SLOT_UNTYPED, TABLE_PAGES + (uint32_t)(size >> 30));
    if (status != OK)
        vm_refuse(vm, "the guest's address space: %s", bh_status_name(status));

    vm->ram = (struct guest_ram){(uint8_t *)(uintptr_t)GUEST_WINDOW_IPA, BOARD_RAM, size, NULL};
    vm->blocks = calloc(size / FRAME_BYTES, sizeof *vm->blocks);
    if (!vm->blocks)
        vm_refuse(vm, "memory: %llu MiB are more than a vmm can manage", (unsigned long long)size >> 20);
    while (offset < size)
        memory_add(vm, size - offset, &offset);
}

/* ERR_EXIST: mem had it back already, and we did not hear the answer. */
enum status vm_memory_release(struct vm *vm, uint32_t block)
{
    bh_MemReleaseRequest request = {.chunk = vm->blocks[block].chunk};
    bh_MemStatus reply;
    enum status status = mem_rpc_release(CAP_MEM, &request, &reply, NULL, bh_after_ms(SERVICE_MS));

    if (status == OK && reply.status != OK && reply.status != ERR_EXIST)
        status = (enum status)reply.status;
    if (status == OK) {
        bh_slot_drop(vm->blocks[block].untyped);
        vm->blocks[block].untyped = 0;
    }
    return status;
}

enum status vm_memory_fetch(struct vm *vm, uint32_t block)
{
    bh_MemAllocRequest request = {.bytes = FRAME_BYTES};
    bh_MemAllocReply reply;
    struct rpc_caps caps = {0};
    enum status status = mem_rpc_alloc(CAP_MEM, &request, &reply, &caps, bh_after_ms(SERVICE_MS));

    if (status == OK)
        status = (enum status)reply.status;
    if (status == OK && (caps.out_count != 1 || reply.chunks_count != 1))
        status = ERR_PEER;
    if (status == OK)
        return block_add(vm, caps.out[0], reply.chunks[0], (uint64_t)block * FRAME_BYTES);
    for (uint32_t i = 0; i < caps.out_count; i++)
        bh_slot_drop(caps.out[i]);
    return status;
}
