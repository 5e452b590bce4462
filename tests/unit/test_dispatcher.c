/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_dispatcher.c - random plans, run beside a model that knows only the rule
 *
 * The rule: the first entry that is runnable, inside its window, and has slice left; refilled at the epoch's
 * end, and in an elastic plan (but for capped entries) when nobody who wants to run has any.  Of those that
 * take turns the one called last is the first, as long as it can run.  Besides who
 * runs, the model says whether the timer was set early enough: until then nothing may change.
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
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dispatcher.h"
#include "ipc.h"
#include "kcore.h"
#include "sys.h"

enum { CONTEXTS = 100, SLOT_SC0 = 10 };

static struct vcpu self, *vcpus[CONTEXTS];
static struct sc *scs[CONTEXTS];
static struct plan *plan;
static struct cpu *cpu;
static struct notification notification;

static struct {
    uint32_t flags, count;
    uint64_t epoch, start;
    struct {
        unsigned context;
        uint64_t slice, left, from, to;
        bool capped, turns;
    } entries[PLAN_ENTRIES_MAX];
    int running;    /* entry */
    int called;     /* entry */
    uint64_t since; /* it was charged */
    uint64_t used[CONTEXTS];
    uint64_t epochs;
} model;

static struct sc *make_context(unsigned i)
{
    struct sc *sc = kcore_memory(sizeof *sc);
    struct vcpu *vcpu = kcore_memory(sizeof *vcpu);

    sc->entry = -1;
    assert_int_equal(sys_sc_create_on(sc, 0), OK);
    vcpu->configured = true;
    vcpu->cpu = &cpus[0];
    assert_int_equal(sys_sc_bind(sc, vcpu), OK);
    self.cspace->slots[SLOT_SC0 + i] =
        (struct slot){.kind = CAP_SC, .rights = RIGHT_ALL, .object = (uint64_t)sc};
    slot_insert(&self.cspace->slots[SLOT_SC0 + i], NULL);
    vcpus[i] = vcpu;
    return sc;
}

static int setup(void **state)
{
    (void)state;
    kcore_reset();
    cpu = &cpus[0];
    memset(&self, 0, sizeof self);
    memset(&model, 0, sizeof model);
    memset(&notification, 0, sizeof notification);
    model.running = model.called = -1;
    self.cpu = cpu;
    self.cspace = kcore_memory(sizeof(struct cspace) + 256 * sizeof(struct slot));
    self.cspace->slot_count = 256;
    self.ipcbuf = kcore_memory(4096);
    plan = (struct plan *)((char *)self.ipcbuf + PLAN_OFFSET);
    for (unsigned i = 0; i < CONTEXTS; i++)
        scs[i] = make_context(i);
    struct slot *note = &self.cspace->slots[2];
    *note = (struct slot){
        .kind = CAP_NOTIFICATION, .rights = RIGHT_ALL, .object = (uint64_t)&notification, .badge = 1};
    slot_insert(note, NULL);
    assert_int_equal(sys_dispatcher_bind(&cpu->dispatcher, note), OK);
    return 0;
}

/* ---- the rule -------------------------------------------------------------------------------------------
 */

static void model_charge(uint64_t t)
{
    if (model.running >= 0) {
        uint64_t used = t - model.since;
        uint64_t *left = &model.entries[model.running].left;

        model.used[model.entries[model.running].context] += used;
        *left = used < *left ? *left - used : 0;
    }
    model.since = t;
}

static bool model_can_run(int i, uint64_t t)
{
    uint64_t at = t - model.start;

    return vcpus[model.entries[i].context]->state == VCPU_RUNNABLE && model.entries[i].left &&
           at >= model.entries[i].from && at < model.entries[i].to;
}

static int model_first(uint64_t t)
{
    int first = 0, count = (int)model.count;

    while (first < count && !model_can_run(first, t))
        first++;
    if (first == count)
        return -1;
    if (model.called < 0 || !model.entries[first].turns)
        return first;
    if (!model_can_run(model.called, t))
        model.called = -1;
    return model.called < 0 ? first : model.called;
}

static bool model_somebody_wants(uint64_t t)
{
    uint64_t at = t - model.start;

    for (uint32_t i = 0; i < model.count; i++)
        if (vcpus[model.entries[i].context]->state == VCPU_RUNNABLE && !model.entries[i].capped &&
            at >= model.entries[i].from && at < model.entries[i].to)
            return true;
    return false;
}

static void model_refill(bool all)
{
    for (uint32_t i = 0; i < model.count; i++)
        if (all || !model.entries[i].capped)
            model.entries[i].left = model.entries[i].slice;
}

static int model_dispatch(uint64_t t)
{
    model_charge(t);
    if (model.epoch && t - model.start >= model.epoch) {
        model.start += (t - model.start) / model.epoch * model.epoch;
        model_refill(true);
        model.epochs++;
    }
    int chosen = model_first(t);
    if (chosen < 0 && (model.flags & PLAN_ELASTIC) && model_somebody_wants(t)) {
        model_refill(false);
        chosen = model_first(t);
    }
    model.running = chosen;
    return chosen;
}

