/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * build.h - between the files that make and unmake parts of VMs (build.c, disks.c)
 */
#ifndef TOOLSTACK_BUILD_H
#define TOOLSTACK_BUILD_H

#include "toolstack.h"

/* The outcome of a request: what the message's way said, then what the server said.  `what` names the
 * resource. */
enum status judge(enum status asked, uint32_t answered, const char *text, const char *what,
                  char *error) BH_NODISCARD;
/* It may exist from now on: noted before it is asked for. */
void step_begin(struct toolstack *ts, struct vm *vm, uint32_t step);
/* A service may be restarting just now, or still have requests in a device: try again before giving up aloud.
 * What was never done is answered ERR_EXIST. */
void undo(struct toolstack *ts, struct vm *vm, uint32_t step, uint32_t argument,
          enum status (*once)(const struct vm *vm, uint32_t argument, char *error));

/* ---- disks.c */
enum status vm_open_disks(struct toolstack *ts, struct vm *vm, char *error) BH_NODISCARD;
void vm_close_disks(struct toolstack *ts, struct vm *vm);
/* The session of this number; vmm_stays: its vmm goes on (idl/blk.proto). */
enum status blk_close(const struct vm *vm, uint32_t place, bool vmm_stays, char *error) BH_NODISCARD;

#endif
