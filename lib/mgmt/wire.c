/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.c - requests and replies of the management channel
 */
#include "wire.h"

#include <pb_decode.h>
#include <pb_encode.h>
#include <stdio.h>
#include <string.h>

#include "mgmt.pb.h"

_Static_assert(sizeof(((bh_MgmtFailure *)0)->text) == WIRE_ERROR_BYTES, "an error is a MgmtFailure's text");

uint32_t wire_encode(uint8_t *out, uint32_t number, const pb_msgdesc_t *fields, const void *message)
{
    pb_ostream_t stream = pb_ostream_from_buffer(out + WIRE_NUMBER_BYTES, WIRE_REPLY_MAX);

    if (!pb_encode(&stream, fields, message))
        return 0;
    frame_put_u32(out, number);
    return WIRE_NUMBER_BYTES + (uint32_t)stream.bytes_written;
}

bool wire_decode(const uint8_t *in, uint32_t in_bytes, uint32_t *number, const pb_msgdesc_t *fields,
                 void *message)
{
    pb_istream_t stream;

    if (in_bytes < WIRE_NUMBER_BYTES)
        return false;
    *number = frame_u32(in);
    stream = pb_istream_from_buffer(in + WIRE_NUMBER_BYTES, in_bytes - WIRE_NUMBER_BYTES);
    return pb_decode(&stream, fields, message);
}

uint32_t wire_failure(uint8_t *out, uint32_t status, const char *text)
{
    bh_MgmtFailure failure = bh_MgmtFailure_init_zero;

    snprintf(failure.text, sizeof(failure.text), "%s", text);
    return wire_encode(out, status, bh_MgmtFailure_fields, &failure);
}

/* The method that a request names, decoded; NULL: refused, with what to answer. */
static const struct wire_method *request_judge(struct wire_call *call, const struct wire_method *methods,
                                               uint32_t method_count, void *request, const uint8_t *in,
                                               uint32_t in_bytes, uint32_t *number, uint32_t *status)
{
    const struct wire_method *method;

    *status = bh_MgmtStatus_MGMT_BAD_REQUEST;
    *number = in_bytes < WIRE_NUMBER_BYTES ? 0 : frame_u32(in);
    if (*number == 0) {
        snprintf(call->error, sizeof(call->error), "the request names no method");
        return NULL;
    }
    if (*number > method_count) {
        *status = bh_MgmtStatus_MGMT_NOT_SUPPORTED;
        snprintf(call->error, sizeof(call->error), "the machine (" MGMT_PRODUCT ") has no method %u",
                 (unsigned)*number);
        return NULL;
    }
    method = &methods[*number - 1];
    memset(request, 0, method->request_size);
    if (wire_decode(in, in_bytes, number, method->request_fields, request))
        return method;
    snprintf(call->error, sizeof(call->error), "%s: the request does not decode", method->name);
    return NULL;
}

uint32_t wire_answer(struct wire_call *call, const struct wire_method *methods, const wire_handler *handlers,
                     uint32_t method_count, void *request, void *reply, const uint8_t *in, uint32_t in_bytes,
                     uint8_t *out)
{
    uint32_t number, status, bytes;
    const struct wire_method *method =
        request_judge(call, methods, method_count, request, in, in_bytes, &number, &status);

    if (!method)
        return wire_failure(out, status, call->error);
    memset(reply, 0, method->reply_size);
    status = handlers[number - 1](call, request, reply);
    if (status != bh_MgmtStatus_MGMT_OK)
        return wire_failure(out, status, call->error);
    bytes = wire_encode(out, status, method->reply_fields, reply);
    if (bytes == 0)
        return wire_failure(out, bh_MgmtStatus_MGMT_REFUSED, "the answer does not encode");
    return bytes;
}
