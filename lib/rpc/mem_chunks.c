/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mem_chunks.c - see mem_chunks.h
 */
#include "mem_chunks.h"

#include <stdio.h>

#include "bh.h"
#include "mem_rpc.h"

#define MEM_MS 2000u /* mem answers at once; but a restart of it is waited for */

enum status mem_chunks_ask(slot_t session, uint32_t count, slot_t untyped[IPC_CAPS_MAX], uint32_t *got,
                           char *error, size_t error_bytes)
{
    bh_MemAllocRequest request = {.bytes = (uint64_t)count * MEM_CHUNK_BYTES};
    bh_MemAllocReply reply;
    struct rpc_caps caps = {0};
    enum status status = mem_rpc_alloc(session, &request, &reply, &caps, bh_after_ms(MEM_MS));

    *got = 0;
    if (status == OK)
        status = (enum status)reply.status;
    if (status != OK)
        snprintf(error, error_bytes, "%s", reply.error[0] ? reply.error : bh_status_name(status));
    for (uint32_t i = 0; i < caps.out_count; i++) {
        if (status == OK && *got < count)
            untyped[(*got)++] = caps.out[i];
        else
            bh_slot_drop(caps.out[i]);
    }
    if (status == OK && *got == 0) {
        snprintf(error, error_bytes, "mem gave nothing");
        status = ERR_MEM;
    }
    return status;
}
