/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image.c - the boot image: kernel and bundle in one file
 *
 * Always true: every module starts on a page, a guest's image on 2 MiB; module 0 is init; an image file that
 * several VMs use is in the bundle once.
 */
#define _GNU_SOURCE
#include "image.h"

#include <dirent.h>
#include <errno.h>
#include <pb_encode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundle.h"
#include "fail.h"
#include "program.h"

#define PAGE 4096u
#define BLOCK (2u << 20)
#define RAM_BASE 0x40000000u
#define MODULE_NAME_BYTES sizeof(((struct bundle_module *)0)->name)

/* What the kernel's own Image header says about its memory (booting.rst). */
enum { IMAGE_SIZE_AT = 0x10, IMAGE_MAGIC_AT = 0x38 };

struct image {
    int fd;
    struct bundle bundle;
    uint64_t end; /* of the bundle so far */
    struct {
        uint64_t device, inode;
        char name[MODULE_NAME_BYTES];
    } guests[BUNDLE_MODULES_MAX]; /* image files that are in */
    uint32_t guest_count;
};

static void put(const struct image *image, uint64_t offset, const void *bytes, uint64_t count)
{
    const uint8_t *from = bytes;

    while (count) {
        ssize_t done = pwrite(image->fd, from, count, (off_t)offset);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            fail("cannot write the boot image: %s", strerror(errno));
        from += done;
        offset += (uint64_t)done;
        count -= (uint64_t)done;
    }
}

static struct bundle_module *module_new(struct image *image, const char *name)
{
    struct bundle_module *module = &image->bundle.modules[image->bundle.module_count];

    if (image->bundle.module_count == BUNDLE_MODULES_MAX)
        fail("more than %u programs, images and VMs in one boot image", BUNDLE_MODULES_MAX);
    if (strlen(name) >= MODULE_NAME_BYTES)
        fail("the module name '%s' is longer than %zu characters", name, MODULE_NAME_BYTES - 1);
    image->bundle.module_count++;
    memcpy(module->name, name, strlen(name) + 1);
    return module;
}

