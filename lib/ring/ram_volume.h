/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ram_volume.h - "ram:SIZE": the volumes that are memory
 *
 * The toolstack promises their memory (a session of its own at mem), blkdrv fetches and serves it: both read
 * the size here, so that they agree on it.
 */
#ifndef BH_RAM_VOLUME_H
#define BH_RAM_VOLUME_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define RAM_VOLUME_PREFIX "ram:"
#define RAM_VOLUME_UNIT 4096u        /* its size is a multiple of this */
#define RAM_VOLUME_CHUNK 0x200000ull /* what mem gives at least */

static inline bool ram_volume_is(const char *volume)
{
    return strncmp(volume, RAM_VOLUME_PREFIX, strlen(RAM_VOLUME_PREFIX)) == 0;
}

/* "ram:64M" -> bytes; 0: no size.  K, M or G must be there, so that nobody means bytes and gets a surprise.
 */
static inline uint64_t ram_volume_bytes(const char *volume)
{
    const char *text = volume + strlen(RAM_VOLUME_PREFIX);
    uint64_t value = 0;
    uint32_t digits = 0, shift;

    for (; *text >= '0' && *text <= '9' && digits < 10; text++, digits++)
        value = value * 10 + (uint64_t)(*text - '0');
    switch (*text) {
    case 'K':
        shift = 10;
        break;
    case 'M':
        shift = 20;
        break;
    case 'G':
        shift = 30;
        break;
    default:
        return 0;
    }
    if (digits == 0 || text[1] != '\0' || (value << shift) % RAM_VOLUME_UNIT != 0)
        return 0;
    return value << shift;
}

/* What is asked of mem for so many bytes; they are at most 10^10 GiB, so this does not overflow. */
static inline uint64_t ram_volume_quota(uint64_t bytes)
{
    return (bytes + RAM_VOLUME_CHUNK - 1u) / RAM_VOLUME_CHUNK * RAM_VOLUME_CHUNK;
}

#endif
