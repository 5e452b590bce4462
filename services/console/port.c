/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * port.c - the management port: start, control messages, bytes (Virtio 1.1, 5.3)
 *
 * Always true:  a buffer is the device's (its number is a chain of the queue), or ours: a sending one has its
 * bit in tx_free, a receiving one is the chunk.
 */
#include "port.h"

#include <stddef.h>
#include <string.h>

#include "bh.h"

/* 5.3.2: port n's queues; 2 and 3 are the control ones */
enum { QUEUE_CONTROL_RX = 2, QUEUE_CONTROL_TX = 3, QUEUE_RX = 4, QUEUE_TX = 5 };
#define F_MULTIPORT (1ull << 1) /* 5.3.3 */
/* 5.3.4 */
enum { CONFIG_MAX_PORTS = 4, CONFIG_BYTES = 8 };
/* 5.3.6.2 */
enum { DEVICE_READY = 0, PORT_ADD = 1, PORT_READY = 3, PORT_OPENED = 6 };
struct control {
    uint32_t id;
    uint16_t event;
    uint16_t value;
};
_Static_assert(sizeof(struct control) == 8, "Virtio 1.1, 5.3.6.2");
_Static_assert(sizeof(struct port_memory) % 4096 == 0, "whole pages");
_Static_assert(offsetof(struct port_memory, used) % 4096 == 0, "what the device writes begins on a page");
_Static_assert(sizeof(struct virtq_avail) <= 1024 && sizeof(struct virtq_used) <= 4096, "queues fit");

#define QUEUE_LENGTH PORT_BUFFERS
_Static_assert(PORT_CONTROL_BUFFERS == QUEUE_LENGTH, "one length for all queues");

static uint64_t iova_of(const struct port *port, const volatile void *at)
{
    return PORT_IOVA + (uint64_t)((const volatile uint8_t *)at - (const volatile uint8_t *)port->memory);
}

/* ---- buffers -------------------------------------------------------------------------------------- */

static void buffer_put(struct port *port, struct virtq *q, uint16_t number, const uint8_t *at, uint32_t bytes,
                       uint16_t flags)
{
    struct virtq_chain chain = {0};

    virtq_add(q, &chain, iova_of(port, at), bytes, flags);
    virtq_put(q, &chain, number);
}

static void rx_put(struct port *port, uint16_t number)
{
    buffer_put(port, &port->rx, number, port->memory->rx[number], PORT_BUFFER_BYTES, VRING_WRITE);
}

static void control_rx_put(struct port *port, uint16_t number)
{
    buffer_put(port, &port->control_rx, number, port->memory->control_rx[number], PORT_CONTROL_BYTES,
               VRING_WRITE);
}

static void port_break(struct port *port, const char *why)
{
    bh_log("management port: %s: it is not used any more", why);
    virtio_pci_fail(&port->pci);
    (void)virtio_pci_reset(&port->pci);
    port->state = PORT_NONE;
    port->has_chunk = false;
}

/* The next finished buffer of a queue.  What cannot be true breaks the port. */
static bool buffer_take(struct port *port, struct virtq *q, uint16_t *number, uint32_t *written)
{
    uint64_t address;

    if (port->state == PORT_NONE)
        return false;
    if (virtq_look(q)) {
        if (port_faults(&address) != port->faults_seen)
            return false; /* port_fault() comes */
        virtq_accept(q);
    }
    if (virtq_take(q, number, written))
        return true;
    if (q->broken)
        port_break(port, "the device says what cannot be true");
    return false;
}

/* ---- control ---------------------------------------------------------------------------------------- */

/* A device that asks for more than our buffers is not answered: it is broken. */
static void control_send(struct port *port, uint32_t id, uint16_t event, uint16_t value)
{
    struct control control = {.id = id, .event = event, .value = value};
    uint16_t number = (uint16_t)__builtin_ctz(port->control_tx_free | 1u << PORT_CONTROL_BUFFERS);

    if (number == PORT_CONTROL_BUFFERS)
        return;
    port->control_tx_free &= ~(1u << number);
    memcpy(port->memory->control_tx[number], &control, sizeof control);
    buffer_put(port, &port->control_tx, number, port->memory->control_tx[number], sizeof control, 0);
}

static void control_serve(struct port *port, const struct control *control)
{
    if (control->id != PORT_NUMBER)
        return;
    if (control->event == PORT_ADD) {
        control_send(port, PORT_NUMBER, PORT_READY, 1);
        control_send(port, PORT_NUMBER, PORT_OPENED, 1);
    } else if (control->event == PORT_OPENED) {
        port->just_opened = control->value != 0 && port->state == PORT_CLOSED;
        port->state = control->value != 0 ? PORT_OPEN : PORT_CLOSED;
    }
}

static void control_run(struct port *port)
{
    struct control control;
    uint32_t written;
    uint16_t number;

    while (buffer_take(port, &port->control_tx, &number, &written))
        port->control_tx_free |= 1u << number;
    while (buffer_take(port, &port->control_rx, &number, &written)) {
        memcpy(&control, port->memory->control_rx[number], sizeof control);
        control_rx_put(port, number);
        if (written >= sizeof control)
            control_serve(port, &control);
    }
}

/* ---- start ------------------------------------------------------------------------------------------- */

