/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_console.c - services/console: the focus, backlogs, the line editor, the log, and what survives a
 * restart
 *
 * The wire is a queue that the test empties; a vmm is the other side of a ring page.
 *
 * links: services/console/console.c services/console/vm_console.c services/console/line.c
 * links: services/console/dmesg.c services/console/persist.c lib/bh/copies.c lib/bh/crc32.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "services/console/console.h"
#include "services/console/persist.h"

#define VM_A 16u
#define VM_B 17u
#define LEAVE "\x1d"

static struct byte_ring_page pages[VM_CONSOLES_MAX];
static struct console console;
static _Alignas(8) uint8_t persist_pages[PERSIST_BYTES];
static char seen[65536]; /* what the last look at the wire showed */

static int fresh_console(void **state)
{
    (void)state;
    console_init(&console, pages, 1);
    return 0;
}

/* Run until nothing moves; returns what went out. */
static const char *wire(void)
{
    uint32_t count = 0;

    do {
        console_pump(&console);
        uint32_t got = fifo_peek(&console.wire, (uint8_t *)seen + count, (uint32_t)sizeof seen - 1 - count);

        fifo_drop(&console.wire, got);
        count += got;
    } while (console.again || console.held || fifo_used(&console.wire) > 0 ||
             (console.focus == FOCUS_OWN && fifo_used(&console.own)));
    seen[count] = 0;
    return seen;
}

static void type(const char *text)
{
    for (; *text; text++)
        if (console_can_receive(&console))
            console_receive(&console, (uint8_t)*text);
}

/* What a guest writes and reads. */
static uint32_t guest_put(uint32_t index, const char *text)
{
    struct byte_ring out = byte_ring_out_producer(&pages[index]);
    uint32_t done = byte_ring_put(&out, (const uint8_t *)text, (uint32_t)strlen(text));

    if (byte_ring_must_signal(&out))
        console_rung(&console, index);
    return done;
}

static const char *guest_take(uint32_t index)
{
    static char got[BYTE_RING_IN_BYTES + 1];
    struct byte_ring in = byte_ring_in_consumer(&pages[index]);

    got[byte_ring_take(&in, (uint8_t *)got, BYTE_RING_IN_BYTES)] = 0;
    return got;
}

static void open_two(void)
{
    assert_int_equal(console_open(&console, VM_A, "a"), OK);
    assert_int_equal(console_open(&console, VM_B, "b"), OK);
}

/* ---- Bulkhead's own console */

static void the_prompt_comes_when_the_toolstack_says_so(void **state)
{
    (void)state;
    assert_string_equal(wire(), "");
    assert_int_equal(console_write(&console, "hello\n", true), OK);
    assert_string_equal(wire(), "hello\r\nbulkhead> ");
}

static void a_line_is_handed_over_once(void **state)
{
    char line[LINE_BYTES];
    bool eof;

    (void)state;
    (void)console_write(&console, "", true);
    (void)wire();
    type("list\r");
    assert_true(console.signal_toolstack);
    assert_string_equal(wire(), "list\r\n");
    assert_true(console_take_line(&console, line, &eof));
    assert_string_equal(line, "list");
    assert_false(eof);
    assert_false(console_take_line(&console, line, &eof));
}

static void typing_ahead_waits_for_the_prompt(void **state)
{
    char line[LINE_BYTES];
    bool eof;

    (void)state;
    (void)console_write(&console, "", true);
    (void)wire();
    type("one\ntwo\n");
    assert_true(console_take_line(&console, line, &eof));
    assert_string_equal(line, "one");
    assert_string_equal(wire(), "one\r\n");
    assert_false(console_take_line(&console, line, &eof));
    (void)console_write(&console, "did one\n", true);
    assert_string_equal(wire(), "did one\r\nbulkhead> two\r\n");
    assert_true(console_take_line(&console, line, &eof));
    assert_string_equal(line, "two");
}

