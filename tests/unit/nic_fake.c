/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_fake.c - see nic_fake.h: the machine; the cards are nic_fake_virtio.c and nic_fake_e1000e.c
 */
#include "nic_fake.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nic_fake_cards.h"
#include "services/netdrv/machine.h"

struct fake_nic fake_nic;
uint8_t fake_bar[MACHINE_BAR_BYTES] __attribute__((aligned(4096)));
uint8_t fake_config[256] __attribute__((aligned(8)));
static uint8_t *memory;
static uint32_t memory_bytes;

static const struct fake_card_code cards[] = {
    [FAKE_VIRTIO] = {fake_virtio_make, fake_virtio_look, fake_virtio_run, fake_virtio_arrive,
                     fake_virtio_ack},
    [FAKE_E1000E] = {fake_e1000e_make, fake_e1000e_look, fake_e1000e_run, fake_e1000e_arrive,
                     fake_e1000e_ack},
};

static const struct fake_card_code *card(void)
{
    return fake_nic.card == FAKE_VIRTIO || fake_nic.card == FAKE_E1000E ? &cards[fake_nic.card] : NULL;
}

void fake_nic_free(void)
{
    for (uint32_t i = 0; i < fake_nic.sent_count; i++)
        free(fake_nic.sent[i].data);
    free(memory);
    memory = NULL;
    memset(&fake_nic, 0, sizeof(fake_nic));
}

void fake_nic_reset(enum fake_card which)
{
    fake_nic_free();
    fake_nic.card = which;
    fake_nic.now = 1000;
    fake_nic.link = true;
    fake_nic.keeps_order = true;
    memset(fake_bar, 0, sizeof(fake_bar));
    memset(fake_config, 0, sizeof(fake_config));
    if (card())
        card()->make();
}

bool fake_nic_run(void)
{
    card()->look();
    return card()->run();
}

bool fake_nic_arrive(const void *frame, uint32_t bytes, const void *header)
{
    card()->look();
    return card()->arrive(frame, bytes, header);
}

void fake_nic_sent(const void *header, const void *data, uint32_t bytes)
{
    struct fake_frame *frame = &fake_nic.sent[fake_nic.sent_count++];

    frame->bytes = bytes;
    frame->data = malloc(bytes + 1);
    memcpy(frame->data, data, bytes);
    if (header)
        memcpy(frame->header, header, sizeof(frame->header));
}

volatile uint8_t *fake_nic_bar(void)
{
    return fake_bar;
}

uint8_t *fake_nic_reach(uint64_t iova, uint32_t bytes, bool is_store)
{
    uint64_t offset = iova - IOVA_NIC;
    bool is_refused = offset >= memory_bytes || bytes > memory_bytes - offset ||
                      (is_store && offset < (uint64_t)fake_nic.read_only * NIC_PAGE_BYTES);

    if (!is_refused)
        return memory + offset;
    fake_nic.fault.count++;
    fake_nic.fault.address = iova;
    return NULL;
}

uint8_t *fake_nic_memory(uint64_t iova)
{
    return memory + (iova - IOVA_NIC);
}

/* ---- driver.h and nic_machine.h ------------------------------------------------------------------ */

void machine_log(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(fake_nic.last_log, sizeof(fake_nic.last_log), format, args);
    va_end(args);
    fake_nic.logs++;
}

/* Time passes while somebody waits for it. */
uint64_t machine_now(void)
{
    if (card())
        card()->look();
    return fake_nic.now++;
}

uint64_t machine_after_ms(uint64_t ms)
{
    if (card())
        card()->look();
    return fake_nic.now + ms;
}

void machine_dma_barrier(void)
{
    card()->look();
}

volatile uint8_t *machine_bar(uint32_t index)
{
    return index == 0 ? fake_bar : NULL;
}

bool machine_has_device(void)
{
    return fake_nic.card != FAKE_NO_CARD;
}

const uint8_t *machine_pci_config(void)
{
    return fake_config;
}

enum status machine_device_start(uint32_t pages, uint32_t read_only, uint8_t **at)
{
    memory_bytes = pages * NIC_PAGE_BYTES;
    memory = aligned_alloc(NIC_PAGE_BYTES, memory_bytes);
    memset(memory, 0, memory_bytes);
    fake_nic.read_only = read_only;
    *at = memory;
    return OK;
}

void machine_irq_ack(void)
{
    fake_nic.irq_acks++;
    card()->ack();
}

struct dma_fault machine_dma_fault(void)
{
    return fake_nic.fault;
}

void machine_dma_faults_again(void)
{
}

uint32_t machine_stream(void)
{
    return 0x18;
}
