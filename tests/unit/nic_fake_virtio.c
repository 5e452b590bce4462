/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_fake_virtio.c - a virtio network device for tests
 *
 * Two queues share one set of registers.  The driver fills the receive queue, which passes a barrier, before
 * it sets up the transmit queue: so each is seen in time.
 */
#include <string.h>

#include "lib/virtio/virtio_net.h"
#include "lib/virtio/virtio_pci.h"
#include "nic_fake.h"
#include "nic_fake_cards.h"

#define ISR 0x1000u
#define CONFIG 0x2000u
#define NOTIFY 0x3000u

struct queue {
    uint64_t descriptors, avail, used;
    uint16_t size, taken, given;
};
static struct queue queues[2];
static uint16_t buffers_lie;

static void put32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof(value));
}

static uint64_t bar64(uint32_t offset)
{
    uint64_t value;

    memcpy(&value, fake_bar + offset, sizeof(value));
    return value;
}

static void capability(uint32_t at, uint8_t next, uint8_t type, uint32_t offset, uint32_t length)
{
    uint8_t cap[20] = {0x09, next, 20, type, 0 /* BAR */};

    put32(cap + 8, offset);
    put32(cap + 12, length);
    put32(cap + 16, 4); /* notify multiplier */
    memcpy(fake_config + at, cap, sizeof(cap));
}

static void registers_make(void)
{
    static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};
    uint16_t size = 256;

    memset(fake_bar, 0, NOTIFY);
    memcpy(fake_bar + COMMON_QUEUE_SIZE, &size, 2);
    memcpy(fake_bar + CONFIG, mac, sizeof(mac));
    fake_bar[CONFIG + NET_CONFIG_STATUS] = fake_nic.link;
    memset(queues, 0, sizeof(queues));
}

void fake_virtio_make(void)
{
    put32(fake_config, 0x10411af4u);
    fake_config[0x06] = 0x10;
    put32(fake_config + 0x10, 0x10000004u); /* BAR 0: memory, 64 bits */
    fake_config[0x34] = 0x50;
    capability(0x50, 0x64, VIRTIO_CAP_COMMON, 0, 0x1000);
    capability(0x64, 0x78, VIRTIO_CAP_ISR, ISR, 0x1000);
    capability(0x78, 0x8c, VIRTIO_CAP_DEVICE, CONFIG, 0x1000);
    capability(0x8c, 0, VIRTIO_CAP_NOTIFY, NOTIFY, 0x1000);
    fake_nic.features = VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | FEATURE_NET_MAC | FEATURE_NET_STATUS |
                        FEATURE_NET_MRG_RXBUF | FEATURE_NET_CSUM | FEATURE_NET_GUEST_CSUM |
                        FEATURE_NET_GUEST_TSO4 | FEATURE_NET_GUEST_TSO6 | FEATURE_NET_HOST_TSO4 |
                        FEATURE_NET_HOST_TSO6;
    buffers_lie = 0;
    registers_make();
}

void fake_virtio_look(void)
{
    uint16_t number, enabled;

    if (fake_bar[COMMON_STATUS] == 0 && queues[0].size != 0) {
        fake_nic.resets++;
        registers_make();
    }
    /* One register serves both halves, whatever the selector says. */
    put32(fake_bar + COMMON_DEVICE_FEATURE,
          (uint32_t)fake_nic.features | (uint32_t)(fake_nic.features >> 32));
    fake_bar[CONFIG + NET_CONFIG_STATUS] = fake_nic.link;
    if (fake_nic.relapses && fake_bar[COMMON_STATUS] & VIRTIO_FEATURES_OK)
        fake_bar[COMMON_STATUS] |= VIRTIO_NEEDS_RESET;

    memcpy(&number, fake_bar + COMMON_QUEUE_SELECT, 2);
    memcpy(&enabled, fake_bar + COMMON_QUEUE_ENABLE, 2);
    if (!enabled || number > 1)
        return;
    memset(fake_bar + COMMON_QUEUE_ENABLE, 0, 2);
    queues[number] = (struct queue){.descriptors = bar64(COMMON_QUEUE_DESC),
                                    .avail = bar64(COMMON_QUEUE_DRIVER),
                                    .used = bar64(COMMON_QUEUE_DEVICE)};
    memcpy(&queues[number].size, fake_bar + COMMON_QUEUE_SIZE, 2);
}

