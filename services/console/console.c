/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * console.c - who has the wire: Bulkhead's own prompt, or one VM's console
 *
 * Always true:  only the focus puts new bytes on the wire (raw writes excepted); the prompt is shown last,
 * after all of Bulkhead's own output; what is typed while a command runs is for whoever has the wire after
 * it.
 */
#include "console.h"

#include <string.h>

static const char prompt[] = "bulkhead> ";

void console_init(struct console *c, struct byte_ring_page *pages, uint32_t generation)
{
    memset(c, 0, sizeof *c);
    c->wire = fifo_make(c->wire_bytes, WIRE_BYTES);
    c->own = fifo_make(c->own_bytes, OWN_BYTES);
    c->rx = fifo_make(c->rx_bytes, RX_BYTES);
    c->at_line_start = true;
    c->generation = generation;
    for (uint32_t i = 0; i < VM_CONSOLES_MAX; i++)
        c->vms[i].page = &pages[i];
}

/* ---- sessions ------------------------------------------------------------------------------- */

uint32_t console_index(const struct console *c, const struct vm_console *vm)
{
    return (uint32_t)(vm - c->vms);
}

struct vm_console *console_find(struct console *c, uint32_t vm_id)
{
    for (uint32_t i = 0; vm_id != 0 && i < VM_CONSOLES_MAX; i++)
        if (c->vms[i].vm_id == vm_id)
            return &c->vms[i];
    return NULL;
}

/* A free place: the one that this VM had before, else one that nobody may come back to, else any. */
static struct vm_console *place_find(struct console *c, uint32_t vm_id)
{
    struct vm_console *found = NULL;

    for (uint32_t i = 0; i < VM_CONSOLES_MAX; i++) {
        struct vm_console *vm = &c->vms[i];

        if (vm->vm_id != 0)
            continue;
        if (vm->last_vm_id == vm_id)
            return vm;
        if (!found || (found->last_vm_id != 0 && vm->last_vm_id == 0))
            found = vm;
    }
    return found;
}

enum status console_open(struct console *c, uint32_t vm_id, const char *name)
{
    if (vm_id == 0 || name[0] == 0)
        return ERR_ARG;
    if (console_find(c, vm_id))
        return ERR_EXIST;
    struct vm_console *vm = place_find(c, vm_id);

    if (!vm)
        return ERR_FULL;
    byte_ring_page_init(vm->page, c->generation);
    vm_console_open(vm, vm_id, name);
    console_rung(c, console_index(c, vm));
    c->changed = true;
    return OK;
}

void console_adopt(struct console *c, uint32_t index, uint32_t vm_id, const char *name)
{
    struct vm_console *vm = &c->vms[index];

    vm_console_open(vm, vm_id, name);
    console_rung(c, index);
    vm->page->magic = BYTE_RING_MAGIC;
    __atomic_store_n(&vm->page->generation, c->generation, __ATOMIC_RELEASE);
}

enum status console_close(struct console *c, uint32_t vm_id, bool keep_focus)
{
    struct vm_console *vm = console_find(c, vm_id);

    if (vm) {
        vm_console_drain(c, vm, true);
        vm->vm_id = 0;
        c->changed = true;
    }
    if (c->focus == vm_id && !keep_focus)
        console_focus(c, FOCUS_OWN);
    return vm ? OK : ERR_EXIST;
}

/* ---- the wire ------------------------------------------------------------------------------- */

uint32_t console_wire_room(const struct console *c)
{
    uint32_t room = fifo_room(&c->wire);

    return room > WIRE_RESERVE ? room - WIRE_RESERVE : 0;
}

uint32_t console_pending(const struct console *c)
{
    return fifo_used(&c->wire) + (c->focus == FOCUS_OWN ? fifo_used(&c->own) : 0);
}

static void wire_text(struct console *c, const char *text)
{
    (void)fifo_put(&c->wire, (const uint8_t *)text, (uint32_t)strlen(text));
}

