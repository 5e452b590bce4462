/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * start.c - from crt0 to main()
 */
#include "bh.h"
#include "heap.h"
#include "internal.h"

#define DEFAULT_CSPACE_SLOTS 1024u

_Static_assert(STACK_TOP_IPA == 0x0f000000, "crt0.S has the number, too");
_Static_assert(IMAGE_IPA == 0x00400000 && HEAP_IPA == 0x0c000000, "service.ld has the numbers, too");

/* What init passed in x0..x2; a service that was told nothing has the slots of the smallest CSpace and no
 * heap. */
_Noreturn void bh_start(uint64_t heap_bytes, uint64_t first_slot, uint64_t slot_count)
{
    int result;

    bh_main_is_me();
    heap_init(&bh_heap, HEAP_IPA, heap_bytes);
    if (first_slot == 0 || slot_count <= first_slot || slot_count > SLOT_COUNT_MAX)
        bh_slots_init(SLOT_FREE, DEFAULT_CSPACE_SLOTS);
    else
        bh_slots_init((slot_t)first_slot, (uint32_t)slot_count);
    result = main();
    bh_panic("main() returned %d: a service has no end", result);
}
