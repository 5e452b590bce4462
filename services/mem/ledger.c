/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ledger.c - which chunk of the pool belongs to whom
 *
 * The page is written so that a fault between any two stores leaves it true: a chunk gets its owner before
 * its capability leaves mem, and loses it after the capability has been revoked.
 */
#include "ledger.h"

#include <stdio.h>
#include <string.h>

#include "mem_session.h"

#define MIB 0x100000u
#define CHUNK_MIB (CHUNK_BYTES / MIB)

static uint32_t session_index(const struct ledger *ledger, const struct ledger_session *session)
{
    return (uint32_t)(session - ledger->page->sessions);
}

static void list_put(struct ledger *ledger, uint32_t list, uint32_t chunk)
{
    ledger->next[chunk] = ledger->first[list];
    ledger->first[list] = (uint16_t)(chunk + 1);
}

static uint32_t list_take(struct ledger *ledger, uint32_t list)
{
    uint32_t chunk = ledger->first[list];

    if (chunk == 0)
        return NO_CHUNK;
    ledger->first[list] = ledger->next[chunk - 1];
    return chunk - 1;
}

/* The chunk is on the list. */
static void list_remove(struct ledger *ledger, uint32_t list, uint32_t chunk)
{
    uint16_t *link = &ledger->first[list];

    while (*link != chunk + 1)
        link = &ledger->next[*link - 1];
    *link = ledger->next[chunk];
}

static uint32_t more_of(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

uint32_t ledger_held_count(const struct ledger *ledger, const struct ledger_session *session)
{
    return ledger->held[session_index(ledger, session)];
}

uint32_t ledger_promise(const struct ledger *ledger, const struct ledger_session *session)
{
    return more_of(session->target, ledger_held_count(ledger, session));
}

/* The session holds, or is to hold, something else from here on. */
static void promise_change(struct ledger *ledger, const struct ledger_session *session, uint32_t before)
{
    ledger->promised += ledger_promise(ledger, session) - before;
}

/* The page of an earlier mem: every owner is a session that exists, no VM has two, the sums fit. */
static enum status page_check(const struct ledger_page *page, uint32_t pool_chunks, uint32_t carved)
{
    uint32_t held[SESSIONS_MAX] = {0};
    uint64_t promised = 0;

    for (uint32_t i = 0; i < CHUNKS_MAX; i++) {
        uint32_t owner = page->owner[i];

        if (owner == 0)
            continue;
        if (i >= carved || owner > SESSIONS_MAX || page->sessions[owner - 1].vm_id == 0)
            return ERR_STATE;
        held[owner - 1]++;
    }
    for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
        const struct ledger_session *session = &page->sessions[i];

        if (session->vm_id == 0)
            continue;
        if (session->vm_id < VM_ID_MIN || held[i] > session->quota || session->target > session->quota)
            return ERR_STATE;
        promised += more_of(session->target, held[i]);
        for (uint32_t j = 0; j < i; j++)
            if (page->sessions[j].vm_id == session->vm_id)
                return ERR_STATE;
    }
    return promised <= pool_chunks ? OK : ERR_STATE;
}

/* Lists and sums are made from the owners; downwards, so that low chunks are handed out first. */
static void ledger_rebuild(struct ledger *ledger)
{
    const struct ledger_page *page = ledger->page;

    for (uint32_t i = ledger->carved; i-- > 0;) {
        uint32_t owner = page->owner[i];

        list_put(ledger, owner, i);
        if (owner != 0) {
            ledger->held[owner - 1]++;
            ledger->taken++;
        }
    }
    for (uint32_t i = 0; i < SESSIONS_MAX; i++)
        if (page->sessions[i].vm_id != 0)
            ledger->promised += ledger_promise(ledger, &page->sessions[i]);
}

enum status ledger_open(struct ledger *ledger, struct ledger_page *page, uint32_t pool_chunks,
                        uint32_t carved)
{
    if (pool_chunks > CHUNKS_MAX)
        pool_chunks = CHUNKS_MAX;
    if (carved > pool_chunks)
        return ERR_STATE;
    if (page->magic == LEDGER_MAGIC) {
        if (page_check(page, pool_chunks, carved) != OK)
            return ERR_STATE;
    } else {
        memset(page, 0, sizeof(*page));
        page->magic = LEDGER_MAGIC;
    }
    memset(ledger, 0, sizeof(*ledger));
    ledger->page = page;
    ledger->pool_chunks = pool_chunks;
    ledger->carved = carved;
    ledger_rebuild(ledger);
    return OK;
}

