/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vdisk.h - one entry of a VM file's disk list, as xl-disk-configuration(5) says it
 */
#ifndef BH_VDISK_H
#define BH_VDISK_H

#include <stdio.h>

#include <libxlutil.h>

#include "vm.pb.h"

/* NULL: fine; else what is wrong with it, in words that are the caller's to free.  `report` is where the
 * parser writes: what it wrote about this entry is *report_text from there on. */
char *vdisk_parse(XLU_Config *xlu, const char *text, FILE *report, char *const *report_text, bh_Disk *out);

#endif
