/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * copies.h - a record that outlives its writer: two copies, written in turn, each with a checksum
 *
 * Whenever the writer dies, one of them is whole.  The checksum is against what was half-written, not against
 * anyone: whoever loads still judges what decides memory safety.
 */
#ifndef BH_COPIES_H
#define BH_COPIES_H

#include <stdint.h>

struct copy {
    uint32_t crc; /* of what follows, as far as `bytes` goes */
    uint32_t magic;
    uint32_t version;
    uint32_t sequence; /* the newer of two good ones counts */
    uint32_t bytes;    /* of the record, which follows */
    uint32_t spare;
};

struct copies {
    uint8_t *at;         /* both, one behind the other; 8-aligned */
    uint32_t copy_bytes; /* of each, with its struct copy */
    uint32_t magic, version;
    uint32_t sequence; /* of the one written last */
};

/* The newest whole record and its length, 0 if there is none; writing goes on in the other one. */
const void *copies_load(struct copies *copies, uint32_t *bytes);
/* Where the next record is to be written: the old one there is void from now on, ... */
void *copies_begin(struct copies *copies);
/* ... and this one counts. */
void copies_end(struct copies *copies, uint32_t bytes);

/* For records of one size that is a multiple of 4, without holes: the newest, or zeros; `last` is where it is
 * kept. */
void copies_get(struct copies *copies, void *last, uint32_t bytes);
/* Write `now`, unless it is what stands there: `last`, which becomes it. */
void copies_put(struct copies *copies, void *last, const void *now, uint32_t bytes);

#endif
