/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vinput.c - queues and configuration of the virtio input device: 0 brings events, 1 takes LEDs (5.8.2)
 */
#include "vinput.h"

#include <string.h>

enum { QUEUE_EVENTS = 0, QUEUE_STATUS = 1 };

enum { /* 5.8.4 Device configuration layout */
       CONFIG_SELECT = 0,
       CONFIG_SUBSELECT = 1,
       CONFIG_SIZE = 2,
       CONFIG_DATA = 8,
       CONFIG_BYTES = 136,
       SELECT_ID_NAME = 0x01,
       SELECT_ID_DEVIDS = 0x03,
       SELECT_EV_BITS = 0x11,
};
_Static_assert((int)CONFIG_BYTES <= (int)VIRTIO_CONFIG_MAX, "it fits the transport's window");

enum { /* Linux's input event codes, which 5.8 refers to */
       EV_SYN = 0,
       EV_KEY = 1,
       KEY_LEFTCTRL = 29,
       KEY_LEFTALT = 56,
       KEY_DELETE = 111,
       KEY_POWER = 116,
       BUS_VIRTUAL = 6,
};

static const uint16_t power_keys[] = {KEY_POWER};
static const uint16_t reboot_keys[] = {KEY_LEFTCTRL, KEY_LEFTALT, KEY_DELETE};
#define REBOOT_KEY_COUNT 3u
/* each key down and up, an EV_SYN after each */
_Static_assert(4u * REBOOT_KEY_COUNT <= VINPUT_PENDING_MAX, "the longest press");

/* ---- configuration: the driver selects, then reads ------------------------------------------------- */

static uint32_t key_bit(uint8_t *bits, uint32_t key)
{
    bits[key / 8] = (uint8_t)(bits[key / 8] | 1u << key % 8);
    return key / 8 + 1;
}

/* Returns the bytes that were written. */
static uint32_t answer(uint32_t select, uint32_t subselect, uint8_t *data)
{
    static const char name[] = "Bulkhead power key";
    static const uint16_t ids[4] = {BUS_VIRTUAL, 0, 0, 1}; /* bus, vendor, product, version */

    if (select == SELECT_ID_NAME && subselect == 0) {
        memcpy(data, name, sizeof name - 1);
        return sizeof name - 1;
    }
    if (select == SELECT_ID_DEVIDS && subselect == 0) {
        memcpy(data, ids, sizeof ids);
        return sizeof ids;
    }
    if (select == SELECT_EV_BITS && subselect == EV_KEY) {
        for (uint32_t i = 0; i < REBOOT_KEY_COUNT; i++)
            (void)key_bit(data, reboot_keys[i]);
        return key_bit(data, KEY_POWER); /* the highest of them */
    }
    return 0;
}

static void config_select(struct virtio_mmio *v)
{
    memset(v->config + CONFIG_SIZE, 0, CONFIG_BYTES - CONFIG_SIZE);
    v->config[CONFIG_SIZE] =
        (uint8_t)answer(v->config[CONFIG_SELECT], v->config[CONFIG_SUBSELECT], v->config + CONFIG_DATA);
}

static void on_config_write(struct virtio_mmio *v, uint32_t offset, uint8_t value)
{
    if (offset != CONFIG_SELECT && offset != CONFIG_SUBSELECT)
        return;
    v->config[offset] = value;
    config_select(v);
}

/* ---- queues ------------------------------------------------------------------------------------------ */

/* One event into the guest's next buffer; false: there is none now. */
static bool event_give(struct virtio_mmio *v, const struct vinput_event *event)
{
    struct vring *queue = &v->queues[QUEUE_EVENTS];
    struct vring_chain chain;
    bool found = false;

    do {
        if (vring_take(queue, &chain, &found) != OK || (found && chain.writable_bytes < sizeof *event)) {
            virtio_mmio_break(v);
            return false;
        }
    } while (!found && vring_want_kick(queue));
    if (!found)
        return false;
    vring_copy_to(&chain, 0, event, sizeof *event);
    vring_give(queue, chain.head, sizeof *event);
    return true;
}

static void events_pump(struct vinput *input)
{
    struct virtio_mmio *v = &input->virtio;

    while (virtio_mmio_is_live(v) && input->pending_done < input->pending_count &&
           event_give(v, &input->pending[input->pending_done]))
        input->pending_done++;
    virtio_mmio_used(v, QUEUE_EVENTS);
}

/* There are no LEDs: what the driver says of them is taken, and means nothing. */
static void status_pump(struct vinput *input)
{
    struct virtio_mmio *v = &input->virtio;
    struct vring *queue = &v->queues[QUEUE_STATUS];
    struct vring_chain chain;

    while (virtio_mmio_is_live(v)) {
        bool found = false;

        if (vring_take(queue, &chain, &found) != OK)
            virtio_mmio_break(v);
        else if (found)
            vring_give(queue, chain.head, 0);
        else if (!vring_want_kick(queue))
            break;
    }
    virtio_mmio_used(v, QUEUE_STATUS);
}

static void on_kick(struct virtio_mmio *v, uint32_t queue)
{
    if (queue == QUEUE_EVENTS)
        events_pump(v->device);
    else
        status_pump(v->device);
}

static void tell_changed(const struct vinput *input)
{
    if (input->changed)
        input->changed(input->changed_context);
}

static void on_ready(struct virtio_mmio *v)
{
    tell_changed(v->device);
}

static void on_reset(struct virtio_mmio *v)
{
    struct vinput *input = v->device;

    input->pending_count = input->pending_done = 0;
    tell_changed(input);
}

static const struct virtio_kind vinput_kind = {
    .id = VIRTIO_ID_INPUT,
    .queue_count = 2,
    .queue_size_max = VINPUT_QUEUE_MAX,
    .ready = on_ready,
    .kick = on_kick,
    .reset = on_reset,
    .config_write = on_config_write,
};

void vinput_init(struct vinput *input)
{
    struct virtio_mmio *v = &input->virtio;

    v->kind = &vinput_kind;
    v->device = input;
    v->features = VIRTIO_F_INDIRECT_DESC;
    v->config_bytes = CONFIG_BYTES;
    input->pending_count = input->pending_done = 0;
    virtio_mmio_init(v);
}

/* ---- the keys ------------------------------------------------------------------------------------------ */

bool vinput_is_heard(const struct vinput *input)
{
    return virtio_mmio_is_live(&input->virtio);
}

static void pend(struct vinput *input, uint16_t type, uint16_t code, uint32_t value)
{
    input->pending[input->pending_count++] = (struct vinput_event){type, code, value};
}

static void pend_key(struct vinput *input, uint16_t key, uint32_t is_down)
{
    pend(input, EV_KEY, key, is_down);
    pend(input, EV_SYN, 0, 0);
}

void vinput_press(struct vinput *input, enum vinput_press press)
{
    const uint16_t *keys = press == VINPUT_POWER ? power_keys : reboot_keys;
    uint32_t count = press == VINPUT_POWER ? 1 : REBOOT_KEY_COUNT;

    if (!vinput_is_heard(input) || input->pending_done < input->pending_count)
        return;
    input->pending_count = input->pending_done = 0;
    for (uint32_t i = 0; i < count; i++)
        pend_key(input, keys[i], 1);
    for (uint32_t i = count; i > 0; i--)
        pend_key(input, keys[i - 1], 0);
    events_pump(input);
}
