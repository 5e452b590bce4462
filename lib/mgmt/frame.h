/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * frame.h - frames of the management channel: the same between `bh`, its broker and the machine
 *
 *     u32 length    of the payload, at most FRAME_PAYLOAD_MAX
 *     u16 client    on the machine's port: whose it is; 0: the port's own.  To and from a client: 0
 *     u8  kind      enum frame_kind
 *     u8  zero
 *     u32 id        of the request and of its stream; the client chooses it, not 0
 *     payload
 *
 * All little-endian.  What the kinds carry, and who may send what when: docs/management.md.
 *
 * A header is judged before its payload is waited for, so nobody makes a receiver wait for, or store, more
 * than FRAME_BYTES_MAX.
 */
#ifndef LIB_MGMT_FRAME_H
#define LIB_MGMT_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_HEADER_BYTES 12u
#define FRAME_BYTES_MAX 16384u
#define FRAME_PAYLOAD_MAX (FRAME_BYTES_MAX - FRAME_HEADER_BYTES)

#define MGMT_VERSION 1u /* of the protocol, the newest that this source speaks */
#define MGMT_LOWEST 1u  /* and the oldest */
#define MGMT_PRODUCT "bulkhead 0.2"
#define MGMT_HELLO_ID 0x314d4842u   /* "BHM1": the id of every HELLO */
#define MGMT_HELLO_PAYLOAD_MAX 256u /* so that a HELLO can be found behind garbage */

enum frame_kind {
    FRAME_HELLO = 1,   /* MgmtHello */
    FRAME_OPEN = 2,    /* broker to machine: a client came */
    FRAME_CLOSE = 3,   /* u32 MgmtStatus, MgmtFailure: the client, or the whole channel, ends */
    FRAME_REQUEST = 4, /* u32 method, message */
    FRAME_REPLY = 5,   /* u32 MgmtStatus, message or MgmtFailure */
    FRAME_DATA = 6,    /* bytes of the stream `id` */
    FRAME_END = 7,     /* u32 MgmtStatus, MgmtFailure: nothing more comes on the stream `id`, nor is taken */
    FRAME_CREDIT = 8,  /* u32: so many more bytes of DATA may be sent on the stream `id` */
};

struct frame {
    uint32_t length; /* of the payload */
    uint16_t client;
    uint8_t kind;
    uint32_t id;
    const uint8_t *payload;
};

static inline uint32_t frame_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static inline void frame_put_u32(uint8_t *bytes, uint32_t value)
{
    for (uint32_t i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

/* Write the header; `out` holds FRAME_HEADER_BYTES. */
void frame_header_write(uint8_t *out, uint32_t length, uint16_t client, enum frame_kind kind, uint32_t id);

/* Read and judge a header; frame->payload points behind it.  False: it is none. */
bool frame_header_read(const uint8_t *bytes, struct frame *frame);

/* ---- from a stream of bytes to frames */
enum reader_state {
    READER_LOST,  /* what came was no frame: everything up to the next HELLO is dropped */
    READER_WITHIN /* at a header, or in a frame */
};
struct frame_reader {
    enum reader_state state;
    uint32_t count; /* bytes held */
    uint8_t bytes[FRAME_BYTES_MAX];
};

/* `state`: a port begins READER_LOST (only a HELLO begins it), a client's connection READER_WITHIN. */
void frame_reader_start(struct frame_reader *reader, enum reader_state state);

/*
 * Take bytes up to the end of the next frame; returns how many were taken.  A whole frame is then in *frame
 * (frame->payload non-NULL) and stays there until frame_reader_next().  When what came is no frame the reader
 * becomes READER_LOST and looks for a HELLO in what follows.
 */
uint32_t frame_reader_take(struct frame_reader *reader, const uint8_t *bytes, uint32_t count,
                           struct frame *frame);

/* The frame that frame_reader_take() found has been dealt with. */
void frame_reader_next(struct frame_reader *reader);

#endif
