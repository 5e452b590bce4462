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
#include "kept.h"
#include "mem_chunks.h"
#include "mem_rpc.h"
#include "mem_session.h"
#include "toolstack.h"

static struct kept kept;

void image_memory_start(void)
{
    kept_start(&kept, CAP_FIRST_FREE, 1u << CAP_CSPACE_BITS, 0, IMAGE_FRAMES_MAX);
}

static slot_t slot_of(uint32_t frame)
{
    return kept.row + frame;
}

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

bool image_memory_close(uint32_t index)
{
    bh_MemCloseRequest request = {.vm_id = IMAGE_SESSION(index)};
    bh_MemStatus reply;
    enum status status = mem_rpc_close(CAP_MEM, &request, &reply, NULL, bh_after_ms(BUILD_MS));

    if (status == OK && (reply.status == OK || reply.status == ERR_EXIST))
        return true;
    bh_log("the memory of image %u does not come back: %s", index,
           status == OK ? reply.error : bh_status_name(status));
    return false;
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

void image_window_close(uint32_t frame)
{
    if (bh_aspace_unmap(slot_of(frame)) != OK)
        bh_log("a frame of an image cannot be unmapped");
}

bool image_frame_exists(uint32_t frame)
{
    return kept_frame_exists(slot_of(frame));
}

void image_frame_drop(uint32_t frame)
{
    if (bh_cspace_delete(SLOT_CSPACE, slot_of(frame)) != OK)
        bh_log("a frame of an image cannot be deleted");
}

enum status image_memory_frame(uint32_t index, uint32_t frame, char *error, uint32_t error_bytes)
{
    slot_t session, untyped[IPC_CAPS_MAX];
    uint32_t count = 0;
    char why[100] = "";
    enum status status = memory_session_mint(IMAGE_SESSION(index), &session);

    if (status == OK)
        status = mem_chunks_ask(session, 1, untyped, &count, why, sizeof why);
    if (status == OK) {
        status = kept_frame_make(slot_of(frame), untyped[0], (uint64_t)(uintptr_t)image_window(index));
        bh_slot_drop(untyped[0]);
    }
    if (status != OK)
        snprintf(error, error_bytes, "memory for an image: %s", why[0] ? why : bh_status_name(status));
    bh_slot_drop(session);
    return status;
}

enum status image_frame_copy(uint32_t frame, slot_t *copy)
{
    enum status status = ERR_FULL;

    *copy = bh_slot_alloc();
    if (*copy != 0)
        status = bh_cspace_copy(SLOT_CSPACE, slot_of(frame), SLOT_CSPACE, *copy, RIGHT_READ);
    if (status == OK)
        return OK;
    bh_slot_drop(*copy);
    *copy = 0;
    return status;
}
