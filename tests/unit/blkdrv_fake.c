/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blkdrv_fake.c - see blkdrv_fake.h
 *
 * The registers are plain memory, so the device cannot see a write as it happens: it looks at the status and
 * at the queue's enable register when it runs.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "blkdrv_fake.h"
#include "gpt_image.h"

struct fake fake;

/* One BAR: common at 0, ISR at 0x1000, device configuration at 0x2000, doorbells at 0x3000, as QEMU has it.
 */
static uint8_t bar[MACHINE_BAR_BYTES] __attribute__((aligned(4096)));
static uint8_t config[256] __attribute__((aligned(8)));
static uint8_t queue[QUEUE_PAGES * BLK_PAGE_BYTES] __attribute__((aligned(4096)));
static uint8_t blocks[BLOCKS_MAX][BLK_BLOCK_BYTES] __attribute__((aligned(4096)));
static uint8_t ram[FAKE_RAM_CHUNKS * RAM_VOLUME_CHUNK] __attribute__((aligned(4096)));
static uint16_t device_avail, device_used;

static void capability(uint32_t at, uint8_t next, uint8_t type, uint32_t offset, uint32_t length)
{
    uint8_t cap[20] = {0x09, next, 20, type, 4 /* BAR */};

    put32(cap + 8, offset);
    put32(cap + 12, length);
    put32(cap + 16, 4); /* notify multiplier */
    memcpy(config + at, cap, sizeof(cap));
}

static void config_make(void)
{
    memset(config, 0, sizeof(config));
    put32(config, 0x10421af4u);
    config[0x06] = 0x10;
    put32(config + 0x14, 0x10000000u); /* BAR 1: memory, 32 bits: not ours */
    put32(config + 0x20, 0x1000400cu); /* BAR 4 and 5: memory, 64 bits: the second one that is mapped */
    config[0x34] = 0x40;
    config[0x40] = 0x11; /* some other capability */
    config[0x41] = 0x50;
    capability(0x50, 0x64, VIRTIO_CAP_COMMON, 0, 0x1000);
    capability(0x64, 0x78, VIRTIO_CAP_ISR, 0x1000, 0x1000);
    capability(0x78, 0x8c, VIRTIO_CAP_DEVICE, 0x2000, 0x1000);
    capability(0x8c, 0, VIRTIO_CAP_NOTIFY, 0x3000, 0x1000);
}

static void registers_make(void)
{
    memset(bar, 0, sizeof(bar));
    put32(bar + COMMON_DEVICE_FEATURE, (uint32_t)fake.features | (uint32_t)(fake.features >> 32));
    put32(bar + COMMON_QUEUE_SIZE, 256);
    put64(bar + 0x2000 + BLK_CONFIG_CAPACITY, FAKE_SECTORS);
    put32(bar + 0x2000 + BLK_CONFIG_BLOCK_SIZE, 512);
}

static void disk_make(void)
{
    struct gpt_image image;

    gpt_image_make(&image, fake.disk, FAKE_SECTORS, 512);
    gpt_image_partition(&image, 0, "debian1", 100, 1099);
    gpt_image_partition(&image, 1, "debian2", 2000, 2999);
}

void fake_reset(void)
{
    memset(&fake, 0, sizeof(fake));
    fake.has_device = true;
    fake.now = 1000;
    fake.features = VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | FEATURE_BLK_FLUSH | FEATURE_BLK_SIZE;
    disk_make();
    fake_restart();
}

void fake_restart(void)
{
    memset(queue, 0xee, sizeof(queue));
    memset(fake.block_shared, 0, sizeof(fake.block_shared));
    fake.queue_read_only = 0;
    config_make();
    registers_make();
}

/* ---- the device ---------------------------------------------------------------------------------- */

static void device_fail(uint64_t address)
{
    fake.fault.count++;
    fake.fault.address = address;
    bar[COMMON_STATUS] |= VIRTIO_NEEDS_RESET;
    bar[0x1000] |= ISR_CONFIG;
}

