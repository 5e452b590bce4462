/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - the disk driver: start the disk, read what volumes it has, go on with the sessions there were,
 * serve
 */
#include "bh.h"
#include "blk_rpc.h"
#include "blkdrv.h"

#define CHECK_MS 1000u /* how often the device's age is looked at while it has requests */

/* Two clients have one bell: who did not ring it is looked at in vain. */
static void events_handle(struct blkdrv *drv, uint64_t events)
{
    uint32_t bells;

    if (events & EV_IRQ)
        disk_interrupt(&drv->disk);
    if (events & EV_FAULT)
        disk_check(&drv->disk);
    bells = (uint32_t)(events / EV_BELL(0));
    drv->again |= bells | (clients_t)bells << CLIENT_BELLS;
}

/* A device that stays silent is noticed by the clock. */
static void age_check(struct blkdrv *drv)
{
    if (drv->disk.in_flight == 0) {
        drv->next_check = BH_FOREVER;
        return;
    }
    if (drv->next_check == BH_FOREVER) {
        drv->next_check = machine_after_ms(CHECK_MS);
    } else if (machine_now() >= drv->next_check) {
        disk_check_age(&drv->disk);
        drv->next_check = machine_after_ms(CHECK_MS);
    }
}

static void work(struct blkdrv *drv)
{
    io_complete(drv);   /* frees descriptors, so ... */
    io_pump_again(drv); /* ... requests left behind fit now */
    age_check(drv);
}

static _Noreturn void serve(struct blkdrv *drv)
{
    struct bh_msg msg;

    for (;;) {
        work(drv);
        uint64_t deadline = drv->again || drv->disk.failed ? 0 : drv->next_check;
        enum status status = bh_recv(SLOT_CONTROL, deadline, &msg);

        if (status == ERR_TIME)
            continue;
        if (status != OK)
            bh_panic("receiving: %s", bh_status_name(status));
        if (msg.info & INFO_SIGNAL) {
            events_handle(drv, msg.w[0]);
            continue;
        }
        blk_serve(&msg, drv);
        /* Before any work: that may log, and a log line uses the buffer that the answer stands in. */
        if (bh_reply(&msg) != OK)
            bh_log("a client does not wait for the answer");
    }
}

int main(void)
{
    static struct blkdrv drv;

    machine_tidy();
    drv.next_check = BH_FOREVER;
    disk_start(&drv.disk);
    volumes_read(&drv);
    session_recover(&drv);
    serve(&drv);
}
