/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmidentity.c - what a VM gets besides its file: who it is, and its images
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "fail.h"
#include "hash.h"
#include "vmfile.h"

static void get_random(void *bytes, size_t count)
{
    if (getrandom(bytes, count, 0) != (ssize_t)count)
        fail("getrandom: %s", strerror(errno));
}

/* RFC 9562: 4 is a random one (5.4), 8 one made in a way of our own (5.8). */
static void uuid_stamp(uint8_t uuid[16], uint8_t version)
{
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | version << 4);
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

/* The same for the same file and name, so that it stays over restarts of the machine. */
static void uuid_make(const struct vm *vm, uint8_t uuid[16])
{
    char *path = vm->file_lines ? realpath(vm->path, NULL) : NULL;

    if (!path) {
        get_random(uuid, 16);
        uuid_stamp(uuid, 4);
        return;
    }
    for (uint32_t half = 0; half < 2; half++) {
        uint64_t hash = hash_text(hash_text(hash_start(half), path), vm->config.name);

        memcpy(uuid + half * sizeof(hash), &hash, sizeof(hash));
    }
    uuid_stamp(uuid, 8);
    free(path);
}

void vm_identify(struct vm *vm)
{
    static const uint8_t none[sizeof(vm->config.uuid)];

    vm->config.epoch_seconds = (uint64_t)(time(NULL) + vm->clock_ahead);
    get_random(vm->config.seed, sizeof(vm->config.seed));
    if (!memcmp(vm->config.uuid, none, sizeof(none)))
        uuid_make(vm, vm->config.uuid);
}

struct file vm_kernel_read(const struct vm *vm)
{
    char *where = must_print("%s: kernel", vm_where(vm, vm->kernel_line));
    struct file file = file_read(where, vm->kernel);

    vm_kernel_check(vm, &file);
    free(where);
    return file;
}

struct file vm_ramdisk_read(const struct vm *vm)
{
    char *where = must_print("%s: ramdisk", vm_where(vm, vm->ramdisk_line));
    struct file file = file_read(where, vm->ramdisk);

    if (!file.size_bytes)
        fail("%s: %s is empty", where, vm->ramdisk);
    if (file.size_bytes > vm->config.memory_bytes)
        fail("%s: %s is larger than the VM's memory", where, vm->ramdisk);
    free(where);
    return file;
}
