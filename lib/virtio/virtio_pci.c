/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio_pci.c - see virtio_pci.h: a device's start and reset, step by step
 */
#include "virtio_pci.h"

#include <stddef.h>

#include "driver.h"

#define RESET_PATIENCE_MS 1000u

static uint16_t read16(const volatile uint8_t *base, uint32_t offset)
{
    return *(const volatile uint16_t *)(base + offset);
}

static uint32_t read32(const volatile uint8_t *base, uint32_t offset)
{
    return *(const volatile uint32_t *)(base + offset);
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

uint8_t virtio_pci_status(const struct virtio_pci *v)
{
    return v->common[COMMON_STATUS];
}

static void status_add(struct virtio_pci *v, uint8_t bits)
{
    v->common[COMMON_STATUS] = (uint8_t)(virtio_pci_status(v) | bits);
}

void virtio_pci_fail(struct virtio_pci *v)
{
    status_add(v, VIRTIO_FAILED);
}

/* 4.1.4.3.2: the reset is done when the status reads 0. */
bool virtio_pci_reset(struct virtio_pci *v)
{
    uint64_t deadline = machine_after_ms(RESET_PATIENCE_MS);

    v->common[COMMON_STATUS] = 0;
    while (virtio_pci_status(v) != 0)
        if (machine_now() > deadline)
            return false;
    return true;
}

uint64_t virtio_pci_offered(struct virtio_pci *v)
{
    write32(v->common, COMMON_DEVICE_FEATURE_SELECT, 0);
    uint64_t low = read32(v->common, COMMON_DEVICE_FEATURE);
    write32(v->common, COMMON_DEVICE_FEATURE_SELECT, 1);
    return low | (uint64_t)read32(v->common, COMMON_DEVICE_FEATURE) << 32;
}

static void features_accept(struct virtio_pci *v, uint64_t features)
{
    write32(v->common, COMMON_DRIVER_FEATURE_SELECT, 0);
    write32(v->common, COMMON_DRIVER_FEATURE, (uint32_t)features);
    write32(v->common, COMMON_DRIVER_FEATURE_SELECT, 1);
    write32(v->common, COMMON_DRIVER_FEATURE, (uint32_t)(features >> 32));
}

const char *virtio_pci_negotiate(struct virtio_pci *v, uint64_t wanted)
{
    status_add(v, VIRTIO_ACKNOWLEDGE);
    status_add(v, VIRTIO_DRIVER);
    uint64_t offered = virtio_pci_offered(v);

    if ((offered & VIRTIO_F_VERSION_1) == 0)
        return "it is a legacy device";
    if ((offered & VIRTIO_F_ACCESS_PLATFORM) == 0)
        return "its DMA would not go through the SMMU (iommu_platform=on is missing)";

    v->features = offered & (wanted | VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM);
    features_accept(v, v->features);
    status_add(v, VIRTIO_FEATURES_OK);
    if ((virtio_pci_status(v) & VIRTIO_FEATURES_OK) == 0)
        return "it does not accept our features";
    return NULL;
}

/* 4.1.5.1.3 */
const char *virtio_pci_queue(struct virtio_pci *v, struct virtq *queue, uint16_t number, uint32_t least,
                             uint32_t most)
{
    write16(v->common, COMMON_QUEUE_SELECT, number);
    uint32_t size = read16(v->common, COMMON_QUEUE_SIZE);
    if (size > most)
        size = most;
    if (size < least || size == 0 || (size & (size - 1u)) != 0)
        return "its queue is too small";

    uint64_t offset = (uint64_t)read16(v->common, COMMON_QUEUE_NOTIFY) * v->notify_multiplier;
    if (offset % 2 != 0 || offset > v->notify_bytes - 2u)
        return "its doorbell is beyond its registers";

    virtq_start(queue, number, (uint16_t)size, (volatile uint16_t *)(v->notify + offset));
    write16(v->common, COMMON_QUEUE_SIZE, (uint16_t)size);
    write64(v->common, COMMON_QUEUE_DESC, queue->descriptors_iova);
    write64(v->common, COMMON_QUEUE_DRIVER, queue->avail_iova);
    write64(v->common, COMMON_QUEUE_DEVICE, queue->used_iova);
    write16(v->common, COMMON_QUEUE_ENABLE, 1);
    return NULL;
}

const char *virtio_pci_run(struct virtio_pci *v)
{
    machine_dma_barrier();
    status_add(v, VIRTIO_DRIVER_OK);
    return virtio_pci_status(v) & VIRTIO_NEEDS_RESET ? "it needs a reset right after one" : NULL;
}

uint8_t virtio_pci_isr(struct virtio_pci *v)
{
    return *v->isr;
}

uint8_t virtio_pci_config8(const struct virtio_pci *v, uint32_t offset)
{
    return v->config[offset];
}

uint16_t virtio_pci_config16(const struct virtio_pci *v, uint32_t offset)
{
    return read16(v->config, offset);
}

uint32_t virtio_pci_config32(const struct virtio_pci *v, uint32_t offset)
{
    return read32(v->config, offset);
}

uint64_t virtio_pci_config64(const struct virtio_pci *v, uint32_t offset)
{
    uint64_t value;
    uint8_t before;

    for (uint32_t tries = 0; tries < 16; tries++) {
        before = v->common[COMMON_GENERATION];
        value = read32(v->config, offset);
        value |= (uint64_t)read32(v->config, offset + 4) << 32;
        if (before == v->common[COMMON_GENERATION])
            return value;
    }
    return 0;
}
