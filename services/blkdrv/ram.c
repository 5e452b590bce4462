/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ram.c - see machine.h: the memory of ram volumes, from mem into our address space
 *
 * Always true:  a chunk that is mapped is one 2 MiB Frame in the slot of that chunk, which we keep over a
 * restart.  The Untyped that brought it is dropped at once: the Frame then hangs on mem's own chunk, and ends
 * when mem revokes that.
 */
#include "ram.h"

#include <stdio.h>

#include "bh.h"
#include "kept.h"
#include "machine.h"
#include "mem_chunks.h"
#include "ram_volume.h"

static uint64_t area_ipa(void)
{
    static uint64_t ipa;

    if (ipa == 0)
        ipa = bh_ipa_alloc_2m(RAM_CHUNKS_MAX);
    return ipa;
}

uint8_t *machine_ram(void)
{
    return (uint8_t *)(uintptr_t)area_ipa();
}

static slot_t frame_of(uint32_t chunk)
{
    return machine_ram_row() + chunk;
}

static uint64_t ipa_of(uint32_t chunk)
{
    return area_ipa() + chunk * RAM_VOLUME_CHUNK;
}

/* Ask for up to `count` chunks and map what comes; *mapped says how many that were. */
static enum status chunks_fetch(slot_t session, uint32_t first, uint32_t count, uint32_t *mapped, char *error,
                                size_t error_bytes)
{
    slot_t untyped[IPC_CAPS_MAX];
    uint32_t got;
    enum status status = mem_chunks_ask(session, count, untyped, &got, error, error_bytes);

    *mapped = 0;
    for (uint32_t i = 0; i < got; i++) {
        if (status == OK)
            status = kept_frame_make(frame_of(first + i), untyped[i], ipa_of(first + i));
        if (status == OK)
            ++*mapped;
        bh_slot_drop(untyped[i]);
    }
    if (got > 0 && status != OK)
        snprintf(error, error_bytes, "mapping it: %s", bh_status_name(status));
    return status;
}

enum status machine_ram_map(slot_t session, uint32_t first, uint32_t count, char *error, size_t error_bytes)
{
    enum status status = OK;
    uint32_t done = 0, mapped;

    while (status == OK && done < count) {
        status = chunks_fetch(session, first + done, count - done, &mapped, error, error_bytes);
        done += mapped;
    }
    if (status != OK)
        machine_ram_unmap(first, done);
    return status;
}

enum status machine_ram_resume(uint32_t first, uint32_t count)
{
    enum status status = OK;

    for (uint32_t i = first; i < first + count && status == OK; i++)
        status = kept_frame_resume(frame_of(i), ipa_of(i));
    return status;
}

/* Deleting a mapped Frame unmaps it. */
void machine_ram_unmap(uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++)
        if (bh_cspace_delete(SLOT_CSPACE, frame_of(i)) != OK)
            bh_panic("chunk %u cannot be let go of", (unsigned)i);
}
