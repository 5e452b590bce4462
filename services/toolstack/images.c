/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * images.c - images that came over the management channel
 *
 * Always true:  an image that exists has its session at mem, and one that does not has none: closing the
 * session is what takes its memory away from everybody, the vmm included.  A whole image stands in pages that
 * outlive us, and so do its frames' capabilities: VMs that were made from it can start again.
 */
#include "images.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bh.h"
#include "caps_toolstack.h"
#include "copies.h"
#include "image_memory.h"
#include "image_names.h"
#include "init_rpc.h"
#include "mem_rpc.h"
#include "toolstack.h"

#define IMAGES_MAGIC 0x49535442u /* "BTSI" */
#define IMAGES_VERSION 1u

/* Of those that are whole. */
struct saved_image {
    uint32_t number; /* 0: none */
    uint32_t frames, digest_bytes;
    uint32_t spare;
    uint64_t bytes;
    uint8_t digest[IMAGE_DIGEST_BYTES];
    char file[IMAGE_NAME_BYTES];
};
struct saved_images {
    uint64_t next_number;
    struct saved_image images[IMAGES_MAX];
};
_Static_assert(sizeof(struct copy) + sizeof(struct saved_images) <= IMAGES_PERSIST_BYTES / 2,
               "two copies fit");

static struct saved_images saved; /* what stands there */
static struct copies copies;

static uint32_t image_index(const struct toolstack *ts, const struct image *image)
{
    return (uint32_t)(image - ts->images);
}

void image_name(const struct image *image, char name[IMAGE_NAME_BYTES])
{
    snprintf(name, IMAGE_NAME_BYTES, IMAGE_UPLOAD_PREFIX "%u", image->number);
}

struct image *image_find(struct toolstack *ts, const char *name)
{
    char own[IMAGE_NAME_BYTES];

    for (uint32_t i = 0; i < IMAGES_MAX; i++) {
        image_name(&ts->images[i], own);
        if (ts->images[i].state == IMAGE_READY && strcmp(own, name) == 0)
            return &ts->images[i];
    }
    return NULL;
}

struct image *image_of_stream(struct toolstack *ts, uint16_t client, uint32_t stream)
{
    for (uint32_t i = 0; i < IMAGES_MAX; i++)
        if (ts->images[i].state == IMAGE_COMING && ts->images[i].client == client &&
            ts->images[i].stream == stream)
            return &ts->images[i];
    return NULL;
}

/* ---- who needs it ------------------------------------------------------------------------------- */

static bool may_start_again(const bh_VmConfig *config)
{
    return config->on_poweroff == bh_OnEvent_RESTART || config->on_reboot == bh_OnEvent_RESTART ||
           config->on_crash == bh_OnEvent_RESTART;
}

/* A VM that has loaded its images needs them only to start again. */
static bool vm_needs_images(const struct vm *vm)
{
    switch (vm->state) {
    case VM_OFF:
        return vm->is_record; /* it got a new configuration, with an upload, for its next start */
    case VM_PRESERVED:
        return false;
    case VM_RUNNING:
        return may_start_again(&vm->config);
    default:
        return true;
    }
}

static bool config_names(const bh_VmConfig *config, const char *image)
{
    return strcmp(config->kernel, image) == 0 || strcmp(config->ramdisk, image) == 0;
}

uint32_t image_users(const struct toolstack *ts, const struct image *image)
{
    char name[IMAGE_NAME_BYTES];
    uint32_t users = 0;

    image_name(image, name);
    for (uint32_t i = 0; i < ts->vm_count; i++) {
        const struct vm *vm = &ts->vms[i];

        users += vm_needs_images(vm) && config_names(&vm->config, name);
        users += vm->has_next && config_names(&ts->next[i], name);
    }
    return users;
}

static bool image_is_held(const struct image *image)
{
    for (uint32_t i = 0; i < IMAGE_HOLDERS_MAX; i++)
        if (image->holders[i] != 0)
            return true;
    return false;
}

static void image_let_go(struct image *image, uint16_t client)
{
    for (uint32_t i = 0; i < IMAGE_HOLDERS_MAX; i++)
        if (image->holders[i] == client)
            image->holders[i] = 0;
}

/* False: as many clients as there can be have it. */
static bool image_hold(struct image *image, uint16_t client)
{
    image_let_go(image, client);
    for (uint32_t i = 0; i < IMAGE_HOLDERS_MAX; i++) {
        if (image->holders[i] != 0)
            continue;
        image->holders[i] = client;
        return true;
    }
    return false;
}

