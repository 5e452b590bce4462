/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - scheduling policy: weights, as plans
 *
 * sched is asked seldom (a VM comes or goes) and never runs in between: the kernel goes on with the last plan
 * that was committed, even when sched is dead.
 */
#include "bh.h"
#include "sched.h"
#include "sched_rpc.h"

int main(void)
{
    static struct sched sched;
    struct bh_msg msg;
    enum status status;

    sched_recover(&sched);
    status = bh_recv(SLOT_CONTROL, BH_FOREVER, &msg);
    for (;;) {
        if (status != OK)
            bh_panic("receiving: status %d", (int)status);
        if (msg.info & INFO_SIGNAL) {
            status = bh_recv(SLOT_CONTROL, BH_FOREVER, &msg);
            continue;
        }
        sched_serve(&msg, &sched);
        status = bh_reply_recv(SLOT_CONTROL, BH_FOREVER, &msg);
    }
}
