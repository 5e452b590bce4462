/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bucket.c - see bucket.h
 *
 * What trickles in is rate * milliseconds thousandths of a unit; the remainder of the division stays in
 * `part`, so no fraction is ever lost.  With rate and burst at most 2^40, levels stay within 2^40 of 0 and no
 * product exceeds 2^52.
 */
#include "bucket.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void bucket_init(struct bucket *b, uint64_t rate, uint64_t burst, uint64_t now_ms)
{
    b->rate = least(rate, BUCKET_MAX);
    b->burst = least(burst != 0 ? burst : b->rate / 10 + 1, BUCKET_MAX);
    b->level = (int64_t)b->burst;
    b->part = 0;
    b->at_ms = now_ms;
}

/* How long until it is full; no more than that needs to be counted. */
static uint64_t ms_to_fill(const struct bucket *b)
{
    uint64_t missing = (uint64_t)((int64_t)b->burst - b->level);

    return missing * 1000 / b->rate + 1;
}

static void bucket_fill(struct bucket *b, uint64_t now_ms)
{
    uint64_t thousandths;

    if (now_ms <= b->at_ms)
        return;
    if (now_ms - b->at_ms >= ms_to_fill(b)) {
        b->level = (int64_t)b->burst;
        b->part = 0;
    } else {
        thousandths = (now_ms - b->at_ms) * b->rate + b->part;
        b->level += (int64_t)(thousandths / 1000);
        b->part = thousandths % 1000;
    }
    b->at_ms = now_ms;
}

uint64_t bucket_wait_ms(struct bucket *b, uint64_t cost, uint64_t now_ms)
{
    int64_t needed = (int64_t)least(cost, b->burst);

    if (b->rate == 0)
        return 0;
    bucket_fill(b, now_ms);
    if (b->level >= needed)
        return 0;
    return ((uint64_t)(needed - b->level) * 1000 - b->part + b->rate - 1) / b->rate;
}

static void bucket_spend(struct bucket *b, uint64_t cost)
{
    if (b->rate != 0)
        b->level -= (int64_t)least(cost, BUCKET_MAX);
}

bool bucket_take(struct bucket *b, uint64_t cost, uint64_t now_ms)
{
    if (bucket_wait_ms(b, cost, now_ms) != 0)
        return false;
    bucket_spend(b, cost);
    return true;
}

void rate_limit_init(struct rate_limit *l, uint64_t bytes, uint64_t bytes_burst, uint64_t packets,
                     uint64_t packets_burst, uint64_t now_ms)
{
    bucket_init(&l->bytes, bytes, bytes_burst, now_ms);
    bucket_init(&l->packets, packets, packets_burst, now_ms);
}

bool rate_limit_is_off(const struct rate_limit *l)
{
    return l->bytes.rate == 0 && l->packets.rate == 0;
}

uint64_t rate_limit_wait_ms(struct rate_limit *l, uint64_t bytes, uint64_t packets, uint64_t now_ms)
{
    uint64_t for_bytes = bucket_wait_ms(&l->bytes, bytes, now_ms);
    uint64_t for_packets = bucket_wait_ms(&l->packets, packets, now_ms);

    return for_bytes > for_packets ? for_bytes : for_packets;
}

bool rate_limit_take(struct rate_limit *l, uint64_t bytes, uint64_t packets, uint64_t now_ms)
{
    if (rate_limit_is_off(l))
        return true;
    if (rate_limit_wait_ms(l, bytes, packets, now_ms) != 0)
        return false;
    bucket_spend(&l->bytes, bytes);
    bucket_spend(&l->packets, packets);
    return true;
}
