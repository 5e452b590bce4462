/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vuart.c - the PL011's registers and FIFOs
 *
 * Section numbers are of Arm DDI 0183.  The line has no speed: a byte is sent when the wire takes it, and the
 * receive timeout has always just passed.
 */
#include "vuart.h"

#include <string.h>

enum { /* 3.2 Summary of registers */
       UARTDR = 0x000,
       UARTRSR = 0x004,
       UARTFR = 0x018,
       UARTILPR = 0x020,
       UARTIBRD = 0x024,
       UARTFBRD = 0x028,
       UARTLCR_H = 0x02c,
       UARTCR = 0x030,
       UARTIFLS = 0x034,
       UARTIMSC = 0x038,
       UARTRIS = 0x03c,
       UARTMIS = 0x040,
       UARTICR = 0x044,
       UARTDMACR = 0x048,
       UART_ID = 0xfe0, /* PeriphID0..3, PCellID0..3 */
};

enum { /* 3.3.3 Flag register */
       FR_CTS = 1,
       FR_DSR = 2,
       FR_DCD = 4,
       FR_BUSY = 8,
       FR_RXFE = 16,
       FR_TXFF = 32,
       FR_RXFF = 64,
       FR_TXFE = 128,
};

enum { INT_RX = 0x10, INT_TX = 0x20, INT_RT = 0x40, INT_ALL = 0x7ff };
enum { LCR_FEN = 0x10 };
enum { CR_RESET = 0x300, IFLS_RESET = 0x12 };

/* 2.4: with FIFOs disabled each is one byte deep. */
static uint32_t fifo_depth(const struct vuart *uart)
{
    return (uart->lcr_h & LCR_FEN) != 0 ? VUART_FIFO : 1;
}

/* 3.3.9: 1/8, 1/4, 1/2, 3/4, 7/8 of the FIFO; the others are reserved and taken as 1/2. */
static uint32_t fifo_level(const struct vuart *uart, uint32_t select)
{
    static const uint8_t eighths[8] = {1, 2, 4, 6, 7, 4, 4, 4};
    uint32_t level = fifo_depth(uart) * eighths[select & 7] / 8;

    return level == 0 ? 1 : level;
}

static void fifo_put(struct vuart_fifo *fifo, uint8_t byte)
{
    fifo->bytes[(fifo->first + fifo->count) % VUART_FIFO] = byte;
    fifo->count++;
}

static uint8_t fifo_take(struct vuart_fifo *fifo)
{
    uint8_t byte = fifo->bytes[fifo->first];

    fifo->first = (fifo->first + 1) % VUART_FIFO;
    fifo->count--;
    return byte;
}

static void interrupt_update(struct vuart *uart)
{
    bool is_asserted = (uart->raw & uart->mask) != 0;

    if (is_asserted == uart->is_asserted)
        return;
    uart->is_asserted = is_asserted;
    uart->interrupt(uart->interrupt_context, is_asserted);
}

/* Hand what waits in the transmit FIFO to the wire. */
static void transmit(struct vuart *uart)
{
    uint32_t before = uart->tx.count;
    uint32_t level = (uart->lcr_h & LCR_FEN) != 0 ? fifo_level(uart, uart->ifls) : 0;

    while (uart->tx.count != 0 && wire_put(uart->wire, &uart->tx.bytes[uart->tx.first], 1) == 1)
        (void)fifo_take(&uart->tx);
    if (uart->tx.count < before && uart->tx.count <= level)
        uart->raw |= INT_TX; /* 2.8.3: it went through its level */
}

/* Fill the receive FIFO from the wire. */
static void receive(struct vuart *uart)
{
    uint8_t byte;
    bool is_new = false;

    while (uart->takes_input && uart->rx.count < fifo_depth(uart) && wire_take(uart->wire, &byte, 1) == 1) {
        fifo_put(&uart->rx, byte);
        is_new = true;
    }
    if (!is_new)
        return;
    uart->raw |= INT_RT;
    if (uart->rx.count >= fifo_level(uart, uart->ifls >> 3))
        uart->raw |= INT_RX;
}

void vuart_init(struct vuart *uart)
{
    memset(&uart->rx, 0, sizeof uart->rx);
    memset(&uart->tx, 0, sizeof uart->tx);
    uart->raw = uart->mask = 0;
    uart->is_asserted = false;
    uart->ilpr = uart->ibrd = uart->fbrd = uart->lcr_h = uart->dmacr = 0;
    uart->control = CR_RESET;
    uart->ifls = IFLS_RESET;
}

