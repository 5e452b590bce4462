/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loader.h - a guest's images: judged, placed, copied
 *
 * Places are QEMU's for `virt`: the kernel text_offset above a 2 MiB boundary, ramdisk from the middle of
 * memory (128 MiB up at most), the device tree after it.
 */
#ifndef VMM_LOADER_H
#define VMM_LOADER_H

#include <stdint.h>

#include "abi.h"
#include "guest_ram.h"

#define LOADER_DTB_BYTES 0x10000u
#define LOADER_ERROR_MAX 160u
#define LOADER_HEAD_BYTES 512u /* of a kernel: its header is in them */

struct image {
    const char *name; /* for messages */
    const uint8_t *bytes;
    uint64_t size;
};

struct layout { /* guest-physical */
    uint64_t kernel;
    uint64_t kernel_bytes; /* with what it wants zeroed behind its file */
    uint64_t ramdisk;      /* 0: none */
    uint64_t ramdisk_bytes;
    uint64_t dtb;
};

/* A kernel of which only the head is at hand, and `size` is the room it was found in: where it goes;
 * *kernel's size becomes what its header says if that is less.  Errors as of loader_plan(). */
enum status loader_kernel_place(struct image *kernel, uint64_t ram_base, uint64_t ram_size, uint64_t *place,
                                char error[LOADER_ERROR_MAX]) BH_NODISCARD;
/* Judge the images and find their places.  ERR_ARG: an image is bad; ERR_MEM: they do not fit.  `error` then
 * names the image and says why. */
enum status loader_plan(const struct image *kernel, const struct image *ramdisk, uint64_t ram_base,
                        uint64_t ram_size, struct layout *layout, char error[LOADER_ERROR_MAX]) BH_NODISCARD;
/* Copy the images to where the plan says. */
void loader_copy(const struct layout *layout, const struct image *kernel, const struct image *ramdisk,
                 const struct guest_ram *ram);

#endif
