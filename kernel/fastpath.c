/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fastpath.c - the call and the reply that most messages are
 *
 * Words and bytes but no capabilities, no new deadline, the other side waits on this pCPU and nothing is for
 * the dispatcher to decide: then the message goes over and the other side is entered at once.  Whatever is
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

    if (!to || to->state != VCPU_RECEIVING || to->cpu != cpu || to->lent || cpu->resched || !cpu->sc ||
        cpu->sc->runner != self)
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
    self->deadline = BH_FOREVER;
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

void vcpu_exit(struct vcpu *vcpu, enum exit_label label, const uint64_t words[IPC_WORDS])
{
    struct cpu *cpu = vcpu->cpu;
    struct endpoint *ep = slot_object(&vcpu->exits_cap);
    struct vcpu *to = vcpu->exits_cap.kind == CAP_ENDPOINT ? waiting_server(cpu, vcpu, ep) : NULL;

    vcpu_count_exit(vcpu, label);
    if (!to || cpu->current != vcpu) {
        vcpu_exit_slow(vcpu, label, words);
        return;
    }
    copy_words(to, words);
    to->regs.x[0] = OK;
    to->regs.x[1] = vcpu->exits_cap.badge;
    to->regs.x[2] = INFO(label, IPC_WORDS, 0, 0) | INFO_EXIT;
    vcpu->exit_label = (uint8_t)label;
    vcpu->in_exit = true;
    hand_over(cpu, vcpu, ep, to);
}

static inline struct slot *endpoint_slot(struct vcpu *self, const uint64_t *x, uint32_t right)
{
    struct cspace *cspace = self->cspace;

    if (!cspace || x[1] >= cspace->slot_count)
        return NULL;
    struct slot *slot = &cspace->slots[x[1]];
    return slot->kind == CAP_ENDPOINT && (slot->rights & right) ? slot : NULL;
}

/*
 * The bytes of a message: no capabilities, sizes in their bounds, a buffer on each side.  Exactly so many:
 * what else stands in the sender's buffer is not for the receiver.
 */
static __attribute__((noinline)) bool send_bytes(struct vcpu *to, const struct vcpu *from)
{
    uint64_t info = from->regs.x[2];

    if (INFO_CAPS(info) || INFO_WORDS(info) > IPC_WORDS || INFO_BYTES(info) > IPC_BYTES_MAX ||
        !from->ipcbuf || !to->ipcbuf)
        return false;
    ipc_copy(to->ipcbuf->data, from->ipcbuf->data, INFO_BYTES(info));
    return true;
}

struct vcpu *fast_call(struct vcpu *self)
{
    struct cpu *cpu = self->cpu;
    const uint64_t *x = self->regs.x;

    lock_take();
    struct slot *slot = endpoint_slot(self, x, RIGHT_WRITE);
    struct vcpu *to = slot ? waiting_server(cpu, self, slot_object(slot)) : NULL;

    /* A guest may receive, too, but that is not the usual case. */
    if (!to || x[9] != BH_FOREVER || to->kind != VCPU_SERVICE ||
        ((x[2] & INFO_PLAIN) > IPC_WORDS && !send_bytes(to, self))) {
        lock_give();
        return NULL;
    }
    copy_words(to, &x[3]);
    to->regs.x[0] = OK;
    to->regs.x[1] = slot->badge;
    to->regs.x[2] = x[2] & (INFO_KEPT | INFO_PLAIN);
    hand_over(cpu, self, slot_object(slot), to);
    lock_give();
    service_switch(cpu, self, to);
    return to;
}

/* Its caller waits here for the answer, on the context it lent; and nothing else is to be received. */
static inline bool answer_ends_it(struct cpu *cpu, struct vcpu *self, struct vcpu *caller,
                                  struct endpoint *ep)
{
    struct sc *sc = cpu->sc;

    return !ep->first && !(self->bound && self->bound->bits) && caller->cpu == cpu && caller->lending == sc &&
           self->lent == sc && sc->runner == self;
}

/* A deadline that the timer in the heap serves already (wait_until) costs nothing. */
static inline bool deadline_is_free(const struct vcpu *self, uint64_t deadline)
{
    return deadline == BH_FOREVER || (self->timer.queued && self->timer.when <= deadline);
}

/* The caller has its answer and goes on; the server waits for the next message. */
static inline void hand_back(struct cpu *cpu, struct vcpu *self, struct vcpu *caller, struct endpoint *ep)
{
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
    self->deadline = self->regs.x[9];
    self->endpoint = ep;
    ep->first = ep->last = self;
    if (self->sc && self->sc->awake)
        sc_set_runnable(self->sc, false);
    cpu->current = caller;
}

/* Can the answer to a guest's exit be given in this way? */
static inline bool exit_answer_is_plain(const struct vcpu *self, const struct vcpu *caller)
{
    uint64_t info = self->regs.x[2];

    return caller->kind == VCPU_GUEST && INFO_LABEL(info) != REPLY_STOP && (info & INFO_PLAIN) <= IPC_WORDS;
}

/* The answer to a guest's exit.  The other ways stay short because these are functions of their own. */
static __attribute__((noinline)) struct vcpu *answer_exit(struct cpu *cpu, struct vcpu *self,
                                                          struct vcpu *caller, struct endpoint *ep)
{
    if (!exit_answer_is_plain(self, caller)) {
        lock_give();
        return NULL;
    }
    caller->in_exit = false;
    guest_exit_reply(caller, INFO_LABEL(self->regs.x[2]), &self->regs.x[3]);
    hand_back(cpu, self, caller, ep);
    lock_give();
    context_switch(cpu, self, caller, false);
    guest_enter(caller);
    return caller;
}

bool answer_exit_and_wait(struct vcpu *self, struct endpoint *ep)
{
    struct vcpu *caller = self->caller;

    if (self->state != VCPU_RUNNABLE || !caller || !caller->in_exit || !self->cpu->sc ||
        !answer_ends_it(self->cpu, self, caller, ep) || !exit_answer_is_plain(self, caller) ||
        !deadline_is_free(self, self->regs.x[9]))
        return false;
    caller->in_exit = false;
    guest_exit_reply(caller, INFO_LABEL(self->regs.x[2]), &self->regs.x[3]);
    hand_back(self->cpu, self, caller, ep);
    return true;
}

struct vcpu *fast_reply_recv(struct vcpu *self)
{
    struct cpu *cpu = self->cpu;
    const uint64_t *x = self->regs.x;

    lock_take();
    struct slot *slot = endpoint_slot(self, x, RIGHT_READ);
    struct endpoint *ep = slot ? slot_object(slot) : NULL;
    struct vcpu *caller = self->caller;

    if (!ep || !caller || cpu->resched || !answer_ends_it(cpu, self, caller, ep) ||
        !deadline_is_free(self, x[9]))
        goto unusual;
    if (caller->in_exit)
        return answer_exit(cpu, self, caller, ep);
    if (caller->kind != VCPU_SERVICE || ((x[2] & INFO_PLAIN) > IPC_WORDS && !send_bytes(caller, self)))
        goto unusual;
    copy_words(caller, &x[3]);
    caller->regs.x[0] = OK;
    caller->regs.x[1] = 0;
    caller->regs.x[2] = x[2] & (INFO_KEPT | INFO_PLAIN);
    hand_back(cpu, self, caller, ep);
    lock_give();
    service_switch(cpu, self, caller);
    return caller;

unusual:
    lock_give();
    return NULL;
}
