/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * toolstack.h - the toolstack's state, and who does what in it
 */
#ifndef TOOLSTACK_TOOLSTACK_H
#define TOOLSTACK_TOOLSTACK_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "blk.pb.h"
#include "images.h"
#include "init.pb.h"
#include "mem.pb.h"
#include "mgmt.h"
#include "net.pb.h"
#include "sched.pb.h"
#include "vm.h"

#define OUT_BYTES 900u   /* bh.WriteRequest.text */
#define ERROR_BYTES 240u /* a whole line that says what was refused */
#define VM_ID_NONE 0u

/* Deadlines, in milliseconds. */
#define ASK_MS 1000u
#define BUILD_MS 10000u /* making, ending: what takes as long as a VM is large */

struct out {
    char text[OUT_BYTES];
    uint32_t count;
    bool gave_up; /* the wire took nothing for PATIENCE_MS: what follows is tried once and thrown away */
};

struct toolstack {
    struct vm vms[VMS_MAX];
    bh_VmConfig next[VMS_MAX]; /* of those with has_next */
    uint32_t vm_count;         /* places that were ever used */
    uint32_t record_count;     /* the first of them are the records */
    uint32_t next_place;       /* of a VM that is created: an id is not used again at once */
    struct image images[IMAGES_MAX];
    uint32_t image_number; /* of the next one */
    uint32_t stale_images; /* bit: a session at mem may be there that no image has */
    struct mgmt mgmt;
    uint64_t events; /* that came while something else was looked for */
    bool off_due;    /* a client asked for the machine's end: after the answer */
    char options[512];
    struct vm *only;      /* the VM whose console alone is on the wire ("console=NAME"), or NULL */
    bool input_ended;     /* the machine goes off when no VM is alive any more */
    uint32_t exit_status; /* of the machine, and why: the first thing that went wrong */
    char exit_text[ERROR_BYTES];
    slot_t pause; /* a Notification that nobody signals: to wait on, for a while */
    struct out out;
};

/* ---- main.c */
/* Answer the vmms that report just now: they have a deadline, and what is done between two requests may be
 * long. */
void reports_serve(struct toolstack *ts);

/* ---- start.c */
void toolstack_start(struct toolstack *ts);

/* ---- persist.c: what must be known after the toolstack died */
void toolstack_save(const struct toolstack *ts);
/* The configuration of a VM that is no record, or no longer says what its record said; the next one, if it
 * has one: a toolstack that restarts takes that for what the VM is. */
void toolstack_save_config(const struct toolstack *ts, const struct vm *vm);
/* True: a run before this one left its state, and `ts` (records loaded already) has it. */
bool toolstack_load(struct toolstack *ts);

/* ---- out.c: words for the person */
void out_printf(struct toolstack *ts, const char *format, ...) __attribute__((format(printf, 2, 3)));
void out_begin(struct toolstack *ts);  /* something new: be patient again */
void out_prompt(struct toolstack *ts); /* flush; the command is done */
void out_flush(struct toolstack *ts);
void out_raw(struct toolstack *ts, const char *text); /* onto the wire, whoever has it */
void out_drain(struct toolstack *ts);                 /* wait (bounded) until the wire has it all */
void toolstack_pause(struct toolstack *ts, uint32_t ms);

/* ---- build.c: a VM from nothing, and back */
/* paused: its vCPUs get no time before it is unpaused.  Refused: nothing of it is left, and `error` says what
 * refused and why. */
enum status vm_create(struct toolstack *ts, struct vm *vm, bool paused, char error[ERROR_BYTES]) BH_NODISCARD;
/* Undo what there is of it, as often as it takes.  keep_focus: its console keeps the wire. */
void vm_destroy(struct toolstack *ts, struct vm *vm, bool keep_focus);

/* Its guest runs, so its vmm has read the image volumes. */
void vm_close_images(struct toolstack *ts, struct vm *vm);
/* Pull the cable of an interface of a VM that exists; plug it in again, as `vif` says.  Refused: `error`. */
enum status vm_net_unplug(const struct vm *vm, uint32_t index, char error[ERROR_BYTES]) BH_NODISCARD;
enum status vm_net_replug(const struct vm *vm, uint32_t index, const bh_Vif *vif,
                          char error[ERROR_BYTES]) BH_NODISCARD;

/* ---- disks.c: the volumes in a VM's drives */
/* Each of them a drive, none twice; else `error` says what is wrong. */
bool vm_disks_are_good(const bh_VmConfig *config, char *error, uint32_t error_bytes);
/* What is in the drive at this place (vdev.h); NULL: it is empty. */
bh_Disk *vm_disk(struct vm *vm, uint32_t place);
/* Put a volume into an empty drive, or make a drive empty, now and at its next start.  Refused: `error` says
 * why; ERR_EXIST: it is empty. */
enum status vm_disk_insert(struct toolstack *ts, struct vm *vm, const bh_Disk *disk,
                           char error[ERROR_BYTES]) BH_NODISCARD;
