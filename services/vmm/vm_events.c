/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm_events.c - what our Notification brings: completions, the wire; and what to look at without one
 *
 * A console that was restarted has lost our Notification and cannot wake us, and a disk's session may have
 * been closed without our being told, so now and then we look whether a ring's generation changed.
 */
#include <stdio.h>

#include "caps_vmm.h"
#include "owed.h"
#include "sched_rpc.h"
#include "vm.h"

#define DISKS_ALL ((1u << BOARD_DISKS_MAX) - 1u)
#define IDLE_LOOK_MS 2000u
#define WATCHDOG_ASK_MS 20u /* at least between two questions to sched, however a guest sets its watchdog */
#define WATCHDOG_AGAIN_MS 1000u /* a paused VM's, or when sched does not answer */
#define SCHED_ASK_MS 200u
#define TELL_AGAIN_MS                                                                                        \
    1000u /* the toolstack is not told more often, however often a guest resets its device */

/* netdrv has closed the session, or was restarted. */
void vm_signal_failed(struct vm *vm, slot_t notification)
{
    for (uint32_t i = 0; i < vm->net_count; i++) {
        if (vm->nets[i].driver == notification)
            vm->nets[i].must_attach = true;
    }
    vm_look_soon(vm);
}

void vm_unlock(struct vm *vm)
{
    slot_t notification = owed_take();

    if (notification != 0 && bh_notification_signal(notification) != OK)
        vm_signal_failed(vm, notification);
    bh_lock_give(&vm->lock);
}

/* A console that was restarted is asked without the lock: its answer may take a while, or never come. */
static void wire_renew(struct vm *vm)
{
    struct wire_news news;
    enum status status;

    vm_unlock(vm);
    status = wire_ask(&vm->wire, &news);
    bh_lock_take(&vm->lock);
    if (status == OK)
        wire_go_on(&vm->wire, &news);
}

