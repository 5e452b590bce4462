/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * persist.c - what the console must still know after it died
 *
 * A record of its state and one of each session, with copies (lib/bh/copies.h) in pages that init keeps over
 * a restart: a save costs what has changed.  Pages that make no sense (the first start: zeroes) are a fresh
 * start.
 *
 * Always true:  what is loaded was judged: state, names that end, no VM twice.
 */
#include "persist.h"

#include <string.h>

#include "lib/bh/copies.h"

#define STATE_MAGIC 0x53534342u   /* "BCSS" */
#define SESSION_MAGIC 0x56534342u /* "BCSV" */
#define PERSIST_VERSION 2u

struct saved_state {
    uint32_t generation; /* 0: nothing was saved */
    uint32_t focus;
    uint32_t own_state; /* enum own_state */
};
struct saved_session {
    uint32_t vm_id; /* 0: none; the index is that of its ring page */
    char name[VM_NAME_BYTES];
};
_Static_assert(sizeof(struct copy) + sizeof(struct saved_session) <= PERSIST_COPY_BYTES, "a copy");

/* What stands there. */
static struct saved_state state;
static struct saved_session sessions[VM_CONSOLES_MAX];
static struct copies state_copies, session_copies[VM_CONSOLES_MAX];

static struct copies copies_at(void *pages, uint32_t pair, uint32_t magic)
{
    return (struct copies){.at = (uint8_t *)pages + (size_t)2 * PERSIST_COPY_BYTES * pair,
                           .copy_bytes = PERSIST_COPY_BYTES,
                           .magic = magic,
                           .version = PERSIST_VERSION};
}

static bool session_is_good(uint32_t index)
{
    const struct saved_session *session = &sessions[index];

    if (session->vm_id == 0 || session->name[0] == 0 || !memchr(session->name, 0, VM_NAME_BYTES))
        return false;
    for (uint32_t i = 0; i < index; i++)
        if (sessions[i].vm_id == session->vm_id)
            return false;
    return true;
}

bool persist_load(void *pages, struct console *c, struct byte_ring_page *rings)
{
    state_copies = copies_at(pages, 0, STATE_MAGIC);
    copies_get(&state_copies, &state, sizeof state);
    for (uint32_t i = 0; i < VM_CONSOLES_MAX; i++) {
        session_copies[i] = copies_at(pages, i + 1, SESSION_MAGIC);
        copies_get(&session_copies[i], &sessions[i], sizeof sessions[i]);
    }
    console_init(c, rings, state.generation + 1 == 0 ? 1 : state.generation + 1);
    if (state.generation == 0 || state.own_state > OWN_LINE)
        return false;
    c->focus = state.focus;
    /* A line that the toolstack had not taken is lost: the prompt comes again. */
    c->state = state.own_state == OWN_BUSY ? OWN_BUSY : OWN_EDITING;
    c->at_line_start = false;
    for (uint32_t i = 0; i < VM_CONSOLES_MAX; i++)
        if (session_is_good(i))
            console_adopt(c, i, sessions[i].vm_id, sessions[i].name);
    return true;
}

void persist_save(const struct console *c)
{
    struct saved_state now = {
        .generation = c->generation, .focus = c->focus, .own_state = (uint32_t)c->state};

    copies_put(&state_copies, &state, &now, sizeof now);
    for (uint32_t i = 0; i < VM_CONSOLES_MAX; i++) {
        struct saved_session session = {.vm_id = c->vms[i].vm_id};

        if (session.vm_id == 0 && sessions[i].vm_id == 0)
            continue;
        if (session.vm_id != 0)
            memcpy(session.name, c->vms[i].name, VM_NAME_BYTES);
        copies_put(&session_copies[i], &sessions[i], &session, sizeof session);
    }
}
