/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clients.c - who is on the management channel, and which of their streams the toolstack has
 */
#include <string.h>

#include "channel.h"

struct channel_client *client_find(struct channel *ch, uint16_t number)
{
    for (uint32_t i = 0; i < CHANNEL_CLIENTS_MAX; i++)
        if (ch->clients[i].state == CLIENT_OPEN && ch->clients[i].number == number)
            return &ch->clients[i];
    return NULL;
}

/* Its place is free once the toolstack knows: then a new client cannot be taken for it. */
void client_forget(struct channel *ch, struct channel_client *client)
{
    attached_drop_all(ch, client->number);
    client->state = CLIENT_GONE;
    client->lost = false;
}

void stream_remove(struct channel_client *client, uint32_t id)
{
    for (uint32_t i = 0; i < CHANNEL_STREAMS_MAX; i++)
        if (client->streams[i] == id)
            client->streams[i] = 0;
}

/* The toolstack allows a client no more than CHANNEL_STREAMS_MAX. */
void stream_add(struct channel_client *client, uint32_t id)
{
    stream_remove(client, id);
    for (uint32_t i = 0; i < CHANNEL_STREAMS_MAX; i++)
        if (client->streams[i] == 0) {
            client->streams[i] = id;
            return;
        }
}
