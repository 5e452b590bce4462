/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json.h - JSON, written as it is said (RFC 8259)
 *
 * `key` names a member of the object that is open; NULL in an array, and for the outermost value.  Text that
 * is not UTF-8 becomes U+FFFD: a reader gets valid JSON whatever the machine said.
 */
#ifndef BH_JSON_H
#define BH_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json {
    FILE *out;
    bool is_compact; /* one line */
    unsigned depth;
    bool has_member; /* of the innermost object or array: a comma is due */
};

void json_start(struct json *json, FILE *out);
/* A value on one line, for streams of them. */
void json_start_line(struct json *json, FILE *out);
/* End of the outermost value. */
void json_finish(struct json *json);

void json_object(struct json *json, const char *key);
void json_object_end(struct json *json);
void json_array(struct json *json, const char *key);
void json_array_end(struct json *json);
void json_text(struct json *json, const char *key, const char *text);
void json_text_bytes(struct json *json, const char *key, const char *text, size_t bytes);
void json_number(struct json *json, const char *key, uint64_t number);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);
/* Text in hexadecimal digits; `separators`: a bit for each byte that has `separator` in front of it. */
void json_hex(struct json *json, const char *key, const uint8_t *bytes, size_t count, char separator,
              uint32_t separators);
void json_uuid(struct json *json, const char *key, const uint8_t *bytes, size_t count);
void json_mac(struct json *json, const char *key, const uint8_t *bytes, size_t count);
/* The first byte of the address is the highest. */
void json_ipv4(struct json *json, const char *key, uint32_t address);
void json_ipv6(struct json *json, const char *key, const uint8_t *bytes, size_t count);

#endif
