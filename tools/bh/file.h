/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * file.h - a host file, read once
 */
#ifndef BH_FILE_H
#define BH_FILE_H

#include <stddef.h>
#include <stdint.h>

struct file {
    char *path;
    uint8_t *bytes; /* size_bytes of them, and a 0 behind, so that text is a string */
    uint64_t size_bytes;
    uint64_t device, inode; /* what file it is, whatever it is called */
};

/* Read a whole regular file; on failure the tool ends with a line "WHERE: cannot read PATH: why";
 * `where` may be NULL. */
struct file file_read(const char *where, const char *path);

/* Little-endian numbers at an offset that the caller has judged. */
uint16_t file_u16(const struct file *f, uint64_t offset);
uint32_t file_u32(const struct file *f, uint64_t offset);
uint64_t file_u64(const struct file *f, uint64_t offset);

/* Whether `bytes` bytes at `offset` are inside the file. */
int file_holds(const struct file *f, uint64_t offset, uint64_t bytes);

#endif
