/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * serve.c - what the toolstack and the vmms ask of mem
 *
 * The badge says who asks: 1 is the toolstack, from VM_ID_MIN up it is that VM's vmm, and with the bits of
 * lib/ring/mem_session.h a driver that keeps memory for that VM.
 */
#include <inttypes.h>
#include <stdio.h>

#include "bh.h"
#include "bh_syscalls.h"
#include "mem.h"
#include "mem_rpc.h"

static bool asks_toolstack(const struct rpc_call *call)
{
    return call->badge == MEM_TOOLSTACK_BADGE;
}

void mem_on_open(struct rpc_call *call, const bh_MemOpenRequest *req, bh_MemStatus *rep)
{
    struct mem *mem = call->context;

    if (!asks_toolstack(call)) {
        rep->status = ERR_RIGHT;
        snprintf(rep->error, sizeof(rep->error), "only the toolstack opens memory sessions");
        return;
    }
    _Static_assert(sizeof(rep->error) >= LEDGER_ERROR_BYTES, "the judge's words fit the reply");
    rep->status = ledger_judge_session(&mem->ledger, req->vm_id, req->quota_bytes, rep->error);
    if (rep->status != OK)
        return;
    ledger_session_create(&mem->ledger, req->vm_id, (uint32_t)(req->quota_bytes / CHUNK_BYTES));
    rep->bytes = req->quota_bytes;
}

static void session_is_missing(uint64_t vm_id, enum status status, bh_MemStatus *rep)
{
    char name[LEDGER_NAME_BYTES];

    ledger_name(vm_id, name);
    rep->status = status;
    snprintf(rep->error, sizeof(rep->error), "%s has no memory session", name);
}

/* What the kernel says is still in use stays with the session, and the session stays: nothing is counted that
 * is not there. */
void mem_on_close(struct rpc_call *call, const bh_MemCloseRequest *req, bh_MemStatus *rep)
{
    struct mem *mem = call->context;
    struct ledger_session *session;
    char name[LEDGER_NAME_BYTES];

    ledger_name(req->vm_id, name);
    if (!asks_toolstack(call)) {
        rep->status = ERR_RIGHT;
        snprintf(rep->error, sizeof(rep->error), "only the toolstack closes memory sessions");
        return;
    }
    session = ledger_find(&mem->ledger, req->vm_id);
    if (!session) {
        session_is_missing(req->vm_id, ERR_EXIST, rep);
        return;
    }
    while (ledger_held(&mem->ledger, session) != NO_CHUNK) {
        uint32_t chunk = ledger_held(&mem->ledger, session);

        rep->status = mem_return_chunk(mem, session, chunk);
        if (rep->status != OK) {
            snprintf(rep->error, sizeof(rep->error), "chunk %" PRIu32 " of %s did not come back (status %u)",
                     chunk, name, (unsigned)rep->status);
            return;
        }
        rep->bytes += CHUNK_BYTES;
    }
    ledger_session_destroy(&mem->ledger, session);
}

/* An Untyped that a reply carries is moved; what a caller that went away has left behind is ended here.  Its
 * chunk stays on the account of its session until that is closed. */
static void out_slots_tidy(void)
{
    for (uint32_t i = 0; i < IPC_CAPS_MAX; i++)
        if (bh_cspace_delete(SLOT_CSPACE, OUT_SLOT0 + i) != OK)
            bh_panic("a reply's slot cannot be emptied");
}

