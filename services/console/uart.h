/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uart.h - the PL011 that is the machine's one wire
 */
#ifndef CONSOLE_UART_H
#define CONSOLE_UART_H

#include <stdbool.h>
#include <stdint.h>

struct uart {
    volatile uint32_t *registers;
    uint32_t mask;  /* UARTIMSC as last written */
    bool has_early; /* a byte that had come before the FIFOs were on */
    uint8_t early;
};

/* 8 bits, no parity, FIFOs on; the divisors stay as firmware or the kernel set them. */
void uart_start(struct uart *uart, uintptr_t registers);

/* Never waits: false when the transmit FIFO is full (nothing was received). */
bool uart_put(struct uart *uart, uint8_t byte);
bool uart_get(struct uart *uart, uint8_t *byte);

/* Which conditions interrupt: bytes came; the transmit FIFO has room again. */
void uart_interrupt_on(struct uart *uart, bool receive, bool transmit);

#endif
