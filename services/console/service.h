/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service.h - the console domain: its state, its registers and its capabilities
 */
#ifndef CONSOLE_SERVICE_H
#define CONSOLE_SERVICE_H

#include "abi.h"
#include "channel.h"
#include "console.h"
#include "port.h"
#include "uart.h"

/* Bits of our events Notification. */
#define EVENT_UART 1u        /* the PL011's interrupt */
#define EVENT_KERNEL_LOG 2u  /* the kernel's log grew */
#define EVENT_MGMT 4u        /* the toolstack moved the management rings */
#define EVENT_PORT 8u        /* the management port's interrupt */
#define EVENT_PORT_FAULT 16u /* the SMMU refused an access of its */
/* The ring of a VM moved: one of those that share the bit. */
#define EVENT_VM0 16u
#define EVENT_VM_BITS 32u
#define EVENT_VM(index) (1ull << (EVENT_VM0 + (index) % EVENT_VM_BITS))

struct service {
    struct console console;
    struct uart uart;
    struct channel channel;
    struct port port;
    slot_t mgmt_events;                /* ours, as the toolstack gets it; minted at its first MgmtAttach */
    uint64_t kernel_position;          /* of the kernel's log: read up to here */
    slot_t vm_notify[VM_CONSOLES_MAX]; /* the vmm's Notification; 0: not attached */
    slot_t vm_events[VM_CONSOLES_MAX]; /* ours, as that vmm gets it; minted at its first Attach */
};

/* Bring everything into service; a fault when that cannot be. */
void service_start(struct service *s);
/* Bits of the events Notification came. */
void service_on_events(struct service *s, uint64_t bits);
/* Move bytes between UART, rings and queues, and tell whom it concerns. */
void service_pump(struct service *s);
/* A capability to our own events Notification that says `bit`; a fault when there is none to be had. */
slot_t service_events_mint(uint64_t bit);
/* Forget what VM console `index` held. */
void service_detach(struct service *s, uint32_t index);

#endif
