/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmfile.h - a VM as its xl.cfg file says it
 *
 * What is accepted is what xl.cfg(5) says about: name kernel ramdisk extra root cmdline memory vcpus disk
 * vif on_poweroff on_reboot on_crash cpu_weight.  Every other key is refused by its name.
 */
#ifndef BH_VMFILE_H
#define BH_VMFILE_H

#include <stdint.h>

#include "file.h"
#include "vm.pb.h"

struct vm {
    const char *path; /* of the file */
    char *kernel; /* paths of the images, from where the tool runs; NULL: none, or a volume of the machine */
    char *ramdisk;
    uint32_t name_line, kernel_line, ramdisk_line, disk_line, memory_line;
    bh_VmConfig config; /* its kernel and ramdisk are empty but for volumes: image.c names the modules */
};

/* Read a file; ends the tool with a line "FILE:LINE: what" when it cannot be accepted. */
struct vm vm_read(const char *path);

/* Whether an image is an arm64 kernel that a VM of this memory can start; ends the tool if not. */
void vm_kernel_check(const struct vm *vm, const struct file *kernel);

#endif