void mem_on_alloc(struct rpc_call *call, const bh_MemAllocRequest *req, bh_MemAllocReply *rep)
{
    struct mem *mem = call->context;
    struct ledger_session *session = ledger_find(&mem->ledger, call->badge);
    uint64_t wanted = req->bytes / CHUNK_BYTES;

    if (!session) {
        char name[LEDGER_NAME_BYTES];

        ledger_name(call->badge, name);
        rep->status = ERR_RIGHT;
        snprintf(rep->error, sizeof(rep->error), "there is no memory session of %s", name);
        return;
    }
    rep->status = ledger_judge_take(&mem->ledger, session, req->bytes, rep->error);
    if (rep->status != OK)
        return;
    out_slots_tidy();
    while (call->out_count < IPC_CAPS_MAX && call->out_count < wanted) {
        slot_t out = OUT_SLOT0 + call->out_count;
        uint32_t chunk = mem_take_chunk(mem, session);

        if (chunk == NO_CHUNK || mem_lend_chunk(chunk, out) != OK)
            break;
        call->out[call->out_count++] = out;
        rep->bytes[rep->bytes_count++] = CHUNK_BYTES;
        rep->chunks[rep->chunks_count++] = chunk;
    }
    if (call->out_count == 0) {
        rep->status = ERR_MEM;
        snprintf(rep->error, sizeof(rep->error), "the pool gives no more, though %u MiB of it should be free",
                 (unsigned)(mem->ledger.pool_chunks - mem->ledger.taken) * 2);
    }
}

/* Whatever the caller made of it, and whoever has that now: it is gone. */
void mem_on_release(struct rpc_call *call, const bh_MemReleaseRequest *req, bh_MemStatus *rep)
{
    struct mem *mem = call->context;
    const struct ledger_session *session = ledger_find(&mem->ledger, call->badge);

    if (!session) {
        session_is_missing(call->badge, ERR_RIGHT, rep);
        return;
    }
    rep->status = ledger_judge_put(&mem->ledger, session, req->chunk, rep->error);
    if (rep->status != OK)
        return;
    rep->status = mem_return_chunk(mem, session, req->chunk);
    if (rep->status == OK)
        rep->bytes = CHUNK_BYTES;
    else
        snprintf(rep->error, sizeof(rep->error), "chunk %" PRIu32 " did not come back (status %u)",
                 req->chunk, (unsigned)rep->status);
}

void mem_on_set_target(struct rpc_call *call, const bh_MemSetTargetRequest *req, bh_MemStatus *rep)
{
    struct mem *mem = call->context;
    struct ledger_session *session = ledger_find(&mem->ledger, req->vm_id);

    if (!asks_toolstack(call)) {
        rep->status = ERR_RIGHT;
        snprintf(rep->error, sizeof(rep->error), "only the toolstack sets targets");
        return;
    }
    if (!session) {
        session_is_missing(req->vm_id, ERR_EXIST, rep);
        return;
    }
    rep->status = ledger_judge_target(&mem->ledger, session, req->bytes, rep->error);
    if (rep->status != OK)
        return;
    ledger_set_target(&mem->ledger, session, (uint32_t)(req->bytes / CHUNK_BYTES));
    rep->bytes = (uint64_t)ledger_promise(&mem->ledger, session) * CHUNK_BYTES;
}

void mem_on_session(struct rpc_call *call, const bh_MemSessionRequest *req, bh_MemSessionReply *rep)
{
    struct ledger *ledger = &((struct mem *)call->context)->ledger;
    const struct ledger_session *session =
        ledger_find(ledger, asks_toolstack(call) ? req->vm_id : call->badge);

    if (!session) {
        rep->status = ERR_EXIST;
        return;
    }
    rep->status = OK;
    rep->quota_bytes = (uint64_t)session->quota * CHUNK_BYTES;
    rep->target_bytes = (uint64_t)session->target * CHUNK_BYTES;
    rep->held_bytes = (uint64_t)ledger_held_count(ledger, session) * CHUNK_BYTES;
}

void mem_on_info(struct rpc_call *call, const bh_MemInfoRequest *req, bh_MemInfoReply *rep)
{
    const struct ledger *ledger = &((struct mem *)call->context)->ledger;

    (void)req;
    if (!asks_toolstack(call)) {
        rep->status = ERR_RIGHT;
        return;
    }
    rep->status = OK;
    rep->total_bytes = (uint64_t)ledger->pool_chunks * CHUNK_BYTES;
    rep->free_bytes = (uint64_t)(ledger->pool_chunks - ledger->taken) * CHUNK_BYTES;
    rep->promised_bytes = (uint64_t)ledger->promised * CHUNK_BYTES;
    rep->sessions = ledger_session_count(ledger);
    rep->slots_free = bh_slots_left();
}
