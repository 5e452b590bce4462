/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check.h - whether the VMs of one machine go together, judged before boot
 *
 * Each ends the tool with one line that names the file, its line and the resource.  The machine's own
 * services judge again: they do not trust the boot image.
 */
#ifndef BH_CHECK_H
#define BH_CHECK_H

#include <stdint.h>

#include "options.h"
#include "vmfile.h"

/* No two VMs of one name; --console names one that is started. */
void check_names(const struct options *options, const struct vm *vms);

/* Each volume is on the disk, and none has a writer besides other users. */
void check_volumes(const struct options *options, const struct vm *vms);

/* The pCPUs that files name are there. */
void check_pcpus(const struct options *options, const struct vm *vms);

/* The memory of the VMs that are started fits beside the boot image. */
void check_memory(const struct options *options, const struct vm *vms, uint64_t image_bytes);

#endif
