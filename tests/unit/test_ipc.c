/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_ipc.c - vCPUs that call, answer, wait, time out, are stopped and ended at random, on two pCPUs
 *
 * After each step every object agrees with every other about who waits for whom, on whose time.  And the same
 * walk with the fast paths and without comes to the same states.
 *
 * links: tests/unit/fake/kcore.c kernel/slot.c kernel/timer.c kernel/sc.c kernel/dispatcher.c kernel/ipc.c
 *
 * links: kernel/fastpath.c kernel/notification.c kernel/vcpu.c kernel/irq.c
 *
 * flags: -Itests/unit/fake -Ikernel -include tests/unit/fake/host_cpu.h
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dispatcher.h"
#include "fastpath.h"
#include "ipc.h"
#include "kcore.h"
#include "sys.h"

enum { VCPUS = 9, ENDPOINTS = 3, NOTES = 3, PCPUS = 2, GUEST = 4, WITHOUT_TIME = 3 };
/* Slots: 1 the CSpace, 2 the address space; endpoints, their badged copies, notifications; then per vCPU. */
enum { SLOT_EP = 10, SLOT_EP_BADGED = 20, SLOT_NOTE = 30, SLOT_VCPU0 = 40, SLOT_SC0 = 60, SLOTS = 128 };

static struct cspace *cspace;
static struct vcpu *vcpus[VCPUS];
static struct sc *scs[VCPUS];
static struct ipc_buffer *buffers[VCPUS];
static bool use_fast;
static unsigned fast_taken, signal_answers_taken;
static uint32_t plan_flags; /* what plans may have */

static unsigned pcpu_of(unsigned i)
{
    return i < 6 ? 0 : 1;
}

static struct slot *slot_at(unsigned index)
{
    return &cspace->slots[index];
}

static void put(unsigned index, enum cap_kind kind, void *object, uint64_t badge)
{
    struct slot *slot = slot_at(index);

    *slot = (struct slot){.kind = (uint8_t)kind, .rights = RIGHT_ALL, .object = (uint64_t)object};
    if (badge)
        slot->badge = badge;
    slot_insert(slot, NULL);
}

static void make_vcpu(unsigned i)
{
    struct vcpu *vcpu = kcore_memory(sizeof *vcpu);

    vcpus[i] = vcpu;
    put(SLOT_VCPU0 + i, CAP_VCPU, vcpu, 0);
    assert_int_equal(sys_vcpu_configure(vcpu, i == GUEST ? VCPU_GUEST : VCPU_SERVICE, 0, pcpu_of(i),
                                        slot_at(1), slot_at(2), slot_at(SLOT_EP_BADGED)),
                     OK);
    vcpu->ipcbuf = buffers[i];
    if (i == 0)
        assert_int_equal(sys_vcpu_bind_notification(vcpu, slot_object(slot_at(SLOT_NOTE))), OK);
    if (i != WITHOUT_TIME)
        assert_int_equal(sys_sc_bind(scs[i], vcpu), OK);
    assert_int_equal(sys_vcpu_resume(vcpu), OK);
}

static void commit(unsigned pcpu, uint32_t flags)
{
    static struct vcpu committer;
    struct plan *plan;

    committer.cspace = cspace;
    committer.ipcbuf = buffers[0];
    plan = (struct plan *)((char *)buffers[0] + PLAN_OFFSET);
    memset(plan, 0, sizeof *plan);
    plan->epoch_us = 400;
    plan->flags = flags & plan_flags;
    for (unsigned i = 0; i < VCPUS; i++)
        if (pcpu_of(i) == pcpu)
            plan->entries[plan->count++] = (struct plan_entry){.sc = SLOT_SC0 + i, .slice_us = 30 + i * 7};
    assert_int_equal(sys_dispatcher_commit(&committer, &cpus[pcpu].dispatcher), OK);
}

