/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ledger.h - which chunk of the pool belongs to whom
 *
 * Only the bookkeeping: no capability is touched here, so all of it runs as host tests.  A chunk is 2 MiB and
 * is known by its index; the index is also its place in mem's CSpace.  What must outlive a restart of mem is
 * in the ledger's pages; the lists are made from it again.
 *
 * A session may hold its quota.  It is promised its target, which is the quota unless a person lowered it, or
 * what it holds if that is more: a VM that was asked to give memory back may not have, or may have taken it
 * again while nobody else wanted it.
 *
 * Always true:  a chunk is on exactly one list: that of its owner, or the free list.
 *               a session holds at most its quota; the promises together are at most the pool.
 */
#ifndef MEM_LEDGER_H
#define MEM_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"
#include "vm_id.h"

#define CHUNK_BYTES 0x200000u
#define CHUNKS_MAX 3584u
#define SESSIONS_MAX 250u /* 64 VMs, two blocks for each, 16 images; some ram volumes */
#define NO_CHUNK UINT32_MAX
#define LEDGER_MAGIC 0x474c4d42u /* "BMLG" */
#define LEDGER_ERROR_BYTES 120u
#define LEDGER_NAME_BYTES 30u

struct ledger_session {
    uint32_t vm_id;  /* 0: unused; a VM's id, or another of mem_session.h */
    uint32_t quota;  /* chunks */
    uint32_t target; /* chunks, at most the quota */
};

/* The persist pages. */
struct ledger_page {
    uint32_t magic;
    uint32_t spare;
    struct ledger_session sessions[SESSIONS_MAX];
    uint8_t owner[CHUNKS_MAX]; /* 0: free; session index + 1 */
};
_Static_assert(sizeof(struct ledger_page) <= 2 * 4096, "the ledger fits its two persist pages");
_Static_assert(SESSIONS_MAX < UINT8_MAX, "an owner is one byte");

struct ledger {
    struct ledger_page *page;
    uint32_t pool_chunks;             /* in all */
    uint32_t carved;                  /* chunks 0..carved-1 exist as capabilities */
    uint32_t promised;                /* chunks: sum of what is promised */
    uint32_t taken;                   /* chunks: sum of what the sessions hold */
    uint32_t held[SESSIONS_MAX];      /* chunks of each session */
    uint16_t first[SESSIONS_MAX + 1]; /* list heads: [0] free, [session + 1]; index + 1, 0 ends */
    uint16_t next[CHUNKS_MAX];
};

/* Take over a page: a fresh one is initialised, one left by an earlier mem is judged first (ERR_STATE:
 * damaged). */
enum status ledger_open(struct ledger *ledger, struct ledger_page *page, uint32_t pool_chunks,
                        uint32_t carved);
/* One more chunk exists as a capability (index = carved); it is free. */
void ledger_carve(struct ledger *ledger);

/* The session of a VM, or NULL. */
struct ledger_session *ledger_find(struct ledger *ledger, uint64_t vm_id);

/* "VM 16", "disk 0 of VM 16" for the memory of a ram volume, "disks of VM 16" or
 * "interfaces of VM 16" for the blocks, or "image 3"
 * (lib/ring/mem_session.h). */
void ledger_name(uint64_t vm_id, char name[LEDGER_NAME_BYTES]);

/* The judges: `error` (LEDGER_ERROR_BYTES) says in words why not. */
enum status ledger_judge_session(struct ledger *ledger, uint32_t vm_id, uint64_t quota_bytes, char *error);
enum status ledger_judge_take(const struct ledger *ledger, const struct ledger_session *session,
                              uint64_t bytes, char *error);
enum status ledger_judge_target(const struct ledger *ledger, const struct ledger_session *session,
                                uint64_t bytes, char *error);
enum status ledger_judge_put(const struct ledger *ledger, const struct ledger_session *session,
                             uint32_t chunk, char *error);

void ledger_session_create(struct ledger *ledger, uint32_t vm_id, uint32_t quota);
/* From now on so many chunks are promised, or what the session holds while that is more. */
void ledger_set_target(struct ledger *ledger, struct ledger_session *session, uint32_t target);
/* The session holds nothing any more. */
void ledger_session_destroy(struct ledger *ledger, struct ledger_session *session);

/* Free list to session: NO_CHUNK when the free list is empty (carve one, or there is none). */
uint32_t ledger_take(struct ledger *ledger, const struct ledger_session *session);
/* The first chunk that the session holds, or NO_CHUNK. */
uint32_t ledger_held(const struct ledger *ledger, const struct ledger_session *session);
/* Session to free list. */
void ledger_put(struct ledger *ledger, const struct ledger_session *session, uint32_t chunk);

/* Chunks: held by the session, and promised to it. */
uint32_t ledger_held_count(const struct ledger *ledger, const struct ledger_session *session);
uint32_t ledger_promise(const struct ledger *ledger, const struct ledger_session *session);
uint32_t ledger_session_count(const struct ledger *ledger);

#endif