void ledger_carve(struct ledger *ledger)
{
    ledger->page->owner[ledger->carved] = 0;
    list_put(ledger, 0, ledger->carved);
    ledger->carved++;
}

struct ledger_session *ledger_find(struct ledger *ledger, uint64_t vm_id)
{
    if (vm_id < VM_ID_MIN)
        return NULL;
    for (uint32_t i = 0; i < SESSIONS_MAX; i++)
        if (ledger->page->sessions[i].vm_id == vm_id)
            return &ledger->page->sessions[i];
    return NULL;
}

void ledger_name(uint64_t vm_id, char name[LEDGER_NAME_BYTES])
{
    uint32_t id = (uint32_t)vm_id;

    if (id >= IMAGE_SESSION(0u))
        snprintf(name, LEDGER_NAME_BYTES, "image %u", id - IMAGE_SESSION(0u));
    else if (id < RAM_VOLUME_SESSION(0u, 0u))
        snprintf(name, LEDGER_NAME_BYTES, "VM %u", id);
    else if (id < NET_BLOCK_SESSION(0u))
        snprintf(name, LEDGER_NAME_BYTES, "disk %u of VM %u", (id >> 8) - 1, id & 0xff);
    else
        snprintf(name, LEDGER_NAME_BYTES, "%s of VM %u", id < BLK_BLOCK_SESSION(0u) ? "interfaces" : "disks",
                 id & 0xff);
}

enum status ledger_judge_session(struct ledger *ledger, uint32_t vm_id, uint64_t quota_bytes, char *error)
{
    uint64_t quota = quota_bytes / CHUNK_BYTES;
    uint32_t left = ledger->pool_chunks - ledger->promised;
    char name[LEDGER_NAME_BYTES];

    ledger_name(vm_id, name);
    if (vm_id < VM_ID_MIN) {
        snprintf(error, LEDGER_ERROR_BYTES, "%u is not the id of a VM", vm_id);
        return ERR_ARG;
    }
    if (ledger_find(ledger, vm_id)) {
        snprintf(error, LEDGER_ERROR_BYTES, "%s has a memory session already", name);
        return ERR_EXIST;
    }
    if (quota == 0 || quota_bytes % CHUNK_BYTES != 0) {
        snprintf(error, LEDGER_ERROR_BYTES, "memory of %llu KiB is not a multiple of %u MiB",
                 (unsigned long long)(quota_bytes / 1024), CHUNK_MIB);
        return ERR_ARG;
    }
    if (quota > left) {
        snprintf(error, LEDGER_ERROR_BYTES, "memory of %llu MiB asked for, %llu MiB of %llu MiB are free",
                 (unsigned long long)quota * CHUNK_MIB, (unsigned long long)left * CHUNK_MIB,
                 (unsigned long long)ledger->pool_chunks * CHUNK_MIB);
        return ERR_MEM;
    }
    if (ledger_session_count(ledger) == SESSIONS_MAX) {
        snprintf(error, LEDGER_ERROR_BYTES, "all %u memory sessions are in use", SESSIONS_MAX);
        return ERR_FULL;
    }
    return OK;
}

enum status ledger_judge_take(const struct ledger *ledger, const struct ledger_session *session,
                              uint64_t bytes, char *error)
{
    uint32_t held = ledger_held_count(ledger, session), left = session->quota - held;
    uint32_t unpromised = ledger->pool_chunks - ledger->promised;
    char name[LEDGER_NAME_BYTES];

    ledger_name(session->vm_id, name);
    if (bytes == 0 || bytes % CHUNK_BYTES != 0) {
        snprintf(error, LEDGER_ERROR_BYTES, "%s asked for %llu KiB, not a multiple of %u MiB", name,
                 (unsigned long long)(bytes / 1024), CHUNK_MIB);
        return ERR_ARG;
    }
    if (bytes / CHUNK_BYTES > left) {
        snprintf(error, LEDGER_ERROR_BYTES, "%s asked for %llu MiB, its quota of %llu MiB has %llu MiB left",
                 name, (unsigned long long)(bytes / MIB), (unsigned long long)session->quota * CHUNK_MIB,
                 (unsigned long long)left * CHUNK_MIB);
        return ERR_MEM;
    }
    uint32_t after = held + (uint32_t)(bytes / CHUNK_BYTES), promise = ledger_promise(ledger, session);

    if (after > promise && after - promise > unpromised) {
        snprintf(error, LEDGER_ERROR_BYTES,
                 "%s asked for %llu MiB over its target of %llu MiB, %llu MiB are free", name,
                 (unsigned long long)(after - promise) * CHUNK_MIB,
                 (unsigned long long)session->target * CHUNK_MIB, (unsigned long long)unpromised * CHUNK_MIB);
        return ERR_MEM;
    }
    return OK;
}

