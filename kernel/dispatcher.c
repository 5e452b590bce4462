/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dispatcher.c - run the plan
 *
 * The one rule: run the first entry that is runnable, inside its window, and has slice left.  At the
 * epoch's end every slice is refilled; an elastic plan also refills as soon as nobody runnable has any left.
 * If nobody commits a new plan the last one goes on.
 *
 * Of entries that take turns (PLAN_TURNS) the one that was called last counts as the first, until another one
 * is chosen because it cannot run.  It changes who goes first, not how much anybody gets.
 *
 * Always true:  bit i of `runnable` is set exactly while entries[i].sc has a runner that wants to run on it;
 *               bit i of `has_slice` exactly while entries[i].left is not 0;
 *               between two dispatches the comparator is set to when a timer is due, an edge is passed or a
 *               slice ends that somebody is to notice, or to earlier.
 * Locking:      kernel_lock.
 */
#include "dispatcher.h"

#include "report.h"
#include "sys.h"

static inline bool any(const uint64_t bits[2])
{
    return bits[0] | bits[1];
}

static inline bool several(const uint64_t bits[2])
{
    return (bits[0] & (bits[0] - 1)) || (bits[1] & (bits[1] - 1)) || (bits[0] && bits[1]);
}

/* When a lent context is used up, the server may go on with its own: it must not wait for its client. */
static void fall_back_to_own(struct sc *used_up)
{
    struct vcpu *runner = used_up->runner;

    if (runner && runner->state == VCPU_RUNNABLE && runner->sc && runner->sc != used_up &&
        runner->sc->runner == runner)
        sc_set_runnable(runner->sc, true);
}

static inline void charge(struct cpu *cpu, uint64_t t)
{
    struct sc *sc = cpu->sc;

    if (!sc)
        return;
    uint64_t used = t - cpu->since;

    sc->ticks += used;
    cpu->since = t;
    if (sc->entry < 0)
        return;
    struct plan_slot *entry = &cpu->dispatcher.entries[sc->entry];

    if (used < entry->left) {
        entry->left -= used;
        return;
    }
    entry->left = 0;
    cpu->dispatcher.has_slice[sc->entry >> 6] &= ~(1ull << (sc->entry & 63));
    fall_back_to_own(sc);
}

static void refill(struct dispatcher *d, bool capped_too)
{
    for (uint32_t i = 0; i < d->count; i++) {
        uint64_t bit = 1ull << (i & 63);

        if (!capped_too && (d->capped[i >> 6] & bit))
            continue;
        d->entries[i].left = d->entries[i].slice;
        d->has_slice[i >> 6] |= bit;
    }
}

static void begin_epoch_if_due(struct dispatcher *d, uint64_t t)
{
    if (t - d->epoch_start < d->epoch)
        return;
    d->epoch_start += (t - d->epoch_start) / d->epoch * d->epoch;
    refill(d, true);
    if ((d->flags & PLAN_NOTIFY) && d->notify_cap.kind == CAP_NOTIFICATION)
        notification_signal(slot_object(&d->notify_cap), d->notify_cap.badge);
}

/* Returns ticks from the epoch's start to the next window edge. */
static uint64_t look_at_windows(struct dispatcher *d, uint64_t t)
{
    uint64_t at = t - d->epoch_start;
    uint64_t edge = d->epoch;

    d->in_window[0] = d->in_window[1] = 0;
    for (uint32_t i = 0; i < d->count; i++) {
        const struct plan_slot *e = &d->entries[i];

        if (at >= e->window_start && at < e->window_end)
            d->in_window[i >> 6] |= 1ull << (i & 63);
        if (e->window_start > at && e->window_start < edge)
            edge = e->window_start;
        if (e->window_end > at && e->window_end < edge)
            edge = e->window_end;
    }
    return edge;
}

/* The epoch or a window has ended, or a window begun. */
static __attribute__((noinline)) void pass_edge(struct dispatcher *d, uint64_t t)
{
    begin_epoch_if_due(d, t);
    d->next_edge = d->epoch_start + (d->windows ? look_at_windows(d, t) : d->epoch);
}

static inline uint64_t eligible(const struct dispatcher *d, int w)
{
    return d->runnable[w] & d->has_slice[w] & d->in_window[w];
}

static inline bool test_entry(uint64_t word, int entry)
{
    return word >> (entry & 63) & 1;
}

