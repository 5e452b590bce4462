/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm.h - what the toolstack knows of each VM
 *
 * One entry per VM record of the boot bundle, in that order, then those that were created over the management
 * channel and exist now; a VM's id is its place + VM_ID_MIN, so it is the same each time the VM is made.
 * A free place has no name.
 */
#ifndef TOOLSTACK_VM_H
#define TOOLSTACK_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "vm.pb.h"
#include "vm_id.h"

#define VMS_MAX 128u /* twice what a boot image holds; ids stay below 0x100 (mem_session.h) */
#define VM_TEXT_BYTES 200u

enum vm_state {
    VM_OFF,       /* nothing of it exists */
    VM_BUILDING,  /* some of it exists: `steps` says what */
    VM_STARTING,  /* its vmm runs and loads the guest */
    VM_RUNNING,   /* the guest runs */
    VM_PRESERVED, /* it ended, its policy keeps it for inspection */
};

/* How a VM comes to its end. */
enum vm_ending {
    END_NONE,
    END_POWEROFF,
    END_REBOOT,
    END_CRASH,
    END_REFUSED,   /* its vmm could not start it */
    END_DESTROYED, /* a person said so */
};

/* What a guest can be asked. */
enum vm_wish {
    WISH_SHUTDOWN,
    WISH_REBOOT,
};

/* What exists of a VM and must be undone; also set while it is being made. */
enum {
    STEP_SCHED = 1,
    STEP_MEM = 2,
    STEP_CONSOLE = 4,
    STEP_DOMAIN = 8,
    STEP_DISK0 = 16,     /* << disk index */
    STEP_RAM0 = 256,     /* << disk index: the session at mem of a ram volume */
    STEP_NET0 = 4096,    /* << interface index */
    STEP_IMAGE0 = 65536, /* << 0 kernel, 1 ramdisk: the session of an image volume, until the guest runs */
    STEP_NET_BLOCK =
        1 << 18, /* the sessions at mem of the blocks that its interfaces share with netdrv, ... */
    STEP_BLK_BLOCK = 1 << 19, /* ... its disks with blkdrv */
};

struct vm {
    bh_VmConfig config; /* as its file said, with vm_id */
    enum vm_state state;
    bool is_paused;   /* its vCPUs get no time; while it starts: from the moment that it has started */
    bool is_heard;    /* its guest has a driver for the power key */
    bool is_stopping; /* its guest was asked to shut down */
    bool has_balloon; /* its guest has a driver for the balloon ... */
    uint64_t given;   /* ... and has put so many bytes into it */
    uint64_t memory;  /* bytes that it started with */
    uint64_t target;  /* bytes that it is to have of them; 0: all */
    uint32_t steps;
    uint32_t sure;             /* of those: what certainly exists; not known over a restart of ours */
    uint32_t changing;         /* bit per drive: its volume is just being changed */
    uint32_t read_only_drives; /* bit per drive: what its guest's driver takes it for, until its next start */
    bool has_next;             /* ts->next has what it will be at its next start */
    bool is_record;            /* it came with the boot bundle: known also when it is off */
    uint32_t starts;           /* how often it was started */
    uint64_t started;          /* bh_now() at its last start */
    uint64_t start_us;         /* from there until its guest ran; 0: it has not */
    uint32_t quick_ends;       /* how often in a row it ended within seconds */
    enum vm_ending ending;     /* reported, not dealt with yet; of a preserved VM: how it ended */
    char text[VM_TEXT_BYTES];  /* of that ending; printable */
};

static inline uint32_t vm_id(const struct vm *vm)
{
    return vm->config.vm_id;
}

/* There is something of it in the machine that runs. */
static inline bool vm_is_alive(const struct vm *vm)
{
    return vm->state == VM_BUILDING || vm->state == VM_STARTING || vm->state == VM_RUNNING;
}

#endif
