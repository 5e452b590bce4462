/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm_slots.c - where a vmm expects its sessions, and what it needs: template.vmm of system/bulkhead.toml
 */
#include "vmm_slots.h"

#include "caps_vmm.h"

const struct vmm_slots vmm_slots = {
    .mem = CAP_MEM,
    .sched = CAP_SCHED,
    .console = CAP_CONSOLE,
    .toolstack = CAP_TOOLSTACK,
    .disk = {CAP_BLK0, CAP_BLK1, CAP_BLK2, CAP_BLK3},
    .image_volume = {CAP_KERNEL_VOLUME, CAP_RAMDISK_VOLUME},
    .net = {CAP_NET0, CAP_NET1, CAP_NET2, CAP_NET3},
    .memory_bytes = DOMAIN_MEMORY_BYTES,
};
