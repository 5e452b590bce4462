/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_virtio.c - a modern virtio network device as the NIC (virtio 1.1, 5.1), one queue each way
 *
 * Buffers are pages.  A packet of up to 64 KiB takes as many of them as it needs: received ones with
 * MRG_RXBUF (5.1.6.3.1), sent ones as a chain.  We do not take CTRL_VQ, so the device filters nothing: a
 * switch wants to see all.
 *
 * Always true:  each receive page is in the queue or in rx.held; each transmit page is free or of one packet
 * in the queue, linked by tx.next; a length, a number of buffers and a header that the device wrote are
 * copied once and judged.
 */
#include <stddef.h>
#include <string.h>

#include "../../lib/virtio/virtio_pci.h"
#include "nic_driver.h"
#include "virtio_net.h"

#define RX_PAGES 64u
#define TX_PAGES 40u
#define HEADER_BYTES ((uint32_t)sizeof(struct virtio_net_header))
#define HELD_MAX ((HEADER_BYTES + NET_PACKET_BYTES_MAX + NIC_PAGE_BYTES - 1u) / NIC_PAGE_BYTES)
#define GIVE_BACK 16u /* receive pages, before the device is told */
#define BAD_MAX 32u   /* packets in a row that nobody can use */
#define NO_PAGE UINT8_MAX

_Static_assert(HELD_MAX <= PACKET_PIECES_MAX, "a received packet's pages are its pieces");
_Static_assert(RX_PAGES < NO_PAGE && TX_PAGES < NO_PAGE, "page numbers are bytes");

/* Pages of the shared memory, in this order; those before the used rings are read-only for the device. */
enum {
    PAGE_RX_DESCRIPTORS = 0,
    PAGE_TX_DESCRIPTORS,
    PAGE_AVAIL, /* both avail rings */
    PAGE_TX,
    PAGE_RX_USED = PAGE_TX + TX_PAGES,
    PAGE_TX_USED,
    PAGE_RX,
    PAGES = PAGE_RX + RX_PAGES
};
#define TX_AVAIL_OFFSET 2048u
_Static_assert(sizeof(struct virtq_avail) <= TX_AVAIL_OFFSET, "two avail rings fit a page");
_Static_assert(sizeof(struct virtq_used) <= NIC_PAGE_BYTES, "a used ring fits a page");

static struct virtio_pci pci;
static uint8_t *shared;

/* The packet that is being received: its pages so far. */
static struct {
    struct virtq queue;
    uint32_t given;  /* pages that went back since the last doorbell */
    bool is_polled;  /* interrupts are off: we come back until there is nothing */
    uint32_t wanted; /* pages of the held packet; 0: not known yet */
    uint32_t held_count;
    uint8_t held[HELD_MAX];
    uint32_t bytes[HELD_MAX];
    struct virtio_net_header header; /* copied out of the first page */
} rx;

static struct {
    struct virtq queue;
    uint8_t free; /* first free page */
    uint32_t free_count;
    uint8_t next[TX_PAGES];
    uint64_t sent, done;
    struct nic_watch watch;
} tx;

static uint8_t *page_at(uint32_t page)
{
    return shared + (size_t)page * NIC_PAGE_BYTES;
}

static uint64_t page_iova(uint32_t page)
{
    return IOVA_NIC + (uint64_t)page * NIC_PAGE_BYTES;
}

/* ---- start ------------------------------------------------------------------------------------ */

static bool is_ours(const uint8_t *config)
{
    return virtio_pci_is(config, VIRTIO_ID_NET);
}

static const char *find(const uint8_t *config)
{
    return virtio_pci_find(&pci, config, NET_CONFIG_BYTES);
}

static void place(uint8_t *memory)
{
    shared = memory;
    tx.sent = tx.done = 0;
    virtq_place(&rx.queue, (struct vring_descriptor *)page_at(PAGE_RX_DESCRIPTORS),
                page_iova(PAGE_RX_DESCRIPTORS), (struct virtq_avail *)page_at(PAGE_AVAIL),
                page_iova(PAGE_AVAIL), (struct virtq_used *)page_at(PAGE_RX_USED), page_iova(PAGE_RX_USED));
    virtq_place(&tx.queue, (struct vring_descriptor *)page_at(PAGE_TX_DESCRIPTORS),
                page_iova(PAGE_TX_DESCRIPTORS), (struct virtq_avail *)(page_at(PAGE_AVAIL) + TX_AVAIL_OFFSET),
                page_iova(PAGE_AVAIL) + TX_AVAIL_OFFSET, (struct virtq_used *)page_at(PAGE_TX_USED),
                page_iova(PAGE_TX_USED));
}

