/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * terminal.c - the person's terminal, raw while its keys go to a machine
 */
#define _GNU_SOURCE
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved_terminal;
static bool terminal_is_raw;
static volatile sig_atomic_t caught_signal;

void terminal_restore(void)
{
    if (terminal_is_raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_terminal);
    terminal_is_raw = false;
}

void terminal_make_raw(void)
{
    static bool is_registered;
    struct termios raw;

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved_terminal) < 0)
        return;
    raw = saved_terminal;
    cfmakeraw(&raw);
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
        return;
    terminal_is_raw = true;
    if (!is_registered)
        atexit(terminal_restore);
    is_registered = true;
}

static void on_signal(int number)
{
    caught_signal = number;
}

void signals_catch(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int signal_caught(void)
{
    return caught_signal;
}

void output_write(const char *bytes, size_t count)
{
    while (count) {
        ssize_t done = write(STDOUT_FILENO, bytes, count);

        if (done < 0 && errno == EINTR && !caught_signal)
            continue;
        if (done < 0 && errno == EAGAIN) {
            struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

            poll(&out, 1, 1000);
            continue;
        }
        if (done <= 0)
            return;
        bytes += done;
        count -= (size_t)done;
    }
}
