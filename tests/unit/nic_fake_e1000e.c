/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_fake_e1000e.c - an 82574L for tests, as far as our driver uses it
 */
#include <string.h>

#include "nic_fake.h"
#include "nic_fake_cards.h"
#include "services/netdrv/e1000e.h"

static uint32_t mask;
static bool lies;
static struct e1000e_rx_descriptor lie;

static uint32_t get(uint32_t reg)
{
    uint32_t value;

    memcpy(&value, fake_bar + reg, sizeof(value));
    return value;
}

static void set(uint32_t reg, uint32_t value)
{
    memcpy(fake_bar + reg, &value, sizeof(value));
}

static void power_on(void)
{
    memset(fake_bar, 0, REG_END);
    set(REG_RAL0, 0x01005452u); /* 52:54:00:01:02:03 */
    set(REG_RAH0, 0x80000302u);
    set(REG_STATUS, STATUS_MASTER_ENABLED | (fake_nic.link ? STATUS_LINK_UP : 0));
    mask = 0;
}

void fake_e1000e_make(void)
{
    static const uint8_t id[4] = {0x86, 0x80, 0xd3, 0x10};

    memcpy(fake_config, id, sizeof(id));
    lies = false;
    power_on();
}

void fake_e1000e_look(void)
{
    uint32_t status = get(REG_STATUS) & ~(STATUS_LINK_UP | STATUS_MASTER_ENABLED);

    if (get(REG_CTRL) & CTRL_RST && !fake_nic.stuck) {
        power_on();
        fake_nic.resets++;
    }
    if (status != (UINT32_MAX & ~(STATUS_LINK_UP | STATUS_MASTER_ENABLED)))
        set(REG_STATUS, status | (fake_nic.link ? STATUS_LINK_UP : 0) |
                            (get(REG_CTRL) & CTRL_MASTER_DISABLE ? 0 : STATUS_MASTER_ENABLED));
    mask = (mask | get(REG_IMS)) & ~get(REG_IMC);
    set(REG_IMS, 0);
    set(REG_IMC, 0);
}

static void raise(uint32_t cause)
{
    set(REG_ICR, get(REG_ICR) | cause);
    if (mask & cause)
        fake_nic.interrupts++;
}

static uint64_t base_of(uint32_t low)
{
    return (uint64_t)get(low + 4) << 32 | get(low);
}

static void send_one(uint32_t head)
{
    struct e1000e_tx_descriptor *d = (void *)fake_nic_reach(base_of(REG_TDBAL) + head * 16u, 16, true);
    const uint8_t *from = d ? fake_nic_reach(d->address, d->length, false) : NULL;

    if (from && d->command & TXD_END)
        fake_nic_sent(NULL, from, d->length);
    if (d && d->command & TXD_REPORT)
        d->status |= TXD_DONE;
}

bool fake_e1000e_run(void)
{
    uint32_t count = get(REG_TDLEN) / 16u;
    bool has_sent = false;

    while (get(REG_TCTL) & TCTL_EN && !fake_nic.silent && get(REG_TDH) != get(REG_TDT)) {
        send_one(get(REG_TDH));
        set(REG_TDH, (get(REG_TDH) + 1) % count);
        has_sent = true;
    }
    if (has_sent)
        raise(CAUSE_TXDW);
    return (get(REG_ICR) & mask) != 0;
}

void fake_e1000e_lie(uint16_t length, uint8_t status, uint8_t errors)
{
    lies = true;
    lie = (struct e1000e_rx_descriptor){.length = length, .status = status, .errors = errors};
}

bool fake_e1000e_arrive(const uint8_t *frame, uint32_t bytes, const uint8_t *header)
{
    uint32_t count = get(REG_RDLEN) / 16u;
    struct e1000e_rx_descriptor *d;
    uint8_t *to;

    (void)header;
    if ((get(REG_RCTL) & RCTL_EN) == 0 || get(REG_RDH) == get(REG_RDT))
        return false;
    d = (void *)fake_nic_reach(base_of(REG_RDBAL) + get(REG_RDH) * 16u, 16, true);
    if (!d)
        return false;
    to = fake_nic_reach(fake_nic.misses ? 0 : d->address, bytes, true);
    if (to)
        memcpy(to, frame, bytes);
    d->length = lies ? lie.length : (uint16_t)bytes;
    d->errors = lies ? lie.errors : 0;
    d->status = lies ? lie.status : RXD_DONE | RXD_END | RXD_TCP_SUM;
    lies = false;
    set(REG_RDH, (get(REG_RDH) + 1) % count);
    raise(CAUSE_RXT0);
    return true;
}

void fake_e1000e_ack(void)
{
    set(REG_ICR, 0);
}