enum status ledger_judge_target(const struct ledger *ledger, const struct ledger_session *session,
                                uint64_t bytes, char *error)
{
    uint64_t target = bytes / CHUNK_BYTES;
    uint32_t promise = ledger_promise(ledger, session), unpromised = ledger->pool_chunks - ledger->promised;

    if (target == 0 || bytes % CHUNK_BYTES != 0) {
        snprintf(error, LEDGER_ERROR_BYTES, "a target of %llu KiB is not a multiple of %u MiB",
                 (unsigned long long)(bytes / 1024), CHUNK_MIB);
        return ERR_ARG;
    }
    if (target > session->quota) {
        snprintf(error, LEDGER_ERROR_BYTES, "a target of %llu MiB is more than the quota of %llu MiB",
                 (unsigned long long)target * CHUNK_MIB, (unsigned long long)session->quota * CHUNK_MIB);
        return ERR_ARG;
    }
    if (target > promise && target - promise > unpromised) {
        snprintf(error, LEDGER_ERROR_BYTES, "%llu MiB more asked for, %llu MiB of %llu MiB are free",
                 (unsigned long long)(target - promise) * CHUNK_MIB,
                 (unsigned long long)unpromised * CHUNK_MIB,
                 (unsigned long long)ledger->pool_chunks * CHUNK_MIB);
        return ERR_MEM;
    }
    return OK;
}

enum status ledger_judge_put(const struct ledger *ledger, const struct ledger_session *session,
                             uint32_t chunk, char *error)
{
    char name[LEDGER_NAME_BYTES];

    if (chunk < ledger->carved && ledger->page->owner[chunk] == session_index(ledger, session) + 1)
        return OK;
    ledger_name(session->vm_id, name);
    snprintf(error, LEDGER_ERROR_BYTES, "%s does not hold chunk %u", name, (unsigned)chunk);
    return ERR_EXIST;
}

void ledger_session_create(struct ledger *ledger, uint32_t vm_id, uint32_t quota)
{
    for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
        struct ledger_session *session = &ledger->page->sessions[i];

        if (session->vm_id != 0)
            continue;
        session->quota = session->target = quota;
        __atomic_store_n(&session->vm_id, vm_id, __ATOMIC_RELEASE);
        ledger->promised += quota;
        return;
    }
}

void ledger_set_target(struct ledger *ledger, struct ledger_session *session, uint32_t target)
{
    uint32_t before = ledger_promise(ledger, session);

    session->target = target;
    promise_change(ledger, session, before);
}

void ledger_session_destroy(struct ledger *ledger, struct ledger_session *session)
{
    ledger->promised -= ledger_promise(ledger, session);
    session->vm_id = 0;
}

uint32_t ledger_take(struct ledger *ledger, const struct ledger_session *session)
{
    uint32_t index = session_index(ledger, session), before = ledger_promise(ledger, session);
    uint32_t chunk = list_take(ledger, 0);

    if (chunk == NO_CHUNK)
        return NO_CHUNK;
    ledger->page->owner[chunk] = (uint8_t)(index + 1);
    list_put(ledger, index + 1, chunk);
    ledger->held[index]++;
    ledger->taken++;
    promise_change(ledger, session, before);
    return chunk;
}

uint32_t ledger_held(const struct ledger *ledger, const struct ledger_session *session)
{
    uint32_t chunk = ledger->first[session_index(ledger, session) + 1];

    return chunk == 0 ? NO_CHUNK : chunk - 1;
}

void ledger_put(struct ledger *ledger, const struct ledger_session *session, uint32_t chunk)
{
    uint32_t index = session_index(ledger, session), before = ledger_promise(ledger, session);

    list_remove(ledger, index + 1, chunk);
    ledger->page->owner[chunk] = 0;
    list_put(ledger, 0, chunk);
    ledger->held[index]--;
    ledger->taken--;
    promise_change(ledger, session, before);
}

uint32_t ledger_session_count(const struct ledger *ledger)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < SESSIONS_MAX; i++)
        count += ledger->page->sessions[i].vm_id != 0;
    return count;
}
