/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.h - requests and replies of the management channel: Protocol Buffers in the payload of a frame
 *
 * idl/gen_rpc.py --wire makes the table of the methods (for both sides) and the dispatch (for the server)
 * from the `service` in the .proto file; this is what they have in common.
 *
 *     REQUEST  u32 method, message
 *     REPLY    u32 MgmtStatus, message; or MgmtFailure if the status is not MGMT_OK.  CLOSE and END: always
 *              MgmtFailure.
 */
#ifndef LIB_MGMT_WIRE_H
#define LIB_MGMT_WIRE_H

#include <pb.h>
#include <stdbool.h>
#include <stdint.h>

#include "frame.h"

#define WIRE_NUMBER_BYTES 4u /* the method, or the status */
#define WIRE_REPLY_MAX (FRAME_PAYLOAD_MAX - WIRE_NUMBER_BYTES)
#define WIRE_ERROR_BYTES 240u /* bh.MgmtFailure.text */

struct wire_method {
    const char *name; /* "vm_info" */
    const pb_msgdesc_t *request_fields, *reply_fields;
    uint32_t request_size, reply_size; /* of the structs */
};

/* ---- to ask */
/* Encode into `out` (FRAME_PAYLOAD_MAX); returns the payload's bytes, 0: it does not encode. */
uint32_t wire_encode(uint8_t *out, uint32_t number, const pb_msgdesc_t *fields, const void *message);
/* The number that a payload begins with, and the message behind it.  False: it is too short, or does not
 * decode. */
bool wire_decode(const uint8_t *in, uint32_t in_bytes, uint32_t *number, const pb_msgdesc_t *fields,
                 void *message);
/* u32 status and MgmtFailure, as CLOSE, END and REPLY carry it; returns the payload's bytes.  `text` is cut.
 */
uint32_t wire_failure(uint8_t *out, uint32_t status, const char *text);

/* ---- to answer */
struct wire_call {
    void *context;
    uint16_t client;
    uint32_t id;
    char error[WIRE_ERROR_BYTES]; /* what goes with a status that is not MGMT_OK */
};
typedef uint32_t (*wire_handler)(struct wire_call *call, const void *request, void *reply);

/*
 * Answer the payload of a REQUEST: `out` (FRAME_PAYLOAD_MAX) becomes the payload of the REPLY; returns its
 * bytes. request and reply: room for the largest of each.
 */
uint32_t wire_answer(struct wire_call *call, const struct wire_method *methods, const wire_handler *handlers,
                     uint32_t method_count, void *request, void *reply, const uint8_t *in, uint32_t in_bytes,
                     uint8_t *out);

#endif