void vuart_pump(struct vuart *uart)
{
    transmit(uart);
    receive(uart);
    interrupt_update(uart);
}

bool vuart_is_drained(const struct vuart *uart)
{
    return uart->tx.count == 0;
}

static void data_write(struct vuart *uart, uint8_t byte)
{
    uint32_t depth = fifo_depth(uart);

    if (uart->tx.count >= depth)
        transmit(uart);
    if (uart->tx.count >= depth)
        return; /* as hardware: it is lost */
    fifo_put(&uart->tx, byte);
    transmit(uart);
    if (uart->tx.count > fifo_level(uart, uart->ifls))
        uart->raw &= ~(uint32_t)INT_TX;
    interrupt_update(uart);
}

static uint32_t data_read(struct vuart *uart)
{
    uint32_t value = 0;

    if (uart->rx.count != 0)
        value = fifo_take(&uart->rx);
    if (uart->rx.count < fifo_level(uart, uart->ifls >> 3))
        uart->raw &= ~(uint32_t)INT_RX;
    if (uart->rx.count == 0)
        uart->raw &= ~(uint32_t)INT_RT;
    receive(uart);
    interrupt_update(uart);
    return value;
}

static uint32_t flags_read(struct vuart *uart)
{
    uint32_t flags = FR_CTS | FR_DSR | FR_DCD;

    if (uart->tx.count != 0)
        vuart_pump(uart); /* whoever polls for room should find it; bytes to receive announce themselves */
    if (uart->rx.count == 0)
        flags |= FR_RXFE;
    if (uart->rx.count >= fifo_depth(uart))
        flags |= FR_RXFF;
    if (uart->tx.count == 0)
        flags |= FR_TXFE;
    else
        flags |= FR_BUSY;
    if (uart->tx.count >= fifo_depth(uart))
        flags |= FR_TXFF;
    return flags;
}

static uint32_t id_read(uint64_t offset)
{
    static const uint8_t ids[] = {0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1}; /* 3.3.14, 3.3.15 */

    return ids[(offset - UART_ID) / 4];
}

uint64_t vuart_read(struct vuart *uart, uint64_t offset, uint32_t size_bytes)
{
    (void)size_bytes; /* any width reads the low bits of a register */
    if (offset >= UART_ID)
        return id_read(offset);
    switch (offset) {
    case UARTDR:
        return data_read(uart);
    case UARTFR:
        return flags_read(uart);
    case UARTILPR:
        return uart->ilpr;
    case UARTIBRD:
        return uart->ibrd;
    case UARTFBRD:
        return uart->fbrd;
    case UARTLCR_H:
        return uart->lcr_h;
    case UARTCR:
        return uart->control;
    case UARTIFLS:
        return uart->ifls;
    case UARTIMSC:
        return uart->mask;
    case UARTRIS:
        return uart->raw;
    case UARTMIS:
        return uart->raw & uart->mask;
    case UARTDMACR:
        return uart->dmacr;
    default:
        return 0; /* UARTRSR: a wire without a speed makes no errors */
    }
}

void vuart_write(struct vuart *uart, uint64_t offset, uint32_t size_bytes, uint64_t value64)
{
    uint32_t value = (uint32_t)value64;

    (void)size_bytes;
    switch (offset) {
    case UARTDR:
        data_write(uart, (uint8_t)value);
        break;
    case UARTILPR:
        uart->ilpr = value & 0xff;
        break;
    case UARTIBRD:
        uart->ibrd = value & 0xffff;
        break;
    case UARTFBRD:
        uart->fbrd = value & 0x3f;
        break;
    case UARTLCR_H:
        if (((value ^ uart->lcr_h) & LCR_FEN) != 0)
            uart->rx.count = uart->tx.count = 0; /* 3.3.7: switching FEN flushes the FIFOs */
        uart->lcr_h = value & 0xff;
        break;
    case UARTCR:
        uart->control = value & 0xffff;
        break;
    case UARTIFLS:
        uart->ifls = value & 0x3f;
        break;
    case UARTIMSC:
        uart->mask = value & INT_ALL;
        vuart_pump(uart);
        break;
    case UARTICR:
        uart->raw &= ~value;
        interrupt_update(uart);
        break;
    case UARTDMACR:
        uart->dmacr = value & 7;
        break;
    default:
        break;
    }
}
