/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uart.c - the boot UART: a PL011 (DDI 0183), transmit only, until the console domain owns it
 *
 * Its FIFOs are switched on before the first character goes out: later that would forget what a person (who
 * has seen a character) has typed.
 */
#include "report.h"

enum { UART_DR = 0x000, UART_FR = 0x018, UART_LCR_H = 0x02c, FR_TXFF = 1 << 5, LCR_FIFOS_8_BITS = 0x70 };
#define UART_BASE 0x09000000ull

void uart_init(void)
{
    *(volatile uint32_t *)(UART_BASE + UART_LCR_H) = LCR_FIFOS_8_BITS;
}

void uart_put(char c)
{
    volatile uint32_t *fr = (volatile uint32_t *)(UART_BASE + UART_FR);

    if (c == '\n')
        uart_put('\r');
    for (unsigned i = 0; i < 100000 && (*fr & FR_TXFF); i++)
        ;
    *(volatile uint32_t *)(UART_BASE + UART_DR) = (uint8_t)c;
}
