/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dhcp_message.c - see dhcp_message.h
 *
 * The message is copied once, because most of it lies beyond the packet's head, where its sender can still
 * change it.
 */
#include "dhcp_message.h"

#define MESSAGE_BYTES_MAX 576u /* options beyond are not ours to honour */

/* The value of an option of 4 bytes, or what it was before. */
static void take32(uint32_t *value, const uint8_t *option, uint32_t bytes)
{
    if (bytes == 4)
        *value = get32(option);
}

static void take_option(struct dhcp_message *m, uint8_t code, const uint8_t *option, uint32_t bytes)
{
    if (code == DHCP_OPTION_TYPE && bytes == 1)
        m->type = option[0];
    else if (code == DHCP_OPTION_REQUESTED)
        take32(&m->requested, option, bytes);
    else if (code == DHCP_OPTION_SERVER)
        take32(&m->server, option, bytes);
    else if (code == DHCP_OPTION_LEASE)
        take32(&m->lease_s, option, bytes);
}

static void take_options(struct dhcp_message *m, const uint8_t *bytes, uint32_t count)
{
    uint32_t at = DHCP_OPTIONS;

    while (at < count && bytes[at] != DHCP_OPTION_END) {
        uint8_t code = bytes[at++];

        if (code == DHCP_OPTION_PAD)
            continue;
        if (at == count || bytes[at] > count - at - 1)
            return;
        take_option(m, code, bytes + at + 1, bytes[at]);
        at += bytes[at] + 1u;
    }
}

bool dhcp_message_read(struct dhcp_message *m, const struct packet *packet, const struct inet *in)
{
    uint8_t bytes[MESSAGE_BYTES_MAX];
    uint32_t count = in->end - in->payload;

    if (count > MESSAGE_BYTES_MAX)
        count = MESSAGE_BYTES_MAX;
    if (count < DHCP_OPTIONS)
        return false;
    packet_copy(packet, in->payload, bytes, count);
    if (get32(bytes + DHCP_COOKIE) != DHCP_COOKIE_VALUE || bytes[DHCP_HARDWARE] != 1 ||
        bytes[DHCP_HARDWARE_BYTES] != 6)
        return false;
    *m = (struct dhcp_message){
        .op = bytes[DHCP_OP],
        .xid = get32(bytes + DHCP_XID),
        .flags = get16(bytes + DHCP_FLAGS),
        .client = get32(bytes + DHCP_CLIENT_IP),
        .yours = get32(bytes + DHCP_YOUR_IP),
        .gateway = get32(bytes + DHCP_GATEWAY_IP),
    };
    memcpy(m->mac, bytes + DHCP_MAC, 6);
    take_options(m, bytes, count);
    return true;
}
