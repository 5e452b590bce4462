/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sys_virq.c - the calls that a vmm configures its guest's interrupts with
 *
 * Locking:      kernel_lock.
 */
#include "sys.h"
#include "vgic.h"

static enum status virq_check(const struct vcpu *vcpu, uint32_t intid)
{
    if (intid >= VIRQ_MAX)
        return ERR_ARG;
    return vcpu->configured && vcpu->kind == VCPU_GUEST ? OK : ERR_STATE;
}

enum status sys_vcpu_virq_config(struct vcpu *vcpu, uint32_t intid, uint32_t flags, uint8_t priority)
{
    enum status status = virq_check(vcpu, intid);

    if (status != OK)
        return status;
    if (flags & ~(uint32_t)(VIRQ_ENABLED | VIRQ_LEVEL | VIRQ_GROUP1))
        return ERR_ARG;
    vgic_configure(vcpu, intid, flags, priority);
    return OK;
}

enum status sys_vcpu_virq_inject(struct vcpu *vcpu, uint32_t intid, uint32_t level)
{
    enum status status = virq_check(vcpu, intid);

    if (status != OK)
        return status;
    if (level > 1)
        return ERR_ARG;
    vgic_set(vcpu, intid, level);
    return OK;
}

enum status sys_vcpu_virq_read(struct vcpu *vcpu, uint32_t intid, uint64_t *out)
{
    enum status status = virq_check(vcpu, intid);

    if (status != OK)
        return status;
    out[0] = vgic_read(vcpu, intid);
    out[1] = vcpu->virqs.priority[intid];
    return OK;
}

enum status sys_vcpu_virq_write(struct vcpu *vcpu, uint32_t intid, uint32_t mask, uint32_t flags)
{
    enum status status = virq_check(vcpu, intid);

    if (status != OK)
        return status;
    if (mask & ~(uint32_t)(VIRQ_PENDING | VIRQ_ACTIVE))
        return ERR_ARG;
    vgic_write(vcpu, intid, mask, flags);
    return OK;
}
