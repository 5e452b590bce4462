/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * build.h - between the files that make and unmake parts of VMs (build.c, disks.c, nets.c)
 */
#ifndef TOOLSTACK_BUILD_H
#define TOOLSTACK_BUILD_H

#include "blk.pb.h"
#include "rpc.h"
#include "toolstack.h"

/* The outcome of a request: what the message's way said, then what the server said.  `what` names the
 * resource. */
enum status judge(enum status asked, uint32_t answered, const char *text, const char *what,
                  char *error) BH_NODISCARD;
/* It may exist from now on: noted before it is asked for. */
void step_begin(struct toolstack *ts, struct vm *vm, uint32_t step);
/* Sessions that were lent for a call, and what came back unasked. */
void caps_drop(const struct rpc_caps *caps);
/* A block that the VM shares with a driver (lib/rpc/kept.h) is a session of its own at mem; the driver gets
 * it with Open, to fetch the memory for the VM's first disk or interface. */
enum status vm_open_block(struct toolstack *ts, struct vm *vm, uint32_t step, uint32_t session,
                          const char *what, char *error) BH_NODISCARD;
enum status memory_close(uint32_t session, const char *what, char *error) BH_NODISCARD;
/* Undo STEP_BLK_BLOCK and STEP_NET_BLOCK where no session at the driver is left. */
void undo_blocks(struct toolstack *ts, struct vm *vm);
/* A service may be restarting just now: try again before giving up aloud.  Requests that a disk still has in
 * the device are waited for: blkdrv sees to it that they have an end.  What was never done is answered
 * ERR_EXIST. */
void undo(struct toolstack *ts, struct vm *vm, uint32_t step, uint32_t argument,
          enum status (*once)(const struct vm *vm, uint32_t argument, char *error));

/* ---- nets.c */
enum status vm_open_nets(struct toolstack *ts, struct vm *vm, char *error) BH_NODISCARD;
void vm_close_nets(struct toolstack *ts, struct vm *vm);

/* ---- disks.c */
enum status vm_open_disks(struct toolstack *ts, struct vm *vm, char *error) BH_NODISCARD;
void vm_close_disks(struct toolstack *ts, struct vm *vm);
/* Open the session of this number on a volume; `ram`: the session at mem of a ram volume, which is dropped;
 * 0: none.  *asked: blkdrv may have it open. */
enum status blk_open(struct toolstack *ts, struct vm *vm, uint32_t step, const bh_BlkOpenRequest *request,
                     slot_t ram, const char *what, bool *asked, char *error) BH_NODISCARD;
/* ERR_STATE: the volume is free, but requests are still in the device, which uses the VM's block. */
enum status blk_close(const struct vm *vm, uint32_t place, char *error) BH_NODISCARD;

#endif
