/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * byte_ring.h - the wire between one VM's vmm and the console domain, in one shared 4 KiB page
 *
 * Two byte rings, each with a single producer and a single consumer:
 *
 *     out   what the guest wrote    vmm puts, console takes    2048 bytes
 *     in    what a person typed     console puts, vmm takes    1024 bytes
 *
 * Indices are free-running u32: `head` counts bytes ever put, `tail` bytes ever taken; head - tail is what is
 * in the ring, and an index modulo the size is a place in the data.  Every shared word has exactly one
 * writer, named beside it.
 *
 * The other side may write anything anywhere in the page at any time.  So each side keeps its own index in
 * private memory (struct byte_ring), only publishes it, reads the peer's once per operation, and judges it:
 * more bytes than the ring holds is a violation.  After one the ring is ERR_PEER for good: it takes as empty
 * and puts as full until it is opened again.  Nobody but the two sides of this page is ever hurt.
 *
 * Signals: a side signals the other's Notification only when asked to.  A consumer that is about to sleep
 * calls byte_ring_want_data() and sleeps only when that says false; a producer with bytes left over does the
 * same with byte_ring_want_space().  After a put (take), byte_ring_must_signal() says whether the peer asked.
 *
 * A restarted console makes page->generation another number.  It has lost the vmm's Notification by then and
 * answers to a new one of its own, so a vmm that sees byte_ring_generation() differ from what it read at
 * Attach calls Attach again.  It opens neither ring again for that: indices and bytes in the page stay as
 * they are.
 */
#ifndef BH_RING_BYTE_RING_H
#define BH_RING_BYTE_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../abi/status.h"

#define BYTE_RING_PAGE_BYTES 4096u
#define BYTE_RING_OUT_BYTES 2048u
#define BYTE_RING_IN_BYTES 1024u
#define BYTE_RING_MAGIC 0x52594242u /* "BBYR" */

/* One ring's shared words; each side writes only its own cache line. */
struct byte_ring_words {
    uint32_t head;       /* producer: bytes ever put */
    uint32_t want_space; /* producer: 1 = signal me when you took some */
    uint32_t producer_spare[14];
    uint32_t tail;      /* consumer: bytes ever taken */
    uint32_t want_data; /* consumer: 1 = signal me when you put some */
    uint32_t consumer_spare[14];
};

struct byte_ring_page {
    uint32_t magic;      /* console */
    uint32_t generation; /* console: another number after each start of it, never 0 */
    uint32_t spare[14];
    struct byte_ring_words out;
    struct byte_ring_words in;
    uint8_t unused[1024 - 64 - 2 * 128];
    uint8_t in_data[BYTE_RING_IN_BYTES];
    uint8_t out_data[BYTE_RING_OUT_BYTES];
};
_Static_assert(sizeof(struct byte_ring_words) == 128, "two cache lines, one per side");
_Static_assert(sizeof(struct byte_ring_page) == BYTE_RING_PAGE_BYTES, "one page");

/* One side's private view of one ring. */
struct byte_ring {
    uint32_t *mine;        /* the index I publish */
    const uint32_t *peers; /* the index I read and judge */
    uint32_t *my_want;     /* I ask for a signal here */
    uint32_t *peers_want;  /* the peer asks for one here */
    uint8_t *data;
    uint32_t size;
    uint32_t index; /* my index; the page's copy is only for the peer */
    bool is_producer;
    enum status status; /* OK, or ERR_PEER after a violation, until opened again */
};

static inline void byte_ring_page_init(struct byte_ring_page *page, uint32_t generation)
{
    memset(page, 0, sizeof *page);
    page->magic = BYTE_RING_MAGIC;
    __atomic_store_n(&page->generation, generation, __ATOMIC_RELEASE);
}

static inline uint32_t byte_ring_generation(const struct byte_ring_page *page)
{
    return __atomic_load_n(&page->generation, __ATOMIC_ACQUIRE);
}

/* Open one side: my index goes on from where the page says I was (a fresh page says 0). */
static inline struct byte_ring byte_ring_open_producer(struct byte_ring_words *words, uint8_t *data,
                                                       uint32_t size)
{
    return (struct byte_ring){
        .mine = &words->head,
        .peers = &words->tail,
        .my_want = &words->want_space,
        .peers_want = &words->want_data,
        .data = data,
        .size = size,
        .index = __atomic_load_n(&words->head, __ATOMIC_RELAXED),
        .is_producer = true,
        .status = OK,
    };
}

