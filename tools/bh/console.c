/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * console.c - a VM's console on this terminal: console
 *
 * Always true:  the machine has credit for WINDOW bytes less those that it sent and that were not written
 * yet; keys that were typed and that the machine does not take yet wait in `keys`, and no more are read.
 */
#define _GNU_SOURCE
#include "console.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"
#include "json.h"
#include "mgmt_json.h"
#include "terminal.h"
#include "verbs.h"
#include "vms.h"

#define WINDOW 65536u
#define GIVE_LEAST (WINDOW / 4) /* credit goes out in pieces */
#define KEYS_MAX 4096u
#define FOREVER_MS 1000   /* a signal that came just before poll() is seen then */
#define FRAMES_AT_ONCE 16 /* then keys have their turn, however much the VM writes */

struct session {
    struct console *console;
    uint8_t keys[KEYS_MAX];
    uint32_t key_count;
    uint32_t may_send; /* bytes that the machine takes */
    uint32_t written;  /* bytes since credit was given last */
    bool is_terminal, input_open, leaves, has_ended;
};

static void credit_give(const struct console *c, uint32_t count)
{
    uint8_t payload[4];

    frame_put_u32(payload, count);
    client_send(c->client, FRAME_CREDIT, c->stream, payload, sizeof(payload));
}

void console_attach(struct console *c)
{
    bh_MgmtConsoleRequest request = {.watch_only = c->watch_only, .no_backlog = c->no_backlog};
    bh_MgmtVmReply reply;

    vm_word(request.vm, c->vm);
    client_ask(c->client, MGMT_METHOD_CONSOLE, &request, &reply);
    c->stream = client_stream(c->client);
}

static void data_write(const struct console *c, const uint8_t *bytes, uint32_t count)
{
    struct json json;

    if (!c->json) {
        output_write((const char *)bytes, count);
        return;
    }
    json_start_line(&json, stdout);
    json_object(&json, NULL);
    json_text_bytes(&json, "data", (const char *)bytes, count);
    json_object_end(&json);
    json_finish(&json);
}

static void end_say(const struct console *c, const char *text)
{
    struct json json;

    if (!c->json) {
        fprintf(stderr, "\r\nbh: %s: %s\r\n", c->vm, *text ? text : "its console has ended");
        return;
    }
    json_start_line(&json, stdout);
    json_object(&json, NULL);
    json_text(&json, "end", text);
    json_object_end(&json);
    json_finish(&json);
}

static void frame_serve(struct session *s, const struct frame *frame)
{
    char text[WIRE_ERROR_BYTES];
    uint32_t status;

    if (frame->id != s->console->stream)
        return;
    if (frame->kind == FRAME_CREDIT)
        s->may_send += frame_u32(frame->payload);
    if (frame->kind == FRAME_DATA) {
        data_write(s->console, frame->payload, frame->length);
        s->written += frame->length;
    }
    if (s->written >= GIVE_LEAST) {
        credit_give(s->console, s->written);
        s->written = 0;
    }
    if (frame->kind != FRAME_END)
        return;
    status = client_end_status(frame, text);
    terminal_restore();
    if (status != bh_MgmtStatus_MGMT_OK && status != bh_MgmtStatus_MGMT_ENDED)
        client_refused(status, text);
    end_say(s->console, text);
    s->has_ended = true;
}

/* Keys up to Ctrl-], which leaves. */
static void keys_read(struct session *s)
{
    ssize_t got = read(STDIN_FILENO, s->keys + s->key_count, KEYS_MAX - s->key_count);
    const uint8_t *leave;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        s->input_open = false; /* what the VM writes is shown on */
        return;
    }
    leave = memchr(s->keys + s->key_count, KEY_LEAVE, (size_t)got);
    s->leaves |= leave != NULL;
    s->key_count = leave ? (uint32_t)(leave - s->keys) : s->key_count + (uint32_t)got;
    if (s->console->watch_only)
        s->key_count = 0;
}

static void keys_send(struct session *s)
{
    uint32_t count = s->key_count < s->may_send ? s->key_count : s->may_send;

    if (count == 0)
        return;
    client_send(s->console->client, FRAME_DATA, s->console->stream, s->keys, count);
    s->may_send -= count;
    s->key_count -= count;
    memmove(s->keys, s->keys + count, s->key_count);
}

/* A person leaves at once; what a program typed before Ctrl-] is sent first. */
static bool is_over(const struct session *s)
{
    return s->has_ended || signal_caught() || (s->leaves && (s->is_terminal || s->key_count == 0));
}

static void turn(struct session *s)
{
    struct pollfd fds[] = {
        {.fd = client_fd(s->console->client), .events = POLLIN},
        {.fd = s->input_open && s->key_count < KEYS_MAX && !s->leaves ? STDIN_FILENO : -1, .events = POLLIN},
    };
    struct frame frame;
    int frames = 0;

    while (frames < FRAMES_AT_ONCE && !s->has_ended && client_frame(s->console->client, &frame, 0)) {
        frame_serve(s, &frame);
        frames++;
    }
    if (s->has_ended)
        return;
    keys_send(s);
    if (!is_over(s) && poll(fds, 2, frames == FRAMES_AT_ONCE ? 0 : FOREVER_MS) > 0 && fds[1].revents)
        keys_read(s);
}

int console_serve(struct console *c)
{
    struct session s = {.console = c, .input_open = true, .is_terminal = isatty(STDIN_FILENO)};

    if (!c->json && s.is_terminal)
        fprintf(stderr, "bh: the console of %s; Ctrl-] leaves it\n", c->vm);
    signals_catch();
    terminal_make_raw();
    credit_give(c, WINDOW);
    while (!is_over(&s))
        turn(&s);
    terminal_restore();
    if (!c->json && s.is_terminal && !s.has_ended)
        fputc('\n', stderr);
    client_close(c->client);
    return signal_caught() ? 128 + signal_caught() : 0;
}

static const struct option_spec console_options[] = {
    {"watch-only", 0, NULL, "type nothing; others may", 0},
    {"no-backlog", 0, NULL, "only what it writes from now on, not the last 4 KiB", 0},
    {NULL, 0, NULL, NULL, 0},
};

static int console_verb(const struct args *args)
{
    struct console console = {
        .client = client_open(args),
        .vm = args->words[0],
        .watch_only = args_has(args, "watch-only"),
        .no_backlog = args_has(args, "no-backlog"),
        .json = args->json,
    };

    console_attach(&console);
    return console_serve(&console);
}

const struct verb verb_console = {
    .name = "console",
    .group = GROUP_VMS,
    .arguments = ARGUMENTS_VM,
    .summary = "the console of a VM, on this terminal",
    .text = "Ctrl-] leaves it. Several may be attached to one VM, over its reboots. Without a terminal, "
            "stdin is typed, "
            "and after its end what the VM writes is shown until it ends.",
    .options = console_options,
    .least = 1,
    .most = 1,
    .asks = true,
    .run = console_verb,
};