static void ctrl_d_on_an_empty_line_is_the_end_of_input(void **state)
{
    char line[LINE_BYTES];
    bool eof;

    (void)state;
    (void)console_write(&console, "", true);
    (void)wire();
    type("x\x04\x7f\x04");
    assert_true(console_take_line(&console, line, &eof));
    assert_true(eof);
    assert_string_equal(line, "");
}

static void output_while_typing_shows_the_line_again(void **state)
{
    (void)state;
    (void)console_write(&console, "", true);
    (void)wire();
    type("cre");
    assert_string_equal(wire(), "cre");
    (void)console_write(&console, "a: powered off\n", false);
    assert_string_equal(wire(), "\r\na: powered off\r\nbulkhead> cre");
}

static void a_slow_wire_refuses_writes_and_loses_none(void **state)
{
    char piece[900];
    uint32_t taken = 0, got = 0;

    (void)state;
    memset(piece, 'x', sizeof piece - 1);
    piece[sizeof piece - 1] = 0;
    while (console_write(&console, piece, false) == OK) {
        taken++;
        console_pump(&console); /* nobody empties the wire */
        assert_true(taken < 100);
    }
    assert_true(fifo_used(&console.wire) <= WIRE_BYTES - WIRE_RESERVE);
    got = (uint32_t)strlen(wire());
    assert_int_equal(got, taken * (sizeof piece - 1));
    assert_int_equal(console_write(&console, piece, false), OK);
}

/* ---- the line editor */

static const char *edit(const char *keys)
{
    static struct line_editor editor;
    static uint8_t bytes[4096];
    struct fifo echo = fifo_make(bytes, sizeof bytes);

    memset(&editor, 0, sizeof editor);
    for (; *keys; keys++)
        (void)line_feed(&editor, (uint8_t)*keys, &echo);
    return editor.text;
}

static void editing_keys_do_what_a_terminal_does(void **state)
{
    (void)state;
    assert_string_equal(edit("lisk\x7ft"), "list");
    assert_string_equal(edit("\x7f\x08z"), "z");
    assert_string_equal(edit("rubbish\x15info"), "info");
    assert_string_equal(edit("rubbish\x03"), "");
    assert_string_equal(edit("a\x1b[D\x1b[3~b\x1bOPc"), "abc");
    assert_string_equal(edit("a\x01\x02\tb"), "ab");
}

