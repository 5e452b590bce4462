/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.c - QEMU with the boot image, its serial line on stdin and stdout
 *
 * Everything between the person and the machine goes through pump(): keys one way, what the machine writes
 * the other way through wire.c.  The terminal is raw meanwhile and restored however the tool ends.
 */
#define _GNU_SOURCE
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker.h"
#include "detach.h"
#include "fail.h"
#include "listen.h"
#include "terminal.h"
#include "wire.h"

#define CHUNK 4096u
#define KEY_END_OF_INPUT '\x04'
#define GRACE_SECONDS 10 /* from the machine's last words to QEMU's end */

struct machine {
    const struct options *options;
    pid_t qemu;
    int line;              /* the serial line: our end of a socket pair */
    struct broker *broker; /* NULL: the machine has no management channel */
    struct wire wire;
    char keys[CHUNK]; /* read from stdin, not yet taken by QEMU */
    size_t key_bytes;
    bool speaks; /* has written something: its UART is set up, and keys are not lost */
    bool input_open;
    bool end_of_input_due; /* send EOT behind the last key */
    int ready, log;        /* in the background: whom to tell that it is up, its log; -1: not */
    time_t deadline;       /* 0: none */
    bool timed_out;
    bool line_has_ended;
};

static time_t now_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* ---- QEMU ----------------------------------------------------------------------------------- */

/* A comma in a file name is doubled in QEMU's option syntax. */
static char *escape_commas(const char *path)
{
    char *out = must_alloc(2 * strlen(path) + 1), *to = out;

    for (; *path; path++) {
        if (*path == ',')
            *to++ = ',';
        *to++ = *path;
    }
    return out;
}

/* The reference machine (docs/design.md, 8). */
static char **qemu_arguments(const struct options *o, int image_fd, int port)
{
    char **argv = must_alloc((64 + o->qemu_arg_count) * sizeof(*argv));
    uint32_t n = 0;

    argv[n++] = "qemu-system-aarch64";
    argv[n++] = "-M";
    argv[n++] = "virt,virtualization=on,gic-version=3,iommu=smmuv3";
    argv[n++] = "-cpu";
    argv[n++] = "cortex-a57";
    argv[n++] = "-smp";
    argv[n++] = must_print("%u", o->cpus);
    argv[n++] = "-m";
    argv[n++] = must_print("%lluM", (unsigned long long)o->memory_bytes >> 20);
    argv[n++] = "-nodefaults";
    argv[n++] = "-display";
    argv[n++] = "none";
    argv[n++] = "-serial";
    argv[n++] = "stdio";
    argv[n++] = "-kernel";
    argv[n++] = must_print("/proc/self/fd/%d", image_fd);
    if (o->icount) {
        argv[n++] = "-icount";
        argv[n++] = "shift=0,sleep=off";
    }
    if (o->disk) {
        argv[n++] = "-drive";
        argv[n++] = must_print("if=none,id=d,format=raw,file=%s", escape_commas(o->disk));
        argv[n++] = "-device";
        argv[n++] = "virtio-blk-pci,drive=d,addr=0x2,iommu_platform=on,disable-legacy=on";
    }
    n = net_arguments(&o->net, argv, n);
    if (port >= 0) {
        argv[n++] = "-chardev";
        argv[n++] = must_print("socket,id=mgmt,fd=%d", port);
        argv[n++] = "-device";
        argv[n++] = "virtio-serial-pci,id=mgmt-bus,max_ports=2,addr=0x4,iommu_platform=on,disable-legacy=on";
        argv[n++] = "-device";
        argv[n++] = "virtserialport,bus=mgmt-bus.0,nr=1,chardev=mgmt,name=bulkhead.mgmt";
    }
    for (uint32_t i = 0; i < o->qemu_arg_count; i++)
        argv[n++] = (char *)o->qemu_args[i];
    argv[n] = NULL;
    return argv;
}

static _Noreturn void qemu_exec(char **argv, int line, int port, int log)
{
    /* It gets none of the terminal's signals, and does not outlive the tool. */
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    if (dup2(line, STDIN_FILENO) < 0 || dup2(line, STDOUT_FILENO) < 0 ||
        (log >= 0 && dup2(log, STDERR_FILENO) < 0))
        _exit(127);
    if (port >= 0)
        fcntl(port, F_SETFD, 0);
    execvp(argv[0], argv);
    complain("cannot run %s: %s", argv[0], strerror(errno));
    _exit(127);
}

static void qemu_start(struct machine *m, int image_fd)
{
    bool is_managed = !m->options->no_socket && !m->options->init;
    int pair[2], port[2] = {-1, -1};
    char **argv;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
        (is_managed && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, port) < 0))
        fail("cannot make a socket pair: %s", strerror(errno));
    if (is_managed)
        m->broker = broker_open(m->options, port[0]);
    if (m->options->detached)
        m->log = detach_log_open(m->options, listen_path());
    argv = qemu_arguments(m->options, image_fd, port[1]);
    m->qemu = fork();
    if (m->qemu < 0)
        fail("cannot start QEMU: %s", strerror(errno));
    if (m->qemu == 0)
        qemu_exec(argv, pair[1], port[1], m->log);
    close(pair[1]);
    if (is_managed)
        close(port[1]);
    m->line = pair[0];
    fcntl(m->line, F_SETFL, O_NONBLOCK);
}

/* ---- the line ------------------------------------------------------------------------------- */

