/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.c - see machine.h: every call of the kernel but the NIC's
 *
 * What outlives us is lib/rpc/kept.h's affair.
 */
#include "machine.h"

#include <stdarg.h>

#include "bh.h"
#include "caps_netdrv.h"
#include "kept.h"
#include "net_ring.h"
#include "netdrv.h"
#include "serve.h"

#define PAGE_BYTES 4096u

_Static_assert(DOMAIN_PERSIST *PAGE_BYTES == PERSIST_SESSION_BYTES + PERSIST_FLOW_BYTES,
               "system/bulkhead.toml: persist of netdrv");
_Static_assert(PERSIST_FLOW_BYTES >= NAT_FLOWS * sizeof(struct nat_flow), "room for all flows");
_Static_assert(NET_BLOCK_BYTES == BLOCK_BYTES && BLOCKS_MAX == PORTS_MAX,
               "lib/rpc/kept.h has as many of both");

static struct kept kept;

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

void machine_tidy(void)
{
    kept_start(&kept, CAP_FIRST_FREE, 1u << CAP_CSPACE_BITS, PORTS_MAX, 0);
}

/* ---- blocks and ports: see kept.h -------------------------------------------------------------------- */

uint8_t *machine_block(uint32_t block)
{
    return kept_block(&kept, block);
}

slot_t machine_block_frame(uint32_t block)
{
    return kept_frame(&kept, block);
}

enum status machine_block_fetch(uint32_t block, slot_t memory, char *error, size_t error_bytes)
{
    return kept_block_fetch(&kept, block, memory, error, error_bytes);
}

enum status machine_block_resume(uint32_t block)
{
    return kept_block_resume(&kept, block);
}

slot_t machine_port_doorbell(uint32_t port)
{
    return kept_doorbell(&kept, port, EV_BELL(port % PORT_BELLS));
}

enum status machine_port_notify(uint32_t port, slot_t slot)
{
    return kept_notify(&kept, port, slot);
}

static slot_t owed; /* a Notification that is signalled with the next wait; 0: none */

void machine_port_signal(uint32_t port)
{
    enum status status = owed == 0 ? OK : bh_notification_signal(owed);

    (void)status; /* a vmm that is gone */
    owed = kept_notification(&kept, port);
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

void machine_port_forget(uint32_t port)
{
    kept_forget(&kept, port);
}
