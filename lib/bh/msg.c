/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * msg.c - messages, and the capabilities that travel with them
 *
 * Always true: a capability that arrived belongs to whoever took it with bh_caps_take(), or is dropped when
 * the next message arrives: a peer cannot fill our CSpace.
 */
#include "bh.h"

#include "internal.h"
#include "thread.h"

struct ipc_buffer *const bh_ipcbuf = (struct ipc_buffer *)(uintptr_t)IPCBUF_IPA;

static struct {
    slot_t slots[IPC_CAPS_MAX];
    uint32_t count;
} arrived, after_reply;

void bh_recv_slots_fill(void)
{
    for (uint32_t i = 0; i < IPC_CAPS_MAX; i++) {
        if (bh_ipcbuf->recv_slots[i] == 0)
            bh_ipcbuf->recv_slots[i] = bh_slot_alloc();
    }
}

static void drop_arrived(void)
{
    for (uint32_t i = 0; i < arrived.count; i++)
        bh_slot_drop(arrived.slots[i]);
    arrived.count = 0;
}

static void drop_after_reply(void)
{
    for (uint32_t i = 0; i < after_reply.count; i++)
        bh_slot_drop(after_reply.slots[i]);
    after_reply.count = 0;
}

/* A message has come: keep what it brought, and have empty slots for the next. */
static __attribute__((noinline)) void take_arrival(uint64_t info)
{
    uint32_t count = INFO_CAPS(info);

    if (arrived.count)
        drop_arrived();
    if (count == 0 || info & (INFO_SIGNAL | INFO_EXIT))
        return;
    for (uint32_t i = 0; i < count && i < IPC_CAPS_MAX && bh_ipcbuf->recv_slots[i] != 0; i++) {
        arrived.slots[arrived.count++] = bh_ipcbuf->recv_slots[i];
        bh_ipcbuf->recv_slots[i] = 0;
    }
    bh_recv_slots_fill();
}

/* On the path of every exit and every call: nearly always there is nothing to do. */
static inline void note_arrival(uint64_t info)
{
    if (arrived.count || INFO_CAPS(info))
        take_arrival(info);
}

uint32_t bh_caps_take(slot_t slots[IPC_CAPS_MAX])
{
    uint32_t count = arrived.count;

    for (uint32_t i = 0; i < count; i++)
        slots[i] = arrived.slots[i];
    arrived.count = 0;
    return count;
}

void bh_drop_after_reply(slot_t slot)
{
    if (after_reply.count < IPC_CAPS_MAX)
        after_reply.slots[after_reply.count++] = slot;
}

enum status bh_recv(slot_t endpoint, uint64_t deadline, struct bh_msg *m)
{
    enum status status = bh_endpoint_recv(endpoint, deadline, m);

    if (status == OK)
        note_arrival(m->info);
    return status;
}

enum status bh_signal_recv(slot_t notification, slot_t endpoint, uint64_t deadline, struct bh_msg *m)
{
    enum status status = bh_endpoint_signal_reply_recv(endpoint, deadline, notification, m);

    if (status == OK)
        note_arrival(m->info);
    return status;
}

enum status bh_call(slot_t endpoint, uint64_t deadline, struct bh_msg *m)
{
    enum status status;

    bh_main_only();
    status = bh_endpoint_call(endpoint, deadline, m);

    if (status == OK)
        note_arrival(m->info);
    return status;
}

enum status bh_reply_recv(slot_t endpoint, uint64_t deadline, struct bh_msg *m)
{
    enum status status = bh_endpoint_reply_recv(endpoint, deadline, m);

    if (after_reply.count)
        drop_after_reply();
    if (status == OK)
        note_arrival(m->info);
    return status;
}

enum status bh_reply(struct bh_msg *m)
{
    enum status status = bh_endpoint_reply(m);

    if (after_reply.count)
        drop_after_reply();
    return status;
}

enum status bh_send(slot_t endpoint, uint64_t deadline, struct bh_msg *m)
{
    bh_main_only();
    return bh_endpoint_send(endpoint, deadline, m);
}