/* False at the line's end. */
static bool pump_output(struct machine *m)
{
    char in[CHUNK], out[CHUNK + WIRE_SEQUENCE_MAX];
    ssize_t got = read(m->line, in, sizeof(in));

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got <= 0)
        return false;
    m->speaks = true;
    output_write(out, wire_filter(&m->wire, in, (size_t)got, out));
    if (m->wire.ended && !m->deadline)
        m->deadline = now_seconds() + GRACE_SECONDS;
    return true;
}

/* Without a terminal and with all consoles on the wire, the end of input is a key like any other. */
static void pump_input(struct machine *m)
{
    ssize_t got = read(STDIN_FILENO, m->keys + m->key_bytes, sizeof(m->keys) - m->key_bytes);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0) {
        m->key_bytes += (size_t)got;
        return;
    }
    m->input_open = false;
    m->end_of_input_due = !m->options->console;
}

static void pump_keys(struct machine *m)
{
    ssize_t done;

    if (!m->key_bytes && m->end_of_input_due) {
        m->keys[m->key_bytes++] = KEY_LEAVE;
        m->keys[m->key_bytes++] = KEY_END_OF_INPUT;
        m->end_of_input_due = false;
    }
    if (!m->key_bytes)
        return;
    done = send(m->line, m->keys, m->key_bytes, MSG_NOSIGNAL);
    if (done > 0) {
        m->key_bytes -= (size_t)done;
        memmove(m->keys, m->keys + done, m->key_bytes);
    }
}

static int milliseconds_left(const struct machine *m)
{
    time_t now = now_seconds();

    if (!m->deadline)
        return -1;
    return m->deadline <= now ? 0 : (int)((m->deadline - now) * 1000);
}

/* In the background: whoever waits for it is told once.  False: nobody waits any more. */
static bool ready_tell(struct machine *m)
{
    int ready = m->ready;

    if (ready < 0 || !broker_is_up(m->broker))
        return true;
    m->ready = -1;
    return detach_ready(ready, m->log, m->options, listen_path());
}

/* Carry bytes until the line ends, a signal comes or the deadline passes. */
static void pump(struct machine *m)
{
    while (!signal_caught()) {
        bool sending = m->speaks && (m->key_bytes || m->end_of_input_due);
        bool reading = m->input_open && m->key_bytes < sizeof(m->keys);
        struct pollfd fds[2 + BROKER_POLL_MAX] = {
            {.fd = m->line, .events = (short)(POLLIN | (sending ? POLLOUT : 0))},
            {.fd = reading ? STDIN_FILENO : -1, .events = POLLIN},
        };
        unsigned managed = m->broker ? broker_wants(m->broker, fds + 2) : 0;
        int left = milliseconds_left(m);

        if (left == 0) {
            m->timed_out = !m->wire.ended;
            return;
        }
        if (poll(fds, 2 + managed, left) < 0)
            continue;
        if (m->broker)
            broker_serve(m->broker, fds + 2, managed);
        if (!ready_tell(m))
            return;
        if (fds[1].revents)
            pump_input(m);
        if (fds[0].revents & POLLOUT)
            pump_keys(m);
        if (fds[0].revents & (POLLIN | POLLHUP | POLLERR) && !pump_output(m)) {
            m->line_has_ended = true;
            return;
        }
    }
}

/* ---- the end -------------------------------------------------------------------------------- */

/* QEMU's wait status; a QEMU that still runs is killed. */
static int qemu_end(const struct machine *m)
{
    int status = 0;

    if (!m->line_has_ended)
        kill(m->qemu, SIGKILL);
    while (waitpid(m->qemu, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* Where QEMU's own words are, in brackets. */
static char *words_place(const struct machine *m)
{
    return m->log >= 0 ? must_print(" (its words: %s)", detach_log_path(m->options, listen_path()))
                       : must_print("%s", "");
}

static int machine_status(const struct machine *m, int qemu_status)
{
    if (m->wire.ended) {
        if (m->wire.text[0])
            complain("%s", m->wire.text);
        return m->wire.status;
    }
    if (signal_caught())
        return 128 + signal_caught();
    if (m->timed_out) {
        complain("the machine was still running after %u seconds", m->options->timeout_seconds);
        return EXIT_TIMEOUT;
    }
    if (WIFEXITED(qemu_status) && WEXITSTATUS(qemu_status) == 0)
        complain("the machine ended without saying why");
    else if (WIFEXITED(qemu_status))
        complain("QEMU ended with status %d%s", WEXITSTATUS(qemu_status), words_place(m));
    else
        complain("QEMU was killed by signal %d%s", WTERMSIG(qemu_status), words_place(m));
    return EXIT_SILENT;
}

int machine_run(const struct options *options, int image_fd)
{
    struct machine m = {.options = options, .input_open = !options->detached, .ready = -1, .log = -1};
    char rest[WIRE_SEQUENCE_MAX];
    int qemu_status;

    if (options->detached)
        m.ready = detach_fork(options);
    qemu_start(&m, image_fd);
    signals_catch();
    terminal_make_raw();
    if (options->timeout_seconds)
        m.deadline = now_seconds() + (time_t)options->timeout_seconds;

    pump(&m);
    output_write(rest, wire_flush(&m.wire, rest));
    qemu_status = qemu_end(&m);
    terminal_restore();
    listen_remove();
    if (m.broker)
        broker_end(m.broker);
    return machine_status(&m, qemu_status);
}
