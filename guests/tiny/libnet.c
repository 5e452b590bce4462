/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libnet.c - see net.h
 */
#include "net.h"
#include "virtio_registers.h"

enum { RECEIVE, TRANSMIT };
enum { WRITE = 2 };
#define FEATURE_MAC (1u << 5)
#define SECONDS_MAX 20u

const uint8_t net_everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* ---- the card --------------------------------------------------------------------------------------- */

static void barrier(void)
{
    __asm__ volatile("dsb sy" ::: "memory");
}

static void set_address(uint64_t reg, const volatile void *address)
{
    write32(reg, (uint32_t)(uint64_t)address);
    write32(reg + 4, (uint32_t)((uint64_t)address >> 32));
}

static void queue_start(struct net_card *card, uint32_t number, struct net_queue *queue)
{
    queue->put = 0;
    queue->done = 0;
    queue->avail[0] = 0;
    queue->avail[1] = 0;
    queue->used[0] = 0;
    write32(card->device + R_QUEUE, number);
    write32(card->device + R_SIZE, NET_SLOTS);
    set_address(card->device + R_DESC, queue->buffers);
    set_address(card->device + R_AVAIL, queue->avail);
    set_address(card->device + R_USED, queue->used);
    write32(card->device + R_READY, 1);
}

static void queue_put(struct net_queue *queue, const volatile void *at, uint32_t bytes, uint32_t flags)
{
    uint32_t slot = queue->put % NET_SLOTS;

    queue->buffers[slot].address = (uint64_t)at;
    queue->buffers[slot].bytes = bytes;
    queue->buffers[slot].flags = (uint16_t)flags;
    queue->avail[2 + slot] = (uint16_t)slot;
    barrier();
    queue->avail[1] = (uint16_t)++queue->put;
}

static uint32_t queue_waiting(const struct net_queue *queue)
{
    return ((queue->used[0] >> 16) - queue->done) & 0xffff;
}

static void queue_kick(const struct net_card *card, const struct net_queue *queue, uint32_t number)
{
    barrier();
    if ((queue->used[0] & 1) == 0)
        write32(card->device + R_NOTIFY, number);
}

/* Both are level-triggered: the card's is acknowledged there, the timer rings once. */
static struct net_card *opened;
static void on_interrupt(uint32_t intid)
{
    if (intid == INTID_VIRTIO0 + NET_PLACE)
        write32(opened->device + R_ACK, read32(opened->device + R_INTERRUPT));
    if (intid == PPI_VIRTUAL)
        write_register(cntv_ctl_el0, 0);
}

static void card_negotiate(struct net_card *card, uint64_t features)
{
    write32(card->device + R_STATUS, 0);
    write32(card->device + R_STATUS, 3);
    write32(card->device + R_DEVICE_FEATURES_SELECT, 0);
    write32(card->device + R_FEATURES_SELECT, 0);
    write32(card->device + R_FEATURES,
            read32(card->device + R_DEVICE_FEATURES) & ((uint32_t)features | FEATURE_MAC));
    write32(card->device + R_FEATURES_SELECT, 1);
    write32(card->device + R_FEATURES, 1); /* version 1 */
    write32(card->device + R_STATUS, 11);
}

void net_open(struct net_card *card, uint64_t features)
{
    card->device = VIRTIO(NET_PLACE);
    card_negotiate(card, features);
    for (uint32_t i = 0; i < 6; i++)
        card->mac[i] = (uint8_t)(read32(card->device + R_CONFIG + (i & 4)) >> i % 4 * 8);
    queue_start(card, RECEIVE, &card->receive);
    queue_start(card, TRANSMIT, &card->transmit);
    card->transmit.avail[0] = 1; /* no interrupts for what was sent */
    for (uint32_t i = 0; i < NET_SLOTS; i++)
        queue_put(&card->receive, card->frames[i], NET_BUFFER, WRITE);
    if (card->before_start)
        card->before_start(card);
    opened = card;
    irq_hook = on_interrupt;
    gic_start();
    gic_enable(INTID_VIRTIO0 + NET_PLACE);
    gic_enable(PPI_VIRTUAL);
    write32(card->device + R_STATUS, 15);
    queue_kick(card, &card->receive, RECEIVE);
}

