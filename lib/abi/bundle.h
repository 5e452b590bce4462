/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bundle.h - the boot image's layout
 *
 * `bh` (tools/) writes it, the kernel and init read it.  One file, loaded by QEMU's -kernel (or any arm64
 * Image loader) at RAM base + 2 MiB:
 *
 *     kernel binary (arm64 Image header first), padded to KERNEL_IMAGE_BYTES
 *     struct bundle            (6 pages)           <- the bundle starts here, 2 MiB-aligned in RAM
 *     modules, each 4 KiB-aligned (guest images 2 MiB-aligned)
 *
 * Programs are pre-digested on the host: no ELF parser runs in the machine.
 */
#ifndef BH_ABI_BUNDLE_H
#define BH_ABI_BUNDLE_H

#include <stdint.h>

#define KERNEL_IMAGE_BYTES 0x200000u /* binary + bss + boot stacks; the bundle follows at this offset */
#define BUNDLE_MAGIC 0x4c444e42u     /* "BNDL" */
#define BUNDLE_VERSION 2u
#define BUNDLE_MODULES_MAX 156u /* the programs; 64 VMs, and an image of its own for each; some room */
#define BUNDLE_SEGMENTS_MAX 4u

enum { MODULE_PROGRAM = 1, MODULE_FILE = 2 };

struct bundle_segment {
    uint32_t ipa;    /* page-aligned */
    uint32_t offset; /* from the module's start, page-aligned */
    uint32_t file_bytes;
    uint32_t memory_bytes; /* >= file_bytes; the rest is zero */
    uint32_t rights;       /* RIGHT_* */
};
struct bundle_module {
    char name[40]; /* "init", "mem", ...; "vm/NAME" = a VmConfig record; "image/FILE" = a guest's kernel or
                      ramdisk */
    uint32_t kind;
    uint32_t entry;  /* programs: IPA of the first instruction */
    uint64_t offset; /* from the bundle's start, page-aligned */
    uint64_t size;   /* bytes */
    uint32_t segment_count;
    uint32_t spare;
    struct bundle_segment segments[BUNDLE_SEGMENTS_MAX];
};
struct bundle {
    uint32_t magic;
    uint32_t version;
    uint64_t size; /* bytes, of the whole bundle, multiple of 4 KiB */
    uint64_t ram_base;
    uint64_t ram_size;
    uint32_t pcpu_count;
    uint32_t module_count;
    char options[512];
    struct bundle_module modules[BUNDLE_MODULES_MAX]; /* modules[0] is init */
};
_Static_assert(sizeof(struct bundle_module) == 152, "bundle module layout");
#define BUNDLE_HEADER_BYTES (6u * 4096u)
_Static_assert(sizeof(struct bundle) <= BUNDLE_HEADER_BYTES, "the bundle's header fits its pages");

#endif
