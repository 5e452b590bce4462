/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_server.c - callers and servers: queues, deadlines, lent time, and the end of either side
 */
#include "ktest.h"

#define EP (FREE + 0)
#define EP2 (FREE + 1)
#define NOTE (FREE + 2)
#define BADGED (FREE + 3)

static uint32_t last_pcpu(void)
{
    return kt_boot->pcpu_count - 1;
}

/* ---- sending without an answer ---------------------------------------------------------------------------
 */

static volatile uint64_t sent[8];

static void sender(uint64_t n)
{
    struct bh_msg m = {.info = INFO(n, 1, 0, 0), .w = {n * 10}};

    sent[n] = 1000;
    sent[n] = bh_endpoint_send(EP, BH_FOREVER, &m);
    kt_stop((unsigned)n);
}

TEST(server, takes_messages_in_the_order_they_came)
{
    struct bh_msg m;

    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    for (unsigned n = 0; n < 5; n++) {
        sent[n] = 0;
        kt_spawn(n, n & 1 ? last_pcpu() : 0, sender, n);
        UNTIL(sent[n] == 1000);
        kt_sleep_ms(2);
    }
    for (unsigned n = 0; n < 5; n++) {
        EXPECT(sent[n], 1000);
        EXPECT(bh_endpoint_recv(EP, 0, &m), OK);
        EXPECT(INFO_LABEL(m.info), n);
        EXPECT(m.w[0], n * 10);
        EXPECT(bh_endpoint_reply(&m), ERR_PEER); /* nobody waits for one */
        UNTIL(sent[n] == OK);
    }
    EXPECT(bh_endpoint_recv(EP, 0, &m), ERR_TIME);
}

TEST(server, does_not_see_who_left_the_queue)
{
    struct bh_msg m;

    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    for (unsigned n = 0; n < 4; n++) {
        sent[n] = 0;
        kt_spawn(n, 0, sender, n);
        UNTIL(sent[n] == 1000);
        kt_sleep_ms(1);
    }
    /* First, middle and last. */
    EXPECT(bh_vcpu_suspend(kt_threads[0].vcpu), OK);
    EXPECT(kt_delete(kt_threads[2].vcpu), OK);
    EXPECT(bh_vcpu_suspend(kt_threads[3].vcpu), OK);
    EXPECT(bh_endpoint_recv(EP, 0, &m), OK);
    EXPECT(INFO_LABEL(m.info), 1);
    EXPECT(bh_endpoint_recv(EP, 0, &m), ERR_TIME);
    EXPECT(bh_vcpu_resume(kt_threads[0].vcpu), OK);
    UNTIL(sent[0] == ERR_STATE);
}

/* ---- a server that does what its client asks --------------------------------------------------------------
 */

enum order {
    ANSWER,           /* with reply_recv */
    REPLY_TWICE,      /* the second one finds nobody */
    WORK,             /* w[1] ms of computing, then answer */
    FORGET,           /* receive again without an answer */
    FAULT,            /* die */
    PASS_ON,          /* call EP2 with order w[1], argument w[2], then answer with what it said */
    SLEEP,            /* w[1] ms, then answer */
    BAD_REPLY,        /* an answer that is refused */
    WORK_AND_PASS_ON, /* both: w[1] ms, then SLEEP w[2] */
};

static struct {
    volatile uint64_t rounds;
    volatile uint64_t worked; /* ms of computing that it did */
    volatile uint64_t second_reply;
} did[2];

static void compute_ms(uint64_t ms)
{
    uint64_t end = bh_after_ms(ms);

    while (bh_now() < end)
        ;
}

