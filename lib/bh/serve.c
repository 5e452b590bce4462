/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * serve.c - the loop of a service that only answers
 */
#include "bh.h"

_Noreturn void bh_serve(void (*serve)(struct bh_msg *m, void *context), void *context)
{
    struct bh_msg msg;
    enum status status = bh_recv(SLOT_CONTROL, BH_FOREVER, &msg);

    for (;;) {
        if (status != OK)
            bh_panic("receiving: %s", bh_status_name(status));
        if (msg.info & INFO_SIGNAL) { /* no one's answer is due */
            status = bh_recv(SLOT_CONTROL, BH_FOREVER, &msg);
            continue;
        }
        serve(&msg, context);
        status = bh_reply_recv(SLOT_CONTROL, BH_FOREVER, &msg);
    }
}
