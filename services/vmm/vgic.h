/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vgic.h - the GICv3 distributor and redistributors of a VM
 *
 * The kernel holds what is pending and active, and offers it to the vCPU's CPU interface; this part holds the
 * configuration (enable, group, priority, trigger, route) and tells the kernel the outcome per vCPU.
 *
 * As QEMU's GIC without security extensions: GICD_CTLR.DS is one.  Affinity routing is always on.  No LPIs,
 * no message-based SPIs, no extended ranges.
 *
 * Always true: the kernel has an SPI enabled on at most one vCPU, the one that its IROUTER names.
 */
#ifndef VMM_VGIC_H
#define VMM_VGIC_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

#define VGIC_PRIVATE 32u
#define VGIC_SPIS (VIRQ_MAX - VGIC_PRIVATE)
#define VGIC_NOBODY 0xffffffffu

struct vgic_irq {
    bool enabled;
    bool group1;
    bool edge;
    bool line; /* what the device last said: for an SPI that is re-routed or re-configured */
    uint8_t priority;
    uint32_t target; /* vCPU index; an SPI's may be VGIC_NOBODY */
    uint64_t route;  /* SPIs: GICD_IROUTER as written */
    slot_t source;   /* a Notification that is bound to it, too; 0: none */
};

struct vgic {
    uint32_t vcpu_count;
    slot_t vcpus[VCPU_INDEX_MAX];
    uint32_t control; /* the group enables of GICD_CTLR */
    bool asleep[VCPU_INDEX_MAX];
    struct vgic_irq private[VCPU_INDEX_MAX][VGIC_PRIVATE];
    struct vgic_irq spis[VGIC_SPIS];
};

/* vcpu_count and vcpus are set; make the rest as after power-on, in the kernel too. */
void vgic_init(struct vgic *gic);

/* A device's input: true raises it (each time an edge, if the guest made it edge-triggered), false lowers it.
 */
void vgic_input(struct vgic *gic, uint32_t intid, bool is_asserted);

/* An SPI gets a Notification for vgic_pulse(). */
void vgic_source_set(struct vgic *gic, uint32_t intid, slot_t notification);
/* An edge, by a signal with this capability to its source.  False: it is level-sensitive. */
bool vgic_pulse(struct vgic *gic, uint32_t intid, slot_t signal);

/* Offsets from BOARD_GICD and BOARD_GICR; accesses are naturally aligned.  What is no register reads as zero.
 */
uint64_t vgicd_read(struct vgic *gic, uint64_t offset, uint32_t size_bytes);
void vgicd_write(struct vgic *gic, uint64_t offset, uint32_t size_bytes, uint64_t value);
uint64_t vgicr_read(struct vgic *gic, uint64_t offset, uint32_t size_bytes);
void vgicr_write(struct vgic *gic, uint64_t offset, uint32_t size_bytes, uint64_t value);

/* ---- between vgic.c, vgic_bank.c and vgicd.c, vgicr.c ---------------------------------------------- */

/* An interrupt: private ones of this vCPU, or an SPI (then `vcpu` does not matter). */
struct vgic_irq *vgic_irq(struct vgic *gic, uint32_t vcpu, uint32_t intid);
/* The capability of the vCPU where the kernel keeps its state. */
slot_t vgic_home(const struct vgic *gic, const struct vgic_irq *irq);
/* Tell the kernel about one interrupt, or about all of them. */
void vgic_push(struct vgic *gic, const struct vgic_irq *irq, uint32_t intid);
void vgic_push_all(struct vgic *gic);
void vgic_route(struct vgic *gic, uint32_t intid, uint64_t route);

/* The registers that hold a field per interrupt are laid out alike in the GICD (SPIs) and the SGI frame of a
 * GICR (private ones): [first, first + count) are the INTIDs that exist here. */
struct vgic_bank {
    struct vgic *gic;
    uint32_t vcpu;
    uint32_t first;
    uint32_t count;
};
uint64_t vgic_bank_read(const struct vgic_bank *bank, uint64_t offset, uint32_t size_bytes);
void vgic_bank_write(const struct vgic_bank *bank, uint64_t offset, uint32_t size_bytes, uint64_t value);

/* The identification registers, the same at the end of each frame (offsets 0xffd0 to 0xffff). */
uint32_t vgic_id_read(uint64_t offset);
#define VGIC_ID_OFFSET 0xffd0u
#define VGIC_IIDR 0x43bu /* JEP106 code of Arm */

#endif
