/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm_memory.c - the guest's memory: asked from mem, mapped for the guest and for us
 *
 * Each 2 MiB Frame is mapped by two capabilities, one per address space.
 */
#include <string.h>

#include "caps_vmm.h"
#include "mem_rpc.h"
#include "vm.h"

#define FRAME_BYTES 0x200000ull
#define TABLE_PAGES 8u /* the guest's address space: its root and one page per GiB, with room to spare */
#define MEMORY_MIN (8ull << 20)

/* One Frame more for the guest, out of this Untyped, `offset` bytes up in its memory. */
static enum status frame_add(struct vm *vm, slot_t untyped, uint64_t offset)
{
    slot_t slots = bh_slots_alloc(2);
    enum status status;

    if (slots == 0)
        return ERR_FULL;
    status = bh_untyped_retype(untyped, CAP_FRAME, FRAME_2M, 1, SLOT_CSPACE, slots);
    if (status == OK)
        status = bh_cspace_copy(SLOT_CSPACE, slots, SLOT_CSPACE, slots + 1, RIGHT_ALL);
    if (status == OK)
        status = bh_map(slots, GUEST_WINDOW_IPA + offset, RIGHT_READ | RIGHT_WRITE);
    if (status == OK)
        status =
            bh_aspace_map(vm->aspace, slots + 1, BOARD_RAM + offset, RIGHT_READ | RIGHT_WRITE | RIGHT_EXEC);
    return status;
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
    for (uint32_t i = 0; i < caps.out_count && i < reply.bytes_count; i++) {
        for (uint64_t used = 0; used + FRAME_BYTES <= reply.bytes[i] && *offset < vm->ram.size;
             used += FRAME_BYTES, *offset += FRAME_BYTES) {
            status = frame_add(vm, caps.out[i], *offset);
            if (status != OK)
                vm_refuse(vm, "memory: mapping %llu MiB up: %s", (unsigned long long)*offset >> 20,
                          bh_status_name(status));
        }
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
    while (offset < size)
        memory_add(vm, size - offset, &offset);
}
