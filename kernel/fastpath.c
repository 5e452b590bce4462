/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fastpath.c - the call and the reply that most messages are
 *
 * Words and bytes but no capabilities, no deadline, the other side waits on this pCPU and nothing is for the
 * dispatcher to decide: then the message goes over and the other side is entered at once.  Whatever is
 * unusual returns NULL before anything has changed, and ipc.c does it at leisure.
 *
 * Always true:  what these do is exactly what ipc_call() and ipc_reply_recv() would have done.
 * Locking:      take kernel_lock (inline); entered from vectors.S.
 */
#include "fastpath.h"
#include "aarch64/load.h"
#include "aarch64/lock.h"
#include "dispatcher.h"
#include "ipc.h"

#define INFO_PLAIN 0x1ffffull /* words, bytes and capabilities: at most IPC_WORDS if only words travel */
#define INFO_KEPT 0xffffffff00000007ull

/* The receiver that a call may go to at once.  (cpu->sc is NULL only while cpu->resched is set.) */
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
    if (self->sc && self->sc != sc && self->sc->awake)
        sc_set_runnable(self->sc, false);
    cpu->current = to;
}

static inline void copy_words(struct vcpu *to, const uint64_t *words)
{
    __builtin_memcpy(&to->regs.x[3], words, IPC_WORDS * sizeof(*words));
}

bool exit_fast(struct vcpu *vcpu, uint64_t label, const uint64_t words[IPC_WORDS])
{
    struct cpu *cpu = vcpu->cpu;
    struct endpoint *ep = slot_object(&vcpu->exits_cap);
    struct vcpu *to = waiting_server(cpu, vcpu, ep);

    if (!to || cpu->current != vcpu)
        return false;
    copy_words(to, words);
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

    if (!cspace || x[1] >= cspace->slot_count || x[9] != BH_FOREVER)
        return NULL;
    struct slot *slot = &cspace->slots[x[1]];
    return slot->kind == CAP_ENDPOINT && (slot->rights & right) ? slot : NULL;
}

/* No capabilities, sizes in their bounds, and a buffer for the bytes. */
static bool bytes_check(const struct vcpu *from, uint64_t info)
{
    return !INFO_CAPS(info) && INFO_WORDS(info) <= IPC_WORDS && INFO_BYTES(info) <= IPC_BYTES_MAX &&
           from->ipcbuf;
}

/* Exactly so many: what else stands in the sender's buffer is not for the receiver. */
static void copy_bytes(struct vcpu *to, const struct vcpu *from, uint32_t bytes)
{
    ipc_copy(to->ipcbuf->data, from->ipcbuf->data, bytes);
}

static inline __attribute__((always_inline)) struct vcpu *call(struct vcpu *self, bool bytes)
{
    struct cpu *cpu = self->cpu;
    const uint64_t *x = self->regs.x;

    lock_take();
    struct slot *slot = endpoint_slot(self, x, RIGHT_WRITE);
    struct vcpu *to = slot ? waiting_server(cpu, self, slot_object(slot)) : NULL;

    if (!to || (bytes && (!bytes_check(self, x[2]) || !to->ipcbuf))) {
        lock_give();
        return NULL;
    }
    copy_words(to, &x[3]);
    to->regs.x[0] = OK;
    to->regs.x[1] = slot->badge;
    to->regs.x[2] = x[2] & (bytes ? INFO_KEPT | INFO_PLAIN : INFO_KEPT);
    if (bytes)
        copy_bytes(to, self, INFO_BYTES(x[2]));
    hand_over(cpu, self, slot_object(slot), to);
    lock_give();
    context_switch(cpu, self, to, false);
    return to;
}

/* A function of its own, so that the short way saves no register for it. */
static __attribute__((noinline)) struct vcpu *call_with_bytes(struct vcpu *self)
{
    return call(self, true);
}

struct vcpu *fast_call(struct vcpu *self)
{
    if ((self->regs.x[2] & INFO_PLAIN) > IPC_WORDS)
        return call_with_bytes(self);
    return call(self, false);
}

/* Its caller waits here for the answer, on the context it lent; and nothing else is to be received. */
static inline bool answer_ends_it(struct cpu *cpu, struct vcpu *self, struct vcpu *caller,
                                  struct endpoint *ep)
{
    struct sc *sc = cpu->sc;

    return !ep->first && !(self->bound && self->bound->bits) && caller->cpu == cpu && !caller->timer.queued &&
           !cpu->resched && caller->lending == sc && self->lent == sc && sc->runner == self;
}

static inline __attribute__((always_inline)) struct vcpu *reply_recv(struct vcpu *self, bool bytes)
{
    struct cpu *cpu = self->cpu;
    const uint64_t *x = self->regs.x;

    lock_take();
    struct slot *slot = endpoint_slot(self, x, RIGHT_READ);
    struct endpoint *ep = slot ? slot_object(slot) : NULL;
    struct vcpu *caller = self->caller;
    uint32_t label = INFO_LABEL(x[2]);

    if (!ep || !caller || !answer_ends_it(cpu, self, caller, ep) ||
        (caller->in_exit && (caller->kind == VCPU_SERVICE || label == REPLY_STOP)) ||
        (bytes && (caller->in_exit || !bytes_check(self, x[2]) || !caller->ipcbuf))) {
        lock_give();
        return NULL;
    }
    if (caller->in_exit) {
        caller->in_exit = false;
        guest_exit_reply(caller, label, &x[3]);
    } else {
        copy_words(caller, &x[3]);
        caller->regs.x[0] = OK;
        caller->regs.x[1] = 0;
        caller->regs.x[2] = x[2] & (bytes ? INFO_KEPT | INFO_PLAIN : INFO_KEPT);
        if (bytes)
            copy_bytes(caller, self, INFO_BYTES(x[2]));
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
    if (self->sc && self->sc->awake)
        sc_set_runnable(self->sc, false);
    cpu->current = caller;
    lock_give();
    context_switch(cpu, self, caller, false);
    if (caller->kind == VCPU_GUEST)
        guest_enter(caller);
    return caller;
}

static __attribute__((noinline)) struct vcpu *reply_recv_with_bytes(struct vcpu *self)
{
    return reply_recv(self, true);
}

struct vcpu *fast_reply_recv(struct vcpu *self)
{
    if ((self->regs.x[2] & INFO_PLAIN) > IPC_WORDS)
        return reply_recv_with_bytes(self);
    return reply_recv(self, false);
}
