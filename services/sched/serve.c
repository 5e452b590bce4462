/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * serve.c - what init, the toolstack and the vmms ask of sched
 *
 * The badge says who asks: 1 the toolstack, 2 init, from VM_ID_MIN up that VM's vmm.  Only what init admits
 * is a service, ahead of the guests.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "bh_syscalls.h"
#include "caps_sched.h"
#include "sched.h"
#include "sched_rpc.h"

void sched_on_place(struct rpc_call *call, const bh_PlaceRequest *req, bh_PlaceReply *rep)
{
    struct sched *sched = call->context;
    uint32_t vm_id = call->badge == SCHED_TOOLSTACK_BADGE ? req->vm_id : (uint32_t)call->badge;
    const struct place *place;

    _Static_assert(sizeof(rep->error) >= TABLE_ERROR_BYTES, "the judge's words fit the reply");
    place = table_place_pinned(sched->table, sched->pcpu_count, vm_id, req->vcpus, req->pins.bytes,
                               call->badge == SCHED_TOOLSTACK_BADGE ? req->pins.size : 0, rep->error);
    if (!place) {
        rep->status = ERR_ARG;
        return;
    }
    rep->status = OK;
    if (call->badge == SCHED_TOOLSTACK_BADGE)
        rep->status =
            table_set(sched->table, vm_id, req->weight ? req->weight : WEIGHT_USUAL, req->cap, rep->error);
    if (rep->status != OK)
        return;
    rep->pcpus_count = (pb_size_t)place->vcpus;
    for (uint32_t v = 0; v < place->vcpus; v++)
        rep->pcpus[v] = place->pcpus[v];
}

/* Put the SchedContext in its slot and into the plan, or leave everything as it was. */
static enum status admit(struct sched *sched, const struct entry *wanted, slot_t sc, char *error)
{
    uint32_t at = table_find_free(sched->table);
    enum status status = bh_cspace_move(SLOT_CSPACE, sc, SLOT_CSPACE, SC_SLOT0 + at);

    if (status != OK) {
        snprintf(error, TABLE_ERROR_BYTES, "%s: its SchedContext cannot be taken in (status %d)",
                 wanted->name, (int)status);
        return status;
    }
    table_put(sched->table, at, wanted);
    status = sched_commit(sched, wanted->pcpu);
    if (status == OK)
        return OK;

    sched_drop(sched, at);
    if (sched_commit(sched, wanted->pcpu) != OK)
        bh_log("pCPU %u goes on with its last plan", wanted->pcpu);
    snprintf(error, TABLE_ERROR_BYTES, "%s: the kernel does not take it on pCPU %u (%s)", wanted->name,
             wanted->pcpu, status == ERR_ARG ? "is its SchedContext on another?" : bh_status_name(status));
    return status;
}

static void entry_from_request(struct entry *entry, const struct rpc_call *call, const bh_AdmitRequest *req)
{
    *entry = (struct entry){
        .is_service = call->badge == SCHED_INIT_BADGE,
        .pcpu = req->pcpu < UINT16_MAX ? (uint16_t)req->pcpu : UINT16_MAX,
        .vm_id = call->badge == SCHED_INIT_BADGE ? req->vm_id : (uint32_t)call->badge,
        .index = req->index,
        .weight = req->weight,
    };
    snprintf(entry->name, sizeof(entry->name), "%s", req->name);
}

/* What the VM had before is gone; when there is no place, what others had. */
static enum status judge(struct sched *sched, const struct entry *wanted, char *error)
{
    enum status status;

    sched_sweep(sched, wanted->vm_id);
    status = table_judge(sched->table, sched->pcpu_count, wanted, error);
    if (status != ERR_FULL)
        return status;
    sched_sweep(sched, 0);
    return table_judge(sched->table, sched->pcpu_count, wanted, error);
}

void sched_on_admit(struct rpc_call *call, const bh_AdmitRequest *req, bh_SchedStatus *rep)
{
    struct sched *sched = call->context;
    struct entry wanted;

    entry_from_request(&wanted, call, req);
    if (call->badge != SCHED_INIT_BADGE && call->badge < VM_ID_MIN) {
        rep->status = ERR_RIGHT;
        snprintf(rep->error, sizeof(rep->error), "only init and vmms admit SchedContexts");
    } else if (call->in_count != 1) {
        rep->status = ERR_CAP;
        snprintf(rep->error, sizeof(rep->error), "%s: no SchedContext came with the request", wanted.name);
    } else {
        rep->status = wanted.is_service ? OK : table_judge_vcpu(sched->table, &wanted, rep->error);
        if (rep->status == OK)
            rep->status = judge(sched, &wanted, rep->error);
        if (rep->status == OK)
            rep->status = admit(sched, &wanted, call->in[0], rep->error);
    }
    for (uint32_t i = 0; i < call->in_count; i++)
        bh_slot_drop(call->in[i]);
}

/* A bit for each pCPU that this VM has an entry on. */
static uint32_t vm_pcpus(const struct sched *sched, uint32_t vm_id)
{
    uint32_t pcpus = 0;

    for (uint32_t i = 0; i < sched->table->high; i++)
        if (sched->table->entries[i].used && sched->table->entries[i].vm_id == vm_id)
            pcpus |= 1u << sched->table->entries[i].pcpu;
    return pcpus;
}