/* Without mergeable buffers a large packet would need large ones. */
static uint64_t features_wanted(void)
{
    uint64_t wanted = FEATURE_NET_CSUM | FEATURE_NET_GUEST_CSUM | FEATURE_NET_MAC | FEATURE_NET_HOST_TSO4 |
                      FEATURE_NET_HOST_TSO6 | FEATURE_NET_MRG_RXBUF | FEATURE_NET_STATUS;

    if (virtio_pci_offered(&pci) & FEATURE_NET_MRG_RXBUF)
        wanted |= FEATURE_NET_GUEST_TSO4 | FEATURE_NET_GUEST_TSO6;
    return wanted;
}

static void link_read(struct nic_info *info)
{
    /* 5.1.4.2: without the field it is up */
    info->link = (pci.features & FEATURE_NET_STATUS) == 0 ||
                 (virtio_pci_config16(&pci, NET_CONFIG_STATUS) & NET_STATUS_LINK_UP) != 0;
}

static void config_read(struct nic_info *info)
{
    for (uint32_t i = 0; i < sizeof(info->mac); i++)
        info->mac[i] = virtio_pci_config8(&pci, NET_CONFIG_MAC + i);
    link_read(info);
    info->offloads = (pci.features & FEATURE_NET_CSUM ? (uint32_t)NIC_CHECKSUM : 0) |
                     (pci.features & FEATURE_NET_HOST_TSO4 ? (uint32_t)NIC_GSO_TCP4 : 0) |
                     (pci.features & FEATURE_NET_HOST_TSO6 ? (uint32_t)NIC_GSO_TCP6 : 0);
}

static void rx_give(uint8_t page)
{
    struct virtq_chain chain = {0};

    virtq_add(&rx.queue, &chain, page_iova(PAGE_RX + page), NIC_PAGE_BYTES, VRING_WRITE);
    virtq_put(&rx.queue, &chain, page);
}

static void rx_start(void)
{
    rx.given = rx.wanted = rx.held_count = 0;
    rx.is_polled = false;
    for (uint32_t i = 0; i < RX_PAGES; i++)
        rx_give((uint8_t)i);
}

static void tx_start(void)
{
    nic_lost((uint32_t)(tx.sent - tx.done));
    tx.sent = tx.done = 0;
    tx.watch = (struct nic_watch){0};
    tx.free = 0;
    tx.free_count = TX_PAGES;
    for (uint32_t i = 0; i < TX_PAGES; i++)
        tx.next[i] = i + 1 < TX_PAGES ? (uint8_t)(i + 1) : NO_PAGE;
    virtq_interrupts(&tx.queue, false);
}

static const char *steps(struct nic_info *info)
{
    const char *bad;

    if (!virtio_pci_reset(&pci)) /* 3.1.1, 1 */
        return "it does not come out of a reset";
    bad = virtio_pci_negotiate(&pci, features_wanted()); /* 2 to 6 */
    if (bad)
        return bad;
    if ((pci.features & FEATURE_NET_MAC) == 0)
        return "it has no address";
    config_read(info); /* 7 */
    bad = virtio_pci_queue(&pci, &rx.queue, NET_QUEUE_RECEIVE, RX_PAGES, VRING_SIZE_MAX);
    if (bad)
        return bad;
    rx_start();
    bad = virtio_pci_queue(&pci, &tx.queue, NET_QUEUE_TRANSMIT, TX_PAGES, VRING_SIZE_MAX);
    if (bad)
        return bad;
    tx_start();
    return virtio_pci_run(&pci); /* 8 */
}

static const char *start(struct nic_info *info)
{
    const char *bad = steps(info);

    if (bad)
        virtio_pci_fail(&pci);
    else
        virtq_kick(&rx.queue);
    return bad;
}

static void stop(void)
{
    if (virtio_pci_reset(&pci))
        virtio_pci_fail(&pci);
}

/* ---- transmit --------------------------------------------------------------------------------- */

static void tx_free(uint8_t first)
{
    uint8_t last = first;

    tx.free_count++;
    for (; tx.next[last] != NO_PAGE; last = tx.next[last])
        tx.free_count++;
    tx.next[last] = tx.free;
    tx.free = first;
}

/* What is sent is only read by the device: nothing of it has to be believed but that it is over. */
static void tx_collect(void)
{
    uint32_t written;
    uint16_t first;

    if (virtq_look(&tx.queue))
        virtq_accept(&tx.queue);
    while (virtq_take(&tx.queue, &first, &written)) {
        tx_free((uint8_t)first);
        tx.done++;
    }
    if (tx.queue.broken)
        nic_distrust("it wrote nonsense into its transmit queue");
}

