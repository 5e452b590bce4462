/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * broker.c - several clients on a machine's one management port
 *
 * Always true:  a client that is open was announced to the machine (OPEN) and not ended yet (CLOSE); it has
 * at most one request there; what waits for it is at most CLIENT_BYTES_MAX, or it is cut off.
 */
#define _GNU_SOURCE
#include "broker.h"

#include <errno.h>
#include <fcntl.h>
#include <pb_decode.h>
#include <pb_encode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fail.h"
#include "lib/mgmt/frame.h"
#include "lib/mgmt/wire.h"
#include "listen.h"
#include "mgmt.pb.h"
#include "queue.h"

#define READ_BYTES 16384u
#define CLIENT_BYTES_MAX (1u << 20) /* that wait for a client that does not read */
#define PORT_BYTES_MAX 65536u       /* that wait for the machine: then clients are not read */

enum client_state {
    CLIENT_NONE,
    CLIENT_GREETS, /* its HELLO has not come */
    CLIENT_WAITS,  /* the machine's HELLO has not come */
    CLIENT_OPEN,
    CLIENT_LEAVES, /* the rest is sent, then it is closed */
};
struct client {
    enum client_state state;
    int fd;
    uint16_t number;
    bool asks;   /* a request of its is at the machine */
    bool parked; /* the reader's frame is its next request: later */
    struct frame frame;
    struct frame_reader reader;
    uint8_t in[READ_BYTES]; /* read, and not taken by the reader yet */
    size_t in_at, in_count;
    struct queue out;
    bh_MgmtHello hello;
};

struct broker {
    int port, listeners[2];
    unsigned listener_count;
    struct frame_reader reader;
    struct queue out; /* to the machine */
    bool is_up;       /* the machine's HELLO came */
    bh_MgmtHello hello;
    uint16_t last_number;
    struct client clients[BROKER_CLIENTS_MAX];
};

/* ---- frames out --------------------------------------------------------------------------------- */

static void frame_put(struct queue *queue, uint16_t client, enum frame_kind kind, uint32_t id,
                      const uint8_t *payload, uint32_t count)
{
    uint8_t header[FRAME_HEADER_BYTES];

    frame_header_write(header, count, client, kind, id);
    queue_put(queue, header, sizeof(header));
    if (count)
        queue_put(queue, payload, count);
}

static void failure_put(struct queue *queue, uint16_t client, enum frame_kind kind, uint32_t status,
                        const char *text)
{
    static uint8_t payload[FRAME_PAYLOAD_MAX];

    frame_put(queue, client, kind, 0, payload, wire_failure(payload, status, text));
}

static void hello_put(struct queue *queue, const bh_MgmtHello *hello)
{
    uint8_t payload[bh_MgmtHello_size];
    pb_ostream_t stream = pb_ostream_from_buffer(payload, sizeof(payload));

    if (pb_encode(&stream, bh_MgmtHello_fields, hello))
        frame_put(queue, 0, FRAME_HELLO, MGMT_HELLO_ID, payload, (uint32_t)stream.bytes_written);
}

static void hello_to_machine(struct broker *b, bool answer)
{
    bh_MgmtHello hello = {
        .product = MGMT_PRODUCT, .version = MGMT_VERSION, .lowest = MGMT_LOWEST, .answer = answer};

    hello_put(&b->out, &hello);
}

/* ---- clients come and go ------------------------------------------------------------------------- */

static struct client *client_numbered(struct broker *b, uint16_t number)
{
    for (unsigned i = 0; i < BROKER_CLIENTS_MAX; i++)
        if (b->clients[i].state == CLIENT_OPEN && b->clients[i].number == number)
            return &b->clients[i];
    return NULL;
}

static void client_tell_machine(struct broker *b, const struct client *client)
{
    if (client->state == CLIENT_OPEN)
        failure_put(&b->out, client->number, FRAME_CLOSE, bh_MgmtStatus_MGMT_OK, "");
}

