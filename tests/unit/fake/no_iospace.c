/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * no_iospace.c - for tests without devices: slot.c finds no IO space, and would be wrong to look for one
 */
#include "kernel.h"

enum status iospace_destroy(struct iospace *iospace)
{
    panic("no IO space was made, but %p is destroyed", (void *)iospace);
}

enum status iospace_donation_gone(struct slot *donation)
{
    panic("no IO space was made, but %p was donated", (void *)donation);
}

void iospace_unmap_slot(struct slot *frame)
{
    panic("no IO space was made, but %p is mapped", (void *)frame);
}
