/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * micro.c - what the kernel's paths cost, in instructions
 *
 * A program in init's place (boot option pmu=1; QEMU with -icount; one pCPU, two for what crosses).
 * PMCCNTR_EL0 counts every instruction, the kernel's too.  Each figure is the least of many rounds less the
 * cost of reading the counter, so an interrupt in the middle of a round does not show.  Prints `NAME VALUE`
 * lines.
 */
#include "micro.h"

#include <stdio.h>

uint64_t overhead;

void report(const char *name, uint64_t least)
{
    kt_print("bench %s %llu\n", name, (unsigned long long)(least - overhead));
}

static void measure_overhead(void)
{
    uint64_t least = BH_FOREVER;

    for (unsigned i = 0; i < 100; i++) {
        uint64_t from = cycles();

        keep_least(&least, from, cycles());
    }
    overhead = least;
}

/* ---- IPC ---------------------------------------------------------------------------------------- */

static void echo(uint64_t endpoint)
{
    struct bh_msg m;
    enum status status = bh_endpoint_recv((slot_t)endpoint, BH_FOREVER, &m);

    while (status == OK)
        status = bh_endpoint_reply_recv((slot_t)endpoint, BH_FOREVER, &m);
    __builtin_trap();
}

enum { EP = FIRST + 500, NTFN = FIRST + 501, FRAME = FIRST + 502, NTFN_BACK = FIRST + 503 };

static void bench_call(const char *name, uint64_t info)
{
    uint64_t least = BH_FOREVER;

    for (unsigned i = 0; i < 200; i++) {
        struct bh_msg m = {.info = info};
        uint64_t from = cycles();
        enum status status = bh_endpoint_call(EP, BH_FOREVER, &m);

        keep_least(&least, from, cycles());
        EXPECT(status, OK);
    }
    report(name, least);
}

void bench_ipc(void)
{
    struct kt_thread server;

    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    thread_in_own_space(&server, FIRST, echo, EP);
    kt_plan(0, &server.sc, 1);
    bench_call("ipc_call_reply_0w", INFO(1, 0, 0, 0));
    bench_call("ipc_call_reply_6w", INFO(1, 6, 0, 0));
    bench_call("ipc_call_reply_1k", INFO(1, 0, 1024, 0));
}

/* ---- signal to a waiting service -------------------------------------------------------------------- */

static volatile uint64_t *const woken_at = (volatile uint64_t *)(DYNAMIC_IPA + 0x9000);

static void waiter(uint64_t notification)
{
    uint64_t bits;

    while (bh_notification_wait((slot_t)notification, BH_FOREVER, &bits) == OK)
        *woken_at = cycles();
    __builtin_trap();
}

/* The waiter comes before us in the plan, so a signal runs it at once. */
void bench_signal(void)
{
    struct kt_thread thread;
    struct plan *plan = (struct plan *)(IPCBUF_IPA + PLAN_OFFSET);
    uint64_t least = BH_FOREVER;

    EXPECT(kt_make(CAP_NOTIFICATION, 0, NTFN), OK);
    EXPECT(bh_cspace_mint(INIT_SLOT_CSPACE, NTFN, INIT_SLOT_CSPACE, NTFN_BACK, RIGHT_ALL, 1), OK);
    thread_in_own_space(&thread, FIRST, waiter, NTFN);
    kt_plan(0, &thread.sc, 1);
    plan->entries[0].sc = thread.sc;
    plan->entries[1].sc = INIT_SLOT_SC;
    EXPECT(bh_dispatcher_commit(INIT_SLOT_DISPATCHER0), OK);
    for (unsigned i = 0; i < 200; i++) {
        uint64_t from = cycles();
        enum status status = bh_notification_signal(NTFN_BACK);

        keep_least(&least, from, *woken_at);
        EXPECT(status, OK);
    }
    report("signal_wake", least);
}

/* ---- memory ------------------------------------------------------------------------------------------- */

void bench_frame(void)
{
    uint64_t least = BH_FOREVER;

    /* The table it needs stands already. */
    EXPECT(kt_make(CAP_UNTYPED, 65536, FIRST), OK);
    EXPECT(bh_untyped_retype(FIRST, CAP_FRAME, FRAME_4K, 1, INIT_SLOT_CSPACE, FRAME), OK);
    EXPECT(bh_aspace_map(INIT_SLOT_ASPACE, FRAME, DYNAMIC_IPA + 0x100000, RIGHT_READ), OK);
    EXPECT(kt_make(CAP_UNTYPED, 65536, FIRST + 1), OK);
    for (unsigned i = 0; i < 100; i++) {
        uint64_t from = cycles();
        enum status a = bh_untyped_retype(FIRST + 1, CAP_FRAME, FRAME_4K, 1, INIT_SLOT_CSPACE, FRAME + 1);
        enum status b =
            bh_aspace_map(INIT_SLOT_ASPACE, FRAME + 1, DYNAMIC_IPA + 0x101000, RIGHT_READ | RIGHT_WRITE);
        enum status c = bh_aspace_unmap(FRAME + 1);
        enum status d = bh_cspace_revoke(INIT_SLOT_CSPACE, FIRST + 1);

        keep_least(&least, from, cycles());
        EXPECT(a | b | c | d, OK);
    }
    report("frame_cycle", least);
}

static void run(const char *name, void (*bench)(void))
{
    (void)name;
    bench();
    kt_plan(0, NULL, 0);
    EXPECT(bh_cspace_revoke(INIT_SLOT_CSPACE, POOL), OK);
}

TEST(micro, all)
{
    measure_overhead();
    if (kt_boot->pcpu_count > 1) { /* a run of its own: PMCCNTR_EL0 counts the instructions of all pCPUs */
        run("cross", bench_cross);
        return;
    }
    run("ipc", bench_ipc);
    run("signal", bench_signal);
    run("frame", bench_frame);
    run("guest", bench_guest);
}