/* Begin a line on the wire, wherever its cursor is. */
static void wire_begin_line(struct console *c)
{
    if (!c->at_line_start)
        wire_text(c, "\r\n");
    c->at_line_start = true;
    c->prompt_is_shown = false;
}

/* ---- Bulkhead's own output ------------------------------------------------------------------- */

/* Text as it goes out: \n becomes \r\n.  Returns its length, of which at most `size` bytes are in `out`. */
static uint32_t text_cook(const char *text, uint8_t *out, uint32_t size)
{
    uint32_t count = 0;

    for (; *text != 0; text++) {
        if (*text == '\n' && count < size)
            out[count++] = '\r';
        if (count < size)
            out[count++] = (uint8_t)*text;
    }
    return count;
}

enum status console_write(struct console *c, const char *text, bool with_prompt)
{
    uint8_t cooked[2048]; /* twice the longest bh.WriteRequest.text */
    uint32_t count = text_cook(text, cooked, sizeof cooked);

    if (c->focus == FOCUS_OWN && count > fifo_room(&c->own))
        return ERR_FULL;
    fifo_put_dropping(&c->own, cooked, count);
    if (with_prompt && c->state == OWN_BUSY) {
        c->state = OWN_EDITING;
        c->changed = true;
    }
    return OK;
}

enum status console_write_raw(struct console *c, const char *text)
{
    uint32_t count = (uint32_t)strlen(text);
    struct vm_console *vm = console_find(c, c->focus);

    if (vm)
        vm_console_drain(c, vm, true);
    else if (c->focus == FOCUS_OWN && fifo_used(&c->own) > 0)
        return ERR_FULL; /* in its turn */
    if (count > fifo_room(&c->wire))
        return ERR_FULL;
    (void)fifo_put(&c->wire, (const uint8_t *)text, count);
    return OK;
}

/* Put waiting output on the wire; true when all of it is there. */
static bool own_to_wire(struct console *c)
{
    if (fifo_used(&c->own) == 0)
        return true;
    if (c->prompt_is_shown)
        wire_begin_line(c);
    while (fifo_used(&c->own) > 0 && console_wire_room(c) > 0) {
        c->at_line_start = fifo_front(&c->own) == '\n';
        (void)fifo_put_byte(&c->wire, fifo_front(&c->own));
        fifo_drop(&c->own, 1);
    }
    return fifo_used(&c->own) == 0;
}

void console_focus(struct console *c, uint32_t vm_id)
{
    if (c->focus == vm_id)
        return;
    if (c->focus == FOCUS_OWN) {
        (void)own_to_wire(c);
        wire_begin_line(c);
    }
    if (vm_id == FOCUS_OWN) {
        wire_text(c, "\r\n"); /* who knows where the VM left the cursor */
        c->at_line_start = true;
        c->prompt_is_shown = false;
        c->log_shown = c->log.end;
    }
    c->focus = vm_id;
    c->changed = true;
    struct vm_console *vm = console_find(c, vm_id);

    if (vm)
        console_rung(c, console_index(c, vm)); /* what it wrote goes to the wire now */
}

void console_log(struct console *c, const char *name, const char *text, bool is_quiet)
{
    bool all_shown = c->log_shown == c->log.end;

    dmesg_add(&c->log, name, text);
    if (is_quiet && all_shown)
        c->log_shown = c->log.end;
}

/* Log lines come between two lines of a command's output or above the prompt; true when all are there. */
static bool log_to_wire(struct console *c)
{
    char line[DMESG_LINE_BYTES + 1];

    if (!c->at_line_start && !c->prompt_is_shown && c->state == OWN_BUSY)
        return true; /* a command is in the middle of a line: later */
    while (c->log_shown < c->log.end) {
        if (console_wire_room(c) < DMESG_LINE_BYTES + 4)
            return false;
        wire_begin_line(c);
        uint32_t count = dmesg_next(&c->log, &c->log_shown, line);

        line[count] = 0;
        if (count > 0 && line[count - 1] == '\n')
            line[count - 1] = 0;
        wire_text(c, line);
        wire_text(c, "\r\n");
    }
    return true;
}