static void begin(uint64_t seed)
{
    kcore_reset();
    random_seed(seed);
    cpu_count = PCPUS;
    cspace = kcore_memory(sizeof(struct cspace) + SLOTS * sizeof(struct slot));
    cspace->slot_count = SLOTS;
    put(1, CAP_CSPACE, cspace, 0);
    put(2, CAP_ASPACE, kcore_memory(sizeof(struct aspace)), 0);
    for (unsigned e = 0; e < ENDPOINTS; e++) {
        put(SLOT_EP + e, CAP_ENDPOINT, kcore_memory(sizeof(struct endpoint)), 0);
        slot_copy(slot_at(SLOT_EP_BADGED + e), slot_at(SLOT_EP + e), RIGHT_ALL, 100 + e);
    }
    for (unsigned n = 0; n < NOTES; n++)
        put(SLOT_NOTE + n, CAP_NOTIFICATION, kcore_memory(sizeof(struct notification)), 1u << n);
    for (unsigned i = 0; i < VCPUS; i++) {
        scs[i] = kcore_memory(sizeof(struct sc));
        scs[i]->entry = -1;
        put(SLOT_SC0 + i, CAP_SC, scs[i], 0);
        assert_int_equal(sys_sc_create_on(scs[i], pcpu_of(i)), OK);
        buffers[i] = kcore_memory(4096);
    }
    for (unsigned i = 0; i < VCPUS; i++)
        make_vcpu(i);
    commit(0, (uint32_t)seed & 1);
    commit(1, (uint32_t)seed >> 1 & 1);
}

/* ---- what is always true ----------------------------------------------------------------------------------
 */

static bool bit_of(const struct sc *sc)
{
    return sc->entry >= 0 && (sc->cpu->dispatcher.runnable[sc->entry >> 6] >> (sc->entry & 63) & 1);
}

static bool has_slice(const struct sc *sc)
{
    return sc->entry >= 0 && (sc->cpu->dispatcher.has_slice[sc->entry >> 6] >> (sc->entry & 63) & 1);
}

static unsigned times_in(const struct vcpu *first, const struct vcpu *vcpu)
{
    unsigned times = 0;

    for (; first; first = first->queue_next)
        times += first == vcpu;
    return times;
}

static void check_waiting(const struct vcpu *v)
{
    bool queued = v->state == VCPU_SENDING || v->state == VCPU_RECEIVING;

    assert_int_equal(v->endpoint != NULL, queued);
    if (queued) {
        assert_int_equal(times_in(v->endpoint->first, v), 1);
        assert_int_equal(v->endpoint->first->state, v->state);
    }
    assert_int_equal(v->waits_on != NULL, v->state == VCPU_WAITING);
    if (v->waits_on)
        assert_int_equal(times_in(v->waits_on->waiter_first, v), 1);
    assert_int_equal(v->callee != NULL, v->state == VCPU_REPLY);
    if (v->callee)
        assert_ptr_equal(v->callee->caller, v);
    if (v->caller) {
        assert_ptr_equal(v->caller->callee, v);
        assert_int_equal(v->caller->state, VCPU_REPLY);
    }
    /* A timer may be an earlier wait's; it is never too late. */
    if ((queued || v->state == VCPU_WAITING || v->state == VCPU_REPLY) && v->deadline != BH_FOREVER)
        assert_true(v->timer.queued && v->timer.when <= v->deadline);
    if (v->in_exit)
        assert_true(v->state == VCPU_SENDING || v->state == VCPU_REPLY);
}

static void check_time(const struct vcpu *v)
{
    if (v->lending) {
        const struct vcpu *holder = v->callee;

        assert_int_equal(v->state, VCPU_REPLY);
        while (holder->lending == v->lending)
            holder = holder->callee;
        assert_ptr_equal(v->lending->runner, holder);
    }
    if (v->lent) {
        assert_ptr_equal(v->lent->runner, v);
        assert_ptr_not_equal(v->lent, v->sc);
    }
    if (v->sc)
        assert_ptr_equal(v->sc->vcpu, v);
    if (v->state != VCPU_RUNNABLE)
        return;
    /* It will be run when there is time for it. */
    bool own = v->sc && v->sc->runner == v;
    if (v->lent)
        assert_true(bit_of(v->lent));
    if (own && (!v->lent || !has_slice(v->lent)))
        assert_true(bit_of(v->sc));
}

static void check_context(const struct sc *sc)
{
    assert_int_equal(bit_of(sc), sc->awake);
    if (sc->vcpu) {
        assert_non_null(sc->runner);
        assert_ptr_equal(sc->vcpu->sc, sc);
        if (sc->runner != sc->vcpu)
            assert_ptr_equal(sc->runner->lent, sc);
    } else {
        assert_null(sc->runner);
    }
    if (bit_of(sc))
        assert_int_equal(sc->runner->state, VCPU_RUNNABLE);
}