static void net_renew(struct vm *vm, struct vnet *net)
{
    struct net_news news = net_link_begin(net);
    enum status status;

    vm_unlock(vm);
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

void vm_look_at(struct vm *vm, uint64_t when)
{
    if (when < vm->next_look)
        vm->next_look = when;
}

static uint64_t watchdog_due(const struct vm *vm)
{
    uint64_t deadline = vwatchdog_deadline(&vm->watchdog);

    return deadline > vm->watchdog_rests ? deadline : vm->watchdog_rests;
}

/* Soon while somebody owes us an answer; else rarely, so that an idle VM costs next to nothing. */
static void plan_next_look(struct vm *vm)
{
    uint32_t ms = vm->rtc.mask != 0 ? 1000 : IDLE_LOOK_MS;

    for (uint32_t i = 0; i < BOARD_DISKS_MAX; i++) {
        if (vblk_is_busy(&vm->disks[i]) || vm->disks[i].must_attach)
            ms = BLK_RESTART_CHECK_MS;
    }
    for (uint32_t i = 0; i < vm->net_count; i++) {
        if (vm->nets[i].must_attach)
            ms = BLK_RESTART_CHECK_MS;
    }
    vm->next_look = bh_after_ms(ms);
    vm_look_at(vm, vm->tell_heard);
    vm_look_at(vm, watchdog_due(vm));
    vm_look_at(vm, vm->tell_balloon);
    if (vm->ask_target || vm->leaving != VM_NO_BLOCK || vm->balloon.is_taking)
        vm_look_soon(vm);
}

/* Never later than it was: a guest whose disk always has something to say must not keep us from seeing that
 * the console was restarted. */
void vm_look_soon(struct vm *vm)
{
    vm_look_at(vm, bh_after_ms(BLK_RESTART_CHECK_MS));
}

/* At once, unless the toolstack has just been told something. */
void vm_input_changed(void *context)
{
    struct vm *vm = context;

    if (vm->tell_heard == BH_FOREVER)
        vm->tell_heard = bh_now();
    vm_look_at(vm, vm->tell_heard);
}

static void tell_heard(struct vm *vm)
{
    bool is_heard = vinput_is_heard(&vm->input);
    enum status status;

    vm->tell_heard = bh_after_ms(TELL_AGAIN_MS);
    if (is_heard == vm->told_heard) {
        vm->tell_heard = BH_FOREVER;
        return;
    }
    vm_unlock(vm);
    status = vm_tell_once(is_heard ? bh_VmEventKind_HEARD : bh_VmEventKind_UNHEARD);
    bh_lock_take(&vm->lock);
    if (status == OK)
        vm->told_heard = is_heard;
}

void vm_watchdog_changed(struct vm *vm)
{
    vm_look_at(vm, watchdog_due(vm));
}

/* Since when its vCPUs get time; false: they do not, or sched does not say. */
static bool runs_since(uint64_t *when)
{
    static const bh_RunsRequest request = bh_RunsRequest_init_zero;
    bh_RunsReply reply;
    enum status status = sched_rpc_runs(CAP_SCHED, &request, &reply, NULL, bh_after_ms(SCHED_ASK_MS));

    *when = reply.since;
    return status == OK && reply.status == OK && !reply.paused;
}

/* Paused time does not count: sched knows of it.  Asked without the lock: the guest may refresh meanwhile. */
static void watchdog_look(struct vm *vm)
{
    char text[80];
    uint64_t since;
    bool is_running;

    if (bh_now() < watchdog_due(vm))
        return;
    vm_unlock(vm);
    is_running = runs_since(&since);
    bh_lock_take(&vm->lock);
    vm->watchdog_rests = bh_after_ms(is_running ? WATCHDOG_ASK_MS : WATCHDOG_AGAIN_MS);
    if (!is_running || !vwatchdog_expire(&vm->watchdog, since))
        return;
    snprintf(text, sizeof text, "its watchdog was not refreshed for %llu ms",
             (unsigned long long)bh_ticks_to_us(bh_now() - vm->watchdog.refreshed) / 1000);
    vm_end(vm, bh_VmEventKind_CRASH, text);
}

void vm_events(struct vm *vm, uint64_t bits)
{
    for (uint64_t left = bits >> VMM_EVENT_DISK0 & DISKS_ALL; left != 0; left &= left - 1)
        vm_disk_changed(vm, &vm->disks[__builtin_ctzll(left)]);
    for (uint64_t left = bits >> EVENT_BLK0 & DISKS_ALL; left != 0; left &= left - 1)
        vblk_pump(&vm->disks[__builtin_ctzll(left)]);
    for (uint32_t i = 0; i < vm->net_count; i++) {
        if ((bits >> (EVENT_NET0 + i) & 1) != 0)
            net_look(vm, &vm->nets[i]);
    }
    if ((bits >> EVENT_CONSOLE & 1) != 0)
        vm_console_pump(vm);
    if ((bits >> VMM_EVENT_POWER & 1) != 0)
        vinput_press(&vm->input, VINPUT_POWER);
    if ((bits >> VMM_EVENT_REBOOT & 1) != 0)
        vinput_press(&vm->input, VINPUT_REBOOT);
    if ((bits >> VMM_EVENT_MEMORY & 1) != 0)
        vm_balloon_target_changed(vm);
    if ((bits >> EVENT_KNOCK & 1) != 0)
        vm_balloon_run(vm);
    if (vm->is_ending)
        vm_end(vm, vm->ending, "");
    if ((bits >> EVENT_BLK0 & DISKS_ALL) != 0)
        vm_look_soon(vm);
}

void vm_look_around(struct vm *vm)
{
    for (uint32_t i = 0; i < BOARD_DISKS_MAX; i++)
        vm_disk_look(vm, &vm->disks[i]);
    for (uint32_t i = 0; i < vm->net_count; i++)
        net_look(vm, &vm->nets[i]);
    vm_console_pump(vm);
    vrtc_tick(&vm->rtc);
    if (bh_now() >= vm->tell_heard)
        tell_heard(vm);
    watchdog_look(vm);
    vm_balloon_look(vm);
    plan_next_look(vm);
}