static void client_remove(struct broker *b, struct client *client)
{
    client_tell_machine(b, client);
    close(client->fd);
    queue_free(&client->out);
    client->state = CLIENT_NONE;
}

/* Tell it why, then close. */
static void client_dismiss(struct broker *b, struct client *client, uint32_t status, const char *text)
{
    client_tell_machine(b, client);
    failure_put(&client->out, 0, FRAME_CLOSE, status, text);
    client->state = CLIENT_LEAVES;
}

static uint16_t number_new(struct broker *b)
{
    do
        b->last_number++;
    while (b->last_number == 0 || client_numbered(b, b->last_number));
    return b->last_number;
}

/* Both HELLOs are there: do we have a version in common? */
static void client_admit(struct broker *b, struct client *client)
{
    char text[WIRE_ERROR_BYTES];
    bh_MgmtHello hello = b->hello;

    client->state = CLIENT_WAITS;
    if (!b->is_up)
        return;
    hello.answer = true;
    hello_put(&client->out, &hello);
    if (client->hello.version < hello.lowest || client->hello.lowest > hello.version) {
        snprintf(text, sizeof(text),
                 "this client (%s) speaks versions %u to %u of the protocol, the machine (%s) %u to %u: use "
                 "the bh that belongs to it",
                 client->hello.product, client->hello.lowest, client->hello.version, hello.product,
                 hello.lowest, hello.version);
        return client_dismiss(b, client, bh_MgmtStatus_MGMT_VERSION, text);
    }
    client->number = number_new(b);
    client->state = CLIENT_OPEN;
    frame_put(&b->out, client->number, FRAME_OPEN, 0, NULL, 0);
}

static void clients_dismiss(struct broker *b, uint32_t status, const char *text)
{
    for (unsigned i = 0; i < BROKER_CLIENTS_MAX; i++)
        if (b->clients[i].state == CLIENT_OPEN)
            client_dismiss(b, &b->clients[i], status, text);
}

/* A free place; one that leaves and does not read makes room. */
static struct client *client_place(struct broker *b)
{
    for (unsigned i = 0; i < BROKER_CLIENTS_MAX; i++)
        if (b->clients[i].state == CLIENT_NONE)
            return &b->clients[i];
    for (unsigned i = 0; i < BROKER_CLIENTS_MAX; i++)
        if (b->clients[i].state == CLIENT_LEAVES) {
            client_remove(b, &b->clients[i]);
            return &b->clients[i];
        }
    return NULL;
}

static void client_accept(struct broker *b, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct client *client = fd < 0 ? NULL : client_place(b);

    if (!client) {
        if (fd >= 0)
            close(fd);
        return;
    }
    memset(client, 0, sizeof(*client));
    client->fd = fd;
    client->state = CLIENT_GREETS;
    frame_reader_start(&client->reader, READER_WITHIN);
}

/* ---- from a client --------------------------------------------------------------------------------- */

static void hello_take(struct broker *b, struct client *client, const struct frame *frame)
{
    pb_istream_t stream = pb_istream_from_buffer(frame->payload, frame->length);

    if (frame->kind != FRAME_HELLO || !pb_decode(&stream, bh_MgmtHello_fields, &client->hello))
        return client_dismiss(b, client, bh_MgmtStatus_MGMT_PROTOCOL, "a client begins with HELLO");
    client_admit(b, client);
}

/* False: it stays in the reader until the answer to the request before it has come. */
static bool client_frame(struct broker *b, struct client *client, const struct frame *frame)
{
    if (client->state == CLIENT_GREETS) {
        hello_take(b, client, frame);
        return true;
    }
    if (client->state == CLIENT_WAITS)
        return false;
    if (frame->client != 0 || (frame->kind != FRAME_REQUEST && frame->kind != FRAME_DATA &&
                               frame->kind != FRAME_END && frame->kind != FRAME_CREDIT)) {
        client_dismiss(b, client, bh_MgmtStatus_MGMT_PROTOCOL, "a frame that clients do not send");
        return true;
    }
    if (frame->kind == FRAME_REQUEST && client->asks)
        return false;
    client->asks |= frame->kind == FRAME_REQUEST;
    frame_put(&b->out, client->number, (enum frame_kind)frame->kind, frame->id, frame->payload,
              frame->length);
    return true;
}