/* What the SMMU lets through, or NULL. */
static uint8_t *reach(uint64_t iova, uint32_t bytes, bool store)
{
    uint64_t offset = iova - IOVA_QUEUE;

    if (offset < sizeof(queue) && bytes <= sizeof(queue) - offset)
        return store && offset < (uint64_t)fake.queue_read_only * BLK_PAGE_BYTES ? NULL : queue + offset;
    uint64_t block = (iova - IOVA_BLOCKS) / BLK_BLOCK_BYTES;
    offset = (iova - IOVA_BLOCKS) % BLK_BLOCK_BYTES;
    if (iova < IOVA_BLOCKS || block >= BLOCKS_MAX || !fake.block_shared[block] ||
        bytes > BLK_BLOCK_BYTES - offset)
        return NULL;
    return blocks[block] + offset;
}

static uint8_t transfer(struct virtio_blk_header *header, uint64_t *at, uint8_t *data, uint32_t bytes)
{
    if (*at > sizeof(fake.disk) || bytes > sizeof(fake.disk) - *at)
        return VIRTIO_BLK_IOERR;
    if (header->type == VIRTIO_BLK_IN)
        memcpy(data, fake.disk + *at, bytes);
    else
        memcpy(fake.disk + *at, data, bytes);
    *at += bytes;
    return VIRTIO_BLK_OK;
}

static void note(struct virtio_blk_header *header)
{
    char what = header->type == VIRTIO_BLK_IN ? 'r' : header->type == VIRTIO_BLK_OUT ? 'w' : 'f';
    size_t used = strlen(fake.order);

    fake.reads += what == 'r';
    fake.writes += what == 'w';
    fake.flushes += what == 'f';
    if (used + 1 < sizeof(fake.order))
        fake.order[used] = what;
}

/* False: it stumbled over an address. */
static bool chain_run(const struct vring_descriptor *table, uint16_t head)
{
    const struct vring_descriptor *d = &table[head];
    struct virtio_blk_header *header = (struct virtio_blk_header *)reach(d->address, d->length, false);
    uint8_t result = VIRTIO_BLK_OK;

    if (!header) {
        device_fail(d->address);
        return false;
    }
    uint64_t at = header->sector * 512;

    note(header);
    for (;;) {
        d = &table[d->next];
        bool is_last = (d->flags & VRING_NEXT) == 0;
        uint8_t *data = reach(d->address, d->length, (d->flags & VRING_WRITE) != 0);

        if (!data && fake.hides && !is_last) {
            fake.fault.count += d->length;
            fake.fault.address = d->address + d->length - 1;
            continue;
        }
        if (!data) {
            device_fail(d->address);
            return false;
        }
        if (is_last) {
            *data = fake.fails ? VIRTIO_BLK_IOERR : result;
            return true;
        }
        if (result == VIRTIO_BLK_OK && !fake.fails)
            result = transfer(header, &at, data, d->length);
    }
}

static uint64_t bar_field64(uint32_t offset)
{
    uint64_t value;

    memcpy(&value, bar + offset, sizeof(value));
    return value;
}

static void used_add(struct virtq_used *used, uint16_t head)
{
    used->ring[device_used % 256].id = fake.lies ? 255u : head;
    used->index = ++device_used;
    bar[0x1000] |= ISR_QUEUE;
}

uint64_t fake_device_run(void)
{
    bool was_set_up = bar[COMMON_QUEUE_ENABLE] == 1;

    if ((bar[COMMON_STATUS] & VIRTIO_DRIVER_OK) == 0 || (bar[COMMON_STATUS] & VIRTIO_NEEDS_RESET) != 0)
        return bar[0x1000] ? EV_IRQ : 0;
    if (was_set_up) { /* since we last looked */
        device_avail = device_used = 0;
        bar[COMMON_QUEUE_ENABLE] = 2;
    }
    const struct vring_descriptor *table = (void *)reach(bar_field64(COMMON_QUEUE_DESC), 4096, false);
    const struct virtq_avail *avail = (void *)reach(bar_field64(COMMON_QUEUE_DRIVER), 518, false);
    struct virtq_used *used = (void *)reach(bar_field64(COMMON_QUEUE_DEVICE), 2054, true);

    while (!fake.silent && !fake.holds && table && avail && used && device_avail != avail->index) {
        uint16_t head = avail->ring[device_avail++ % 256];

        if (!chain_run(table, head))
            break;
        used_add(used, head);
    }
    return (bar[0x1000] ? EV_IRQ : 0) | (bar[COMMON_STATUS] & VIRTIO_NEEDS_RESET ? EV_FAULT : 0);
}