enum status vm_disk_eject(struct toolstack *ts, struct vm *vm, uint32_t place,
                          char error[ERROR_BYTES]) BH_NODISCARD;
/* We died: the drives that were just being changed are empty. */
void vm_disks_adopt(struct toolstack *ts, struct vm *vm);

/* ---- balloon.c: the memory of VMs that run */
/* From now on it is to have so many bytes; what more it has it gives back when its guest follows.  Refused:
 * `error` says why; ERR_ARG: this many make no sense for it. */
enum status vm_set_memory(struct toolstack *ts, struct vm *vm, uint64_t bytes,
                          char error[ERROR_BYTES]) BH_NODISCARD;
/* Its vmm has started: what it was to have before it rebooted counts again. */
void vm_memory_ready(struct toolstack *ts, struct vm *vm);
/* Bytes that it has of the machine's memory, without what its vmm is made from.  False: mem does not answer.
 */
bool vm_memory_held(const struct vm *vm, uint64_t *bytes);
/* What its vmm is made from, as mem gives it. */
uint64_t vmm_memory(void);

/* ---- grants.c: the sessions of a new vmm */
enum status vm_grant(struct vm *vm, char *error, uint32_t size) BH_NODISCARD;
/* A session at mem with this badge, for blkdrv or init, in a fresh slot: the caller's to drop. */
enum status memory_session_mint(uint64_t badge, slot_t *session) BH_NODISCARD;

/* ---- vms.c: the places of VMs */
/* A place for a VM that is no record; NULL: all are taken.  Its configuration is a copy of `config`. */
struct vm *vm_add(struct toolstack *ts, const bh_VmConfig *config);
/* From its next start on it is what `config` says; at once if it is off.  Its id, name and UUID stay. */
void vm_change(struct toolstack *ts, struct vm *vm, const bh_VmConfig *config);
/* It is being started: what was changed is in force. */
void vm_take_next(struct toolstack *ts, struct vm *vm);
/* Forget those that were created and do not exist any more. */
void vms_forget(struct toolstack *ts);
/* The VM that a person means: by name, id or UUID.  NULL: there is none. */
struct vm *vm_named(struct toolstack *ts, const char *text);

/* The label of the volume that is its kernel (0) or ramdisk (1); NULL: that is no volume. */
const char *vm_image_volume(const struct vm *vm, uint32_t index);

/* ---- life.c: what becomes of VMs, and of the machine */
struct vm *vm_find(struct toolstack *ts, const char *name);
struct vm *vm_of_id(struct toolstack *ts, uint64_t id);
void vm_start(struct toolstack *ts, struct vm *vm);
/* Signal these events (vmm_events.h) to its vmm. */
enum status vmm_tell(const struct vm *vm, uint64_t events, char *error) BH_NODISCARD;
/* Stop giving its vCPUs time, or go on; of a VM that starts or runs.  Refused: `error` says by whom and why.
 */
enum status vm_pause(struct toolstack *ts, struct vm *vm, bool paused, char error[ERROR_BYTES]) BH_NODISCARD;
/* Ask its guest to shut down or to reboot: what it does is its own affair.  Refused: `error` says why. */
enum status vm_ask(struct toolstack *ts, struct vm *vm, enum vm_wish wish,
                   char error[ERROR_BYTES]) BH_NODISCARD;
/* Note that a VM ended; life_go_on() deals with it. */
void vm_report(struct vm *vm, enum vm_ending ending, const char *text);
void life_collect_deaths(struct toolstack *ts);
void life_go_on(struct toolstack *ts);
void life_machine_off(struct toolstack *ts);
void console_give(struct toolstack *ts, uint32_t id);

/* ---- verbs.c, info.c: what a person can say */
void verbs_serve(struct toolstack *ts);
void info_list(struct toolstack *ts);
void info_machine(struct toolstack *ts);
void info_vm(struct toolstack *ts, const struct vm *vm);
#define INFO_ROWS_MAX 256u /* of a service's table: more are not asked for */
/* As `xl list` shows it: "r-----". */
const char *info_state_letters(const struct vm *vm);
/* What a service says of itself.  Refused: it does not answer. */
enum status info_init(bh_InitInfoReply *info) BH_NODISCARD;
enum status info_memory(bh_MemInfoReply *info) BH_NODISCARD;
/* The index-th SchedContext that sched knows, with its vCPU's exits if they are wanted; false past the last.
 */
bool info_sched_row(uint32_t index, bool exits, bh_SchedInfoReply *row);
/* What blkdrv and netdrv say of this session (vm_id << 8 | index).  False: they do not know it, or do not
 * answer. */
bool info_disk_row(uint32_t session, bh_BlkInfoReply *row);
bool info_interface_row(uint32_t session, bh_NetInfoReply *row);
/* CPU time of each VM's SchedContexts, in microseconds. */
void info_cpu_us(const struct toolstack *ts, uint64_t us[VMS_MAX]);

#endif
