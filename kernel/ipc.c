/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ipc.c - messages between vCPUs
 *
 * A call waits for a receiver, hands its message over, and waits for the reply; the kernel makes such calls
 * too, for a vCPU that left its guest (exits) or faulted.  Words travel in registers, up to 1 KiB and
 * four capabilities through the IPC buffers.
 *
 * Always true:  an endpoint's queue holds only senders or only receivers; a vCPU in state REPLY is the
 * `caller` of its `callee`, and no one else is. Locking:      kernel_lock.
 */
#include "ipc.h"

#include "dispatcher.h"
#include "fastpath.h"
#include "sys.h"

enum { PREEMPT_EVERY = 32 };

static void enqueue(struct endpoint *ep, struct vcpu *vcpu)
{
    vcpu->endpoint = ep;
    vcpu->queue_next = NULL;
    vcpu->queue_prev = ep->last;
    if (ep->last)
        ep->last->queue_next = vcpu;
    else
        ep->first = vcpu;
    ep->last = vcpu;
}

static void dequeue(struct vcpu *vcpu)
{
    struct endpoint *ep = vcpu->endpoint;

    if (vcpu->queue_prev)
        vcpu->queue_prev->queue_next = vcpu->queue_next;
    else
        ep->first = vcpu->queue_next;
    if (vcpu->queue_next)
        vcpu->queue_next->queue_prev = vcpu->queue_prev;
    else
        ep->last = vcpu->queue_prev;
    vcpu->endpoint = NULL;
    vcpu->queue_next = vcpu->queue_prev = NULL;
}

/* ---- handing over a message ------------------------------------------------------------------ */

/* Can `from` send what its info says?  What is refused here never left. */
static enum status message_check(struct vcpu *from, uint64_t info, bool may_grant)
{
    uint32_t caps = INFO_CAPS(info);

    if (INFO_WORDS(info) > IPC_WORDS || INFO_BYTES(info) > IPC_BYTES_MAX || caps > IPC_CAPS_MAX)
        return ERR_ARG;
    if ((INFO_BYTES(info) || caps) && !from->ipcbuf)
        return ERR_STATE;
    if (caps && !may_grant)
        return ERR_RIGHT;
    for (uint32_t i = 0; i < caps; i++) {
        struct slot *slot = cspace_slot(from->cspace, from->ipcbuf->caps[i]);

        if (!slot || !slot_is_usable(slot))
            return ERR_CAP;
        if (slot->kind == CAP_UNTYPED && slot->child)
            return ERR_STATE; /* it moves: what was made from it would lose its parent's owner */
    }
    return OK;
}

struct chunk {
    uint64_t words[8];
};

/* Exactly so many: what else stands in the sender's buffer is not for the receiver. */
void ipc_copy(uint8_t *to, const uint8_t *from, uint32_t count)
{
    for (; count >= sizeof(struct chunk); count -= (uint32_t)sizeof(struct chunk)) {
        __builtin_memcpy(to, from, sizeof(struct chunk));
        to += sizeof(struct chunk);
        from += sizeof(struct chunk);
    }
    for (; count >= 8; count -= 8, to += 8, from += 8)
        __builtin_memcpy(to, from, 8);
    for (; count; count--)
        *to++ = *from++;
}

/* Capabilities go to the receiver's empty slots; one that finds none stays with the sender only. */
static uint32_t transfer_caps(struct vcpu *to, struct vcpu *from, uint32_t count)
{
    uint32_t arrived = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct slot *src = cspace_slot(from->cspace, from->ipcbuf->caps[i]);
        struct slot *dest = cspace_slot(to->cspace, to->ipcbuf->recv_slots[i]);

        if (!src || !slot_is_usable(src) || !dest || dest->kind != CAP_NONE)
            break;
        if (src->kind == CAP_UNTYPED && src->child) /* since it was judged */
            break;
        if (src->kind == CAP_UNTYPED)
            slot_move(dest, src);
        else
            slot_copy(dest, src, RIGHT_ALL, src->badge);
        arrived++;
    }
    to->ipcbuf->recv_caps = arrived;
    return arrived;
}

