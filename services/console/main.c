/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - the console domain: the one physical wire, shared by Bulkhead's prompt and the VMs' consoles
 *
 * It waits for nobody: not for the wire, not for a vmm, not for the toolstack.  services/console/README.md.
 */
#include "bh.h"
#include "console_rpc.h"
#include "service.h"

static struct service service;

int main(void)
{
    struct bh_msg msg;
    bool must_reply = false;

    service_start(&service);
    for (;;) {
        service_pump(&service);
        uint64_t deadline = service.console.again    ? 0
                            : service.console.linger ? bh_after_ms(LINGER_MS)
                                                     : BH_FOREVER;
        enum status status =
            must_reply ? bh_reply_recv(SLOT_CONTROL, deadline, &msg) : bh_recv(SLOT_CONTROL, deadline, &msg);

        must_reply = false;
        if (status != OK)
            continue; /* ERR_TIME: there is more to pump */
        if (msg.info & INFO_SIGNAL) {
            service_on_events(&service, msg.w[0]);
        } else {
            console_serve(&msg, &service);
            must_reply = true;
        }
    }
}
