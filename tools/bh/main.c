/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - bh, the host's side of Bulkhead
 *
 * `bh run` judges everything that can be judged before boot, writes a boot image and runs QEMU with it.  The
 * other verbs talk to a machine that runs (client.c).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "fail.h"
#include "image.h"
#include "lib/mgmt/frame.h"
#include "machine.h"
#include "options.h"
#include "verbs.h"

/* An open file without a name: nothing is left behind, however the tool ends. */
static int open_nameless(void)
{
    const char *directory = getenv("TMPDIR");
    char *path = must_print("%s/bh-image-XXXXXX", directory && *directory ? directory : "/tmp");
    int fd = mkstemp(path);

    if (fd < 0)
        fail("cannot make %s: %s", path, strerror(errno));
    unlink(path);
    free(path);
    return fd;
}

static int open_named(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (fd < 0)
        fail("--write-image %s: %s", path, strerror(errno));
    return fd;
}

int run_machine(const struct args *args)
{
    struct options options = options_of(args);
    struct vm *vms = must_alloc(VM_FILES_MAX * sizeof(*vms));
    uint64_t image_bytes;
    int fd;

    for (uint32_t i = 0; i < options.file_count; i++) {
        vms[i] = vm_read(options.files[i].path);
        vms[i].config.autostart = options.files[i].autostart;
        vm_identify(&vms[i]);
    }
    check_names(&options, vms);
    check_volumes(&options, vms);
    check_pcpus(&options, vms);

    fd = options.write_image ? open_named(options.write_image) : open_nameless();
    image_bytes = image_write(fd, &options, vms, options.file_count);
    check_memory(&options, vms, image_bytes);
    if (options.write_image)
        return 0;
    return machine_run(&options, fd);
}

/* Options may stand in front of the verb: `bh --machine lab list`; returns how many words they are. */
static int options_before_verb(int argc, char **argv)
{
    int i = 1;

    while (i < argc && argv[i][0] == '-' && strcmp(argv[i], "--version") != 0)
        i += !strcmp(argv[i], "--machine") || !strcmp(argv[i], "--timeout") ? 2 : 1;
    return i < argc ? i - 1 : argc - 1;
}

/* Put the verb in front of them. */
static void verb_first(char **argv, int before)
{
    char *verb = argv[1 + before];

    memmove(argv + 2, argv + 1, (size_t)before * sizeof(*argv));
    argv[1] = verb;
}

static bool is_among(int argc, char **argv, const char *word)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], word))
            return true;
    return false;
}

int main(int argc, char **argv)
{
    const struct verb *verb;
    struct args args;
    int before = options_before_verb(argc, argv);

    if (is_among(argc, argv, "--json")) /* so that a command line that makes no sense is said so too */
        fail_in_json();
    if (argc >= 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        help_all();
        return 0;
    }
    if (argc >= 2 && !strcmp(argv[1], "--version")) {
        puts(MGMT_PRODUCT);
        return 0;
    }
    if (before + 1 >= argc)
        fail_usage("no verb");
    verb_first(argv, before);
    verb = verb_find(argv[1]);
    if (!verb)
        fail_usage("unknown verb '%s'", argv[1]);
    args = args_parse(verb, argc - 1, argv + 1);
    return verb->run(&args);
}
