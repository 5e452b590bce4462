/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * images.h - images that came over the management channel: kernels and ramdisks for `create`
 *
 * An image is memory of mem's pool, on a session of its own, in frames of 2 MiB that are mapped here only
 * while they are filled.  A VM's vmm gets them as read-only frames (init.MapImage).
 * docs/decisions/0010-images-are-the-toolstacks.md says why they are here.
 */
#ifndef TOOLSTACK_IMAGES_H
#define TOOLSTACK_IMAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "init.pb.h"
#include "mgmt.pb.h"

#define IMAGES_MAX 16u
#define IMAGE_BYTES_MAX (1ull << 30) /* as init has it */
#define IMAGE_BLOCK_BYTES 0x200000ull
#define IMAGE_NAME_BYTES 40u
#define IMAGE_DIGEST_BYTES 32u
#define IMAGE_HOLDERS_MAX 16u /* as many clients as the console takes */
#define UPLOADS_MAX 4u        /* under way at once */

enum image_state {
    IMAGE_FREE = 0,
    IMAGE_COMING,
    IMAGE_READY,
};
struct image {
    enum image_state state;
    uint32_t number;                     /* its name is "upload/NUMBER" */
    uint16_t client;                     /* who sends it; 0: nobody */
    uint16_t holders[IMAGE_HOLDERS_MAX]; /* clients that sent it, or were told that it is there, and have not
                                            used it yet */
    uint32_t stream;
    uint64_t bytes, received;
    uint32_t granted; /* bytes that may still come */
    uint32_t frames;  /* the place of the first (image_memory.h); frame_count in a row, frames_made filled */
    uint32_t frame_count, frames_made;
    bool is_mapped; /* the last of them, in the window */
    uint32_t digest_bytes;
    uint8_t digest[IMAGE_DIGEST_BYTES];
    char file[IMAGE_NAME_BYTES];
};

struct toolstack;
struct vm;

/* Whole images of the toolstack before us are ours; what was coming to it is not. */
void images_start(struct toolstack *ts);

/* The image of this name, whole; NULL: there is none. */
struct image *image_find(struct toolstack *ts, const char *name);
void image_name(const struct image *image, char name[IMAGE_NAME_BYTES]);
/* How many VMs need it. */
uint32_t image_users(const struct toolstack *ts, const struct image *image);

/* Begin an upload.  Returns a MgmtStatus; `error` says what and why. */
uint32_t image_upload(struct toolstack *ts, uint16_t client, uint32_t stream,
                      const bh_MgmtUploadRequest *request, bh_MgmtUploadReply *reply, char *error,
                      uint32_t error_bytes);
/* The upload that has this stream; NULL: none. */
struct image *image_of_stream(struct toolstack *ts, uint16_t client, uint32_t stream);
/* Bytes came.  A MgmtStatus: if it is not MGMT_OK, the image is gone. */
uint32_t image_data(struct toolstack *ts, struct image *image, const uint8_t *bytes, uint32_t count,
                    char *error, uint32_t error_bytes);
/* Give it up: nothing of it is left. */
void image_drop(struct toolstack *ts, struct image *image);

/* The client has ended: what it was sending ends, what it has and did not use too. */
void images_client_ended(struct toolstack *ts, uint16_t client);
void images_clients_ended(struct toolstack *ts); /* all of them */
/* A VM was made from what this client has: it is the VM's now. */
void images_used(struct toolstack *ts, const bh_VmConfig *config, uint16_t client);
/* Let go of what nobody needs any more. */
void images_collect(struct toolstack *ts);

/* Sizes of those images that came here; to init before the vmm is built. */
void images_describe(struct toolstack *ts, bh_CreateVmmRequest *request);
/* Give them to the vmm that was built. */
enum status images_map(struct toolstack *ts, const struct vm *vm, char *error, uint32_t error_bytes);

#endif
