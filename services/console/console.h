/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * console.h - who has the wire: Bulkhead's own prompt, or one VM's console
 *
 * All of the console's state that is not a register or a capability.  Nothing here waits: what cannot go
 * on now stays in a bounded queue until console_pump() is called again, because the wire, a ring or the
 * toolstack moved.
 *
 * The `focus` has the wire.  Output of other VMs goes to their backlogs, Bulkhead's own output is kept up to
 * a bound, log lines are only in the log (dmesg).  Ctrl-] takes the focus back to Bulkhead.
 */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "byte_ring.h"
#include "dmesg.h"
#include "fifo.h"
#include "line.h"
#include "status.h"

#define VM_CONSOLES_MAX 64u
#define VM_NAME_BYTES 32u     /* bh.ConsoleOpenRequest.name */
#define VM_LOG_LINES_MAX 100u /* how many log lines one VM's vmm may write */
#define HISTORY_BYTES 4096u   /* of each VM: what is kept for who comes later, or is slow; a power of two */
#define OWN_BYTES 4096u       /* Bulkhead's own output that waits for the wire */
#define RX_BYTES 1024u        /* typed, and nobody took it yet */
#define WIRE_BYTES 16384u     /* on its way to the UART */
#define WIRE_RESERVE                                                                                         \
    4096u /* of these, kept for last words: raw writes, and a VM's rest when it is closed                    \
           */
#define WORDS_PREFIX "\033]bh;" /* begins what the machine itself says to `bh` on the host */
#define FOCUS_OWN 0u
#define LINGER_MS 2u   /* nobody sees a character that much later, and a VM's signals are 30 times fewer */
#define KEY_LEAVE 0x1d /* Ctrl-] */

/* One VM's console.  Its page is shared with that VM's vmm; everything else is ours alone. */
struct vm_console {
    uint32_t vm_id; /* 0: free */
    char name[VM_NAME_BYTES];
    struct byte_ring_page *page;
    struct byte_ring out; /* we take */
    struct byte_ring in;  /* we put */
    uint64_t written;     /* bytes that it ever wrote, of which the last HISTORY_BYTES are in `history` */
    uint64_t shown;       /* up to here they were on the wire, or were lost to it */
    uint8_t history[HISTORY_BYTES];
    uint32_t last_vm_id; /* whose the history is, also after it was closed */
    bool violation_told;
    uint32_t log_lines_left;
};

enum own_state {
    OWN_BUSY,    /* a command runs, or the toolstack is not up yet: what is typed waits */
    OWN_EDITING, /* a line is being typed at the prompt */
    OWN_LINE,    /* a line (or the end of input) waits for the toolstack */
};

struct console {
    uint32_t focus; /* vm_id, opened or not, or FOCUS_OWN */
    struct fifo wire, own, rx;
    uint8_t wire_bytes[WIRE_BYTES], own_bytes[OWN_BYTES], rx_bytes[RX_BYTES];

    enum own_state state;
    bool line_is_eof;
    struct line_editor editor;
    bool prompt_is_shown;
    bool at_line_start; /* the wire's cursor, as far as we know */
    uint32_t forged;    /* how much of WORDS_PREFIX the VM bytes on the wire end with */

    struct dmesg log;
    uint64_t log_shown; /* the position up to which log lines were on the wire, or were not to be */

    uint32_t generation; /* of this run of the service */
    struct vm_console vms[VM_CONSOLES_MAX];
    uint64_t busy_vms; /* bit i: vms[i] may have written; the others' rings will ring when they do */

    /* What the caller of these functions has to do next: */
    uint64_t signal_vms;   /* bit i: signal the vmm of vms[i] */
    bool signal_toolstack; /* there is a line */
    bool again;            /* pump again before sleeping: a ring moved meanwhile */
    bool linger;           /* a VM writes: pump again within LINGER_MS, it does not signal meanwhile */
    bool held;             /* something waits for room on the wire: pump again when there is some */
    bool changed;          /* what survives a restart changed: save it */
};

/* `pages`: one ring page per VM console. */
void console_init(struct console *c, struct byte_ring_page *pages, uint32_t generation);

/* Take up a session of the run before: the rings go on where they are. */
void console_adopt(struct console *c, uint32_t index, uint32_t vm_id, const char *name);

/* ---- what the toolstack asks */
struct vm_console *console_find(struct console *c, uint32_t vm_id);
uint32_t console_index(const struct console *c, const struct vm_console *vm);
/* ERR_EXIST: it is open already.  ERR_FULL: all are taken.  ERR_ARG: no name or no VM's number. */
enum status console_open(struct console *c, uint32_t vm_id, const char *name);
/* Drains what the VM wrote, then forgets it.  ERR_EXIST: it is not open (but the focus may still have been on
 * it). */
enum status console_close(struct console *c, uint32_t vm_id, bool keep_focus);
void console_focus(struct console *c, uint32_t vm_id);
/* ERR_FULL: the wire is slow, nothing was taken, try later. */
enum status console_write(struct console *c, const char *text, bool prompt);
enum status console_write_raw(struct console *c, const char *text);
/* Take the typed line; false when there is none. */
bool console_take_line(struct console *c, char line[LINE_BYTES], bool *eof);
/* A line for the log, shown when Bulkhead has the wire; a quiet one is not shown: its author writes by
 * itself. */
void console_log(struct console *c, const char *name, const char *text, bool is_quiet);
/* Bytes not on the wire yet. */
uint32_t console_pending(const struct console *c);

/* ---- what the wire and the rings bring */
void console_rung(struct console *c, uint32_t index); /* the ring of vms[index] moved, or may have */
bool console_can_receive(const struct console *c);
void console_receive(struct console *c, uint8_t byte);
/* Move everything that can move. */
void console_pump(struct console *c);

/* ---- vm_console.c: the rings */
/* The oldest position in the history that is still there. */
uint64_t vm_console_oldest(const struct vm_console *vm);
/* Copy up to `count` bytes of the history from `position`, which is there, on; returns how many. */
uint32_t vm_console_read(const struct vm_console *vm, uint64_t position, uint8_t *bytes, uint32_t count);
/* Put bytes that were typed for it elsewhere than at the wire; returns how many it took. */
uint32_t vm_console_put(struct console *c, struct vm_console *vm, const uint8_t *bytes, uint32_t count);
void vm_console_open(struct vm_console *vm, uint32_t vm_id, const char *name);
uint32_t vm_console_drain(struct console *c, struct vm_console *vm, bool all);
/* False: there is nothing to do until its ring rings. */
bool vm_console_pump(struct console *c, struct vm_console *vm);
void vm_console_type(struct console *c, struct vm_console *vm);
uint32_t console_wire_room(const struct console *c);

#endif
