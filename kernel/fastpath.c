/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fastpath.c - the call and the reply that most messages are
 *
 * Registers only, no deadline, the other side waits on this pCPU and nothing is for the dispatcher to
 * decide: then the message goes over and the other side is entered at once.  Whatever is unusual
 * returns NULL before anything has changed, and ipc.c does it at leisure.
 *
 * Always true:  what these do is exactly what ipc_call() and ipc_reply_recv() would have done.
 * Locking:      take kernel_lock (inline); entered from vectors.S.
 */
#include "fastpath.h"
#include "aarch64/load.h"
#include "aarch64/lock.h"
#include "dispatcher.h"

#define INFO_PLAIN 0x1ffffull /* words, bytes and capabilities: at most IPC_WORDS if only words travel */
#define INFO_KEPT 0xffffffff00000007ull

/* The receiver that a call may go to at once. */
static inline struct vcpu *waiting_server(struct cpu *cpu, struct vcpu *self, struct endpoint *ep)
{
    struct vcpu *to = ep->first;

    if (!to || to->state != VCPU_RECEIVING || to->timer.queued || to->cpu != cpu || to->lent ||
        cpu->resched || !cpu->sc || cpu->sc->runner != self)
        return NULL;
    if (self->lent && self->lent != cpu->sc) /* used up, and we run on our own: both have to stop */
        return NULL;
    return to;
}

/* `to` has its message: it goes on at once, on the context that `self` ran on. */
static inline void hand_over(struct cpu *cpu, struct vcpu *self, struct endpoint *ep, struct vcpu *to)
{
    struct sc *sc = cpu->sc;

    ep->first = to->queue_next;
    if (ep->first)
        ep->first->queue_prev = NULL;
    else
        ep->last = NULL;
    to->endpoint = NULL;
    to->queue_next = NULL;

    self->waits_reply = true;
    self->state = VCPU_REPLY;
    self->callee = to;
    self->lending = sc;
    self->lent = NULL;
    to->caller = self;
    to->lent = sc;
    to->state = VCPU_RUNNABLE;
    sc->runner = to;
    if (self->sc != sc && self->sc && self->sc->runner == self)
        sc_set_runnable(self->sc, false);
    cpu->current = to;
}

bool exit_fast(struct vcpu *vcpu, uint64_t label, const uint64_t words[IPC_WORDS])
{
    struct cpu *cpu = vcpu->cpu;
    struct endpoint *ep = slot_object(&vcpu->exits_cap);
    struct vcpu *to = waiting_server(cpu, vcpu, ep);

    if (!to || cpu->current != vcpu)
        return false;
    for (unsigned i = 0; i < IPC_WORDS; i++)
        to->regs.x[3 + i] = words[i];
    to->regs.x[0] = OK;
    to->regs.x[1] = vcpu->exits_cap.badge;
    to->regs.x[2] = INFO(label, IPC_WORDS, 0, 0) | INFO_EXIT;
    vcpu->exit_label = (uint8_t)label;
    vcpu->in_exit = true;
    hand_over(cpu, vcpu, ep, to);
    return true;
}

static inline struct slot *endpoint_slot(struct vcpu *self, const uint64_t *x, uint32_t right)
{
    struct cspace *cspace = self->cspace;

    if (!cspace || x[1] >= cspace->slot_count || (x[2] & INFO_PLAIN) > IPC_WORDS || x[9] != BH_FOREVER)
        return NULL;
    struct slot *slot = &cspace->slots[x[1]];
    return slot->kind == CAP_ENDPOINT && (slot->rights & right) ? slot : NULL;
}

static inline void copy_words(uint64_t *to, const uint64_t *from)
{
    for (unsigned i = 3; i < 3 + IPC_WORDS; i++)
        to[i] = from[i];
}

struct vcpu *fast_call(struct vcpu *self)
{
    struct cpu *cpu = self->cpu;
    const uint64_t *x = self->regs.x;

    lock_take();
    struct slot *slot = endpoint_slot(self, x, RIGHT_WRITE);
    struct vcpu *to = slot ? waiting_server(cpu, self, slot_object(slot)) : NULL;

    if (!to) {
        lock_give();
        return NULL;
    }
    copy_words(to->regs.x, x);
    to->regs.x[0] = OK;
    to->regs.x[1] = slot->badge;
    to->regs.x[2] = x[2] & INFO_KEPT;
    hand_over(cpu, self, slot_object(slot), to);
    lock_give();
    context_switch(cpu, self, to, false);
    return to;
}

/* Its caller waits here for the answer, on the context it lent; and nothing else is to be received. */
static inline bool answer_ends_it(struct cpu *cpu, struct vcpu *self, struct vcpu *caller,
                                  struct endpoint *ep)
{
    struct sc *sc = cpu->sc;

    return !ep->first && !(self->bound && self->bound->bits) && caller->cpu == cpu && !caller->timer.queued &&
           !cpu->resched && sc && caller->lending == sc && self->lent == sc && sc->runner == self;
}

struct vcpu *fast_reply_recv(struct vcpu *self)
{
    struct cpu *cpu = self->cpu;
    const uint64_t *x = self->regs.x;

    lock_take();
    struct slot *slot = endpoint_slot(self, x, RIGHT_READ);
    struct endpoint *ep = slot ? slot_object(slot) : NULL;
    struct vcpu *caller = self->caller;
    uint32_t label = INFO_LABEL(x[2]);

    if (!ep || !caller || !answer_ends_it(cpu, self, caller, ep) ||
        (caller->in_exit && (caller->kind == VCPU_SERVICE || label == REPLY_STOP))) {
        lock_give();
        return NULL;
    }
    if (caller->in_exit) {
        caller->in_exit = false;
        guest_exit_reply(caller, label, &x[3]);
    } else {
        copy_words(caller->regs.x, x);
        caller->regs.x[0] = OK;
        caller->regs.x[1] = 0;
        caller->regs.x[2] = x[2] & INFO_KEPT;
    }
    struct sc *sc = cpu->sc;

    self->caller = NULL;
    self->lent = NULL;
    caller->callee = NULL;
    caller->lending = NULL;
    sc->runner = caller;
    if (caller->sc != sc)
        caller->lent = sc;
    caller->state = VCPU_RUNNABLE;
    self->state = VCPU_RECEIVING;
    self->endpoint = ep;
    ep->first = ep->last = self;
    if (self->sc && self->sc->runner == self)
        sc_set_runnable(self->sc, false);
    cpu->current = caller;
    lock_give();
    context_switch(cpu, self, caller, false);
    if (caller->kind == VCPU_GUEST)
        guest_enter(caller);
    return caller;
}
