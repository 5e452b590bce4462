/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_host_json.c - what bh says as JSON is JSON, whatever it is made of
 *
 * links: tools/bh/json.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/bh/json.h"

#define TEST(group, claim) static void group##_##claim(void **state)

static char *text;
static size_t text_bytes;
static struct json json;

static int begin(void **state)
{
    (void)state;
    json_start_line(&json, open_memstream(&text, &text_bytes));
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(text);
    text = NULL;
    return 0;
}

static void expect(const char *what)
{
    json_finish(&json);
    fclose(json.out);
    assert_string_equal(text, what);
}

TEST(json, separates_members_and_nests)
{
    (void)state;
    json_object(&json, NULL);
    json_array(&json, "empty");
    json_array_end(&json);
    json_array(&json, "list");
    json_object(&json, NULL);
    json_number(&json, "n", UINT64_MAX);
    json_bool(&json, "yes", true);
    json_object_end(&json);
    json_null(&json, NULL);
    json_array_end(&json);
    json_text(&json, "text", "x");
    json_object_end(&json);
    expect("{\"empty\":[],\"list\":[{\"n\":18446744073709551615,\"yes\":true},null],\"text\":\"x\"}\n");
}

TEST(json, indents_when_it_is_for_people)
{
    (void)state;
    FILE *out = json.out;

    json_start(&json, out);
    json_object(&json, NULL);
    json_array(&json, "a");
    json_number(&json, NULL, 1);
    json_array_end(&json);
    json_object_end(&json);
    expect("{\n  \"a\": [\n    1\n  ]\n}\n");
}

TEST(json, escapes_what_must_be)
{
    (void)state;
    json_text(&json, NULL, "\"\\\b\f\n\r\t\x01\x1f\x7f/");
    expect("\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f/\"\n");
}

TEST(json, keeps_utf8_and_replaces_what_is_none)
{
    (void)state;
    json_array(&json, NULL);
    json_text(&json, NULL, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    json_text(&json, NULL, "\xff");
    json_text(&json, NULL, "a\xc3");            /* cut */
    json_text(&json, NULL, "\xc0\x80");         /* too long */
    json_text(&json, NULL, "\xed\xa0\x80");     /* a surrogate */
    json_text(&json, NULL, "\xf4\x90\x80\x80"); /* beyond the last */
    json_text_bytes(&json, NULL, "a\0b", 3);
    json_array_end(&json);
    expect("[\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\",\"\\ufffd\",\"a\\ufffd\",\"\\ufffd\\ufffd\","
           "\"\\ufffd\\ufffd\\ufffd\",\"\\ufffd\\ufffd\\ufffd\\ufffd\",\"a\\u0000b\"]\n");
}

TEST(json, writes_addresses_as_people_do)
{
    (void)state;
    uint8_t bytes[16];

    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 17);
    json_array(&json, NULL);
    json_uuid(&json, NULL, bytes, 16);
    json_uuid(&json, NULL, bytes, 0);
    json_mac(&json, NULL, bytes, 6);
    json_hex(&json, NULL, bytes, 3, 0, 0);
    json_ipv4(&json, NULL, 0x0a000305);
    json_ipv6(&json, NULL, bytes, 0);
    json_ipv6(&json, NULL, bytes, 16);
    json_array_end(&json);
    expect(
        "[\"00112233-4455-6677-8899-aabbccddeeff\",\"\",\"00:11:22:33:44:55\",\"001122\",\"10.0.3.5\",null,"
        "\"11:2233:4455:6677:8899:aabb:ccdd:eeff\"]\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(json_separates_members_and_nests, begin, end),
        cmocka_unit_test_setup_teardown(json_indents_when_it_is_for_people, begin, end),
        cmocka_unit_test_setup_teardown(json_escapes_what_must_be, begin, end),
        cmocka_unit_test_setup_teardown(json_keeps_utf8_and_replaces_what_is_none, begin, end),
        cmocka_unit_test_setup_teardown(json_writes_addresses_as_people_do, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