static void obey(uint64_t n)
{
    slot_t endpoint = n ? EP2 : EP;
    struct bh_msg m;
    enum status status = bh_endpoint_recv(endpoint, BH_FOREVER, &m);

    for (;;) {
        uint64_t argument = m.w[1];

        did[n].rounds++;
        switch (status == OK && !(m.info & INFO_SIGNAL) ? (enum order)m.w[0] : FORGET) {
        case ANSWER:
            break;
        case REPLY_TWICE:
            m.info = INFO(0, 0, 0, 0);
            (void)!bh_endpoint_reply(&m);
            did[n].second_reply = bh_endpoint_reply(&m);
            status = bh_endpoint_recv(endpoint, BH_FOREVER, &m);
            continue;
        case WORK:
            compute_ms(argument);
            did[n].worked += argument;
            break;
        case FORGET:
            status = bh_endpoint_recv(endpoint, BH_FOREVER, &m);
            continue;
        case FAULT:
            __builtin_trap();
        case WORK_AND_PASS_ON:
            compute_ms(argument);
            m.w[1] = SLEEP;
            goto pass_on;
        case PASS_ON:
        pass_on : {
            struct bh_msg on = {.info = INFO(0, 3, 0, 0), .w = {m.w[1], m.w[2]}};

            m.w[1] = bh_endpoint_call(EP2, BH_FOREVER, &on);
            break;
        }
        case SLEEP:
            kt_sleep_ms(argument);
            break;
        case BAD_REPLY:
            m.info = INFO(0, 7, 0, 0);
            status = bh_endpoint_reply_recv(endpoint, BH_FOREVER, &m);
            continue;
        }
        m.info = INFO(n + 1, 2, 0, 0);
        status = bh_endpoint_reply_recv(endpoint, BH_FOREVER, &m);
    }
}

static enum status order(enum order what, uint64_t w1, uint64_t w2, uint64_t deadline_ms)
{
    struct bh_msg m = {.info = INFO(0, 3, 0, 0), .w = {what, w1, w2}};
    enum status status = bh_endpoint_call(EP, deadline_ms ? bh_after_ms(deadline_ms) : BH_FOREVER, &m);

    if (status == OK)
        EXPECT(INFO_LABEL(m.info), 1);
    return status == OK && what == PASS_ON ? (enum status)m.w[1] : status;
}

/* Once it has answered it waits for the next one: a reply_recv is both. */
static void first_answer(unsigned n)
{
    struct bh_msg m = {.info = INFO(0, 1, 0, 0), .w = {ANSWER}};

    EXPECT(bh_endpoint_call(n ? EP2 : EP, bh_after_ms(2000), &m), OK);
    did[n].rounds = did[n].worked = did[n].second_reply = 0;
}

static void start(unsigned n, uint32_t pcpu)
{
    EXPECT(kt_make(CAP_ENDPOINT, 0, n ? EP2 : EP), OK);
    kt_spawn(n, pcpu, obey, n);
    first_answer(n);
}

static void restart(unsigned n)
{
    (void)!bh_vcpu_suspend(kt_threads[n].vcpu);
    EXPECT(bh_vcpu_write(kt_threads[n].vcpu, REG_PC, (uint64_t)obey), OK);
    EXPECT(bh_vcpu_write(kt_threads[n].vcpu, REG_X0, n), OK);
    EXPECT(bh_vcpu_write(kt_threads[n].vcpu, REG_SP_EL0, (uint64_t)kt_threads[n].ipcbuf - 0x4000), OK);
    EXPECT(bh_vcpu_resume(kt_threads[n].vcpu), OK);
    first_answer(n);
}

TEST(server, answers_once)
{
    struct bh_msg m;

    for (unsigned elsewhere = 0; elsewhere < 2; elsewhere++) {
        start(0, elsewhere ? last_pcpu() : 0);
        for (unsigned i = 0; i < 20; i++)
            EXPECT(order(ANSWER, 0, 0, i & 1 ? 1000 : 0), OK);
        m = (struct bh_msg){.info = INFO(0, 1, 0, 0), .w = {REPLY_TWICE}};
        EXPECT(bh_endpoint_call(EP, BH_FOREVER, &m), OK);
        UNTIL(did[0].second_reply == ERR_PEER);
        m = (struct bh_msg){.info = INFO(0, 1, 0, 0), .w = {REPLY_TWICE}};
        EXPECT(bh_endpoint_call(EP, BH_FOREVER, &m), OK);
        kt_plans_reset();
        EXPECT(kt_revoke(POOL), OK);
    }
}

TEST(server, that_forgets_its_caller_fails_it)
{
    start(0, 0);
    EXPECT(order(FORGET, 0, 0, 0), ERR_PEER);
    EXPECT(order(FORGET, 0, 0, 1000), ERR_PEER);
    EXPECT(order(BAD_REPLY, 0, 0, 0), ERR_PEER);
    EXPECT(order(ANSWER, 0, 0, 0), OK);
}

