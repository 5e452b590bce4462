/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mem_chunks.h - memory from a session at mem that was lent to a driver
 */
#ifndef BH_RPC_MEM_CHUNKS_H
#define BH_RPC_MEM_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

#include "../abi/abi.h"

#define MEM_CHUNK_BYTES 0x200000u

/* Ask `session` for `count` chunks of MEM_CHUNK_BYTES; some of them, *got from 1 to IPC_CAPS_MAX, come as
 * Untypeds, the caller's to drop: what is made of one hangs on mem's own chunk.  Refused, or mem does not
 * answer in time: `error` says why. */
enum status mem_chunks_ask(slot_t session, uint32_t count, slot_t untyped[IPC_CAPS_MAX], uint32_t *got,
                           char *error, size_t error_bytes) BH_NODISCARD;

#endif
