/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.h - the client's end of a machine's management channel (docs/management.md)
 *
 * Every wait has a deadline.  What a verb cannot go on after (the machine is gone, says nothing, refuses)
 * ends the tool with a message and an exit status of its own; the functions that say so return instead.
 */
#ifndef BH_CLIENT_H
#define BH_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/mgmt/frame.h"
#include "lib/mgmt/wire.h"
#include "mgmt.pb.h"
#include "mgmt_wire.h"

struct args;
struct client;

/* Connect to the machine that the command line names, and greet it. */
struct client *client_open(const struct args *args);
/* The same at a socket; NULL: it does not answer within so many seconds, or speaks another version. */
struct client *client_try(const char *path, unsigned seconds);
void client_close(struct client *client);
const bh_MgmtHello *client_hello(const struct client *client);
/* What the machine is called in messages. */
const char *client_where(const struct client *client);

/*
 * Ask: method is MGMT_METHOD_..., request and reply its messages.  client_ask() ends the tool when the
 * machine refuses; client_request() returns the MgmtStatus, and then `error` has the machine's text.
 */
void client_ask(struct client *client, uint32_t method, const void *request, void *reply);
uint32_t client_request(struct client *client, uint32_t method, const void *request, void *reply,
                        char error[WIRE_ERROR_BYTES]);
/* Ends the tool as client_ask() does. */
_Noreturn void client_refused(uint32_t status, const char *text);

/* ---- streams; none is open while something is asked */
/* The id of the last request, which is its stream's. */
uint32_t client_stream(const struct client *client);
void client_send(struct client *client, enum frame_kind kind, uint32_t id, const void *payload,
                 uint32_t count);
/* The next frame, which stays until the next call; false: none came for so long. */
bool client_frame(struct client *client, struct frame *frame, unsigned milliseconds);
/* The same; the tool ends when none comes for as long as --timeout says: what is awaited, for the message. */
void client_await(struct client *client, struct frame *frame, const char *what);
/* The status and the text of an END. */
uint32_t client_end_status(const struct frame *frame, char text[WIRE_ERROR_BYTES]);
/* To poll; a frame may be there already: ask client_frame() with 0 first. */
int client_fd(const struct client *client);

/* Wait until the machine has ended the connection; false: it did not for so long. */
bool client_wait_end(struct client *client, unsigned seconds);
/* --timeout, or `otherwise` */
unsigned client_patience(const struct args *args, unsigned otherwise);

#endif
