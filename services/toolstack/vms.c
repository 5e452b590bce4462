/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vms.c - the places of VMs: those of the boot bundle first, then those that were created
 */
#include <stdlib.h>
#include <string.h>

#include "bh.h"
#include "image_names.h"
#include "toolstack.h"

static struct vm *place_free(struct toolstack *ts)
{
    uint32_t count = VMS_MAX - ts->record_count;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = ts->record_count + (ts->next_place + i) % count;

        if (ts->vms[place].config.name[0] == 0) {
            ts->next_place = place - ts->record_count + 1;
            return &ts->vms[place];
        }
    }
    return NULL;
}

struct vm *vm_add(struct toolstack *ts, const bh_VmConfig *config)
{
    struct vm *vm = place_free(ts);

    if (!vm)
        return NULL;
    uint32_t place = (uint32_t)(vm - ts->vms);

    memset(vm, 0, sizeof *vm);
    vm->config = *config;
    vm->config.vm_id = VM_ID_MIN + place;
    if (ts->vm_count <= place)
        ts->vm_count = place + 1;
    toolstack_save_config(ts, vm);
    return vm;
}

void vm_take_next(struct toolstack *ts, struct vm *vm)
{
    static bh_VmConfig config;

    if (!vm->has_next)
        return;
    config = ts->next[vm - ts->vms];
    config.vm_id = vm_id(vm);
    memcpy(config.name, vm->config.name, sizeof config.name);
    memcpy(config.uuid, vm->config.uuid, sizeof config.uuid);
    vm->config = config;
    vm->has_next = false;
    toolstack_save_config(ts, vm);
}

void vm_change(struct toolstack *ts, struct vm *vm, const bh_VmConfig *config)
{
    ts->next[vm - ts->vms] = *config;
    vm->has_next = true;
    if (vm->state == VM_OFF)
        vm_take_next(ts, vm);
    else
        toolstack_save_config(ts, vm);
}

void vms_forget(struct toolstack *ts)
{
    for (uint32_t i = ts->record_count; i < ts->vm_count; i++) {
        struct vm *vm = &ts->vms[i];

        if (vm->config.name[0] == 0 || vm->state != VM_OFF || vm->steps != 0)
            continue;
        memset(vm, 0, sizeof *vm);
        toolstack_save_config(ts, vm);
        toolstack_save(ts);
    }
}

const char *vm_image_volume(const struct vm *vm, uint32_t index)
{
    const char *name = index == 0 ? vm->config.kernel : vm->config.ramdisk;

    return image_is_volume(name) ? image_volume_label(name) : NULL;
}

/* ---- by what a person says ------------------------------------------------------------------------- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "8b4df2d1-3f02-4ba5-a4d8-3a1b5f6c7d8e", the hyphens anywhere or nowhere. */
static bool uuid_parse(const char *text, uint8_t uuid[16])
{
    uint32_t digits = 0;

    for (; *text != 0; text++) {
        int value = hex_value(*text);

        if (*text == '-')
            continue;
        if (value < 0 || digits == 32)
            return false;
        uuid[digits / 2] = (uint8_t)(digits % 2 ? uuid[digits / 2] | value : value << 4);
        digits++;
    }
    return digits == 32;
}

struct vm *vm_named(struct toolstack *ts, const char *text)
{
    struct vm *vm = text[0] != 0 ? vm_find(ts, text) : NULL;
    uint8_t uuid[16];
    char *end;

    if (vm || text[0] == 0)
        return vm;
    uint64_t id = strtoul(text, &end, 10);

    if (*end == 0)
        return vm_of_id(ts, id);
    if (!uuid_parse(text, uuid))
        return NULL;
    for (uint32_t i = 0; i < ts->vm_count; i++)
        if (ts->vms[i].config.name[0] != 0 && memcmp(ts->vms[i].config.uuid, uuid, sizeof uuid) == 0)
            return &ts->vms[i];
    return NULL;
}
