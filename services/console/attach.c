/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attach.c - clients at VMs' consoles: the VM's bytes to each of them, what they type to the VM
 *
 * Each reads the VM's history at its own pace, so a slow one loses its own bytes only, and is told how many.
 *
 * Always true:  a client is sent no more than it gave credit for, and `typed` holds no more than we gave.
 */
#include <stdio.h>
#include <string.h>

#include "channel.h"
#include "mgmt.pb.h"

#define PIECE_BYTES 1024u
#define LOST_LINE_BYTES 64u
#define OWED_LEAST (TYPED_BYTES / 4) /* credit is given in pieces of this, or when the VM has taken all */

struct attached *attached_find(struct channel *ch, uint16_t client, uint32_t id)
{
    for (uint32_t i = 0; client != 0 && i < CHANNEL_ATTACHED_MAX; i++)
        if (ch->attached[i].client == client && ch->attached[i].id == id)
            return &ch->attached[i];
    return NULL;
}

void attached_drop_all(struct channel *ch, uint16_t client)
{
    for (uint32_t i = 0; i < CHANNEL_ATTACHED_MAX; i++)
        if (ch->attached[i].client == client)
            ch->attached[i].client = 0;
}

static struct attached *attached_free(struct channel *ch)
{
    for (uint32_t i = 0; i < CHANNEL_ATTACHED_MAX; i++)
        if (ch->attached[i].client == 0)
            return &ch->attached[i];
    return NULL;
}

enum status channel_watch(struct channel *ch, uint16_t client, uint32_t id, uint32_t vm_id, bool may_type,
                          bool with_backlog)
{
    struct vm_console *vm = console_find(ch->console, vm_id);
    struct attached *a = attached_free(ch);

    if (!vm || !client_find(ch, client))
        return ERR_EXIST;
    if (attached_find(ch, client, id))
        return ERR_STATE;
    if (!a)
        return ERR_FULL;
    memset(a, 0, sizeof *a);
    a->client = client;
    a->id = id;
    a->index = console_index(ch->console, vm);
    a->vm_id = vm_id;
    a->may_type = may_type;
    a->owed = may_type ? TYPED_BYTES : 0;
    a->position = with_backlog ? vm_console_oldest(vm) : vm->written;
    a->typed = fifo_make(a->typed_bytes, TYPED_BYTES);
    return OK;
}

/* ---- what a client says ------------------------------------------------------------------------ */

static bool typed_take(struct attached *a, const struct frame *frame)
{
    if (frame->length > a->granted)
        return false;
    a->granted -= frame->length;
    (void)fifo_put(&a->typed, frame->payload, frame->length);
    return true;
}

bool attached_frame(struct channel *ch, struct attached *a, const struct frame *frame)
{
    (void)ch;
    switch (frame->kind) {
    case FRAME_DATA:
        return typed_take(a, frame);
    case FRAME_CREDIT: {
        uint32_t more = frame_u32(frame->payload);

        a->credit = more > CREDIT_MAX - a->credit ? CREDIT_MAX : a->credit + more;
        return true;
    }
    default: /* END */
        a->client = 0;
        return true;
    }
}

/* ---- what a VM says ---------------------------------------------------------------------------- */

void attached_vm_ends(struct channel *ch, uint32_t vm_id)
{
    for (uint32_t i = 0; i < CHANNEL_ATTACHED_MAX; i++)
        if (ch->attached[i].vm_id == vm_id)
            ch->attached[i].ends = true;
}

/* The VM's place, as long as it is its own: NULL, another VM has it now. */
static struct vm_console *attached_vm(struct channel *ch, struct attached *a)
{
    struct vm_console *vm = &ch->console->vms[a->index];

    if (vm->last_vm_id == a->vm_id)
        return vm;
    a->ends = true;
    return NULL;
}

/* What was missed is a line in its place; it waits until the client can take all of it. */
static bool lost_send(struct channel *ch, struct attached *a, uint64_t oldest)
{
    char line[LOST_LINE_BYTES];
    int length = snprintf(line, sizeof line, "\r\n[%llu bytes of the console are lost]\r\n",
                          (unsigned long long)(oldest - a->position));

    if (length < 0 || a->credit < (uint32_t)length)
        return false;
    if (!channel_out(ch, a->client, FRAME_DATA, a->id, (const uint8_t *)line, (uint32_t)length))
        return false;
    a->credit -= (uint32_t)length;
    a->position = oldest;
    return true;
}

static bool output_send(struct channel *ch, struct attached *a, const struct vm_console *vm)
{
    uint8_t piece[PIECE_BYTES];
    uint32_t count;

    if (a->credit == 0 || a->position >= vm->written)
        return false;
    if (a->position < vm_console_oldest(vm))
        return lost_send(ch, a, vm_console_oldest(vm));
    count = vm_console_read(vm, a->position, piece, a->credit < PIECE_BYTES ? a->credit : PIECE_BYTES);
    if (!channel_out(ch, a->client, FRAME_DATA, a->id, piece, count))
        return false;
    a->credit -= count;
    a->position += count;
    return true;
}

static bool end_send(struct channel *ch, struct attached *a, const struct vm_console *vm)
{
    if (!a->ends || (vm && a->position < vm->written))
        return false;
    if (!channel_out_failure(ch, a->client, FRAME_END, a->id, bh_MgmtStatus_MGMT_ENDED, "the VM has ended"))
        return false;
    a->client = 0;
    return true;
}

/* ---- what a client types ------------------------------------------------------------------------- */

static void typed_give(struct channel *ch, struct attached *a, struct vm_console *vm)
{
    uint8_t bytes[TYPED_BYTES];
    uint32_t count = fifo_peek(&a->typed, bytes, sizeof bytes);

    if (!vm || vm->vm_id != a->vm_id || count == 0)
        return;
    uint32_t done = vm_console_put(ch->console, vm, bytes, count);

    if (vm->in.status != OK)
        done = count; /* a broken ring takes nothing any more */
    fifo_drop(&a->typed, done);
    a->owed += done;
}

static bool owed_send(struct channel *ch, struct attached *a)
{
    uint8_t credit[4];

    if (a->owed == 0 || a->ends || (a->owed < OWED_LEAST && fifo_used(&a->typed) > 0))
        return false;
    frame_put_u32(credit, a->owed);
    if (!channel_out(ch, a->client, FRAME_CREDIT, a->id, credit, sizeof credit))
        return false;
    a->granted += a->owed;
    a->owed = 0;
    return true;
}

/* One piece to each per turn, so that one who takes much does not keep the others waiting. */
void attached_pump(struct channel *ch)
{
    bool moved = true;

    while (moved) {
        moved = false;
        for (uint32_t i = 0; i < CHANNEL_ATTACHED_MAX; i++) {
            struct attached *a = &ch->attached[(ch->turn + i) % CHANNEL_ATTACHED_MAX];
            struct vm_console *vm = a->client != 0 ? attached_vm(ch, a) : NULL;

            if (a->client == 0)
                continue;
            typed_give(ch, a, vm);
            moved |= owed_send(ch, a);
            moved |= vm && output_send(ch, a, vm);
            moved |= end_send(ch, a, vm);
        }
        ch->turn++;
    }
}
