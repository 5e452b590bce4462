/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.c - what the command line said
 */
#define _GNU_SOURCE
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "fail.h"
#include "verbs.h"

#define MACHINE_NAME_MAX 31u /* bh.MgmtHello.machine */

enum option_key {
    OPT_CONSOLE = 256,
    OPT_CPUS,
    OPT_MEMORY,
    OPT_ICOUNT,
    OPT_DISK,
    OPT_NET,
    OPT_NIC,
    OPT_MAC,
    OPT_TIMEOUT,
    OPT_APPEND,
    OPT_QEMU_ARG,
    OPT_LATER,
    OPT_KERNEL,
    OPT_INIT,
    OPT_DIRECTORY,
    OPT_WRITE_IMAGE,
    OPT_NAME,
    OPT_SOCKET,
    OPT_TCP,
    OPT_DETACH,
    OPT_LOG,
};

static const struct option_spec run_options[] = {
    {"console", 0, "NAME", "only that VM's console on stdin and stdout; exit 0 when it powers off",
     OPT_CONSOLE},
    {"disk", 0, "IMG", "the machine's disk, raw; its GPT partitions are the volumes, by label", OPT_DISK},
    {"net", 0, "KIND",
     "the machine's network card leads to: user, tap:INTERFACE, socket:..., stream:..., dgram:..., none (if "
     "not "
     "given)",
     OPT_NET},
    {"nic", 0, "CARD", "which network card: virtio (if not given) or e1000e", OPT_NIC},
    {"mac", 0, "ADDRESS", "the network card's address", OPT_MAC},
    {"cpus", 0, "N", "physical CPUs, 1 to 8 (4)", OPT_CPUS},
    {"memory", 0, "SIZE", "physical memory (2G)", OPT_MEMORY},
    {"timeout", 0, "SECONDS", "end the machine after that long, with status 124", OPT_TIMEOUT},
    {"later", 0, "FILE", "this VM is known to the machine but not started: `bh start NAME` does", OPT_LATER},
    {"name", 0, "NAME", "the machine's name, by which its management channel is found (default)", OPT_NAME},
    {"socket", 0, "PATH", "the management channel's socket (in $XDG_RUNTIME_DIR/bulkhead); none: no channel",
     OPT_SOCKET},
    {"tcp", 0, "PORT", "the management channel on 127.0.0.1 too: for every user of this host", OPT_TCP},
    {"detach", 'd', NULL, "in the background; returns when the machine is up", OPT_DETACH},
    {"log", 0, "FILE", "with -d: what the machine writes (if not given: NAME.log beside the socket)",
     OPT_LOG},
    {"icount", 0, NULL, "one instruction is one nanosecond of the machine's time", OPT_ICOUNT},
    {"append-options", 0, "KEY=VALUE", "for tests: for init and the services, in the boot image", OPT_APPEND},
    {"qemu-arg", 0, "ARG", "for tests: one more argument for QEMU", OPT_QEMU_ARG},
    {"kernel", 0, "FILE", "for tests: another kernel.bin", OPT_KERNEL},
    {"init", 0, "FILE", "for tests: an ELF program in init's place", OPT_INIT},
    {"directory", 0, "DIR", "for tests: where kernel/ and services/ are (where bh itself is)", OPT_DIRECTORY},
    {"write-image", 0, "FILE", "for tests: write the boot image and stop", OPT_WRITE_IMAGE},
    {NULL, 0, NULL, NULL, 0},
};

bool size_parse(const char *text, uint64_t *bytes)
{
    char *end;
    unsigned long long number;
    unsigned shift = 0;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    number = strtoull(text, &end, 10);
    switch (*end) {
    case 'K':
    case 'k':
        shift = 10;
        break;
    case 'M':
    case 'm':
        shift = 20;
        break;
    case 'G':
    case 'g':
        shift = 30;
        break;
    }
    if (errno || end[shift ? 1 : 0] || number > UINT64_MAX >> shift)
        return false;
    *bytes = (uint64_t)number << shift;
    return true;
}

static uint32_t number_parse(const char *option, const char *text, uint64_t min, uint64_t max)
{
    uint64_t number;

    if (!size_parse(text, &number) || number < min || number > max)
        fail_usage("%s %s: a number from %llu to %llu is needed", option, text, (unsigned long long)min,
                   (unsigned long long)max);
    return (uint32_t)number;
}

static void add_file(struct options *o, const char *path, bool autostart)
{
    if (o->file_count == VM_FILES_MAX)
        fail_usage("more than %u VM files", VM_FILES_MAX);
    o->files[o->file_count++] = (struct vm_file){path, autostart};
}

/* The machine reads options as words "key=value" separated by blanks. */
static void add_bundle_option(struct options *o, const char *text)
{
    size_t used = strlen(o->bundle_options);
    int more;

    if (!strchr(text, '=') || strpbrk(text, " \t\n"))
        fail_usage("--append-options %s: KEY=VALUE without blanks is needed", text);
    more =
        snprintf(o->bundle_options + used, sizeof(o->bundle_options) - used, "%s%s", used ? " " : "", text);
    if (more < 0 || (size_t)more >= sizeof(o->bundle_options) - used)
        fail_usage("--append-options: more than %zu bytes in all", sizeof(o->bundle_options) - 1);
}