static inline struct byte_ring byte_ring_open_consumer(struct byte_ring_words *words, uint8_t *data,
                                                       uint32_t size)
{
    return (struct byte_ring){
        .mine = &words->tail,
        .peers = &words->head,
        .my_want = &words->want_data,
        .peers_want = &words->want_space,
        .data = data,
        .size = size,
        .index = __atomic_load_n(&words->tail, __ATOMIC_RELAXED),
        .is_producer = false,
        .status = OK,
    };
}

/* The four ends by name: the vmm has out_producer and in_consumer, the console the two others. */
static inline struct byte_ring byte_ring_out_producer(struct byte_ring_page *page)
{
    return byte_ring_open_producer(&page->out, page->out_data, BYTE_RING_OUT_BYTES);
}

static inline struct byte_ring byte_ring_out_consumer(struct byte_ring_page *page)
{
    return byte_ring_open_consumer(&page->out, page->out_data, BYTE_RING_OUT_BYTES);
}

static inline struct byte_ring byte_ring_in_producer(struct byte_ring_page *page)
{
    return byte_ring_open_producer(&page->in, page->in_data, BYTE_RING_IN_BYTES);
}

static inline struct byte_ring byte_ring_in_consumer(struct byte_ring_page *page)
{
    return byte_ring_open_consumer(&page->in, page->in_data, BYTE_RING_IN_BYTES);
}

/* How many bytes I can put (producer) or take (consumer) now; judges the peer's index, read once. */
static inline uint32_t byte_ring_room(struct byte_ring *ring)
{
    if (ring->status != OK)
        return 0;
    uint32_t peer = __atomic_load_n(ring->peers, __ATOMIC_ACQUIRE);
    uint32_t held = ring->is_producer ? ring->index - peer : peer - ring->index;

    if (held > ring->size) {
        ring->status = ERR_PEER;
        return 0;
    }
    return ring->is_producer ? ring->size - held : held;
}

/* Publish `count` bytes more put or taken.  The bytes are there (or done with) before the index says so. */
static inline void byte_ring_advance(struct byte_ring *ring, uint32_t count)
{
    ring->index += count;
    __atomic_store_n(ring->mine, ring->index, __ATOMIC_RELEASE);
}

/* Put up to `count` bytes; returns how many found room (0 also after a violation: see ring->status). */
static inline uint32_t byte_ring_put(struct byte_ring *ring, const uint8_t *bytes, uint32_t count)
{
    uint32_t room = byte_ring_room(ring);
    uint32_t done = count < room ? count : room;
    uint32_t place = ring->index % ring->size;
    uint32_t first = done < ring->size - place ? done : ring->size - place;

    if (done == 0)
        return 0;
    memcpy(ring->data + place, bytes, first);
    memcpy(ring->data, bytes + first, done - first);
    byte_ring_advance(ring, done);
    return done;
}

/* Take up to `count` bytes into private memory; returns how many there were (0 also after a violation). */
static inline uint32_t byte_ring_take(struct byte_ring *ring, uint8_t *bytes, uint32_t count)
{
    uint32_t room = byte_ring_room(ring);
    uint32_t done = count < room ? count : room;
    uint32_t place = ring->index % ring->size;
    uint32_t first = done < ring->size - place ? done : ring->size - place;

    if (done == 0)
        return 0;
    memcpy(bytes, ring->data + place, first);
    memcpy(bytes + first, ring->data, done - first);
    byte_ring_advance(ring, done);
    return done;
}

/*
 * Ask for a signal when there is something to take (consumer) or room to put (producer).  Returns true when
 * there is some already: then do not sleep.  The fence orders my question against the peer's index: either I
 * see its progress here, or it sees my question in byte_ring_must_signal().
 */
static inline bool byte_ring_want(struct byte_ring *ring)
{
    __atomic_store_n(ring->my_want, 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return byte_ring_room(ring) != 0;
}

static inline bool byte_ring_want_data(struct byte_ring *consumer)
{
    return byte_ring_want(consumer);
}

static inline bool byte_ring_want_space(struct byte_ring *producer)
{
    return byte_ring_want(producer);
}

/* I am awake and looking: spare the peer its signals until I ask again. */
static inline void byte_ring_want_nothing(struct byte_ring *ring)
{
    __atomic_store_n(ring->my_want, 0, __ATOMIC_RELAXED);
}

/* After a put or take of at least one byte: did the peer ask for a signal? */
static inline bool byte_ring_must_signal(struct byte_ring *ring)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(ring->peers_want, __ATOMIC_RELAXED) != 0;
}

#endif
