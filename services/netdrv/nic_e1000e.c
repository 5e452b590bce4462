/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_e1000e.c - an Intel 82574L as the NIC: legacy descriptors, one queue each way, INTx
 *
 * Packets of at most an Ethernet frame, one buffer each.  The card's checksum and segmentation engines are
 * not used for sending (netdrv does it before); it checks what it receives.
 *
 * Always true:  descriptors rx.next .. rx.next + RX_BUFFERS - 2 are the card's, or done and not yet taken;
 * which transmit buffers are in use is known by tx.clean and tx.tail, not by what the card wrote; a
 * descriptor's words are read once and judged.
 */
#include <stddef.h>
#include <string.h>

#include "e1000e.h"
#include "nic_driver.h"

#define BUFFER_BYTES 2048u
#define RX_BUFFERS 128u
#define TX_BUFFERS 80u
#define FRAME_BYTES_MAX 1522u /* with a VLAN tag, without frame check sequence: 1518 */
#define GIVE_BACK 16u         /* receive buffers, before the card is told */
#define BAD_MAX 64u           /* frames in a row that nobody can use */
#define RESET_PATIENCE_MS 1000u
#define MASTER_PATIENCE_MS 100u
#define CAUSES (CAUSE_LSC | CAUSE_RXDMT0 | CAUSE_RXO | CAUSE_RXT0)

/* Pages of the shared memory, in this order; what is sent is read-only for the card. */
enum {
    PAGE_TX = 0,
    PAGE_TX_RING = PAGE_TX + TX_BUFFERS * BUFFER_BYTES / NIC_PAGE_BYTES,
    PAGE_RX_RING,
    PAGE_RX,
    PAGES = PAGE_RX + RX_BUFFERS * BUFFER_BYTES / NIC_PAGE_BYTES
};
/* 10.2.5, 10.2.6: rings are multiples of 128 bytes */
_Static_assert(RX_BUFFERS % 8 == 0 && TX_BUFFERS % 8 == 0, "82574L, RDLEN and TDLEN");

static volatile uint8_t *registers;
static uint8_t *shared;

static struct {
    volatile struct e1000e_rx_descriptor *ring;
    uint32_t next;     /* the descriptor that is looked at next */
    uint32_t believed; /* so many from `next` on are done, and the card was trusted after that */
    uint32_t given;    /* went back since the card was told */
    bool skips;        /* in the middle of a frame that did not fit a buffer */
} rx;

static struct {
    volatile struct e1000e_tx_descriptor *ring;
    uint32_t tail;  /* the descriptor that is filled next */
    uint32_t clean; /* the oldest one in the card; == tail: none */
    bool news;      /* filled since the card was told */
    uint64_t sent, done;
    struct nic_watch watch;
} tx;

static uint32_t reg_read(uint32_t offset)
{
    return *(volatile uint32_t *)(registers + offset);
}

static void reg_write(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(registers + offset) = value;
}

static uint8_t *rx_buffer(uint32_t index)
{
    return shared + (size_t)PAGE_RX * NIC_PAGE_BYTES + (size_t)index * BUFFER_BYTES;
}

static uint8_t *tx_buffer(uint32_t index)
{
    return shared + (size_t)PAGE_TX * NIC_PAGE_BYTES + (size_t)index * BUFFER_BYTES;
}

static uint64_t iova_of(const volatile void *at)
{
    return IOVA_NIC + (uint64_t)((const volatile uint8_t *)at - shared);
}

/* ---- start ------------------------------------------------------------------------------------ */

static bool is_ours(const uint8_t *config)
{
    return *(const volatile uint32_t *)config == E1000E_PCI_ID;
}

static const char *find(const uint8_t *config)
{
    (void)config;
    _Static_assert(REG_END <= MACHINE_BAR_BYTES, "all registers are mapped");
    registers = machine_bar(E1000E_BAR_REGISTERS);
    return registers ? NULL : "its registers are not ours";
}

static void place(uint8_t *memory)
{
    shared = memory;
    tx.sent = tx.done = 0;
    tx.ring = (volatile struct e1000e_tx_descriptor *)(memory + (size_t)PAGE_TX_RING * NIC_PAGE_BYTES);
    rx.ring = (volatile struct e1000e_rx_descriptor *)(memory + (size_t)PAGE_RX_RING * NIC_PAGE_BYTES);
}

static bool becomes_clear(uint32_t reg, uint32_t bits, uint32_t patience_ms)
{
    uint64_t deadline = machine_after_ms(patience_ms);

    while (reg_read(reg) & bits)
        if (machine_now() > deadline)
            return false;
    return true;
}

/* 10.2.2: quiet first, so that no transfer is cut in the middle.  A card that does not become quiet
 * is reset all the same. */
