/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_toolstack_text.c - services/toolstack: command lines, options, foreign text, and policies
 *
 * links: services/toolstack/text.c services/toolstack/policy.c
 * flags: -Iservices/toolstack
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy.h"
#include "text.h"

static void a_line_is_split_at_blanks(void **state)
{
    char line[] = "  create\tdebian1  now ", empty[] = " \t ", many[] = "a b c d e f";
    char *words[WORDS_MAX];

    (void)state;
    assert_int_equal(text_words(line, words), 3);
    assert_string_equal(words[0], "create");
    assert_string_equal(words[1], "debian1");
    assert_string_equal(words[2], "now");
    assert_int_equal(text_words(empty, words), 0);
    assert_int_equal(text_words(many, words), 6);
    assert_string_equal(words[3], "d");
}

static void an_option_is_found_by_its_whole_name(void **state)
{
    char value[16];

    (void)state;
    text_option("noconsole=a console=debian1 x=y", "console", value, sizeof value);
    assert_string_equal(value, "debian1");
    text_option("consoles=a", "console", value, sizeof value);
    assert_string_equal(value, "");
    text_option("console=", "console", value, sizeof value);
    assert_string_equal(value, "");
    text_option("", "console", value, sizeof value);
    assert_string_equal(value, "");
    text_option("console=a-name-that-is-much-too-long", "console", value, sizeof value);
    assert_string_equal(value, "a-name-that-is-");
}

static void foreign_text_becomes_one_printable_line(void **state)
{
    char out[12];

    (void)state;
    text_clean(out, sizeof out, "a\033]b\ac\xc3\n");
    assert_string_equal(out, "a?]b?c?");
    text_clean(out, sizeof out, "two\nlines  \r\n");
    assert_string_equal(out, "two?lines");
    text_clean(out, sizeof out, "0123456789abcdef");
    assert_string_equal(out, "0123456789a");
    text_clean(out, sizeof out, "");
    assert_string_equal(out, "");
}

static struct vm vm_with(bh_OnEvent poweroff, bh_OnEvent reboot, bh_OnEvent crash)
{
    struct vm vm;

    memset(&vm, 0, sizeof vm);
    vm.config.on_poweroff = poweroff;
    vm.config.on_reboot = reboot;
    vm.config.on_crash = crash;
    return vm;
}

static void each_ending_has_its_own_policy(void **state)
{
    struct vm vm = vm_with(bh_OnEvent_DESTROY, bh_OnEvent_RESTART, bh_OnEvent_PRESERVE);

    (void)state;
    assert_int_equal(policy_decide(&vm, END_POWEROFF, 100), ACTION_DESTROY);
    assert_int_equal(policy_decide(&vm, END_REBOOT, 100), ACTION_RESTART);
    assert_int_equal(policy_decide(&vm, END_CRASH, 100), ACTION_PRESERVE);
}

static void what_cannot_start_is_not_started_again(void **state)
{
    struct vm vm = vm_with(bh_OnEvent_RESTART, bh_OnEvent_RESTART, bh_OnEvent_RESTART);

    (void)state;
    assert_int_equal(policy_decide(&vm, END_REFUSED, 100), ACTION_DESTROY);
    assert_int_equal(policy_decide(&vm, END_DESTROYED, 100), ACTION_DESTROY);
}

static void a_vm_that_ends_at_once_is_started_again_only_so_often(void **state)
{
    struct vm vm = vm_with(bh_OnEvent_DESTROY, bh_OnEvent_RESTART, bh_OnEvent_RESTART);

    (void)state;
    assert_int_equal(policy_decide(&vm, END_CRASH, 0), ACTION_RESTART);
    assert_int_equal(policy_decide(&vm, END_CRASH, QUICK_SECONDS), ACTION_RESTART); /* that was not quick */
    assert_int_equal(policy_decide(&vm, END_CRASH, 1), ACTION_RESTART);
    assert_int_equal(policy_decide(&vm, END_REBOOT, 1), ACTION_RESTART);
    assert_int_equal(policy_decide(&vm, END_CRASH, 1), ACTION_DESTROY);
}

static void exit_statuses_tell_refused_from_crashed(void **state)
{
    (void)state;
    assert_int_equal(policy_exit_status(END_POWEROFF), 0);
    assert_int_equal(policy_exit_status(END_REBOOT), 0);
    assert_int_equal(policy_exit_status(END_DESTROYED), 0);
    assert_int_equal(policy_exit_status(END_REFUSED), 1);
    assert_int_equal(policy_exit_status(END_CRASH), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_split_at_blanks),
        cmocka_unit_test(an_option_is_found_by_its_whole_name),
        cmocka_unit_test(foreign_text_becomes_one_printable_line),
        cmocka_unit_test(each_ending_has_its_own_policy),
        cmocka_unit_test(what_cannot_start_is_not_started_again),
        cmocka_unit_test(a_vm_that_ends_at_once_is_started_again_only_so_often),
        cmocka_unit_test(exit_statuses_tell_refused_from_crashed),
    };

    return cmocka_run_group_tests_name("toolstack_text", tests, NULL, NULL);
}
