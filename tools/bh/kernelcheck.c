/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernelcheck.c - is a file an arm64 kernel, and all of it?
 *
 * Linux Documentation/arm64/booting.rst, "4. Call the kernel image"; for the file's own length the PE/COFF
 * headers that a kernel with an EFI stub carries: image_size counts memory, bss included, and says nothing
 * about the file.
 */
#include <string.h>

#include "fail.h"
#include "vmfile.h"

enum image_header {
    IMAGE_TEXT_OFFSET = 0x08,
    IMAGE_SIZE = 0x10,
    IMAGE_MAGIC = 0x38,
    IMAGE_PE_OFFSET = 0x3c,
    IMAGE_HEADER_BYTES = 0x40,
};

enum pe_header {
    PE_SECTION_COUNT = 0x06,
    PE_OPTIONAL_BYTES = 0x14,
    PE_HEADER_BYTES = 0x18,
    PE_SECTION_BYTES = 0x28,
    PE_RAW_BYTES = 0x10, /* in a section header */
    PE_RAW_OFFSET = 0x14,
};

/* How long the file has to be by its PE sections; 0 when it has no such headers. */
static uint64_t pe_file_bytes(const struct file *f)
{
    uint64_t pe = file_u32(f, IMAGE_PE_OFFSET), section, needed = 0;
    uint32_t count;

    if (memcmp(f->bytes, "MZ", 2) || !file_holds(f, pe, PE_HEADER_BYTES) ||
        memcmp(f->bytes + pe, "PE\0\0", 4))
        return 0;
    count = file_u16(f, pe + PE_SECTION_COUNT);
    section = pe + PE_HEADER_BYTES + file_u16(f, pe + PE_OPTIONAL_BYTES);
    if (!file_holds(f, section, (uint64_t)count * PE_SECTION_BYTES))
        return section + (uint64_t)count * PE_SECTION_BYTES;
    for (; count; count--, section += PE_SECTION_BYTES) {
        uint64_t end = (uint64_t)file_u32(f, section + PE_RAW_OFFSET) + file_u32(f, section + PE_RAW_BYTES);

        if (end > needed)
            needed = end;
    }
    return needed;
}

void vm_kernel_check(const struct vm *vm, const struct file *kernel)
{
    unsigned long long size = kernel->size_bytes, needed, image_bytes;
    const char *where = vm_where(vm, vm->kernel_line);

    if (size >= 2 && kernel->bytes[0] == 0x1f && kernel->bytes[1] == 0x8b)
        fail("%s: kernel: %s is compressed; gunzip it first", where, kernel->path);
    if (size < IMAGE_HEADER_BYTES)
        fail("%s: kernel: %s is truncated: %llu bytes, less than an arm64 Image's header", where,
             kernel->path, size);
    if (!memcmp(kernel->bytes, "MZ", 2) && !memcmp(kernel->bytes + 4, "zimg", 4))
        fail("%s: kernel: %s is an EFI zboot image; the Image inside is needed", where, kernel->path);
    if (memcmp(kernel->bytes + IMAGE_MAGIC, "ARM\x64", 4))
        fail("%s: kernel: %s is not an arm64 Image (no \"ARM\\x64\" at 0x38)", where, kernel->path);

    needed = pe_file_bytes(kernel);
    if (needed > size)
        fail("%s: kernel: %s is truncated: %llu bytes of %llu", where, kernel->path, size, needed);
    image_bytes = file_u64(kernel, IMAGE_SIZE);
    if (image_bytes && size > image_bytes)
        fail("%s: kernel: %s is %llu bytes, but its header says at most %llu", where, kernel->path, size,
             image_bytes);
    if (image_bytes > vm->config.memory_bytes)
        fail("%s: kernel: %s needs %llu MiB of memory, the VM has %llu", where, kernel->path,
             (image_bytes + 0xfffff) >> 20, (unsigned long long)vm->config.memory_bytes >> 20);
}