void sched_on_remove(struct rpc_call *call, const bh_RemoveRequest *req, bh_SchedStatus *rep)
{
    struct sched *sched = call->context;
    uint32_t touched;

    if (call->badge != SCHED_TOOLSTACK_BADGE || req->vm_id < VM_ID_MIN) {
        rep->status = ERR_RIGHT;
        snprintf(rep->error, sizeof(rep->error), "only the toolstack removes, and only VMs");
        return;
    }
    touched = vm_pcpus(sched, req->vm_id);
    for (uint32_t i = 0; i < sched->table->high; i++)
        if (sched->table->entries[i].used && sched->table->entries[i].vm_id == req->vm_id)
            sched_drop(sched, i);
    table_unplace(sched->table, req->vm_id);
    for (uint32_t pcpu = 0; pcpu < sched->pcpu_count; pcpu++)
        if (touched >> pcpu & 1 && sched_commit(sched, pcpu) != OK)
            bh_log("pCPU %u goes on with its last plan", pcpu);
    rep->status = OK;
}

/* A change is in force when the plans are committed; a pCPU that does not take its plan goes on as it did. */
static uint32_t plans_commit(struct sched *sched, uint32_t pcpus, char *error, size_t error_bytes)
{
    for (uint32_t pcpu = 0; pcpu < sched->pcpu_count; pcpu++) {
        enum status status = pcpus >> pcpu & 1 ? sched_commit(sched, pcpu) : OK;

        if (status != OK) {
            snprintf(error, error_bytes, "a plan is not taken: %s", bh_status_name(status));
            return status;
        }
    }
    return OK;
}

void sched_on_set(struct rpc_call *call, const bh_SetRequest *req, bh_SchedStatus *rep)
{
    struct sched *sched = call->context;

    if (call->badge != SCHED_TOOLSTACK_BADGE) {
        rep->status = ERR_RIGHT;
        snprintf(rep->error, sizeof(rep->error), "only the toolstack sets weights");
        return;
    }
    rep->status = table_set(sched->table, req->vm_id, req->weight, req->cap, rep->error);
    if (rep->status == OK)
        rep->status = plans_commit(sched, vm_pcpus(sched, req->vm_id), rep->error, sizeof(rep->error));
}

void sched_on_pause(struct rpc_call *call, const bh_PauseRequest *req, bh_SchedStatus *rep)
{
    struct sched *sched = call->context;

    if (call->badge != SCHED_TOOLSTACK_BADGE) {
        rep->status = ERR_RIGHT;
        snprintf(rep->error, sizeof(rep->error), "only the toolstack pauses VMs");
        return;
    }
    if (!table_pause(sched->table, req->vm_id, req->paused, bh_now())) {
        rep->status = ERR_EXIST;
        snprintf(rep->error, sizeof(rep->error), "VM %u has no place", (unsigned)req->vm_id);
        return;
    }
    rep->status = plans_commit(sched, vm_pcpus(sched, req->vm_id), rep->error, sizeof(rep->error));
}

static void entry_describe(const struct sched *sched, uint32_t at, bh_SchedInfoReply *rep)
{
    const struct entry *entry = &sched->table->entries[at];

    rep->status = bh_sc_usage(SC_SLOT0 + at, &rep->ticks, &rep->switches, &rep->wanted);
    if (rep->status ==
        ERR_CAP) /* its VM has just gone: it used nothing any more, and goes at the next sweep */
        rep->status = OK;
    snprintf(rep->name, sizeof(rep->name), "%s", entry->name);
    rep->pcpu = entry->pcpu;
    rep->weight = entry->weight;
    rep->vm_id = entry->vm_id;
    rep->cap = entry->is_service ? 0 : table_cap(sched->table, entry->vm_id);
    rep->vcpu = entry->index;
    rep->service = entry->is_service;
    rep->paused = !entry->is_service && table_is_paused(sched->table, entry->vm_id);
}

/* None, while no vCPU is bound to it. */
static void exits_describe(slot_t sc, bh_SchedInfoReply *rep)
{
    _Static_assert(sizeof(rep->exits) / sizeof(rep->exits[0]) == EXIT_KINDS, "idl/sched.options");
    for (uint32_t i = 0; i < EXIT_KINDS; i += 4) {
        uint64_t *to = &rep->exits[i];

        if (bh_sc_exits(sc, i, &to[0], &to[1], &to[2], &to[3]) == OK)
            rep->exits_count = (pb_size_t)(i + 4);
    }
}

void sched_on_runs(struct rpc_call *call, const bh_RunsRequest *req, bh_RunsReply *rep)
{
    const struct sched *sched = call->context;
    uint32_t vm_id = (uint32_t)call->badge;

    (void)req;
    if (call->badge < VM_ID_MIN) {
        rep->status = ERR_RIGHT;
        return;
    }
    rep->status = OK;
    rep->paused = table_is_paused(sched->table, vm_id);
    rep->since = table_resumed(sched->table, vm_id);
}

/* The index-th entry that is in use. */
void sched_on_info(struct rpc_call *call, const bh_SchedInfoRequest *req, bh_SchedInfoReply *rep)
{
    struct sched *sched = call->context;
    uint32_t left = req->index;

    if (call->badge != SCHED_TOOLSTACK_BADGE) {
        rep->status = ERR_RIGHT;
        return;
    }
    for (uint32_t i = 0; i < sched->table->high; i++) {
        const struct entry *entry = &sched->table->entries[i];

        if (!entry->used || left-- > 0)
            continue;
        entry_describe(sched, i, rep);
        if (req->exits && !entry->is_service)
            exits_describe(SC_SLOT0 + i, rep);
        return;
    }
    rep->status = ERR_EXIST;
}
