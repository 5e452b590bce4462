/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * frame.c - frames of the management channel
 *
 * Always true:  a reader holds at most one frame; what it holds is the beginning of a frame whose header was
 * judged as soon as it was whole; a lost reader holds at most what may still become a HELLO.
 */
#include "frame.h"

#include <string.h>

void frame_header_write(uint8_t *out, uint32_t length, uint16_t client, enum frame_kind kind, uint32_t id)
{
    frame_put_u32(out, length);
    out[4] = (uint8_t)client;
    out[5] = (uint8_t)(client >> 8);
    out[6] = (uint8_t)kind;
    out[7] = 0;
    frame_put_u32(out + 8, id);
}

/* The least that a payload of this kind can be. */
static uint32_t payload_least(uint8_t kind)
{
    switch (kind) {
    case FRAME_OPEN:
    case FRAME_HELLO:
        return 0;
    case FRAME_DATA:
        return 1;
    default:
        return 4;
    }
}

static uint32_t payload_most(uint8_t kind)
{
    switch (kind) {
    case FRAME_OPEN:
        return 0;
    case FRAME_HELLO:
        return MGMT_HELLO_PAYLOAD_MAX;
    case FRAME_CREDIT:
        return 4;
    default:
        return FRAME_PAYLOAD_MAX;
    }
}

bool frame_header_read(const uint8_t *bytes, struct frame *frame)
{
    frame->length = frame_u32(bytes);
    frame->client = (uint16_t)(bytes[4] | bytes[5] << 8);
    frame->kind = bytes[6];
    frame->id = frame_u32(bytes + 8);
    frame->payload = bytes + FRAME_HEADER_BYTES;
    if (bytes[7] != 0 || frame->kind < FRAME_HELLO || frame->kind > FRAME_CREDIT)
        return false;
    if (frame->kind == FRAME_HELLO && (frame->id != MGMT_HELLO_ID || frame->client != 0))
        return false;
    return frame->length >= payload_least(frame->kind) && frame->length <= payload_most(frame->kind);
}

void frame_reader_start(struct frame_reader *reader, enum reader_state state)
{
    reader->state = state;
    reader->count = 0;
}

void frame_reader_next(struct frame_reader *reader)
{
    reader->count = 0;
}

/* The bytes that every HELLO has behind its length, which is below 65536. */
static bool hello_may_begin(const uint8_t *bytes, uint32_t count)
{
    static const uint8_t fixed[FRAME_HEADER_BYTES] = {0, 0, 0, 0, 0, 0, FRAME_HELLO, 0, 'B', 'H', 'M', '1'};

    return count <= 2 || memcmp(bytes + 2, fixed + 2, count - 2) == 0;
}

/* A lost reader takes a byte at a time, and lets go of the first as long as they cannot begin a HELLO. */
static uint32_t hello_find(struct frame_reader *reader, const uint8_t *bytes, uint32_t count)
{
    struct frame frame;
    uint32_t taken = 0;

    while (reader->state == READER_LOST && taken < count) {
        reader->bytes[reader->count++] = bytes[taken++];
        while (reader->count > 0 && !hello_may_begin(reader->bytes, reader->count))
            memmove(reader->bytes, reader->bytes + 1, --reader->count);
        if (reader->count < FRAME_HEADER_BYTES)
            continue;
        if (frame_header_read(reader->bytes, &frame))
            reader->state = READER_WITHIN;
        else
            memmove(reader->bytes, reader->bytes + 1, --reader->count);
    }
    return taken;
}

/* What is held is no header, but a HELLO may begin in it. */
static void reader_lose(struct frame_reader *reader)
{
    uint8_t held[FRAME_HEADER_BYTES];

    memcpy(held, reader->bytes, sizeof(held));
    frame_reader_start(reader, READER_LOST);
    (void)hello_find(reader, held, sizeof(held));
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t bytes_take(struct frame_reader *reader, uint32_t wanted, const uint8_t *bytes, uint32_t count)
{
    uint32_t taken = reader->count < wanted ? smaller(wanted - reader->count, count) : 0;

    memcpy(reader->bytes + reader->count, bytes, taken);
    reader->count += taken;
    return taken;
}

uint32_t frame_reader_take(struct frame_reader *reader, const uint8_t *bytes, uint32_t count,
                           struct frame *frame)
{
    uint32_t taken = hello_find(reader, bytes, count);

    frame->payload = NULL;
    if (reader->state == READER_LOST)
        return taken;
    taken += bytes_take(reader, FRAME_HEADER_BYTES, bytes + taken, count - taken);
    if (reader->count < FRAME_HEADER_BYTES)
        return taken;
    if (!frame_header_read(reader->bytes, frame)) {
        reader_lose(reader);
        frame->payload = NULL;
        return taken;
    }
    taken += bytes_take(reader, FRAME_HEADER_BYTES + frame->length, bytes + taken, count - taken);
    if (reader->count < FRAME_HEADER_BYTES + frame->length)
        frame->payload = NULL;
    return taken;
}
