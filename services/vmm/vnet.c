/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vnet.c - packets between the queues of a virtio network device and the lanes to netdrv
 *
 * Section numbers are those of Virtio 1.1.
 */
#include "vnet.h"

#include <string.h>

#include "virtio_net.h"

#define HEADER_BYTES ((uint32_t)sizeof(struct virtio_net_header))
#define GUEST_TAKES (FEATURE_NET_GUEST_CSUM | FEATURE_NET_GUEST_TSO4 | FEATURE_NET_GUEST_TSO6)

struct config { /* 5.1.4 */
    uint8_t mac[6];
    uint16_t status;
};
_Static_assert(sizeof(struct config) == NET_CONFIG_BYTES, "Virtio 1.1, 5.1.4");

static bool is_running(const struct vnet *net)
{
    return net->is_attached && virtio_mmio_is_live(&net->virtio);
}

static bool has(const struct vnet *net, uint64_t feature)
{
    return virtio_mmio_has(&net->virtio, feature);
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The next buffer of a queue; false: there is none, and the driver kicks when there is one. */
static bool buffer_take(struct vnet *net, uint32_t queue, struct vring_chain *chain)
{
    struct vring *ring = &net->virtio.queues[queue];
    bool found = false;

    do {
        if (vring_take(ring, chain, &found) != OK) {
            virtio_mmio_break(&net->virtio);
            return false;
        }
    } while (!found && vring_want_kick(ring));
    return found;
}

/* ---- from the guest ----------------------------------------------------------------------------- */

/* 5.1.6.2: a packet that is to be cut into TCP segments. */
static bool gso_judge(const struct vnet *net, const struct virtio_net_header *h, uint32_t length,
                      struct net_offload *o)
{
    if (h->gso_type == NET_HDR_GSO_TCPV4 && has(net, FEATURE_NET_HOST_TSO4))
        o->gso = NET_GSO_TCP4;
    else if (h->gso_type == NET_HDR_GSO_TCPV6 && has(net, FEATURE_NET_HOST_TSO6))
        o->gso = NET_GSO_TCP6;
    else
        return false;
    o->header_bytes = h->hdr_len;
    o->segment_bytes = h->gso_size;
    return (o->flags & NET_NEEDS_CHECKSUM) && h->gso_size > 0 && h->hdr_len > 0 && h->hdr_len <= length;
}

/* What the guest says about its packet, as struct net_offload has it; false: it makes no sense. */
static bool header_judge(const struct vnet *net, const struct virtio_net_header *h, uint32_t length,
                         struct net_offload *o)
{
    *o = (struct net_offload){0};
    if (h->flags & NET_HDR_NEEDS_CSUM) {
        if (!has(net, FEATURE_NET_CSUM) || (uint32_t)h->csum_start + h->csum_offset + 2u > length)
            return false;
        o->flags = NET_NEEDS_CHECKSUM;
        o->csum_start = h->csum_start;
        o->csum_offset = h->csum_offset;
    }
    return h->gso_type == NET_HDR_GSO_NONE || gso_judge(net, h, length, o);
}

static void packet_copy_out(struct vnet *net, const struct net_descriptor *packet)
{
    uint32_t count = net_pages_count(packet->length);

    for (uint32_t i = 0, row; i < count; i += row) {
        uint32_t done = i * NET_PAGE_BYTES;

        row = net_pages_row(packet, i, count);
        vring_copy_from(&net->sending, HEADER_BYTES + done,
                        net->to_pool + (size_t)packet->pages[i] * NET_PAGE_BYTES,
                        least(packet->length - done, row * NET_PAGE_BYTES));
    }
}

/* Put net->sending into the lane.  ERR_FULL: not now; ERR_ARG: never. */
static enum status packet_send(struct vnet *net)
{
    uint32_t length = net->sending.readable_bytes - HEADER_BYTES;
    struct virtio_net_header header;
    struct net_descriptor packet;
    struct net_offload offload;
    enum status status;

    vring_copy_from(&net->sending, 0, &header, HEADER_BYTES);
    if (!header_judge(net, &header, length, &offload))
        return ERR_ARG;
    status = net_ring_prepare(&net->to, length, &packet);
    if (status != OK)
        return status;
    packet_copy_out(net, &packet);
    packet.offload = offload;
    net_ring_put(&net->to, &packet);
    return OK;
}

/* Have a packet of the guest's in net->sending. */
static bool sending_have(struct vnet *net)
{
    if (net->is_sending)
        return true;
    if (!buffer_take(net, NET_QUEUE_TRANSMIT, &net->sending))
        return false;
    if (net->sending.readable_bytes < HEADER_BYTES) {
        virtio_mmio_break(&net->virtio); /* there is not even a header */
        return false;
    }
    net->is_sending = true;
    return true;
}

static void held_give(struct vnet *net)
{
    vring_give_all(&net->virtio.queues[NET_QUEUE_TRANSMIT], net->held, net->held_count);
    net->held_count = 0;
}

/* A driver that does not wait for it may look for itself: it gets its buffer back at once. */
static bool may_hold(const struct vnet *net)
{
    const struct vring *ring = &net->virtio.queues[NET_QUEUE_TRANSMIT];

    return net->sending.readable_bytes <= VNET_HELD_BYTES &&
           net->held_count < least(VNET_HELD_MAX, ring->size / 4) &&
           vring_would_interrupt(ring, net->held_count);
}

static void sending_done(struct vnet *net)
{
    net->is_sending = false;
    net->held[net->held_count++] = (struct vring_used_element){net->sending.head, 0};
    if (!may_hold(net))
        held_give(net);
    else if (net->held_count == 1)
        net->link.release_soon(net->link.context);
}

/* False: there is nothing more to send, or netdrv signals when there is room. */
static bool send_next(struct vnet *net)
{
    enum status status;

    if (!sending_have(net))
        return false;
    status = net->is_up ? packet_send(net) : OK; /* without a cable they go nowhere */
    if (status == ERR_FULL)
        return !net_producer_may_sleep(&net->to, net_pages_count(net->sending.readable_bytes - HEADER_BYTES));
    if (status != OK)
        net->dropped++;
    sending_done(net);
    return true;
}

static void transmit(struct vnet *net)
{
    uint32_t put = net->to.put, left = VNET_PASS_PACKETS;

    net->must_look = false;
    if (net->is_sending)
        net_producer_awake(&net->to);
    while (left > 0 && send_next(net))
        left--;
    if (net->to.put != put && net_producer_must_signal(&net->to))
        net->link.ring_doorbell(net->link.context);
    net->virtio.is_urgent = false;
    virtio_mmio_used(&net->virtio, NET_QUEUE_TRANSMIT);
    if (left == 0) {
        net->must_look = true;
        net->link.come_again(net->link.context);
    }
}

void vnet_release(struct vnet *net)
{
    held_give(net);
    net->virtio.is_urgent = false;
    virtio_mmio_used(&net->virtio, NET_QUEUE_TRANSMIT);
}

/* ---- to the guest ------------------------------------------------------------------------------- */

/* netdrv knows what the driver takes; a packet that asks for more is not delivered. */
static bool guest_takes(const struct vnet *net, const struct net_offload *o)
{
    if ((o->flags & NET_NEEDS_CHECKSUM) && !has(net, FEATURE_NET_GUEST_CSUM))
        return false;
    return o->gso == NET_GSO_NONE ||
           has(net, o->gso == NET_GSO_TCP4 ? FEATURE_NET_GUEST_TSO4 : FEATURE_NET_GUEST_TSO6);
}

/* 5.1.6.4: the header of net->packet, which lies in this many buffers. */
static struct virtio_net_header header_of(const struct vnet *net)
{
    const struct net_offload *o = &net->packet.offload;
    struct virtio_net_header h = {.num_buffers = (uint16_t)net->given_count};

    if (o->flags & NET_NEEDS_CHECKSUM) {
        h.flags = NET_HDR_NEEDS_CSUM;
        h.csum_start = o->csum_start;
        h.csum_offset = o->csum_offset;
    } else if ((o->flags & NET_CHECKSUM_GOOD) && has(net, FEATURE_NET_GUEST_CSUM)) {
        h.flags = NET_HDR_DATA_VALID;
    }
    if (o->gso != NET_GSO_NONE) {
        h.gso_type = o->gso == NET_GSO_TCP4 ? NET_HDR_GSO_TCPV4 : NET_HDR_GSO_TCPV6;
        h.hdr_len = o->header_bytes;
        h.gso_size = o->segment_bytes;
    }
    return h;
}

/* Have net->packet; false: there is none, and netdrv signals when there is one. */
static bool packet_have(struct vnet *net)
{
    uint32_t bad = 0;

    while (!net->is_receiving) {
        bool found = net_ring_take(&net->from, &net->packet, &bad);

        if (!found && net_consumer_may_sleep(&net->from))
            return false;
        if (!found) {
            net_consumer_awake(&net->from);
            continue;
        }
        net->is_receiving = true;
        net->received = 0;
        net->given_count = 0;
    }
    return true;
}

/* Its pages go back to netdrv. */
static void packet_done(struct vnet *net)
{
    net->is_receiving = false;
    net_ring_done(&net->from);
}

/* The guest's buffers are as if the packet had never been. */
static void packet_drop(struct vnet *net)
{
    vring_take_back(&net->virtio.queues[NET_QUEUE_RECEIVE], net->given_count);
    net->dropped++;
    packet_done(net);
}

/* As much of the packet as goes into this buffer, `offset` bytes into it. */
static void buffer_fill(struct vnet *net, const struct vring_chain *chain, uint32_t offset)
{
    uint32_t end = net->received + least(chain->writable_bytes - offset, net->packet.length - net->received);

    while (net->received < end) {
        uint32_t page = net->received / NET_PAGE_BYTES, in_page = net->received % NET_PAGE_BYTES;
        uint32_t row = net_pages_row(&net->packet, page, net_pages_count(end)) * NET_PAGE_BYTES;
        uint32_t part = least(end - net->received, row - in_page);

        vring_copy_to(chain, offset,
                      net->from_pool + (size_t)net->packet.pages[page] * NET_PAGE_BYTES + in_page, part);
        offset += part;
        net->received += part;
    }
}

/* Put what is left of the packet into one more buffer.  False: there is none. */
static bool buffer_use(struct vnet *net)
{
    bool is_first = net->given_count == 0;
    struct vring_chain *chain = is_first ? &net->first : &net->next;
    uint32_t before = net->received, offset = is_first ? HEADER_BYTES : 0;

    if (!buffer_take(net, NET_QUEUE_RECEIVE, chain))
        return false;
    if (chain->writable_bytes < HEADER_BYTES) { /* 5.1.6.3.1 */
        virtio_mmio_break(&net->virtio);
        return false;
    }
    buffer_fill(net, chain, offset);
    net->given[net->given_count++] =
        (struct vring_used_element){chain->head, offset + net->received - before};
    return true;
}

/* May the packet have one more buffer? */
static bool may_use_more(const struct vnet *net)
{
    uint32_t most = has(net, FEATURE_NET_MRG_RXBUF) ? net->virtio.queues[NET_QUEUE_RECEIVE].size : 1;

    return net->given_count < most;
}

/* False: the guest has no buffer for what is left of it, and kicks when it has one. */
static bool packet_deliver(struct vnet *net)
{
    if (!guest_takes(net, &net->packet.offload)) {
        packet_drop(net);
        return true;
    }
    while (net->received < net->packet.length) {
        if (!may_use_more(net)) {
            packet_drop(net);
            return true;
        }
        if (!buffer_use(net))
            return false;
    }
    struct virtio_net_header header = header_of(net);

    vring_copy_to(&net->first, 0, &header, HEADER_BYTES);
    vring_give_all(&net->virtio.queues[NET_QUEUE_RECEIVE], net->given, net->given_count);
    packet_done(net);
    return true;
}

static void receive(struct vnet *net)
{
    uint32_t left = VNET_PASS_PACKETS;

    net_consumer_awake(&net->from);
    vring_want_no_kick(&net->virtio.queues[NET_QUEUE_RECEIVE]);
    while (left > 0 && packet_have(net) && packet_deliver(net))
        left--;
    if (left < VNET_PASS_PACKETS && net_consumer_must_signal(&net->from))
        net->link.ring_doorbell(net->link.context);
    net->virtio.is_urgent = net->packet.length <= VNET_URGENT_BYTES;
    virtio_mmio_used(&net->virtio, NET_QUEUE_RECEIVE);
    if (left == 0)
        net->link.come_again(net->link.context);
}

/* ---- the device --------------------------------------------------------------------------------- */

void vnet_pump(struct vnet *net)
{
    if (is_running(net) && (net->is_sending || net->must_look)) /* else it kicks */
        transmit(net);
    if (is_running(net))
        receive(net);
}

static void on_kick(struct virtio_mmio *v, uint32_t queue)
{
    struct vnet *net = v->device;

    if (!is_running(net))
        return;
    if (queue == NET_QUEUE_TRANSMIT)
        transmit(net);
    else
        receive(net);
}

uint64_t vnet_features(const struct vnet *net)
{
    return virtio_mmio_is_live(&net->virtio) ? net->virtio.driver_features & GUEST_TAKES : 0;
}

static void config_show(struct vnet *net)
{
    struct config config = {.status = net->is_up ? NET_STATUS_LINK_UP : 0};

    memcpy(config.mac, net->mac, sizeof config.mac);
    memcpy(net->virtio.config, &config, sizeof config);
}

void vnet_attached(struct vnet *net, const struct net_producer *to, const struct net_consumer *from,
                   bool is_up)
{
    if (net->is_receiving)
        vring_take_back(&net->virtio.queues[NET_QUEUE_RECEIVE], net->given_count);
    net->is_receiving = false;
    net->to = *to;
    net->from = *from;
    net->is_attached = true;
    net->must_look = true; /* kicks went nowhere */
    if (net->is_up != is_up) {
        net->is_up = is_up;
        config_show(net);
        virtio_mmio_config_changed(&net->virtio);
    }
    if (virtio_mmio_is_live(&net->virtio))
        vnet_pump(net);
    else
        net_consumer_awake(&net->from); /* nobody is there to read: no signals */
}

/* What came before the driver is not for it, and netdrv is to know what the driver takes. */
static void on_ready(struct virtio_mmio *v)
{
    struct vnet *net = v->device;

    net->ready_count++;
    net->is_attached = false;
    net->link.want_attach(net->link.context);
}

static void on_reset(struct virtio_mmio *v)
{
    struct vnet *net = v->device;

    net->is_sending = false;
    net->held_count = 0;
    net->is_receiving = false;
    if (net->is_attached)
        net_consumer_awake(&net->from);
}

static const struct virtio_kind vnet_kind = {
    .id = VIRTIO_ID_NET,
    .queue_count = 2,
    .queue_size_max = VNET_QUEUE_MAX,
    .ready = on_ready,
    .kick = on_kick,
    .reset = on_reset,
};

void vnet_init(struct vnet *net)
{
    struct virtio_mmio *v = &net->virtio;

    v->kind = &vnet_kind;
    v->device = net;
    /* No indirect descriptors, as in vblk.c: a driver that may use them allocates a table for each packet. */
    v->features = FEATURE_NET_CSUM | FEATURE_NET_GUEST_CSUM | FEATURE_NET_MAC | FEATURE_NET_GUEST_TSO4 |
                  FEATURE_NET_GUEST_TSO6 | FEATURE_NET_HOST_TSO4 | FEATURE_NET_HOST_TSO6 |
                  FEATURE_NET_MRG_RXBUF | FEATURE_NET_STATUS;
    config_show(net);
    v->config_bytes = sizeof(struct config);
    on_reset(v);
    virtio_mmio_init(v);
}
