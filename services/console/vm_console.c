/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm_console.c - one VM's console: its ring page, and its backlog while another has the wire
 *
 * A VM without the wire is drained always and as far as it writes, so it never stalls on a console that
 * nobody looks at; only its last BACKLOG_BYTES are kept.  The VM with the wire is drained as fast as the wire
 * is, and loses nothing.
 *
 * Always true:  while a VM has the wire, nothing of its ring goes out before its backlog did.
 */
#include "console.h"

#include <stdio.h>
#include <string.h>

void vm_console_open(struct vm_console *vm, uint32_t vm_id, const char *name)
{
    vm->vm_id = vm_id;
    snprintf(vm->name, sizeof vm->name, "%s", name);
    vm->out = byte_ring_out_consumer(vm->page);
    vm->in = byte_ring_in_producer(vm->page);
    vm->backlog = fifo_make(vm->backlog_bytes, BACKLOG_BYTES);
    vm->violation_told = false;
    vm->log_lines_left = VM_LOG_LINES_MAX;
}

static void vm_console_signal(struct console *c, const struct vm_console *vm)
{
    c->signal_vms |= 1u << console_index(c, vm);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Bytes that this VM may put on the wire now; `all`: they are its last words, which have a reserve. */
static uint32_t vm_wire_room(const struct console *c, bool all)
{
    return all ? fifo_room(&c->wire) : console_wire_room(c);
}

/*
 * One byte of a VM onto the wire; there is room.  Only the machine speaks WORDS_PREFIX: of a VM's its last
 * byte becomes
 * `?`, so that no guest says that the machine has ended.
 */
static void vm_to_wire(struct console *c, uint8_t byte)
{
    static const char prefix[] = WORDS_PREFIX;

    if (byte != (uint8_t)prefix[c->forged])
        c->forged = byte == (uint8_t)prefix[0] ? 1 : 0;
    else
        c->forged++;
    if (c->forged == sizeof prefix - 1) {
        c->forged = 0;
        byte = '?';
    }
    (void)fifo_put_byte(&c->wire, byte);
}

static void backlog_to_wire(struct console *c, struct vm_console *vm, bool all)
{
    while (fifo_used(&vm->backlog) > 0 && vm_wire_room(c, all) > 0) {
        vm_to_wire(c, fifo_front(&vm->backlog));
        fifo_drop(&vm->backlog, 1);
    }
}

/*
 * Move what the VM wrote to the wire or to the backlog; returns how much it was.  At most one ring's worth: a
 * vmm that writes while we take does not keep us here.
 */
uint32_t vm_console_drain(struct console *c, struct vm_console *vm, bool all)
{
    bool has_wire = c->focus == vm->vm_id;
    uint32_t budget = BYTE_RING_OUT_BYTES, moved = 0, count;
    uint8_t chunk[256];

    if (has_wire)
        backlog_to_wire(c, vm, all);
    do {
        uint32_t most = smaller(budget, sizeof chunk);

        if (has_wire)
            most = fifo_used(&vm->backlog) > 0 ? 0 : smaller(most, vm_wire_room(c, all));
        count = byte_ring_take(&vm->out, chunk, most);
        for (uint32_t i = 0; has_wire && i < count; i++)
            vm_to_wire(c, chunk[i]);
        if (!has_wire)
            fifo_put_dropping(&vm->backlog, chunk, count);
        budget -= count;
        moved += count;
    } while (count > 0);
    if (moved > 0 && byte_ring_must_signal(&vm->out))
        vm_console_signal(c, vm);
    return moved;
}

/*
 * Drain, and see to it that we come back for more: when the wire has room, if it is full; in a moment, if the
 * VM is just writing (a guest writes byte by byte, and a signal for each costs it more than the byte); else
 * when it tells us.
 */
void vm_console_pump(struct console *c, struct vm_console *vm)
{
    uint32_t moved = vm_console_drain(c, vm, false);

    byte_ring_want_nothing(&vm->out);
    if (c->focus == vm->vm_id && console_wire_room(c) == 0)
        c->held = true;
    else if (moved > 0)
        c->linger = true;
    else if (byte_ring_want_data(&vm->out))
        c->again = true;
    if ((vm->out.status != OK || vm->in.status != OK) && !vm->violation_told) {
        vm->violation_told = true;
        dmesg_add(&c->log, vm->name, "its console ring holds nonsense: closed until the VM ends");
    }
}

/* The oldest typed bytes up to a Ctrl-], not taken yet. */
static uint32_t typed_peek(const struct console *c, uint8_t *bytes, uint32_t count)
{
    uint32_t got = fifo_peek(&c->rx, bytes, count);
    const uint8_t *leave = memchr(bytes, KEY_LEAVE, got);

    return leave ? (uint32_t)(leave - bytes) : got;
}

/* Give this VM what was typed for it.  What finds no room stays, and the vmm tells us when there is some. */
void vm_console_type(struct console *c, struct vm_console *vm)
{
    uint8_t chunk[RX_BYTES];
    uint32_t count = typed_peek(c, chunk, sizeof chunk);
    uint32_t done = byte_ring_put(&vm->in, chunk, count);

    fifo_drop(&c->rx, vm->in.status == OK ? done : count); /* a broken ring takes nothing any more */
    if (done == count)
        byte_ring_want_nothing(&vm->in);
    else if (byte_ring_want_space(&vm->in))
        c->again = true;
    if (done > 0 && byte_ring_must_signal(&vm->in))
        vm_console_signal(c, vm);
}
