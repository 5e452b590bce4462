/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - the network driver: start the NIC and the router, go on with the sessions there were, serve
 */
#include "bh.h"
#include "net_rpc.h"
#include "netdrv.h"
#include "serve.h"

/* Mostly it is the one of last time: the kernel has a timer for it already. */
static uint64_t deadline_of(struct netdrv *drv, bool more)
{
    uint64_t next_us = more ? 0 : work_next_us(drv);

    if (next_us == NEVER)
        return BH_FOREVER;
    if (next_us <= drv->now_us)
        return 0;
    if (next_us != drv->waits_us) {
        work_clock(drv);
        drv->waits_us = next_us;
        drv->waits_until = next_us <= drv->now_us ? 0 : bh_after_ms((next_us - drv->now_us + 999u) / 1000u);
    }
    return drv->waits_until;
}

static _Noreturn void serve(struct netdrv *drv)
{
    struct bh_msg msg = {0};

    for (;;) {
        bool more = work_pass(drv);
        enum status status = machine_recv(deadline_of(drv, more), &msg);

        if (status == ERR_TIME)
            continue;
        if (status != OK)
            bh_panic("receiving: %s", bh_status_name(status));
        if (msg.info & INFO_SIGNAL) {
            work_events(drv, msg.w[0]);
            continue;
        }
        work_clock(drv);
        net_serve(&msg, drv);
        /* Before any work: that may log, and a log line uses the buffer that the answer stands in. */
        if (bh_reply(&msg) != OK)
            bh_log("a client does not wait for the answer");
    }
}

int main(void)
{
    static struct netdrv drv;

    machine_tidy();
    work_clock(&drv);
    uplink_start(&drv);
    gateway_start(&drv);
    session_recover(&drv);
    serve(&drv);
}
