/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.h - the VM's console line: bytes to and from the console domain
 *
 * A seam: wire.c speaks lib/ring/byte_ring.h, unit tests a buffer.  Both of the guest's consoles, PL011 and
 * virtio, write here; what is typed goes to the one that the guest's command line made its console.
 */
#ifndef VMM_WIRE_H
#define VMM_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

struct wire;

/* Put bytes on the line; returns how many found room.  With less than all, EVENT_CONSOLE comes when there is.
 */
uint32_t wire_put(struct wire *wire, const uint8_t *bytes, uint32_t count);
/* Take what was typed; returns how many bytes.  With none, EVENT_CONSOLE comes when there are. */
uint32_t wire_take(struct wire *wire, uint8_t *bytes, uint32_t count);

#endif