static bool reset(void)
{
    reg_write(REG_IMC, UINT32_MAX);
    reg_write(REG_RCTL, 0);
    reg_write(REG_TCTL, TCTL_PSP);
    reg_write(REG_CTRL, reg_read(REG_CTRL) | CTRL_MASTER_DISABLE);
    (void)becomes_clear(REG_STATUS, STATUS_MASTER_ENABLED, MASTER_PATIENCE_MS);
    reg_write(REG_CTRL, reg_read(REG_CTRL) | CTRL_RST);
    if (!becomes_clear(REG_CTRL, CTRL_RST, RESET_PATIENCE_MS))
        return false;
    reg_write(REG_IMC, UINT32_MAX);
    (void)reg_read(REG_ICR);
    return true;
}

static const char *address_read(struct nic_info *info)
{
    uint32_t low = reg_read(REG_RAL0), high = reg_read(REG_RAH0);

    if ((high & RAH_VALID) == 0)
        return "it has no address";
    for (uint32_t i = 0; i < 4; i++)
        info->mac[i] = (uint8_t)(low >> 8 * i);
    info->mac[4] = (uint8_t)high;
    info->mac[5] = (uint8_t)(high >> 8);
    return NULL;
}

static void link_read(struct nic_info *info)
{
    info->link = (reg_read(REG_STATUS) & STATUS_LINK_UP) != 0;
}

static void rx_give(uint32_t index)
{
    volatile struct e1000e_rx_descriptor *d = &rx.ring[index];

    d->status = 0;
    d->errors = 0;
    d->length = 0;
    d->address = iova_of(rx_buffer(index));
}

static void ring_set(uint32_t low, const volatile void *ring, uint32_t bytes)
{
    reg_write(low, (uint32_t)iova_of(ring));
    reg_write(low + (REG_RDBAH - REG_RDBAL), (uint32_t)(iova_of(ring) >> 32));
    reg_write(low + (REG_RDLEN - REG_RDBAL), bytes);
    reg_write(low + (REG_RDH - REG_RDBAL), 0);
    reg_write(low + (REG_RDT - REG_RDBAL), 0);
}

/* Receiver, chapter 7.1.  A switch wants to see all frames. */
static void rx_start(void)
{
    rx.next = rx.believed = rx.given = 0;
    rx.skips = false;
    for (uint32_t i = 0; i < RX_BUFFERS; i++)
        rx_give(i);
    ring_set(REG_RDBAL, rx.ring, RX_BUFFERS * sizeof(*rx.ring));
    reg_write(REG_RDTR, 0);
    reg_write(REG_RADV, 0);
    reg_write(REG_RFCTL, 0);
    reg_write(REG_RXCSUM, RXCSUM_IPOFLD | RXCSUM_TUOFLD);
    machine_dma_barrier();
    reg_write(REG_RCTL, RCTL_EN | RCTL_UPE | RCTL_MPE | RCTL_BAM | RCTL_SECRC);
    reg_write(REG_RDT, RX_BUFFERS - 1);
}

/* Transmitter, chapter 7.2 */
static void tx_start(void)
{
    nic_lost((uint32_t)(tx.sent - tx.done));
    tx.tail = tx.clean = 0;
    tx.news = false;
    tx.sent = tx.done = 0;
    tx.watch = (struct nic_watch){0};
    memset((void *)(uintptr_t)tx.ring, 0, TX_BUFFERS * sizeof(*tx.ring));
    ring_set(REG_TDBAL, tx.ring, TX_BUFFERS * sizeof(*tx.ring));
    reg_write(REG_TIPG, TIPG_COPPER);
    machine_dma_barrier();
    reg_write(REG_TCTL, TCTL_EN | TCTL_PSP | TCTL_CT | TCTL_COLD);
}

static const char *start(struct nic_info *info)
{
    const char *bad;

    if (!reset())
        return "it does not come out of a reset";
    bad = address_read(info);
    if (bad)
        return bad;
    info->offloads = 0;
    reg_write(REG_CTRL, CTRL_SLU | CTRL_ASDE);
    link_read(info);
    tx_start();
    rx_start();
    reg_write(REG_IMS, CAUSES);
    return NULL;
}

static void stop(void)
{
    (void)reset();
    reg_write(REG_CTRL, reg_read(REG_CTRL) | CTRL_MASTER_DISABLE);
}

/* ---- transmit --------------------------------------------------------------------------------- */

static uint32_t tx_after(uint32_t index)
{
    return index + 1 == TX_BUFFERS ? 0 : index + 1;
}

static void tx_collect(void)
{
    while (tx.clean != tx.tail && tx.ring[tx.clean].status & TXD_DONE) {
        tx.clean = tx_after(tx.clean);
        tx.done++;
    }
}

static void kick(void)
{
    if (!tx.news)
        return;
    tx.news = false;
    machine_dma_barrier(); /* descriptors before the tail */
    reg_write(REG_TDT, tx.tail);
}

