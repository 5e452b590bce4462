/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virq.h - the kernel's virtual interrupts of one vCPU, as the GIC's emulation uses them
 *
 * A seam: virq.c makes system calls of these, unit tests a table.  They cannot fail: the vCPU is ours and the
 * INTIDs are judged before.
 */
#ifndef VMM_VIRQ_H
#define VMM_VIRQ_H

#include <stdint.h>

#include "abi.h"

/* flags: VIRQ_ENABLED, VIRQ_LEVEL, VIRQ_GROUP1 */
void virq_config(slot_t vcpu, uint32_t intid, uint32_t flags, uint8_t priority);
void virq_inject(slot_t vcpu, uint32_t intid, uint32_t level);
uint32_t virq_read(slot_t vcpu, uint32_t intid);
void virq_write(slot_t vcpu, uint32_t intid, uint32_t mask, uint32_t flags);
/* From now on it is this Notification, too, that makes it pending. */
void virq_bind(slot_t notification, slot_t vcpu, uint32_t intid);
/* ... with this capability to it, not later than when the guest goes on. */
void virq_signal(slot_t notification);

#endif
