/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mingle.c - does a card that listens to everything hear what is not for it?
 *
 * Says to everybody, and to whom it heard last, who says it to whom and in which segment (`segment=N`), a
 * hundred times a second; its address is `ip=N`.  What it hears must be for it or for everybody, from who it
 * says, and of its own segment: else a claim is false, and written.  "hears" is written at the first one.
 */
#include "net.h"

const char tiny_name[] = "mingle";

#define PORT 4242u
#define WORDS_BYTES 20u
#define FRAME_BYTES (14u + 28u + WORDS_BYTES)
#define ALL 0xffffffffu
#define PERIOD_MS 10u
enum { TYPE_IPV4 = 0x0800, IP_PROTOCOL = 23, PROTOCOL_UDP = 17, UDP_TO = 36, WORDS = 42 };
enum { WORDS_SEGMENT = WORDS + 4, WORDS_FROM = WORDS + 8, WORDS_TO = WORDS + 14 };

static struct net_card card;
static struct {
    struct net_header header;
    uint8_t frame[FRAME_BYTES];
} out __attribute__((aligned(16)));
static uint32_t segment, address;
static uint8_t last[6]; /* who was heard last */
static bool has_heard;

static bool is_ours(const uint8_t *frame, uint32_t bytes)
{
    return bytes >= FRAME_BYTES && get16(frame + 12) == TYPE_IPV4 && frame[IP_PROTOCOL] == PROTOCOL_UDP &&
           get16(frame + UDP_TO) == PORT && same_bytes(frame + WORDS, (const uint8_t *)"BHMI", 4);
}

static void heard(const uint8_t *frame, uint32_t bytes)
{
    bool is_for_all = (frame[0] & 1) != 0;

    check(is_for_all || same_bytes(frame, card.mac, 6), "a frame is for me or for many", get32(frame),
          get16(frame + 4));
    if (!is_ours(frame, bytes))
        return;
    check(same_bytes(frame + 6, frame + WORDS_FROM, 6), "it is from who says it", get32(frame + 6),
          get16(frame + 10));
    check(same_bytes(frame, frame + WORDS_TO, 6), "it is to whom it was said", get32(frame),
          get16(frame + 4));
    check(get16(frame + WORDS_SEGMENT) == segment, "it was said in my segment", get16(frame + WORDS_SEGMENT),
          segment);
    put_bytes(last, frame + 6, 6);
    if (!has_heard)
        put_text("hears\n");
    has_heard = true;
}

static void say(const uint8_t to[6])
{
    uint8_t *ip = put_ethernet(out.frame, to, card.mac, TYPE_IPV4);
    uint8_t *words = put_udp4(ip, address, ALL, PORT, PORT, WORDS_BYTES);

    put_bytes(words, "BHMI", 4);
    put32(words + 4, segment << 16);
    put_bytes(words + 8, card.mac, 6);
    put_bytes(words + 14, to, 6);
    check(net_send(&card, &out, sizeof out), "the card takes it", 0, 0);
}

static void listen_until(uint64_t end)
{
    uint32_t bytes;

    while (counter() < end) {
        const uint8_t *frame = net_take(&card, &bytes);

        if (frame) {
            heard(frame, bytes);
            net_give_back(&card);
        } else {
            net_wait(&card, end);
        }
    }
}

void tiny_run(void)
{
    segment = (uint32_t)word_number("segment=", 0);
    address = (uint32_t)word_number("ip=", 0);
    net_open(&card, 0);
    put_text("mingles\n");
    for (;;) {
        say(net_everybody);
        if (has_heard)
            say(last);
        listen_until(counter() + counter_hz() / 1000 * PERIOD_MS);
    }
}
