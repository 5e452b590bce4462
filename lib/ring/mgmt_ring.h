/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mgmt_ring.h - frames of the management channel between the console domain and the toolstack
 *
 * Two byte rings (byte_ring.h) in pages that init keeps, which hold whole frames (lib/mgmt/frame.h):
 *
 *     up     from clients     the console puts, the toolstack takes    128 KiB
 *     down   to clients       the toolstack puts, the console takes     32 KiB
 *
 * A producer publishes a frame at once, so a consumer that sees its header sees all of it; one that does not,
 * or a header that is none, is a violation, and the ring is closed (ERR_PEER) until both sides open it again
 * at the toolstack's next Console.MgmtAttach.
 *
 * The console says in `generation` which run of it the rings belong to; the toolstack attaches again when
 * that is another one than it was told.
 */
#ifndef BH_RING_MGMT_RING_H
#define BH_RING_MGMT_RING_H

#include "byte_ring.h"

#include "../mgmt/frame.h"

#define MGMT_UP_BYTES 131072u
#define MGMT_DOWN_BYTES 32768u
#define MGMT_RING_PAGES (1u + (MGMT_UP_BYTES + MGMT_DOWN_BYTES) / 4096u)

struct mgmt_rings {
    uint32_t generation; /* console */
    uint32_t spare[15];
    struct byte_ring_words up, down;
    uint8_t unused[4096 - 64 - 2 * 128];
    uint8_t up_data[MGMT_UP_BYTES];
    uint8_t down_data[MGMT_DOWN_BYTES];
};
_Static_assert(sizeof(struct mgmt_rings) == MGMT_RING_PAGES * 4096, "whole pages");

static inline uint32_t mgmt_rings_generation(const struct mgmt_rings *rings)
{
    return __atomic_load_n(&rings->generation, __ATOMIC_ACQUIRE);
}

static inline void mgmt_ring_copy_in(struct byte_ring *ring, uint32_t at, const uint8_t *bytes,
                                     uint32_t count)
{
    uint32_t place = (ring->index + at) % ring->size;
    uint32_t first = count < ring->size - place ? count : ring->size - place;

    memcpy(ring->data + place, bytes, first);
    memcpy(ring->data, bytes + first, count - first);
}

static inline void mgmt_ring_copy_out(const struct byte_ring *ring, uint32_t at, uint8_t *bytes,
                                      uint32_t count)
{
    uint32_t place = (ring->index + at) % ring->size;
    uint32_t first = count < ring->size - place ? count : ring->size - place;

    memcpy(bytes, ring->data + place, first);
    memcpy(bytes + first, ring->data, count - first);
}

/* Put a whole frame, header and payload in one piece of memory; false: there is no room (or the ring is
 * closed). */
static inline bool mgmt_ring_put(struct byte_ring *ring, const uint8_t *frame, uint32_t count)
{
    if (byte_ring_room(ring) < count)
        return false;
    mgmt_ring_copy_in(ring, 0, frame, count);
    byte_ring_advance(ring, count);
    return true;
}

/*
 * Copy the next frame to `bytes` (FRAME_BYTES_MAX); *frame describes it.  It stays in the ring until
 * mgmt_ring_drop(), so a taker may look at its size first and come back later.  False: there is none (or the
 * ring is closed).
 */
static inline bool mgmt_ring_peek(struct byte_ring *ring, uint8_t *bytes, struct frame *frame)
{
    uint32_t held = byte_ring_room(ring);

    if (held == 0)
        return false;
    if (held >= FRAME_HEADER_BYTES)
        mgmt_ring_copy_out(ring, 0, bytes, FRAME_HEADER_BYTES);
    if (held < FRAME_HEADER_BYTES || !frame_header_read(bytes, frame) ||
        held - FRAME_HEADER_BYTES < frame->length) {
        ring->status = ERR_PEER;
        return false;
    }
    mgmt_ring_copy_out(ring, FRAME_HEADER_BYTES, bytes + FRAME_HEADER_BYTES, frame->length);
    return true;
}

static inline void mgmt_ring_drop(struct byte_ring *ring, const struct frame *frame)
{
    byte_ring_advance(ring, FRAME_HEADER_BYTES + frame->length);
}

#endif
