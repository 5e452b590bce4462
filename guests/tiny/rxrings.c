/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rxrings.c - what does a driver get whose buffers for what comes in are not what they should be?
 * DEVICE_NEEDS_RESET, or nothing; and after a reset its card works again
 *
 * Somebody else sends broadcasts all the while (storm.c).
 */
#include "net.h"
#include "virtio_registers.h"

const char tiny_name[] = "rxrings";

#define NEEDS_RESET 0x40u
#define SECONDS 5u
enum { WRITE = 2, NEXT = 1 };

static struct net_card card;
static uint64_t value; /* for the corruption under way */

static bool breaks(void)
{
    for (uint64_t end = counter() + SECONDS * counter_hz(); counter() < end;)
        if ((read32(card.device + R_STATUS) & NEEDS_RESET) != 0)
            return true;
    return false;
}

static bool hears(void)
{
    for (uint64_t end = counter() + SECONDS * counter_hz(); counter() < end;) {
        uint32_t bytes;

        if (net_take(&card, &bytes))
            return bytes == 60;
    }
    return false;
}

static void works(const char *claim)
{
    card.before_start = NULL;
    net_open(&card, 0);
    check(hears(), claim, value, read32(card.device + R_STATUS));
}

/* All buffers become like this. */
static void corrupt_address(struct net_card *c)
{
    for (uint32_t i = 0; i < NET_SLOTS; i++)
        c->receive.buffers[i].address = value;
}

static void corrupt_bytes(struct net_card *c)
{
    for (uint32_t i = 0; i < NET_SLOTS; i++)
        c->receive.buffers[i].bytes = (uint32_t)value;
}

static void corrupt_flags(struct net_card *c)
{
    for (uint32_t i = 0; i < NET_SLOTS; i++)
        c->receive.buffers[i].flags = (uint16_t)value;
}

static void corrupt_next(struct net_card *c)
{
    for (uint32_t i = 0; i < NET_SLOTS; i++) {
        c->receive.buffers[i].flags = WRITE | NEXT;
        c->receive.buffers[i].next = (uint16_t)value;
    }
}

static void corrupt_heads(struct net_card *c)
{
    for (uint32_t i = 0; i < NET_SLOTS; i++)
        c->receive.avail[2 + i] = (uint16_t)value;
}

static void corrupt_index(struct net_card *c)
{
    c->receive.avail[1] = (uint16_t)value;
}

static void open_corrupted(void (*corrupt)(struct net_card *))
{
    card.before_start = corrupt;
    net_open(&card, 0);
}

static void expect_broken(const char *claim, void (*corrupt)(struct net_card *), uint64_t with)
{
    value = with;
    open_corrupted(corrupt);
    check(breaks(), claim, value, read32(card.device + R_STATUS));
    works("after a reset frames come");
}

/* Too small for a frame, but there is nothing wrong with it. */
static void expect_silence(const char *claim, uint64_t bytes)
{
    value = bytes;
    open_corrupted(corrupt_bytes);
    for (uint64_t end = counter() + counter_hz() / 20; counter() < end;)
        ;
    check((read32(card.device + R_STATUS) & NEEDS_RESET) == 0 && card.receive.used[0] >> 16 == 0, claim,
          bytes, card.receive.used[0]);
    works("after that frames come");
}

void tiny_run(void)
{
    static const uint64_t addresses[] = {0, UART, RAM - 8, 1ul << 38, 1ul << 63, UINT64_MAX, UINT64_MAX - 15};
    static const uint64_t bytes[] = {0, 1, 11, 1ul << 30, UINT32_MAX};
    static const uint64_t indices[] = {NET_SLOTS + 1, 0x8000, 0xffff};

    works("an honest driver hears");
    for (uint32_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++)
        expect_broken("a buffer outside memory", corrupt_address, addresses[i]);
    for (uint32_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++)
        expect_broken("a buffer of an impossible length", corrupt_bytes, bytes[i]);
    expect_broken("a buffer that is not to be written", corrupt_flags, 0);
    expect_broken("a loop of one", corrupt_next, 0);
    expect_broken("a next past the table", corrupt_next, NET_SLOTS);
    expect_broken("a head past the table", corrupt_heads, NET_SLOTS);
    for (uint32_t i = 0; i < sizeof indices / sizeof indices[0]; i++)
        expect_broken("an index from far away", corrupt_index, indices[i]);
    for (uint64_t size = NET_HEADER; size <= NET_HEADER + 59; size += 59)
        expect_silence("a frame that does not fit is dropped", size);
}