/* What was read, as far as it goes on. */
static void client_take(struct broker *b, struct client *client)
{
    while (client->state != CLIENT_LEAVES && client->state != CLIENT_NONE && b->out.count < PORT_BYTES_MAX) {
        if (client->parked) {
            if (!client_frame(b, client, &client->frame))
                return;
            client->parked = false;
            frame_reader_next(&client->reader);
            continue;
        }
        if (client->in_at == client->in_count)
            return;
        client->in_at += frame_reader_take(&client->reader, client->in + client->in_at,
                                           (uint32_t)(client->in_count - client->in_at), &client->frame);
        client->parked = client->frame.payload != NULL;
        if (client->reader.state == READER_LOST)
            client_dismiss(b, client, bh_MgmtStatus_MGMT_PROTOCOL, "what was sent is not a frame");
    }
}

static bool client_is_read(const struct broker *b, const struct client *client)
{
    return client->state == CLIENT_LEAVES ||
           (client->in_at == client->in_count && b->out.count < PORT_BYTES_MAX);
}

static void client_read(struct broker *b, struct client *client)
{
    ssize_t got = read(client->fd, client->in, sizeof(client->in));

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0)
        return client_remove(b, client);
    client->in_at = 0;
    client->in_count = client->state == CLIENT_LEAVES ? 0 : (size_t)got;
}

static void client_serve(struct broker *b, struct client *client, short events)
{
    if (events & (POLLIN | POLLHUP | POLLERR) && client_is_read(b, client))
        client_read(b, client);
    else if (events & (POLLHUP | POLLERR))
        client_remove(b, client);
    if (client->state == CLIENT_NONE)
        return;
    if (!queue_write(&client->out, client->fd) || (client->state == CLIENT_LEAVES && client->out.count == 0))
        client_remove(b, client);
}

/* ---- from the machine ------------------------------------------------------------------------------- */

static void machine_hello(struct broker *b, const struct frame *frame)
{
    pb_istream_t stream = pb_istream_from_buffer(frame->payload, frame->length);
    bh_MgmtHello hello = bh_MgmtHello_init_zero;

    if (!pb_decode(&stream, bh_MgmtHello_fields, &hello))
        return;
    b->hello = hello;
    b->is_up = true;
    if (!hello.answer) {
        clients_dismiss(b, bh_MgmtStatus_MGMT_LOST,
                        "the machine's console has restarted: what was under way is lost; connect again");
        hello_to_machine(b, true);
    }
    for (unsigned i = 0; i < BROKER_CLIENTS_MAX; i++)
        if (b->clients[i].state == CLIENT_WAITS)
            client_admit(b, &b->clients[i]);
}

static void machine_frame(struct broker *b, const struct frame *frame)
{
    struct client *client = client_numbered(b, frame->client);

    if (frame->kind == FRAME_HELLO)
        return machine_hello(b, frame);
    if (!client) /* it has gone meanwhile */
        return;
    if (frame->kind == FRAME_REPLY)
        client->asks = false;
    frame_put(&client->out, 0, (enum frame_kind)frame->kind, frame->id, frame->payload, frame->length);
    if (frame->kind == FRAME_CLOSE)
        client->state = CLIENT_LEAVES;
    else if (client->out.count > CLIENT_BYTES_MAX)
        client_remove(b, client);
}

/* What the machine says is not frames any more: begin again. */
static void machine_lost(struct broker *b)
{
    clients_dismiss(b, bh_MgmtStatus_MGMT_LOST, "the management channel begins again: connect again");
    hello_to_machine(b, false);
}

