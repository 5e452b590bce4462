/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * print.h - values as people read them
 */
#ifndef BH_PRINT_H
#define BH_PRINT_H

#include <stddef.h>
#include <stdint.h>

#define MIB ((uint64_t)1 << 20)
#define UUID_TEXT_BYTES 37u
#define TIME_TEXT_BYTES 24u
#define MAC_TEXT_BYTES 18u

/* "4ec40f6b-..." */
void uuid_print(char out[UUID_TEXT_BYTES], const uint8_t uuid[16]);
/* "1 day, 2:03:04", as `xl uptime` has it */
void time_print(char out[TIME_TEXT_BYTES], uint64_t microseconds);
void mac_print(char out[MAC_TEXT_BYTES], const uint8_t mac[6]);

/* "key                    : value", as `xl info` has it; the value is a format. */
void line_print(const char *key, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text of the machine's or of a VM's, on a person's terminal: control characters but \n and \t become '?'. */
void text_print(const char *text, size_t bytes);

#endif
