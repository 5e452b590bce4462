/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpulist.h - a list of pCPUs as xl.cfg(5) writes it: "0-3,5,^1"
 */
#ifndef BH_CPULIST_H
#define BH_CPULIST_H

#include <stdint.h>

#define CPULIST_PCPUS_MAX 16u
#define CPULIST_ANY UINT32_MAX

/* Bit per pCPU, or CPULIST_ANY for "all".  NULL: fine; else what is wrong with it, in words. */
const char *cpulist_parse(const char *text, uint32_t *pcpus);

/* The pCPU of the index-th of several vCPUs that may be on any of these: each in turn.  Not of CPULIST_ANY.
 */
uint32_t cpulist_pick(uint32_t pcpus, uint32_t index);

#endif
