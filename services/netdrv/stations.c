/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stations.c - a table of rows; an address has one row, and pushes out at most one other of it
 *
 * Always true:  a key is in its own row only, and there once.
 */
#include "stations.h"

#define ROWS (STATIONS_MAX / STATIONS_ROW)

static uint64_t key_of(uint16_t segment, uint64_t mac)
{
    return ((uint64_t)segment << 48 | mac) + 1u; /* a free place is no address */
}

/* Multiplicative hashing: the high bits depend on all of the key. */
static uint32_t row_of(uint64_t key)
{
    return (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) % ROWS * STATIONS_ROW;
}

void stations_learn(struct stations *s, uint16_t segment, uint64_t mac, uint64_t now_ms)
{
    uint64_t key = key_of(segment, mac);
    struct station *row = &s->places[row_of(key)];
    struct station *oldest = row;

    for (uint32_t i = 0; i < STATIONS_ROW; i++) {
        if (row[i].key == key) {
            row[i].heard_ms = now_ms;
            return;
        }
        if (row[i].heard_ms < oldest->heard_ms)
            oldest = &row[i];
    }
    *oldest = (struct station){.key = key, .heard_ms = now_ms};
}

bool stations_know(const struct stations *s, uint16_t segment, uint64_t mac, uint64_t now_ms)
{
    uint64_t key = key_of(segment, mac);
    const struct station *row = &s->places[row_of(key)];

    for (uint32_t i = 0; i < STATIONS_ROW; i++)
        if (row[i].key == key)
            return now_ms - row[i].heard_ms < STATIONS_AGE_MS;
    return false;
}
