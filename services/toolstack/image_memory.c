/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image_memory.c - the memory of images: from mem, into frames, seen through one window per image
 *
 * Always true:  the Untyped that brought a frame is dropped at once: the Frame then hangs on mem's own chunk,
 * and ends when mem revokes that.
 */
#include "image_memory.h"

#include <stdio.h>

#include "bh.h"
#include "caps_toolstack.h"
#include "images.h"
#include "mem_rpc.h"
#include "mem_session.h"
#include "toolstack.h"

enum status image_memory_open(uint32_t index, uint64_t bytes, char *error, uint32_t error_bytes)
{
    bh_MemOpenRequest request = {.vm_id = IMAGE_SESSION(index), .quota_bytes = bytes};
    bh_MemStatus reply;
    enum status status = mem_rpc_open(CAP_MEM, &request, &reply, NULL, bh_after_ms(ASK_MS));

    if (status == OK)
        status = (enum status)reply.status;
    if (status != OK)
        snprintf(error, error_bytes, "%s", reply.error[0] ? reply.error : bh_status_name(status));
    return status;
}

void image_memory_close(uint32_t index)
{
    bh_MemCloseRequest request = {.vm_id = IMAGE_SESSION(index)};
    bh_MemStatus reply;
    enum status status = mem_rpc_close(CAP_MEM, &request, &reply, NULL, bh_after_ms(BUILD_MS));

    if (status != OK || (reply.status != OK && reply.status != ERR_EXIST))
        bh_log("the memory of image %u does not come back: %s", index,
               status == OK ? reply.error : bh_status_name(status));
}

static uint64_t windows_ipa(void)
{
    static uint64_t ipa;

    if (ipa == 0)
        ipa = bh_ipa_alloc_2m(IMAGES_MAX);
    return ipa;
}

uint8_t *image_window(uint32_t index)
{
    return (uint8_t *)(uintptr_t)(windows_ipa() + index * IMAGE_BLOCK_BYTES);
}

void image_window_close(slot_t frame)
{
    if (bh_aspace_unmap(frame) != OK)
        bh_log("a frame of an image cannot be unmapped");
}

/* The kernel zeroes a Frame when it is made. */
static enum status frame_make(uint32_t index, slot_t untyped, slot_t slot)
{
    enum status status = bh_untyped_retype(untyped, CAP_FRAME, FRAME_2M, 1, SLOT_CSPACE, slot);

    if (status != OK)
        return status;
    status = bh_map(slot, (uint64_t)(uintptr_t)image_window(index), RIGHT_READ | RIGHT_WRITE);
    if (status != OK && bh_cspace_delete(SLOT_CSPACE, slot) != OK)
        bh_log("a frame of an image cannot be deleted");
    return status;
}

enum status image_memory_frame(uint32_t index, slot_t slot, char *error, uint32_t error_bytes)
{
    bh_MemAllocRequest request = {.bytes = IMAGE_BLOCK_BYTES};
    bh_MemAllocReply reply = bh_MemAllocReply_init_zero;
    struct rpc_caps caps = {0};
    slot_t session;
    enum status status = memory_session_mint(IMAGE_SESSION(index), &session);

    if (status == OK)
        status = mem_rpc_alloc(session, &request, &reply, &caps, bh_after_ms(ASK_MS));
    if (status == OK)
        status = (enum status)reply.status;
    if (status == OK && caps.out_count != 1)
        status = ERR_MEM;
    if (status == OK)
        status = frame_make(index, caps.out[0], slot);
    if (status != OK)
        snprintf(error, error_bytes, "memory for an image: %s",
                 reply.error[0] ? reply.error : bh_status_name(status));
    for (uint32_t i = 0; i < caps.out_count; i++)
        bh_slot_drop(caps.out[i]);
    bh_slot_drop(session);
    return status;
}

enum status image_frame_copy(slot_t frame, slot_t *copy)
{
    enum status status = ERR_FULL;

    *copy = bh_slot_alloc();
    if (*copy != 0)
        status = bh_cspace_copy(SLOT_CSPACE, frame, SLOT_CSPACE, *copy, RIGHT_READ);
    if (status == OK)
        return OK;
    bh_slot_drop(*copy);
    *copy = 0;
    return status;
}
