/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loader.c - a guest's images: judged, placed, copied
 *
 * The images come from a file that anybody may have cut or mixed up, so all that is believed of a header is
 * what the size of the file confirms.
 */
#include "loader.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MIB (1024u * 1024u)
#define ALIGN 0x200000u
#define RAMDISK_MAX_OFFSET (128ull * MIB)

/* Linux Documentation/arm64/booting.rst, 4 */
struct image_header {
    uint32_t code0, code1;
    uint64_t text_offset;
    uint64_t image_size;
    uint64_t flags;
    uint64_t res2, res3, res4;
    uint32_t magic;
    uint32_t pe_offset;
};
_Static_assert(sizeof(struct image_header) == 64, "booting.rst, 4");
#define IMAGE_MAGIC 0x644d5241u /* "ARM\x64" */

static uint64_t round_up(uint64_t value, uint64_t align)
{
    return (value + align - 1) & ~(align - 1);
}

/* Read a little-endian number of the file; false: it is not that long. */
static bool file_read(const struct image *image, uint64_t offset, void *to, uint64_t bytes)
{
    if (offset > image->size || bytes > image->size - offset)
        return false;
    memcpy(to, image->bytes + offset, bytes);
    return true;
}

/* A kernel that is also an EFI program says in its section table how long its file must be.
 * Returns false when the file is shorter. */
static bool sections_are_complete(const struct image *image, uint32_t pe_offset)
{
    enum { SECTION_COUNT = 6, OPTIONAL_SIZE = 20, HEADERS = 24, SECTION_BYTES = 40, RAW_SIZE = 16 };
    uint32_t signature;
    uint16_t count;
    uint16_t optional_bytes;

    if (!file_read(image, pe_offset, &signature, 4) || signature != 0x4550)
        return true; /* not one: no more to know */
    if (!file_read(image, pe_offset + (uint64_t)SECTION_COUNT, &count, 2) ||
        !file_read(image, pe_offset + (uint64_t)OPTIONAL_SIZE, &optional_bytes, 2))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t section = pe_offset + (uint64_t)HEADERS + optional_bytes + (uint64_t)i * SECTION_BYTES;
        uint32_t raw[2]; /* bytes, offset */

        if (!file_read(image, section + RAW_SIZE, raw, sizeof raw))
            return false;
        if (raw[1] > image->size || raw[0] > image->size - raw[1])
            return false;
    }
    return true;
}

/* NULL, or what is wrong with it. */
static const char *header_judge(const struct image *kernel, struct image_header *header)
{
    if (!file_read(kernel, 0, header, sizeof *header))
        return "it is shorter than an arm64 Image header";
    if (header->magic != IMAGE_MAGIC && kernel->bytes[0] == 0x1f && kernel->bytes[1] == 0x8b)
        return "it is gzip-compressed; unpack it first";
    if (header->magic != IMAGE_MAGIC)
        return "it is no arm64 Image (no \"ARM\\x64\" at offset 56)";
    if ((header->flags & 1) != 0)
        return "it is big-endian";
    if (header->text_offset % 4096 != 0 || header->text_offset >= ALIGN)
        return "its header has an impossible text_offset";
    return NULL;
}

static enum status kernel_refuse(const struct image *kernel, const char *why, char error[LOADER_ERROR_MAX])
{
    snprintf(error, LOADER_ERROR_MAX, "kernel %s: %s", kernel->name, why);
    return ERR_ARG;
}

static enum status kernel_judge(const struct image *kernel, struct image_header *header,
                                char error[LOADER_ERROR_MAX])
{
    const char *why = header_judge(kernel, header);

    if (!why && header->image_size != 0 && header->image_size < kernel->size)
        why = "it is longer than its header says";
    if (!why && !sections_are_complete(kernel, header->pe_offset))
        why = "it is truncated: its sections go past the end of the file";
    return why ? kernel_refuse(kernel, why, error) : OK;
}

