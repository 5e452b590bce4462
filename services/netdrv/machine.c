/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.c - see machine.h: every call of the kernel but the NIC's
 *
 * Our CSpace outlives us (keep_cspace in system/bulkhead.toml).  At its end are slots with a fixed meaning:
 * the Notification of each port's vmm, by which it is woken after our restart, and the doorbell of each port.
 *
 * Always true:  a ring or pool frame is mapped into our own address space by init's capability; what a vmm
 * got is a copy of the one in the CAP_RINGS row, so that revoking that takes the vmm's away and leaves our
 * mapping.  init fills the row once, so this holds for copies that were made before a restart, too.
 */
#include "machine.h"

#include <stdarg.h>
#include <string.h>

#include "bh.h"
#include "caps_netdrv.h"
#include "net_ring.h"
#include "netdrv.h"
#include "serve.h"

#define CSPACE_SLOTS (1u << CAP_CSPACE_BITS)
#define NOTIFY_SLOT0 (CSPACE_SLOTS - 2u * PORTS_MAX)
#define DOORBELL_SLOT0 (CSPACE_SLOTS - PORTS_MAX)
#define PAGE_BYTES 4096u

_Static_assert(CAP_RINGS_COUNT == PORTS_MAX * NET_FRAMES_PER_CLIENT, "system/bulkhead.toml: rings of netdrv");
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
    for (slot_t slot = CAP_FIRST_FREE; slot < NOTIFY_SLOT0; slot++)
        if (bh_cspace_delete(SLOT_CSPACE, slot) != OK)
            bh_panic("slot %u cannot be emptied", (unsigned)slot);
    memset(bh_ipcbuf->recv_slots, 0, sizeof(bh_ipcbuf->recv_slots));
    bh_slots_init(CAP_FIRST_FREE, NOTIFY_SLOT0);
}

/* ---- ports ------------------------------------------------------------------------------------------ */

uint8_t *machine_port_page(uint32_t port, uint32_t page)
{
    return (uint8_t *)(uintptr_t)(RINGS_IPA + ((uint64_t)port * NET_FRAMES_PER_CLIENT + page) * PAGE_BYTES);
}

slot_t machine_port_frame(uint32_t port, uint32_t page)
{
    return CAP_RINGS + port * NET_FRAMES_PER_CLIENT + page;
}

enum status machine_port_prepare(uint32_t port)
{
    enum status status = OK;

    machine_port_forget(port);
    for (uint32_t i = 0; i < NET_FRAMES_PER_CLIENT && status == OK; i++)
        status = bh_cspace_revoke(SLOT_CSPACE, machine_port_frame(port, i));
    if (status != OK)
        return status;
    memset(machine_port_page(port, 0), 0, (size_t)NET_FRAMES_PER_CLIENT * PAGE_BYTES);
    return OK;
}

slot_t machine_port_doorbell(uint32_t port)
{
    slot_t slot = DOORBELL_SLOT0 + port;
    enum status status =
        bh_cspace_mint(SLOT_CSPACE, SLOT_EVENTS, SLOT_CSPACE, slot, RIGHT_WRITE, EV_PORT(port));

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

static slot_t owed; /* a Notification that is signalled with the next wait; 0: none */

void machine_port_signal(uint32_t port)
{
    enum status status = owed == 0 ? OK : bh_notification_signal(owed);

    (void)status; /* a vmm that is gone */
    owed = NOTIFY_SLOT0 + port;
}

enum status machine_recv(uint64_t deadline, struct bh_msg *msg)
{
    slot_t slot = owed;

    owed = 0;
    if (slot != 0) {
        enum status status = bh_signal_recv(slot, SLOT_CONTROL, deadline, msg);

        if (status == OK || status == ERR_TIME)
            return status;
    }
    return bh_recv(SLOT_CONTROL, deadline, msg);
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
