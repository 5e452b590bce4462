/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - the toolstack: makes, watches and ends VMs, and answers a person
 *
 * services/toolstack/README.md says what it relies on and what it holds.
 */
#include "bh.h"
#include "image_memory.h"
#include "toolstack.h"
#include "toolstack_rpc.h"

/* A signal may be lost with the service that sent it: look around by ourselves now and then. */
#define LOOK_MS 2000u

static struct toolstack toolstack;

#define EVENTS_ALL UINT64_MAX

static void report_serve(struct toolstack *ts, struct bh_msg *msg)
{
    uint64_t badge = msg->badge;

    toolstack_serve(msg, ts);
    if (bh_reply(msg) != OK) /* before anything follows from it: who reports does not wait for that */
        bh_log("VM %u reports and does not wait for the answer", (unsigned)badge);
}

void reports_serve(struct toolstack *ts)
{
    struct bh_msg msg;

    for (uint32_t i = 0; i < VMS_MAX && bh_recv(SLOT_CONTROL, 0, &msg) == OK; i++)
        if (msg.info & INFO_SIGNAL)
            ts->events |= msg.w[0];
        else
            report_serve(ts, &msg);
}

static void look_around(struct toolstack *ts, uint64_t events)
{
    mgmt_run(ts, (events & MGMT_EVENT) && events != EVENTS_ALL);
    if (events == MGMT_EVENT)
        return;
    life_collect_deaths(ts);
    verbs_serve(ts);
}

int main(void)
{
    struct toolstack *ts = &toolstack;
    struct bh_msg msg;

    image_memory_start();
    toolstack_start(ts);
    for (;;) {
        uint64_t known = ts->events | (ts->mgmt.again ? MGMT_EVENT : 0);
        enum status status = bh_recv(SLOT_CONTROL, known ? 0 : bh_after_ms(LOOK_MS), &msg);

        out_begin(ts);
        if (status == OK && !(msg.info & INFO_SIGNAL)) {
            report_serve(ts, &msg);
        } else {
            ts->events = 0;
            look_around(ts, status == OK ? known | msg.w[0] : known ? known : EVENTS_ALL);
        }
        life_go_on(ts);
    }
}
