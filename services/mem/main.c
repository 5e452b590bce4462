/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - who has how much memory
 *
 * mem holds the pool that guests are made from and hands it out in chunks, within the quota of each VM.  It
 * has no address space capability, so it cannot look into what it manages.
 */
#include "bh.h"
#include "mem.h"
#include "mem_rpc.h"

int main(void)
{
    static struct mem mem;

    mem_recover(&mem);
    bh_serve(mem_serve, &mem);
}
