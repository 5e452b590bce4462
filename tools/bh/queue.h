/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue.h - bytes that wait for a file descriptor to take them
 */
#ifndef BH_QUEUE_H
#define BH_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue {
    uint8_t *bytes;
    size_t at, count, room; /* bytes[at .. at + count) wait */
};

void queue_put(struct queue *queue, const void *bytes, size_t count);
/* Write what the descriptor takes now; false: it is broken. */
bool queue_write(struct queue *queue, int fd);
void queue_free(struct queue *queue);

#endif
