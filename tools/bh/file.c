/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * file.c - a host file, read once
 */
#define _GNU_SOURCE
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fail.h"

static _Noreturn void fail_read(const char *where, const char *path, const char *why)
{
    fail("%s%scannot read %s: %s", where ? where : "", where ? ": " : "", path, why);
}

static void read_all(int fd, struct file *f, const char *where)
{
    uint64_t done = 0;

    while (done < f->size_bytes) {
        ssize_t got = read(fd, f->bytes + done, f->size_bytes - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            fail_read(where, f->path, got ? strerror(errno) : "it became shorter");
        done += (uint64_t)got;
    }
}

struct file file_read(const char *where, const char *path)
{
    struct file f = {.path = must_print("%s", path)};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        fail_read(where, path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        fail_read(where, path, "it is not a regular file");

    f.size_bytes = (uint64_t)st.st_size;
    f.device = (uint64_t)st.st_dev;
    f.inode = (uint64_t)st.st_ino;
    f.bytes = must_alloc(f.size_bytes + 1);
    read_all(fd, &f, where);
    close(fd);
    return f;
}

int file_holds(const struct file *f, uint64_t offset, uint64_t bytes)
{
    return offset <= f->size_bytes && bytes <= f->size_bytes - offset;
}

uint16_t file_u16(const struct file *f, uint64_t offset)
{
    return (uint16_t)(f->bytes[offset] | f->bytes[offset + 1] << 8);
}

uint32_t file_u32(const struct file *f, uint64_t offset)
{
    return file_u16(f, offset) | (uint32_t)file_u16(f, offset + 2) << 16;
}

uint64_t file_u64(const struct file *f, uint64_t offset)
{
    return file_u32(f, offset) | (uint64_t)file_u32(f, offset + 4) << 32;
}