TEST(server, that_forgets_a_caller_elsewhere_fails_it)
{
    start(0, last_pcpu());
    EXPECT(order(FORGET, 0, 0, 0), ERR_PEER);
    EXPECT(order(BAD_REPLY, 0, 0, 1000), ERR_PEER);
    EXPECT(order(ANSWER, 0, 0, 0), OK);
}

static volatile uint64_t called[8];
static uint64_t call_words[3] = {SLEEP, 100};
static struct bh_msg answered;

/* Calls with call_words, without a deadline. */
static void caller(uint64_t n)
{
    struct bh_msg m = {.info = INFO(0, 3, 0, 0), .w = {call_words[0], call_words[1], call_words[2]}};
    enum status status;

    called[n] = 1000;
    status = bh_endpoint_call(EP, BH_FOREVER, &m);
    answered = m;
    called[n] = status;
    kt_stop((unsigned)n);
}

static void death_fails_the_caller(uint32_t pcpu)
{
    start(0, pcpu);
    called[1] = 0;
    kt_spawn(1, 0, caller, 1);
    UNTIL(called[1] == 1000 && did[0].rounds == 1);
    EXPECT(kt_delete(kt_threads[0].vcpu), OK);
    UNTIL(called[1] == ERR_PEER);
}

TEST(server, that_ends_fails_whom_it_serves)
{
    death_fails_the_caller(0);
}
TEST(server, that_ends_elsewhere_fails_whom_it_serves)
{
    death_fails_the_caller(last_pcpu());
}

TEST(server, that_is_suspended_keeps_its_caller_waiting)
{
    start(0, 0);
    call_words[0] = WORK;
    called[1] = 0;
    kt_spawn(1, 0, caller, 1);
    UNTIL(called[1] == 1000 && did[0].rounds == 1);
    call_words[0] = SLEEP;
    EXPECT(bh_vcpu_suspend(kt_threads[0].vcpu), OK);
    kt_sleep_ms(2);
    EXPECT(called[1], 1000);
    EXPECT(bh_vcpu_resume(kt_threads[0].vcpu), OK);
    UNTIL(called[1] == OK);
}

TEST(server, goes_on_when_its_caller_ends)
{
    for (unsigned elsewhere = 0; elsewhere < 2; elsewhere++) {
        start(0, elsewhere ? last_pcpu() : 0);
        called[1] = 0;
        kt_spawn(1, 0, caller, 1);
        UNTIL(called[1] == 1000 && did[0].rounds == 1);
        EXPECT(kt_delete(kt_threads[1].vcpu), OK);
        restart(0);
        EXPECT(order(ANSWER, 0, 0, 0), OK);
        kt_plans_reset();
        EXPECT(kt_revoke(POOL), OK);
    }
}

TEST(server, deadline_passes_while_it_works)
{
    for (unsigned elsewhere = 0; elsewhere < 2; elsewhere++) {
        start(0, elsewhere ? last_pcpu() : 0);
        uint64_t before = bh_now();
        EXPECT(order(WORK, 200, 0, 5), ERR_TIME);
        uint64_t took = bh_ticks_to_us(bh_now() - before);
        EXPECT(took >= 5000, 1);
        EXPECT(took < 150000, 1);
        UNTIL(did[0].worked == 200); /* on its own time */
        EXPECT(order(ANSWER, 0, 0, 1000), OK);
        kt_plans_reset();
        EXPECT(kt_revoke(POOL), OK);
    }
}

/* ---- time that is lent
 * ------------------------------------------------------------------------------------- */

/* A server without time of its own. */
static void start_without_time(unsigned n, uint32_t pcpu)
{
    start(n, pcpu);
    EXPECT(bh_sc_unbind(kt_threads[n].sc), OK);
}

TEST(lending, server_without_time_runs_on_its_callers)
{
    uint64_t before, after, ticks, switches;

    start_without_time(0, 0);
    EXPECT(bh_sc_usage(INIT_SLOT_SC, &before, &switches, &(uint64_t){0}), OK);
    EXPECT(order(ANSWER, 0, 0, 0), OK);
    EXPECT(order(ANSWER, 0, 0, 1000), OK);
    EXPECT(order(WORK, 10, 0, 0), OK);
    kt_sleep_ms(1);
    EXPECT(bh_sc_usage(INIT_SLOT_SC, &after, &switches, &(uint64_t){0}), OK);
    EXPECT(bh_ticks_to_us(after - before) >= 10000, 1);
    EXPECT(bh_sc_usage(kt_threads[0].sc, &ticks, &switches, &(uint64_t){0}), OK);
    EXPECT(bh_ticks_to_us(ticks) < 10000, 1);
}

