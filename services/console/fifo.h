/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fifo.h - a bounded queue of bytes in private memory
 *
 * What the console keeps while a wire or a reader is slow.  A full one either refuses (fifo_put) or loses its
 * oldest bytes (fifo_put_dropping); the caller says which, so nothing here ever waits or grows.
 *
 * Always true:  size is a power of two, and head - tail <= size.
 */
#ifndef CONSOLE_FIFO_H
#define CONSOLE_FIFO_H

#include <stdbool.h>
#include <stdint.h>

struct fifo {
    uint8_t *bytes;
    uint32_t size;
    uint32_t head; /* bytes ever put */
    uint32_t tail; /* bytes ever taken or lost */
};

static inline struct fifo fifo_make(uint8_t *bytes, uint32_t size)
{
    return (struct fifo){.bytes = bytes, .size = size};
}

static inline uint32_t fifo_used(const struct fifo *f)
{
    return f->head - f->tail;
}

static inline uint32_t fifo_room(const struct fifo *f)
{
    return f->size - fifo_used(f);
}

static inline void fifo_clear(struct fifo *f)
{
    f->tail = f->head;
}

/* Put one byte; false when there is no room. */
static inline bool fifo_put_byte(struct fifo *f, uint8_t byte)
{
    if (fifo_room(f) == 0)
        return false;
    f->bytes[f->head++ % f->size] = byte;
    return true;
}

/* Put as many as there is room for; returns how many. */
static inline uint32_t fifo_put(struct fifo *f, const uint8_t *bytes, uint32_t count)
{
    uint32_t done = 0;

    while (done < count && fifo_put_byte(f, bytes[done]))
        done++;
    return done;
}

/* Put all; what was there longest makes room. */
static inline void fifo_put_dropping(struct fifo *f, const uint8_t *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (fifo_room(f) == 0)
            f->tail++;
        f->bytes[f->head++ % f->size] = bytes[i];
    }
}

/* The oldest byte, not taken; only when there is one. */
static inline uint8_t fifo_front(const struct fifo *f)
{
    return f->bytes[f->tail % f->size];
}

/* Copy up to `count` of the oldest without taking them; returns how many there were. */
static inline uint32_t fifo_peek(const struct fifo *f, uint8_t *bytes, uint32_t count)
{
    uint32_t done = 0;

    for (; done < count && done < fifo_used(f); done++)
        bytes[done] = f->bytes[(f->tail + done) % f->size];
    return done;
}

static inline bool fifo_contains(const struct fifo *f, uint8_t byte)
{
    for (uint32_t at = f->tail; at != f->head; at++)
        if (f->bytes[at % f->size] == byte)
            return true;
    return false;
}

/* The oldest `count` bytes are done with; no more than there are. */
static inline void fifo_drop(struct fifo *f, uint32_t count)
{
    f->tail += count;
}

#endif
