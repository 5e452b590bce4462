/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_vuart.c - claims about the guest's PL011 and PL031, with a buffer in the wire's place
 *
 * links: services/vmm/vuart.c services/vmm/vrtc.c
 * flags: -Iservices/vmm
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vrtc.h"
#include "vuart.h"

/* ---- the wire: `room` bytes still fit; `typed` waits ---- */
struct wire {
    char sent[64];
    uint32_t sent_count, room;
    const char *typed;
};

static struct wire wire;
static struct vuart uart;
static bool line;
static uint32_t line_changes;

uint32_t wire_put(struct wire *w, const uint8_t *bytes, uint32_t count)
{
    uint32_t done = 0;

    for (; done < count && w->room != 0; done++, w->room--)
        w->sent[w->sent_count++] = (char)bytes[done];
    return done;
}

uint32_t wire_take(struct wire *w, uint8_t *bytes, uint32_t count)
{
    uint32_t done = 0;

    for (; done < count && *w->typed != '\0'; done++)
        bytes[done] = (uint8_t)*w->typed++;
    return done;
}

static void interrupt(void *context, bool is_asserted)
{
    (void)context;
    assert_int_not_equal(line, is_asserted);
    line = is_asserted;
    line_changes++;
}

enum { DR = 0x00, FR = 0x18, LCR_H = 0x2c, IFLS = 0x34, IMSC = 0x38, RIS = 0x3c, MIS = 0x40, ICR = 0x44 };
enum { RXFE = 0x10, TXFF = 0x20, RXFF = 0x40, TXFE = 0x80, RX = 0x10, TX = 0x20, RT = 0x40 };

static uint32_t get(uint32_t offset)
{
    return (uint32_t)vuart_read(&uart, offset, 4);
}

static void set(uint32_t offset, uint32_t value)
{
    vuart_write(&uart, offset, 4, value);
}

static int set_up(void **state)
{
    (void)state;
    wire = (struct wire){.room = sizeof wire.sent, .typed = ""};
    uart = (struct vuart){.wire = &wire, .interrupt = interrupt, .takes_input = true};
    vuart_init(&uart);
    line = false;
    line_changes = 0;
    set(LCR_H, 0x70); /* FIFOs on, as Linux has them */
    return 0;
}

static void what_is_sent_is_on_the_wire(void **state)
{
    (void)state;
    for (const char *c = "hello"; *c; c++)
        set(DR, (uint8_t)*c);
    assert_memory_equal(wire.sent, "hello", 5);
    assert_int_equal(get(FR) & (TXFE | TXFF), TXFE);
}

static void a_full_wire_fills_the_fifo_and_loses_nothing(void **state)
{
    (void)state;
    wire.room = 2;
    for (uint32_t i = 0; i < 18; i++) {
        assert_int_equal(get(FR) & TXFF, 0);
        set(DR, 'a' + i);
    }
    assert_int_equal(get(FR) & (TXFE | TXFF), TXFF);
    assert_false(vuart_is_drained(&uart));
    set(DR, '!'); /* told to wait, it did not: lost, as hardware does */
    wire.room = 40;
    vuart_pump(&uart);
    assert_int_equal(wire.sent_count, 18);
    assert_memory_equal(wire.sent, "abcdefghijklmnopqr", 18);
    assert_true(vuart_is_drained(&uart));
}

static void transmit_interrupts_when_the_fifo_is_half_empty(void **state)
{
    (void)state;
    wire.room = 0;
    set(IMSC, TX);
    for (uint32_t i = 0; i < 16; i++)
        set(DR, 'x');
    assert_false(line);
    wire.room = 7; /* nine are left, the level is eight */
    vuart_pump(&uart);
    assert_false(line);
    wire.room = 1;
    vuart_pump(&uart);
    assert_true(line);
    set(ICR, TX);
    assert_false(line);
}

static void typed_bytes_interrupt_and_are_read_in_order(void **state)
{
    (void)state;
    set(IMSC, RX | RT);
    wire.typed = "ab";
    vuart_pump(&uart);
    assert_true(line);
    assert_int_equal(get(MIS), RT);
    assert_int_equal(get(DR), 'a');
    assert_true(line);
    assert_int_equal(get(DR), 'b');
    assert_false(line);
    assert_int_equal(get(FR) & RXFE, RXFE);
    assert_int_equal(get(DR), 0);
}

