/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * persist.c - what must be known after the toolstack died: which VMs exist, and how far each was made
 *
 * The page is init's to keep; it is zero at the machine's start.  What is read back was checked as a whole.
 */
#include <stddef.h>
#include <string.h>

#include "bh.h"
#include "caps_toolstack.h"
#include "toolstack.h"

#define PERSIST_MAGIC 0x31535442u /* "BTS1" */

struct saved_vm {
    uint32_t state;
    uint32_t steps;
    uint32_t quick_ends;
    uint16_t ending;
    uint16_t is_paused;
    uint64_t started;
};
struct saved {
    uint32_t magic;
    uint32_t check; /* over all that follows */
    uint32_t vm_count;
    uint32_t input_ended;
    uint32_t exit_status;
    uint32_t spare;
    char exit_text[ERROR_BYTES];
    struct saved_vm vms[VMS_MAX];
};
_Static_assert(DOMAIN_PERSIST >= 1 && sizeof(struct saved) <= 4096, "one page");

static struct saved *const saved = (struct saved *)(uintptr_t)PERSIST_IPA;

/* FNV-1a, 32 bits. */
static uint32_t saved_check(const struct saved *state)
{
    const uint8_t *bytes = (const uint8_t *)state;
    uint32_t hash = 2166136261u;

    for (size_t i = offsetof(struct saved, vm_count); i < sizeof *state; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return hash;
}

void toolstack_save(const struct toolstack *ts)
{
    struct saved state = {.magic = PERSIST_MAGIC, .vm_count = ts->vm_count};

    state.input_ended = ts->input_ended;
    state.exit_status = ts->exit_status;
    memcpy(state.exit_text, ts->exit_text, ERROR_BYTES);
    for (uint32_t i = 0; i < ts->vm_count; i++) {
        const struct vm *vm = &ts->vms[i];

        state.vms[i].state = (uint32_t)vm->state;
        state.vms[i].steps = vm->steps;
        state.vms[i].quick_ends = vm->quick_ends;
        state.vms[i].ending = (uint16_t)vm->ending;
        state.vms[i].is_paused = vm->is_paused;
        state.vms[i].started = vm->started;
    }
    state.check = saved_check(&state);
    *saved = state;
}

bool toolstack_load(struct toolstack *ts)
{
    struct saved state = *saved;

    if (state.magic != PERSIST_MAGIC || state.check != saved_check(&state) || state.vm_count != ts->vm_count)
        return false;
    ts->input_ended = state.input_ended != 0;
    ts->exit_status = state.exit_status;
    memcpy(ts->exit_text, state.exit_text, ERROR_BYTES);
    ts->exit_text[ERROR_BYTES - 1] = 0;
    for (uint32_t i = 0; i < ts->vm_count; i++) {
        struct vm *vm = &ts->vms[i];

        vm->state = state.vms[i].state <= VM_PRESERVED ? (enum vm_state)state.vms[i].state : VM_OFF;
        vm->steps = state.vms[i].steps;
        vm->quick_ends = state.vms[i].quick_ends;
        vm->ending = state.vms[i].ending <= END_DESTROYED ? (enum vm_ending)state.vms[i].ending : END_NONE;
        vm->is_paused = state.vms[i].is_paused != 0;
        vm->started = state.vms[i].started;
    }
    return true;
}