/* Interrupts of this queue are on only while somebody waits for room. */
static bool tx_has_room(uint32_t pages)
{
    if (pages <= tx.free_count)
        return true;
    tx_collect();
    if (pages <= tx.free_count)
        return true;
    virtq_kick(&tx.queue);
    virtq_interrupts(&tx.queue, true);
    tx_collect();
    if (pages > tx.free_count)
        return false;
    virtq_interrupts(&tx.queue, false);
    return true;
}

static uint8_t gso_type(uint8_t gso)
{
    return gso == NET_GSO_TCP4   ? NET_HDR_GSO_TCPV4
           : gso == NET_GSO_TCP6 ? NET_HDR_GSO_TCPV6
                                 : NET_HDR_GSO_NONE;
}

/* 5.1.6.2 */
static void header_write(const struct net_offload *offload, uint8_t *at)
{
    struct virtio_net_header header = {
        .flags = offload->flags & NET_NEEDS_CHECKSUM ? NET_HDR_NEEDS_CSUM : 0,
        .gso_type = gso_type(offload->gso),
        .hdr_len = offload->header_bytes,
        .gso_size = offload->segment_bytes,
        .csum_start = offload->flags & NET_NEEDS_CHECKSUM ? offload->csum_start : 0,
        .csum_offset = offload->flags & NET_NEEDS_CHECKSUM ? offload->csum_offset : 0,
    };

    memcpy(at, &header, sizeof(header));
}

/* The header and the packet, page after page; tx_has_room. */
static void tx_fill(const struct packet *packet, uint32_t pages)
{
    uint8_t first = tx.free, page = first, last = first;
    struct virtq_chain chain = {0};
    uint32_t offset = HEADER_BYTES, at = 0;

    header_write(&packet->offload, page_at(PAGE_TX + first));
    for (uint32_t i = 0; i < pages; i++) {
        uint32_t room = NIC_PAGE_BYTES - offset, left = packet->length - at;
        uint32_t bytes = left < room ? left : room;

        packet_copy(packet, at, page_at(PAGE_TX + page) + offset, bytes);
        virtq_add(&tx.queue, &chain, page_iova(PAGE_TX + page), offset + bytes, 0);
        at += bytes;
        offset = 0;
        last = page;
        page = tx.next[page];
    }
    tx.free = page;
    tx.free_count -= pages;
    tx.next[last] = NO_PAGE;
    virtq_put(&tx.queue, &chain, first);
}

static bool send(const struct packet *packet)
{
    uint32_t pages = (HEADER_BYTES + packet->length + NIC_PAGE_BYTES - 1u) / NIC_PAGE_BYTES;

    if (!tx_has_room(pages))
        return false;
    tx_fill(packet, pages);
    tx.sent++;
    return true;
}

static void kick(void)
{
    virtq_kick(&tx.queue);
}

/* ---- receive ---------------------------------------------------------------------------------- */

static void held_give_back(void)
{
    for (uint32_t i = 0; i < rx.held_count; i++)
        rx_give(rx.held[i]);
    rx.given += rx.held_count;
    rx.held_count = rx.wanted = 0;
    if (rx.given >= GIVE_BACK) {
        rx.given = 0;
        virtq_kick(&rx.queue);
    }
}

/* The first page says how many there are (5.1.6.4.1).  False: nonsense. */
static bool wanted_read(void)
{
    if (rx.bytes[0] < HEADER_BYTES)
        return false;
    memcpy(&rx.header, page_at(PAGE_RX + rx.held[0]), sizeof(rx.header));
    rx.wanted = pci.features & FEATURE_NET_MRG_RXBUF ? rx.header.num_buffers : 1;
    return rx.wanted != 0 && rx.wanted <= HELD_MAX;
}

static bool page_take(void)
{
    uint32_t bytes;
    uint16_t page;

    if (virtq_look(&rx.queue)) {
        if (!nic_is_trusted())
            return false;
        virtq_accept(&rx.queue);
    }
    if (!virtq_take(&rx.queue, &page, &bytes)) {
        if (rx.queue.broken)
            nic_distrust("it wrote nonsense into its receive queue");
        return false;
    }
    rx.held[rx.held_count] = (uint8_t)page;
    rx.bytes[rx.held_count++] = bytes;
    if (rx.held_count > 1 || wanted_read())
        return true;
    nic_distrust("it received into an impossible number of buffers");
    return false;
}

/* All pages of one packet are held. */
static bool packet_take(void)
{
    while (rx.wanted == 0 || rx.held_count < rx.wanted)
        if (!page_take())
            return false;
    return true;
}

