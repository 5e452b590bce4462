/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device.c - a virtio block device's start, step by step (virtio 1.1, 3.1.1 and 5.2.5)
 */
#include "disk.h"

static void features_read(struct disk *disk)
{
    disk->read_only = (disk->pci.features & FEATURE_BLK_RO) != 0;
    disk->has_flush = (disk->pci.features & FEATURE_BLK_FLUSH) != 0;
    disk->block_bytes = 0; /* 512 unless the device says otherwise */
    if (disk->pci.features & FEATURE_BLK_SIZE)
        disk->block_bytes = virtio_pci_config32(&disk->pci, BLK_CONFIG_BLOCK_SIZE);
}

static const char *geometry_read(struct disk *disk)
{
    uint64_t sectors = virtio_pci_config64(&disk->pci, BLK_CONFIG_CAPACITY);

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

static const char *steps(struct disk *disk)
{
    const char *bad;

    if (!virtio_pci_reset(&disk->pci)) /* 1 */
        return "it does not come out of a reset";
    bad = virtio_pci_negotiate(&disk->pci, FEATURE_BLK_RO | FEATURE_BLK_SIZE | FEATURE_BLK_FLUSH); /* 2..6 */
    if (bad)
        return bad;
    features_read(disk);
    bad = geometry_read(disk); /* 7 */
    if (!bad)
        bad = virtio_pci_queue(&disk->pci, &disk->queue, 0, DISK_DESCS_MAX, VRING_SIZE_MAX);
    return bad ? bad : virtio_pci_run(&disk->pci); /* 8 */
}

const char *device_find(struct disk *disk)
{
    if (!virtio_pci_is(machine_pci_config(), VIRTIO_ID_BLOCK))
        return "it is not a modern virtio block device (disable-legacy=on)";
    return virtio_pci_find(&disk->pci, machine_pci_config(), BLK_CONFIG_BYTES);
}

const char *device_start(struct disk *disk)
{
    const char *bad = steps(disk);

    if (bad)
        virtio_pci_fail(&disk->pci);
    return bad;
}
