/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vdev.h - what a VM's file calls its drives
 *
 * Every VM has DRIVES_MAX drives, with a volume in them or empty.  The name says which place on the board it
 * has, which slot of the vmm, which number at blkdrv: `bh`, toolstack and vmm read it here, so that they
 * agree.
 */
#ifndef BH_VDEV_H
#define BH_VDEV_H

#include <stdint.h>

#define DRIVES_MAX 4u
#define DRIVES_WORDS "vda to vdd"

/* "vda" is 0, "vdd" 3; DRIVES_MAX: it is no drive's name. */
static inline uint32_t vdev_place(const char *vdev)
{
    if (vdev[0] != 'v' || vdev[1] != 'd' || vdev[2] < 'a' || vdev[2] >= 'a' + (int)DRIVES_MAX ||
        vdev[3] != '\0')
        return DRIVES_MAX;
    return (uint32_t)(vdev[2] - 'a');
}

#endif