void images_collect(struct toolstack *ts)
{
    for (uint32_t i = 0; i < IMAGES_MAX; i++) {
        struct image *image = &ts->images[i];

        if (image->state == IMAGE_READY && !image_is_held(image) && image_users(ts, image) == 0)
            image_drop(ts, image);
    }
    if (ts->stale_images == 0)
        return;
    for (uint32_t i = 0; i < ts->vm_count; i++)
        if (ts->vms[i].state == VM_STARTING)
            return; /* it may be loading what the toolstack before us had */
    for (uint32_t i = 0; i < IMAGES_MAX; i++)
        if ((ts->stale_images >> i & 1) && image_memory_close(i))
            ts->stale_images &= ~(1u << i);
}

void images_client_ended(struct toolstack *ts, uint16_t client)
{
    for (uint32_t i = 0; i < IMAGES_MAX; i++) {
        struct image *image = &ts->images[i];

        if (image->state == IMAGE_COMING && image->client == client)
            image_drop(ts, image);
        else if (image->state == IMAGE_READY)
            image_let_go(image, client);
    }
    images_collect(ts);
}

void images_clients_ended(struct toolstack *ts)
{
    for (uint32_t i = 0; i < IMAGES_MAX; i++) {
        if (ts->images[i].state == IMAGE_COMING)
            image_drop(ts, &ts->images[i]);
        memset(ts->images[i].holders, 0, sizeof ts->images[i].holders);
    }
    images_collect(ts);
}

void images_used(struct toolstack *ts, const bh_VmConfig *config, uint16_t client)
{
    struct image *kernel = image_find(ts, config->kernel);
    struct image *ramdisk = image_find(ts, config->ramdisk);

    if (kernel)
        image_let_go(kernel, client);
    if (ramdisk)
        image_let_go(ramdisk, client);
}

/* ---- over a restart of ours ---------------------------------------------------------------------- */

static void images_save(const struct toolstack *ts)
{
    static struct saved_images now;

    memset(&now, 0, sizeof now);
    now.next_number = ts->image_number;
    for (uint32_t i = 0; i < IMAGES_MAX; i++) {
        const struct image *image = &ts->images[i];
        struct saved_image *to = &now.images[i];

        if (image->state != IMAGE_READY)
            continue;
        to->number = image->number;
        to->frames = image->frames;
        to->bytes = image->bytes;
        to->digest_bytes = image->digest_bytes;
        memcpy(to->digest, image->digest, sizeof to->digest);
        memcpy(to->file, image->file, sizeof to->file);
    }
    copies_put(&copies, &saved, &now, sizeof now);
}

static uint32_t frames_of(uint64_t bytes)
{
    return (uint32_t)((bytes + IMAGE_BLOCK_BYTES - 1) / IMAGE_BLOCK_BYTES);
}

/* The page was ours alone, but we died: what decides which capability is used is judged again. */
static bool saved_is_good(const struct saved_image *was)
{
    if (was->number == 0 || was->bytes == 0 || was->bytes > IMAGE_BYTES_MAX ||
        was->digest_bytes > IMAGE_DIGEST_BYTES || was->frames > IMAGE_FRAMES_MAX ||
        frames_of(was->bytes) > IMAGE_FRAMES_MAX - was->frames)
        return false;
    for (uint32_t i = 0; i < frames_of(was->bytes); i++)
        if (!image_frame_exists(was->frames + i))
            return false;
    return true;
}

static void image_recover(struct image *image, const struct saved_image *was)
{
    *image = (struct image){.state = IMAGE_READY,
                            .number = was->number,
                            .bytes = was->bytes,
                            .received = was->bytes,
                            .frames = was->frames,
                            .frame_count = frames_of(was->bytes),
                            .frames_made = frames_of(was->bytes),
                            .digest_bytes = was->digest_bytes};
    memcpy(image->digest, was->digest, sizeof image->digest);
    memcpy(image->file, was->file, sizeof image->file - 1);
}

void images_start(struct toolstack *ts)
{
    copies = (struct copies){.at = image_memory_persistent(),
                             .copy_bytes = IMAGES_PERSIST_BYTES / 2,
                             .magic = IMAGES_MAGIC,
                             .version = IMAGES_VERSION};
    copies_get(&copies, &saved, sizeof saved);
    ts->image_number = saved.next_number ? (uint32_t)saved.next_number : 1;
    ts->stale_images = 0;
    for (uint32_t i = 0; i < IMAGES_MAX; i++) {
        if (saved_is_good(&saved.images[i]))
            image_recover(&ts->images[i], &saved.images[i]);
        else
            ts->stale_images |= 1u << i;
    }
    images_collect(ts);
}

/* ---- coming -------------------------------------------------------------------------------------- */