/* `first` is the first of the eligible ones: whose turn is it? */
static __attribute__((noinline)) int in_turn(struct dispatcher *d, int first)
{
    if (!test_entry(d->turns[first >> 6], first))
        return first;
    if (!test_entry(eligible(d, d->called >> 6), d->called))
        d->called = -1; /* it is over */
    return d->called < 0 ? first : d->called;
}

static inline int eligible_now(struct dispatcher *d)
{
    for (int w = 0; w < 2; w++) {
        uint64_t bits = eligible(d, w);

        if (bits) {
            int first = w * 64 + __builtin_ctzll(bits);

            return __builtin_expect(d->called < 0, 1) ? first : in_turn(d, first);
        }
    }
    return -1;
}

static __attribute__((noinline)) int eligible_after_refill(struct dispatcher *d)
{
    uint64_t wanting[2] = {d->runnable[0] & d->in_window[0] & ~d->capped[0],
                           d->runnable[1] & d->in_window[1] & ~d->capped[1]};

    if (!(d->flags & PLAN_ELASTIC) || !any(wanting))
        return -1;
    refill(d, false);
    return eligible_now(d);
}

static inline int first_eligible(struct dispatcher *d)
{
    int first = eligible_now(d);

    return first >= 0 ? first : eligible_after_refill(d);
}

/*
 * An elastic plan needs no interrupt at the slice's or the epoch's end while nobody else wants this pCPU.
 *
 * An earlier interrupt than needed does no harm: it finds nothing to do and arms anew.  So the comparator is
 * set only when it would be late, and not at each switch to somebody who has more slice left.
 */
static inline void arm(struct cpu *cpu, uint64_t t, int chosen)
{
    struct dispatcher *d = &cpu->dispatcher;
    uint64_t when = cpu->timers ? cpu->timers->when : BH_FOREVER;
    bool limited = d->fixed ? any(d->runnable) : several(d->runnable);

    if (limited && chosen >= 0 && d->entries[chosen].left < when - t)
        when = t + d->entries[chosen].left;
    /* At the epoch's end those ahead of the chosen one have slice again. */
    if ((limited || d->flags & PLAN_NOTIFY) && d->next_edge < when)
        when = d->next_edge;
    if (when < cpu->timer_armed || cpu->timer_armed <= t) {
        cpu->timer_armed = when;
        hyp_timer_arm(when);
    }
}

struct vcpu *dispatch(struct cpu *cpu)
{
    struct dispatcher *d = &cpu->dispatcher;
    uint64_t t = now();

    charge(cpu, t);
    if (cpu->timers && cpu->timers->when <= t)
        timers_expire(cpu, t);
    if (log_news)
        log_notify();
    if (t >= d->next_edge)
        pass_edge(d, t);
    int chosen = first_eligible(d);
    struct sc *sc = chosen < 0 ? NULL : d->entries[chosen].sc;

    if (sc != cpu->sc) {
        cpu->sc = sc;
        cpu->since = t;
        if (sc)
            sc->switches++;
    }
    arm(cpu, t, chosen);
    cpu->resched = false;
    return sc ? sc->runner : NULL;
}

void sc_call(struct sc *sc)
{
    struct dispatcher *d = sc ? &sc->cpu->dispatcher : NULL;

    if (!sc || sc->entry < 0 || !test_entry(d->turns[sc->entry >> 6], sc->entry) ||
        !test_entry(eligible(d, sc->entry >> 6), sc->entry))
        return;
    d->called = sc->entry;
    if (sc->cpu->sc == sc)
        return;
    sc->cpu->resched = true;
    if (sc->cpu != this_cpu())
        cpu_kick(sc->cpu);
}

void dispatcher_drop(struct sc *sc)
{
    struct dispatcher *d = &sc->cpu->dispatcher;
    uint32_t i = (uint32_t)sc->entry;

    if (sc->entry < 0)
        return;
    sc_set_runnable(sc, false);
    d->has_slice[i >> 6] &= ~(1ull << (i & 63));
    d->entries[i].sc = NULL;
    d->entries[i].slice = d->entries[i].left = 0;
    sc->entry = -1;
}

