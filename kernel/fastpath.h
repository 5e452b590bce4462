/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fastpath.h - the short ways of IPC
 */
#ifndef FASTPATH_H
#define FASTPATH_H

#include "kernel.h"

/* From vectors.S: the system call in self->regs, or NULL if it is not the simple case (nothing has changed).
 */
struct vcpu *fast_call(struct vcpu *self);
struct vcpu *fast_reply_recv(struct vcpu *self);
/* ipc_reply_recv() where a guest's exit is answered, but nobody is entered: the dispatcher is to look. False:
 * it is not the simple case (nothing has changed).  kernel_lock held. */
bool answer_exit_and_wait(struct vcpu *self, struct endpoint *ep);
/* vcpu_exit() (fastpath.c) when it is not that simple (ipc.c); kernel_lock held. */
void vcpu_exit_slow(struct vcpu *vcpu, enum exit_label label, const uint64_t words[IPC_WORDS]);

#endif
