/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm_slots.h - where a vmm expects its sessions
 *
 * A file of its own: the slots of two domains cannot be named in one (CAP_MEM is one number here and another
 * there).
 */
#ifndef TOOLSTACK_VMM_SLOTS_H
#define TOOLSTACK_VMM_SLOTS_H

#include "abi.h"

#define VMM_DISKS_MAX 4u
#define VMM_NETS_MAX 4u
#define VMM_IMAGES_MAX 2u

struct vmm_slots {
    slot_t mem, sched, console, toolstack;
    slot_t disk[VMM_DISKS_MAX];
    slot_t image_volume[VMM_IMAGES_MAX]; /* kernel, ramdisk */
    slot_t net[VMM_NETS_MAX];
    uint64_t memory_bytes; /* what a vmm is made from */
};
extern const struct vmm_slots vmm_slots;

#endif