bool net_has_room(struct net_card *card)
{
    card->transmit.done += queue_waiting(&card->transmit);
    return card->transmit.put - card->transmit.done < NET_SLOTS;
}

void net_put(struct net_card *card, const void *header_and_frame, uint32_t bytes)
{
    queue_put(&card->transmit, header_and_frame, bytes, 0);
}

void net_kick(struct net_card *card)
{
    queue_kick(card, &card->transmit, TRANSMIT);
}

bool net_send(struct net_card *card, const void *header_and_frame, uint32_t bytes)
{
    uint64_t end = counter() + SECONDS_MAX * counter_hz();

    net_put(card, header_and_frame, bytes);
    net_kick(card);
    while (counter() < end) {
        (void)net_has_room(card);
        if (card->transmit.done == card->transmit.put)
            return true;
    }
    return false;
}

const uint8_t *net_take(struct net_card *card, uint32_t *bytes)
{
    struct net_queue *queue = &card->receive;
    uint32_t slot;

    if (queue_waiting(queue) == 0)
        return NULL;
    barrier();
    slot = queue->used[1 + queue->done % NET_SLOTS * 2] % NET_SLOTS;
    *bytes = queue->used[2 + queue->done % NET_SLOTS * 2] - NET_HEADER;
    return card->frames[slot] + NET_HEADER;
}

void net_give_back(struct net_card *card)
{
    struct net_queue *queue = &card->receive;
    uint32_t slot = queue->used[1 + queue->done % NET_SLOTS * 2] % NET_SLOTS;

    queue->done++;
    queue->avail[2 + queue->put % NET_SLOTS] = (uint16_t)slot;
    barrier();
    queue->avail[1] = (uint16_t)++queue->put;
    if (queue->put % (NET_SLOTS / 4) == 0) /* in batches, as Linux does */
        queue_kick(card, queue, RECEIVE);
}

void net_wait(struct net_card *card, uint64_t until)
{
    write_register(cntv_cval_el0, until);
    write_register(cntv_ctl_el0, 1);
    queue_kick(card, &card->receive, RECEIVE);
    irq_mask();
    if (queue_waiting(&card->receive) == 0)
        wait_for_interrupt();
    irq_unmask();
}

void net_wait_sent(struct net_card *card)
{
    card->transmit.avail[0] = 0;
    barrier();
    irq_mask();
    if (!net_has_room(card))
        wait_for_interrupt();
    irq_unmask();
    card->transmit.avail[0] = 1;
}

/* ---- frames ----------------------------------------------------------------------------------------- */

void put_bytes(uint8_t *to, const void *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
}

void put16(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

void put32(uint8_t *to, uint32_t value)
{
    put16(to, value >> 16);
    put16(to + 2, value);
}

uint32_t get16(const uint8_t *from)
{
    return (uint32_t)from[0] << 8 | from[1];
}

uint32_t get32(const uint8_t *from)
{
    return get16(from) << 16 | get16(from + 2);
}

bool same_bytes(const uint8_t *a, const uint8_t *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

uint32_t checksum_add(uint32_t sum, const uint8_t *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i += 2)
        sum += get16(from + i);
    return sum;
}

uint32_t checksum_fold(uint32_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

uint8_t *put_ethernet(uint8_t *frame, const uint8_t *to, const uint8_t *from, uint32_t type)
{
    put_bytes(frame, to, 6);
    put_bytes(frame + 6, from, 6);
    put16(frame + 12, type);
    return frame + 14;
}

uint8_t *put_udp4(uint8_t *ip, uint32_t from, uint32_t to, uint32_t from_port, uint32_t to_port,
                  uint32_t bytes)
{
    static const uint8_t begin[12] = {0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0};

    put_bytes(ip, begin, sizeof begin);
    put16(ip + 2, 28 + bytes);
    put32(ip + 12, from);
    put32(ip + 16, to);
    put16(ip + 10, ~checksum_fold(checksum_add(0, ip, 20)));
    put16(ip + 20, from_port);
    put16(ip + 22, to_port);
    put16(ip + 24, 8 + bytes);
    put16(ip + 26, 0);
    return ip + 28;
}