static void utf8_is_taken_whole_or_not_at_all(void **state)
{
    (void)state;
    assert_string_equal(edit("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
    assert_string_equal(edit("gr\xc3\xbc\x7f"), "gr");
    assert_string_equal(edit("\xe2\x82\xac\xf0\x9f\x9a\xa2\x7f"), "\xe2\x82\xac");
    assert_string_equal(edit("a\xc3"
                             "b"),
                        "ab"); /* cut short */
    assert_string_equal(edit("a\xff\x80\xc0\x80"
                             "b"),
                        "ab"); /* cannot begin a character */
    assert_string_equal(edit("a\xe0\x80\x80"
                             "b"),
                        "ab"); /* overlong */
    assert_string_equal(edit("a\xed\xa0\x80"
                             "b"),
                        "ab"); /* surrogate */
    assert_string_equal(edit("a\xc2\x9b"
                             "b"),
                        "ab"); /* a C1 control */
}

static void a_line_has_an_end(void **state)
{
    char keys[LINE_BYTES + 100];

    (void)state;
    memset(keys, 'x', sizeof keys);
    keys[sizeof keys - 1] = 0;
    assert_int_equal(strlen(edit(keys)), LINE_BYTES - 1);
}

/* ---- the focus */

static void the_vm_with_the_focus_has_the_wire_alone(void **state)
{
    (void)state;
    open_two();
    console_focus(&console, VM_A);
    guest_put(0, "from a");
    guest_put(1, "from b");
    (void)console_write(&console, "own", true);
    dmesg_add(&console.log, "mem", "a line of log");
    assert_string_equal(wire(), "from a");
    type("to a");
    assert_string_equal(guest_take(0), "to a");
    assert_string_equal(guest_take(1), "");
}

static void ctrl_bracket_leads_back_and_own_output_was_kept(void **state)
{
    (void)state;
    open_two();
    console_focus(&console, VM_A);
    (void)console_write(&console, "own\n", true);
    guest_put(0, "login: ");
    assert_string_equal(wire(), "login: ");
    type("abc" LEAVE "list");
    assert_string_equal(guest_take(0), "abc");
    assert_int_equal(console.focus, FOCUS_OWN);
    assert_string_equal(wire(), "\r\nown\r\nbulkhead> list");
}

static void a_backlog_is_shown_before_what_is_new_and_keeps_the_newest(void **state)
{
    char line[16];

    (void)state;
    open_two();
    for (uint32_t i = 0; i < 1000; i++) { /* 8 bytes each: the last 512 stay */
        snprintf(line, sizeof line, "%07u\n", i);
        assert_int_equal(guest_put(0, line), 8); /* it never stalls */
        (void)wire();
    }
    assert_string_equal(wire(), "");
    guest_put(0, "new");
    console_focus(&console, VM_A);
    (void)wire();
    assert_int_equal(strlen(seen), 512 * 8 + 3);
    assert_memory_equal(seen, "0000488\n", 8);
    assert_string_equal(seen + strlen(seen) - 11, "0000999\nnew");
}

static void the_vm_with_the_wire_waits_for_it_and_loses_nothing(void **state)
{
    uint32_t sent = 0, got = 0;
    char piece[101];

    (void)state;
    open_two();
    console_focus(&console, VM_A);
    memset(piece, 'y', 100);
    piece[100] = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        sent += guest_put(0, piece);
        console_pump(&console);
        assert_true(fifo_used(&console.wire) <= WIRE_BYTES - WIRE_RESERVE);
    }
    assert_true(sent < 100000); /* the guest was held back */
    got = (uint32_t)strlen(wire());
    assert_int_equal(got, sent);
}

static void a_guest_that_reads_nothing_cannot_keep_the_person(void **state)
{
    char many[BYTE_RING_IN_BYTES + 100];

    (void)state;
    open_two();
    console_focus(&console, VM_A);
    memset(many, 'k', sizeof many);
    many[sizeof many - 1] = 0;
    type(many);
    assert_int_equal(console.focus, VM_A);
    type(LEAVE); /* in its turn */
    assert_int_equal(console.focus, VM_A);
    type(LEAVE); /* at once */
    assert_int_equal(console.focus, FOCUS_OWN);
}

static void typed_bytes_wait_for_room_and_keep_their_order(void **state)
{
    char many[BYTE_RING_IN_BYTES + 11];

    (void)state;
    open_two();
    console_focus(&console, VM_A);
    for (uint32_t i = 0; i < sizeof many - 1; i++)
        many[i] = (char)('a' + i % 26);
    many[sizeof many - 1] = 0;
    type(many);
    type(LEAVE);
    assert_memory_equal(guest_take(0), many, BYTE_RING_IN_BYTES);
    (void)wire();
    assert_string_equal(guest_take(0), many + BYTE_RING_IN_BYTES);
    assert_int_equal(console.focus, FOCUS_OWN);
}

static void input_may_come_before_the_vm_does(void **state)
{
    (void)state;
    console_focus(&console, VM_B);
    type("early");
    open_two();
    (void)wire();
    assert_string_equal(guest_take(1), "early");
}

static void closing_the_vm_with_the_focus_drains_it_and_gives_the_prompt(void **state)
{
    (void)state;
    open_two();
    (void)console_write(&console, "", true);
    (void)wire();
    console_focus(&console, VM_A);
    (void)wire();
    guest_put(0, "last words");
    (void)console_write(&console, "a: powered off\n", false);
    assert_int_equal(console_close(&console, VM_A, false), OK);
    assert_string_equal(wire(), "last words\r\na: powered off\r\nbulkhead> ");
    assert_int_equal(console_close(&console, VM_A, false), ERR_EXIST);
}

static void kept_focus_keeps_the_wire_silent_but_for_raw_words(void **state)
{
    (void)state;
    open_two();
    console_focus(&console, VM_A);
    guest_put(0, "bye");
    assert_int_equal(console_close(&console, VM_A, true), OK);
    (void)console_write(&console, "own\n", true);
    dmesg_add(&console.log, "init", "gone");
    assert_int_equal(console_write_raw(&console, "\033]bh;exit=0;\a"), OK);
    assert_string_equal(wire(), "bye\033]bh;exit=0;\a");
    assert_int_equal(console_pending(&console), 0);
}

static void a_vm_cannot_speak_for_the_machine(void **state)
{
    (void)state;
    open_two();
    console_focus(&console, VM_A);
    guest_put(0, "\033]bh;exit=0;\a \033\033]bh");
    assert_string_equal(wire(), "\033]bh?exit=0;\a \033\033]bh");
    guest_put(0, ";x \033]0;title\a");
    assert_string_equal(wire(), "?x \033]0;title\a");
}

static void raw_words_come_after_what_the_vm_wrote(void **state)
{
    (void)state;
    open_two();
    console_focus(&console, VM_A);
    guest_put(0, "before ");
    assert_int_equal(console_write_raw(&console, "raw"), OK);
    assert_string_equal(wire(), "before raw");
}

static void a_vm_starts_again_with_an_empty_console(void **state)
{
    (void)state;
    open_two();
    guest_put(0, "old");
    (void)wire();
    assert_int_equal(console_close(&console, VM_A, false), OK);
    assert_int_equal(console_open(&console, VM_A, "a"), OK);
    console_focus(&console, VM_A);
    assert_string_equal(wire(), "");
}

static void every_place_is_used_and_no_vm_has_two(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < VM_CONSOLES_MAX; i++)
        assert_int_equal(console_open(&console, VM_A + i, "vm"), OK);
    assert_int_equal(console_open(&console, VM_A, "vm"), ERR_EXIST);
    assert_int_equal(console_open(&console, VM_A + VM_CONSOLES_MAX, "vm"), ERR_FULL);
    assert_int_equal(console_open(&console, VM_A + VM_CONSOLES_MAX, ""), ERR_ARG);
}