static void more_than_the_fifo_holds_waits_in_the_wire(void **state)
{
    (void)state;
    wire.typed = "0123456789abcdefghij";
    vuart_pump(&uart);
    assert_int_equal(get(FR) & RXFF, RXFF);
    assert_string_equal(wire.typed, "ghij");
    for (const char *c = "0123456789abcdefghij"; *c; c++)
        assert_int_equal(get(DR), (uint8_t)*c);
    assert_int_equal(get(FR) & RXFE, RXFE);
}

static void enough_bytes_set_the_receive_interrupt(void **state)
{
    (void)state;
    wire.typed = "1234567";
    vuart_pump(&uart);
    assert_int_equal(get(RIS) & RX, 0);
    wire.typed = "8";
    vuart_pump(&uart);
    assert_int_equal(get(RIS) & RX, RX);
    assert_int_equal(get(DR), '1');
    assert_int_equal(get(RIS) & RX, 0);
}

static void masked_interrupts_stay_raw(void **state)
{
    (void)state;
    wire.typed = "x";
    vuart_pump(&uart);
    assert_int_equal(get(RIS) & RT, RT);
    assert_int_equal(get(MIS), 0);
    assert_int_equal(line_changes, 0);
    set(IMSC, RT);
    assert_true(line);
}

static void keys_are_not_taken_for_another_console(void **state)
{
    (void)state;
    uart.takes_input = false;
    wire.typed = "x";
    vuart_pump(&uart);
    assert_int_equal(get(FR) & RXFE, RXFE);
    assert_string_equal(wire.typed, "x");
}

static void it_says_that_it_is_a_pl011(void **state)
{
    (void)state;
    const uint8_t ids[] = {0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(get(0xfe0 + 4 * i), ids[i]);
}

static void every_offset_and_width_is_safe(void **state)
{
    (void)state;
    wire.typed = "abc";
    for (uint32_t size = 1; size <= 8; size *= 2) {
        for (uint32_t offset = 0; offset < 0x1000; offset += size) {
            if (wire.sent_count > 40)
                wire.sent_count = 0;
            vuart_write(&uart, offset, size, UINT64_MAX);
            (void)vuart_read(&uart, offset, size);
        }
    }
}

/* ---- the clock ---- */
static struct vrtc rtc;
static uint64_t up;

static uint64_t seconds(void)
{
    return up;
}

static int set_up_rtc(void **state)
{
    (void)state;
    up = 10;
    line = false;
    rtc = (struct vrtc){.seconds = seconds, .interrupt = interrupt};
    vrtc_init(&rtc, 1000);
    return 0;
}

static void the_clock_counts_seconds_from_the_epoch(void **state)
{
    (void)state;
    assert_int_equal(vrtc_read(&rtc, 0, 4), 1010);
    up = 75;
    assert_int_equal(vrtc_read(&rtc, 0, 4), 1075);
    vrtc_write(&rtc, 8, 4, 5000);
    up = 76;
    assert_int_equal(vrtc_read(&rtc, 0, 4), 5001);
}

static void the_alarm_goes_off_once_when_it_is_passed(void **state)
{
    (void)state;
    vrtc_write(&rtc, 4, 4, 1020);
    vrtc_write(&rtc, 0x10, 4, 1);
    up = 19;
    vrtc_tick(&rtc);
    assert_false(line);
    up = 25; /* nobody looked at 1020 itself */
    vrtc_tick(&rtc);
    assert_true(line);
    vrtc_write(&rtc, 0x1c, 4, 1);
    assert_false(line);
    up = 30;
    vrtc_tick(&rtc);
    assert_false(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_sent_is_on_the_wire, set_up),
        cmocka_unit_test_setup(a_full_wire_fills_the_fifo_and_loses_nothing, set_up),
        cmocka_unit_test_setup(transmit_interrupts_when_the_fifo_is_half_empty, set_up),
        cmocka_unit_test_setup(typed_bytes_interrupt_and_are_read_in_order, set_up),
        cmocka_unit_test_setup(more_than_the_fifo_holds_waits_in_the_wire, set_up),
        cmocka_unit_test_setup(enough_bytes_set_the_receive_interrupt, set_up),
        cmocka_unit_test_setup(masked_interrupts_stay_raw, set_up),
        cmocka_unit_test_setup(keys_are_not_taken_for_another_console, set_up),
        cmocka_unit_test_setup(it_says_that_it_is_a_pl011, set_up),
        cmocka_unit_test_setup(every_offset_and_width_is_safe, set_up),
        cmocka_unit_test_setup(the_clock_counts_seconds_from_the_epoch, set_up_rtc),
        cmocka_unit_test_setup(the_alarm_goes_off_once_when_it_is_passed, set_up_rtc),
    };

    return cmocka_run_group_tests_name("vuart", tests, NULL, NULL);
}