/* The buffers' part of a message; returns the info word that the receiver sees. */
static uint64_t transfer_buffers(struct vcpu *to, struct vcpu *from, uint64_t info)
{
    uint32_t bytes = INFO_BYTES(info);
    uint32_t caps = INFO_CAPS(info);

    if (!to->ipcbuf || !from->ipcbuf)
        return INFO(INFO_LABEL(info), INFO_WORDS(info), 0, 0);
    if (bytes)
        ipc_copy(to->ipcbuf->data, from->ipcbuf->data, bytes);
    if (caps)
        caps = transfer_caps(to, from, caps);
    return INFO(INFO_LABEL(info), INFO_WORDS(info), bytes, caps);
}

static void put_words(struct regs *to, const uint64_t *words)
{
    for (unsigned i = 0; i < IPC_WORDS; i++)
        to->x[3 + i] = words[i];
}

/* `from`'s message becomes the result of `to`'s receive. */
static inline void deliver(struct vcpu *to, struct vcpu *from, uint64_t badge)
{
    uint64_t info;

    if (from->in_exit) {
        info = from->send_info;
        put_words(&to->regs, from->send_words);
    } else {
        info = from->regs.x[2] & 0xffffffff0001ffffull;
        if (info & 0x1fff8ull)
            info = transfer_buffers(to, from, info);
        put_words(&to->regs, &from->regs.x[3]);
    }
    to->regs.x[0] = OK;
    to->regs.x[1] = badge;
    to->regs.x[2] = info;
}

void ipc_deliver_signal(struct vcpu *vcpu, uint64_t bits)
{
    dequeue(vcpu);
    vcpu->regs.x[0] = OK;
    vcpu->regs.x[1] = 0;
    vcpu->regs.x[2] = INFO(0, 1, 0, 0) | INFO_SIGNAL;
    vcpu->regs.x[3] = bits;
    vcpu_wake(vcpu);
}

/* ---- the two halves of a call -------------------------------------------------------------------- */

/* The server takes a call: from now on it owes the answer, and works on the caller's time. */
static void accept(struct vcpu *server, struct vcpu *caller)
{
    caller->state = VCPU_REPLY;
    caller->callee = server;
    server->caller = caller;
    sc_lend(caller, server);
}

/* An exit without an answer: the instruction is executed again when the vCPU is resumed. */
static void give_up_exit(struct vcpu *vcpu)
{
    static const uint64_t nothing[IPC_WORDS];

    vcpu->in_exit = false;
    if (vcpu->kind == VCPU_GUEST)
        guest_exit_reply(vcpu, REPLY_RETRY, nothing);
}

/* The call ends without an answer. */
static void fail_call(struct vcpu *caller, enum status why)
{
    if (caller->callee)
        caller->callee->caller = NULL;
    sc_take_back(caller);
    caller->callee = NULL;
    if (caller->in_exit) { /* a vCPU whose vmm is gone waits for a new one */
        give_up_exit(caller);
        vcpu_block(caller, VCPU_SUSPENDED);
        return;
    }
    caller->regs.x[0] = why;
    vcpu_wake(caller);
}

static enum status wait_in_queue(struct vcpu *self, struct endpoint *ep, enum vcpu_state state,
                                 uint64_t deadline)
{
    if (deadline != BH_FOREVER && (deadline == 0 || deadline <= now()))
        return ERR_TIME;
    enqueue(ep, self);
    vcpu_block(self, state);
    wait_until(self, deadline);
    return BLOCKED;
}

/* Send with registers or as an exit: `self` has a message for `ep`. */
static enum status send_message(struct vcpu *self, struct endpoint *ep, uint64_t badge, uint64_t deadline)
{
    struct vcpu *to = ep->first;

    self->send_badge = badge;
    if (!to || to->state != VCPU_RECEIVING)
        return wait_in_queue(self, ep, VCPU_SENDING, deadline);
    dequeue(to);
    deliver(to, self, badge);
    if (!self->waits_reply) {
        vcpu_wake(to);
        return OK;
    }
    vcpu_block(self, VCPU_REPLY);
    accept(to, self);
    vcpu_wake(to);
    wait_until(self, deadline);
    return BLOCKED;
}

static struct slot *endpoint_of(struct vcpu *self, uint64_t *x, uint32_t right, enum status *why,
                                unsigned call)
{
    struct slot *slot = cap_lookup(self, x[1], CAP_ENDPOINT, right, why);

    if (!slot)
        refused(self, call, 1, *why);
    return slot;
}

static enum status send_from_registers(struct vcpu *self, uint64_t *x, bool call)
{
    enum status why;
    struct slot *slot = endpoint_of(self, x, RIGHT_WRITE, &why, call ? SYS_endpoint_call : SYS_endpoint_send);