static void nonsense_in_a_ring_hurts_only_its_vm(void **state)
{
    (void)state;
    open_two();
    pages[0].out.head = 12345678;
    pages[0].in.tail = 77;
    console_focus(&console, VM_A);
    type("into the void");
    assert_string_equal(wire(), "");
    assert_int_equal(fifo_used(&console.rx), 0);
    console_focus(&console, VM_B);
    guest_put(1, "fine");
    assert_string_equal(wire(), "fine");
    type("x");
    assert_string_equal(guest_take(1), "x");
}

static void vms_are_signalled_when_they_asked(void **state)
{
    struct byte_ring in;

    (void)state;
    open_two();
    in = byte_ring_in_consumer(&pages[1]);
    console_focus(&console, VM_B);
    type("a");
    assert_int_equal(console.signal_vms, 0);
    (void)guest_take(1);
    in = byte_ring_in_consumer(&pages[1]);
    assert_false(byte_ring_want_data(&in));
    type("b");
    assert_int_equal(console.signal_vms, 1u << 1);
}

static void a_vm_that_writes_signals_only_after_a_pause(void **state)
{
    struct byte_ring out;

    (void)state;
    open_two();
    console_focus(&console, VM_A);
    (void)wire();
    out = byte_ring_out_producer(&pages[0]);
    assert_true(byte_ring_must_signal(&out)); /* we sleep: wake us */
    guest_put(0, "a");
    console_pump(&console);
    assert_true(console.linger);
    assert_false(byte_ring_must_signal(&out)); /* we look by ourselves */
    console_pump(&console);
    assert_false(console.linger);
    assert_true(byte_ring_must_signal(&out));
}

static void a_vm_that_does_not_ring_costs_nothing(void **state)
{
    struct byte_ring out;

    (void)state;
    open_two();
    (void)wire();
    assert_int_equal(console.busy_vms, 0);
    out = byte_ring_out_producer(&pages[1]);
    assert_int_equal(byte_ring_put(&out, (const uint8_t *)"late", 4), 4);
    console_pump(&console);
    assert_int_equal(console.vms[1].written, 0); /* nobody looked */
    assert_true(byte_ring_must_signal(&out));    /* and it knows that it must ring */
    console_rung(&console, 1);
    console_pump(&console);
    assert_int_equal(console.vms[1].written, 4);
    console_focus(&console, VM_B); /* it does not write now, but what it wrote is to be seen */
    assert_string_equal(wire(), "late");
}

