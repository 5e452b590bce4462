/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * detach.c - a machine in the background
 *
 * The parent judges files and options first, so what is refused is refused in the foreground; it stays until
 * the machine's management channel answers.  The child says its last words before that on the parent's
 * stderr, all others in the log.
 */
#define _GNU_SOURCE
#include "detach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fail.h"
#include "json.h"
#include "listen.h"

#define UP_SECONDS 120 /* from the start of QEMU until the channel answers */
#define WORDS_MAX 4096

char *detach_log_path(const struct options *options, const char *socket)
{
    size_t length = strlen(socket);

    if (options->log)
        return must_print("%s", options->log);
    if (length > 5 && !strcmp(socket + length - 5, ".sock"))
        length -= 5;
    return must_print("%.*s.log", (int)length, socket);
}

int detach_log_open(const struct options *options, const char *socket)
{
    char *path = detach_log_path(options, socket);
    int log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (log < 0 || nothing < 0)
        fail("--log %s: %s", path, strerror(errno));
    if (dup2(nothing, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0)
        fail("cannot let go of the terminal: %s", strerror(errno));
    close(nothing);
    free(path);
    return log;
}

bool detach_ready(int ready, int log, const struct options *options, const char *socket)
{
    char *words = must_print("%s\n%s", socket, detach_log_path(options, socket));
    bool is_told = write(ready, words, strlen(words)) == (ssize_t)strlen(words);

    close(ready);
    free(words);
    return is_told && dup2(log, STDERR_FILENO) >= 0;
}

static void up_say(const struct options *options, pid_t child, char *words)
{
    char *log = strchr(words, '\n');
    struct json json;

    if (!log)
        fail("the machine said something else than that it is up");
    *log++ = '\0';
    if (!options->json) {
        printf("the machine is up, in the background: process %d\nsocket: %s\nlog: %s\n", (int)child, words,
               log);
        return;
    }
    json_start(&json, stdout);
    json_object(&json, NULL);
    json_number(&json, "process", (uint64_t)child);
    json_text(&json, "socket", words);
    json_text(&json, "log", log);
    json_object_end(&json);
    json_finish(&json);
}

static _Noreturn void fail_not_up(pid_t child, bool has_ended)
{
    int status = 0;

    if (!has_ended)
        kill(child, SIGTERM);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!has_ended)
        fail_as(EXIT_TIMEOUT, "timeout", "the machine was not up after %d seconds, and was ended",
                UP_SECONDS);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        exit(WEXITSTATUS(status)); /* it has said why */
    fail_as(EXIT_SILENT, "refused", "the machine ended before it was up");
}

static _Noreturn void up_await(const struct options *options, pid_t child, int ready)
{
    struct pollfd fd = {.fd = ready, .events = POLLIN};
    char words[WORDS_MAX + 1];
    ssize_t got = 0;
    int events;

    do
        events = poll(&fd, 1, UP_SECONDS * 1000);
    while (events < 0 && errno == EINTR);
    if (events > 0)
        got = read(ready, words, WORDS_MAX);
    if (got <= 0)
        fail_not_up(child, events > 0);
    words[got] = '\0';
    up_say(options, child, words);
    exit(0);
}

int detach_fork(const struct options *options)
{
    int ready[2];
    pid_t child;

    if (pipe2(ready, O_CLOEXEC) < 0)
        fail("cannot make a pipe: %s", strerror(errno));
    child = fork();
    if (child < 0)
        fail("cannot fork: %s", strerror(errno));
    if (child > 0) {
        close(ready[1]);
        up_await(options, child, ready[0]);
    }
    close(ready[0]);
    setsid();
    return ready[1];
}
