/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - the first domain: boots the others from the manifest, then supervises
 *
 * At power-on init holds everything.  It makes each domain with what system/bulkhead.toml declares and no
 * more, gives the rest of RAM to mem, and keeps only what it needs to build a service again.
 */
#include <string.h>

#include "bh.h"
#include "init.h"
#include "init_rpc.h"

struct init init;

static void init_start(void)
{
    init.boot = (const struct boot_info *)BOOTINFO_IPA;
    memset(bh_ipcbuf->recv_slots, 0, sizeof(bh_ipcbuf->recv_slots));
    bh_slots_init(INIT_SLOT_FREE, 1u << INIT_CSPACE_BITS);
    if (init.boot->magic != BOOT_INFO_MAGIC || init.boot->untyped_count > BOOT_UNTYPED_MAX)
        bh_panic("the boot information is not what this init expects");
    memory_start();
    pieces_start();
    bundle_start();
}

/* After this init cannot make anything of RAM, a device or time that it has not made already. */
static void init_drop(void)
{
    pieces_drop();
    for (uint32_t i = 0; i < init.boot->pcpu_count; i++)
        if (bh_cspace_delete(INIT_SLOT_CSPACE, INIT_SLOT_DISPATCHER0 + i) != OK)
            bh_panic("the Dispatcher of pCPU %u cannot be given away", i);
}

static void crash_hook_arm(void)
{
    if (crash_hook_parse(&init.crash, init.boot->options))
        init.crash.at = bh_after_ms(init.crash.after_ms);
}

/* For ever, unless something is left to be said or done later. */
static uint64_t next_look(void)
{
    uint64_t at = init.crash.times > 0 ? init.crash.at : BH_FOREVER;
    uint64_t report_at = report_due();

    return report_at < at ? report_at : at;
}

static void serve_for_ever(void)
{
    for (;;) {
        struct bh_msg msg;
        enum status status;

        crash_hook_poll();
        report_flush();
        status = bh_recv(init.endpoint, next_look(), &msg);
        if (status == ERR_TIME)
            continue;
        if (status != OK)
            bh_panic("receiving: %s", bh_status_name(status));
        if (msg.info & INFO_EXIT) {
            fault_handle(&msg);
        } else if (!(msg.info & INFO_SIGNAL)) {
            init_serve(&msg, &init);
            if (bh_reply(&msg) != OK)
                bh_log("a caller went away");
        }
    }
}

int main(void)
{
    init_start();
    services_create();
    services_build();
    pool_give();
    plans_commit();
    services_start();
    services_admit();
    init_drop();
    crash_hook_arm();
    serve_for_ever();
}