/* ---- the log */

static void log_lines_come_above_the_prompt(void **state)
{
    (void)state;
    (void)console_write(&console, "", true);
    (void)wire();
    dmesg_add(&console.log, "mem", "one\n");
    dmesg_add(&console.log, "mem", "two");
    assert_string_equal(wire(), "\r\nmem: one\r\nmem: two\r\nbulkhead> ");
}

static void what_the_toolstack_logs_is_only_in_the_log(void **state)
{
    char line[DMESG_LINE_BYTES];
    uint64_t position = 0;

    (void)state;
    console_log(&console, "toolstack", "quiet", true);
    assert_string_equal(wire(), "");
    console_log(&console, "mem", "loud", false);
    assert_string_equal(wire(), "mem: loud\r\n");
    assert_int_equal(dmesg_next(&console.log, &position, line), 17);
}

static void a_log_cannot_steer_a_terminal(void **state)
{
    char line[DMESG_LINE_BYTES];
    uint64_t position = 0;

    (void)state;
    dmesg_add(&console.log, "vm", "\033]bh;exit=0;\a \r\n\n");
    assert_int_equal(dmesg_next(&console.log, &position, line), 19);
    assert_memory_equal(line, "vm: ?]bh;exit=0;? \n", 19);
}

static void the_kernels_log_comes_in_any_pieces(void **state)
{
    char line[DMESG_LINE_BYTES];
    uint64_t position = 0;

    (void)state;
    dmesg_add_kernel(&console.log, "boot\r\nsec", 9);
    dmesg_add(&console.log, "mem", "between");
    dmesg_add_kernel(&console.log, "ond\n", 4);
    assert_int_equal(dmesg_next(&console.log, &position, line), 5);
    assert_memory_equal(line, "boot\n", 5);
    assert_int_equal(dmesg_next(&console.log, &position, line), 13);
    assert_int_equal(dmesg_next(&console.log, &position, line), 7);
    assert_memory_equal(line, "second\n", 7);
    assert_int_equal(dmesg_next(&console.log, &position, line), 0);
}

static void an_old_position_continues_with_a_whole_line(void **state)
{
    char line[DMESG_LINE_BYTES], text[64];
    uint64_t position = 0;
    uint32_t first = 0, last = 0, count = 0;

    (void)state;
    for (uint32_t i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "line %u", i);
        dmesg_add(&console.log, "x", text);
    }
    for (;;) {
        uint32_t length = dmesg_next(&console.log, &position, line);

        if (length == 0)
            break;
        line[length - 1] = 0;
        assert_int_equal(sscanf(line, "x: line %u", &last), 1);
        if (count++ == 0)
            first = last;
    }
    assert_int_equal(last, 4999);
    assert_int_equal(last - first + 1, count);
    assert_true(first > 0);
}

static void a_long_line_is_cut(void **state)
{
    char line[DMESG_LINE_BYTES], text[1000];
    uint64_t position = 0;

    (void)state;
    memset(text, 'z', sizeof text);
    text[sizeof text - 1] = 0;
    dmesg_add(&console.log, "x", text);
    dmesg_add_kernel(&console.log, text, 999);
    dmesg_add_kernel(&console.log, "\n", 1);
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t length = dmesg_next(&console.log, &position, line);

        assert_true(length <= DMESG_LINE_BYTES);
        assert_int_equal(line[length - 1], '\n');
    }
    assert_int_equal(position, console.log.end);
}

/* ---- restart */

static int fresh_persist(void **state)
{
    memset(persist_pages, 0, sizeof persist_pages);
    return fresh_console(state);
}

