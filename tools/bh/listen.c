/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * listen.c - where a machine's management channel is to be found
 */
#define _GNU_SOURCE
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fail.h"

#define BACKLOG 16

static char *own_path; /* removed at exit */
static pid_t own_pid;

char *socket_directory(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");

    if (runtime && *runtime == '/')
        return must_print("%s/bulkhead", runtime);
    return must_print("/tmp/bulkhead-%u", (unsigned)getuid());
}

char *socket_path(const char *name)
{
    char *directory = socket_directory();
    char *path = must_print("%s/%s.sock", directory, name);

    free(directory);
    return path;
}

bool socket_directory_is_own(void)
{
    char *directory = socket_directory();
    struct stat status;
    bool is_own = lstat(directory, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == getuid() &&
                  (status.st_mode & 0077) == 0;

    free(directory);
    return is_own;
}

/* /tmp is everybody's: a directory that somebody else made there is not used. */
void socket_directory_make(void)
{
    char *directory = socket_directory();

    if (mkdir(directory, 0700) < 0 && errno != EEXIST)
        fail("cannot make %s: %s", directory, strerror(errno));
    if (!socket_directory_is_own())
        fail("%s is not a directory of yours alone: --socket PATH names another place", directory);
    free(directory);
}

void listen_remove(void)
{
    if (own_path && getpid() == own_pid)
        unlink(own_path);
    own_pid = 0; /* another machine may have that path from now on */
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        fail("--socket %s: longer than %zu characters", path, sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);
    return address;
}

static bool somebody_listens(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool answers =
        fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN);

    if (fd >= 0)
        close(fd);
    return answers;
}

/* Nobody else judges or replaces the socket meanwhile: they lock the directory too. */
static int directory_lock(const char *path)
{
    char *copy = must_print("%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        fail("%s: %s", path, strerror(errno));
    free(copy);
    return fd;
}

static int bind_and_listen(const char *path, const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask = umask(0177);
    int bound = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)address, sizeof(*address));

    umask(mask);
    if (bound < 0 || listen(fd, BACKLOG) < 0)
        fail("cannot listen on %s: %s", path, strerror(errno));
    own_path = must_print("%s", path);
    own_pid = getpid();
    atexit(listen_remove);
    return fd;
}

int listen_unix(const char *path, bool must)
{
    struct sockaddr_un address = address_of(path);
    int lock = directory_lock(path), fd = -1;
    struct stat status;

    if (somebody_listens(&address)) {
        if (must)
            fail("%s: another machine listens there", path);
    } else {
        if (lstat(path, &status) == 0 && !S_ISSOCK(status.st_mode))
            fail("%s: there is a file of that name that is no socket", path);
        unlink(path);
        fd = bind_and_listen(path, &address);
    }
    close(lock);
    return fd;
}

const char *listen_path(void)
{
    return own_path;
}

int listen_tcp(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), yes = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
        fail("--tcp %u: cannot listen: %s", port, strerror(errno));
    return fd;
}
