/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * malloc.c - the C library's names for the service's heap
 *
 * Nothing of musl's allocator is linked: these are defined first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"
#include "internal.h"
#include "thread.h"

struct heap bh_heap;

void *malloc(size_t bytes)
{
    void *memory;

    bh_main_only();
    memory = heap_alloc(&bh_heap, bytes);
    if (!memory)
        errno = ENOMEM;
    return memory;
}

void free(void *memory)
{
    bh_main_only();
    heap_free(&bh_heap, memory);
}

void *calloc(size_t count, size_t size)
{
    size_t bytes;
    void *memory;

    bh_main_only();
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    memory =
        heap_alloc(&bh_heap, bytes); /* not malloc(): the compiler would make malloc and memset a calloc */
    if (!memory) {
        errno = ENOMEM;
        return NULL;
    }
    return memset(memory, 0, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    void *moved;

    bh_main_only();
    if (!memory)
        return malloc(bytes);
    moved = heap_resize(&bh_heap, memory, bytes);
    if (!moved)
        errno = ENOMEM;
    return moved;
}