static void check_all(void)
{
    for (unsigned i = 0; i < VCPUS; i++) {
        check_waiting(vcpus[i]);
        check_time(vcpus[i]);
        check_context(scs[i]);
    }
    for (unsigned e = 0; e < ENDPOINTS; e++) {
        const struct endpoint *ep = slot_object(slot_at(SLOT_EP + e));

        for (const struct vcpu *v = ep->first, *before = NULL; v; before = v, v = v->queue_next) {
            assert_ptr_equal(v->queue_prev, before);
            assert_ptr_equal(v->endpoint, ep);
            if (!v->queue_next)
                assert_ptr_equal(ep->last, v);
        }
        assert_int_equal(ep->first == NULL, ep->last == NULL);
    }
}

/* ---- a step
 * -------------------------------------------------------------------------------------------------- */

/* Each pCPU that was asked to let go does so. */
static void others_come_in(void)
{
    for (unsigned c = 0; c < PCPUS; c++)
        if (cpus[c].evict) {
            cpus[c].evict = false;
            cpus[c].current = cpus[c].loaded = NULL;
            cpus[c].resched = true;
        }
}

#define RESTARTED(call)                                                                                      \
    ({                                                                                                       \
        enum status status_;                                                                                 \
        while ((status_ = (call)) == RESTART)                                                                \
            others_come_in();                                                                                \
        status_;                                                                                             \
    })

static void any_deadline(uint64_t *x)
{
    switch (random_below(8)) {
    case 0:
        x[9] = clock_now + random_below(100);
        break;
    case 1:
        x[9] = 0;
        break;
    default:
        x[9] = BH_FOREVER;
        break;
    }
}

static void any_message(uint64_t *x)
{
    x[1] = (random_below(2) ? SLOT_EP : SLOT_EP_BADGED) + random_below(ENDPOINTS);
    x[2] = INFO(random_below(6), random_below(7), random_below(4) ? 0 : random_below(40), 0);
    for (unsigned i = 3; i < 9; i++)
        x[i] = random_below(1000);
}

/* The running vCPU calls the kernel, through the fast path where it may. */
static void system_call(struct cpu *cpu, struct vcpu *self)
{
    uint64_t *x = self->regs.x;
    struct vcpu *next = NULL;
    enum status status = OK;
    uint64_t bits = 0;

    any_message(x);
    any_deadline(x);
    x[10] = SLOT_NOTE + random_below(NOTES);
    switch (random_below(10)) {
    case 8:
    case 9:
        if (use_fast) {
            status = ipc_signal_reply_recv(self, x);
            signal_answers_taken += status == BLOCKED;
        } else {
            notification_signal(slot_object(slot_at((unsigned)x[10])), slot_at((unsigned)x[10])->badge);
            status = ipc_reply_recv(self, x);
        }
        break;
    case 0:
    case 1:
        if (use_fast && self->kind == VCPU_SERVICE)
            next = fast_call(self);
        if (!next)
            status = ipc_call(self, x);
        break;
    case 2:
    case 3:
    case 4:
        if (use_fast && self->kind == VCPU_SERVICE)
            next = fast_reply_recv(self);
        if (!next)
            status = ipc_reply_recv(self, x);
        break;
    case 5:
        status = random_below(2) ? ipc_send(self, x) : ipc_recv(self, x);
        break;
    case 6:
        status = ipc_reply(self, x);
        break;
    default:
        status =
            sys_notification_wait(self, slot_object(slot_at(SLOT_NOTE + random_below(NOTES))), x[9], &bits);
        if (status == OK)
            x[1] = bits;
        break;
    }
    if (next) {
        fast_taken++;
        assert_ptr_equal(cpu->current, next);
        assert_int_equal(next->state, VCPU_RUNNABLE);
    } else if (status != BLOCKED) {
        x[0] = status;
    }
}

static void something_else(void)
{
    unsigned i = random_below(VCPUS);

    switch (random_below(9)) {
    case 0:
        if (random_below(4) == 0)
            assert_int_equal(RESTARTED(sys_vcpu_suspend(vcpus[i])), OK);
        break;
    case 1:
    case 2:
        for (i = 0; i < VCPUS; i++)
            (void)RESTARTED(sys_vcpu_resume(vcpus[i]));
        break;
    case 3:
        if (random_below(8) == 0) {
            assert_int_equal(RESTARTED(slot_delete(slot_at(SLOT_VCPU0 + i))), OK);
            make_vcpu(i);
        }
        break;
    case 4:
        if (random_below(4) == 0)
            (void)!sys_sc_unbind(scs[i]);
        break;
    case 5:
        for (i = 0; i < VCPUS; i++)
            if (i != WITHOUT_TIME)
                (void)!sys_sc_bind(scs[i], vcpus[i]);
        break;
    case 6:
        if (random_below(20) == 0)
            commit(random_below(PCPUS), random_below(2));
        break;
    default:
        (void)!sys_notification_signal(slot_at(SLOT_NOTE + random_below(NOTES)));
        break;
    }
}

