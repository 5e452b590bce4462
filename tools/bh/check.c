/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check.c - whether the VMs of one machine go together, judged before boot
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "gpt.h"
#include "image_names.h"

#define VMM_BYTES (2u << 20) /* what a VM takes besides its own memory (docs/decisions/0009) */

void check_names(const struct options *options, const struct vm *vms)
{
    bool found = !options->console;

    for (uint32_t i = 0; i < options->file_count; i++) {
        const char *name = vms[i].config.name;

        for (uint32_t j = 0; j < i; j++)
            if (!strcmp(vms[j].config.name, name))
                fail("%s:%u: name: '%s' is the name of the VM in %s too", vms[i].path, vms[i].name_line, name,
                     vms[j].path);
        if (options->console && vms[i].config.autostart && !strcmp(name, options->console))
            found = true;
    }
    if (!found)
        fail("--console %s: none of the VMs that are started has this name", options->console);
}

static bool is_memory_volume(const bh_Disk *disk)
{
    return !strncmp(disk->volume, "ram:", 4);
}

static void check_on_disk(const struct options *options, const struct vm *vm, const char *key, uint32_t line,
                          const char *volume, const struct gpt *gpt)
{
    if (!options->disk)
        fail("%s:%u: %s: volume '%s', but the machine has no disk (--disk IMG)", vm->path, line, key, volume);
    if (!gpt_has(gpt, volume))
        fail("%s:%u: %s: there is no volume '%s' on %s (there are: %s)", vm->path, line, key, volume,
             options->disk, gpt_list(gpt));
}

/* image: names what a machine that runs has; this one is to be booted. */
static void check_not_of_machine(const struct vm *vm, const char *key, uint32_t line, const char *image)
{
    if (*image && !image_is_volume(image))
        fail("%s: %s: image:... is for `bh create` on a machine that runs; here it is a file or volume:LABEL",
             vm_where(vm, line), key);
}

static void check_images(const struct options *options, const struct vm *vm, const struct gpt *gpt)
{
    const bh_VmConfig *config = &vm->config;

    check_not_of_machine(vm, "kernel", vm->kernel_line, config->kernel);
    check_not_of_machine(vm, "ramdisk", vm->ramdisk_line, config->ramdisk);
    if (image_is_volume(config->kernel))
        check_on_disk(options, vm, "kernel", vm->kernel_line, image_volume_label(config->kernel), gpt);
    if (image_is_volume(config->ramdisk))
        check_on_disk(options, vm, "ramdisk", vm->ramdisk_line, image_volume_label(config->ramdisk), gpt);
}

/* `other` is an earlier disk of the machine. */
static void check_shared(const struct vm *vm, const bh_Disk *disk, const struct vm *other_vm,
                         const bh_Disk *other)
{
    if (!strcmp(disk->volume, other->volume) && (disk->writable || other->writable))
        fail("%s:%u: disk: volume '%s' is used by %s (%s:%u) too, and one of them writes", vm->path,
             vm->disk_line, disk->volume, other_vm->config.name, other_vm->path, other_vm->disk_line);
}

/* A VM that is not started yet may name a volume in use: the machine decides when it is. */
static void check_against_earlier(const struct vm *vms, uint32_t i, uint32_t d)
{
    if (!vms[i].config.autostart)
        return;
    for (uint32_t j = 0; j <= i; j++) {
        uint32_t count = j == i ? d : vms[j].config.disks_count;

        if (!vms[j].config.autostart)
            continue;
        for (uint32_t e = 0; e < count; e++)
            check_shared(&vms[i], &vms[i].config.disks[d], &vms[j], &vms[j].config.disks[e]);
    }
}

void check_volumes(const struct options *options, const struct vm *vms)
{
    struct gpt *gpt = must_alloc(sizeof(*gpt));

    if (options->disk)
        gpt_read(gpt, options->disk);
    for (uint32_t i = 0; i < options->file_count; i++) {
        check_images(options, &vms[i], gpt);
        for (uint32_t d = 0; d < vms[i].config.disks_count; d++) {
            const bh_Disk *disk = &vms[i].config.disks[d];

            if (is_memory_volume(disk))
                continue;
            check_on_disk(options, &vms[i], "disk", vms[i].disk_line, disk->volume, gpt);
            check_against_earlier(vms, i, d);
        }
    }
    free(gpt);
}

void check_pcpus(const struct options *options, const struct vm *vms)
{
    for (uint32_t i = 0; i < options->file_count; i++) {
        const bh_VmConfig *config = &vms[i].config;

        for (uint32_t v = 0; v < config->pins.size; v++)
            if (config->pins.bytes[v] >= options->cpus && config->pins.bytes[v] != PIN_NONE)
                fail("%s: cpus: vCPU %u is to be on pCPU %u: of --cpus %u the last is %u",
                     vm_where(&vms[i], vms[i].cpus_line), v, config->pins.bytes[v], options->cpus,
                     options->cpus - 1);
    }
}

void check_memory(const struct options *options, const struct vm *vms, uint64_t image_bytes)
{
    uint64_t wanted = 0, left = options->memory_bytes;

    left = image_bytes < left ? left - image_bytes : 0;
    for (uint32_t i = 0; i < options->file_count; i++) {
        if (!vms[i].config.autostart)
            continue;
        uint64_t needed = vms[i].config.memory_bytes + VMM_BYTES;

        if (needed > left - wanted)
            fail("%s:%u: memory: %llu MiB for %s: of --memory %llu MiB only %llu are left beside the boot "
                 "image and the VMs before",
                 vms[i].path, vms[i].memory_line, (unsigned long long)needed >> 20, vms[i].config.name,
                 (unsigned long long)options->memory_bytes >> 20, (unsigned long long)(left - wanted) >> 20);
        wanted += needed;
    }
}
