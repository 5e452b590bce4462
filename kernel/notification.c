/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * notification.c - a word of bits that somebody may wait for
 *
 * A signal ORs the signaller's badge into the word.  It goes to the first of: a virtual interrupt it is bound
 * to, the vCPU it is bound to (if that waits at an endpoint), a waiter; else it stays in the word.  With a
 * virtual interrupt it stays as well, for a doorbell that takes it back (the guest's acknowledgement).
 *
 * Always true:  bits are pending only while nobody waits for them.
 * Locking:      kernel_lock.
 */
#include "dispatcher.h"
#include "ipc.h"
#include "sys.h"

static void dequeue(struct notification *n, struct vcpu *vcpu)
{
    if (vcpu->queue_prev)
        vcpu->queue_prev->queue_next = vcpu->queue_next;
    else
        n->waiter_first = vcpu->queue_next;
    if (vcpu->queue_next)
        vcpu->queue_next->queue_prev = vcpu->queue_prev;
    else
        n->waiter_last = vcpu->queue_prev;
    vcpu->queue_next = vcpu->queue_prev = NULL;
    vcpu->waits_on = NULL;
    n->waiter_count--;
}

void notification_leave(struct vcpu *vcpu)
{
    if (vcpu->waits_on)
        dequeue(vcpu->waits_on, vcpu);
}

void notification_signal(struct notification *n, uint64_t bits)
{
    n->bits |= bits;
    if (n->virq_vcpu) {
        vgic_set(n->virq_vcpu, n->virq, true);
        if (bits & BADGE_URGENT)
            sc_call(n->virq_vcpu->sc);
        return;
    }
    if (!n->bits)
        return;
    struct vcpu *vcpu = n->waiter_first;

    if (vcpu) {
        dequeue(n, vcpu);
        vcpu->regs.x[0] = OK;
        vcpu->regs.x[1] = n->bits;
        n->bits = 0;
        vcpu_wake(vcpu);
        return;
    }
    vcpu = n->bound;
    if (vcpu && vcpu->state == VCPU_RECEIVING) {
        ipc_deliver_signal(vcpu, n->bits);
        n->bits = 0;
    }
}

void notification_destroy(struct notification *n)
{
    while (n->waiter_first) {
        struct vcpu *vcpu = n->waiter_first;

        dequeue(n, vcpu);
        vcpu->regs.x[0] = ERR_PEER;
        vcpu_wake(vcpu);
    }
    if (n->bound)
        n->bound->bound = NULL;
    n->bound = NULL;
    if (n->virq_vcpu)
        notification_unlink_virq(n);
}

enum status sys_notification_signal(struct slot *notification)
{
    notification_signal(slot_object(notification), notification->badge);
    return OK;
}

enum status sys_notification_wait(struct vcpu *self, struct notification *n, uint64_t deadline, uint64_t *out)
{
    if (n->bits) {
        out[0] = n->bits;
        n->bits = 0;
        return OK;
    }
    if (deadline != BH_FOREVER && (deadline == 0 || deadline <= now()))
        return ERR_TIME;
    if (n->virq_vcpu)
        return ERR_STATE; /* its signals go there and wake nobody */
    if (n->waiter_count == NOTIFICATION_WAITERS_MAX)
        return ERR_FULL;
    n->waiter_count++;
    self->waits_on = n;
    self->queue_prev = n->waiter_last;
    self->queue_next = NULL;
    if (n->waiter_last)
        n->waiter_last->queue_next = self;
    else
        n->waiter_first = self;
    n->waiter_last = self;
    vcpu_block(self, VCPU_WAITING);
    wait_until(self, deadline);
    return BLOCKED;
}

/* The notifications bound to a vCPU's interrupts are a list, so that the vCPU's end unbinds them. */
void notification_unlink_virq(struct notification *n)
{
    if (n->virq_prev)
        n->virq_prev->virq_next = n->virq_next;
    else
        n->virq_vcpu->virq_sources = n->virq_next;
    if (n->virq_next)
        n->virq_next->virq_prev = n->virq_prev;
    n->virq_next = n->virq_prev = NULL;
    n->virq_vcpu = NULL;
    n->bits = 0;
}

enum status sys_notification_bind_virq(struct notification *n, struct vcpu *vcpu, uint32_t intid)
{
    if (!vcpu->configured || vcpu->kind != VCPU_GUEST || intid >= VIRQ_MAX)
        return ERR_ARG;
    if (n->virq_vcpu || n->bound || n->waiter_first)
        return ERR_STATE;
    n->virq_vcpu = vcpu;
    n->virq = intid;
    n->virq_prev = NULL;
    n->virq_next = vcpu->virq_sources;
    if (n->virq_next)
        n->virq_next->virq_prev = n;
    vcpu->virq_sources = n;
    if (n->bits)
        vgic_set(vcpu, intid, true);
    return OK;
}

enum status sys_notification_unbind_virq(struct notification *n)
{
    if (!n->virq_vcpu)
        return ERR_STATE;
    notification_unlink_virq(n);
    return OK;
}
