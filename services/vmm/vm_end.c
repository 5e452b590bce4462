/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm_end.c - how a VM ends, from the inside: stop, drain, say so, wait
 *
 * The toolstack takes the VM apart; there is nothing to free here.
 */
#include <stdarg.h>
#include <stdio.h>

#include "caps_vmm.h"
#include "owed.h"
#include "toolstack_rpc.h"
#include "vm.h"

#define TELL_TRIES 10
#define TELL_ONCE_MS 200u /* a guest does not wait long for a toolstack that is busy */
#define DRAIN_ROUNDS 50
#define DRAIN_ROUND_MS 10

static enum status tell(bh_VmEventKind kind, const char *text, int tries, uint64_t ms)
{
    bh_VmEventRequest request = {.kind = kind};
    bh_ToolstackStatus reply;
    enum status status = ERR_TIME;

    snprintf(request.text, sizeof request.text, "%s", text);
    for (int i = 0; i < tries && status != OK; i++) /* it may be restarting, or make many VMs just now */
        status = toolstack_rpc_vm_event(CAP_TOOLSTACK, &request, &reply, NULL, bh_after_ms(ms));
    return status != OK ? status : (enum status)reply.status;
}

enum status vm_tell(bh_VmEventKind kind, const char *text)
{
    return tell(kind, text, TELL_TRIES, BUILD_MS);
}

enum status vm_tell_once(bh_VmEventKind kind)
{
    return tell(kind, "", 1, TELL_ONCE_MS);
}

static _Noreturn void wait_for_destruction(void)
{
    for (;;) {
        uint64_t bits;

        if (bh_notification_wait(SLOT_EVENTS, BH_FOREVER, &bits) != OK)
            bh_panic("waiting to be destroyed");
    }
}

static _Noreturn void tell_and_wait(bh_VmEventKind kind, const char *text)
{
    enum status status = vm_tell(kind, text);

    (void)status; /* nobody else is there to be told */
    wait_for_destruction();
}

void vm_refuse(struct vm *vm, const char *format, ...)
{
    char text[sizeof((bh_VmEventRequest *)0)->text];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    vm_vcpus_suspend(vm);
    tell_and_wait(bh_VmEventKind_REFUSED, text);
}

/* The last words of a guest are worth half a second. */
static void console_drain(struct vm *vm)
{
    for (int i = 0; i < DRAIN_ROUNDS; i++) {
        uint64_t bits;

        vuart_pump(&vm->uart);
        if (vuart_is_drained(&vm->uart) && !vm->console.is_sending)
            break;
        vconsole_pump(&vm->console);
        wire_tell(&vm->wire, bh_now());
        if (bh_notification_wait(SLOT_EVENTS, bh_after_ms(DRAIN_ROUND_MS), &bits) != OK)
            continue;
    }
    wire_tell(&vm->wire, BH_FOREVER - 1); /* now, however new it is */
}

void vm_end_ask(struct vm *vm, bh_VmEventKind kind)
{
    if (!vm->is_ending)
        vm->ending = kind;
    vm->is_ending = true;
    vm_knock(vm);
}

/* The lock is not given back: what other threads still have in hand ends there. */
void vm_end(struct vm *vm, bh_VmEventKind kind, const char *text)
{
    vm_vcpus_suspend(vm);
    owed_send();
    console_drain(vm);
    tell_and_wait(kind, text);
}
