/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic_fake_cards.h - between nic_fake.c and its two cards
 */
#ifndef TESTS_NIC_FAKE_CARDS_H
#define TESTS_NIC_FAKE_CARDS_H

#include <stdbool.h>
#include <stdint.h>

struct fake_card_code {
    void (*make)(void); /* configuration and registers, as after power-on */
    void (*look)(void); /* take notice of what was written to registers */
    bool (*run)(void);  /* send; true: the line is up */
    bool (*arrive)(const uint8_t *frame, uint32_t bytes, const uint8_t *header);
    void (*ack)(void); /* the driver has read the cause */
};

extern uint8_t fake_bar[], fake_config[256];

/* Memory that the SMMU lets it reach, or NULL and a fault. */
uint8_t *fake_nic_reach(uint64_t iova, uint32_t bytes, bool is_store);
void fake_nic_sent(const void *header, const void *data, uint32_t bytes);

void fake_virtio_make(void);
void fake_virtio_look(void);
bool fake_virtio_run(void);
bool fake_virtio_arrive(const uint8_t *frame, uint32_t bytes, const uint8_t *header);
void fake_virtio_ack(void);

void fake_e1000e_make(void);
void fake_e1000e_look(void);
bool fake_e1000e_run(void);
bool fake_e1000e_arrive(const uint8_t *frame, uint32_t bytes, const uint8_t *header);
void fake_e1000e_ack(void);

#endif