    if (!slot)
        return why;
    if (x[2] & 0x1ffffull & ~7ull || INFO_WORDS(x[2]) > IPC_WORDS) {
        why = message_check(self, x[2], slot->rights & RIGHT_GRANT);
        if (why != OK)
            return why;
    }
    self->waits_reply = call;
    return send_message(self, slot_object(slot), slot->badge, x[9]);
}

enum status ipc_call(struct vcpu *self, uint64_t *x)
{
    return send_from_registers(self, x, true);
}

enum status ipc_send(struct vcpu *self, uint64_t *x)
{
    return send_from_registers(self, x, false);
}

/* ---- receiving -------------------------------------------------------------------------------------- */

static enum status receive(struct vcpu *self, struct endpoint *ep, uint64_t deadline)
{
    struct notification *bound = self->bound;

    if (self->caller) /* it goes on without having answered */
        fail_call(self->caller, ERR_PEER);
    if (bound && bound->bits) {
        self->regs.x[1] = 0;
        self->regs.x[2] = INFO(0, 1, 0, 0) | INFO_SIGNAL;
        self->regs.x[3] = bound->bits;
        bound->bits = 0;
        return OK;
    }
    struct vcpu *from = ep->first;

    if (!from || from->state != VCPU_SENDING)
        return wait_in_queue(self, ep, VCPU_RECEIVING, deadline);
    dequeue(from);
    deliver(self, from, from->send_badge);
    if (from->waits_reply) {
        accept(self, from);
    } else {
        from->regs.x[0] = OK;
        vcpu_wake(from);
    }
    return OK;
}

enum status ipc_recv(struct vcpu *self, uint64_t *x)
{
    enum status why;
    struct slot *slot = endpoint_of(self, x, RIGHT_READ, &why, SYS_endpoint_recv);

    if (!slot)
        return why;
    return receive(self, slot_object(slot), x[9]);
}

/* ---- answering ---------------------------------------------------------------------------------------- */

/* What a fault of a service may be answered with: go on, or stay where it is. */
static void service_fault_reply(struct vcpu *vcpu, uint32_t label)
{
    if (label == REPLY_RETRY)
        vcpu_wake(vcpu);
    else
        vcpu_block(vcpu, VCPU_SUSPENDED);
}

static enum status answer(struct vcpu *self, uint64_t *x)
{
    struct vcpu *caller = self->caller;

    if (!caller)
        return ERR_PEER;
    if (x[2] & 0x1ffffull & ~7ull || INFO_WORDS(x[2]) > IPC_WORDS) {
        enum status status = message_check(self, x[2], true);

        if (status != OK)
            return status;
    }
    self->caller = NULL;
    caller->callee = NULL;
    if (caller->in_exit) {
        uint32_t label = INFO_LABEL(x[2]);

        caller->in_exit = false;
        sc_take_back(caller);
        if (caller->kind == VCPU_SERVICE) {
            service_fault_reply(caller, label);
        } else {
            guest_exit_reply(caller, label, &x[3]);
            if (label == REPLY_STOP)
                vcpu_block(caller, VCPU_SUSPENDED);
            else
                vcpu_wake(caller);
        }
        return OK;
    }
    deliver(caller, self, 0);
    sc_take_back(caller);
    vcpu_wake(caller);
    return OK;
}

enum status ipc_reply(struct vcpu *self, uint64_t *x)
{
    return answer(self, x);
}

/* A reply that is refused or finds nobody does not keep the server from its next client. */
static enum status answer_and_receive(struct vcpu *self, struct endpoint *ep, uint64_t *x)
{
    if (self->caller && answer(self, x) != OK && self->caller)
        fail_call(self->caller, ERR_PEER);
    return receive(self, ep, x[9]);
}

enum status ipc_reply_recv(struct vcpu *self, uint64_t *x)
{
    enum status why;
    struct slot *slot = endpoint_of(self, x, RIGHT_READ, &why, SYS_endpoint_reply_recv);

    return slot ? answer_and_receive(self, slot_object(slot), x) : why;
}

enum status ipc_signal_reply_recv(struct vcpu *self, uint64_t *x)
{
    enum status why;
    struct slot *slot = endpoint_of(self, x, RIGHT_READ, &why, SYS_endpoint_signal_reply_recv);
    struct slot *note = slot ? cap_lookup(self, x[10], CAP_NOTIFICATION, RIGHT_WRITE, &why) : NULL;