static void queue_place(struct port *port, struct virtq *q, uint32_t index)
{
    struct port_memory *m = port->memory;

    virtq_place(q, (struct vring_descriptor *)m->descriptors[index], iova_of(port, m->descriptors[index]),
                (struct virtq_avail *)m->avail[index], iova_of(port, m->avail[index]),
                (volatile struct virtq_used *)m->used[index], iova_of(port, m->used[index]));
}

static const char *queues_start(struct port *port)
{
    struct virtq *queues[] = {&port->control_rx, &port->control_tx, &port->rx, &port->tx};
    const char *bad = NULL;

    for (uint32_t i = 0; i < 4 && !bad; i++) {
        queue_place(port, queues[i], i);
        bad = virtio_pci_queue(&port->pci, queues[i], (uint16_t)(QUEUE_CONTROL_RX + i), QUEUE_LENGTH,
                               QUEUE_LENGTH);
    }
    return bad;
}

/* 3.1.1 */
static const char *device_start(struct port *port)
{
    const char *bad;

    if (!virtio_pci_reset(&port->pci))
        return "it does not come out of a reset";
    bad = virtio_pci_negotiate(&port->pci, F_MULTIPORT);
    if (bad)
        return bad;
    if (!(port->pci.features & F_MULTIPORT) ||
        virtio_pci_config32(&port->pci, CONFIG_MAX_PORTS) <= PORT_NUMBER)
        return "it has no port 1";
    bad = queues_start(port);
    return bad ? bad : virtio_pci_run(&port->pci);
}

static void buffers_give(struct port *port)
{
    port->tx_free = port->control_tx_free = (1u << PORT_BUFFERS) - 1u;
    for (uint16_t i = 0; i < PORT_BUFFERS; i++)
        rx_put(port, i);
    for (uint16_t i = 0; i < PORT_CONTROL_BUFFERS; i++)
        control_rx_put(port, i);
    control_send(port, 0, DEVICE_READY, 1);
    port_kick(port);
}

const char *port_start(struct port *port)
{
    const char *bad;
    uint64_t address;

    memset(port, 0, sizeof *port);
    if (!port_device_is_there())
        return "";
    if (!virtio_pci_is(port_pci_config(), VIRTIO_ID_CONSOLE))
        return "it is not a modern virtio serial device (disable-legacy=on)";
    bad = virtio_pci_find(&port->pci, port_pci_config(), CONFIG_BYTES);
    if (bad)
        return bad;
    port->memory = port_memory_make();
    if (!port->memory)
        return "the console's memory_kib does not hold its queues";
    port->faults_seen = port_faults(&address);
    bad = device_start(port);
    if (bad) {
        virtio_pci_fail(&port->pci);
        return bad;
    }
    port->state = PORT_CLOSED; /* until it says otherwise */
    buffers_give(port);
    return NULL;
}

/* ---- while it runs ------------------------------------------------------------------------------------ */

void port_interrupt(struct port *port)
{
    if (port->state == PORT_NONE)
        return;
    (void)virtio_pci_isr(&port->pci);
    port_irq_ack();
    control_run(port);
}

void port_fault(struct port *port)
{
    uint64_t address;

    if (port->state == PORT_NONE || port_faults(&address) == port->faults_seen)
        return;
    bh_log("management port: the SMMU blocked an access at address 0x%llx", (unsigned long long)address);
    port_break(port, "it reaches for what is not its own");
}

uint32_t port_bytes(struct port *port, const uint8_t **bytes)
{
    if (port->state != PORT_OPEN)
        return 0;
    if (!port->has_chunk) {
        port->chunk_at = 0;
        port->has_chunk = buffer_take(port, &port->rx, &port->chunk_buffer, &port->chunk_count);
    }
    if (!port->has_chunk)
        return 0;
    *bytes = port->memory->rx[port->chunk_buffer] + port->chunk_at;
    return port->chunk_count - port->chunk_at;
}

void port_taken(struct port *port, uint32_t count)
{
    port->chunk_at += count;
    if (port->chunk_at < port->chunk_count)
        return;
    rx_put(port, port->chunk_buffer);
    port->has_chunk = false;
}

static void tx_collect(struct port *port)
{
    uint32_t written;
    uint16_t number;

    while (buffer_take(port, &port->tx, &number, &written))
        port->tx_free |= 1u << number;
}

bool port_can_send(const struct port *port)
{
    return port->state == PORT_OPEN && port->tx_free != 0;
}

void port_send(struct port *port, struct fifo *out)
{
    tx_collect(port);
    while (port_can_send(port) && fifo_used(out) > 0) {
        uint16_t number = (uint16_t)__builtin_ctz(port->tx_free);
        uint32_t count = fifo_peek(out, port->memory->tx[number], PORT_BUFFER_BYTES);

        fifo_drop(out, count);
        port->tx_free &= ~(1u << number);
        buffer_put(port, &port->tx, number, port->memory->tx[number], count, 0);
    }
}

void port_kick(struct port *port)
{
    if (port->state == PORT_NONE)
        return;
    virtq_kick(&port->control_rx);
    virtq_kick(&port->control_tx);
    virtq_kick(&port->rx);
    virtq_kick(&port->tx);
}
