/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * owed.h - a signal that goes out with the next wait: one call of the kernel instead of two
 *
 * While a thread serves an exit or an event it may owe one signal.  Before it waits it takes it, and waits by
 * bh_endpoint_signal_reply_recv(); before it lets go of vm->lock to ask somebody something it sends it.
 *
 * Always true: what is owed changes under vm->lock.  But a signal that was taken goes out after the lock was
 * given, and that may be long after: a vCPU's thread has its guest's time only.
 */
#ifndef VMM_OWED_H
#define VMM_OWED_H

#include "abi.h"

/* Signal this Notification soon; if another signal is owed already: now.  What is not OK did not go out. */
enum status owed_signal(slot_t notification) BH_NODISCARD;
/* What is owed goes out now.  What does not stays owed: the next wait sees to it. */
void owed_send(void);
/* The Notification that is owed a signal, 0: none.  The caller signals it. */
slot_t owed_take(void);

#endif