TEST(lending, goes_through_a_chain_of_servers)
{
    start_without_time(0, 0);
    start_without_time(1, 0);
    EXPECT(order(PASS_ON, ANSWER, 0, 0), OK);
    EXPECT(order(PASS_ON, WORK, 5, 0), OK);
    EXPECT(order(PASS_ON, FORGET, 0, 0), ERR_PEER);
    EXPECT(did[1].worked, 5);
    EXPECT(order(PASS_ON, ANSWER, 0, 1000), OK);
    EXPECT(order(ANSWER, 0, 0, 0), OK);
}

TEST(lending, does_not_cross_pcpus)
{
    if (last_pcpu() == 0)
        return;
    start_without_time(0, last_pcpu());
    EXPECT(order(ANSWER, 0, 0, 5), ERR_TIME);
    /* The call was withdrawn; with time it serves the next one. */
    EXPECT(bh_sc_bind(kt_threads[0].sc, kt_threads[0].vcpu), OK);
    EXPECT(order(ANSWER, 0, 0, 1000), OK);
}

TEST(lending, ends_with_the_deadline)
{
    start_without_time(0, 0);
    EXPECT(order(WORK, 30, 0, 5), ERR_TIME);
    kt_sleep_ms(10);
    EXPECT(did[0].worked, 0); /* it stands still without time */
    EXPECT(bh_sc_bind(kt_threads[0].sc, kt_threads[0].vcpu), OK);
    UNTIL(did[0].worked == 30);
    EXPECT(order(ANSWER, 0, 0, 1000), OK);
}

TEST(lending, ends_with_the_server)
{
    struct bh_msg m;

    start_without_time(0, 0);
    struct kt_thread *server = &kt_threads[0];
    called[1] = 0;
    EXPECT(order(FAULT, 0, 0, 5), ERR_TIME);
    EXPECT(bh_endpoint_recv(server->faults, 0, &m), OK);
    EXPECT(kt_delete(server->vcpu), OK);
    compute_ms(1); /* this one still runs */
    EXPECT(bh_endpoint_recv(server->faults, 0, &m), ERR_TIME);
}

/* A client whose deadline passes takes its time out of the middle of a chain, for good. */
TEST(lending, is_not_taken_by_who_lent_it_on_when_the_first_has_given_up)
{
    start(0, 0);
    start(1, 0);
    EXPECT(order(PASS_ON, SLEEP, 10, 3), ERR_TIME);
    uint64_t end = bh_after_ms(30);
    while (bh_now() < end) /* the inner call is answered meanwhile */
        compute_ms(1);
    EXPECT(did[1].rounds, 1);
    EXPECT(order(ANSWER, 0, 0, 1000), OK);
}

TEST(lending, ends_with_the_context)
{
    slot_t sc = FREE + 20;

    /* A caller on a context of its own; the context goes while a server works on it. */
    start_without_time(0, 0);
    kt_prepare(1, 0, caller, 1);
    called[1] = 0;
    EXPECT(bh_sc_unbind(kt_threads[1].sc), OK);
    EXPECT(kt_make(CAP_SC, 0, sc), OK);
    EXPECT(bh_sc_create_on(sc, 0), OK);
    EXPECT(bh_sc_bind(sc, kt_threads[1].vcpu), OK);
    kt_plan_add(0, sc);
    EXPECT(bh_vcpu_resume(kt_threads[1].vcpu), OK);
    UNTIL(called[1] == 1000);
    kt_sleep_ms(2);
    EXPECT(did[0].rounds, 1);
    EXPECT(kt_delete(sc), OK);
    EXPECT(bh_sc_bind(kt_threads[1].sc, kt_threads[1].vcpu), OK); /* it has none any more */
    kt_plans_reset();
    kt_plan_add(0, kt_threads[0].sc);
    kt_plan_add(0, kt_threads[1].sc);
    EXPECT(bh_sc_bind(kt_threads[0].sc, kt_threads[0].vcpu), OK);
    UNTIL(called[1] == OK);
}

