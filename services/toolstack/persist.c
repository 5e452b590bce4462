/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * persist.c - what must be known after the toolstack died: which VMs exist, and how far each was made
 *
 * The pages are init's to keep; they are zero at the machine's start.  The machine, and each VM, is a record
 * with copies (lib/bh/copies.h), so a save costs what has changed.  Configurations have places of their own
 * behind them, written once.
 */
#include <pb_decode.h>
#include <pb_encode.h>
#include <stdio.h>
#include <string.h>

#include "bh.h"
#include "caps_toolstack.h"
#include "copies.h"
#include "image_memory.h"
#include "toolstack.h"
#include "vdev.h"

#define MACHINE_MAGIC 0x4d535442u /* "BTSM" */
#define VM_MAGIC 0x56535442u      /* "BTSV" */
#define PERSIST_VERSION 2u

#define BLOCK_BYTES 0x200000ull /* all memory of VMs is a multiple of it */
#define PAGE_BYTES 4096ull

struct saved_machine {
    uint32_t vm_count;
    uint32_t input_ended;
    uint32_t exit_status;
    uint32_t record_count;
    uint32_t was_saved; /* 1 */
    char exit_text[ERROR_BYTES];
};
struct saved_vm {
    uint32_t state;
    uint32_t steps;
    uint32_t quick_ends;
    uint16_t ending;
    uint16_t is_paused;
    uint32_t starts;
    uint32_t flags;
    uint64_t started;
    uint16_t memory_blocks; /* of 2 MiB */
    uint16_t target_blocks;
    uint32_t given_pages;
};
/* saved_vm.flags */
enum {
    SAVED_HEARD = 1,
    SAVED_STOPPING = 2,
    SAVED_BALLOON = 4,
    SAVED_CHANGING0 = 1 << 8,
    SAVED_READ_ONLY0 = 1 << 12
};
#define DRIVES_ALL ((1u << DRIVES_MAX) - 1u)
_Static_assert(DRIVES_MAX <= 4, "a flag for each");
/* Copies of the machine, then of each VM. */
#define MACHINE_COPY_BYTES 512u
#define VM_COPY_BYTES 64u
#define SAVED_BYTES (2u * MACHINE_COPY_BYTES + 2u * VM_COPY_BYTES * VMS_MAX)
#define SAVED_PAGES ((SAVED_BYTES + 4095u) / 4096u)
#define CONFIG_BYTES 2048u
struct saved_config {
    uint32_t length; /* 0: none */
    uint32_t check;  /* over the bytes */
    uint8_t bytes[CONFIG_BYTES - 8];
};
_Static_assert(sizeof(struct copy) + sizeof(struct saved_machine) <= MACHINE_COPY_BYTES, "a copy");
_Static_assert(sizeof(struct copy) + sizeof(struct saved_vm) <= VM_COPY_BYTES, "a copy");
_Static_assert(sizeof(struct saved_config) == CONFIG_BYTES, "a place");
_Static_assert(bh_VmConfig_size <= sizeof(((struct saved_config *)0)->bytes),
               "a configuration fits its place");
#define CONFIG_PAGES (VMS_MAX * CONFIG_BYTES / 4096)
_Static_assert(DOMAIN_PERSIST >= SAVED_PAGES + CONFIG_PAGES + IMAGES_PERSIST_BYTES / 4096,
               "system/bulkhead.toml: persist");

/* What stands there. */
static struct saved_machine saved_machine;
static struct saved_vm saved_vms[VMS_MAX];
static struct copies machine_copies, vm_copies[VMS_MAX];

static struct saved_config *const configs =
    (struct saved_config *)(uintptr_t)(PERSIST_IPA + SAVED_PAGES * 4096);

uint8_t *image_memory_persistent(void)
{
    return (uint8_t *)(uintptr_t)(PERSIST_IPA + (SAVED_PAGES + CONFIG_PAGES) * 4096);
}

/* FNV-1a, 32 bits. */
static uint32_t fnv(const uint8_t *bytes, size_t count)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < count; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return hash;
}

/* ---- configurations ---------------------------------------------------------------------------------- */

