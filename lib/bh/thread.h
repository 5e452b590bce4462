/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread.h - more threads than the first
 *
 * lib/bh is for one thread, the main one: slots, heap, messages with bytes or capabilities, requests to other
 * services and the log are its alone.  Another thread has registers, a stack and an errno.  It may make
 * system calls (bh_endpoint_recv(), bh_endpoint_reply_recv() with words only, signals, vCPUs), read the time
 * and take locks; what it needs besides it asks of the main thread.
 *
 * Always true: a thread that comes into what is the main thread's alone faults there (bh_main_only()).
 */
#ifndef BH_THREAD_H
#define BH_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

/* Let `vcpu`, which has an address space and never ran, begin in entry(argument), on the stack that ends at
 * stack_top.  It runs when it has time.  `entry` must not return. */
enum status bh_thread_start(slot_t vcpu, uint64_t stack_top, void (*entry)(uint64_t),
                            uint64_t argument) BH_NODISCARD;
bool bh_is_main(void);
/* Fault if it is not the main thread that comes here. */
void bh_main_only(void);

#endif