static void module_put(struct image *image, struct bundle_module *module, const void *bytes, uint64_t align)
{
    module->offset = (image->end + align - 1) & ~(align - 1);
    put(image, KERNEL_IMAGE_BYTES + module->offset, bytes, module->size);
    image->end = (module->offset + module->size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static void add_kernel(struct image *image, const struct options *options)
{
    struct file kernel = file_read(NULL, options->kernel);
    uint64_t memory = kernel.size_bytes;

    if (file_holds(&kernel, 0, 64) && !memcmp(kernel.bytes + IMAGE_MAGIC_AT, "ARM\x64", 4) &&
        file_u64(&kernel, IMAGE_SIZE_AT) > memory)
        memory = file_u64(&kernel, IMAGE_SIZE_AT);
    if (kernel.size_bytes > KERNEL_IMAGE_BYTES || memory > KERNEL_IMAGE_BYTES)
        fail("%s: needs %llu bytes, the boot image has room for %u", kernel.path, (unsigned long long)memory,
             KERNEL_IMAGE_BYTES);
    put(image, 0, kernel.bytes, kernel.size_bytes);
    free(kernel.bytes);
    free(kernel.path);
}

static void add_program(struct image *image, const char *name, const char *path)
{
    struct bundle_module *module = module_new(image, name);
    struct file elf = file_read(NULL, path);
    uint8_t *bytes = program_digest(&elf, module);

    module_put(image, module, bytes, PAGE);
    free(bytes);
    free(elf.bytes);
    free(elf.path);
}

static int is_other_service(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length > 4 && !strcmp(entry->d_name + length - 4, ".elf") && strcmp(entry->d_name, "init.elf");
}

static void add_programs(struct image *image, const struct options *options)
{
    char *directory = must_print("%s/services", options->directory);
    char *init = options->init ? must_print("%s", options->init) : must_print("%s/init.elf", directory);
    struct dirent **entries;
    int count;

    add_program(image, "init", init);
    count = scandir(directory, &entries, is_other_service, alphasort);
    if (count < 0 && !options->init)
        fail("cannot list %s: %s", directory, strerror(errno));
    for (int i = 0; i < count; i++) {
        char *path = must_print("%s/%s", directory, entries[i]->d_name);
        char *name = must_print("%.*s", (int)strlen(entries[i]->d_name) - 4, entries[i]->d_name);

        add_program(image, name, path);
        free(name);
        free(path);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    free(init);
    free(directory);
}

/* "image/N-BASENAME", cut to what a module's name holds; N keeps it unique. */
static void guest_name(const struct image *image, const char *path, char *name)
{
    const char *slash = strrchr(path, '/');

    snprintf(name, MODULE_NAME_BYTES, "image/%u-%.24s", image->guest_count, slash ? slash + 1 : path);
}

static void add_guest(struct image *image, const struct file *file, char *name)
{
    struct bundle_module *module;

    for (uint32_t i = 0; i < image->guest_count; i++)
        if (image->guests[i].device == file->device && image->guests[i].inode == file->inode) {
            memcpy(name, image->guests[i].name, MODULE_NAME_BYTES);
            return;
        }

    guest_name(image, file->path, name);
    module = module_new(image, name);
    module->kind = MODULE_FILE;
    module->size = file->size_bytes;
    module_put(image, module, file->bytes, BLOCK);
    image->guests[image->guest_count].device = file->device;
    image->guests[image->guest_count].inode = file->inode;
    memcpy(image->guests[image->guest_count].name, name, MODULE_NAME_BYTES);
    image->guest_count++;
}

static void add_guest_kernel(struct image *image, struct vm *vm)
{
    struct file file = vm_kernel_read(vm);

    add_guest(image, &file, vm->config.kernel);
    free(file.bytes);
}

static void add_guest_ramdisk(struct image *image, struct vm *vm)
{
    struct file file = vm_ramdisk_read(vm);

    add_guest(image, &file, vm->config.ramdisk);
    free(file.bytes);
}

static void add_guest_images(struct image *image, struct vm *vm)
{
    if (vm->kernel)
        add_guest_kernel(image, vm);
    if (vm->ramdisk)
        add_guest_ramdisk(image, vm);
}

static void add_record(struct image *image, const struct vm *vm)
{
    uint8_t bytes[bh_VmConfig_size];
    pb_ostream_t stream = pb_ostream_from_buffer(bytes, sizeof(bytes));
    char *name = must_print("vm/%s", vm->config.name);
    struct bundle_module *module = module_new(image, name);

    if (!pb_encode(&stream, bh_VmConfig_fields, &vm->config))
        fail("%s: cannot encode it: %s", vm->path, PB_GET_ERROR(&stream));
    module->kind = MODULE_FILE;
    module->size = stream.bytes_written;
    module_put(image, module, bytes, PAGE);
    free(name);
}

uint64_t image_write(int fd, const struct options *options, struct vm *vms, uint32_t vm_count)
{
    struct image *image = must_alloc(sizeof(*image));
    struct bundle *bundle = &image->bundle;
    uint64_t size;

    image->fd = fd;
    image->end = BUNDLE_HEADER_BYTES;
    bundle->magic = BUNDLE_MAGIC;
    bundle->version = BUNDLE_VERSION;
    bundle->ram_base = RAM_BASE;
    bundle->ram_size = options->memory_bytes;
    bundle->pcpu_count = options->cpus;
    memcpy(bundle->options, options->bundle_options, sizeof(bundle->options));

    add_kernel(image, options);
    add_programs(image, options);
    for (uint32_t i = 0; i < vm_count; i++)
        add_guest_images(image, &vms[i]);
    for (uint32_t i = 0; i < vm_count; i++)
        add_record(image, &vms[i]);

    bundle->size = image->end;
    put(image, KERNEL_IMAGE_BYTES, bundle, sizeof(*bundle));
    size = KERNEL_IMAGE_BYTES + image->end;
    if (ftruncate(fd, (off_t)size) < 0)
        fail("cannot write the boot image: %s", strerror(errno));
    free(image);
    return size;
}
