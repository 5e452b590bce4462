/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * driver.c - what lib/virtio/driver.h asks of a driver domain and is the same in each: the clock, the barrier
 */
#include "../virtio/driver.h"

#include "bh.h"

uint64_t machine_now(void)
{
    return bh_now();
}

uint64_t machine_after_ms(uint64_t ms)
{
    return bh_after_ms(ms);
}

/* Outer shareable: the device is a master outside of the CPUs' inner domain. */
void machine_dma_barrier(void)
{
    __asm__ volatile("dmb osh" ::: "memory");
}
