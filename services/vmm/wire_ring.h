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
/* The console was restarted and does not know us: ask for its new Notification (a request, without vm->lock),
 * then go on with it. */
struct wire_news {
    slot_t console;
    uint32_t generation; /* of the page before we asked */
};
bool wire_is_lost(const struct wire *wire);
enum status wire_ask(const struct wire *wire, struct wire_news *news) BH_NODISCARD;
void wire_go_on(struct wire *wire, const struct wire_news *news);

#endif