static struct image *image_present(struct toolstack *ts, const bh_MgmtUploadRequest *request)
{
    for (uint32_t i = 0; i < IMAGES_MAX; i++) {
        struct image *image = &ts->images[i];

        if (image->state == IMAGE_READY && image->bytes == request->bytes && request->digest.size > 0 &&
            image->digest_bytes == request->digest.size &&
            memcmp(image->digest, request->digest.bytes, request->digest.size) == 0)
            return image;
    }
    return NULL;
}

static struct image *image_free(struct toolstack *ts)
{
    struct image *found = NULL;
    uint32_t coming = 0;

    for (uint32_t i = 0; i < IMAGES_MAX; i++) {
        coming += ts->images[i].state == IMAGE_COMING;
        if (ts->images[i].state == IMAGE_FREE && !(ts->stale_images >> i & 1))
            found = &ts->images[i];
    }
    return coming < UPLOADS_MAX ? found : NULL;
}

/* The end of an image that has one of the frames [first, first + count), or 0. */
static uint32_t frames_collision(const struct toolstack *ts, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < IMAGES_MAX; i++) {
        const struct image *other = &ts->images[i];

        if (other->state != IMAGE_FREE && other->frames < first + count &&
            first < other->frames + other->frame_count)
            return other->frames + other->frame_count;
    }
    return 0;
}

/* The lowest places for `count` frames in a row; each collision moves it up behind one of the images. */
static uint32_t frames_place(const struct toolstack *ts, uint32_t count)
{
    uint32_t first = 0, end;

    while ((end = frames_collision(ts, first, count)) != 0)
        first = end;
    return first;
}

/* Its memory is promised before the first byte comes; it is fetched as they do. */
static enum status image_begin(struct toolstack *ts, struct image *image, const bh_MgmtUploadRequest *request,
                               char *error, uint32_t error_bytes)
{
    uint32_t count = frames_of(request->bytes), first = frames_place(ts, count);
    enum status status;

    if (count > IMAGE_FRAMES_MAX - first) {
        snprintf(error, error_bytes, "the toolstack has no slots left for an image of %llu MiB",
                 (unsigned long long)(request->bytes >> 20));
        return ERR_FULL;
    }
    status = image_memory_open(image_index(ts, image), count * IMAGE_BLOCK_BYTES, error, error_bytes);
    if (status != OK) {
        ts->stale_images |= 1u << image_index(ts, image); /* mem may have it open and not have said so */
        return status;
    }
    memset(image, 0, sizeof *image);
    image->frames = first;
    image->frame_count = count;
    image->bytes = request->bytes;
    image->number = ts->image_number++;
    image->digest_bytes = request->digest.size;
    memcpy(image->digest, request->digest.bytes, request->digest.size);
    snprintf(image->file, sizeof image->file, "%s", request->file);
    return OK;
}

uint32_t image_upload(struct toolstack *ts, uint16_t client, uint32_t stream,
                      const bh_MgmtUploadRequest *request, bh_MgmtUploadReply *reply, char *error,
                      uint32_t error_bytes)
{
    struct image *image = image_present(ts, request);

    if (request->bytes == 0 || request->bytes > IMAGE_BYTES_MAX) {
        snprintf(error, error_bytes, "%s: an image has from 1 byte to 1 GiB", request->file);
        return bh_MgmtStatus_MGMT_BAD_REQUEST;
    }
    if (image) {
        if (!image_hold(image, client)) {
            snprintf(error, error_bytes, "%s: %u clients have it already", request->file, IMAGE_HOLDERS_MAX);
            return bh_MgmtStatus_MGMT_FULL;
        }
        reply->present = true;
        image_name(image, reply->image);
        return bh_MgmtStatus_MGMT_OK;
    }
    image = image_free(ts);
    if (!image) {
        snprintf(error, error_bytes, "%s: the machine holds %u images, and takes %u at a time", request->file,
                 IMAGES_MAX, UPLOADS_MAX);
        return bh_MgmtStatus_MGMT_FULL;
    }
    if (image_begin(ts, image, request, error, error_bytes) != OK)
        return bh_MgmtStatus_MGMT_REFUSED;
    image->state = IMAGE_COMING;
    image->client = client;
    image->stream = stream;
    image_name(image, reply->image);
    return bh_MgmtStatus_MGMT_OK;
}

void image_drop(struct toolstack *ts, struct image *image)
{
    if (!image_memory_close(image_index(ts, image)))
        ts->stale_images |= 1u << image_index(ts, image);
    for (uint32_t i = 0; i < image->frames_made; i++)
        image_frame_drop(image->frames + i);
    memset(image, 0, sizeof *image);
    images_save(ts);
}

