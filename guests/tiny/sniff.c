/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sniff.c - what does a card that listens to everything get to hear?
 *
 * Each new kind of frame (who to whom, which protocol, from which address) is a line at once, "saw FROM > TO
 * TYPE ADDRESS"; at the end, which is a UDP packet to the discard port (9) or `seconds=N`, each has another
 * one with how many there were.  Virtio-net without a control queue hears all that there is: this device has
 * no other mode.
 */
#include "net.h"

const char tiny_name[] = "sniff";

#define KINDS_MAX 64u
#define DISCARD 9u

struct kind {
    uint8_t to[6], from[6], type[2];
    uint8_t address[16];
    uint32_t address_bytes;
    uint32_t frames;
};
static struct kind kinds[KINDS_MAX];
static uint32_t kind_count, unlisted;
static struct net_card card;

/* ---- words ------------------------------------------------------------------------------------------ */

static void put_bytes_hex(const uint8_t *bytes, uint32_t count, char between)
{
    char text[4] = {0, 0, 0, 0};

    for (uint32_t i = 0; i < count; i++) {
        text[0] = "0123456789abcdef"[bytes[i] >> 4];
        text[1] = "0123456789abcdef"[bytes[i] & 15];
        text[2] = i + 1 < count ? between : '\0';
        put_text(text);
    }
}

static void kind_tell(const char *word, const struct kind *kind)
{
    put_text(word);
    put_bytes_hex(kind->from, 6, ':');
    put_text(" > ");
    put_bytes_hex(kind->to, 6, ':');
    put_text(" ");
    put_bytes_hex(kind->type, 2, '\0');
    put_text(" ");
    put_bytes_hex(kind->address, kind->address_bytes, '\0');
}

/* ---- kinds ------------------------------------------------------------------------------------------ */

/* The sender's address, as the protocol has it. */
static void address_find(struct kind *kind, const uint8_t *frame, uint32_t bytes)
{
    uint32_t type = get16(frame + 12);
    uint32_t at = type == 0x0800 ? 26 : type == 0x0806 ? 28 : type == 0x86dd ? 22 : 0;
    uint32_t count = type == 0x86dd ? 16 : 4;

    if (at == 0 || bytes < at + count)
        return;
    put_bytes(kind->address, frame + at, count);
    kind->address_bytes = count;
}

static bool is_same_kind(const struct kind *a, const struct kind *b)
{
    return same_bytes(a->to, b->to, 6) && same_bytes(a->from, b->from, 6) &&
           same_bytes(a->type, b->type, 2) && same_bytes(a->address, b->address, 16);
}

static void count_frame(const uint8_t *frame, uint32_t bytes)
{
    struct kind kind = {.frames = 1};

    put_bytes(kind.to, frame, 6);
    put_bytes(kind.from, frame + 6, 6);
    put_bytes(kind.type, frame + 12, 2);
    address_find(&kind, frame, bytes);
    for (uint32_t i = 0; i < kind_count; i++) {
        if (is_same_kind(&kinds[i], &kind)) {
            kinds[i].frames++;
            return;
        }
    }
    if (kind_count == KINDS_MAX) {
        unlisted++;
        return;
    }
    kinds[kind_count++] = kind;
    kind_tell("saw ", &kind);
    put_text("\n");
}

static bool is_the_end(const uint8_t *frame, uint32_t bytes)
{
    return bytes >= 42 && get16(frame + 12) == 0x0800 && frame[23] == 17 && get16(frame + 36) == DISCARD;
}

void tiny_run(void)
{
    uint64_t end = counter() + word_number("seconds=", 86400) * counter_hz();
    bool is_over = false;

    net_open(&card, 0);
    put_text("listening\n");
    while (!is_over && counter() < end) {
        uint32_t bytes;
        const uint8_t *frame = net_take(&card, &bytes);

        if (!frame) {
            net_wait(&card, end);
            continue;
        }
        check(bytes >= 14 && bytes <= 1514, "a frame of a possible length", bytes, 0);
        count_frame(frame, bytes);
        is_over = is_the_end(frame, bytes);
        net_give_back(&card);
    }
    for (uint32_t i = 0; i < kind_count; i++) {
        kind_tell("heard ", &kinds[i]);
        put_text(" ");
        put_hex(kinds[i].frames);
        put_text("\n");
    }
    check(unlisted == 0, "all kinds have a line", unlisted, 0);
}