static int model_would_run(uint64_t t)
{
    __typeof__(model) kept = model;
    int chosen = model_dispatch(t);

    model = kept;
    return chosen;
}

static void model_take_plan(void)
{
    uint64_t used[CONTEXTS];

    /* What ran until now is charged to the context, but to no slice. */
    model_charge(clock_now);
    memcpy(used, model.used, sizeof used);
    uint64_t epochs = model.epochs;
    memset(&model, 0, sizeof model);
    memcpy(model.used, used, sizeof used);
    model.epochs = epochs;
    model.running = model.called = -1;
    model.flags = plan->flags;
    model.count = plan->count;
    model.epoch = plan->epoch_us;
    model.start = clock_now;
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct plan_entry *e = &plan->entries[i];

        model.entries[i].context = e->sc - SLOT_SC0;
        model.entries[i].slice = model.entries[i].left = e->slice_us;
        model.entries[i].capped = e->flags & PLAN_CAPPED;
        model.entries[i].turns = e->flags & PLAN_TURNS;
        model.entries[i].from = e->window_length_us ? e->window_offset_us : 0;
        model.entries[i].to = e->window_length_us ? e->window_offset_us + e->window_length_us : UINT64_MAX;
    }
}

/* ---- the kernel beside it
 * ----------------------------------------------------------------------------------- */

static void enter(void)
{
    struct vcpu *vcpu = dispatch(cpu);
    int chosen = model_dispatch(clock_now);

    cpu->current = vcpu;
    assert_ptr_equal(vcpu, chosen < 0 ? NULL : vcpus[model.entries[chosen].context]);
    for (unsigned i = 0; i < CONTEXTS; i++)
        assert_int_equal(scs[i]->ticks, model.used[i]);
    /* Until the timer fires nothing changes by itself. */
    uint64_t until = armed[0] - clock_now > 100000 ? clock_now + 100000 : armed[0];
    assert_true(armed[0] > clock_now);
    for (unsigned i = 0; i < 60 && until > clock_now + 1; i++) {
        uint64_t t = i == 0 ? until - 1 : clock_now + 1 + random_below((uint32_t)(until - clock_now - 1));

        assert_int_equal(model_would_run(t), chosen);
    }
    if (model.flags & PLAN_NOTIFY)
        assert_true(armed[0] <= model.start + model.epoch);
}

static void random_plan(void)
{
    uint32_t windows = random_below(3), capped = random_below(3), turns = random_below(3);

    memset(plan, 0, sizeof *plan);
    plan->epoch_us = 1 + random_below(random_below(2) ? 50 : 20000);
    plan->flags = random_below(4);
    plan->count = random_below(random_below(4) ? 6 : CONTEXTS + 1);
    for (uint32_t i = 0; i < plan->count; i++) {
        struct plan_entry *e = &plan->entries[i];

        e->sc = SLOT_SC0 + (i * 7 + plan->count) % CONTEXTS;
        e->slice_us = 1 + random_below(plan->epoch_us);
        if (windows && random_below(3) < windows) {
            e->window_offset_us = random_below(plan->epoch_us + 1);
            e->window_length_us = random_below(plan->epoch_us - e->window_offset_us + 1);
        }
        if (capped && random_below(3) < capped)
            e->flags = PLAN_CAPPED;
        if (turns && random_below(3) < turns)
            e->flags |= PLAN_TURNS;
    }
    assert_int_equal(sys_dispatcher_commit(&self, &cpu->dispatcher), OK);
    model_take_plan();
}

static void toggle(void)
{
    unsigned i = plan->count && random_below(8) ? plan->entries[random_below(plan->count)].sc - SLOT_SC0
                                                : random_below(CONTEXTS);

    if (vcpus[i]->state == VCPU_RUNNABLE)
        vcpu_block(vcpus[i], VCPU_SUSPENDED);
    else
        vcpu_wake(vcpus[i]);
}

static void call(void)
{
    unsigned i = random_below(CONTEXTS); /* perhaps in no plan */
    int entry = scs[i]->entry;

    sc_call(scs[i]);
    if (entry >= 0 && model.entries[entry].turns && model_can_run(entry, clock_now))
        model.called = entry;
}

static void plans_run_as_the_rule_says(void **state)
{
    for (unsigned seed = 0; seed < 40; seed++) {
        setup(state);
        random_seed(seed);
        random_plan();
        enter();
        for (unsigned step = 0; step < 400; step++) {
            uint64_t when = armed[0];

            switch (random_below(4)) {
            case 0: /* something else happens before */
                clock_now += random_below(when - clock_now > 1000 ? 1000 : (uint32_t)(when - clock_now));
                if (random_below(2))
                    toggle();
                else
                    call();
                break;
            case 1: /* the timer, late */
                clock_now = when == BH_FOREVER ? clock_now + random_below(3000) : when + random_below(300);
                break;
            default: /* the timer */
                clock_now = when == BH_FOREVER ? clock_now + random_below(3000) : when;
                break;
            }
            if (random_below(100) == 0)
                random_plan();
            enter();
        }
    }
}