static void machine_read(struct broker *b)
{
    uint8_t bytes[READ_BYTES];
    ssize_t got = read(b->port, bytes, sizeof(bytes));
    struct frame frame;

    for (ssize_t at = 0; at < got;) {
        enum reader_state before = b->reader.state;

        at += frame_reader_take(&b->reader, bytes + at, (uint32_t)(got - at), &frame);
        if (frame.payload) {
            machine_frame(b, &frame);
            frame_reader_next(&b->reader);
        } else if (before == READER_WITHIN && b->reader.state == READER_LOST) {
            machine_lost(b);
        }
    }
}

/* ---- in all -------------------------------------------------------------------------------------------- */

static int listen_default(const struct options *options)
{
    char *path = socket_path(options->name ? options->name : "default");
    int fd;

    socket_directory_make();
    fd = listen_unix(path, options->name != NULL);
    free(path);
    if (fd >= 0)
        return fd;
    path = must_print("%d", (int)getpid());
    fd = listen_unix(socket_path(path), true);
    free(path);
    return fd;
}

struct broker *broker_open(const struct options *options, int port)
{
    struct broker *b = must_alloc(sizeof(*b));

    b->port = port;
    fcntl(port, F_SETFL, O_NONBLOCK);
    frame_reader_start(&b->reader, READER_LOST);
    b->listeners[b->listener_count++] =
        options->socket ? listen_unix(options->socket, true) : listen_default(options);
    if (options->tcp_port)
        b->listeners[b->listener_count++] = listen_tcp(options->tcp_port);
    hello_to_machine(b, false);
    return b;
}

unsigned broker_wants(struct broker *b, struct pollfd *fds)
{
    unsigned n = 0;

    fds[n++] = (struct pollfd){.fd = b->port, .events = (short)(POLLIN | (b->out.count ? POLLOUT : 0))};
    for (unsigned i = 0; i < b->listener_count; i++)
        fds[n++] = (struct pollfd){.fd = b->listeners[i], .events = POLLIN};
    for (unsigned i = 0; i < BROKER_CLIENTS_MAX; i++) {
        struct client *client = &b->clients[i];

        if (client->state != CLIENT_NONE)
            fds[n++] = (struct pollfd){.fd = client->fd,
                                       .events = (short)((client_is_read(b, client) ? POLLIN : 0) |
                                                         (client->out.count ? POLLOUT : 0))};
    }
    return n;
}

static struct client *client_of_fd(struct broker *b, int fd)
{
    for (unsigned i = 0; i < BROKER_CLIENTS_MAX; i++)
        if (b->clients[i].state != CLIENT_NONE && b->clients[i].fd == fd)
            return &b->clients[i];
    return NULL;
}

void broker_serve(struct broker *b, const struct pollfd *fds, unsigned count)
{
    for (unsigned i = 1 + b->listener_count; i < count; i++) {
        struct client *client = fds[i].revents ? client_of_fd(b, fds[i].fd) : NULL;

        if (client)
            client_serve(b, client, fds[i].revents);
    }
    for (unsigned i = 1; i < 1 + b->listener_count; i++)
        if (fds[i].revents)
            client_accept(b, fds[i].fd);
    if (fds[0].revents & POLLIN)
        machine_read(b);
    for (unsigned i = 0; i < BROKER_CLIENTS_MAX; i++)
        if (b->clients[i].state != CLIENT_NONE)
            client_take(b, &b->clients[i]);
    (void)queue_write(&b->out, b->port); /* a machine that is gone is noticed at its line */
    for (unsigned i = 0; i < BROKER_CLIENTS_MAX; i++)
        if (b->clients[i].out.count > 0)
            (void)queue_write(&b->clients[i].out, b->clients[i].fd);
}

bool broker_is_up(const struct broker *b)
{
    return b->is_up;
}

void broker_end(struct broker *b)
{
    for (unsigned i = 0; i < BROKER_CLIENTS_MAX; i++) {
        struct client *client = &b->clients[i];

        if (client->state == CLIENT_NONE)
            continue;
        if (client->state != CLIENT_LEAVES)
            client_dismiss(b, client, bh_MgmtStatus_MGMT_LOST, "the machine is off");
        (void)queue_write(&client->out, client->fd);
        close(client->fd);
    }
}
