/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * upload.c - a file becomes an image of a machine
 */
#define _GNU_SOURCE
#include "upload.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fail.h"
#include "print.h"
#include "sha256.h"

#define BAR_COLUMNS 30u
#define BAR_EVERY_MS 100
#define UPLOAD_BYTES_MAX ((uint64_t)1 << 30) /* docs/management.md */

struct upload {
    struct client *client;
    const char *what;
    const struct file *file;
    const char *base_name;
    uint32_t stream;
    uint64_t sent, credit;
    bool shows_progress, has_ended;
    int64_t started_ms, shown_ms;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

static void bar_show(struct upload *u, bool at_once)
{
    int64_t now = now_ms(), elapsed = now - u->started_ms;
    uint64_t total = u->file->size_bytes;
    unsigned filled = (unsigned)(u->sent * BAR_COLUMNS / total);
    char bar[BAR_COLUMNS + 1];

    if (!u->shows_progress || (!at_once && now - u->shown_ms < BAR_EVERY_MS))
        return;
    u->shown_ms = now;
    memset(bar, '.', BAR_COLUMNS);
    memset(bar, '#', filled);
    bar[BAR_COLUMNS] = '\0';
    fprintf(stderr, "\r%s %s [%s] %3u %% of %" PRIu64 ".%" PRIu64 " MiB, %" PRIu64 " KiB/s ", u->what,
            u->base_name, bar, (unsigned)(u->sent * 100 / total), total / MIB, total % MIB * 10 / MIB,
            elapsed > 0 ? u->sent * 1000 / 1024 / (uint64_t)elapsed : 0);
    if (u->sent == total)
        fputc('\n', stderr);
    fflush(stderr);
}

static _Noreturn void fail_upload(const struct upload *u, uint32_t status, const char *text)
{
    if (u->shows_progress && u->sent < u->file->size_bytes)
        fputc('\n', stderr);
    client_refused(status, must_print("%s: %s: %s", u->what, u->file->path, text));
}

/* The next frame of the stream: credit, or its end. */
static void frame_take(struct upload *u)
{
    char text[WIRE_ERROR_BYTES];
    struct frame frame;
    uint32_t status;

    client_await(u->client, &frame, "room for the next bytes of an upload");
    if (frame.id != u->stream)
        return;
    if (frame.kind == FRAME_CREDIT)
        u->credit += frame_u32(frame.payload);
    if (frame.kind != FRAME_END)
        return;
    status = client_end_status(&frame, text);
    if (status != bh_MgmtStatus_MGMT_OK || u->sent < u->file->size_bytes)
        fail_upload(u, status ? status : bh_MgmtStatus_MGMT_LOST, *text ? text : "the upload has ended");
    u->has_ended = true;
}

static void piece_send(struct upload *u)
{
    uint64_t left = u->file->size_bytes - u->sent, piece = left < u->credit ? left : u->credit;

    if (piece > FRAME_PAYLOAD_MAX)
        piece = FRAME_PAYLOAD_MAX;
    client_send(u->client, FRAME_DATA, u->stream, u->file->bytes + u->sent, (uint32_t)piece);
    u->sent += piece;
    u->credit -= piece;
}

static void all_send(struct upload *u)
{
    u->started_ms = now_ms();
    while (u->sent < u->file->size_bytes) {
        if (u->credit == 0)
            frame_take(u);
        else
            piece_send(u);
        bar_show(u, u->sent == u->file->size_bytes);
    }
    while (!u->has_ended)
        frame_take(u);
}

void image_upload(struct client *client, const char *what, const struct file *file, bool shows_progress,
                  char *name, size_t name_bytes)
{
    const char *slash = strrchr(file->path, '/');
    struct upload u = {.client = client, .what = what, .file = file, .shows_progress = shows_progress};
    bh_MgmtUploadRequest request = bh_MgmtUploadRequest_init_zero;
    bh_MgmtUploadReply reply;
    char error[WIRE_ERROR_BYTES];
    uint32_t status;

    u.base_name = slash ? slash + 1 : file->path;
    if (file->size_bytes > UPLOAD_BYTES_MAX)
        fail("%s: %s is larger than 1 GiB, the most that an upload can be", what, file->path);
    snprintf(request.file, sizeof(request.file), "%s", u.base_name);
    request.bytes = file->size_bytes;
    request.digest.size = SHA256_BYTES;
    sha256(request.digest.bytes, file->bytes, file->size_bytes);
    status = client_request(client, MGMT_METHOD_UPLOAD, &request, &reply, error);
    if (status != bh_MgmtStatus_MGMT_OK)
        fail_upload(&u, status, error);
    u.stream = client_stream(client);
    if (!reply.present)
        all_send(&u);
    snprintf(name, name_bytes, "%s", reply.image);
}