/* ---- machine.h ------------------------------------------------------------------------------------- */

void machine_log(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(fake.last_log, sizeof(fake.last_log), format, args);
    va_end(args);
    fake.logs++;
}

uint64_t machine_now(void)
{
    return fake.now;
}

uint64_t machine_after_ms(uint64_t ms)
{
    return fake.now + ms;
}

uint64_t machine_wait_events(uint64_t deadline)
{
    uint64_t events = fake_device_run();

    if (events == 0)
        fake.now = deadline + 1;
    return events;
}

/* The driver's last step before it starts the device: a device that is stuck comes up broken again. */
void machine_dma_barrier(void)
{
    if (fake.stuck)
        bar[COMMON_STATUS] |= VIRTIO_NEEDS_RESET;
}

bool machine_has_device(void)
{
    return fake.has_device;
}

const uint8_t *machine_pci_config(void)
{
    return config;
}

volatile uint8_t *machine_bar(uint32_t index)
{
    return index == 1 ? bar : NULL;
}

enum status machine_device_start(uint32_t read_only, uint8_t **memory)
{
    memset(queue, 0, sizeof(queue));
    fake.queue_read_only = read_only;
    *memory = queue;
    return OK;
}

void machine_irq_ack(void)
{
    bar[0x1000] = 0; /* what reading the ISR does */
}

struct dma_fault machine_dma_fault(void)
{
    return fake.fault;
}

void machine_dma_faults_again(void)
{
}

uint32_t machine_stream(void)
{
    return 0x10;
}

uint8_t *machine_block(uint32_t block)
{
    return blocks[block];
}

enum status machine_block_fetch(uint32_t block, slot_t memory, char *text, size_t text_bytes)
{
    if (memory != FAKE_MEMORY) {
        snprintf(text, text_bytes, "no session");
        return ERR_CAP;
    }
    memset(blocks[block], 0, sizeof(blocks[block]));
    fake.block_shared[block] = false;
    fake.block_exists[block] = true;
    fake.fetched++;
    if (fake.dies_after_fetch)
        longjmp(fake.death, 1);
    return OK;
}

enum status machine_block_resume(uint32_t block)
{
    return fake.block_exists[block] ? OK : ERR_CAP;
}

bool machine_block_exists(uint32_t block)
{
    return fake.block_exists[block];
}

enum status machine_block_share(uint32_t block)
{
    fake.block_shared[block] = true;
    return OK;
}

void machine_client_signal(uint32_t client)
{
    fake.signals[client]++;
}

void machine_client_forget(uint32_t client)
{
    (void)client;
}

uint8_t *machine_persistent(void)
{
    return fake.persistent;
}

uint8_t *machine_ram(void)
{
    return ram;
}

enum status machine_ram_map(slot_t session, uint32_t first, uint32_t count, char *text, size_t text_bytes)
{
    if (session != FAKE_MEMORY || first + count > FAKE_RAM_CHUNKS || fake.ram_refused) {
        snprintf(text, text_bytes, "disk 0 of VM 16 asked for too much");
        return ERR_MEM;
    }
    for (uint32_t i = first; i < first + count; i++) {
        if (fake.ram_mapped[i])
            fake.ram_wrong = true;
        fake.ram_mapped[i] = true;
    }
    memset(ram + first * RAM_VOLUME_CHUNK, 0, count * RAM_VOLUME_CHUNK);
    return OK;
}

enum status machine_ram_resume(uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++)
        if (i >= FAKE_RAM_CHUNKS || !fake.ram_mapped[i])
            return ERR_CAP;
    return OK;
}

void machine_ram_unmap(uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count && i < FAKE_RAM_CHUNKS; i++)
        fake.ram_mapped[i] = false;
}

bool machine_test_hooks(void)
{
    return fake.test_hooks;
}