/* The answer of an exit is a register or two, so it is enough to look at a few. */
static uint64_t state_now(void)
{
    uint64_t sum = clock_now;

    for (unsigned i = 0; i < VCPUS; i++) {
        const struct vcpu *v = vcpus[i];

        sum = sum * 31 + v->state;
        for (unsigned r = 0; r < 9; r++)
            sum = sum * 31 + v->regs.x[r];
        sum = sum * 31 + (v->caller != NULL) + 2u * (v->lent != NULL) + 4u * (v->lending != NULL);
        sum = sum * 31 + scs[i]->awake;
    }
    for (unsigned c = 0; c < PCPUS; c++)
        for (unsigned i = 0; i < VCPUS; i++)
            sum = sum * 31 + (cpus[c].current == vcpus[i]);
    return sum;
}

static void step(void)
{
    here = random_below(PCPUS);
    struct cpu *cpu = &cpus[here];

    clock_now += random_below(8);
    others_come_in();
    if (clock_now >= armed[here]) { /* its timer */
        cpu->timer_armed = BH_FOREVER;
        armed[here] = BH_FOREVER;
        cpu->resched = true;
    }
    if (cpu->resched || !cpu->current)
        cpu->current = dispatch(cpu);
    struct vcpu *self = cpu->current;

    if (self) {
        assert_int_equal(self->state, VCPU_RUNNABLE);
        assert_ptr_equal(self->cpu, cpu);
        assert_ptr_equal(cpu->sc->runner, self);
        cpu->loaded = self;
    }
    if (!self || random_below(10) == 0) {
        something_else();
    } else if (self->kind == VCPU_GUEST && random_below(2)) {
        uint64_t words[IPC_WORDS] = {random_below(9), 1, 2, 3, 4, 5};

        if (use_fast)
            vcpu_exit(self, EXIT_HVC, words);
        else
            vcpu_exit_slow(self, EXIT_HVC, words);
    } else {
        system_call(cpu, self);
    }
}

enum { STEPS = 6000, SEEDS = 25 };

static void everybody_agrees_about_everybody(void **state)
{
    (void)state;
    use_fast = true;
    fast_taken = signal_answers_taken = 0;
    plan_flags = PLAN_ELASTIC;
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        begin(seed);
        for (unsigned i = 0; i < STEPS; i++) {
            step();
            check_all();
        }
    }
    assert_true(fast_taken > SEEDS * 20); /* or it says nothing about them */
    assert_true(signal_answers_taken > SEEDS * 20);
}

/*
 * The state after a step is looked at when its pCPU has dispatched: only then have both come as far.  Not in
 * elastic plans: there an overrun is forgiven at the next dispatch, and a fast path saves one.
 */
static void fast_paths_do_what_the_slow_ones_do(void **state)
{
    static uint64_t states[STEPS];

    (void)state;
    plan_flags = 0;
    for (unsigned seed = 1000; seed < 1000 + SEEDS; seed++) {
        for (unsigned pass = 0; pass < 2; pass++) {
            use_fast = pass == 0;
            begin(seed);
            for (unsigned i = 0; i < STEPS; i++) {
                step();
                check_all();
                if (cpus[here].resched) {
                    cpus[here].timer_armed = armed[here] = BH_FOREVER;
                    cpus[here].current = dispatch(&cpus[here]);
                }
                if (cpus[here].current)
                    cpus[here].loaded = cpus[here].current;
                if (pass == 0)
                    states[i] = state_now();
                else
                    assert_int_equal(state_now(), states[i]);
            }
        }
    }
}

/* ---- bounds
 * -------------------------------------------------------------------------------------------------- */

enum { MANY = 200 };

static struct vcpu *one_of_many(void)
{
    struct vcpu *vcpu = kcore_memory(sizeof *vcpu);

    vcpu->cpu = &cpus[0];
    vcpu->configured = true;
    vcpu->cspace = cspace;
    vcpu->state = VCPU_RUNNABLE;
    return vcpu;
}