static struct virtq_used *used_of(struct queue *queue)
{
    return (struct virtq_used *)(void *)fake_nic_reach(queue->used, sizeof(struct virtq_used), true);
}

static const struct virtq_avail *avail_of(const struct queue *queue)
{
    return (const struct virtq_avail *)(void *)fake_nic_reach(queue->avail, sizeof(struct virtq_avail),
                                                              false);
}

static const struct vring_descriptor *table_of(const struct queue *queue)
{
    return (const struct vring_descriptor *)(void *)fake_nic_reach(queue->descriptors, queue->size * 16u,
                                                                   false);
}

static void raise(uint32_t queue)
{
    if (avail_of(&queues[queue])->flags & VRING_AVAIL_NO_INTERRUPT)
        return;
    fake_bar[ISR] |= ISR_QUEUE;
    fake_nic.interrupts++;
}

void fake_virtio_use(uint32_t queue, uint32_t id, uint32_t bytes)
{
    struct virtq_used *used = used_of(&queues[queue]);

    used->ring[queues[queue].given % queues[queue].size] = (struct vring_used_element){id, bytes};
    used->index = ++queues[queue].given;
}

void fake_virtio_run_ahead(uint32_t queue)
{
    used_of(&queues[queue])->index = (uint16_t)(queues[queue].given + queues[queue].size + 1);
}

void fake_virtio_lie_about_buffers(uint16_t count)
{
    buffers_lie = count;
}

static void send_one(uint16_t head)
{
    static uint8_t bytes[12 + FAKE_FRAME_MAX];
    const struct vring_descriptor *table = table_of(&queues[1]), *d = &table[head];
    uint32_t length = 0;

    for (;; d = &table[d->next]) {
        const uint8_t *from = fake_nic_reach(d->address, d->length, false);

        if (from)
            memcpy(bytes + length, from, d->length);
        length += d->length;
        if ((d->flags & VRING_NEXT) == 0)
            break;
    }
    fake_nic_sent(bytes, bytes + 12, length - 12);
}

static bool is_running(void)
{
    return (fake_bar[COMMON_STATUS] & (VIRTIO_DRIVER_OK | VIRTIO_NEEDS_RESET | VIRTIO_FAILED)) ==
           VIRTIO_DRIVER_OK;
}

bool fake_virtio_run(void)
{
    uint16_t heads[256], count = 0;

    while (is_running() && !fake_nic.silent && queues[1].taken != avail_of(&queues[1])->index) {
        heads[count] = avail_of(&queues[1])->ring[queues[1].taken++ % queues[1].size];
        send_one(heads[count++]);
    }
    for (uint16_t i = 0; i < count; i++)
        fake_virtio_use(1, heads[fake_nic.keeps_order ? i : count - 1 - i], 0);
    if (count)
        raise(1);
    return fake_bar[ISR] != 0;
}

static uint32_t buffer_fill(uint16_t head, const uint8_t *from, uint32_t bytes)
{
    const struct vring_descriptor *d = &table_of(&queues[0])[head];
    uint32_t now = bytes < d->length ? bytes : d->length;
    uint8_t *to = fake_nic_reach(fake_nic.misses ? 0 : d->address, now, true);

    if (to)
        memcpy(to, from, now);
    return now;
}

bool fake_virtio_arrive(const uint8_t *frame, uint32_t bytes, const uint8_t *header)
{
    static uint8_t whole[12 + FAKE_FRAME_MAX];
    uint16_t buffers = (uint16_t)((12 + bytes + 4095) / 4096);
    uint32_t done = 0;

    if (!is_running() || (uint16_t)(avail_of(&queues[0])->index - queues[0].taken) < buffers)
        return false;
    memset(whole, 0, 12);
    if (header)
        memcpy(whole, header, 10);
    memcpy(whole + 10, buffers_lie ? &buffers_lie : &buffers, 2);
    memcpy(whole + 12, frame, bytes);
    for (uint16_t i = 0; i < buffers; i++) {
        uint16_t head = avail_of(&queues[0])->ring[queues[0].taken++ % queues[0].size];
        uint32_t now = buffer_fill(head, whole + done, 12 + bytes - done);

        fake_virtio_use(0, head, now);
        done += now;
    }
    raise(0);
    return true;
}

void fake_virtio_ack(void)
{
    fake_bar[ISR] = 0;
}
