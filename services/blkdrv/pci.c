/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pci.c - where a virtio function's registers are (virtio 1.1, 4.1.4)
 *
 * init assigned the BARs and mapped each memory BAR for us; here the list of capabilities is walked, in a
 * configuration page that we cannot write.  What the device says there is judged: bounds, loops, BARs we do
 * not hold.
 */
#include <string.h>

#include "disk.h"

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
#define VIRTIO_BLK_MODERN_ID 0x10421af4u /* 4.1.2: 0x1040 + device type 2, vendor 0x1af4 */

static uint32_t config_read(const uint8_t *config, uint32_t offset, uint32_t bytes)
{
    if (bytes == 1)
        return *(const volatile uint8_t *)(config + offset);
    if (bytes == 2)
        return *(const volatile uint16_t *)(config + offset);
    return *(const volatile uint32_t *)(config + offset);
}

/* Which of the memory BARs `bar` is, counted as init maps them; PCI_BARS if it is none. */
static uint32_t bar_index(const uint8_t *config, uint32_t bar)
{
    uint32_t index = 0;

    for (uint32_t i = 0; i < PCI_BARS; i++) {
        uint32_t value = config_read(config, PCI_BAR0 + 4 * i, 4);
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
static volatile uint8_t *group_find(const uint8_t *config, uint32_t at, uint32_t least, uint32_t *bytes)
{
    uint32_t offset = config_read(config, at + VIRTIO_CAP_OFFSET, 4);
    uint32_t length = config_read(config, at + VIRTIO_CAP_LENGTH, 4);
    uint32_t index = bar_index(config, config_read(config, at + VIRTIO_CAP_BAR, 1));

    if (offset > MACHINE_BAR_BYTES || length > MACHINE_BAR_BYTES - offset || length < least ||
        offset % 4 != 0)
        return NULL;
    volatile uint8_t *bar = index < PCI_BARS ? machine_bar(index) : NULL;
    *bytes = length;
    return bar ? bar + offset : NULL;
}

static void capability_read(const uint8_t *config, uint32_t at, struct disk_registers *reg)
{
    uint32_t bytes;

    switch (config_read(config, at + VIRTIO_CAP_TYPE, 1)) {
    case VIRTIO_CAP_COMMON:
        if (!reg->common)
            reg->common = group_find(config, at, COMMON_BYTES, &bytes);
        break;
    case VIRTIO_CAP_ISR:
        if (!reg->isr)
            reg->isr = group_find(config, at, 1, &bytes);
        break;
    case VIRTIO_CAP_DEVICE:
        if (!reg->config)
            reg->config = group_find(config, at, BLK_CONFIG_BYTES, &bytes);
        break;
    case VIRTIO_CAP_NOTIFY:
        if (reg->notify || at > PCI_CONFIG_BYTES - VIRTIO_CAP_BYTES - 4)
            break;
        reg->notify = group_find(config, at, 2, &reg->notify_bytes);
        reg->notify_multiplier = config_read(config, at + VIRTIO_CAP_NOTIFY_MULTIPLIER, 4);
        break;
    default: /* other kinds, or the first of a kind counts (4.1.4.1) */
        break;
    }
}

const char *pci_find_registers(const uint8_t *config, struct disk_registers *reg)
{
    memset(reg, 0, sizeof(*reg));
    if (config_read(config, PCI_ID, 4) != VIRTIO_BLK_MODERN_ID)
        return "it is not a modern virtio block device (disable-legacy=on)";
    if ((config_read(config, PCI_STATUS, 2) & PCI_STATUS_CAPABILITIES) == 0)
        return "its configuration lists no capabilities";

    uint32_t at = config_read(config, PCI_CAPABILITIES, 1) & ~3u;
    /* Each capability takes four bytes or more: a longer list is a loop. */
    for (uint32_t left = (PCI_CONFIG_BYTES - PCI_HEADER_BYTES) / 4; left != 0 && at >= PCI_HEADER_BYTES;
         left--) {
        if (config_read(config, at, 1) == PCI_CAP_VENDOR && at <= PCI_CONFIG_BYTES - VIRTIO_CAP_BYTES)
            capability_read(config, at, reg);
        at = config_read(config, at + 1, 1) & ~3u;
    }
    if (!reg->common || !reg->notify || !reg->isr || !reg->config)
        return "its configuration does not say where all registers are";
    return NULL;
}
