/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virq.c - virtual interrupts as system calls
 *
 * A refusal here can only be our own mistake, so it ends this vmm; the supervisor reports it.
 */
#include "virq.h"

#include "bh.h"
#include "owed.h"

static void must(enum status status, const char *what, uint32_t intid)
{
    if (status != OK)
        bh_panic("virtual interrupt %u: %s: status %u", intid, what, (unsigned)status);
}

void virq_config(slot_t vcpu, uint32_t intid, uint32_t flags, uint8_t priority)
{
    must(bh_vcpu_virq_config(vcpu, intid, flags, priority), "config", intid);
}

void virq_inject(slot_t vcpu, uint32_t intid, uint32_t level)
{
    must(bh_vcpu_virq_inject(vcpu, intid, level), "inject", intid);
}

uint32_t virq_read(slot_t vcpu, uint32_t intid)
{
    uint64_t flags = 0;
    uint64_t priority = 0;

    must(bh_vcpu_virq_read(vcpu, intid, &flags, &priority), "read", intid);
    return (uint32_t)flags;
}

void virq_bind(slot_t notification, slot_t vcpu, uint32_t intid)
{
    enum status status = bh_notification_unbind_virq(notification);

    (void)status; /* ERR_STATE: it was bound to none */
    must(bh_notification_bind_virq(notification, vcpu, intid), "bind", intid);
}

void virq_signal(slot_t notification)
{
    if (owed_signal(notification) != OK)
        bh_panic("a virtual interrupt's Notification is gone");
}

void virq_write(slot_t vcpu, uint32_t intid, uint32_t mask, uint32_t flags)
{
    must(bh_vcpu_virq_write(vcpu, intid, mask, flags), "write", intid);
}