void toolstack_save_config(const struct toolstack *ts, const struct vm *vm)
{
    struct saved_config *place = &configs[vm - ts->vms];
    pb_ostream_t stream = pb_ostream_from_buffer(place->bytes, sizeof place->bytes);

    static bh_VmConfig config;

    config = vm->has_next ? ts->next[vm - ts->vms] : vm->config;
    memcpy(config.name, vm->config.name, sizeof config.name);
    memcpy(config.uuid, vm->config.uuid, sizeof config.uuid);
    place->length = 0;
    if (config.name[0] == 0 || !pb_encode(&stream, bh_VmConfig_fields, &config))
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

/* ---- what changes ------------------------------------------------------------------------------------ */

static void machine_save(const struct toolstack *ts)
{
    struct saved_machine now = {.was_saved = 1,
                                .vm_count = ts->vm_count,
                                .input_ended = ts->input_ended,
                                .exit_status = ts->exit_status,
                                .record_count = ts->record_count};

    memcpy(now.exit_text, ts->exit_text, ERROR_BYTES);
    copies_put(&machine_copies, &saved_machine, &now, sizeof now);
}

static void vm_save(const struct vm *vm, uint32_t index)
{
    struct saved_vm now = {.state = (uint32_t)vm->state,
                           .steps = vm->steps,
                           .quick_ends = vm->quick_ends,
                           .ending = (uint16_t)vm->ending,
                           .is_paused = vm->is_paused,
                           .flags = (vm->is_heard ? SAVED_HEARD : 0u) |
                                    (vm->is_stopping ? SAVED_STOPPING : 0u) |
                                    (vm->has_balloon ? SAVED_BALLOON : 0u) | vm->changing * SAVED_CHANGING0 |
                                    vm->read_only_drives * SAVED_READ_ONLY0,
                           .starts = vm->starts,
                           .started = vm->started,
                           .memory_blocks = (uint16_t)(vm->memory / BLOCK_BYTES),
                           .target_blocks = (uint16_t)(vm->target / BLOCK_BYTES),
                           .given_pages = (uint32_t)(vm->given / PAGE_BYTES)};

    copies_put(&vm_copies[index], &saved_vms[index], &now, sizeof now);
}

/* The number of places before what is in them: a VM in a place that nobody counts would be lost. */
void toolstack_save(const struct toolstack *ts)
{
    machine_save(ts);
    for (uint32_t i = 0; i < ts->vm_count; i++)
        vm_save(&ts->vms[i], i);
}

static void vm_load(struct vm *vm, uint32_t index)
{
    const struct saved_vm *was = &saved_vms[index];

    vm->state = was->state <= VM_PRESERVED ? (enum vm_state)was->state : VM_OFF;
    vm->steps = was->steps;
    vm->quick_ends = was->quick_ends;
    vm->ending = was->ending <= END_DESTROYED ? (enum vm_ending)was->ending : END_NONE;
    vm->is_paused = was->is_paused != 0;
    vm->is_heard = (was->flags & SAVED_HEARD) != 0;
    vm->is_stopping = (was->flags & SAVED_STOPPING) != 0;
    vm->has_balloon = (was->flags & SAVED_BALLOON) != 0;
    vm->changing = was->flags / SAVED_CHANGING0 & DRIVES_ALL;
    vm->read_only_drives = was->flags / SAVED_READ_ONLY0 & DRIVES_ALL;
    vm->starts = was->starts;
    vm->started = was->started;
    vm->memory = was->memory_blocks * BLOCK_BYTES;
    vm->target = was->target_blocks * BLOCK_BYTES;
    vm->given = was->given_pages * PAGE_BYTES;
    vm_load_config(vm, index);
}

static void records_read(void)
{
    uint8_t *at = (uint8_t *)(uintptr_t)PERSIST_IPA;

    machine_copies = (struct copies){
        .at = at, .copy_bytes = MACHINE_COPY_BYTES, .magic = MACHINE_MAGIC, .version = PERSIST_VERSION};
    copies_get(&machine_copies, &saved_machine, sizeof saved_machine);
    at += (size_t)2 * MACHINE_COPY_BYTES;
    for (uint32_t i = 0; i < VMS_MAX; i++, at += (size_t)2 * VM_COPY_BYTES) {
        vm_copies[i] = (struct copies){
            .at = at, .copy_bytes = VM_COPY_BYTES, .magic = VM_MAGIC, .version = PERSIST_VERSION};
        copies_get(&vm_copies[i], &saved_vms[i], sizeof saved_vms[i]);
    }
}

bool toolstack_load(struct toolstack *ts)
{
    const struct saved_machine *was = &saved_machine;

    records_read();
    if (was->was_saved != 1 || was->record_count != ts->record_count || was->vm_count < ts->record_count ||
        was->vm_count > VMS_MAX)
        return false;
    ts->vm_count = was->vm_count;
    ts->input_ended = was->input_ended != 0;
    ts->exit_status = was->exit_status;
    memcpy(ts->exit_text, was->exit_text, ERROR_BYTES);
    ts->exit_text[ERROR_BYTES - 1] = 0;
    for (uint32_t i = 0; i < ts->vm_count; i++)
        vm_load(&ts->vms[i], i);
    return true;
}
