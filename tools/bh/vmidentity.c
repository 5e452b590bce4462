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
#include "vmfile.h"

static void get_random(void *bytes, size_t count)
{
    if (getrandom(bytes, count, 0) != (ssize_t)count)
        fail("getrandom: %s", strerror(errno));
}

/* A random one: RFC 4122, 4.4. */
static void make_uuid(uint8_t uuid[16])
{
    get_random(uuid, 16);
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

void vm_identify(struct vm *vm)
{
    static const uint8_t none[sizeof(vm->config.uuid)];

    vm->config.epoch_seconds = (uint64_t)time(NULL);
    get_random(vm->config.seed, sizeof(vm->config.seed));
    if (!memcmp(vm->config.uuid, none, sizeof(none)))
        make_uuid(vm->config.uuid);
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
