/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ipc.h - what else touches a vCPU's waiting
 */
#ifndef IPC_H
#define IPC_H

#include "kernel.h"

void ipc_deliver_signal(struct vcpu *vcpu, uint64_t bits); /* RECEIVING: its bound notification fired */
void ipc_timeout(struct vcpu *vcpu, uint64_t t);           /* its timer expired, at t */
void wait_until(struct vcpu *vcpu, uint64_t deadline);     /* it has just blocked */
void notification_leave(struct vcpu *vcpu);
void notification_unlink_virq(struct notification *notification);
void sc_lend(struct vcpu *caller, struct vcpu *server);
void sc_take_back(struct vcpu *caller);
void sc_detach(struct sc *sc);
struct sc *vcpu_sc(const struct vcpu *vcpu);
void ipc_orphan_caller(struct vcpu *server); /* it will never answer */

/* `count` bytes, at most IPC_BYTES_MAX, between the `data` of two buffers. */
void ipc_copy(uint8_t *to, const uint8_t *from, uint32_t count);

/* The six calls are declared in sys.h: x[1] = endpoint slot, x[2] = info, x[3..8] words, x[9] deadline. */

#endif
