/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machines.c - which machines there are, and how one is named
 */
#define _GNU_SOURCE
#include "machines.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fail.h"
#include "listen.h"
#include "options.h"

#define SUFFIX ".sock"

int machine_connect_path(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = ENAMETOOLONG;

    if (fd >= 0 && strlen(path) < sizeof(address.sun_path)) {
        memcpy(address.sun_path, path, strlen(path) + 1);
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
            return fd;
        error = errno;
    }
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}

static int connect_port(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}

static int is_socket(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length > strlen(SUFFIX) && !strcmp(entry->d_name + length - strlen(SUFFIX), SUFFIX);
}

struct machine_name *machines_list(void)
{
    char *directory = socket_directory();
    struct dirent **entries;
    int count = socket_directory_is_own() ? scandir(directory, &entries, is_socket, alphasort) : -1;
    struct machine_name *machines =
        must_alloc((unsigned long)(count < 0 ? 1 : count + 1) * sizeof(*machines));
    unsigned found = 0;

    for (int i = 0; i < count; i++) {
        const char *file = entries[i]->d_name;
        char *path = must_print("%s/%s", directory, file);
        int fd = machine_connect_path(path);

        if (fd >= 0) {
            close(fd);
            machines[found++] =
                (struct machine_name){must_print("%.*s", (int)(strlen(file) - strlen(SUFFIX)), file), path};
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    free(directory);
    return machines;
}

/* "a, b, c", or "none" */
static char *machines_in_words(void)
{
    char *text = NULL;

    for (const struct machine_name *m = machines_list(); m->name; m++)
        text = must_print("%s%s%s", text ? text : "", text ? ", " : "", m->name);
    return text ? text : must_print("none");
}

static _Noreturn void fail_unreachable(const char *what, const char *looked_for, const char *why)
{
    char *directory = socket_directory();

    fail_as(EXIT_UNREACHABLE, "unreachable",
            "%s cannot be reached: %s: %s; machines that run here (%s): %s; --machine names one, `bh run -d` "
            "starts one",
            what, looked_for, why, directory, machines_in_words());
}

static const char *why_not(int error)
{
    if (error == ENOENT)
        return "there is no such socket";
    if (error == ECONNREFUSED)
        return "nobody listens there any more";
    return strerror(error);
}

static int connect_named(const char *name, char **where)
{
    char *path = socket_path(name), *directory = socket_directory();
    int fd, error;

    *where = must_print("machine '%s'", name);
    if (access(directory, F_OK) == 0 && !socket_directory_is_own())
        fail_unreachable(*where, path, "its directory is not yours alone");
    fd = machine_connect_path(path);
    error = errno;
    if (fd < 0 && name[strspn(name, "0123456789")] == '\0') {
        uint64_t port;

        if (!size_parse(name, &port) || port < 1 || port > UINT16_MAX)
            fail_usage("--machine %s: neither a machine's name nor a port, 1 to 65535", name);
        *where = must_print("the machine at 127.0.0.1, port %s", name);
        fd = connect_port((uint16_t)port);
        if (fd < 0)
            fail_unreachable(*where, must_print("127.0.0.1:%s, and %s", name, path), why_not(errno));
    }
    if (fd < 0)
        fail_unreachable(*where, path, why_not(error));
    free(path);
    free(directory);
    return fd;
}

int machine_connect(const char *machine, char **where)
{
    int fd;

    if (!machine)
        machine = "default";
    if (!*machine)
        fail_usage("--machine: its name is empty");
    if (!strchr(machine, '/'))
        return connect_named(machine, where);
    *where = must_print("the machine at %s", machine);
    fd = machine_connect_path(machine);
    if (fd < 0)
        fail_unreachable(*where, machine, why_not(errno));
    return fd;
}
