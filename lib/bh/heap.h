/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap.h - memory of changing sizes within one fixed area
 */
#ifndef BH_HEAP_H
#define BH_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap {
    struct heap_block *first; /* NULL: there is no heap */
    struct heap_block *end;   /* one past the last block */
    struct heap_block *hint;  /* no block below this one is free */
};

void heap_init(struct heap *heap, uintptr_t base, size_t bytes);
void *heap_alloc(struct heap *heap, size_t bytes); /* 16-byte aligned; NULL: no room */
void heap_free(struct heap *heap, void *memory);   /* NULL is OK */
void *heap_resize(struct heap *heap, void *memory, size_t bytes);
size_t heap_bytes_free(const struct heap *heap); /* usable, in all free blocks together */

#endif
