/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * persist.c - what the console must still know after it died
 *
 * Two copies in the page that init keeps over a restart, written in turns: dying in the middle of a save
 * leaves the other one.  A page that makes no sense (the first start: zeroes) is a fresh start.
 *
 * Always true:  what is loaded was judged: checksum, state, names that end, no VM twice.
 */
#include "persist.h"

#include <stddef.h>
#include <string.h>

#define PERSIST_MAGIC 0x31534342u /* "BCS1" */

/* FNV-1a, 32 bits: against what was half-written or scribbled on, not against anyone. */
static uint32_t persist_check(const struct persist_state *state)
{
    const uint8_t *bytes = (const uint8_t *)state;
    uint32_t hash = 2166136261u;

    for (size_t i = offsetof(struct persist_state, sequence); i < sizeof *state; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return hash;
}

static struct persist_state *persist_copy(void *page, uint32_t which)
{
    return (struct persist_state *)((uint8_t *)page + which * (PERSIST_BYTES / 2));
}

static bool session_is_good(const struct persist_state *state, uint32_t index)
{
    const struct persist_session *session = &state->sessions[index];

    if (session->vm_id == 0)
        return true;
    if (session->name[0] == 0 || !memchr(session->name, 0, VM_NAME_BYTES))
        return false;
    for (uint32_t i = 0; i < index; i++)
        if (state->sessions[i].vm_id == session->vm_id)
            return false;
    return true;
}

static bool persist_is_good(const struct persist_state *state)
{
    if (state->magic != PERSIST_MAGIC || state->check != persist_check(state))
        return false;
    if (state->own_state > OWN_LINE || state->generation == 0)
        return false;
    for (uint32_t i = 0; i < VM_CONSOLES_MAX; i++)
        if (!session_is_good(state, i))
            return false;
    return true;
}

/* The newer good copy, or NULL. */
static struct persist_state *persist_newest(void *page)
{
    struct persist_state *a = persist_copy(page, 0), *b = persist_copy(page, 1);

    if (!persist_is_good(a))
        return persist_is_good(b) ? b : NULL;
    if (!persist_is_good(b))
        return a;
    return (int32_t)(b->sequence - a->sequence) > 0 ? b : a;
}

bool persist_load(void *page, struct console *c, struct byte_ring_page *rings)
{
    const struct persist_state *newest = persist_newest(page);
    struct persist_state state;

    if (!newest) {
        console_init(c, rings, 1);
        return false;
    }
    state = *newest;
    console_init(c, rings, state.generation + 1 == 0 ? 1 : state.generation + 1);
    c->focus = state.focus;
    /* A line that the toolstack had not taken is lost: the prompt comes again. */
    c->state = state.own_state == OWN_BUSY ? OWN_BUSY : OWN_EDITING;
    c->at_line_start = false;
    for (uint32_t i = 0; i < VM_CONSOLES_MAX; i++)
        if (state.sessions[i].vm_id != 0)
            console_adopt(c, i, state.sessions[i].vm_id, state.sessions[i].name);
    return true;
}

void persist_save(void *page, const struct console *c)
{
    const struct persist_state *newest = persist_newest(page);
    uint32_t target = newest && newest == persist_copy(page, 0) ? 1 : 0;
    struct persist_state *state = persist_copy(page, target);
    uint32_t sequence = newest ? newest->sequence + 1 : 1;

    memset(state, 0, sizeof *state);
    state->sequence = sequence;
    state->generation = c->generation;
    state->focus = c->focus;
    state->own_state = (uint32_t)c->state;
    for (uint32_t i = 0; i < VM_CONSOLES_MAX; i++) {
        if (c->vms[i].vm_id == 0)
            continue;
        state->sessions[i].vm_id = c->vms[i].vm_id;
        memcpy(state->sessions[i].name, c->vms[i].name, VM_NAME_BYTES);
    }
    state->check = persist_check(state);
    state->magic = PERSIST_MAGIC;
}
