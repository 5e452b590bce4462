/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_link.c - an interface's session at netdrv: lanes, doorbells, and what makes us attach again
 *
 * Packets may be lost, so nothing of a lane outlives an Attach: after it both are empty.  The block that all
 * interfaces of this VM have their lanes in stays the same, and mapped.
 */
#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "caps_vmm.h"
#include "net_rpc.h"
#include "owed.h"
#include "vnet.h"

#define ATTACH_MS 2000u
#define RELEASE_MS 1u

static void drop_all(const struct rpc_caps *caps)
{
    for (uint32_t i = 0; i < caps->out_count; i++)
        bh_slot_drop(caps->out[i]);
}

/* Ask for empty lanes, the block and netdrv's Notification. */
static enum status attach(const struct vnet *net, uint64_t features, bh_NetAttachReply *reply, slot_t *block,
                          slot_t *driver, char *error, size_t error_bytes)
{
    bh_NetAttachRequest request = {.features = features};
    struct rpc_caps caps = {.in_count = 1, .in = {net->events}};
    enum status status = net_rpc_attach(net->session, &request, reply, &caps, bh_after_ms(ATTACH_MS));

    if (status != OK) {
        snprintf(error, error_bytes, "interface %u: Attach: %s", (unsigned)net->index,
                 bh_status_name(status));
    } else if ((enum status)reply->status != OK) {
        status = (enum status)reply->status;
        snprintf(error, error_bytes, "interface %u: %s", (unsigned)net->index, reply->error);
    } else if (caps.out_count != 2) {
        status = ERR_PEER;
        snprintf(error, error_bytes, "interface %u: netdrv's lanes are not as expected",
                 (unsigned)net->index);
    }
    if (status != OK) {
        drop_all(&caps);
        return status;
    }
    *block = caps.out[0];
    *driver = caps.out[1];
    return OK;
}

static struct net_ring *ring_at(const uint8_t *pool)
{
    return (struct net_ring *)(uintptr_t)((uintptr_t)pool - NET_PAGE_BYTES);
}

/* Start on both lanes, which are empty. */
static enum status lanes_start(struct vnet *net, bool is_up)
{
    struct net_producer to;
    struct net_consumer from;
    enum status status = net_producer_init(&to, ring_at(net->to_pool));

    if (status == OK)
        status = net_consumer_init(&from, ring_at(net->from_pool));
    if (status == OK)
        vnet_attached(net, &to, &from, is_up);
    return status;
}

static void ring_doorbell(void *context)
{
    struct vnet *net = context;

    if (owed_signal(net->driver) != OK)
        net->must_attach = true;
}

static void come_again(void *context)
{
    struct vnet *net = context;

    if (bh_notification_signal(net->events) != OK)
        net->must_attach = true; /* our own: it is there.  Else the next look around sees to it */
}

static void release_soon(void *context)
{
    struct vnet *net = context;

    net->release_at = bh_after_ms(RELEASE_MS);
}

static void want_attach(void *context)
{
    struct vnet *net = context;

    net->must_attach = true;
    come_again(net);
}

enum status net_link_open(struct vnet *net, uint32_t index, slot_t events, char *error, size_t error_bytes)
{
    static uint64_t block_ipa; /* whichever interface brings the block first has it mapped */
    bh_NetAttachReply reply;
    slot_t block;
    uint64_t ipa;
    enum status status;

    net->index = index;
    net->session = CAP_NET0 + index;
    net->events = events;
    net->link = (struct vnet_link){net, ring_doorbell, want_attach, come_again, release_soon};
    status = attach(net, 0, &reply, &block, &net->driver, error, error_bytes);
    if (status != OK)
        return status;
    status = bh_map_block(block, &block_ipa);
    ipa = block_ipa + (uint64_t)index * NET_INTERFACE_BYTES;
    net->to_pool = (uint8_t *)(uintptr_t)(ipa + NET_PAGE_BYTES);
    net->from_pool = net->to_pool + NET_PAGES_PER_LANE * NET_PAGE_BYTES;
    memcpy(net->mac, reply.mac, sizeof net->mac);
    net->is_up = reply.link;
    if (status == OK)
        status = lanes_start(net, reply.link);
    if (status != OK)
        snprintf(error, error_bytes, "interface %u: its lanes: %s", (unsigned)index, bh_status_name(status));
    return status;
}

bool net_link_is_lost(struct vnet *net)
{
    if (net->is_attached &&
        (net_ring_restarted(net->to.ring, net->to.generation) ||
         net_ring_restarted(net->from.ring, net->from.generation) || net->to.broken || net->from.broken))
        net->must_attach = true;
    return net->must_attach;
}

struct net_news net_link_begin(struct vnet *net)
{
    net->is_attached = false; /* from now on the lanes may be made anew under us */
    return (struct net_news){.features = vnet_features(net), .ready_count = net->ready_count};
}

enum status net_link_ask(const struct vnet *net, struct net_news *news)
{
    bh_NetAttachReply reply;
    slot_t block = 0;
    char error[8];
    enum status status = attach(net, news->features, &reply, &block, &news->driver, error, sizeof error);

    bh_slot_drop(block);
    if (status == OK)
        news->is_up = reply.link;
    return status;
}

void net_link_go_on(struct vnet *net, const struct net_news *news)
{
    slot_t old = net->driver;

    net->driver = news->driver;
    bh_slot_drop(old);
    /* Another driver came meanwhile: what netdrv was told is not true any more. */
    net->must_attach = news->ready_count != net->ready_count;
    if (!net->must_attach && lanes_start(net, news->is_up) != OK)
        net->must_attach = true;
}