static void endpoint_with_many_in_its_queue_ends_in_steps(void **state)
{
    struct vcpu *many[MANY];
    struct endpoint *ep;
    unsigned restarts = 0;

    (void)state;
    begin(1);
    ep = kcore_memory(sizeof *ep);
    put(100, CAP_ENDPOINT, ep, 0);
    for (unsigned i = 0; i < MANY; i++) {
        many[i] = one_of_many();
        many[i]->regs.x[1] = 100;
        many[i]->regs.x[9] = BH_FOREVER;
        assert_int_equal(ipc_call(many[i], many[i]->regs.x), BLOCKED);
    }
    preempt_percent = 100;
    while (slot_delete(slot_at(100)) == RESTART) {
        restarts++;
        /* Nobody comes in any more. */
        struct vcpu *late = one_of_many();
        late->regs.x[1] = 100;
        late->regs.x[9] = BH_FOREVER;
        assert_int_equal(ipc_call(late, late->regs.x), ERR_CAP);
        assert_null(fast_call(late));
    }
    assert_true(restarts >= MANY / 32 - 1);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(many[i]->state, VCPU_RUNNABLE);
        assert_int_equal(many[i]->regs.x[0], ERR_PEER);
    }
}

static void notification_refuses_more_waiters_than_it_can_wake_at_once(void **state)
{
    struct notification *n;
    uint64_t bits;

    (void)state;
    begin(1);
    n = slot_object(slot_at(SLOT_NOTE + 2));
    for (unsigned i = 0; i < NOTIFICATION_WAITERS_MAX; i++)
        assert_int_equal(sys_notification_wait(one_of_many(), n, BH_FOREVER, &bits), BLOCKED);
    assert_int_equal(sys_notification_wait(one_of_many(), n, BH_FOREVER, &bits), ERR_FULL);
    assert_int_equal(sys_notification_signal(slot_at(SLOT_NOTE + 2)), OK);
    assert_int_equal(sys_notification_wait(one_of_many(), n, BH_FOREVER, &bits), BLOCKED);
    assert_int_equal(sys_notification_wait(one_of_many(), n, BH_FOREVER, &bits), ERR_FULL);
}

/* A server that another pCPU has just stopped, and that has not heard of it, answers a guest's exit. */
static enum status answers_while_it_is_stopped(bool with_signal)
{
    uint64_t words[IPC_WORDS] = {0};
    enum status status;

    begin(7);
    struct vcpu *guest = vcpus[GUEST], *server = vcpus[1];
    uint64_t *x = server->regs.x;

    plan_flags = PLAN_ELASTIC;
    commit(0, 1);
    here = 0;
    for (unsigned i = 0; i < VCPUS; i++)
        if (vcpus[i] != guest && vcpus[i] != server)
            assert_int_equal(RESTARTED(sys_vcpu_suspend(vcpus[i])), OK);
    x[1] = SLOT_EP;
    x[9] = BH_FOREVER;
    cpus[0].current = server;
    assert_int_equal(ipc_recv(server, x), BLOCKED);
    cpus[0].current = dispatch(&cpus[0]);
    vcpu_exit(guest, EXIT_HVC, words);
    if (cpus[0].resched)
        cpus[0].current = dispatch(&cpus[0]);
    assert_ptr_equal(cpus[0].current, server);
    cpus[0].loaded = server;
    here = 1;
    assert_int_equal(sys_vcpu_suspend(server), RESTART);
    here = 0;
    x[1] = SLOT_EP;
    x[2] = INFO(REPLY_DONE, 4, 0, 0);
    x[9] = BH_FOREVER;
    x[10] = SLOT_NOTE + 1;
    status = with_signal ? ipc_signal_reply_recv(server, x) : ipc_reply_recv(server, x);
    others_come_in();
    here = 1;
    assert_int_equal(RESTARTED(sys_vcpu_suspend(server)), OK);
    here = 0;
    return status;
}

static void guest_runs_on_when_its_stopped_server_has_answered(void **state)
{
    (void)state;
    for (int with_signal = 0; with_signal < 2; with_signal++) {
        (void)answers_while_it_is_stopped(with_signal);
        assert_int_equal(vcpus[GUEST]->state, VCPU_RUNNABLE);
        assert_ptr_equal(dispatch(&cpus[0]), vcpus[GUEST]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_agrees_about_everybody),
        cmocka_unit_test(fast_paths_do_what_the_slow_ones_do),
        cmocka_unit_test(endpoint_with_many_in_its_queue_ends_in_steps),
        cmocka_unit_test(notification_refuses_more_waiters_than_it_can_wake_at_once),
        cmocka_unit_test(guest_runs_on_when_its_stopped_server_has_answered),
    };

    return cmocka_run_group_tests_name("ipc", tests, NULL, NULL);
}