/* The prompt, if one is due, and what was typed at it so far; false: there is no room for it. */
static bool prompt_show(struct console *c)
{
    if (c->state != OWN_EDITING || c->prompt_is_shown)
        return true;
    if (console_wire_room(c) < sizeof prompt + LINE_BYTES + 2)
        return false;
    wire_begin_line(c);
    wire_text(c, prompt);
    wire_text(c, c->editor.text);
    c->prompt_is_shown = true;
    c->at_line_start = false;
    return true;
}

/* ---- what is typed ---------------------------------------------------------------------------- */

bool console_take_line(struct console *c, char line[LINE_BYTES], bool *eof)
{
    if (c->state != OWN_LINE)
        return false;
    memcpy(line, c->editor.text, LINE_BYTES);
    *eof = c->line_is_eof;
    line_clear(&c->editor);
    c->state = OWN_BUSY;
    c->changed = true;
    return true;
}

static void own_type(struct console *c, uint8_t byte)
{
    enum line_event event = line_feed(&c->editor, byte, &c->wire);

    if (event == LINE_MORE)
        return;
    c->prompt_is_shown = false;
    c->at_line_start = true;
    if (event == LINE_CANCELLED)
        return;
    c->state = OWN_LINE;
    c->line_is_eof = event == LINE_EOF;
    c->signal_toolstack = true;
    c->changed = true;
}

/* Hand out what was typed, as far as whoever has the wire takes it. */
static void console_type(struct console *c)
{
    while (fifo_used(&c->rx) > 0) {
        uint8_t byte = fifo_front(&c->rx);
        struct vm_console *vm = console_find(c, c->focus);

        if (c->focus != FOCUS_OWN && byte == KEY_LEAVE) {
            fifo_drop(&c->rx, 1);
            console_focus(c, FOCUS_OWN);
            c->again = true; /* the prompt */
        } else if (vm) {
            vm_console_type(c, vm);
            if (fifo_used(&c->rx) > 0 && fifo_front(&c->rx) != KEY_LEAVE)
                return;
        } else if (c->focus == FOCUS_OWN && c->prompt_is_shown) {
            fifo_drop(&c->rx, 1);
            own_type(c, byte);
            c->held |= !prompt_show(c);
        } else {
            return;
        }
    }
}

void console_rung(struct console *c, uint32_t index)
{
    c->busy_vms |= 1ull << index;
}

bool console_can_receive(const struct console *c)
{
    return fifo_room(&c->rx) > 0;
}

/*
 * A byte from the wire.  Ctrl-] comes in its turn, so that input from a file keeps its order.  A second one
 * while the first still waits behind bytes that the VM does not take drops those: a stuck guest cannot keep a
 * person.
 */
void console_receive(struct console *c, uint8_t byte)
{
    if (byte == KEY_LEAVE && c->focus != FOCUS_OWN && fifo_contains(&c->rx, KEY_LEAVE))
        fifo_clear(&c->rx);
    (void)fifo_put_byte(&c->rx, byte);
    console_type(c);
}

void console_pump(struct console *c)
{
    c->again = c->linger = c->held = false;
    for (uint64_t left = c->busy_vms; left != 0; left &= left - 1) {
        struct vm_console *vm = &c->vms[__builtin_ctzll(left)];

        if (vm->vm_id == 0 || !vm_console_pump(c, vm))
            c->busy_vms &= ~(left & -left);
    }
    if (c->focus != FOCUS_OWN)
        c->log_shown = c->log.end;
    else
        c->held |= !own_to_wire(c) || !log_to_wire(c) || !prompt_show(c);
    console_type(c);
}
