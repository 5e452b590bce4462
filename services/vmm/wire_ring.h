/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire_ring.h - the wire, over the byte rings that this VM shares with the console domain
 */
#ifndef VMM_WIRE_RING_H
#define VMM_WIRE_RING_H

#include "bh.h"
#include "byte_ring.h"
#include "wire.h"

struct wire {
    slot_t session; /* at the console */
    slot_t events;  /* our Notification, as the console gets it */
    slot_t console; /* the console's */
    struct byte_ring_page *page;
    struct byte_ring out, in;
    uint32_t generation; /* of the console that we are attached to */
    uint64_t patience;   /* ticks that bytes may wait before the console hears of them */
    uint64_t tell_at;    /* when the console is to hear of bytes that it asked for; BH_FOREVER: it knows */
};

/* Attach to the session in slot CAP_CONSOLE; `events` is signalled when there is room or bytes. */
enum status wire_open(struct wire *wire, slot_t events, char *error, size_t error_bytes) BH_NODISCARD;
/* Tell the console of bytes put since it was last told, if it is time.  A guest writes byte by byte; waking
 * another domain for each would cost more than the byte. */
void wire_tell(struct wire *wire, uint64_t now);
/* Attach again if the console was restarted. */
void wire_check(struct wire *wire);

#endif
