/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * smmu_model.h - an SMMUv3 as a driver sees it (smmu_model.c)
 */
#ifndef FAKE_SMMU_MODEL_H
#define FAKE_SMMU_MODEL_H

#include <stdbool.h>
#include <stdint.h>

struct smmu_model {
    uint32_t idr0, idr1, idr5, cr0, cr1, cr2, irq_ctrl, gerror, gerrorn, strtab_cfg;
    uint64_t strtab, cmdq, eventq;
    uint32_t cmdq_prod, cmdq_cons, eventq_prod, eventq_cons;
    bool dead;         /* no register takes a value */
    bool refuse;       /* every command is an error */
    bool overflowed;   /* an event was lost */
    unsigned bypassed; /* accesses that were not translated */
    unsigned unknown;  /* commands and registers that this model does not know */
};
extern struct smmu_model model;

#define MODEL_ABORTED (-1) /* without a record */

void model_reset(void);
bool model_enabled(void);
/* A device's access: 0 and where it goes, or the code of the event that was recorded, or MODEL_ABORTED. */
int model_access(uint32_t stream, uint64_t iova, bool write, uint64_t *where);
/* The MAIR byte of what is mapped there. */
unsigned model_memory_type(uint32_t stream, uint64_t iova);
unsigned model_event_count(void); /* not yet consumed */

#endif
