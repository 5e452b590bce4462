/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm_events.c - what our Notification brings: completions, the wire; and what to look at without one
 *
 * A service that was restarted has lost our Notification and cannot wake us, so now and then we look whether
 * its ring's generation changed.
 */
#include "vm.h"

#define IDLE_LOOK_MS 2000u

/* A console that was restarted is asked without the lock: its answer may take a while, or never come. */
static void wire_renew(struct vm *vm)
{
    struct wire_news news;
    enum status status;

    bh_lock_give(&vm->lock);
    status = wire_ask(&vm->wire, &news);
    bh_lock_take(&vm->lock);
    if (status == OK)
        wire_go_on(&vm->wire, &news);
}

static void disk_renew(struct vm *vm, struct vblk *disk)
{
    slot_t driver = 0;
    enum status status;

    bh_lock_give(&vm->lock);
    status = disk_link_ask(disk, &driver);
    bh_lock_take(&vm->lock);
    if (status == OK)
        disk_link_go_on(disk, driver);
}

static void net_renew(struct vm *vm, struct vnet *net)
{
    struct net_news news = net_link_begin(net);
    enum status status;

    bh_lock_give(&vm->lock);
    status = net_link_ask(net, &news);
    bh_lock_take(&vm->lock);
    if (status == OK)
        net_link_go_on(net, &news);
}

static void net_look(struct vm *vm, struct vnet *net)
{
    if (net_link_is_lost(net))
        net_renew(vm, net);
    vnet_pump(net);
    if (net->must_attach)
        vm_look_soon(vm);
}

void vm_console_pump(struct vm *vm)
{
    if (wire_is_lost(&vm->wire))
        wire_renew(vm);
    vuart_pump(&vm->uart);
    vconsole_pump(&vm->console);
}

/* Soon while somebody owes us an answer; else rarely, so that an idle VM costs next to nothing. */
static void plan_next_look(struct vm *vm)
{
    uint32_t ms = vm->rtc.mask != 0 ? 1000 : IDLE_LOOK_MS;

    for (uint32_t i = 0; i < vm->disk_count; i++) {
        if (vblk_is_busy(&vm->disks[i]))
            ms = BLK_RESTART_CHECK_MS;
    }
    for (uint32_t i = 0; i < vm->net_count; i++) {
        if (vm->nets[i].must_attach)
            ms = BLK_RESTART_CHECK_MS;
    }
    vm->next_look = bh_after_ms(ms);
}

/* Never later than it was: a guest whose disk always has something to say must not keep us from seeing that
 * the console was restarted. */
void vm_look_soon(struct vm *vm)
{
    uint64_t soon = bh_after_ms(BLK_RESTART_CHECK_MS);

    if (soon < vm->next_look)
        vm->next_look = soon;
}

void vm_events(struct vm *vm, uint64_t bits)
{
    for (uint32_t i = 0; i < vm->disk_count; i++) {
        if ((bits >> (EVENT_BLK0 + i) & 1) != 0)
            vblk_pump(&vm->disks[i]);
    }
    for (uint32_t i = 0; i < vm->net_count; i++) {
        if ((bits >> (EVENT_NET0 + i) & 1) != 0)
            net_look(vm, &vm->nets[i]);
    }
    if ((bits >> EVENT_CONSOLE & 1) != 0)
        vm_console_pump(vm);
    if (vm->is_ending)
        vm_end(vm, vm->ending, "");
    if ((bits >> EVENT_BLK0 & ((1u << BOARD_DISKS_MAX) - 1)) != 0)
        vm_look_soon(vm);
}

void vm_look_around(struct vm *vm)
{
    for (uint32_t i = 0; i < vm->disk_count; i++) {
        struct vblk *disk = &vm->disks[i];

        if (vblk_is_busy(disk)) {
            if (disk_link_is_lost(disk))
                disk_renew(vm, disk);
            vblk_pump(disk);
        }
    }
    for (uint32_t i = 0; i < vm->net_count; i++)
        net_look(vm, &vm->nets[i]);
    vm_console_pump(vm);
    vrtc_tick(&vm->rtc);
    plan_next_look(vm);
}
