/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_none.c - no network card: networks without an outside
 */
#include "nic.h"

static const struct nic_info none = {.state = NIC_NONE, .why = "this build has no driver", .kind = "none"};

void nic_start(void)
{
}

const struct nic_info *nic_info(void)
{
    return &none;
}

bool nic_send(const struct packet *packet)
{
    (void)packet;
    return false;
}

void nic_kick(void)
{
}

bool nic_receive(struct packet *packet)
{
    (void)packet;
    return false;
}

void nic_receive_done(void)
{
}

void nic_interrupt(void)
{
}

void nic_fault(void)
{
}

void nic_check(void)
{
}
