/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image_volume.h - a guest's image that is a volume of the machine's disk, read by its own vmm
 *
 * `volume/LABEL` in a VM's configuration names it; the toolstack opens a read-only session at blkdrv for it,
 * and closes that when the guest runs (docs/decisions/0012-image-volumes-are-read-by-the-vmm.md).
 */
#ifndef VMM_IMAGE_VOLUME_H
#define VMM_IMAGE_VOLUME_H

#include <stddef.h>
#include <stdint.h>

#include "abi.h"

enum image_volume {
    IMAGE_KERNEL,
    IMAGE_RAMDISK,
};

/* Attach to its session.  *bytes: how large the volume is.  Returns an error with its words. */
enum status image_volume_open(enum image_volume which, uint64_t *bytes, char *error,
                              size_t error_bytes) BH_NODISCARD;
/* Read from its start; `bytes` is a multiple of 512, within the volume.  Waits for the disk, over restarts of
 * blkdrv, but not for ever: ERR_TIME. */
enum status image_volume_read(enum image_volume which, uint8_t *to, uint64_t bytes, char *error,
                              size_t error_bytes) BH_NODISCARD;

#endif
