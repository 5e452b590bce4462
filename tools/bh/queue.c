/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue.c - bytes that wait for a file descriptor to take them
 */
#define _GNU_SOURCE
#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fail.h"

void queue_put(struct queue *queue, const void *bytes, size_t count)
{
    if (queue->at > 0 && queue->at + queue->count + count > queue->room) {
        memmove(queue->bytes, queue->bytes + queue->at, queue->count);
        queue->at = 0;
    }
    if (queue->count + count > queue->room) {
        size_t room = 2 * (queue->count + count);
        uint8_t *larger = realloc(queue->bytes, room);

        if (!larger)
            fail("out of memory (%zu bytes)", room);
        queue->bytes = larger;
        queue->room = room;
    }
    memcpy(queue->bytes + queue->at + queue->count, bytes, count);
    queue->count += count;
}

bool queue_write(struct queue *queue, int fd)
{
    while (queue->count > 0) {
        ssize_t done = send(fd, queue->bytes + queue->at, queue->count, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        queue->at += (size_t)done;
        queue->count -= (size_t)done;
    }
    queue->at = 0;
    return true;
}

void queue_free(struct queue *queue)
{
    free(queue->bytes);
    *queue = (struct queue){0};
}
