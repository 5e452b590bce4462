/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_host_keys.c - bh finds every key of an xl.cfg, and its line
 *
 * links: tools/bh/keys.c
 * flags: -Itools/bh
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "keys.h"

/* "name:line " for each key. */
static void check(const char *text, const char *expected)
{
    char found[512] = "";
    uint32_t line = 1;
    struct key key;

    while (keys_next(&text, &line, &key))
        snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s:%u ", key.name, key.line);
    assert_string_equal(found, expected);
}

static void finds_each_statement(void **state)
{
    (void)state;
    check("a=1\nb = 2\n\n  c= 'x'\nd+='y'", "a:1 b:2 c:4 d:5 ");
    check("a=1; b=2;c=3\n", "a:1 b:1 c:1 ");
    check("", "");
}

static void skips_comments(void **state)
{
    (void)state;
    check("# x=1\na=1 # b=2\n  # c=3\nd=4", "a:2 d:4 ");
}

static void is_not_fooled_by_strings(void **state)
{
    (void)state;
    check("a='b=1;c=2#'\nd=\"\\\"e=1\"\nf=1", "a:1 d:2 f:3 ");
}

static void counts_the_lines_of_lists(void **state)
{
    (void)state;
    check("disk = [ 'x', # y=1\n 'z=2;',\n]\nname='a'\n", "disk:1 name:4 ");
    check("a=[['x'],\n['y']\n]\nb=1", "a:1 b:4 ");
}

static void cuts_a_long_name(void **state)
{
    char text[200], name[KEY_BYTES_MAX + 8];

    (void)state;
    memset(text, 'k', sizeof(text));
    strcpy(text + 100, "=1");
    memset(name, 'k', sizeof(name));
    strcpy(name + KEY_BYTES_MAX - 1, ":1 ");
    check(text, name);
}

static void tells_the_line_of_the_last_assignment(void **state)
{
    (void)state;
    assert_int_equal(keys_line("a=1\nb=2\na=3\n", "a"), 3);
    assert_int_equal(keys_line("a=1\n", "b"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_each_statement),     cmocka_unit_test(skips_comments),
        cmocka_unit_test(is_not_fooled_by_strings), cmocka_unit_test(counts_the_lines_of_lists),
        cmocka_unit_test(cuts_a_long_name),         cmocka_unit_test(tells_the_line_of_the_last_assignment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
