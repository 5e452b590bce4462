/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rpc.c - requests and replies as Protocol Buffers in messages
 *
 * The IPC buffer is written by the kernel only while we wait, so what is decoded from it cannot change under
 * us; the peer who sent it is still not trusted: nanopb bounds every string and array.
 */
#include "rpc.h"

#include <pb_decode.h>
#include <pb_encode.h>
#include <string.h>

#define STATUS_LAST ERR_EXIST

/* Encode into the IPC buffer.  False: the message has a string without an end, or is too large. */
static bool message_encode(const pb_msgdesc_t *fields, const void *message, uint32_t *bytes)
{
    pb_ostream_t stream = pb_ostream_from_buffer(bh_ipcbuf->data, IPC_BYTES_MAX);

    if (!pb_encode(&stream, fields, message))
        return false;
    *bytes = (uint32_t)stream.bytes_written;
    return true;
}

static bool message_decode(const pb_msgdesc_t *fields, void *message, uint64_t info)
{
    pb_istream_t stream;

    if (INFO_BYTES(info) > IPC_BYTES_MAX)
        return false;
    stream = pb_istream_from_buffer(bh_ipcbuf->data, INFO_BYTES(info));
    return pb_decode(&stream, fields, message);
}

/* Name the capabilities to send; returns how many. */
static uint32_t caps_send(const slot_t *slots, uint32_t count)
{
    if (count > IPC_CAPS_MAX)
        count = IPC_CAPS_MAX;
    for (uint32_t i = 0; i < count; i++)
        bh_ipcbuf->caps[i] = slots[i];
    return count;
}

static void caps_drop(const slot_t *slots, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        bh_slot_drop(slots[i]);
}

/* What the label of a reply other than 0 means to the client. */
static enum status label_status(uint32_t label)
{
    return label <= STATUS_LAST ? (enum status)label : ERR_PEER;
}

static enum status reply_judge(const struct bh_msg *m, const struct rpc_method *method, void *reply)
{
    if (m->info & (INFO_SIGNAL | INFO_EXIT))
        return ERR_PEER;
    if (INFO_LABEL(m->info) != 0)
        return label_status(INFO_LABEL(m->info));
    if (!message_decode(method->reply_fields, reply, m->info)) {
        memset(reply, 0, method->reply_size);
        return ERR_PEER;
    }
    return OK;
}

enum status rpc_ask(slot_t endpoint, uint32_t label, const struct rpc_method *method, const void *request,
                    void *reply, struct rpc_caps *caps, uint64_t deadline)
{
    struct bh_msg m = {0};
    slot_t arrived[IPC_CAPS_MAX];
    uint32_t bytes, arrived_count;
    enum status status;

    memset(reply, 0, method->reply_size);
    if (caps)
        caps->out_count = 0;
    if (!message_encode(method->request_fields, request, &bytes))
        return ERR_ARG;
    m.info = INFO(label, 0, bytes, caps ? caps_send(caps->in, caps->in_count) : 0);
    status = bh_call(endpoint, deadline, &m);
    if (status != OK)
        return status;

    arrived_count = bh_caps_take(arrived);
    status = reply_judge(&m, method, reply);
    if (status != OK || !caps) {
        caps_drop(arrived, arrived_count);
        return status;
    }
    caps->out_count = arrived_count;
    memcpy(caps->out, arrived, arrived_count * sizeof(arrived[0]));
    return OK;
}

/* The method that a request names, decoded; NULL: refused, *why says by which status. */
static const struct rpc_method *request_judge(const struct bh_msg *m, const struct rpc_method *methods,
                                              uint32_t method_count, void *request, enum status *why)
{
    uint32_t label = INFO_LABEL(m->info);
    const struct rpc_method *method;

    *why = ERR_CALL;
    if (label == 0 || label > method_count)
        return NULL;
    method = &methods[label - 1];
    memset(request, 0, method->request_size);
    *why = ERR_ARG;
    return message_decode(method->request_fields, request, m->info) ? method : NULL;
}

static void reply_refuse(struct bh_msg *m, enum status why)
{
    *m = (struct bh_msg){.info = INFO(why, 0, 0, 0)};
}

static void reply_encode(struct bh_msg *m, const struct rpc_method *method, const struct rpc_call *call,
                         const void *reply)
{
    uint32_t bytes;

    if (!message_encode(method->reply_fields, reply, &bytes))
        bh_panic("a reply does not encode: one of its strings has no end");
    *m = (struct bh_msg){.info = INFO(0, 0, bytes, caps_send(call->out, call->out_count))};
    for (uint32_t i = 0; call->give_out && i < call->out_count; i++)
        bh_drop_after_reply(call->out[i]);
}

void rpc_answer(struct bh_msg *m, void *context, const struct rpc_method *methods, uint32_t method_count,
                void *request, void *reply)
{
    struct rpc_call call = {.badge = m->badge, .context = context};
    const struct rpc_method *method;
    enum status why;

    call.in_count = bh_caps_take(call.in);
    method = request_judge(m, methods, method_count, request, &why);
    if (!method) {
        caps_drop(call.in, call.in_count);
        reply_refuse(m, why);
        return;
    }
    memset(reply, 0, method->reply_size);
    method->handle(&call, request, reply);
    reply_encode(m, method, &call, reply);
}
