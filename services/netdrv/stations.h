/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stations.h - which addresses were heard on the uplink
 *
 * The addresses of our own ports are known from their sessions and cannot be learned; so what has to be
 * learned is who is outside.  What is known needs no flooding; what is not is flooded within a bound.
 */
#ifndef NETDRV_STATIONS_H
#define NETDRV_STATIONS_H

#include <stdbool.h>
#include <stdint.h>

#define STATIONS_MAX 512u
#define STATIONS_ROW 4u         /* places for one address */
#define STATIONS_AGE_MS 300000u /* IEEE 802.1D, 7.9.2 */

struct station {
    uint64_t key; /* segment << 48 | MAC; 0: free */
    uint64_t heard_ms;
};
struct stations {
    struct station places[STATIONS_MAX];
};

/* A frame came from there.  The least recently heard of its row makes place for a new one. */
void stations_learn(struct stations *s, uint16_t segment, uint64_t mac, uint64_t now_ms);
bool stations_know(const struct stations *s, uint16_t segment, uint64_t mac, uint64_t now_ms);

#endif
