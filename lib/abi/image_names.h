/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image_names.h - what VmConfig.kernel and VmConfig.ramdisk say: whose image it is
 *
 * `image/...` is a file of the boot image, `upload/N` came over the management channel, `volume/LABEL` is a
 * volume of the machine's disk.  `bh`, toolstack, init and vmm read the names here, so that they agree.
 */
#ifndef BH_IMAGE_NAMES_H
#define BH_IMAGE_NAMES_H

#include <stdbool.h>
#include <string.h>

#define IMAGE_FILE_PREFIX "image/"
#define IMAGE_UPLOAD_PREFIX "upload/"
#define IMAGE_VOLUME_PREFIX "volume/"

/* A VM's disks are 0 to 3 at blkdrv; its image volumes come behind them. */
#define IMAGE_DISK_FIRST 4u

static inline bool image_is_upload(const char *name)
{
    return strncmp(name, IMAGE_UPLOAD_PREFIX, strlen(IMAGE_UPLOAD_PREFIX)) == 0;
}

static inline bool image_is_volume(const char *name)
{
    return strncmp(name, IMAGE_VOLUME_PREFIX, strlen(IMAGE_VOLUME_PREFIX)) == 0;
}

/* The volume's label, of a name that is one. */
static inline const char *image_volume_label(const char *name)
{
    return name + strlen(IMAGE_VOLUME_PREFIX);
}

#endif
