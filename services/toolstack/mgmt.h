/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mgmt.h - the toolstack's end of the management channel (docs/management.md)
 *
 * Requests come as frames through a ring that the console domain fills, and are answered through another one
 * (lib/ring/mgmt_ring.h), one after the other.  A frame is only taken when its answer has room: so nothing
 * here waits for the host, and no answer is lost.
 */
#ifndef TOOLSTACK_MGMT_H
#define TOOLSTACK_MGMT_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "lib/mgmt/frame.h"
#include "mgmt_ring.h"
#include "waits.h"

#define MGMT_EVENT 0x40u /* of our events Notification: the rings moved (system/bulkhead.toml) */
#define BOOT_ID_BYTES 16u

struct mgmt {
    bool is_up;               /* attached, the rings are open */
    bool is_absent;           /* the machine has no management port */
    struct mgmt_rings *rings; /* NULL: not mapped yet */
    uint32_t generation;      /* of the console, at our MgmtAttach */
    struct byte_ring up, down;
    slot_t doorbell;
    bool again; /* there is more to do at once */
    struct waits waits;
    char waited[WAITS_TEXT_BYTES]; /* what the request that is served now waited for; "" */
    uint8_t boot_id[BOOT_ID_BYTES];
    char machine[32];
    uint8_t in[FRAME_BYTES_MAX];
    uint8_t out[FRAME_BYTES_MAX];
};

struct toolstack;

/* Attach, if the machine has a management port. */
void mgmt_start(struct toolstack *ts);
/* Serve what came; attach again when the console has restarted.  is_told: it says that there is something. */
void mgmt_run(struct toolstack *ts, bool is_told);

/* Work on a VM ("start") is over that began then: whose request came meanwhile has waited for it. */
void mgmt_worked(struct toolstack *ts, const char *work, const char *vm, uint64_t began);

/* A VM's name as people may say it; returns false and why not. */
bool mgmt_name_is_good(const char *name, char *error, uint32_t error_bytes);

#endif
