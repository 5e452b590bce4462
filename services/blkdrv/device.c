/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device.c - a virtio device's start and reset, step by step (virtio 1.1, 3.1.1 and 4.1.5)
 */
#include "disk.h"

#define RESET_PATIENCE_MS 1000u

static uint8_t read8(const volatile uint8_t *base, uint32_t offset)
{
    return base[offset];
}

static uint16_t read16(const volatile uint8_t *base, uint32_t offset)
{
    return *(const volatile uint16_t *)(base + offset);
}

static uint32_t read32(const volatile uint8_t *base, uint32_t offset)
{
    return *(const volatile uint32_t *)(base + offset);
}

static void write8(volatile uint8_t *base, uint32_t offset, uint8_t value)
{
    base[offset] = value;
}

static void write16(volatile uint8_t *base, uint32_t offset, uint16_t value)
{
    *(volatile uint16_t *)(base + offset) = value;
}

static void write32(volatile uint8_t *base, uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(base + offset) = value;
}

/* 4.1.3.1: 64-bit fields as two halves. */
static void write64(volatile uint8_t *base, uint32_t offset, uint64_t value)
{
    write32(base, offset, (uint32_t)value);
    write32(base, offset + 4, (uint32_t)(value >> 32));
}

uint8_t device_status(const struct disk *disk)
{
    return read8(disk->reg.common, COMMON_STATUS);
}

static void status_add(struct disk *disk, uint8_t bits)
{
    write8(disk->reg.common, COMMON_STATUS, (uint8_t)(device_status(disk) | bits));
}

/* 4.1.4.3.2: the reset is done when the status reads 0; then the device touches no memory of ours. */
bool device_reset(struct disk *disk)
{
    uint64_t deadline = machine_after_ms(RESET_PATIENCE_MS);

    write8(disk->reg.common, COMMON_STATUS, 0);
    while (device_status(disk) != 0)
        if (machine_now() > deadline)
            return false;
    return true;
}

static uint64_t features_offered(struct disk *disk)
{
    write32(disk->reg.common, COMMON_DEVICE_FEATURE_SELECT, 0);
    uint64_t low = read32(disk->reg.common, COMMON_DEVICE_FEATURE);
    write32(disk->reg.common, COMMON_DEVICE_FEATURE_SELECT, 1);
    return low | (uint64_t)read32(disk->reg.common, COMMON_DEVICE_FEATURE) << 32;
}

static void features_accept(struct disk *disk, uint64_t features)
{
    write32(disk->reg.common, COMMON_DRIVER_FEATURE_SELECT, 0);
    write32(disk->reg.common, COMMON_DRIVER_FEATURE, (uint32_t)features);
    write32(disk->reg.common, COMMON_DRIVER_FEATURE_SELECT, 1);
    write32(disk->reg.common, COMMON_DRIVER_FEATURE, (uint32_t)(features >> 32));
}

static const char *features_negotiate(struct disk *disk)
{
    const uint64_t needed = FEATURE_VERSION_1 | FEATURE_ACCESS_PLATFORM;
    uint64_t offered = features_offered(disk);

    if ((offered & FEATURE_VERSION_1) == 0)
        return "it is a legacy device";
    if ((offered & FEATURE_ACCESS_PLATFORM) == 0)
        return "its DMA would not go through the SMMU (iommu_platform=on is missing)";

    features_accept(disk, offered & (needed | FEATURE_BLK_RO | FEATURE_BLK_SIZE | FEATURE_BLK_FLUSH));
    status_add(disk, STATUS_FEATURES_OK);
    if ((device_status(disk) & STATUS_FEATURES_OK) == 0)
        return "it does not accept our features";

    disk->read_only = (offered & FEATURE_BLK_RO) != 0;
    disk->has_flush = (offered & FEATURE_BLK_FLUSH) != 0;
    disk->block_bytes = 0; /* 512 unless the device says otherwise */
    if (offered & FEATURE_BLK_SIZE)
        disk->block_bytes = read32(disk->reg.config, BLK_CONFIG_BLOCK_SIZE);
    return NULL;
}

