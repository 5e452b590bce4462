/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - the toolstack: makes, watches and ends VMs, and answers a person
 *
 * services/toolstack/README.md says what it relies on and what it holds.
 */
#include "bh.h"
#include "toolstack.h"
#include "toolstack_rpc.h"

/* A signal may be lost with the service that sent it: look around by ourselves now and then. */
#define LOOK_MS 2000u

static struct toolstack toolstack;

int main(void)
{
    struct toolstack *ts = &toolstack;
    struct bh_msg msg;

    toolstack_start(ts);
    for (;;) {
        enum status status = bh_recv(SLOT_CONTROL, bh_after_ms(LOOK_MS), &msg);

        out_begin(ts);
        if (status == OK && !(msg.info & INFO_SIGNAL)) {
            toolstack_serve(&msg, ts);
            if (bh_reply(&msg) !=
                OK) /* before anything follows from it: who reports does not wait for that */
                bh_log("VM %u reports and does not wait for the answer", (unsigned)msg.badge);
        } else {
            life_collect_deaths(ts);
            verbs_serve(ts);
        }
        life_go_on(ts);
    }
}