/* One descriptor stays empty: a full ring would look like an empty one. */
static bool tx_has_room(void)
{
    if (tx_after(tx.tail) != tx.clean)
        return true;
    tx_collect();
    if (tx_after(tx.tail) != tx.clean)
        return true;
    kick();
    reg_write(REG_IMS, CAUSE_TXDW);
    tx_collect();
    return tx_after(tx.tail) != tx.clean;
}

static bool send(const struct packet *packet)
{
    volatile struct e1000e_tx_descriptor *d = &tx.ring[tx.tail];

    if (packet->length > FRAME_BYTES_MAX) {
        nic_lost(1);
        return true;
    }
    if (!tx_has_room())
        return false;
    packet_copy(packet, 0, tx_buffer(tx.tail), packet->length);
    d->address = iova_of(tx_buffer(tx.tail));
    d->length = (uint16_t)packet->length;
    d->checksum_offset = d->checksum_start = 0;
    d->special = 0;
    d->status = 0;
    d->command = TXD_END | TXD_FCS | TXD_REPORT;
    tx.tail = tx_after(tx.tail);
    tx.news = true;
    tx.sent++;
    return true;
}

/* ---- receive ---------------------------------------------------------------------------------- */

static uint32_t rx_plus(uint32_t index, uint32_t count)
{
    return (index + count) % RX_BUFFERS;
}

static void rx_tell(void)
{
    if (rx.given == 0)
        return;
    rx.given = 0;
    machine_dma_barrier(); /* descriptors before the tail */
    reg_write(REG_RDT, rx_plus(rx.next, RX_BUFFERS - 1));
}

static void receive_done(void)
{
    rx_give(rx.next);
    rx.next = rx_plus(rx.next, 1);
    rx.believed--;
    if (++rx.given >= GIVE_BACK)
        rx_tell();
}

/* How many descriptors are done counts only if nothing was refused before that. */
static bool rx_look(void)
{
    uint32_t done = 0;

    while (done < RX_BUFFERS - 1 && rx.ring[rx_plus(rx.next, done)].status & RXD_DONE)
        done++;
    if (done == 0)
        return false;
    machine_dma_barrier(); /* the status before the rest */
    if (!nic_is_trusted())
        return false;
    rx.believed = done;
    return true;
}

static const struct net_offload no_offload;

/* False: not a whole good frame. */
static bool packet_make(struct packet *packet)
{
    const volatile struct e1000e_rx_descriptor *d = &rx.ring[rx.next];
    uint32_t length = d->length;
    uint8_t status = d->status, errors = d->errors;
    const struct packet_piece piece = {rx_buffer(rx.next), length};
    bool is_rest = rx.skips;

    rx.skips = (status & RXD_END) == 0;
    if (rx.skips || is_rest || errors & RXD_FRAME_ERRORS || length < NET_PACKET_BYTES_MIN ||
        length > BUFFER_BYTES)
        return false;
    if (!packet_from_pieces(packet, length, &no_offload, &piece, 1))
        return false;
    if ((status & (RXD_TCP_SUM | RXD_IGNORE_SUM)) == RXD_TCP_SUM && (errors & RXD_SUM_ERRORS) == 0)
        packet->offload.flags = NET_CHECKSUM_GOOD;
    return true;
}

static bool receive(struct packet *packet)
{
    uint32_t bad = 0;

    for (; bad < BAD_MAX && (rx.believed != 0 || rx_look()); bad++) {
        if (packet_make(packet))
            return true;
        nic_lost(1);
        receive_done();
    }
    if (bad == BAD_MAX)
        nic_distrust("it receives nothing but nonsense");
    rx_tell();
    return false;
}

/* ---- events ----------------------------------------------------------------------------------- */

static bool interrupt(struct nic_info *info)
{
    uint32_t causes = reg_read(REG_ICR);

    reg_write(REG_IMC, CAUSE_TXDW); /* it is on only while somebody waits for room */
    if (causes & CAUSE_LSC)
        link_read(info);
    tx_collect();
    return causes != 0;
}

static const char *check(struct nic_info *info)
{
    if (reg_read(REG_STATUS) == UINT32_MAX)
        return "its registers are gone";
    link_read(info);
    tx_collect();
    return nic_watch_check(&tx.watch, tx.sent, tx.done, info->link);
}

const struct nic_driver nic_e1000e = {
    .kind = "e1000e",
    .pages = PAGES,
    .read_only = PAGE_TX_RING,
    .is = is_ours,
    .find = find,
    .place = place,
    .start = start,
    .stop = stop,
    .send = send,
    .kick = kick,
    .receive = receive,
    .receive_done = receive_done,
    .interrupt = interrupt,
    .check = check,
};
