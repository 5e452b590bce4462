/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service.c - the console domain's dealings with the machine: UART, kernel log, notifications, persistent
 * page
 *
 * Always true:  receive interrupts are on whenever there is room for a byte, transmit interrupts whenever
 * bytes wait for the UART: so whatever can move wakes us, and nothing else does.
 */
#include "service.h"

#include <string.h>

#include "bh.h"
#include "caps_console.h"
#include "persist.h"

_Static_assert(CAP_RINGS_COUNT == VM_CONSOLES_MAX + MGMT_RING_PAGES,
               "system/bulkhead.toml: rings of the console");
_Static_assert(DOMAIN_PERSIST * 4096 >= PERSIST_BYTES, "system/bulkhead.toml: persist of the console");

/* Our own log lines need no message (bh_log() comes here). */
static struct dmesg *own_log;

void bh_log_line(const char *line)
{
    if (own_log)
        dmesg_add(own_log, "console", line);
}

/* ---- the kernel's log --------------------------------------------------------------------------- */

static void kernel_log_read(struct service *s)
{
    uint64_t next, bytes;

    while (bh_log_read(CAP_KERNEL_LOG, s->kernel_position, &next, &bytes) == OK && bytes > 0) {
        if (bytes > IPC_BYTES_MAX)
            bytes = IPC_BYTES_MAX;
        dmesg_add_kernel(&s->console.log, (const char *)bh_ipcbuf->data, (uint32_t)bytes);
        s->kernel_position = next;
    }
}

/* ---- start ---------------------------------------------------------------------------------------- */

slot_t service_events_mint(uint64_t bit)
{
    slot_t slot = bh_slot_alloc();

    if (slot == 0)
        bh_panic("no slot left for an event");
    enum status status = bh_cspace_mint(SLOT_CSPACE, SLOT_EVENTS, SLOT_CSPACE, slot, RIGHT_WRITE, bit);

    if (status != OK)
        bh_panic("cannot mint event %#llx: %s", (unsigned long long)bit, bh_status_name(status));
    return slot;
}

/* From log_bind on the kernel leaves the UART to us; what is in its log by then has been on the wire. */
static void kernel_log_start(struct service *s)
{
    enum status status = bh_log_bind(CAP_KERNEL_LOG, service_events_mint(EVENT_KERNEL_LOG));

    if (status != OK)
        bh_log("the kernel's log cannot be bound: %s", bh_status_name(status));
    kernel_log_read(s);
    s->console.log_shown = s->console.log.end;
}

static void uart_interrupt_start(void)
{
    enum status status = bh_irq_bind(CAP_IRQ0, service_events_mint(EVENT_UART));

    if (status == OK)
        status = bh_irq_ack(CAP_IRQ0);
    if (status != OK)
        bh_panic("the UART's interrupt cannot be bound: %s", bh_status_name(status));
}

/* The management rings lie behind the VMs' ring pages. */
static void channel_start(struct service *s)
{
    struct byte_ring_page *pages = (struct byte_ring_page *)(uintptr_t)RINGS_IPA;
    const char *bad;

    channel_init(&s->channel, &s->console, (struct mgmt_rings *)(void *)(pages + VM_CONSOLES_MAX));
    bad = port_start(&s->port);
    if (bad && bad[0] != 0)
        bh_log("management port: %s", bad);
    if (!bad && bh_notification_signal(CAP_TOOLSTACK_MGMT) != OK) /* attach, if you have been there before */
        bh_log("the toolstack cannot be signalled");
}

void service_start(struct service *s)
{
    bool again;

    again = persist_load((void *)(uintptr_t)PERSIST_IPA, &s->console,
                         (struct byte_ring_page *)(uintptr_t)RINGS_IPA);
    own_log = &s->console.log;
    kernel_log_start(s);
    uart_start(&s->uart, DEVICE_IPA);
    uart_interrupt_start();
    channel_start(s);
    if (again)
        bh_log("started again, run %u", s->console.generation);
    s->console.changed = true;
}

