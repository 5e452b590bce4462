/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.c - see machine.h: every call of the kernel but the NIC's
 *
 * Our CSpace outlives us (keep_cspace in system/bulkhead.toml).  At its end are slots with a fixed meaning:
 * the Frame of each block, the Notification of each port's vmm, by which it is woken after our restart, and
 * the doorbell of each port.
 *
 * Always true:  a block's Frame hangs on mem's own chunk and ends when mem revokes that: for us, for the vmm
 * that has a copy of it, at once.  The toolstack sees to it that no session of that VM is open then.
 */
#include "machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "caps_netdrv.h"
#include "mem_chunks.h"
#include "net_ring.h"
#include "netdrv.h"
#include "serve.h"

#define CSPACE_SLOTS (1u << CAP_CSPACE_BITS)
#define BLOCK_SLOT0 (CSPACE_SLOTS - 2u * PORTS_MAX - BLOCKS_MAX)
#define NOTIFY_SLOT0 (CSPACE_SLOTS - 2u * PORTS_MAX)
#define DOORBELL_SLOT0 (CSPACE_SLOTS - PORTS_MAX)
#define PAGE_BYTES 4096u

_Static_assert(DOMAIN_PERSIST *PAGE_BYTES == PERSIST_SESSION_BYTES + PERSIST_FLOW_BYTES,
               "system/bulkhead.toml: persist of netdrv");
_Static_assert(PERSIST_FLOW_BYTES >= NAT_FLOWS * sizeof(struct nat_flow), "room for all flows");

void machine_log(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    bh_log_args(format, args);
    va_end(args);
}

uint64_t machine_now_us(void)
{
    return bh_ticks_to_us(bh_now());
}

uint8_t *machine_persistent(void)
{
    return (uint8_t *)(uintptr_t)PERSIST_IPA;
}

uint8_t *machine_flows(void)
{
    return (uint8_t *)(uintptr_t)(PERSIST_IPA + PERSIST_SESSION_BYTES);
}

/* lib/bh is told, again, which slots it may give out: not those with a fixed meaning. */
void machine_tidy(void)
{
    for (slot_t slot = CAP_FIRST_FREE; slot < BLOCK_SLOT0; slot++)
        if (bh_cspace_delete(SLOT_CSPACE, slot) != OK)
            bh_panic("slot %u cannot be emptied", (unsigned)slot);
    memset(bh_ipcbuf->recv_slots, 0, sizeof(bh_ipcbuf->recv_slots));
    bh_slots_init(CAP_FIRST_FREE, BLOCK_SLOT0);
}

/* ---- blocks ------------------------------------------------------------------------------------------ */

static uint64_t block_ipa(uint32_t block)
{
    static uint64_t first;

    if (first == 0)
        first = bh_ipa_alloc_2m(BLOCKS_MAX);
    return first + (uint64_t)block * NET_BLOCK_BYTES;
}

uint8_t *machine_block(uint32_t block)
{
    return (uint8_t *)(uintptr_t)block_ipa(block);
}

slot_t machine_block_frame(uint32_t block)
{
    return BLOCK_SLOT0 + block;
}

enum status machine_block_resume(uint32_t block)
{
    return bh_map(machine_block_frame(block), block_ipa(block), RIGHT_READ | RIGHT_WRITE);
}

enum status machine_block_fetch(uint32_t block, slot_t memory, char *error, size_t error_bytes)
{
    slot_t untyped[IPC_CAPS_MAX], frame = machine_block_frame(block);
    uint32_t count;
    enum status status = mem_chunks_ask(memory, 1, untyped, &count, error, error_bytes);

    if (status != OK)
        return status;
    status = bh_cspace_delete(SLOT_CSPACE, frame);
    if (status == OK)
        status = bh_untyped_retype(untyped[0], CAP_FRAME, FRAME_2M, 1, SLOT_CSPACE, frame);
    if (status == OK)
        status = machine_block_resume(block);
    if (status != OK)
        snprintf(error, error_bytes, "mapping its memory: %s", bh_status_name(status));
    bh_slot_drop(untyped[0]);
    return status;
}

/* ---- ports ------------------------------------------------------------------------------------------- */

slot_t machine_port_doorbell(uint32_t port)
{
    slot_t slot = DOORBELL_SLOT0 + port;
    enum status status =
        bh_cspace_mint(SLOT_CSPACE, SLOT_EVENTS, SLOT_CSPACE, slot, RIGHT_WRITE, EV_BELL(port % PORT_BELLS));

    return status == OK || status == ERR_FULL ? slot : 0; /* ERR_FULL: it is there */
}

enum status machine_port_notify(uint32_t port, slot_t slot)
{
    enum status status = bh_cspace_delete(SLOT_CSPACE, NOTIFY_SLOT0 + port);

    if (status == OK)
        status = bh_cspace_move(SLOT_CSPACE, slot, SLOT_CSPACE, NOTIFY_SLOT0 + port);
    if (status == OK)
        bh_slot_free(slot);
    else
        bh_slot_drop(slot);
    return status;
}

void machine_port_signal(uint32_t port)
{
    enum status status = bh_notification_signal(NOTIFY_SLOT0 + port);

    (void)status;
}

/* Copies of the doorbell that others hold go with it.  ERR_CAP: nobody has had one. */
void machine_port_forget(uint32_t port)
{
    enum status status = bh_cspace_revoke(SLOT_CSPACE, DOORBELL_SLOT0 + port);

    if (status == OK)
        status = bh_cspace_delete(SLOT_CSPACE, DOORBELL_SLOT0 + port);
    if ((status != OK && status != ERR_CAP) || bh_cspace_delete(SLOT_CSPACE, NOTIFY_SLOT0 + port) != OK)
        bh_panic("port %u: what its last holder had cannot be taken back", (unsigned)port);
}
