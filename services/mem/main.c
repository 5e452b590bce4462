/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - who has how much memory
 *
 * mem holds the pool that guests are made from and hands it out in chunks, within the quota of each VM.  It
 * has no address space capability, so it cannot look into what it manages.
 */
#include "bh.h"
#include "mem.h"
#include "mem_rpc.h"

int main(void)
{
    static struct mem mem;
    struct bh_msg msg;
    enum status status;

    mem_recover(&mem);
    status = bh_recv(SLOT_CONTROL, BH_FOREVER, &msg);
    for (;;) {
        if (status != OK)
            bh_panic("receiving: status %d", (int)status);
        if (msg.info & INFO_SIGNAL) {
            status = bh_recv(SLOT_CONTROL, BH_FOREVER, &msg);
            continue;
        }
        mem_serve(&msg, &mem);
        status = bh_reply_recv(SLOT_CONTROL, BH_FOREVER, &msg);
    }
}
