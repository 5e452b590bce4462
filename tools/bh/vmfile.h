/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmfile.h - a VM as its xl.cfg file says it
 *
 * Which keys of xl.cfg(5) are honoured is in xlkeys.c; what is not is refused by its name and line.
 */
#ifndef BH_VMFILE_H
#define BH_VMFILE_H

#include <stdint.h>

#include "file.h"
#include "vm.pb.h"

#define PIN_NONE 0xffu /* in VmConfig.pins: sched chooses */

struct vm {
    const char *path; /* of the file */
    char *kernel; /* paths of the images, from where the tool runs; NULL: none, or a volume of the machine */
    char *ramdisk;
    uint32_t name_line, kernel_line, ramdisk_line, disk_line, memory_line, cpus_line;
    long clock_ahead;    /* seconds, of UTC */
    uint32_t file_lines; /* lines behind these are the command line's */
    bh_VmConfig config;  /* its kernel and ramdisk are empty but for volumes: image.c names the modules */
};

/* Read a file; ends the tool with a line "FILE:LINE: what" when it cannot be accepted. */
struct vm vm_read(const char *path);

/*
 * The same with assignments from a command line, `KEY=VALUE` as xl takes them, which override the file's;
 * plain words need no quotes.  path NULL: they are all.  Paths in them count from where the tool runs.
 */
struct vm vm_read_with(const char *path, char *const *assignments, unsigned count);

/* "FILE:LINE", or "command line": what stands in front of a message.  Stays until the tool ends. */
const char *vm_where(const struct vm *vm, uint32_t line);

/* What makes a VM one of its own: UUID (unless it has one), the seed of its random numbers, the time. */
void vm_identify(struct vm *vm);

/* Its kernel's and its ramdisk's file, judged; ends the tool when it is none.  Only if vm->kernel
 * (->ramdisk). */
struct file vm_kernel_read(const struct vm *vm);
struct file vm_ramdisk_read(const struct vm *vm);

/* Whether an image is an arm64 kernel that a VM of this memory can start; ends the tool if not. */
void vm_kernel_check(const struct vm *vm, const struct file *kernel);

#endif
