/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json.c - JSON, written as it is said
 */
#define _GNU_SOURCE
#include "json.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#define UUID_BYTES 16u
#define UUID_DASHES (1u << 4 | 1u << 6 | 1u << 8 | 1u << 10)
#define MAC_COLONS (~1u)

void json_start(struct json *json, FILE *out)
{
    *json = (struct json){.out = out};
}

void json_start_line(struct json *json, FILE *out)
{
    *json = (struct json){.out = out, .is_compact = true};
}

void json_finish(struct json *json)
{
    fputc('\n', json->out);
    fflush(json->out);
}

static void line_begin(const struct json *json)
{
    if (!json->is_compact)
        fprintf(json->out, "\n%*s", (int)(2 * json->depth), "");
}

/* How many bytes at `at` are one character (RFC 3629, 4); 0: they are none. */
static size_t utf8_length(const uint8_t *at, size_t left)
{
    size_t length = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

    if (length == 0 || length > left || at[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return length;
}

static void put_character(FILE *out, const uint8_t *at, size_t length)
{
    static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: the character, its letter */

    for (const char *n = named; *n; n += 2)
        if (*at == (uint8_t)n[0]) {
            fprintf(out, "\\%c", n[1]);
            return;
        }
    if (*at < 0x20 || *at == 0x7f)
        fprintf(out, "\\u%04x", *at);
    else
        fwrite(at, 1, length, out);
}

static void put_text(FILE *out, const char *text, size_t bytes)
{
    const uint8_t *at = (const uint8_t *)text;

    fputc('"', out);
    while (bytes > 0) {
        size_t length = utf8_length(at, bytes);

        if (length == 0)
            fputs("\\ufffd", out);
        else
            put_character(out, at, length);
        length = length ? length : 1;
        at += length;
        bytes -= length;
    }
    fputc('"', out);
}

/* What stands in front of a value. */
static void value_begin(struct json *json, const char *key)
{
    if (json->has_member)
        fputc(',', json->out);
    if (json->depth > 0)
        line_begin(json);
    if (key) {
        put_text(json->out, key, strlen(key));
        fputs(json->is_compact ? ":" : ": ", json->out);
    }
    json->has_member = true;
}

static void nest(struct json *json, const char *key, char bracket)
{
    value_begin(json, key);
    fputc(bracket, json->out);
    json->depth++;
    json->has_member = false;
}

static void nest_end(struct json *json, char bracket)
{
    json->depth--;
    if (json->has_member)
        line_begin(json);
    fputc(bracket, json->out);
    json->has_member = true;
}

void json_object(struct json *json, const char *key)
{
    nest(json, key, '{');
}

void json_object_end(struct json *json)
{
    nest_end(json, '}');
}

void json_array(struct json *json, const char *key)
{
    nest(json, key, '[');
}

void json_array_end(struct json *json)
{
    nest_end(json, ']');
}

void json_text_bytes(struct json *json, const char *key, const char *text, size_t bytes)
{
    value_begin(json, key);
    put_text(json->out, text, bytes);
}

void json_text(struct json *json, const char *key, const char *text)
{
    json_text_bytes(json, key, text, strlen(text));
}

void json_number(struct json *json, const char *key, uint64_t number)
{
    value_begin(json, key);
    fprintf(json->out, "%" PRIu64, number);
}

void json_bool(struct json *json, const char *key, bool value)
{
    value_begin(json, key);
    fputs(value ? "true" : "false", json->out);
}

void json_null(struct json *json, const char *key)
{
    value_begin(json, key);
    fputs("null", json->out);
}

void json_hex(struct json *json, const char *key, const uint8_t *bytes, size_t count, char separator,
              uint32_t separators)
{
    value_begin(json, key);
    fputc('"', json->out);
    for (size_t i = 0; i < count; i++) {
        if (i < 32 && separators & 1u << i)
            fputc(separator, json->out);
        fprintf(json->out, "%02x", bytes[i]);
    }
    fputc('"', json->out);
}

void json_uuid(struct json *json, const char *key, const uint8_t *bytes, size_t count)
{
    json_hex(json, key, bytes, count, '-', count == UUID_BYTES ? UUID_DASHES : 0);
}

void json_mac(struct json *json, const char *key, const uint8_t *bytes, size_t count)
{
    json_hex(json, key, bytes, count, ':', MAC_COLONS);
}

void json_ipv4(struct json *json, const char *key, uint32_t address)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr in = {.s_addr = htonl(address)};

    json_text(json, key, inet_ntop(AF_INET, &in, text, sizeof(text)));
}

void json_ipv6(struct json *json, const char *key, const uint8_t *bytes, size_t count)
{
    char text[INET6_ADDRSTRLEN];

    if (count == sizeof(struct in6_addr))
        json_text(json, key, inet_ntop(AF_INET6, bytes, text, sizeof(text)));
    else
        json_null(json, key);
}
