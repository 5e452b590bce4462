/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.c - the client's end of a machine's management channel
 *
 * Always true:  what was read and not taken yet is in[in_at .. in_count); the reader holds the frame that was
 * handed out last until the next is asked for.
 */
#define _GNU_SOURCE
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <pb_decode.h>
#include <pb_encode.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fail.h"
#include "machines.h"
#include "mgmt_json.h"
#include "verb.h"

#define PATIENCE_SECONDS 60u /* for each answer; a machine that boots answers HELLO when it is up */

/* A frame of the stream that a request begins may be in front of the REPLY. */
#define EARLY_MAX 4u

struct early {
    struct frame frame;
    uint8_t payload[MGMT_HELLO_PAYLOAD_MAX]; /* CREDIT and END: nothing larger comes before we gave credit */
};

struct client {
    int fd;
    char *where;
    unsigned patience_seconds;
    uint32_t last_id;
    bool has_ended;  /* the machine's side of the connection */
    uint32_t closed; /* MgmtStatus of its CLOSE; MGMT_OK: none came */
    char closed_text[WIRE_ERROR_BYTES];
    bh_MgmtHello hello;
    struct frame_reader reader;
    uint8_t in[FRAME_BYTES_MAX];
    size_t in_at, in_count;
    struct early early[EARLY_MAX];
    unsigned early_count, early_at; /* early[early_at .. early_count) were not handed out yet */
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

/* False when the deadline has passed. */
static bool wait_until(const struct client *c, short events, int64_t deadline_ms)
{
    struct pollfd fd = {.fd = c->fd, .events = events};

    for (;;) {
        int64_t left = deadline_ms - now_ms();
        int ready = poll(&fd, 1, left < 0 ? 0 : (int)left);

        if (ready > 0)
            return true;
        if (ready == 0 || (errno != EINTR && errno != EAGAIN))
            return false;
    }
}

/* ---- frames in --------------------------------------------------------------------------------------- */

static void closed_take(struct client *c, const struct frame *frame)
{
    c->closed = client_end_status(frame, c->closed_text);
    if (c->closed == bh_MgmtStatus_MGMT_OK)
        c->closed = bh_MgmtStatus_MGMT_LOST;
    c->has_ended = true;
}

/* A frame out of what was read. */
static bool frame_held(struct client *c, struct frame *frame)
{
    frame->payload = NULL;
    while (c->in_at < c->in_count && !frame->payload && !c->has_ended) {
        c->in_at +=
            frame_reader_take(&c->reader, c->in + c->in_at, (uint32_t)(c->in_count - c->in_at), frame);
        if (c->reader.state == READER_LOST) {
            c->has_ended = true;
            c->closed = bh_MgmtStatus_MGMT_PROTOCOL;
            snprintf(c->closed_text, sizeof(c->closed_text), "what it sends is not the management protocol");
        }
    }
    if (frame->payload && frame->kind == FRAME_CLOSE) {
        closed_take(c, frame);
        return false;
    }
    return frame->payload != NULL;
}

static void bytes_read(struct client *c)
{
    ssize_t got = read(c->fd, c->in, sizeof(c->in));

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    c->in_at = 0;
    c->in_count = got > 0 ? (size_t)got : 0;
    c->has_ended |= got <= 0;
}

/* False: none came in time, or the connection has ended (then c->has_ended). */
static bool frame_next(struct client *c, struct frame *frame, int64_t deadline_ms)
{
    frame_reader_next(&c->reader);
    while (!frame_held(c, frame)) {
        if (c->has_ended || !wait_until(c, POLLIN, deadline_ms))
            return false;
        bytes_read(c);
    }
    return true;
}

static _Noreturn void fail_version(const struct client *c)
{
    const bh_MgmtHello *hello = &c->hello;

    fail_as(EXIT_VERSION, "version",
            "%s (%s) speaks versions %u to %u of the management protocol, this bh (" MGMT_PRODUCT
            ") %u to %u: use the bh that belongs to it",
            c->where, hello->product, (unsigned)hello->lowest, (unsigned)hello->version, MGMT_LOWEST,
            MGMT_VERSION);
}

static _Noreturn void fail_ended(const struct client *c)
{
    if (c->closed == bh_MgmtStatus_MGMT_VERSION)
        fail_version(c);
    if (c->closed == bh_MgmtStatus_MGMT_LOST)
        fail_as(EXIT_UNREACHABLE, "lost", "%s: %s", c->where, c->closed_text);
    if (c->closed != bh_MgmtStatus_MGMT_OK)
        client_refused(c->closed, must_print("%s: %s", c->where, c->closed_text));
    fail_as(EXIT_UNREACHABLE, "lost", "%s has ended the connection: it is off, or full of clients", c->where);
}

static _Noreturn void fail_silent(const struct client *c, const char *what)
{
    fail_as(
        EXIT_TIMEOUT, "timeout",
        "%s: %s did not come within %u seconds: it is slow, boots or hangs; --timeout SECONDS waits longer",
        c->where, what, c->patience_seconds);
}

bool client_frame(struct client *c, struct frame *frame, unsigned milliseconds)
{
    if (c->early_at < c->early_count) {
        *frame = c->early[c->early_at++].frame;
        return true;
    }
    if (frame_next(c, frame, now_ms() + milliseconds))
        return true;
    if (c->has_ended)
        fail_ended(c);
    return false;
}

void client_await(struct client *c, struct frame *frame, const char *what)
{
    if (!client_frame(c, frame, c->patience_seconds * 1000))
        fail_silent(c, what);
}

uint32_t client_end_status(const struct frame *frame, char text[WIRE_ERROR_BYTES])
{
    bh_MgmtFailure failure = bh_MgmtFailure_init_zero;
    uint32_t status = bh_MgmtStatus_MGMT_PROTOCOL;

    if (!wire_decode(frame->payload, frame->length, &status, bh_MgmtFailure_fields, &failure))
        snprintf(failure.text, sizeof(failure.text), "what it says does not decode");
    snprintf(text, WIRE_ERROR_BYTES, "%s", failure.text);
    return status;
}

/* ---- frames out ---------------------------------------------------------------------------------------- */

/* False: the other side does not take it, or is gone. */
static bool bytes_send(struct client *c, const uint8_t *bytes, size_t count, int64_t deadline_ms)
{
    while (count > 0) {
        ssize_t done = send(c->fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (done < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (done < 0 && !wait_until(c, POLLOUT, deadline_ms))
            return false;
        if (done > 0) {
            bytes += done;
            count -= (size_t)done;
        }
    }
    return true;
}

/* Why it could not be sent: what the machine said before it went. */
static _Noreturn void fail_send(struct client *c)
{
    struct frame frame;

    while (frame_next(c, &frame, now_ms() + 1000))
        ;
    if (!c->has_ended)
        fail_silent(c, "room for what is to be sent");
    fail_ended(c);
}

void client_send(struct client *c, enum frame_kind kind, uint32_t id, const void *payload, uint32_t count)
{
    uint8_t bytes[FRAME_BYTES_MAX];

    frame_header_write(bytes, count, 0, kind, id);
    if (count)
        memcpy(bytes + FRAME_HEADER_BYTES, payload, count);
    if (!bytes_send(c, bytes, FRAME_HEADER_BYTES + count, now_ms() + c->patience_seconds * 1000ll))
        fail_send(c);
}

/* ---- the beginning ----------------------------------------------------------------------------------------
 */

/* False: c->has_ended, or it says nothing. */
static bool greet(struct client *c)
{
    bh_MgmtHello hello = {.product = MGMT_PRODUCT, .version = MGMT_VERSION, .lowest = MGMT_LOWEST};
    uint8_t bytes[FRAME_HEADER_BYTES + bh_MgmtHello_size];
    pb_ostream_t out = pb_ostream_from_buffer(bytes + FRAME_HEADER_BYTES, bh_MgmtHello_size);
    int64_t deadline_ms = now_ms() + c->patience_seconds * 1000ll;
    struct frame frame;
    pb_istream_t in;

    if (!pb_encode(&out, bh_MgmtHello_fields, &hello))
        fail("a greeting does not encode: %s", PB_GET_ERROR(&out));
    frame_header_write(bytes, (uint32_t)out.bytes_written, 0, FRAME_HELLO, MGMT_HELLO_ID);
    if (!bytes_send(c, bytes, FRAME_HEADER_BYTES + out.bytes_written, deadline_ms) ||
        !frame_next(c, &frame, deadline_ms))
        return false;
    in = pb_istream_from_buffer(frame.payload, frame.length);
    if (frame.kind == FRAME_HELLO && pb_decode(&in, bh_MgmtHello_fields, &c->hello))
        return true;
    c->has_ended = true;
    c->closed = bh_MgmtStatus_MGMT_PROTOCOL;
    snprintf(c->closed_text, sizeof(c->closed_text), "it does not begin with a greeting");
    return false;
}

static bool speaks_our_version(const struct client *c)
{
    return c->hello.version >= MGMT_LOWEST && c->hello.lowest <= MGMT_VERSION;
}

static struct client *client_new(int fd, char *where, unsigned patience_seconds)
{
    struct client *c = must_alloc(sizeof(*c));

    c->fd = fd;
    c->where = where;
    c->patience_seconds = patience_seconds;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    frame_reader_start(&c->reader, READER_WITHIN);
    return c;
}

struct client *client_open(const struct args *args)
{
    char *where;
    int fd = machine_connect(args->machine, &where);
    struct client *c = client_new(fd, where, client_patience(args, PATIENCE_SECONDS));

    if (!greet(c)) {
        if (c->has_ended)
            fail_ended(c);
        fail_silent(c, "its greeting");
    }
    if (!speaks_our_version(c))
        fail_version(c);
    return c;
}

struct client *client_try(const char *path, unsigned seconds)
{
    int fd = machine_connect_path(path);
    struct client *c = fd < 0 ? NULL : client_new(fd, must_print("the machine at %s", path), seconds);

    if (c && greet(c) && speaks_our_version(c))
        return c;
    if (c)
        client_close(c);
    return NULL;
}

void client_close(struct client *c)
{
    close(c->fd);
    free(c->where);
    free(c);
}

const bh_MgmtHello *client_hello(const struct client *c)
{
    return &c->hello;
}

const char *client_where(const struct client *c)
{
    return c->where;
}

int client_fd(const struct client *c)
{
    return c->fd;
}

unsigned client_patience(const struct args *args, unsigned otherwise)
{
    return args->timeout_seconds ? args->timeout_seconds : otherwise;
}

bool client_wait_end(struct client *c, unsigned seconds)
{
    int64_t deadline_ms = now_ms() + seconds * 1000ll;
    struct frame frame;

    while (frame_next(c, &frame, deadline_ms))
        ;
    return c->has_ended;
}

/* ---- requests -------------------------------------------------------------------------------------------
 */

void client_refused(uint32_t status, const char *text)
{
    fail_as(EXIT_REFUSED, mgmt_status_word((bh_MgmtStatus)status), "%s", text);
}

uint32_t client_stream(const struct client *c)
{
    return c->last_id;
}

static void early_keep(struct client *c, const struct frame *frame)
{
    struct early *early = &c->early[c->early_count];

    if (c->early_count == EARLY_MAX || frame->length > sizeof(early->payload))
        fail_as(EXIT_VERSION, "protocol", "%s sends more before its answer than was asked for", c->where);
    early->frame = *frame;
    memcpy(early->payload, frame->payload, frame->length);
    early->frame.payload = early->payload;
    c->early_count++;
}

/* The REPLY to a request; what else comes belongs to its stream, or to those that have ended. */
static void reply_await(struct client *c, uint32_t id, const char *method, struct frame *frame)
{
    int64_t deadline_ms = now_ms() + c->patience_seconds * 1000ll;

    c->early_at = c->early_count = 0;
    while (frame_next(c, frame, deadline_ms)) {
        if (frame->kind == FRAME_REPLY && frame->id == id)
            return;
        if (frame->id == id)
            early_keep(c, frame);
    }
    if (c->has_ended)
        fail_ended(c);
    fail_silent(c, must_print("the answer to %s", method));
}

uint32_t client_request(struct client *c, uint32_t method, const void *request, void *reply,
                        char error[WIRE_ERROR_BYTES])
{
    const struct wire_method *m = &mgmt_methods[method - 1];
    uint8_t payload[FRAME_PAYLOAD_MAX];
    uint32_t count = wire_encode(payload, method, m->request_fields, request), status, id = ++c->last_id;
    struct frame frame;

    if (count == 0)
        fail("%s: the request does not encode", m->name);
    client_send(c, FRAME_REQUEST, id, payload, count);
    reply_await(c, id, m->name, &frame);
    status = frame_u32(frame.payload);
    if (status != bh_MgmtStatus_MGMT_OK)
        return client_end_status(&frame, error);
    memset(reply, 0, m->reply_size);
    if (!wire_decode(frame.payload, frame.length, &status, m->reply_fields, reply))
        fail_as(EXIT_VERSION, "protocol", "%s: its answer to %s does not decode", c->where, m->name);
    return status;
}

void client_ask(struct client *c, uint32_t method, const void *request, void *reply)
{
    char error[WIRE_ERROR_BYTES];
    uint32_t status = client_request(c, method, request, reply, error);

    if (status != bh_MgmtStatus_MGMT_OK)
        client_refused(status, error);
}