static void a_restarted_console_goes_on(void **state)
{
    (void)state;
    assert_false(persist_load(persist_pages, &console, pages));
    open_two();
    (void)console_write(&console, "", true);
    (void)wire();
    console_focus(&console, VM_B);
    persist_save(&console);
    guest_put(1, "written meanwhile");

    uint32_t before = byte_ring_generation(&pages[1]);
    assert_true(persist_load(persist_pages, &console, pages));
    assert_int_equal(console.focus, VM_B);
    assert_string_equal(console_find(&console, VM_A)->name, "a");
    assert_true(byte_ring_generation(&pages[1]) != before);
    assert_string_equal(wire(), "written meanwhile");
    type(LEAVE);
    assert_string_equal(wire(), "\r\nbulkhead> ");
}

/* It died while it wrote that b's is closed. */
static void a_torn_save_leaves_the_one_before(void **state)
{
    static uint8_t before[PERSIST_BYTES];
    uint32_t changed = 0;

    (void)state;
    assert_false(persist_load(persist_pages, &console, pages));
    open_two();
    persist_save(&console);
    assert_int_equal(console_close(&console, VM_B, false), OK);
    memcpy(before, persist_pages, sizeof before);
    persist_save(&console);
    for (uint32_t i = 0; i < sizeof before; i++) {
        if (persist_pages[i] == before[i])
            continue;
        changed++;
        persist_pages[i] ^= 0x55;
        assert_true(persist_load(persist_pages, &console, pages));
        assert_non_null(console_find(&console, VM_A));
        assert_non_null(console_find(&console, VM_B));
        persist_pages[i] ^= 0x55;
    }
    assert_in_range(changed, 3, PERSIST_COPY_BYTES); /* one record */
    assert_true(persist_load(persist_pages, &console, pages));
    assert_null(console_find(&console, VM_B));
}

#define TEST(name) cmocka_unit_test_setup(name, fresh_console)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_prompt_comes_when_the_toolstack_says_so),
        TEST(a_line_is_handed_over_once),
        TEST(typing_ahead_waits_for_the_prompt),
        TEST(ctrl_d_on_an_empty_line_is_the_end_of_input),
        TEST(output_while_typing_shows_the_line_again),
        TEST(a_slow_wire_refuses_writes_and_loses_none),
        TEST(editing_keys_do_what_a_terminal_does),
        TEST(utf8_is_taken_whole_or_not_at_all),
        TEST(a_line_has_an_end),
        TEST(the_vm_with_the_focus_has_the_wire_alone),
        TEST(ctrl_bracket_leads_back_and_own_output_was_kept),
        TEST(a_backlog_is_shown_before_what_is_new_and_keeps_the_newest),
        TEST(the_vm_with_the_wire_waits_for_it_and_loses_nothing),
        TEST(a_guest_that_reads_nothing_cannot_keep_the_person),
        TEST(typed_bytes_wait_for_room_and_keep_their_order),
        TEST(input_may_come_before_the_vm_does),
        TEST(closing_the_vm_with_the_focus_drains_it_and_gives_the_prompt),
        TEST(kept_focus_keeps_the_wire_silent_but_for_raw_words),
        TEST(raw_words_come_after_what_the_vm_wrote),
        TEST(a_vm_cannot_speak_for_the_machine),
        TEST(a_vm_starts_again_with_an_empty_console),
        TEST(every_place_is_used_and_no_vm_has_two),
        TEST(nonsense_in_a_ring_hurts_only_its_vm),
        TEST(vms_are_signalled_when_they_asked),
        TEST(a_vm_that_writes_signals_only_after_a_pause),
        TEST(a_vm_that_does_not_ring_costs_nothing),
        TEST(log_lines_come_above_the_prompt),
        TEST(what_the_toolstack_logs_is_only_in_the_log),
        TEST(a_log_cannot_steer_a_terminal),
        TEST(the_kernels_log_comes_in_any_pieces),
        TEST(an_old_position_continues_with_a_whole_line),
        TEST(a_long_line_is_cut),
        cmocka_unit_test_setup(a_restarted_console_goes_on, fresh_persist),
        cmocka_unit_test_setup(a_torn_save_leaves_the_one_before, fresh_persist),
    };

    return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
