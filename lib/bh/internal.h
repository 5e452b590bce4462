/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - what the files of lib/bh share among themselves
 */
#ifndef BH_INTERNAL_H
#define BH_INTERNAL_H

#include "abi.h"

#define SLOT_COUNT_MAX 65536u

struct heap;
extern struct heap bh_heap; /* malloc.c */

_Noreturn void bh_start(uint64_t heap_bytes, uint64_t first_slot, uint64_t slot_count);
_Noreturn void bh_fault(void); /* panic.c: end here, with a fault that init reports */
void bh_main_is_me(void);      /* thread.c */
void bh_recv_slots_fill(
    void); /* msg.c: give the IPC buffer an empty slot for each capability it may receive */

#endif
