/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * start.h - what becomes of a VM that is being started: its vmm may still refuse, for instance an image that
 * is no kernel
 */
#ifndef BH_START_H
#define BH_START_H

#include "client.h"
#include "verb.h"

/* Where the machine's log ends now: asked for before the VM is made. */
uint64_t log_end(struct client *client);
/* Wait until the VM runs, or has ended.  If it could not start, the tool ends with the reason, which stands
 * in the log behind `log`.  One that is still being started after the patience (60 s) is left to itself. */
void start_await(struct client *client, const struct args *args, const bh_MgmtVmReply *vm, uint64_t log);

#endif