/*
 * What the header says about the bytes behind it, as far as it can be judged here: of a checksum that is
 * still to be made, that it lies in the packet; of a large packet, where its TCP payload begins (the device's
 * hdr_len is a hint only, 5.1.6.4.2).  False: nobody can use the packet.
 */
static bool offload_read(const struct virtio_net_header *header, struct packet *packet)
{
    uint8_t type = header->gso_type & (uint8_t)~NET_HDR_GSO_ECN;
    struct net_offload *offload = &packet->offload;
    uint32_t tcp_end;

    if (header->flags & NET_HDR_DATA_VALID)
        offload->flags = NET_CHECKSUM_GOOD;
    if (header->flags & NET_HDR_NEEDS_CSUM) {
        if ((uint32_t)header->csum_start + header->csum_offset + 2u > packet->length)
            return false;
        offload->flags = NET_NEEDS_CHECKSUM;
        offload->csum_start = header->csum_start;
        offload->csum_offset = header->csum_offset;
    }
    if (type == NET_HDR_GSO_NONE)
        return true;
    if ((type != NET_HDR_GSO_TCPV4 && type != NET_HDR_GSO_TCPV6) || header->gso_size == 0 ||
        offload->flags != NET_NEEDS_CHECKSUM || header->csum_start + 13u > packet->head_bytes)
        return false;
    tcp_end = header->csum_start + (packet->head[header->csum_start + 12u] >> 4) * 4u;
    if (tcp_end > packet->length)
        return false;
    offload->gso = type == NET_HDR_GSO_TCPV4 ? NET_GSO_TCP4 : NET_GSO_TCP6;
    offload->header_bytes = (uint16_t)tcp_end;
    offload->segment_bytes = header->gso_size;
    return true;
}

/* From the pages that are held. */
static bool packet_make(struct packet *packet)
{
    struct packet_piece pieces[HELD_MAX];
    uint32_t length = 0;

    for (uint32_t i = 0; i < rx.held_count; i++) {
        uint32_t skip = i == 0 ? HEADER_BYTES : 0;

        pieces[i] = (struct packet_piece){page_at(PAGE_RX + rx.held[i]) + skip, rx.bytes[i] - skip};
        length += pieces[i].bytes;
    }
    return length >= NET_PACKET_BYTES_MIN && length <= NET_PACKET_BYTES_MAX &&
           packet_from_pieces(packet, length, &(struct net_offload){0}, pieces, rx.held_count) &&
           offload_read(&rx.header, packet);
}

/* Nothing is there: the device gets its pages, and an interrupt says when there is. */
static bool poll_end(void)
{
    if (!rx.is_polled)
        return true;
    rx.is_polled = false;
    rx.given = 0;
    virtq_kick(&rx.queue);
    virtq_interrupts(&rx.queue, true);
    return rx.queue.used->index == rx.queue.used_index;
}

static bool receive(struct packet *packet)
{
    for (uint32_t bad = 0; bad < BAD_MAX; bad++) {
        if (!packet_take()) {
            if (poll_end() || rx.queue.broken || !packet_take())
                return false;
        }
        if (!rx.is_polled) {
            rx.is_polled = true;
            virtq_interrupts(&rx.queue, false);
        }
        if (packet_make(packet))
            return true;
        nic_lost(1);
        held_give_back();
    }
    nic_distrust("it receives nothing but nonsense");
    return false;
}

/* ---- events ----------------------------------------------------------------------------------- */

static bool interrupt(struct nic_info *info)
{
    uint8_t isr = virtio_pci_isr(&pci);

    if (isr & ISR_CONFIG) {
        link_read(info);
        if (virtio_pci_status(&pci) & VIRTIO_NEEDS_RESET)
            nic_distrust("the device needs a reset");
    }
    if (tx.sent != tx.done) {
        virtq_interrupts(&tx.queue, false);
        tx_collect();
    }
    return isr != 0;
}

static const char *check(struct nic_info *info)
{
    if (virtio_pci_status(&pci) & VIRTIO_NEEDS_RESET)
        return "the device needs a reset";
    link_read(info);
    tx_collect();
    return nic_watch_check(&tx.watch, tx.sent, tx.done, info->link);
}

const struct nic_driver nic_virtio = {
    .kind = "virtio-net",
    .pages = PAGES,
    .read_only = PAGE_RX_USED,
    .is = is_ours,
    .find = find,
    .place = place,
    .start = start,
    .stop = stop,
    .send = send,
    .kick = kick,
    .receive = receive,
    .receive_done = held_give_back,
    .interrupt = interrupt,
    .check = check,
};
