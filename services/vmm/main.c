/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - one VM: build it, then serve it
 *
 * init made this domain and left the VM's configuration and images; the toolstack granted the sessions.  From
 * there on vCPU 0's exits and all signals (completions, keys, packets) come to one Endpoint, one at a time;
 * the other vCPUs' exits, kicks among them, come to their threads (vm_threads.c).
 */
#include <pb_decode.h>
#include <string.h>

#include "owed.h"
#include "vm.h"

#define CONFIG_MAX 3072u

static struct vm vm;

/* init wrote it: u32 length, then a VmConfig. */
static void config_load(struct vm *v)
{
    uint32_t bytes;

    memcpy(&bytes, (const void *)(uintptr_t)PERSIST_IPA, sizeof bytes);
    if (bytes > CONFIG_MAX)
        vm_refuse(v, "its configuration is %u bytes long", (unsigned)bytes);

    pb_istream_t stream =
        pb_istream_from_buffer((const pb_byte_t *)(uintptr_t)(PERSIST_IPA + sizeof bytes), bytes);

    if (!pb_decode(&stream, bh_VmConfig_fields, &v->config))
        vm_refuse(v, "its configuration cannot be read: %s", PB_GET_ERROR(&stream));
}

slot_t vm_event_mint(uint32_t bit)
{
    slot_t slot = bh_slot_alloc();
    enum status status =
        slot == 0 ? ERR_FULL
                  : bh_cspace_mint(SLOT_CSPACE, SLOT_EVENTS, SLOT_CSPACE, slot, RIGHT_WRITE, 1ull << bit);

    if (status != OK)
        vm_refuse(&vm, "event %u: %s", (unsigned)bit, bh_status_name(status));
    return slot;
}

/* What to do when nothing came: tell the console, or look around. */
static void on_time(struct vm *v)
{
    uint64_t now = bh_now();

    wire_tell(&v->wire, now);
    for (uint32_t i = 0; i < v->net_count; i++) {
        if (v->nets[i].held_count > 0 && now >= v->nets[i].release_at)
            vnet_release(&v->nets[i]);
    }
    if (now >= v->next_look)
        vm_look_around(v);
}

uint64_t vm_deadline(const struct vm *v)
{
    uint64_t deadline = v->wire.tell_at < v->next_look ? v->wire.tell_at : v->next_look;

    for (uint32_t i = 0; i < v->net_count; i++) {
        if (v->nets[i].held_count > 0 && v->nets[i].release_at < deadline)
            deadline = v->nets[i].release_at;
    }
    return deadline;
}

/* The lock is held, and given.  `answers`: an exit is owed the answer in `m`. */
static enum status wait_next(struct vm *v, slot_t exits, bool answers, struct bh_msg *m)
{
    uint64_t until = vm_deadline(v);
    slot_t owed = owed_take();
    enum status status;

    v->sleeps_until = until;
    bh_lock_give(&v->lock);
    if (owed != 0) {
        status = bh_endpoint_signal_reply_recv(exits, until, owed, m);
        if (status == OK || status == ERR_TIME)
            return status;
        bh_lock_take(&v->lock);
        vm_signal_failed(v, owed);
        bh_lock_give(&v->lock);
    }
    return answers ? bh_endpoint_reply_recv(exits, until, m) : bh_endpoint_recv(exits, until, m);
}

/* Exits and signals bring no capabilities and no bytes: the plain calls will do. */
static _Noreturn void serve(struct vm *v)
{
    slot_t exits = v->vcpus[0].exits;
    struct bh_msg m = {0};
    enum status status;

    bh_lock_take(&v->lock);
    vm_look_around(v);
    for (bool answers = false;;) {
        status = wait_next(v, exits, answers, &m);
        answers = false;
        bh_lock_take(&v->lock);
        if (status == ERR_TIME) {
            on_time(v);
        } else if (status != OK) {
            bh_panic("receiving: %s", bh_status_name(status));
        } else if ((m.info & INFO_SIGNAL) != 0) {
            vm_events(v, m.w[0]);
        } else if ((m.info & INFO_EXIT) != 0) {
            exit_serve(v, &m);
            answers = true;
        }
    }
}

int main(void)
{
    config_load(&vm);
    if (bh_lock_init(&vm.lock) != OK)
        vm_refuse(&vm, "its lock cannot be made");
    vm.knock = vm_event_mint(EVENT_KNOCK);
    vm_memory_create(&vm);
    vm_vcpus_create(&vm);
    vm_board_create(&vm);
    if (vm_tell(bh_VmEventKind_READY, "") != OK)
        vm_refuse(&vm, "the toolstack does not answer");
    vm_vcpu_reset(&vm, 0, vm.layout.kernel, vm.layout.dtb);
    serve(&vm);
}