/* The frame that the next byte goes to is mapped in the window. */
static enum status frame_ready(struct toolstack *ts, struct image *image, char *error, uint32_t error_bytes)
{
    uint32_t index = image_index(ts, image);
    enum status status;

    if (image->received < image->frames_made * IMAGE_BLOCK_BYTES)
        return OK;
    if (image->is_mapped)
        image_window_close(image->frames + image->frames_made - 1);
    image->is_mapped = false;
    status = image_memory_frame(index, image->frames + image->frames_made, error, error_bytes);
    if (status != OK)
        return status;
    image->frames_made++;
    image->is_mapped = true;
    return OK;
}

static uint32_t smaller(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

static enum status bytes_put(struct toolstack *ts, struct image *image, const uint8_t *bytes, uint32_t count,
                             char *error, uint32_t error_bytes)
{
    while (count > 0) {
        enum status status = frame_ready(ts, image, error, error_bytes);

        if (status != OK)
            return status;
        uint64_t at = image->received % IMAGE_BLOCK_BYTES;
        uint32_t piece = smaller(count, IMAGE_BLOCK_BYTES - at);

        memcpy(image_window(image_index(ts, image)) + at, bytes, piece);
        image->received += piece;
        bytes += piece;
        count -= piece;
    }
    return OK;
}

uint32_t image_data(struct toolstack *ts, struct image *image, const uint8_t *bytes, uint32_t count,
                    char *error, uint32_t error_bytes)
{
    if (count > image->granted || count > image->bytes - image->received) {
        snprintf(error, error_bytes, "%s: more was sent than the machine gave credit for", image->file);
        image_drop(ts, image);
        return bh_MgmtStatus_MGMT_PROTOCOL;
    }
    image->granted -= count;
    if (bytes_put(ts, image, bytes, count, error, error_bytes) != OK) {
        image_drop(ts, image);
        return bh_MgmtStatus_MGMT_REFUSED;
    }
    if (image->received < image->bytes)
        return bh_MgmtStatus_MGMT_OK;
    image_window_close(image->frames + image->frames_made - 1);
    image->is_mapped = false;
    image->state = IMAGE_READY;
    image->holders[0] = image->client;
    image->client = 0;
    images_save(ts);
    return bh_MgmtStatus_MGMT_OK;
}

/* ---- to a vmm ------------------------------------------------------------------------------------- */

void images_describe(struct toolstack *ts, bh_CreateVmmRequest *request)
{
    const struct image *kernel = image_find(ts, request->kernel);
    const struct image *ramdisk = image_find(ts, request->ramdisk);

    request->kernel_bytes = kernel ? kernel->bytes : 0;
    request->ramdisk_bytes = ramdisk ? ramdisk->bytes : 0;
}

static enum status frames_send(const struct image *image, const bh_MapImageRequest *request, uint32_t first,
                               uint32_t count, char *error, uint32_t error_bytes)
{
    struct rpc_caps caps = {0};
    bh_InitStatus reply = bh_InitStatus_init_zero;
    enum status status = OK;

    while (status == OK && caps.in_count < count) {
        status = image_frame_copy(image->frames + first + caps.in_count, &caps.in[caps.in_count]);
        caps.in_count += status == OK;
    }
    if (status == OK)
        status = init_rpc_map_image(CAP_INIT, request, &reply, &caps, bh_after_ms(ASK_MS));
    if (status == OK)
        status = (enum status)reply.status;
    if (status != OK)
        snprintf(error, error_bytes, "domain: %s", reply.error[0] ? reply.error : bh_status_name(status));
    for (uint32_t i = 0; i < caps.in_count; i++)
        bh_slot_drop(caps.in[i]);
    for (uint32_t i = 0; i < caps.out_count; i++)
        bh_slot_drop(caps.out[i]);
    return status;
}

static enum status image_send(const struct image *image, uint32_t id, bool is_ramdisk, char *error,
                              uint32_t error_bytes)
{
    bh_MapImageRequest request = {.vm_id = id, .is_ramdisk = is_ramdisk};
    enum status status = OK;

    for (uint32_t at = 0; image && status == OK && at < image->frame_count; at += IPC_CAPS_MAX) {
        request.offset = at * IMAGE_BLOCK_BYTES;
        status = frames_send(image, &request, at, smaller(image->frame_count - at, IPC_CAPS_MAX), error,
                             error_bytes);
    }
    return status;
}

enum status images_map(struct toolstack *ts, const struct vm *vm, char *error, uint32_t error_bytes)
{
    enum status status = image_send(image_find(ts, vm->config.kernel), vm_id(vm), false, error, error_bytes);

    if (status == OK)
        status = image_send(image_find(ts, vm->config.ramdisk), vm_id(vm), true, error, error_bytes);
    return status;
}
