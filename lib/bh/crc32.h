/* SPDX-License-Identifier: BSD-2-Clause */
/* crc32.h - the CRC of GPT headers (UEFI 2.10, 5.3) and of persistent pages: polynomial 0xEDB88320,
 * reflected */
#ifndef BH_CRC32_H
#define BH_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Start with 0; the result of one call continues in the next. */
uint32_t crc32_add(uint32_t crc, const void *data, size_t size);

#endif
