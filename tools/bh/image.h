/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image.h - the boot image: kernel and bundle in one file (lib/abi/bundle.h)
 */
#ifndef BH_IMAGE_H
#define BH_IMAGE_H

#include <stdint.h>

#include "options.h"
#include "vmfile.h"

/* Write the boot image of a machine with these VMs to the open file `fd`; ends the tool when something that
 * goes into it is missing or wrong.  Returns the image's size in bytes. */
uint64_t image_write(int fd, const struct options *options, struct vm *vms, uint32_t vm_count);

#endif
