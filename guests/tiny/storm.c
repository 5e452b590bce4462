/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * storm.c - sends one frame again and again as fast as it can, and never stops
 *
 * What the VM's file says: `broadcast`, `spoof` (another's MAC), `flood` (for an address that nobody has),
 * `to=MAC`, or `spin` (no frame at all: what its time alone costs others).  The file gives it 10.0.0.9.
 */
#include "net.h"

const char tiny_name[] = "storm";

#define MINE 0x0a000009u

static struct net_card card;
static struct {
    struct net_header header;
    uint8_t frame[60];
} out __attribute__((aligned(16)));

static void frame_make(void)
{
    static const uint8_t nobody[6] = {0x52, 0x54, 0, 0, 0, 0x77};
    uint8_t to[6], from[6];

    put_bytes(to, word_after("flood") ? nobody : net_everybody, 6);
    word_mac("to=", to);
    put_bytes(from, card.mac, 6);
    if (word_after("spoof"))
        from[5] ^= 1;
    (void)put_udp4(put_ethernet(out.frame, to, from, 0x0800), MINE, 0xffffffff, 1000, 2000, 18);
}

void tiny_run(void)
{
    net_open(&card, 0);
    frame_make();
    put_text("storming\n");
    while (word_after("spin"))
        ;
    for (;;) {
        bool has_put = false;

        for (; net_has_room(&card); has_put = true)
            net_put(&card, &out, sizeof out);
        if (has_put)
            net_kick(&card);
    }
}
