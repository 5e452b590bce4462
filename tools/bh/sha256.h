/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sha256.h - SHA-256 (FIPS 180-4): by it a machine knows an image that it has already
 */
#ifndef BH_SHA256_H
#define BH_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32u

void sha256(uint8_t digest[SHA256_BYTES], const uint8_t *bytes, size_t count);

#endif
