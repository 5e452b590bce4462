/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uart.c - the PL011 that is the machine's one wire
 *
 * After ARM DDI 0183 (PrimeCell UART PL011), chapter 3.  Interrupts are levels that follow the FIFOs: reading
 * the receive FIFO empty and filling the transmit FIFO end them, so UARTICR is written once, at the start,
 * before any byte is read: a clear later could lose the announcement of bytes that are still in the FIFO.
 */
#include "uart.h"

enum {
    UARTDR = 0x000,    /* 3.3.1 data */
    UARTFR = 0x018,    /* 3.3.3 flags */
    UARTLCR_H = 0x02c, /* 3.3.7 line control */
    UARTCR = 0x030,    /* 3.3.8 control */
    UARTIFLS = 0x034,  /* 3.3.9 FIFO levels that interrupt */
    UARTIMSC = 0x038,  /* 3.3.10 interrupt mask: 1 = interrupts */
    UARTICR = 0x044,   /* 3.3.13 interrupt clear */
};
enum {
    FR_RXFE = 1 << 4, /* receive FIFO empty */
    FR_TXFF = 1 << 5, /* transmit FIFO full */
    LCR_FEN = 1 << 4,
    LCR_8_BITS = 3 << 5,
    CR_UARTEN = 1 << 0,
    CR_TXE = 1 << 8,
    CR_RXE = 1 << 9,
    IFLS_HALF = 2 << 3 | 2 << 0,
    INT_RX = 1 << 4,
    INT_TX = 1 << 5,
    INT_RT = 1 << 6, /* receive timeout: fewer bytes than the level, and no more came */
    INT_ALL = 0x7ff,
};

static uint32_t uart_read(const struct uart *uart, uint32_t offset)
{
    return uart->registers[offset / 4];
}

static void uart_write(struct uart *uart, uint32_t offset, uint32_t value)
{
    uart->registers[offset / 4] = value;
}

/* Turning the FIFOs on forgets what was received (3.3.7, FEN): take it first.  Nothing to do when they are
 * on. */
static void uart_fifos_on(struct uart *uart)
{
    if (uart_read(uart, UARTLCR_H) == (LCR_8_BITS | LCR_FEN))
        return;
    uart->has_early = uart_get(uart, &uart->early);
    uart_write(uart, UARTLCR_H, LCR_8_BITS | LCR_FEN);
}

void uart_start(struct uart *uart, uintptr_t registers)
{
    uart->registers = (volatile uint32_t *)registers;
    uart->mask = 0;
    uart->has_early = false;
    uart_write(uart, UARTIMSC, 0);
    uart_write(uart, UARTICR, INT_ALL);
    uart_fifos_on(uart);
    uart_write(uart, UARTIFLS, IFLS_HALF);
    uart_write(uart, UARTCR, CR_UARTEN | CR_TXE | CR_RXE);
}

bool uart_put(struct uart *uart, uint8_t byte)
{
    if (uart_read(uart, UARTFR) & FR_TXFF)
        return false;
    uart_write(uart, UARTDR, byte);
    return true;
}

/* Breaks, parity and overrun errors come with the byte (3.3.1, bits 8..11); the byte is what there is. */
bool uart_get(struct uart *uart, uint8_t *byte)
{
    if (uart->has_early) {
        *byte = uart->early;
        uart->has_early = false;
        return true;
    }
    if (uart_read(uart, UARTFR) & FR_RXFE)
        return false;
    *byte = (uint8_t)uart_read(uart, UARTDR);
    return true;
}

void uart_interrupt_on(struct uart *uart, bool receive, bool transmit)
{
    uint32_t mask = (receive ? (uint32_t)INT_RX | INT_RT : 0u) | (transmit ? (uint32_t)INT_TX : 0u);

    if (mask == uart->mask)
        return;
    uart->mask = mask;
    uart_write(uart, UARTIMSC, mask);
}
