/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mgmt_call.h - what the methods of the management channel have in common
 */
#ifndef TOOLSTACK_MGMT_CALL_H
#define TOOLSTACK_MGMT_CALL_H

#include "bh.h"
#include "mgmt_wire.h"
#include "net.pb.h"
#include "toolstack.h"

#define WEIGHT_MOST 65535u

/* Say why in call->error; returns `status` (bh_MgmtStatus_...), which is not MGMT_OK. */
uint32_t refuse(struct wire_call *call, uint32_t status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A service did not answer, or answered `status`. */
uint32_t service_fails(struct wire_call *call, const char *service, enum status status);
/* The VM that a request names by its name, id or UUID.  NULL: there is none, and *status says so. */
struct vm *vm_asked(struct wire_call *call, const char *text, uint32_t *status);
/* The same, and it must run (or be paused): else *status is MGMT_STATE. */
struct vm *vm_asked_running(struct wire_call *call, const char *text, uint32_t *status);
/* Its text says what the request waited for, if it did. */
void reply_vm(const struct wire_call *call, bh_MgmtVmReply *reply, const struct vm *vm);
bh_MgmtVmState mgmt_state_of(const struct vm *vm);
/* netdrv's counters as clients get them; *said: they are there. */
void mgmt_traffic(const bh_NetCounters *from, bool *said, bh_MgmtNetCounters *to);
/* "it runs", "it is off" ... */
const char *state_words(const struct vm *vm);

#endif