/* 2.4.1: a field wider than 32 bits is read until the generation did not change meanwhile. */
static uint64_t capacity_read(const struct disk *disk)
{
    uint64_t capacity;
    uint8_t before;

    for (uint32_t tries = 0; tries < 16; tries++) {
        before = read8(disk->reg.common, COMMON_GENERATION);
        capacity = read32(disk->reg.config, BLK_CONFIG_CAPACITY);
        capacity |= (uint64_t)read32(disk->reg.config, BLK_CONFIG_CAPACITY + 4) << 32;
        if (before == read8(disk->reg.common, COMMON_GENERATION))
            return capacity;
    }
    return 0;
}

static const char *geometry_read(struct disk *disk)
{
    uint64_t sectors = capacity_read(disk);

    if (disk->block_bytes == 0)
        disk->block_bytes = BLK_SECTOR_BYTES;
    if (disk->block_bytes < BLK_SECTOR_BYTES || disk->block_bytes > BLK_PAGE_BYTES ||
        (disk->block_bytes & (disk->block_bytes - 1u)) != 0)
        return "its block size is not a power of two from 512 to 4096";
    if (sectors == 0 || sectors > UINT64_MAX / BLK_SECTOR_BYTES)
        return "it says no sensible capacity";
    /* After a reset we go on with the old partitions: they must still be there. */
    if (disk->sectors != 0 && sectors < disk->sectors)
        return "it became smaller";
    disk->sectors = sectors;
    return NULL;
}

/* 4.1.5.1.3 */
static const char *queue_setup(struct disk *disk)
{
    volatile uint8_t *common = disk->reg.common;

    write16(common, COMMON_QUEUE_SELECT, 0);
    uint16_t size = read16(common, COMMON_QUEUE_SIZE);
    if (size > QUEUE_SIZE_MAX)
        size = QUEUE_SIZE_MAX;
    if (size < DISK_DESCS_MAX || (size & (size - 1u)) != 0)
        return "its queue is too small";

    uint64_t offset = (uint64_t)read16(common, COMMON_QUEUE_NOTIFY) * disk->reg.notify_multiplier;
    if (offset % 2 != 0 || offset > disk->reg.notify_bytes - 2u)
        return "its doorbell is beyond its registers";

    disk->doorbell = disk->reg.notify + offset;
    disk->queue_size = size;
    queue_reset(disk);
    write16(common, COMMON_QUEUE_SIZE, size);
    write64(common, COMMON_QUEUE_DESC, queue_iova(disk, disk->desc));
    write64(common, COMMON_QUEUE_DRIVER, queue_iova(disk, disk->avail));
    write64(common, COMMON_QUEUE_DEVICE, queue_iova(disk, disk->used));
    write16(common, COMMON_QUEUE_ENABLE, 1);
    return NULL;
}

static const char *steps(struct disk *disk)
{
    const char *bad;

    if (!device_reset(disk)) /* 1 */
        return "it does not come out of a reset";
    status_add(disk, STATUS_ACKNOWLEDGE); /* 2 */
    status_add(disk, STATUS_DRIVER);      /* 3 */
    bad = features_negotiate(disk);       /* 4, 5, 6 */
    if (!bad)
        bad = geometry_read(disk);
    if (!bad)
        bad = queue_setup(disk); /* 7 */
    if (bad)
        return bad;

    machine_dma_barrier();
    status_add(disk, STATUS_DRIVER_OK); /* 8 */
    return device_status(disk) & STATUS_NEEDS_RESET ? "it needs a reset right after one" : NULL;
}

const char *device_start(struct disk *disk)
{
    const char *bad = steps(disk);

    if (bad)
        status_add(disk, STATUS_FAILED);
    return bad;
}