/* One entry of a plan, judged.  NULL and *why if it is refused. */
static struct sc *plan_entry_check(struct vcpu *self, struct dispatcher *d, const struct plan_entry *e,
                                   uint32_t epoch_us, enum status *why)
{
    struct slot *slot = cap_lookup(self, e->sc, CAP_SC, RIGHT_WRITE, why);

    if (!slot)
        return NULL;
    struct sc *sc = slot_object(slot);

    *why = ERR_ARG;
    if (sc->cpu != d->cpu || e->slice_us == 0 || e->slice_us > epoch_us ||
        e->flags & ~(uint32_t)(PLAN_CAPPED | PLAN_TURNS))
        return NULL;
    if (e->window_offset_us > epoch_us || e->window_length_us > epoch_us - e->window_offset_us)
        return NULL;
    return sc;
}

static uint64_t us_to_ticks(uint64_t us)
{
    return us * timer_hz() / 1000000u;
}

static void take_plan(struct dispatcher *d, const struct plan *plan, struct sc *const scs[], uint32_t count)
{
    charge(d->cpu, now()); /* what ran until now did so in the old plan */
    for (uint32_t i = 0; i < d->count; i++)
        if (d->entries[i].sc) {
            sc_set_runnable(d->entries[i].sc, false);
            d->entries[i].sc->entry = -1;
        }
    d->count = count;
    d->flags = plan->flags;
    d->epoch = us_to_ticks(plan->epoch_us);
    d->epoch_start = now();
    d->next_edge = d->epoch_start; /* at once: the dispatcher has to look at the windows */
    d->windows = false;
    d->called = -1;
    d->fixed = !(plan->flags & PLAN_ELASTIC);
    for (int w = 0; w < 2; w++) {
        d->runnable[w] = d->has_slice[w] = d->capped[w] = d->turns[w] = 0;
        d->in_window[w] = ~0ull;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct plan_entry *e = &plan->entries[i];
        struct sc *sc = scs[i];

        d->entries[i] =
            (struct plan_slot){.sc = sc, .slice = us_to_ticks(e->slice_us), .window_end = BH_FOREVER};
        if (d->entries[i].slice == 0)
            d->entries[i].slice = 1;
        if (e->window_length_us) {
            d->windows = d->fixed = true;
            d->entries[i].window_start = us_to_ticks(e->window_offset_us);
            d->entries[i].window_end = us_to_ticks((uint64_t)e->window_offset_us + e->window_length_us);
        }
        if (e->flags & PLAN_CAPPED) {
            d->fixed = true;
            d->capped[i >> 6] |= 1ull << (i & 63);
        }
        if (e->flags & PLAN_TURNS)
            d->turns[i >> 6] |= 1ull << (i & 63);
        sc->entry = (int)i;
        if (sc->runner && sc->runner->state == VCPU_RUNNABLE)
            sc_set_runnable(sc, true);
    }
    refill(d, true);
}

enum status sys_dispatcher_commit(struct vcpu *self, struct dispatcher *dispatcher)
{
    static struct plan plan; /* our copy: the caller's page may change while we look; kernel_lock */
    struct sc *scs[PLAN_ENTRIES_MAX];
    uint32_t count;

    if (!self->ipcbuf)
        return ERR_STATE;
    plan = *(const struct plan *)((const char *)self->ipcbuf + PLAN_OFFSET);
    count = plan.count;
    if (count > PLAN_ENTRIES_MAX || plan.epoch_us == 0 || plan.epoch_us > 10000000u ||
        plan.flags & ~(uint32_t)(PLAN_ELASTIC | PLAN_NOTIFY) || us_to_ticks(plan.epoch_us) == 0)
        return ERR_ARG;
    for (uint32_t i = 0; i < count; i++) {
        enum status why;

        scs[i] = plan_entry_check(self, dispatcher, &plan.entries[i], plan.epoch_us, &why);
        if (!scs[i])
            return why;
        scs[i]->marked = false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (scs[i]->marked)
            return ERR_ARG; /* twice in one plan */
        scs[i]->marked = true;
    }
    take_plan(dispatcher, &plan, scs, count);
    dispatcher->cpu->resched = true;
    if (dispatcher->cpu != this_cpu())
        cpu_kick(dispatcher->cpu);
    return OK;
}

enum status sys_dispatcher_bind(struct dispatcher *dispatcher, struct slot *notification)
{
    if (dispatcher->notify_cap.kind != CAP_NONE) {
        enum status status = slot_delete(&dispatcher->notify_cap);

        if (status != OK)
            return status;
    }
    slot_embed(&dispatcher->notify_cap, notification, EMBED_NOTIFY, 0);
    return OK;
}