static enum status does_not_fit(const struct image *image, const char *what, uint64_t ram_size,
                                char error[LOADER_ERROR_MAX])
{
    snprintf(error, LOADER_ERROR_MAX, "%s %s (%llu KiB) does not fit into %llu MiB of memory", what,
             image->name, (unsigned long long)image->size / 1024, (unsigned long long)ram_size / MIB);
    return ERR_MEM;
}

/* The ramdisk where QEMU has it, or directly behind the kernel when that is too high for this memory. */
static bool ramdisk_place(struct layout *l, uint64_t kernel_end, uint64_t ram_base, uint64_t ram_size)
{
    uint64_t middle = ram_size / 2 < RAMDISK_MAX_OFFSET ? ram_size / 2 : RAMDISK_MAX_OFFSET;
    uint64_t places[2] = {round_up(ram_base + middle, ALIGN), round_up(kernel_end, ALIGN)};
    uint64_t end = ram_base + ram_size;

    for (int i = 0; i < 2; i++) {
        uint64_t dtb = round_up(places[i] + l->ramdisk_bytes, ALIGN);

        if (places[i] < kernel_end || dtb > end || end - dtb < LOADER_DTB_BYTES)
            continue;
        l->ramdisk = places[i];
        l->dtb = dtb;
        return true;
    }
    return false;
}

/* QEMU leaves the first 2 MiB to its boot code; a kernel that asks for no offset starts there too. */
static uint64_t kernel_place(const struct image_header *header, uint64_t ram_base)
{
    return ram_base + ALIGN + header->text_offset;
}

enum status loader_kernel_place(struct image *kernel, uint64_t ram_base, uint64_t ram_size, uint64_t *place,
                                char error[LOADER_ERROR_MAX])
{
    struct image head = {kernel->name, kernel->bytes,
                         kernel->size < LOADER_HEAD_BYTES ? kernel->size : LOADER_HEAD_BYTES};
    struct image_header header;
    const char *why = header_judge(&head, &header);

    if (why)
        return kernel_refuse(kernel, why, error);
    if (header.image_size != 0 && header.image_size < kernel->size)
        kernel->size = header.image_size;
    *place = kernel_place(&header, ram_base);
    if (*place - ram_base > ram_size || kernel->size > ram_size - (*place - ram_base))
        return does_not_fit(kernel, "kernel", ram_size, error);
    return OK;
}

enum status loader_plan(const struct image *kernel, const struct image *ramdisk, uint64_t ram_base,
                        uint64_t ram_size, struct layout *layout, char error[LOADER_ERROR_MAX])
{
    struct image_header header;
    enum status status = kernel_judge(kernel, &header, error);

    if (status != OK)
        return status;
    *layout = (struct layout){0};
    layout->kernel_bytes = header.image_size != 0 ? header.image_size : kernel->size;

    layout->kernel = kernel_place(&header, ram_base);
    if (layout->kernel - ram_base > ram_size || layout->kernel_bytes > ram_size - (layout->kernel - ram_base))
        return does_not_fit(kernel, "kernel", ram_size, error);
    layout->ramdisk_bytes = ramdisk->size;
    if (ramdisk->size > ram_size)
        return does_not_fit(ramdisk, "ramdisk", ram_size, error);
    if (!ramdisk_place(layout, layout->kernel + layout->kernel_bytes, ram_base, ram_size))
        return does_not_fit(ramdisk->size != 0 ? ramdisk : kernel, ramdisk->size != 0 ? "ramdisk" : "kernel",
                            ram_size, error);
    if (ramdisk->size == 0)
        layout->ramdisk = 0;
    return OK;
}

static void image_copy(const struct image *image, uint8_t *to)
{
    if (to && to != image->bytes)
        memcpy(to, image->bytes, image->size);
}

/* The plan fits into the memory it was made for, so neither place is missing. */
void loader_copy(const struct layout *layout, const struct image *kernel, const struct image *ramdisk,
                 const struct guest_ram *ram)
{
    image_copy(kernel, guest_ram_at(ram, layout->kernel, kernel->size));
    if (layout->ramdisk != 0)
        image_copy(ramdisk, guest_ram_at(ram, layout->ramdisk, ramdisk->size));
}
