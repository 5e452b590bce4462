/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm_console.c - one VM's console: its ring page, and what it wrote last
 *
 * A VM without the wire is drained always and as far as it writes, so it never stalls on a console that
 * nobody looks at; only its last HISTORY_BYTES are kept.  The VM with the wire is drained as fast as the wire
 * is, and loses nothing there.  Who watches it over the management channel reads the history (attach.c).
 *
 * Always true:  all that comes from the ring goes through the history, and goes out in its order.
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
    if (vm->last_vm_id != vm_id) /* else it starts again, and those who watch it go on */
        vm->written = 0;
    vm->shown = vm->written;
    vm->last_vm_id = vm_id;
    vm->violation_told = false;
    vm->log_lines_left = VM_LOG_LINES_MAX;
}

static void vm_console_signal(struct console *c, const struct vm_console *vm)
{
    c->signal_vms |= 1ull << console_index(c, vm);
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

/* ---- the history ------------------------------------------------------------------------------ */

uint64_t vm_console_oldest(const struct vm_console *vm)
{
    return vm->written > HISTORY_BYTES ? vm->written - HISTORY_BYTES : 0;
}

uint32_t vm_console_read(const struct vm_console *vm, uint64_t position, uint8_t *bytes, uint32_t count)
{
    uint32_t done = 0;

    for (; done < count && position < vm->written; done++)
        bytes[done] = vm->history[position++ % HISTORY_BYTES];
    return done;
}

static void history_put(struct vm_console *vm, const uint8_t *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        vm->history[vm->written++ % HISTORY_BYTES] = bytes[i];
}

/* What the wire has not seen yet, as far as it has room; true when it has seen all. */
static bool history_to_wire(struct console *c, struct vm_console *vm, bool all)
{
    if (vm->shown < vm_console_oldest(vm))
        vm->shown = vm_console_oldest(vm);
    while (vm->shown < vm->written && vm_wire_room(c, all) > 0)
        vm_to_wire(c, vm->history[vm->shown++ % HISTORY_BYTES]);
    return vm->shown == vm->written;
}

/*
 * Move what the VM wrote to the history, and on to the wire; returns how much it was.  At most one ring's
 * worth: a vmm that writes while we take does not keep us here.
 */
uint32_t vm_console_drain(struct console *c, struct vm_console *vm, bool all)
{
    bool has_wire = c->focus == vm->vm_id;
    uint32_t budget = BYTE_RING_OUT_BYTES, moved = 0, count;
    uint8_t chunk[256];

    do {
        uint32_t most = smaller(budget, sizeof chunk);

        if (has_wire)
            most = history_to_wire(c, vm, all) ? smaller(most, vm_wire_room(c, all)) : 0;
        count = byte_ring_take(&vm->out, chunk, most);
        history_put(vm, chunk, count);
        budget -= count;
        moved += count;
    } while (count > 0);
    if (has_wire)
        (void)history_to_wire(c, vm, all);
    if (moved > 0 && byte_ring_must_signal(&vm->out))
        vm_console_signal(c, vm);
    return moved;
}

/*
 * Drain, and see to it that we come back for more: when the wire has room, if it is full; in a moment, if the
 * VM is just writing (a guest writes byte by byte, and a signal for each costs it more than the byte); else
 * when it tells us: then it is busy no more.
 */
bool vm_console_pump(struct console *c, struct vm_console *vm)
{
    uint32_t moved = vm_console_drain(c, vm, false);
    bool is_busy = true;

    byte_ring_want_nothing(&vm->out);
    byte_ring_want_nothing(&vm->in); /* who has bytes for it asks again */
    if (c->focus == vm->vm_id && console_wire_room(c) == 0)
        c->held = true;
    else if (moved > 0)
        c->linger = true;
    else if (byte_ring_want_data(&vm->out))
        c->again = true;
    else
        is_busy = false;
    if ((vm->out.status != OK || vm->in.status != OK) && !vm->violation_told) {
        vm->violation_told = true;
        dmesg_add(&c->log, vm->name, "its console ring holds nonsense: closed until the VM ends");
    }
    return is_busy;
}

/* What finds no room stays with the caller, and the vmm tells us when there is some. */
uint32_t vm_console_put(struct console *c, struct vm_console *vm, const uint8_t *bytes, uint32_t count)
{
    uint32_t done = byte_ring_put(&vm->in, bytes, count);

    if (done < count && byte_ring_want_space(&vm->in))
        c->again = true;
    if (done > 0 && byte_ring_must_signal(&vm->in))
        vm_console_signal(c, vm);
    return done;
}

/* The oldest typed bytes up to a Ctrl-], not taken yet. */
static uint32_t typed_peek(const struct console *c, uint8_t *bytes, uint32_t count)
{
    uint32_t got = fifo_peek(&c->rx, bytes, count);
    const uint8_t *leave = memchr(bytes, KEY_LEAVE, got);

    return leave ? (uint32_t)(leave - bytes) : got;
}

/* Give this VM what was typed for it at the wire. */
void vm_console_type(struct console *c, struct vm_console *vm)
{
    uint8_t chunk[RX_BYTES];
    uint32_t count = typed_peek(c, chunk, sizeof chunk);
    uint32_t done = vm_console_put(c, vm, chunk, count);

    fifo_drop(&c->rx, vm->in.status == OK ? done : count); /* a broken ring takes nothing any more */
}
