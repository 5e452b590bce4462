/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.h - what the switch and the sessions ask of the kernel (the NIC's drivers have nic_machine.h)
 *
 * All of netdrv but machine.c, serve.c, main.c and the NIC's machine is plain C over memory, and runs in the
 * unit tests against a fake of these functions (tests/unit/netdrv_fake.c).
 */
#ifndef NETDRV_MACHINE_H
#define NETDRV_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../lib/abi/abi.h"

/* Bits of the events Notification. */
#define EV_IRQ (UINT64_C(1) << 0)   /* the NIC interrupts */
#define EV_FAULT (UINT64_C(1) << 1) /* the SMMU refused an access of the NIC */
#define PORT_BELLS 32u
#define EV_BELL(i) (UINT64_C(1) << (16 + (i))) /* ports with number % PORT_BELLS == i */

void machine_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t machine_now_us(void);

/* ---- blocks: each NET_BLOCK_BYTES of one VM's memory, which its interfaces share with us ---- */
/* Fetch it from this session at mem: mapped, and zero.  What was in this place before is let go of; whoever
 * paid for it takes it back from others by closing its session.  Refused: `error` says why. */
enum status machine_block_fetch(uint32_t block, slot_t memory, char *error, size_t error_bytes) BH_NODISCARD;
/* Map it again after a restart of ours.  ERR_CAP: it is gone. */
enum status machine_block_resume(uint32_t block) BH_NODISCARD;
uint8_t *machine_block(uint32_t block);

/* ---- a port's vmm; each port is the place of one session ---- */
/* Signal the vmm's Notification, which is kept over a restart of ours, not later than in the next
 * machine_recv().  A vmm that is gone needs none. */
void machine_port_signal(uint32_t port);
void machine_port_forget(uint32_t port); /* let go of it; nobody rings the port's doorbell any more */

/* The next message or signal. */
enum status machine_recv(uint64_t deadline, struct bh_msg *msg) BH_NODISCARD;

/* ---- memory that survives a restart: sessions, then the NAT's flows ---- */
#define PERSIST_SESSION_BYTES 0xa000u
#define PERSIST_FLOW_BYTES 0x10000u
uint8_t *machine_persistent(void);
uint8_t *machine_flows(void);

#endif
