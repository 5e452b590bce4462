/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * board_tree.h - the device tree that tells a guest what its board has
 */
#ifndef VMM_BOARD_TREE_H
#define VMM_BOARD_TREE_H

#include <stdint.h>

#include "abi.h"

struct board_facts {
    uint32_t vcpu_count;
    uint64_t ram_size;
    const char *command_line;
    uint64_t ramdisk; /* guest-physical; 0: none */
    uint64_t ramdisk_bytes;
    uint32_t virtio_present; /* bit per place on the virtio-mmio bus */
    const void *seed;        /* random bytes for the guest's kernel; NULL: none */
    uint32_t seed_bytes;
};

/* Write the tree into `buffer`.  ERR_MEM: it is too small. */
enum status board_tree_make(const struct board_facts *facts, void *buffer, uint32_t bytes) BH_NODISCARD;

#endif
