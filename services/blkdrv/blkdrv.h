/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blkdrv.h - the disk driver's state: one disk, its volumes, and the sessions that use them
 *
 * A session (its number is the badge that the toolstack minted) is one volume for one vmm; it has one of
 * CLIENTS_MAX places, each with a ring page and a pool.  A place whose vmm goes on after its session was
 * closed is given to nobody before that vmm has let go of its frames: taking them away would make it fault.
 */
#ifndef BLKDRV_BLKDRV_H
#define BLKDRV_BLKDRV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../lib/bh/copies.h"
#include "../../lib/ring/blk_ring.h"
#include "disk.h"
#include "gpt.h"
#include "machine.h"

#define CLIENTS_MAX 16u
#define CLIENTS_ALL ((1u << CLIENTS_MAX) - 1u)
#define VOLUMES_MAX 64u
#define VOLUME_NAME_BYTES 40u
#define BADGE_TOOLSTACK 1u
#define SESSION_LEAST 0x1000u /* vm_id << 8 | disk, vm_id from 16 up */

enum volume_kind {
    VOLUME_DISK,  /* a partition */
    VOLUME_RAM,   /* memory that the toolstack pays for, gone with the session */
    VOLUME_FAULT, /* test hook: its requests send the device where it may not go */
    VOLUME_LOST,  /* was there before our restart: every request fails */
};
struct volume {
    enum volume_kind kind;
    char name[VOLUME_NAME_BYTES];
    uint64_t first; /* sector of the disk; VOLUME_RAM: chunk of the ram area */
    uint64_t sectors;
};

enum client_state {
    CLIENT_FREE = 0,
    CLIENT_OPEN,
    CLIENT_CLOSING, /* nothing new starts; the place is free when what is in the device has come back */
    CLIENT_LENT,    /* closed, nothing in the device; its vmm may still have the frames */
};
struct client {
    enum client_state state;
    uint32_t session;
    bool news;     /* completions that the vmm was not signalled for */
    bool reported; /* its broken ring has been logged */
    bool lent;     /* its vmm may have the frames; of a session that is closing: and goes on */
    struct volume volume;
    struct blk_limits limits;
    struct blk_back back;
    uint32_t in_flight; /* in the device */
    slot_t signal;      /* the vmm's Notification, or 0 */
    uint64_t reads, writes, flushes, errors, read_bytes, written_bytes;
};

struct blkdrv {
    struct disk disk;
    struct volume volumes[VOLUMES_MAX]; /* of the disk */
    uint32_t volume_count;
    struct client clients[CLIENTS_MAX];
    uint32_t generation;    /* of this start, told in every ring */
    struct copies copies;   /* of the sessions, in the persistent page */
    uint32_t again;         /* bit per client: it has more to do now */
    uint32_t starved;       /* bit per client: it waits for room in the device */
    uint32_t closing_count; /* clients in state CLIENT_CLOSING */
    uint32_t turn;          /* the client that is served first next time */
    uint64_t next_check;    /* when the device's age is looked at again */
};

/* ---- volumes.c ---- */
/* Read the partition table; log what there is. */
void volumes_read(struct blkdrv *drv);
/* The volume called `name`; a ram volume has addresses, not memory yet.  Refused: `error` says why, and what
 * there is. */
enum status volume_find(struct blkdrv *drv, const char *name, struct volume *volume, char *error,
                        size_t error_bytes) BH_NODISCARD;
/* A ram volume's memory, from this session at mem, and away with it; nothing to do for another. */
enum status volume_fill(const struct volume *volume, slot_t memory, char *error,
                        size_t error_bytes) BH_NODISCARD;
void volume_empty(const struct volume *volume);
uint8_t *volume_ram(const struct volume *volume);

/* ---- session.c: who may use what ---- */
/* `memory`: the session at mem for a ram volume, needed only during the call; 0: none. */
enum status session_open(struct blkdrv *drv, uint32_t session, const char *name, bool writable, slot_t memory,
                         char *error, size_t error_bytes) BH_NODISCARD;
/* vmm_stays: the place is free when its vmm has let go of the frames; else at once. */
enum status session_close(struct blkdrv *drv, uint32_t session, bool vmm_stays, char *error,
                          size_t error_bytes) BH_NODISCARD;
/* The vmm with this badge has no frames. */
void session_let_go(struct blkdrv *drv, uint64_t badge);
/* The open session of this badge, or NULL. */
struct client *session_find(struct blkdrv *drv, uint64_t badge);
/* A closing session whose last request came back. */
void session_end_if_idle(struct blkdrv *drv, struct client *client);
void session_recover(struct blkdrv *drv);
uint32_t client_number(const struct blkdrv *drv, const struct client *client);

/* ---- persist.c: sessions, over a restart of ours ---- */
struct persist_session {
    uint32_t session;
    uint8_t client;
    uint8_t writable;
    uint8_t lent; /* closed, but its vmm may have the frames */
    uint8_t spare;
    char volume[VOLUME_NAME_BYTES];
};
void persist_save(struct blkdrv *drv);
/* What the latest good copy says: sessions (at most CLIENTS_MAX) and the generation; 0 and 0 at the first
 * start. */
uint32_t persist_load(struct blkdrv *drv, struct persist_session *sessions, uint32_t *generation);

/* ---- io.c: requests ---- */
/* Take and start what this client has put into its ring. */
void io_pump(struct blkdrv *drv, struct client *client);
/* What the disk has finished goes back to its rings, and what waited for room starts. */
void io_complete(struct blkdrv *drv);
/* All clients that have more to do, in turn. */
void io_pump_again(struct blkdrv *drv);

#endif
