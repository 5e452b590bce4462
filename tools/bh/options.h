/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.h - what the command line said
 */
#ifndef BH_OPTIONS_H
#define BH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "net.h"
#include "verb.h"

#define VM_FILES_MAX 64u

struct vm_file {
    const char *path;
    bool autostart; /* false: --later, only `create` at the machine's prompt starts it */
};

struct options {
    struct vm_file files[VM_FILES_MAX];
    uint32_t file_count;
    const char *console; /* this VM's console alone on the wire; NULL: all of it */
    const char *disk;    /* NULL: the machine has none */
    struct net_options net;
    const char *directory; /* where kernel/kernel.bin and services/ are */
    const char *kernel;
    const char *name;        /* of the machine; NULL: the first one is "default" */
    const char *socket;      /* of the management channel; NULL: its usual place */
    uint32_t tcp_port;       /* besides; 0: none */
    bool no_socket;          /* the machine has no management channel */
    const char *init;        /* a program in init's place, for tests on a bare kernel */
    const char *write_image; /* write the boot image here and stop */
    char bundle_options[512];
    const char **qemu_args;
    uint32_t qemu_arg_count;
    uint32_t cpus;
    uint64_t memory_bytes;
    uint32_t timeout_seconds; /* 0: none */
    bool icount;
    bool detached;   /* in the background */
    const char *log; /* what it writes then; NULL: beside the socket */
    bool json;
};

/* What a command line of `run` means; ends the tool when it makes no sense. */
struct options options_of(const struct args *args);

/* "512M", "2G", "64K" or bytes; false when it is none of these or does not fit. */
bool size_parse(const char *text, uint64_t *bytes);

#endif