/* ---- what happened --------------------------------------------------------------------------------- */

void service_on_events(struct service *s, uint64_t bits)
{
    if (bits & EVENT_KERNEL_LOG)
        kernel_log_read(s);
    if (bits & EVENT_UART && bh_irq_ack(CAP_IRQ0) != OK)
        bh_log("the UART's interrupt cannot be acknowledged");
    if (bits & EVENT_PORT)
        port_interrupt(&s->port);
    if (bits & EVENT_PORT_FAULT)
        port_fault(&s->port);
    for (uint32_t i = 0; i < VM_CONSOLES_MAX; i++)
        if (bits & EVENT_VM(i))
            console_rung(&s->console, i);
}

/* Bytes in, as long as there is room for them. */
static void uart_receive(struct service *s)
{
    uint8_t byte;

    while (console_can_receive(&s->console) && uart_get(&s->uart, &byte))
        console_receive(&s->console, byte);
}

/* Bytes out, as far as the UART takes them; true: it took some. */
static bool uart_transmit(struct service *s)
{
    struct fifo *wire = &s->console.wire;
    bool moved = false;

    for (; fifo_used(wire) > 0 && uart_put(&s->uart, fifo_front(wire)); moved = true)
        fifo_drop(wire, 1);
    return moved;
}

/* A vmm that cannot be signalled (it is gone, or gave us something else) is not tried again. */
static void vms_signal(struct service *s)
{
    for (uint64_t left = s->console.signal_vms; left != 0; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(left);
        slot_t notify = s->vm_notify[i];

        if (notify != 0 && bh_notification_signal(notify) != OK) {
            bh_slot_drop(notify);
            s->vm_notify[i] = 0;
        }
    }
    s->console.signal_vms = 0;
}

void service_detach(struct service *s, uint32_t index)
{
    bh_slot_drop(s->vm_notify[index]);
    s->vm_notify[index] = 0;
    s->console.signal_vms &= ~(1ull << index);
}

#define CHANNEL_ROUNDS 16u /* a host that says something all the time does not keep us */

/* What the port brought, and what goes to it; true: something moved. */
static bool channel_round(struct service *s)
{
    struct channel *ch = &s->channel;
    const uint8_t *bytes;
    uint32_t count = port_bytes(&s->port, &bytes), taken = 0, waiting;

    if (count > 0) {
        taken = channel_receive(ch, bytes, count);
        port_taken(&s->port, taken);
    }
    channel_pump(ch);
    waiting = fifo_used(&ch->out);
    port_send(&s->port, &ch->out);
    return taken > 0 || (ch->again && fifo_used(&ch->out) < waiting);
}

static void channel_move(struct service *s)
{
    struct channel *ch = &s->channel;
    bool moved = s->port.state == PORT_OPEN;

    if (s->port.just_opened || (ch->is_up && s->port.state != PORT_OPEN))
        channel_port_starts(ch);
    s->port.just_opened = false;
    for (uint32_t i = 0; moved && i < CHANNEL_ROUNDS; i++)
        moved = channel_round(s);
    if (s->port.state == PORT_OPEN)
        s->console.again |= moved || ch->again;
    port_kick(&s->port);
    if (ch->signal_toolstack && bh_notification_signal(CAP_TOOLSTACK_MGMT) == OK)
        ch->signal_toolstack = false;
}

void service_pump(struct service *s)
{
    struct console *c = &s->console;

    uart_receive(s);
    console_pump(c);
    channel_move(s);
    bool moved = uart_transmit(s);

    if (c->held && moved)
        c->again = true; /* the wire took some at once and there is more; else its interrupt brings us back */
    uart_interrupt_on(&s->uart, console_can_receive(c), fifo_used(&c->wire) > 0);
    vms_signal(s);
    if (c->signal_toolstack && bh_notification_signal(CAP_TOOLSTACK_EVENTS) == OK)
        c->signal_toolstack = false;
    if (c->changed)
        persist_save(c);
    c->changed = false;
}
