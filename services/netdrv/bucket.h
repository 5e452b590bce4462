/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bucket.h - rate limits by token bucket, in exact integers
 *
 * A bucket fills at `rate` units per second up to `burst`.  What costs more than `burst` may still pass when
 * the bucket is full, and the bucket then owes the rest: over time never more than `rate` goes through, and
 * nothing waits for ever.
 */
#ifndef NETDRV_BUCKET_H
#define NETDRV_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#define BUCKET_MAX (1ull << 40) /* rates and bursts above this are cut to it */

struct bucket {
    uint64_t rate;  /* units per second; 0: no limit */
    uint64_t burst; /* units */
    int64_t level;  /* units; negative: owed */
    uint64_t part;  /* thousandths of a unit, 0..999 */
    uint64_t at_ms; /* when level and part were true */
};

/* Full.  burst 0 means a tenth of a second's worth. */
void bucket_init(struct bucket *b, uint64_t rate, uint64_t burst, uint64_t now_ms);
/* Milliseconds until `cost` may pass, 0: now. */
uint64_t bucket_wait_ms(struct bucket *b, uint64_t cost, uint64_t now_ms);
/* Takes `cost`, or refuses and leaves the bucket as it is. */
bool bucket_take(struct bucket *b, uint64_t cost, uint64_t now_ms);

/* Both limits of one direction: a packet passes both or neither. */
struct rate_limit {
    struct bucket bytes;
    struct bucket packets;
};

void rate_limit_init(struct rate_limit *l, uint64_t bytes, uint64_t bytes_burst, uint64_t packets,
                     uint64_t packets_burst, uint64_t now_ms);
bool rate_limit_is_off(const struct rate_limit *l);
uint64_t rate_limit_wait_ms(struct rate_limit *l, uint64_t bytes, uint64_t packets, uint64_t now_ms);
bool rate_limit_take(struct rate_limit *l, uint64_t bytes, uint64_t packets, uint64_t now_ms);

#endif
