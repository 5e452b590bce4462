/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel.h - the management channel's frames: between the port, the toolstack and the VMs' consoles
 *
 * All of the channel's state that is not a register or a capability (docs/management.md).  Bytes of VM
 * consoles go between clients and vm_console.c here; everything else that a client says goes up to the
 * toolstack through a ring, and comes down from it through another one.
 *
 * Nothing here waits: a port that takes nothing, a toolstack that takes nothing and a client without credit
 * each leave work behind that is tried again by the next channel_pump().
 */
#ifndef CONSOLE_CHANNEL_H
#define CONSOLE_CHANNEL_H

#include "console.h"
#include "lib/mgmt/frame.h"
#include "mgmt_ring.h"

#define CHANNEL_CLIENTS_MAX 16u
#define CHANNEL_ATTACHED_MAX 32u
#define CHANNEL_STREAMS_MAX 4u   /* of one client at the toolstack */
#define CHANNEL_OUT_BYTES 32768u /* on their way to the port */
#define CHANNEL_OUT_RESERVE                                                                                  \
    2048u /* of these, for what the channel itself has to say; a frame from the port is only taken when they \
             are free */
#define TYPED_BYTES 256u /* that one attached client may be ahead of its VM */
#define CREDIT_MAX (1024u * 1024u)
#define BOOT_ID_BYTES 16u

enum client_state {
    CLIENT_FREE = 0,
    CLIENT_OPEN,
    CLIENT_GONE, /* the toolstack has to be told; then the place is free */
};
struct channel_client {
    enum client_state state;
    uint16_t number; /* the broker's */
    bool asks;       /* a request went up, its answer has not come down */
    uint32_t request;
    bool lost; /* tell it: the toolstack died with that request and those streams */
    uint32_t streams[CHANNEL_STREAMS_MAX]; /* that the toolstack has with it; 0: none */
};

/* One client at one VM's console. */
struct attached {
    uint16_t client; /* 0: free */
    uint32_t id;     /* of the stream */
    uint32_t index;  /* of the VM's console; as long as that one's last_vm_id is this VM */
    uint32_t vm_id;
    bool may_type;
    bool ends;         /* the VM has ended: END after the rest */
    uint64_t position; /* in the history: what comes next */
    uint32_t credit;   /* bytes that it takes */
    uint32_t granted;  /* bytes that it may still send */
    uint32_t owed;     /* bytes more that it may send, but was not told yet */
    struct fifo typed;
    uint8_t typed_bytes[TYPED_BYTES];
};

struct channel {
    struct console *console;
    struct mgmt_rings *rings;
    struct byte_ring up, down;
    bool toolstack_is_up; /* it attached: the rings are open */
    bool is_up;           /* the broker's HELLO came: clients may come */
    bool hello_due;       /* ours, `hello_answers` or not */
    bool hello_answers;
    char machine[32];
    uint8_t boot_id[BOOT_ID_BYTES];

    struct frame_reader reader;
    bool parked; /* the reader's frame waits for room */
    struct frame frame;

    struct fifo out;
    uint8_t out_bytes[CHANNEL_OUT_BYTES];
    uint8_t scratch[FRAME_BYTES_MAX];

    struct channel_client clients[CHANNEL_CLIENTS_MAX];
    struct attached attached[CHANNEL_ATTACHED_MAX];
    uint32_t turn; /* who of them is first next time */

    /* What the caller has to do next: */
    bool signal_toolstack; /* the rings moved */
    bool again;            /* pump again before sleeping */
};

void channel_init(struct channel *ch, struct console *console, struct mgmt_rings *rings);

/* The toolstack attaches: both rings begin empty; what it was asked before is answered MGMT_LOST. */
void channel_toolstack(struct channel *ch, const uint8_t boot_id[BOOT_ID_BYTES], const char *machine);

/*
 * The toolstack attaches a client to a VM's console.  ERR_EXIST: there is no such client or console.
 * ERR_STATE: the stream is there already.  ERR_FULL: too many are attached.
 */
enum status channel_watch(struct channel *ch, uint16_t client, uint32_t id, uint32_t vm_id, bool may_type,
                          bool with_backlog);

/* Bytes from the port; returns how many were taken: the rest later. */
uint32_t channel_receive(struct channel *ch, const uint8_t *bytes, uint32_t count);

/* The device begins again: nothing that was said before holds. */
void channel_port_starts(struct channel *ch);

/* Move everything that can move; bytes for the port are in ch->out. */
void channel_pump(struct channel *ch);

/* ---- clients.c */
struct channel_client *client_find(struct channel *ch, uint16_t number);
void client_forget(struct channel *ch, struct channel_client *client);
void stream_add(struct channel_client *client, uint32_t id);
void stream_remove(struct channel_client *client, uint32_t id);

/* ---- what goes out; false: there is no room now */
bool channel_out(struct channel *ch, uint16_t client, enum frame_kind kind, uint32_t id,
                 const uint8_t *payload, uint32_t count);
bool channel_out_failure(struct channel *ch, uint16_t client, enum frame_kind kind, uint32_t id,
                         uint32_t status, const char *text);

/* ---- attach.c: clients at VMs' consoles */
struct attached *attached_find(struct channel *ch, uint16_t client, uint32_t id);
void attached_drop_all(struct channel *ch, uint16_t client);
/* A frame of its stream; false: the client broke the rules. */
bool attached_frame(struct channel *ch, struct attached *a, const struct frame *frame);
/* A VM's console was closed; keep: it starts again. */
void attached_vm_ends(struct channel *ch, uint32_t vm_id);
void attached_pump(struct channel *ch);

#endif
