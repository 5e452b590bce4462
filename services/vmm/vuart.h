/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vuart.h - a PL011 (Arm DDI 0183, revision r1p4) between the guest and its wire
 *
 * What the guest sends goes straight to the wire; only when that is full do bytes wait in the transmit FIFO,
 * so the guest sees a real, full FIFO and waits.  What is typed waits in the wire until the receive FIFO has
 * room.
 */
#ifndef VMM_VUART_H
#define VMM_VUART_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

#define VUART_FIFO 16u

struct vuart_fifo {
    uint8_t bytes[VUART_FIFO];
    uint32_t first;
    uint32_t count;
};

struct vuart {
    struct wire *wire;
    void (*interrupt)(void *context, bool is_asserted);
    void *interrupt_context;
    bool takes_input; /* the guest's console is this one */

    struct vuart_fifo rx, tx;
    uint32_t raw; /* UARTRIS */
    uint32_t mask;
    bool is_asserted;
    uint32_t ilpr, ibrd, fbrd, lcr_h, control, ifls, dmacr; /* kept, without effect but FEN and the enables */
};

void vuart_init(struct vuart *uart);
uint64_t vuart_read(struct vuart *uart, uint64_t offset, uint32_t size_bytes);
void vuart_write(struct vuart *uart, uint64_t offset, uint32_t size_bytes, uint64_t value);
/* The wire has room, or bytes: go on. */
void vuart_pump(struct vuart *uart);
/* Nothing waits in the transmit FIFO. */
bool vuart_is_drained(const struct vuart *uart);

#endif