/* Its client's slice is used up: it goes on with its own, and when it calls somebody itself neither of the
 * two may run it before it is answered. */
TEST(lending, used_up_leaves_the_server_to_its_own_time)
{
    struct plan *plan = (struct plan *)(IPCBUF_IPA + PLAN_OFFSET);

    start(0, 0);
    start(1, 0);
    kt_prepare(2, 0, caller, 2);
    *plan = (struct plan){.epoch_us = 20000, .count = 4};
    plan->entries[0] = (struct plan_entry){.sc = INIT_SLOT_SC, .slice_us = 4000};
    plan->entries[1] = (struct plan_entry){.sc = kt_threads[2].sc, .slice_us = 500};
    plan->entries[2] = (struct plan_entry){.sc = kt_threads[0].sc, .slice_us = 6000};
    plan->entries[3] = (struct plan_entry){.sc = kt_threads[1].sc, .slice_us = 6000};
    EXPECT(bh_dispatcher_commit(INIT_SLOT_DISPATCHER0), OK);
    call_words[0] = WORK_AND_PASS_ON;
    call_words[1] = 3;
    call_words[2] = 50;
    called[2] = 1000;
    uint64_t before = bh_now();
    EXPECT(bh_vcpu_resume(kt_threads[2].vcpu), OK);
    UNTIL(called[2] == OK);
    call_words[0] = SLEEP;
    call_words[1] = 100;
    EXPECT(bh_ticks_to_us(bh_now() - before) >= 53000, 1);
    EXPECT(answered.w[1], OK); /* what the second server told the first */
    EXPECT(did[0].rounds, 1);
    EXPECT(did[1].rounds, 1);
}

/* A vmm's threads are such servers: they stop with their vCPU's slice and go on with its next. */
TEST(lending, used_up_lets_a_server_without_time_go_on_with_the_next_slice)
{
    struct plan *plan = (struct plan *)(IPCBUF_IPA + PLAN_OFFSET);
    uint64_t own, used, switches, unused;

    start_without_time(0, 0);
    kt_prepare(2, 0, caller, 2);
    *plan = (struct plan){.epoch_us = 20000, .count = 3};
    plan->entries[0] = (struct plan_entry){.sc = INIT_SLOT_SC, .slice_us = 4000};
    plan->entries[1] = (struct plan_entry){.sc = kt_threads[2].sc, .slice_us = 1000};
    plan->entries[2] = (struct plan_entry){.sc = kt_threads[0].sc, .slice_us = 6000};
    EXPECT(bh_dispatcher_commit(INIT_SLOT_DISPATCHER0), OK);
    EXPECT(bh_sc_usage(kt_threads[0].sc, &own, &switches, &(uint64_t){0}), OK);
    call_words[0] = WORK;
    call_words[1] = 8;
    called[2] = 1000;
    EXPECT(bh_vcpu_resume(kt_threads[2].vcpu), OK);
    UNTIL(called[2] == OK);
    call_words[0] = SLEEP;
    call_words[1] = 100;
    EXPECT(did[0].worked, 8);
    EXPECT(bh_sc_usage(kt_threads[2].sc, &used, &unused, &(uint64_t){0}), OK);
    EXPECT_EXACT(bh_ticks_to_us(used) < 6000); /* it stood still for most of the 8 ms */
    EXPECT(bh_sc_usage(kt_threads[0].sc, &used, &unused, &(uint64_t){0}), OK);
    EXPECT(used, own);
}

/* ---- signals at the endpoint
 * --------------------------------------------------------------------------------- */

