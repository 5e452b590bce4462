/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy.h - what happens when a VM ends
 */
#ifndef TOOLSTACK_POLICY_H
#define TOOLSTACK_POLICY_H

#include "vm.h"

enum action {
    ACTION_DESTROY,  /* nothing stays */
    ACTION_RESTART,  /* destroy, then make it again */
    ACTION_PRESERVE, /* leave it as it is, for inspection */
};

/* Ends within QUICK_SECONDS of the start, so often in a row, are not answered with another start. */
#define QUICK_SECONDS 5u
#define QUICK_ENDS_MAX 3u

/* Judge an ending; counts quick ones in the VM. */
enum action policy_decide(struct vm *vm, enum vm_ending ending, uint64_t lived_seconds);

/* The exit status that this ending of a VM means for whoever started the machine for it. */
uint32_t policy_exit_status(enum vm_ending ending);

/* "powered off", "crashed" ... */
const char *policy_ending_name(enum vm_ending ending);

#endif
