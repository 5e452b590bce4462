/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * smmu.h - what IO spaces ask of the SMMU
 *
 * Each function returns when the SMMU has done it: no access that was allowed before is under way any more.
 */
#ifndef KERNEL_SMMU_H
#define KERNEL_SMMU_H

#include "kernel.h"

/* Memory attributes of a stage-1 leaf: indices into the MAIR that smmu_attach puts into the context. */
enum { SMMU_NORMAL_WB = 0, SMMU_NORMAL_NC = 1, SMMU_DEVICE_NGNRE = 2 };

#define SMMU_STREAMS 256u /* PCI bus 0: 32 devices of 8 functions.  The others stay blocked. */

bool smmu_stream_taken(uint32_t stream);
/* The stream's accesses go through iospace->root from now on. */
void smmu_attach(struct iospace *iospace, uint32_t stream);
void smmu_detach(struct iospace *iospace);                          /* ... are blocked from now on */
void smmu_record_faults(struct iospace *iospace);                   /* ... again, if that had stopped */
void smmu_flush_iova(const struct iospace *iospace, uint64_t iova); /* the mapping that `iova` is in */
void smmu_flush_iospace(const struct iospace *iospace);             /* all its mappings */

#endif
