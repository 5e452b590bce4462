/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metrics_serve.c - metrics over HTTP/1.0: one answer a connection, each in a process of its own
 *
 * A scrape asks the machine in a further process, which ends like any verb when the machine does not answer:
 * then it is asked again for a while (a service may be restarting), and at last the answer says libvirt_up 0.
 *
 * Always true: no connection lasts longer than CONNECTION_SECONDS, and there are at most CONNECTIONS_MAX.
 */
#define _GNU_SOURCE
#include "metrics_serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fail.h"

#define CONNECTION_SECONDS 30u
#define CONNECTIONS_MAX 16u
#define TRIES 4u
#define TRY_SECONDS 5u
#define PAUSE_MS 500
#define REQUEST_MAX 4096u

typedef void (*render_fn)(const struct args *args, FILE *out);

static const char down_text[] = "# HELP libvirt_up Whether the machine answers.\n"
                                "# TYPE libvirt_up gauge\n"
                                "libvirt_up 0\n";

/* ---- asking the machine ------------------------------------------------------------------------------ */

/* What `render` writes in a process of its own; NULL: it did not end well.  *count bytes. */
static char *text_try(const struct args *args, render_fn render, size_t *count)
{
    int ends[2], status = -1;
    char *text = NULL;
    char piece[4096];
    ssize_t got;
    FILE *all;
    pid_t child;

    if (pipe(ends))
        fail("metrics: pipe: %s", strerror(errno));
    child = fork();
    if (child == 0) {
        FILE *out = fdopen(ends[1], "w");

        close(ends[0]);
        alarm(TRY_SECONDS);
        if (!out)
            _exit(1);
        render(args, out);
        _exit(fclose(out) ? 1 : 0);
    }
    close(ends[1]);
    all = open_memstream(&text, count);
    while (all && (got = read(ends[0], piece, sizeof(piece))) > 0)
        fwrite(piece, 1, (size_t)got, all);
    close(ends[0]);
    if (!all || fclose(all))
        fail("out of memory");
    if (child > 0 && waitpid(child, &status, 0) == child && status == 0)
        return text;
    free(text);
    return NULL;
}

static char *text_take(const struct args *args, render_fn render, size_t *count)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000l};

    for (unsigned i = 0; i < TRIES; i++) {
        char *text = text_try(args, render, count);

        if (text)
            return text;
        nanosleep(&pause, NULL);
    }
    *count = sizeof(down_text) - 1;
    return must_print("%s", down_text);
}

/* ---- a connection -------------------------------------------------------------------------------------- */

static void answer(FILE *to, const char *status, const char *type, const char *text, size_t count)
{
    fprintf(to, "HTTP/1.0 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status,
            type, count);
    fwrite(text, 1, count, to);
    fflush(to);
}

static void answer_error(FILE *to, const char *status, const char *text)
{
    answer(to, status, "text/plain", text, strlen(text));
}

/* Up to the empty line; false: that is no request. */
static bool request_read(FILE *from, char method[8], char path[256])
{
    char line[REQUEST_MAX];
    size_t all = 0;

    if (!fgets(line, sizeof(line), from) || sscanf(line, "%7s %255s HTTP/", method, path) != 2)
        return false;
    while (all < REQUEST_MAX && fgets(line, sizeof(line), from)) {
        all += strlen(line);
        if (line[strspn(line, "\r\n")] == 0)
            return true;
    }
    return false;
}

static void connection_serve(int fd, const struct args *args, render_fn render)
{
    FILE *from = fdopen(fd, "r"), *to = fdopen(dup(fd), "w");
    char method[8], path[256];
    char *text;
    size_t count;

    if (!from || !to)
        return;
    if (!request_read(from, method, path)) {
        answer_error(to, "400 Bad Request", "that is no HTTP request\n");
        return;
    }
    if (strcmp(method, "GET") != 0) {
        answer_error(to, "405 Method Not Allowed", "only GET is served\n");
        return;
    }
    path[strcspn(path, "?")] = 0;
    if (strcmp(path, "/metrics") != 0) {
        answer_error(to, "404 Not Found", "what there is, is at /metrics\n");
        return;
    }
    text = text_take(args, render, &count);
    answer(to, "200 OK", "text/plain; version=0.0.4; charset=utf-8", text, count);
    free(text);
}

/* ---- all of them ----------------------------------------------------------------------------------------
 */

static struct sockaddr_in address_parse(const char *where)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char *colon = strrchr(where, ':');
    char *host = must_print("%s", where);

    if (colon) {
        host[colon - where] = 0;
        if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
            fail_usage("--listen %s: '%s' is no IPv4 address", where, host);
    }
    free(host);
    address.sin_port = htons((uint16_t)args_number("--listen", colon ? colon + 1 : where, 0, 65535));
    return address;
}

/* Says where, as port 0 is any. */
static int listen_at(const char *where)
{
    struct sockaddr_in address = address_parse(where);
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    char text[INET_ADDRSTRLEN];

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, CONNECTIONS_MAX) ||
        getsockname(fd, (struct sockaddr *)&address, &length))
        fail("--listen %s: %s", where, strerror(errno));
    printf("http://%s:%u/metrics\n", inet_ntop(AF_INET, &address.sin_addr, text, sizeof(text)),
           ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

/* Those that have ended; all of one's room is taken: wait for one. */
static void children_collect(unsigned *count)
{
    while (*count > 0 && waitpid(-1, NULL, *count < CONNECTIONS_MAX ? WNOHANG : 0) > 0)
        --*count;
}

_Noreturn void metrics_serve(const struct args *args, const char *where, render_fn render)
{
    int listener = listen_at(where);
    unsigned count = 0;

    for (;;) {
        int fd = accept(listener, NULL, NULL);
        pid_t child = fd < 0 ? -1 : fork();

        if (child == 0) {
            alarm(CONNECTION_SECONDS);
            connection_serve(fd, args, render);
            exit(0);
        }
        count += child > 0;
        if (fd >= 0)
            close(fd);
        children_collect(&count);
    }
}