static void epochs_ends_are_told(void **state)
{
    setup(state);
    memset(plan, 0, sizeof *plan);
    plan->epoch_us = 100;
    plan->flags = PLAN_NOTIFY;
    assert_int_equal(sys_dispatcher_commit(&self, &cpu->dispatcher), OK);
    model_take_plan();
    enter();
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(notification.bits, 0);
        clock_now = armed[0];
        assert_int_equal(clock_now, 1000 + 100 * (i + 1));
        enter();
        assert_int_equal(notification.bits, 1);
        notification.bits = 0;
    }
}

static void lone_runner_of_an_elastic_plan_is_not_interrupted(void **state)
{
    setup(state);
    memset(plan, 0, sizeof *plan);
    plan->epoch_us = 100;
    plan->flags = PLAN_ELASTIC;
    plan->count = 2;
    for (uint32_t i = 0; i < 2; i++)
        plan->entries[i] = (struct plan_entry){.sc = SLOT_SC0 + i, .slice_us = 10};
    assert_int_equal(sys_dispatcher_commit(&self, &cpu->dispatcher), OK);
    model_take_plan();
    vcpu_wake(vcpus[0]);
    enter();
    assert_int_equal(armed[0], BH_FOREVER);
    clock_now += 5;
    vcpu_wake(vcpus[1]);
    enter();
    assert_int_equal(armed[0], clock_now + 5);
}

static void switches_leave_the_timer_alone_and_an_early_one_is_set_anew(void **state)
{
    setup(state);
    memset(plan, 0, sizeof *plan);
    plan->epoch_us = 10000;
    plan->flags = PLAN_ELASTIC;
    plan->count = 2;
    for (uint32_t i = 0; i < 2; i++)
        plan->entries[i] = (struct plan_entry){.sc = SLOT_SC0 + i, .slice_us = 1000 * (i + 1)};
    assert_int_equal(sys_dispatcher_commit(&self, &cpu->dispatcher), OK);
    model_take_plan();
    vcpu_wake(vcpus[1]);
    enter();
    vcpu_wake(vcpus[0]);
    enter();
    assert_int_equal(armed[0], clock_now + 1000);
    unsigned before = arms;
    uint64_t set_to = armed[0];
    for (unsigned i = 0; i < 50; i++) {
        clock_now += 3;
        vcpu_block(vcpus[0], VCPU_WAITING);
        enter();
        clock_now += 3;
        vcpu_wake(vcpus[0]);
        enter();
    }
    assert_int_equal(arms, before);
    clock_now = set_to;
    enter();
    assert_int_equal(arms, before + 1);
    assert_int_equal(armed[0], clock_now + model.entries[0].left);
}

static void another_pcpus_plan_kicks_it(void **state)
{
    setup(state);
    memset(plan, 0, sizeof *plan);
    plan->epoch_us = 100;
    here = 1;
    assert_int_equal(sys_dispatcher_commit(&self, &cpu->dispatcher), OK);
    assert_int_equal(kicks[0], 1);
    assert_true(cpu->resched);
}

static void context_that_ends_leaves_the_plan(void **state)
{
    setup(state);
    memset(plan, 0, sizeof *plan);
    plan->epoch_us = 100;
    plan->count = 3;
    for (uint32_t i = 0; i < 3; i++) {
        plan->entries[i] = (struct plan_entry){.sc = SLOT_SC0 + i, .slice_us = 30};
        vcpu_wake(vcpus[i]);
    }
    assert_int_equal(sys_dispatcher_commit(&self, &cpu->dispatcher), OK);
    assert_ptr_equal(dispatch(cpu), vcpus[0]);
    assert_int_equal(slot_delete(&self.cspace->slots[SLOT_SC0]), OK);
    assert_true(cpu->resched);
    assert_null(cpu->sc);
    assert_null(vcpus[0]->sc);
    assert_ptr_equal(dispatch(cpu), vcpus[1]);
    clock_now += 130;
    assert_ptr_equal(dispatch(cpu), vcpus[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_run_as_the_rule_says),
        cmocka_unit_test(epochs_ends_are_told),
        cmocka_unit_test(lone_runner_of_an_elastic_plan_is_not_interrupted),
        cmocka_unit_test(switches_leave_the_timer_alone_and_an_early_one_is_set_anew),
        cmocka_unit_test(another_pcpus_plan_kicks_it),
        cmocka_unit_test(context_that_ends_leaves_the_plan),
    };

    return cmocka_run_group_tests_name("dispatcher", tests, NULL, NULL);
}