    if (!slot)
        return why;
    if (!note)
        return refused(self, SYS_endpoint_signal_reply_recv, 10, why);
    notification_signal(slot_object(note), note->badge);
    if (answer_exit_and_wait(self, slot_object(slot)))
        return BLOCKED;
    return answer_and_receive(self, slot_object(slot), x);
}

/* ---- exits: calls that the kernel makes -------------------------------------------------------------------
 */

void vcpu_exit_slow(struct vcpu *vcpu, enum exit_label label, const uint64_t words[IPC_WORDS])
{
    if (vcpu->exits_cap.kind != CAP_ENDPOINT) {
        kprintf("vcpu %p stops, nobody hears its exit %u: 0x%lx 0x%lx 0x%lx 0x%lx\n", (void *)vcpu, label,
                words[0], words[1], words[2], words[3]);
        vcpu_block(vcpu, VCPU_SUSPENDED);
        return;
    }
    for (unsigned i = 0; i < IPC_WORDS; i++)
        vcpu->send_words[i] = words[i];
    vcpu->send_info = INFO(label, IPC_WORDS, 0, 0) | INFO_EXIT;
    vcpu->exit_label = (uint8_t)label;
    vcpu->in_exit = true;
    vcpu->waits_reply = true;
    (void)send_message(vcpu, slot_object(&vcpu->exits_cap), vcpu->exits_cap.badge, BH_FOREVER);
}

/* ---- ends
 * ------------------------------------------------------------------------------------------------------- */

void vcpu_abort_wait(struct vcpu *vcpu, enum status why)
{
    switch ((enum vcpu_state)vcpu->state) {
    case VCPU_SENDING:
    case VCPU_RECEIVING:
        dequeue(vcpu);
        break;
    case VCPU_WAITING:
        notification_leave(vcpu);
        break;
    case VCPU_REPLY:
        if (vcpu->callee)
            vcpu->callee->caller = NULL;
        sc_take_back(vcpu);
        vcpu->callee = NULL;
        break;
    case VCPU_SUSPENDED:
    case VCPU_RUNNABLE:
    case VCPU_WFI:
        timer_cancel(vcpu->cpu, &vcpu->timer);
        return;
    }
    timer_cancel(vcpu->cpu, &vcpu->timer);
    if (vcpu->in_exit)
        give_up_exit(vcpu);
    else
        vcpu->regs.x[0] = why;
}

static bool waits(const struct vcpu *vcpu)
{
    return vcpu->state == VCPU_SENDING || vcpu->state == VCPU_RECEIVING || vcpu->state == VCPU_REPLY ||
           vcpu->state == VCPU_WAITING;
}

/*
 * A wait that ends does not take its timer out of the heap: most servers wait again, to the same deadline. So
 * one that expires may be for a wait that is over (then nothing happens) or has a later deadline.
 */
void wait_until(struct vcpu *vcpu, uint64_t deadline)
{
    vcpu->deadline = deadline;
    if (deadline != BH_FOREVER && !(vcpu->timer.queued && vcpu->timer.when <= deadline))
        timer_queue(vcpu->cpu, &vcpu->timer, deadline);
}

void ipc_timeout(struct vcpu *vcpu, uint64_t t)
{
    if (!waits(vcpu) || vcpu->deadline == BH_FOREVER)
        return;
    if (vcpu->deadline > t) {
        timer_queue(vcpu->cpu, &vcpu->timer, vcpu->deadline);
        return;
    }
    vcpu_abort_wait(vcpu, ERR_TIME);
    vcpu_wake(vcpu);
}

/* The server will never answer. */
void ipc_orphan_caller(struct vcpu *server)
{
    if (server->caller)
        fail_call(server->caller, ERR_PEER);
}

enum status endpoint_destroy(struct endpoint *ep)
{
    for (unsigned steps = 1; ep->first; steps++) {
        struct vcpu *vcpu = ep->first;
        bool exit = vcpu->in_exit;

        vcpu_abort_wait(vcpu, ERR_PEER);
        if (exit)
            vcpu_block(vcpu, VCPU_SUSPENDED);
        else
            vcpu_wake(vcpu);
        if (steps % PREEMPT_EVERY == 0 && ep->first && preempt_wanted())
            return RESTART;
    }
    return OK;
}
