/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blkdrv.h - the disk driver's state: one disk, its volumes, and the sessions that use them
 *
 * A session (its number is the badge that the toolstack minted) is one volume for one vmm; it has one of
 * CLIENTS_MAX places.  Its ring page and pool (blk_ring.h) are an eighth of its VM's block, 2 MiB of memory
 * that the VM pays for.
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

#define CLIENTS_MAX 64u
#define BLOCKS_MAX CLIENTS_MAX /* of so many VMs */
#define VOLUMES_MAX 64u
#define VOLUME_NAME_BYTES 40u
#define BADGE_TOOLSTACK 1u
#define SESSION_LEAST 0x1000u /* vm_id << 8 | disk, vm_id from 16 up */

/* A set of clients: a bit each. */
typedef uint64_t clients_t;
#define CLIENT_BIT(number) (UINT64_C(1) << (number))
#define CLIENTS_ALL UINT64_MAX
_Static_assert(CLIENTS_MAX == 8 * sizeof(clients_t), "a bit for each client");

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
};
struct client {
    enum client_state state;
    uint32_t session;
    uint32_t serial; /* no other session has had it: one of the same number is another one */
    bool attached;   /* its ring has begun: before, the vmm may use what is there for an earlier session */
    uint32_t block;  /* its VM's */
    uint8_t *memory; /* its eighth of that */
    bool news;       /* completions that the vmm was not signalled for */
    bool reported;   /* its broken ring has been logged */
    struct volume volume;
    struct blk_limits limits;
    struct blk_back back;
    uint32_t in_flight; /* in the device */
    uint64_t reads, writes, flushes, errors, read_bytes, written_bytes;
};

struct blkdrv {
    struct disk disk;
    struct volume volumes[VOLUMES_MAX]; /* of the disk */
    uint32_t volume_count;
    struct client clients[CLIENTS_MAX];
    uint8_t
        block_vms[BLOCKS_MAX]; /* whose each block is, also while no session of it is there; 0: nobody's */
    uint32_t serial;           /* of the session opened last, over all restarts */
    uint32_t generation;       /* of this start, told in every ring */
    struct copies copies;      /* of the sessions, in the persistent page */
    clients_t again;           /* they have more to do now */
    clients_t starved;         /* they wait for room in the device */
    uint32_t closing_count;    /* clients in state CLIENT_CLOSING */
    uint32_t turn;             /* the client that is served first next time */
    uint64_t next_check;       /* when the device's age is looked at again */
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
/* After a restart of ours, a ram volume whose `first` was kept: ERR_CAP: its memory is gone. */
enum status volume_resume(struct volume *volume) BH_NODISCARD;
/* Let go of the memory of no volume: a session was being opened or closed when we died. */
void volumes_tidy(const struct blkdrv *drv);
uint8_t *volume_ram(const struct volume *volume);

/* ---- session.c: who may use what ---- */
/* Sessions at mem, needed only during the call; 0: none. */
struct paid_from {
    slot_t block; /* for the block of the VM's disks */
    slot_t ram;   /* for a ram volume */
};
enum status session_open(struct blkdrv *drv, uint32_t session, const char *name, bool writable,
                         const struct paid_from *memory, char *error, size_t error_bytes) BH_NODISCARD;
/* Nothing new starts.  ERR_STATE: requests of it are still in the device, which uses its memory until they
 * come back; then ERR_EXIST. */
enum status session_close(struct blkdrv *drv, uint32_t session, char *error, size_t error_bytes) BH_NODISCARD;
/* The vmm starts on its session's ring, or goes on.  ERR_EXIST: it uses the ring of an earlier session. */
enum status session_attach(struct blkdrv *drv, struct client *client, uint32_t serial) BH_NODISCARD;
/* The open session of this badge, or NULL. */
struct client *session_find(struct blkdrv *drv, uint64_t badge);
/* A closing session whose last request came back. */
void session_end_if_idle(struct blkdrv *drv, struct client *client);
void session_recover(struct blkdrv *drv);
uint32_t client_number(const struct blkdrv *drv, const struct client *client);
/* Page 0: the ring, then the pool. */
static inline uint8_t *client_page(const struct client *client, uint32_t page)
{
    return client->memory + (size_t)page * BLK_PAGE_BYTES;
}

/* ---- persist.c: sessions, over a restart of ours ---- */
struct persist_session {
    uint32_t session;
    uint8_t client;
    uint8_t writable;
    uint8_t block;
    uint8_t attached;
    uint32_t first; /* chunk of a ram volume */
    uint32_t serial;
    char volume[VOLUME_NAME_BYTES];
};
void persist_save(struct blkdrv *drv);
/* What the latest good copy says: sessions (at most CLIENTS_MAX), and in `drv` the generation, the serial and
 * whose the blocks are; all 0 at the first start. */
uint32_t persist_load(struct blkdrv *drv, struct persist_session *sessions);

/* ---- io.c: requests ---- */
/* Take and start what this client has put into its ring. */
void io_pump(struct blkdrv *drv, struct client *client);
/* What the disk has finished goes back to its rings, and what waited for room starts. */
void io_complete(struct blkdrv *drv);
/* All clients that have more to do, in turn. */
void io_pump_again(struct blkdrv *drv);

#endif
