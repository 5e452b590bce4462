/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_host_sha256.c - SHA-256 gives the digests that NIST's examples and sha256sum give
 *
 * links: tools/bh/sha256.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/bh/sha256.h"

#define TEST(group, claim) static void group##_##claim(void **state)

static void expect(const char *bytes, size_t count, const char *hex)
{
    uint8_t digest[SHA256_BYTES];
    char text[2 * SHA256_BYTES + 1];

    sha256(digest, (const uint8_t *)bytes, count);
    for (unsigned i = 0; i < SHA256_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(text, hex);
}

TEST(sha256, gives_the_digests_of_the_examples)
{
    const char *two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

    (void)state;
    expect("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(two_blocks, strlen(two_blocks),
           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(sha256, takes_a_million_bytes)
{
    char *bytes = malloc(1000000);

    (void)state;
    assert_non_null(bytes);
    memset(bytes, 'a', 1000000);
    expect(bytes, 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(bytes);
}

/* What is padded into one block or two. */
TEST(sha256, pads_at_every_length_of_the_last_block)
{
    char bytes[64];

    (void)state;
    memset(bytes, 'x', sizeof bytes);
    expect(bytes, 55, "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
    expect(bytes, 56, "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
    expect(bytes, 63, "75220b47218278e656f2013bb8f0c455a25eaf01e86c64924e9d48d89776d6f2");
    expect(bytes, 64, "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_digests_of_the_examples),
        cmocka_unit_test(sha256_takes_a_million_bytes),
        cmocka_unit_test(sha256_pads_at_every_length_of_the_last_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
