/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.c - the machine's last words, taken out of what its serial line says
 */
#include "wire.h"

#include <string.h>

static const char prefix[] = "\x1b]bh;exit=";
#define PREFIX_BYTES (sizeof(prefix) - 1)
#define STATUS_MAX 255

/* Whether the held bytes can still become a sequence. */
static bool is_candidate(const struct wire *w)
{
    size_t compare = w->held_bytes < PREFIX_BYTES ? w->held_bytes : PREFIX_BYTES;
    size_t i = PREFIX_BYTES;

    if (w->held_bytes == WIRE_SEQUENCE_MAX || memcmp(w->held, prefix, compare))
        return false;
    while (i < w->held_bytes && w->held[i] >= '0' && w->held[i] <= '9')
        i++;
    if (i >= w->held_bytes)
        return i - PREFIX_BYTES <= 3 || w->held_bytes <= PREFIX_BYTES;
    if (w->held[i] != ';' || i == PREFIX_BYTES)
        return false;
    for (i++; i < w->held_bytes; i++)
        if ((unsigned char)w->held[i] < 0x20 && w->held[i] != '\a')
            return false;
    return true;
}

/* The held bytes are a candidate that ends in BEL. */
static void take(struct wire *w)
{
    size_t i = PREFIX_BYTES, length;
    int status = 0;

    for (; w->held[i] != ';'; i++)
        status = status * 10 + (w->held[i] - '0');
    i++;
    length = w->held_bytes - 1 - i;
    memcpy(w->text, w->held + i, length);
    w->text[length] = '\0';
    w->status = status > STATUS_MAX ? STATUS_MAX : status;
    w->ended = true;
    w->held_bytes = 0;
}

/* Let go of the first held byte, and of what can then not be a start either. */
static size_t release(struct wire *w, char *out)
{
    size_t released = 0;

    do {
        out[released++] = w->held[0];
        memmove(w->held, w->held + 1, --w->held_bytes);
    } while (w->held_bytes && !is_candidate(w));
    return released;
}

size_t wire_filter(struct wire *w, const char *in, size_t count, char *out)
{
    size_t produced = 0;

    for (size_t i = 0; i < count; i++) {
        w->held[w->held_bytes++] = in[i];
        if (!is_candidate(w))
            produced += release(w, out + produced);
        else if (in[i] == '\a')
            take(w);
    }
    return produced;
}

size_t wire_flush(struct wire *w, char *out)
{
    size_t count = w->held_bytes;

    memcpy(out, w->held, count);
    w->held_bytes = 0;
    return count;
}
