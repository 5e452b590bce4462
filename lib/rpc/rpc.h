/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rpc.h - requests and replies as Protocol Buffers in messages
 *
 * idl/gen_rpc.py makes the typed client stubs and the dispatch of each service from the `service` in its
 * .proto file; this is what they have in common.  The label of a request is the method's number, `data` of
 * the IPC buffer the encoded message.  The label of a reply is 0, or an enum status when the request could
 * not be judged at all.
 */
#ifndef BH_RPC_H
#define BH_RPC_H

#include <pb.h>
#include <stdbool.h>

#include "bh.h"

/* Capabilities of one call, at the client.  in: slots to send copies of (Untypeds move: free the slot after).
 * out: fresh slots with what came back; the caller's to drop. */
struct rpc_caps {
    uint32_t in_count;
    slot_t in[IPC_CAPS_MAX];
    uint32_t out_count;
    slot_t out[IPC_CAPS_MAX];
};

/* One call, at the server. */
struct rpc_call {
    uint64_t badge; /* who asks */
    void *context;
    uint32_t in_count;
    slot_t in[IPC_CAPS_MAX]; /* what came; drop what you do not keep */
    uint32_t out_count;
    slot_t out[IPC_CAPS_MAX]; /* what to send copies of with the reply (Untypeds move) */
    bool
        give_out; /* out[] slots are dropped when the reply has gone: what was moved or minted for it alone */
};

struct rpc_method {
    const pb_msgdesc_t *request_fields, *reply_fields;
    uint32_t request_size, reply_size; /* of the structs */
    void (*handle)(struct rpc_call *call, const void *request, void *reply);
};

/*
 * Ask.  OK: the reply was understood (its own `status` field says whether the server did what was asked).
 * Refused as bh_call, and: ERR_ARG: the request does not encode (a string without an end); ERR_PEER: the
 * reply is not one; or the status by which the server refused to decode.  `reply` is all zero unless OK.
 */
enum status rpc_ask(slot_t endpoint, uint32_t label, const struct rpc_method *method, const void *request,
                    void *reply, struct rpc_caps *caps, uint64_t deadline) BH_NODISCARD;

/*
 * Answer the request in `m` (which bh_recv or bh_reply_recv left there): afterwards `m` is the reply, for
 * bh_reply or bh_reply_recv.  request and reply: room for the largest of each.
 */
void rpc_answer(struct bh_msg *m, void *context, const struct rpc_method *methods, uint32_t method_count,
                void *request, void *reply);

#endif