static const char *own_directory(void)
{
    static char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    char *slash;

    if (length < 0)
        fail("cannot find out where bh is: %s", strerror(errno));
    path[length] = '\0';
    slash = strrchr(path, '/');
    *slash = '\0';
    return path;
}

static void name_check(const char *name)
{
    const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    if (!*name || *name == '.' || strlen(name) > MACHINE_NAME_MAX || name[strspn(name, allowed)])
        fail_usage("--name %s: up to %u letters, digits, '.', '_' and '-' are needed", name,
                   MACHINE_NAME_MAX);
}

static uint64_t boot_half(const uint8_t *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

/* What the machine tells its clients about itself. */
static void add_identity(struct options *o)
{
    uint8_t boot[16];
    char *word = must_print("machine=%s", o->name ? o->name : "default");

    add_bundle_option(o, word);
    free(word);
    if (getrandom(boot, sizeof(boot), 0) != sizeof(boot))
        fail("getrandom: %s", strerror(errno));
    word = must_print("boot=%016llx%016llx", (unsigned long long)boot_half(boot),
                      (unsigned long long)boot_half(boot + 8));
    add_bundle_option(o, word);
    free(word);
    word = must_print("started=%lld", (long long)time(NULL));
    add_bundle_option(o, word);
    free(word);
}

static void option_apply(struct options *o, int key, const char *value)
{
    switch (key) {
    case OPT_CONSOLE:
        o->console = value;
        break;
    case OPT_CPUS:
        o->cpus = number_parse("--cpus", value, 1, 8);
        break;
    case OPT_MEMORY:
        if (!size_parse(value, &o->memory_bytes) || o->memory_bytes < 64u << 20 ||
            o->memory_bytes > 64ull << 30 || o->memory_bytes % (2u << 20))
            fail_usage("--memory %s: a size from 64M to 64G in steps of 2M is needed", value);
        break;
    case OPT_ICOUNT:
        o->icount = true;
        break;
    case OPT_DISK:
        o->disk = value;
        break;
    case OPT_NET:
        o->net.net = value;
        break;
    case OPT_NIC:
        o->net.nic = value;
        break;
    case OPT_MAC:
        o->net.mac = value;
        break;
    case OPT_TIMEOUT:
        o->timeout_seconds = number_parse("--timeout", value, 1, 1000000);
        break;
    case OPT_APPEND:
        add_bundle_option(o, value);
        break;
    case OPT_QEMU_ARG:
        o->qemu_args[o->qemu_arg_count++] = value;
        break;
    case OPT_LATER:
        add_file(o, value, false);
        break;
    case OPT_KERNEL:
        o->kernel = value;
        break;
    case OPT_INIT:
        o->init = value;
        break;
    case OPT_DIRECTORY:
        o->directory = value;
        break;
    case OPT_WRITE_IMAGE:
        o->write_image = value;
        break;
    case OPT_NAME:
        name_check(value);
        o->name = value;
        break;
    case OPT_SOCKET:
        o->no_socket = !strcmp(value, "none");
        o->socket = o->no_socket ? NULL : value;
        break;
    case OPT_TCP:
        o->tcp_port = number_parse("--tcp", value, 1, 65535);
        break;
    case OPT_DETACH:
        o->detached = true;
        break;
    case OPT_LOG:
        o->log = value;
        break;
    default: /* what all verbs have */
        break;
    }
}

struct options options_of(const struct args *args)
{
    struct options o = {.cpus = 4, .memory_bytes = 2ull << 30};

    o.qemu_args = must_alloc((args->given_count + 1ul) * sizeof(*o.qemu_args));
    for (unsigned i = 0; i < args->given_count; i++)
        option_apply(&o, args->given[i].option->key, args->given[i].value);
    for (unsigned i = 0; i < args->count; i++)
        add_file(&o, args->words[i], true);

    o.json = args->json;
    if (o.detached && (o.no_socket || o.init))
        fail_usage("run: -d needs a management channel: it is up when that answers");
    if (o.log && !o.detached)
        fail_usage("run: --log is for -d");
    net_check(&o.net, o.disk ? o.disk : o.file_count ? o.files[0].path : NULL);
    if (!o.directory)
        o.directory = own_directory();
    if (!o.kernel)
        o.kernel = must_print("%s/kernel/kernel.bin", o.directory);
    if (!o.no_socket && !o.init)
        add_identity(&o);
    if (o.console) {
        char *word = must_print("console=%s", o.console);

        add_bundle_option(&o, word);
        free(word);
    }
    return o;
}

const struct verb verb_run = {
    .name = "run",
    .group = GROUP_MACHINES,
    .arguments = "[FILE.cfg...]",
    .summary = "boot a machine with the VMs of these xl.cfg files",
    .text = "Keys go to the machine, Ctrl-C too; Ctrl-] leaves a VM's console for Bulkhead's own prompt, and "
            "`poweroff` "
            "there ends the machine.  Exit status: what the machine says at its end; 1 refused, 2 usage, 124 "
            "timeout, "
            "125 the machine ended without a word.",
    .options = run_options,
    .most = WORDS_ANY,
    .run = run_machine,
};
