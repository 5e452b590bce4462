/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netdrv_fake.c - see netdrv_fake.h
 */
#include "netdrv_fake.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct fake fake;

static uint8_t blocks[BLOCKS_MAX][NET_BLOCK_BYTES] __attribute__((aligned(4096)));

static const struct network_config networks[] = {
    {.name = "br0", .mode = NETWORK_BRIDGE, .uplink = true},
    {.name = "nat0",
     .mode = NETWORK_NAT,
     .address = 0x0a000301,
     .prefix = 24,
     .dhcp_first = 0x0a000364,
     .dhcp_last = 0x0a0003c7},
    {.name = "blue", .mode = NETWORK_BRIDGE, .uplink = true, .vlan = 5},
    {.name = "lab", .mode = NETWORK_BRIDGE},
};
const struct networks_config networks_config = {.network_count = 4,
                                                .networks = networks,
                                                .address = 0x0a0002c8,
                                                .prefix = 24,
                                                .gateway = 0x0a000202,
                                                .dns = 0x0a000203};

void fake_reset(void)
{
    memset(&fake, 0, sizeof(fake));
    fake.now_us = 1000000;
    fake.nic =
        (struct nic_info){.state = NIC_READY, .kind = "fake", .mac = {0x52, 0x54, 0, 1, 2, 3}, .link = true};
    fake.nic_room = FAKE_WIRE;
}

/* ---- machine.h ---------------------------------------------------------------------------------- */

void machine_log(const char *format, ...)
{
    (void)format;
    fake.logs++;
}

uint64_t machine_now_us(void)
{
    return fake.now_us;
}

uint8_t *machine_block(uint32_t block)
{
    return blocks[block];
}

enum status machine_block_fetch(uint32_t block, slot_t memory, char *error, size_t error_bytes)
{
    if (memory != FAKE_MEMORY) {
        snprintf(error, error_bytes, "no session");
        return ERR_CAP;
    }
    fake.fetched++;
    memset(blocks[block], 0, sizeof(blocks[block]));
    return OK;
}

enum status machine_block_resume(uint32_t block)
{
    (void)block;
    return fake.blocks_gone ? ERR_CAP : OK;
}

void machine_port_signal(uint32_t port)
{
    fake.signals[port]++;
}

void machine_port_forget(uint32_t port)
{
    (void)port;
}

uint8_t *machine_persistent(void)
{
    return fake.persistent;
}

uint8_t *machine_flows(void)
{
    return fake.flows;
}

/* ---- nic.h --------------------------------------------------------------------------------------- */

void nic_start(void)
{
}

const struct nic_info *nic_info(void)
{
    return &fake.nic;
}

bool nic_send(const struct packet *packet)
{
    struct fake_frame *frame = &fake.sent[fake.sent_count];

    if (fake.nic_room == 0 || fake.sent_count == FAKE_WIRE)
        return false;
    fake.nic_room--;
    fake.sent_count++;
    frame->length = packet->length;
    frame->offload = packet->offload;
    packet_copy(packet, 0, frame->bytes,
                packet->length < FAKE_FRAME_BYTES ? packet->length : FAKE_FRAME_BYTES);
    return true;
}

void nic_kick(void)
{
}

void fake_arrive(const void *frame, uint32_t length)
{
    struct fake_frame *to = &fake.arriving[fake.arriving_count++];

    to->length = length;
    memcpy(to->bytes, frame, length);
}

bool nic_receive(struct packet *packet)
{
    const struct net_offload none = {0};
    struct packet_piece piece;

    if (fake.arrived == fake.arriving_count)
        return false;
    piece = (struct packet_piece){fake.arriving[fake.arrived].bytes, fake.arriving[fake.arrived].length};
    return packet_from_pieces(packet, piece.bytes, &none, &piece, 1);
}

void nic_receive_done(void)
{
    fake.arrived++;
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
