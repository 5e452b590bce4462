/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_host_wire.c - bh takes the machine's last words off the line, and nothing else
 *
 * links: tools/bh/wire.c
 * flags: -Itools/bh
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire.h"

/* Feed `in` in pieces of `step` bytes; what comes out, as a string in `out`. */
static void feed(struct wire *w, const char *in, size_t step, char *out)
{
    size_t length = strlen(in), produced = 0;

    memset(w, 0, sizeof(*w));
    for (size_t at = 0; at < length; at += step)
        produced += wire_filter(w, in + at, length - at < step ? length - at : step, out + produced);
    produced += wire_flush(w, out + produced);
    out[produced] = '\0';
}

static void check_all_steps(const char *in, const char *expected, bool ended, int status, const char *text)
{
    char out[4096];

    for (size_t step = 1; step <= 64; step = step * 2 + 1) {
        struct wire w;

        feed(&w, in, step, out);
        assert_string_equal(out, expected);
        assert_int_equal(w.ended, ended);
        if (ended) {
            assert_int_equal(w.status, status);
            assert_string_equal(w.text, text);
        }
    }
}

static void passes_plain_text(void **state)
{
    (void)state;
    check_all_steps("hello\r\nworld", "hello\r\nworld", false, 0, "");
}

static void takes_a_sequence_out_of_the_middle(void **state)
{
    (void)state;
    check_all_steps("a\x1b]bh;exit=3;it crashed\ab", "ab", true, 3, "it crashed");
}

static void takes_a_sequence_without_text(void **state)
{
    (void)state;
    check_all_steps("\x1b]bh;exit=0;\a", "", true, 0, "");
}

static void passes_other_escape_sequences(void **state)
{
    (void)state;
    check_all_steps("\x1b]0;title\a\x1b[1m", "\x1b]0;title\a\x1b[1m", false, 0, "");
}

static void passes_what_only_begins_like_one(void **state)
{
    (void)state;
    check_all_steps("\x1b]bh;exit=;x\a", "\x1b]bh;exit=;x\a", false, 0, "");
    check_all_steps("\x1b]bh;exit=12345;x\a", "\x1b]bh;exit=12345;x\a", false, 0, "");
    check_all_steps("\x1b]bh;exit=1;two\nlines\a", "\x1b]bh;exit=1;two\nlines\a", false, 0, "");
    check_all_steps("\x1b]bh;exit=1;never ended", "\x1b]bh;exit=1;never ended", false, 0, "");
}

static void finds_one_right_behind_a_false_start(void **state)
{
    (void)state;
    check_all_steps("\x1b\x1b]bh;ex\x1b]bh;exit=7;x\a", "\x1b\x1b]bh;ex", true, 7, "x");
}

static void lets_go_of_one_that_is_too_long(void **state)
{
    char in[WIRE_SEQUENCE_MAX + 100], out[sizeof(in)];
    struct wire w;

    (void)state;
    memset(in, 'x', sizeof(in));
    memcpy(in, "\x1b]bh;exit=1;", 12);
    in[sizeof(in) - 2] = '\a';
    in[sizeof(in) - 1] = '\0';
    feed(&w, in, 50, out);
    assert_string_equal(out, in);
    assert_false(w.ended);
}

static void limits_the_status_to_what_a_process_can_say(void **state)
{
    (void)state;
    check_all_steps("\x1b]bh;exit=999;\a", "", true, 255, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_plain_text),
        cmocka_unit_test(takes_a_sequence_out_of_the_middle),
        cmocka_unit_test(takes_a_sequence_without_text),
        cmocka_unit_test(passes_other_escape_sequences),
        cmocka_unit_test(passes_what_only_begins_like_one),
        cmocka_unit_test(finds_one_right_behind_a_false_start),
        cmocka_unit_test(lets_go_of_one_that_is_too_long),
        cmocka_unit_test(limits_the_status_to_what_a_process_can_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
