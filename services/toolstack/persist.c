/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * persist.c - what must be known after the toolstack died: which VMs exist, and how far each was made
 *
 * The pages are init's to keep; they are zero at the machine's start.  What is read back was checked as a
 * whole.  Configurations have places of their own behind it, written once.
 */
#include <pb_decode.h>
#include <pb_encode.h>
#include <stddef.h>
#include <stdio.h>
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
    uint32_t starts;
    uint32_t spare;
    uint64_t started;
};
struct saved {
    uint32_t magic;
    uint32_t check; /* over all that follows */
    uint32_t vm_count;
    uint32_t input_ended;
    uint32_t exit_status;
    uint32_t record_count;
    char exit_text[ERROR_BYTES];
    struct saved_vm vms[VMS_MAX];
};
#define SAVED_PAGES 2u
#define CONFIG_BYTES 2048u
struct saved_config {
    uint32_t length; /* 0: none */
    uint32_t check;  /* over the bytes */
    uint8_t bytes[CONFIG_BYTES - 8];
};
_Static_assert(sizeof(struct saved) <= (size_t)SAVED_PAGES * 4096, "the state fits its pages");
_Static_assert(sizeof(struct saved_config) == CONFIG_BYTES, "a place");
_Static_assert(bh_VmConfig_size <= sizeof(((struct saved_config *)0)->bytes),
               "a configuration fits its place");
_Static_assert(DOMAIN_PERSIST >= SAVED_PAGES + VMS_MAX * CONFIG_BYTES / 4096,
               "system/bulkhead.toml: persist");

static struct saved *const saved = (struct saved *)(uintptr_t)PERSIST_IPA;
static struct saved_config *const configs =
    (struct saved_config *)(uintptr_t)(PERSIST_IPA + SAVED_PAGES * 4096);

/* FNV-1a, 32 bits. */
static uint32_t fnv(const uint8_t *bytes, size_t count)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < count; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return hash;
}

static uint32_t saved_check(const struct saved *state)
{
    size_t first = offsetof(struct saved, vm_count);

    return fnv((const uint8_t *)state + first, sizeof *state - first);
}

void toolstack_save_config(const struct toolstack *ts, const struct vm *vm)
{
    struct saved_config *place = &configs[vm - ts->vms];
    pb_ostream_t stream = pb_ostream_from_buffer(place->bytes, sizeof place->bytes);

    place->length = 0;
    if (vm->config.name[0] == 0 || !pb_encode(&stream, bh_VmConfig_fields, &vm->config))
        return;
    place->check = fnv(place->bytes, stream.bytes_written);
    place->length = (uint32_t)stream.bytes_written;
}

static bool config_load(uint32_t index, bh_VmConfig *config)
{
    const struct saved_config *place = &configs[index];
    pb_istream_t stream;

    if (place->length == 0 || place->length > sizeof place->bytes ||
        place->check != fnv(place->bytes, place->length))
        return false;
    stream = pb_istream_from_buffer(place->bytes, place->length);
    *config = (bh_VmConfig)bh_VmConfig_init_zero;
    return pb_decode(&stream, bh_VmConfig_fields, config) && config->name[0] != 0;
}

/* A VM whose configuration cannot be read any more is still unmade: that takes its id only. */
static void vm_load_config(struct vm *vm, uint32_t index)
{
    if (!config_load(index, &vm->config) && !vm->is_record && (vm->state != VM_OFF || vm->steps != 0)) {
        snprintf(vm->config.name, sizeof vm->config.name, "lost-%u", (unsigned)index);
        vm->state = VM_BUILDING;
    }
    vm->config.vm_id = VM_ID_MIN + index;
}

void toolstack_save(const struct toolstack *ts)
{
    static struct saved state;

    memset(&state, 0, sizeof state);
    state.magic = PERSIST_MAGIC;
    state.vm_count = ts->vm_count;
    state.input_ended = ts->input_ended;
    state.exit_status = ts->exit_status;
    state.record_count = ts->record_count;
    memcpy(state.exit_text, ts->exit_text, ERROR_BYTES);
    for (uint32_t i = 0; i < ts->vm_count; i++) {
        const struct vm *vm = &ts->vms[i];

        state.vms[i].state = (uint32_t)vm->state;
        state.vms[i].steps = vm->steps;
        state.vms[i].quick_ends = vm->quick_ends;
        state.vms[i].ending = (uint16_t)vm->ending;
        state.vms[i].is_paused = vm->is_paused;
        state.vms[i].starts = vm->starts;
        state.vms[i].started = vm->started;
    }
    state.check = saved_check(&state);
    *saved = state;
}

bool toolstack_load(struct toolstack *ts)
{
    static struct saved state;

    state = *saved;
    if (state.magic != PERSIST_MAGIC || state.check != saved_check(&state) ||
        state.record_count != ts->record_count || state.vm_count < ts->record_count ||
        state.vm_count > VMS_MAX)
        return false;
    ts->vm_count = state.vm_count;
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
        vm->starts = state.vms[i].starts;
        vm->started = state.vms[i].started;
        vm_load_config(vm, i);
    }
    return true;
}