TEST(server, hears_its_bound_notification_where_it_receives)
{
    struct bh_msg m;
    uint64_t bits;

    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, BADGED, RIGHT_WRITE, 4), OK);
    EXPECT(kt_mint(NOTE, BADGED + 1, RIGHT_WRITE, 8), OK);
    EXPECT(bh_vcpu_bind_notification(INIT_SLOT_VCPU, NOTE), OK);
    /* Signals of before come first and as one. */
    EXPECT(bh_notification_signal(BADGED), OK);
    EXPECT(bh_notification_signal(BADGED + 1), OK);
    EXPECT(bh_endpoint_recv(EP, 0, &m), OK);
    EXPECT(m.info, INFO(0, 1, 0, 0) | INFO_SIGNAL);
    EXPECT(m.badge, 0);
    EXPECT(m.w[0], 12);
    EXPECT(bh_endpoint_recv(EP, 0, &m), ERR_TIME);
    EXPECT(bh_endpoint_reply(&m), ERR_PEER);
    /* Waiting for it directly is still possible. */
    EXPECT(bh_notification_signal(BADGED), OK);
    EXPECT(bh_notification_wait(NOTE, 0, &bits), OK);
    EXPECT(bits, 4);
    EXPECT(kt_revoke(NOTE), OK);
    EXPECT(kt_delete(NOTE), OK);
}

static volatile uint64_t heard, heard_info;

static void listener(uint64_t unused)
{
    struct bh_msg m;

    (void)unused;
    for (;;) {
        heard_info = 0;
        (void)!bh_endpoint_recv(EP, BH_FOREVER, &m);
        heard_info = m.info;
        heard += m.w[0];
    }
}

static void hears_on(uint32_t pcpu)
{
    heard = heard_info = 0;
    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, BADGED, RIGHT_WRITE, 4), OK);
    struct kt_thread *thread = kt_spawn(0, pcpu, listener, 0);
    kt_sleep_ms(2);
    /* Bound while it waits, with a signal pending. */
    EXPECT(bh_notification_signal(BADGED), OK);
    EXPECT(bh_vcpu_bind_notification(thread->vcpu, NOTE), OK);
    UNTIL(heard == 4);
    for (unsigned i = 2; i < 20; i++) {
        EXPECT(bh_notification_signal(BADGED), OK);
        UNTIL(heard == 4 * i);
    }
    struct bh_msg m = {.info = INFO(3, 1, 0, 0), .w = {1000}};
    EXPECT(bh_endpoint_send(EP, bh_after_ms(1000), &m), OK);
    UNTIL(heard == 4 * 19 + 1000);
}

TEST(server, is_woken_by_its_bound_notification)
{
    hears_on(0);
}
TEST(server, is_woken_by_its_bound_notification_elsewhere)
{
    hears_on(last_pcpu());
}

/* ---- a signal with the answer ---------------------------------------------------------------------------
 */

static volatile uint64_t refusals;

/* Each answer is first given with a Notification that is not there: then nothing is done, and it still is to
 * be given. */
static void signaller(uint64_t unused)
{
    struct bh_msg m;
    enum status status = bh_endpoint_recv(EP, BH_FOREVER, &m);

    (void)unused;
    while (status == OK) {
        m = (struct bh_msg){.info = INFO(5, 2, 0, 0), .w = {m.w[0] + 1, m.w[1]}};
        refusals += bh_endpoint_signal_reply_recv(EP, BH_FOREVER, NO_SLOT, &m) == ERR_CAP;
        status = bh_endpoint_signal_reply_recv(EP, BH_FOREVER, BADGED, &m);
    }
    __builtin_trap();
}

static void signals_on(uint32_t pcpu)
{
    uint64_t bits;

    refusals = 0;
    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, BADGED, RIGHT_WRITE, 4), OK);
    kt_spawn(0, pcpu, signaller, 0);
    for (unsigned i = 0; i < 20; i++) {
        struct bh_msg m = {.info = INFO(0, 2, 0, 0), .w = {i, 77}};

        EXPECT(bh_endpoint_call(EP, bh_after_ms(2000), &m), OK);
        EXPECT(m.info, INFO(5, 2, 0, 0));
        EXPECT(m.w[0], i + 1);
        EXPECT(m.w[1], 77);
        EXPECT(bh_notification_wait(NOTE, 0, &bits), OK);
        EXPECT(bits, 4);
        EXPECT(refusals, i + 1);
    }
}

TEST(server, signals_as_it_answers)
{
    signals_on(0);
}
TEST(server, signals_as_it_answers_elsewhere)
{
    signals_on(last_pcpu());
}

