/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stream.c - sends whole frames to one address (`to=MAC`) as fast as they are taken, and never stops
 *
 * The VM's file gives it 10.0.0.2.
 */
#include "net.h"

const char tiny_name[] = "stream";

#define MINE 0x0a000002u
#define OTHER 0x0a000003u
#define FRAME_BYTES 1514u

static struct net_card card;
static struct {
    struct net_header header;
    uint8_t frame[FRAME_BYTES];
} out __attribute__((aligned(16)));

void tiny_run(void)
{
    uint8_t to[6] = {0};

    net_open(&card, 0);
    word_mac("to=", to);
    (void)put_udp4(put_ethernet(out.frame, to, card.mac, 0x0800), MINE, OTHER, 1000, 2000, FRAME_BYTES - 42);
    put_text("streaming\n");
    for (;;) {
        bool has_put = false;

        for (; net_has_room(&card); has_put = true)
            net_put(&card, &out, NET_HEADER + FRAME_BYTES);
        if (has_put)
            net_kick(&card);
        else
            net_wait_sent(&card);
    }
}
