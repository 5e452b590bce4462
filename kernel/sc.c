/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sc.c - processor time as an object
 *
 * A scheduling context is the right to run on one pCPU.  The sched domain decides how much, by the plan it
 * commits; this file keeps who runs on it.  A call lends the caller's context to the server and the
 * reply gives it back, so a server works on its client's time.
 *
 * Always true:  an sc serves at most one vCPU, and that vCPU points back at it; sc->runner is that vCPU, or
 *               the last in a chain of callees each of which the context was lent to.
 * Locking:      kernel_lock.
 */
#include "dispatcher.h"
#include "ipc.h"
#include "sys.h"

/* Which of its contexts a vCPU would run on: a caller's while it serves one, else its own. */
struct sc *vcpu_sc(const struct vcpu *vcpu)
{
    if (vcpu->lent)
        return vcpu->lent;
    return vcpu->sc && vcpu->sc->runner == vcpu ? vcpu->sc : NULL;
}

static bool can_run_on(const struct sc *sc)
{
    return sc && sc->entry >= 0 && (sc->cpu->dispatcher.has_slice[sc->entry >> 6] >> (sc->entry & 63) & 1);
}

void vcpu_wake(struct vcpu *vcpu)
{
    struct cpu *cpu = vcpu->cpu;

    vcpu->state = VCPU_RUNNABLE;
    if (vcpu->lent)
        sc_set_runnable(vcpu->lent, true);
    if (vcpu->sc && vcpu->sc->runner == vcpu && !can_run_on(vcpu->lent))
        sc_set_runnable(vcpu->sc, true);
    cpu->resched = true;
    if (cpu != this_cpu())
        cpu_kick(cpu);
}

void vcpu_block(struct vcpu *vcpu, enum vcpu_state state)
{
    vcpu->state = (uint8_t)state;
    if (vcpu->lent)
        sc_set_runnable(vcpu->lent, false);
    if (vcpu->sc && vcpu->sc->runner == vcpu)
        sc_set_runnable(vcpu->sc, false);
    vcpu->cpu->resched = true;
}

/* `caller` is about to wait for `server`'s reply: on the same pCPU the server runs on the caller's time. */
void sc_lend(struct vcpu *caller, struct vcpu *server)
{
    struct sc *sc = vcpu_sc(caller);

    caller->lending = NULL;
    if (!sc || caller->cpu != server->cpu || server->lent)
        return;
    if (caller->lent == sc)
        caller->lent = NULL;
    sc_set_runnable(sc, server->state == VCPU_RUNNABLE);
    caller->lending = sc;
    sc->runner = server;
    server->lent = sc;
}

/* Whom `lender` lent it to may have lent it on, and so forth: none of them gets it back any more. */
static void forget_lending(struct sc *sc, struct vcpu *lender)
{
    for (struct vcpu *v = lender; v && v->lending == sc; v = v->callee)
        v->lending = NULL;
}

/* The call is over (answered, abandoned): take the context back from whoever has it now.  caller->callee is
 * still set if that may have lent it on. */
void sc_take_back(struct vcpu *caller)
{
    struct sc *sc = caller->lending;

    if (!sc)
        return;
    struct vcpu *holder = sc->runner;

    forget_lending(sc, caller);
    if (holder && holder->lent == sc) {
        holder->lent = NULL;
        if (holder->state == VCPU_RUNNABLE && holder->sc && holder->sc->runner == holder)
            sc_set_runnable(holder->sc, true);
    }
    sc->runner = caller;
    if (caller->sc != sc)
        caller->lent = sc;
    sc_set_runnable(sc, caller->state == VCPU_RUNNABLE);
    caller->cpu->resched = true;
}

/* Nobody runs on it any more, whoever it was lent to. */
static void sc_recall(struct sc *sc)
{
    struct vcpu *holder = sc->runner;

    sc_set_runnable(sc, false);
    if (holder && holder->lent == sc) {
        holder->lent = NULL;
        if (holder->state == VCPU_RUNNABLE && holder->sc && holder->sc->runner == holder)
            sc_set_runnable(holder->sc, true);
    }
    forget_lending(sc, sc->vcpu);
    sc->runner = NULL;
    if (!sc->cpu)
        return;
    sc->cpu->resched = true;
    if (sc->cpu != this_cpu()) /* it may run there */
        cpu_kick(sc->cpu);
}

void sc_detach(struct sc *sc)
{
    if (!sc->vcpu)
        return;
    sc_recall(sc);
    sc->vcpu->sc = NULL;
    sc->vcpu = NULL;
}

void sc_destroy(struct sc *sc)
{
    sc_detach(sc);
    if (!sc->cpu)
        return;
    dispatcher_drop(sc);
    if (sc->cpu->sc == sc) { /* it may still be charged there: the account ends here */
        sc->cpu->sc = NULL;
        sc->cpu->resched = true;
        if (sc->cpu != this_cpu())
            cpu_kick(sc->cpu);
    }
}

enum status sys_sc_create_on(struct sc *sc, uint32_t pcpu)
{
    if (pcpu >= cpu_count)
        return ERR_ARG;
    if (sc->cpu)
        return ERR_STATE;
    sc->cpu = &cpus[pcpu];
    return OK;
}

/* sc_bind(sc, vcpu): let `vcpu` run on the time in `sc`. */
enum status sys_sc_bind(struct sc *sc, struct vcpu *vcpu)
{
    if (!sc->cpu || !vcpu->configured || sc->cpu != vcpu->cpu)
        return ERR_ARG;
    if (sc->vcpu || vcpu->sc)
        return ERR_STATE;

    sc->vcpu = vcpu;
    sc->runner = vcpu;
    vcpu->sc = sc;
    if (vcpu->state == VCPU_RUNNABLE)
        vcpu_wake(vcpu);
    return OK;
}

enum status sys_sc_unbind(struct sc *sc)
{
    if (!sc->vcpu)
        return ERR_STATE;
    sc_detach(sc);
    return OK;
}

/* Who runs alone is charged seldom: what it has used since then counts, too. */
enum status sys_sc_usage(struct sc *sc, uint64_t *out)
{
    uint64_t t = now();

    out[0] = sc->ticks;
    if (sc->cpu && sc->cpu->sc == sc)
        out[0] += t - sc->cpu->since;
    out[1] = sc->switches;
    out[2] = sc->awake ? sc->wanted + t : sc->wanted;
    return OK;
}

enum status sys_sc_exits(struct sc *sc, uint32_t first, uint64_t *out)
{
    if (first % 4 != 0 || first >= EXIT_KINDS)
        return ERR_ARG;
    if (!sc->vcpu)
        return ERR_STATE;
    for (uint32_t i = 0; i < 4; i++)
        out[i] = sc->vcpu->exits[first + i];
    return OK;
}