TEST(server, signals_and_waits_without_a_caller)
{
    struct bh_msg m = {.info = INFO(0, 7, 0, 0)}; /* no answer that could be given, but none is owed */
    uint64_t bits;

    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, BADGED, RIGHT_WRITE, 4), OK);
    EXPECT(bh_endpoint_signal_reply_recv(EP, 0, BADGED, &m), ERR_TIME);
    EXPECT(bh_notification_wait(NOTE, 0, &bits), OK);
    EXPECT(bits, 4);
    /* Its own is there at once. */
    EXPECT(bh_vcpu_bind_notification(INIT_SLOT_VCPU, NOTE), OK);
    EXPECT(bh_endpoint_signal_reply_recv(EP, 0, BADGED, &m), OK);
    EXPECT(m.info, INFO(0, 1, 0, 0) | INFO_SIGNAL);
    EXPECT(m.w[0], 4);
    EXPECT(kt_revoke(NOTE), OK);
    EXPECT(kt_delete(NOTE), OK);
}

TEST(server, does_not_signal_when_it_is_refused)
{
    struct bh_msg m = {.info = INFO(0, 0, 0, 0)};
    uint64_t bits;

    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, BADGED, RIGHT_WRITE, 4), OK);
    EXPECT(kt_copy(EP, FREE + 20, RIGHT_WRITE), OK);
    EXPECT(kt_mint(NOTE, FREE + 21, RIGHT_READ, 4), OK);
    EXPECT(bh_endpoint_signal_reply_recv(NO_SLOT, 0, BADGED, &m), ERR_CAP);
    EXPECT(bh_endpoint_signal_reply_recv(NOTE, 0, BADGED, &m), ERR_CAP);
    EXPECT(bh_endpoint_signal_reply_recv(FREE + 20, 0, BADGED, &m), ERR_RIGHT);
    EXPECT(bh_endpoint_signal_reply_recv(EP, 0, NO_SLOT, &m), ERR_CAP);
    EXPECT(bh_endpoint_signal_reply_recv(EP, 0, NO_SUCH_SLOT, &m), ERR_CAP);
    EXPECT(bh_endpoint_signal_reply_recv(EP, 0, EP, &m), ERR_CAP);
    EXPECT(bh_endpoint_signal_reply_recv(EP, 0, FREE + 21, &m), ERR_RIGHT);
    EXPECT(bh_notification_wait(NOTE, 0, &bits), ERR_TIME);
}

/* ---- refusals that test_ipc.c does not have
 * ------------------------------------------------------------------- */

TEST(endpoint, calls_refuse_before_they_wait)
{
    struct bh_msg m = {.info = INFO(0, 0, 0, 0)};

    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(bh_endpoint_reply_recv(NO_SLOT, BH_FOREVER, &m), ERR_CAP);
    EXPECT(bh_endpoint_reply_recv(POOL, BH_FOREVER, &m), ERR_CAP);
    EXPECT(kt_copy(EP, FREE + 20, RIGHT_WRITE), OK);
    EXPECT(bh_endpoint_reply_recv(FREE + 20, BH_FOREVER, &m), ERR_RIGHT);
    EXPECT(bh_endpoint_reply_recv(EP, 0, &m), ERR_TIME);
    EXPECT(bh_endpoint_reply(&m), ERR_PEER);
    EXPECT(bh_endpoint_send(EP, 0, &m), ERR_TIME);
    EXPECT(bh_endpoint_send(EP, bh_now() - 1, &m), ERR_TIME);
    EXPECT(bh_endpoint_send(NO_SLOT, 0, &m), ERR_CAP);
    EXPECT(bh_endpoint_recv(0, BH_FOREVER, &m), ERR_CAP);
    m.info = INFO(0, 7, 0, 0);
    EXPECT(bh_endpoint_send(EP, 0, &m), ERR_ARG);
    m.info = INFO(0, 0, 2047, 0);
    EXPECT(bh_endpoint_send(EP, 0, &m), ERR_ARG);
    m.info = INFO(0, 0, 0, 7);
    EXPECT(bh_endpoint_send(EP, 0, &m), ERR_ARG);
}

TEST(endpoint, revoked_under_its_waiters_fails_them)
{
    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    for (unsigned n = 0; n < 4; n++) {
        sent[n] = 0;
        kt_spawn(n, n & 1 ? last_pcpu() : 0, sender, n);
        UNTIL(sent[n] == 1000);
    }
    kt_sleep_ms(2);
    EXPECT(kt_delete(EP), OK);
    for (unsigned n = 0; n < 4; n++)
        UNTIL(sent[n] == ERR_PEER);
}
