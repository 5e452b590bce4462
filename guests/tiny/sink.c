/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sink.c - counts what comes from one address (`from=MAC`), and what else, for `seconds=N` from its first
 * frame on
 */
#include "net.h"

const char tiny_name[] = "sink";

static struct net_card card;

static void put_count(const char *what, uint64_t count)
{
    put_text(what);
    put_text(" ");
    put_hex(count);
    put_text("\n");
}

void tiny_run(void)
{
    uint64_t end = UINT64_MAX, frames = 0, all_bytes = 0, others = 0;
    uint8_t from[6] = {0};

    word_mac("from=", from);
    net_open(&card, 0);
    put_text("listening\n");
    while (counter() < end) {
        uint32_t bytes;
        const uint8_t *frame = net_take(&card, &bytes);

        if (!frame) {
            net_wait(&card, end);
            continue;
        }
        if (!same_bytes(frame + 6, from, 6)) {
            others++;
        } else {
            if (frames++ == 0)
                end = counter() + word_number("ms=", 1000) * counter_hz() / 1000;
            all_bytes += bytes;
        }
        net_give_back(&card);
    }
    put_count("frames", frames);
    put_count("bytes", all_bytes);
    put_count("others", others);
    check(frames > 0, "something came", frames, 0);
}
