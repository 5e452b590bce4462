/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * program.c - a service's ELF file, digested for the machine
 *
 * Always true of what comes out: segments start on pages, in ascending order, and share none, so that each
 * page has one set of rights.
 */
#include "program.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "fail.h"

#define PAGE 4096u

static uint64_t page_up(uint64_t n)
{
    return (n + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static Elf64_Ehdr header_read(const struct file *elf)
{
    Elf64_Ehdr header;

    if (!file_holds(elf, 0, sizeof(header)))
        fail("%s: not an ELF file", elf->path);
    memcpy(&header, elf->bytes, sizeof(header));
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_machine != EM_AARCH64 || header.e_type != ET_EXEC)
        fail("%s: not a static AArch64 ELF program", elf->path);
    if (header.e_phentsize != sizeof(Elf64_Phdr) ||
        !file_holds(elf, header.e_phoff, (uint64_t)header.e_phnum * sizeof(Elf64_Phdr)))
        fail("%s: its program headers are outside of the file", elf->path);
    return header;
}

static uint32_t segment_rights(const struct file *elf, const Elf64_Phdr *p)
{
    uint32_t rights = 0;

    if (p->p_flags & PF_R)
        rights |= RIGHT_READ;
    if (p->p_flags & PF_W)
        rights |= RIGHT_WRITE;
    if (p->p_flags & PF_X)
        rights |= RIGHT_EXEC;
    if (rights & RIGHT_WRITE && rights & RIGHT_EXEC)
        fail("%s: a segment at %#llx is writable and executable", elf->path, (unsigned long long)p->p_vaddr);
    return rights;
}

static void segment_check(const struct file *elf, const Elf64_Phdr *p, const struct bundle_module *module)
{
    uint64_t first = p->p_vaddr & ~(uint64_t)(PAGE - 1);

    if (module->segment_count == BUNDLE_SEGMENTS_MAX)
        fail("%s: more than %u segments", elf->path, BUNDLE_SEGMENTS_MAX);
    if (!file_holds(elf, p->p_offset, p->p_filesz) || p->p_filesz > p->p_memsz)
        fail("%s: the segment at %#llx is outside of the file", elf->path, (unsigned long long)p->p_vaddr);
    if (p->p_vaddr < IMAGE_IPA || p->p_vaddr >= STACK_TOP_IPA || p->p_memsz > STACK_TOP_IPA - p->p_vaddr)
        fail("%s: the segment at %#llx is outside of the image's addresses", elf->path,
             (unsigned long long)p->p_vaddr);
    if (module->segment_count) {
        const struct bundle_segment *before = &module->segments[module->segment_count - 1];

        if (first < page_up((uint64_t)before->ipa + before->memory_bytes))
            fail("%s: the segment at %#llx shares a page with the one before", elf->path,
                 (unsigned long long)p->p_vaddr);
    }
}

/* A segment that starts inside a page gets zeros before it. */
static uint8_t *segment_add(const struct file *elf, const Elf64_Phdr *p, struct bundle_module *module,
                            uint8_t *bytes)
{
    uint64_t lead = p->p_vaddr % PAGE, grown = module->size + page_up(lead + p->p_filesz);
    struct bundle_segment *segment = &module->segments[module->segment_count++];

    segment->ipa = (uint32_t)(p->p_vaddr - lead);
    segment->offset = (uint32_t)module->size;
    segment->file_bytes = p->p_filesz ? (uint32_t)(lead + p->p_filesz) : 0;
    segment->memory_bytes = (uint32_t)(lead + p->p_memsz);
    segment->rights = segment_rights(elf, p);
    if (!p->p_filesz)
        return bytes;

    bytes = realloc(bytes, grown);
    if (!bytes)
        fail("out of memory");
    memset(bytes + module->size, 0, grown - module->size);
    memcpy(bytes + module->size + lead, elf->bytes + p->p_offset, p->p_filesz);
    module->size = grown;
    return bytes;
}

uint8_t *program_digest(const struct file *elf, struct bundle_module *module)
{
    Elf64_Ehdr header = header_read(elf);
    uint8_t *bytes = NULL;

    module->kind = MODULE_PROGRAM;
    module->entry = (uint32_t)header.e_entry;
    module->size = 0;
    module->segment_count = 0;
    for (uint32_t i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr p;

        memcpy(&p, elf->bytes + header.e_phoff + i * sizeof(p), sizeof(p));
        if (p.p_type == PT_INTERP || p.p_type == PT_DYNAMIC)
            fail("%s: it is linked dynamically", elf->path);
        if (p.p_type != PT_LOAD || !p.p_memsz)
            continue;
        segment_check(elf, &p, module);
        bytes = segment_add(elf, &p, module, bytes);
    }
    if (!module->size)
        fail("%s: nothing in it is loaded", elf->path);
    return bytes;
}
