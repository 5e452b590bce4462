/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio_pci_find.c - where a virtio function's registers are (Virtio 1.1, 4.1.4)
 *
 * init assigned the BARs and mapped each memory BAR for us; here the list of capabilities is walked, in a
 * configuration page that we cannot write.  What the device says there is judged: bounds, loops, BARs we do
 * not hold.
 */
#include <string.h>

#include "driver.h"
#include "virtio_pci.h"

enum {
    PCI_ID = 0x00,
    PCI_STATUS = 0x06,
    PCI_BAR0 = 0x10,
    PCI_BARS = 6,
    PCI_CAPABILITIES = 0x34,
    PCI_CONFIG_BYTES = 0x100,
    PCI_HEADER_BYTES = 0x40,
    PCI_STATUS_CAPABILITIES = 1 << 4,
    PCI_CAP_VENDOR = 0x09,
    PCI_BAR_IO = 1,
    PCI_BAR_TYPE = 6,
    PCI_BAR_64BIT = 4,
};
/* 4.1.2: vendor 0x1af4, device 0x1040 + type */
#define MODERN_ID_VENDOR 0x1af4u
#define MODERN_ID_DEVICE 0x1040u

static uint32_t config_read(const uint8_t *pci, uint32_t offset, uint32_t bytes)
{
    if (bytes == 1)
        return *(const volatile uint8_t *)(pci + offset);
    if (bytes == 2)
        return *(const volatile uint16_t *)(pci + offset);
    return *(const volatile uint32_t *)(pci + offset);
}

bool virtio_pci_is(const uint8_t *pci, uint32_t type)
{
    return config_read(pci, PCI_ID, 4) == ((MODERN_ID_DEVICE + type) << 16 | MODERN_ID_VENDOR);
}

/* Which of the memory BARs `bar` is, counted as init maps them; PCI_BARS if it is none. */
static uint32_t bar_index(const uint8_t *pci, uint32_t bar)
{
    uint32_t index = 0;

    for (uint32_t i = 0; i < PCI_BARS; i++) {
        uint32_t value = config_read(pci, PCI_BAR0 + 4 * i, 4);
        bool is_memory = (value & PCI_BAR_IO) == 0 && (value & ~0xfu) != 0;

        if (i == bar)
            return is_memory ? index : PCI_BARS;
        index += is_memory;
        if (is_memory && (value & PCI_BAR_TYPE) == PCI_BAR_64BIT)
            i++;
    }
    return PCI_BARS;
}

/* The registers that the capability at `at` describes: at least `least` bytes.  NULL: it does not hold up. */
static volatile uint8_t *group_find(const uint8_t *pci, uint32_t at, uint32_t least, uint32_t *bytes)
{
    uint32_t offset = config_read(pci, at + VIRTIO_CAP_OFFSET, 4);
    uint32_t length = config_read(pci, at + VIRTIO_CAP_LENGTH, 4);
    uint32_t index = bar_index(pci, config_read(pci, at + VIRTIO_CAP_BAR, 1));

    if (offset > MACHINE_BAR_BYTES || length > MACHINE_BAR_BYTES - offset || length < least ||
        offset % 4 != 0)
        return NULL;
    volatile uint8_t *bar = index < PCI_BARS ? machine_bar(index) : NULL;
    *bytes = length;
    return bar ? bar + offset : NULL;
}

static void capability_read(const uint8_t *pci, uint32_t at, uint32_t config_least, struct virtio_pci *v)
{
    uint32_t bytes;

    switch (config_read(pci, at + VIRTIO_CAP_TYPE, 1)) {
    case VIRTIO_CAP_COMMON:
        if (!v->common)
            v->common = group_find(pci, at, COMMON_BYTES, &bytes);
        break;
    case VIRTIO_CAP_ISR:
        if (!v->isr)
            v->isr = group_find(pci, at, 1, &bytes);
        break;
    case VIRTIO_CAP_DEVICE:
        if (!v->config)
            v->config = group_find(pci, at, config_least, &v->config_bytes);
        break;
    case VIRTIO_CAP_NOTIFY:
        if (v->notify || at > PCI_CONFIG_BYTES - VIRTIO_CAP_BYTES - 4)
            break;
        v->notify = group_find(pci, at, 2, &v->notify_bytes);
        v->notify_multiplier = config_read(pci, at + VIRTIO_CAP_NOTIFY_MULTIPLIER, 4);
        break;
    default: /* other kinds, or the first of a kind counts (4.1.4.1) */
        break;
    }
}

const char *virtio_pci_find(struct virtio_pci *v, const uint8_t *pci, uint32_t config_least)
{
    memset(v, 0, sizeof(*v));
    if ((config_read(pci, PCI_STATUS, 2) & PCI_STATUS_CAPABILITIES) == 0)
        return "its configuration lists no capabilities";

    uint32_t at = config_read(pci, PCI_CAPABILITIES, 1) & ~3u;
    /* Each capability takes four bytes or more: a longer list is a loop. */
    for (uint32_t left = (PCI_CONFIG_BYTES - PCI_HEADER_BYTES) / 4; left != 0 && at >= PCI_HEADER_BYTES;
         left--) {
        if (config_read(pci, at, 1) == PCI_CAP_VENDOR && at <= PCI_CONFIG_BYTES - VIRTIO_CAP_BYTES)
            capability_read(pci, at, config_least, v);
        at = config_read(pci, at + 1, 1) & ~3u;
    }
    if (!v->common || !v->notify || !v->isr || !v->config)
        return "its configuration does not say where all registers are";
    return NULL;
}
