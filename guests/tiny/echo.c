/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * echo.c - a guest to talk to: it repeats what is typed, until it is told to end
 *
 * q powers off, r resets, f writes FLOOD_LINES numbered lines at once, B is busy from now on, or no longer.
 * For tests of consoles and of the management channel: it is up in no time, and needs 8 MiB.
 */
#include "tiny.h"

#define UART_INTID 33u
#define FLOOD_LINES 2000u
enum { UARTDR = 0x00, UARTFR = 0x18, UARTIMSC = 0x38, FR_RXFE = 0x10, INT_RX = 0x10, INT_RT = 0x40 };
#define PSCI_OFF 0x84000008u
#define PSCI_RESET 0x84000009u

const char tiny_name[] = "echo";

static volatile bool is_busy;

static void flood(void)
{
    for (uint32_t i = 0; i < FLOOD_LINES; i++) {
        put_text("line ");
        put_hex(i);
        put_text("\n");
    }
    put_text("that was the flood\n");
}

static void serve(char c)
{
    char text[2] = {c, 0};

    if (c == 'q')
        (void)hvc(PSCI_OFF, 0, 0, 0);
    if (c == 'r')
        (void)hvc(PSCI_RESET, 0, 0, 0);
    if (c == 'B')
        is_busy = !is_busy;
    if (c == 'f')
        flood();
    else
        put_text(text);
}

static void on_typed(uint32_t intid)
{
    while (intid == UART_INTID && (read32(UART + UARTFR) & FR_RXFE) == 0)
        serve((char)read32(UART + UARTDR));
}

void tiny_run(void)
{
    irq_hook = on_typed;
    gic_start();
    gic_enable(UART_INTID);
    write32(UART + UARTIMSC, INT_RX | INT_RT);
    put_text("echo is up\n");
    irq_unmask();
    for (;;)
        if (!is_busy)
            wait_for_interrupt();
}
