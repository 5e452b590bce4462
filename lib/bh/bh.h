/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bh.h - what every service stands on
 *
 * A service is one thread that waits, dispatches and answers (vmms have more: thread.h).  This library gives
 * it a start, a heap, slots, messages, mappings and a line of log; every call of the kernel is a bh_NAME() in
 * bh_syscalls.h.
 *
 * Always true: between two messages the IPC buffer's recv_slots name empty slots (as long as there are any),
 * so a message can always bring its capabilities; capabilities that nobody took are dropped when the next one
 * comes.
 */
#ifndef BH_BH_H
#define BH_BH_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "bh_syscalls.h"

int main(void);

/* ---- log.c, panic.c --------------------------------------------------------------------------- */
/* One line (no newline needed, at most LOG_LINE_MAX - 1 bytes) to the console domain; dropped after 100 ms.
 */
#define LOG_LINE_MAX 240u
void bh_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bh_log_args(const char *format, va_list args) __attribute__((format(printf, 1, 0)));
/* Where bh_log's lines go.  Weak: init and the console, which cannot send to the console, have their own. */
void bh_log_line(const char *line);
/* Log, then fault: init reports it and starts the service again. */
_Noreturn void bh_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The status's name, for messages: "ERR_MEM". */
const char *bh_status_name(enum status status);

/* ---- time.c: CNTPCT ticks ---------------------------------------------------------------------- */
uint64_t bh_now(void);
uint64_t bh_after_ms(uint64_t ms); /* a deadline: now + ms */
uint64_t bh_ticks_to_us(uint64_t ticks);

/* ---- slots.c: which slots of my CSpace are free ------------------------------------------------- */
/* first..count-1 are mine.  crt0 does it with what init passed; only init calls it by itself. */
void bh_slots_init(slot_t first, uint32_t count);
slot_t bh_slot_alloc(void);            /* 0: none left */
slot_t bh_slots_alloc(uint32_t count); /* `count` consecutive ones; 0: no such row left */
void bh_slot_free(slot_t slot);        /* the slot is empty (moved away, or never filled) */
void bh_slots_free(slot_t first, uint32_t count);
void bh_slot_drop(slot_t slot); /* delete the capability, then free the slot; 0 is OK */
uint32_t bh_slots_left(void);

/* ---- msg.c: messages ------------------------------------------------------------------------------ */
extern struct ipc_buffer *const bh_ipcbuf;

enum status bh_recv(slot_t endpoint, uint64_t deadline, struct bh_msg *m) BH_NODISCARD;
/* bh_notification_signal() and bh_recv() in one call: nobody is owed an answer. */
enum status bh_signal_recv(slot_t notification, slot_t endpoint, uint64_t deadline,
                           struct bh_msg *m) BH_NODISCARD;
enum status bh_call(slot_t endpoint, uint64_t deadline,
                    struct bh_msg *m) BH_NODISCARD; /* m: request, then reply */
enum status bh_reply_recv(slot_t endpoint, uint64_t deadline, struct bh_msg *m) BH_NODISCARD;
enum status bh_reply(struct bh_msg *m) BH_NODISCARD;
enum status bh_send(slot_t endpoint, uint64_t deadline, struct bh_msg *m) BH_NODISCARD;
/* Answer all that comes to SLOT_CONTROL with `serve`, for ever (serve.c); signals mean nothing. */
_Noreturn void bh_serve(void (*serve)(struct bh_msg *m, void *context), void *context);
/* The capabilities that came with the last message; from then on the caller's to drop. */
uint32_t bh_caps_take(slot_t slots[IPC_CAPS_MAX]);
/* Drop this slot as soon as the next reply, which carries it, has gone (at most IPC_CAPS_MAX of them). */
void bh_drop_after_reply(slot_t slot);

/* ---- map.c: objects and mappings of my own ------------------------------------------------------- */
/* One object from SLOT_UNTYPED into a fresh slot.  size: as untyped_retype.  ERR_FULL: no slot left. */
enum status bh_retype(enum cap_kind kind, uint64_t size, slot_t *out) BH_NODISCARD;
/* A row of `count` objects in fresh slots *first, *first + 1 ... */
enum status bh_retype_row(enum cap_kind kind, uint64_t size, uint32_t count, slot_t *first) BH_NODISCARD;
/* Map a Frame into my address space; gives it memory for tables from SLOT_UNTYPED when it has none left. */
enum status bh_map(slot_t frame, uint64_t ipa, uint32_t attributes) BH_NODISCARD;
/* A Frame of 2 MiB, writable, where there is room: once, as long as *ipa is 0.  Later, and when it fails, the
 * capability is dropped. */
enum status bh_map_block(slot_t frame, uint64_t *ipa) BH_NODISCARD;
/* Fresh zeroed 4 KiB Frames at ipa; all or none.  _row: also says in which slots they are. */
enum status bh_map_new(uint64_t ipa, uint32_t pages, uint32_t rights) BH_NODISCARD;
enum status bh_map_new_row(uint64_t ipa, uint32_t pages, uint32_t rights, slot_t *first) BH_NODISCARD;
/* A range of DYNAMIC_IPA that nobody has had yet, 4 KiB-aligned; never given back. */
uint64_t bh_ipa_alloc(uint32_t pages);
/* The same, 2 MiB-aligned and in units of 2 MiB. */
uint64_t bh_ipa_alloc_2m(uint32_t count);

#endif
