/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_toolstack_images.c - services/toolstack: whose an uploaded image is, and when it goes
 *
 * mem and init are faked: an image's memory is one buffer, which is open or not.
 *
 * links: services/toolstack/images.c lib/bh/status.c lib/bh/copies.c lib/bh/crc32.c
 * flags: -Iservices/toolstack
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bh.h"
#include "image_memory.h"
#include "init_rpc.h"
#include "toolstack.h"

#define ANNE 3u
#define BERT 4u
#define STREAM 9u

static struct toolstack ts;
static bool is_open[IMAGES_MAX], exists[IMAGE_FRAMES_MAX];
static bool open_is_lost, close_fails; /* mem restarts */
static uint8_t persistent[IMAGES_PERSIST_BYTES];
static uint8_t window[IMAGES_MAX][IMAGE_BLOCK_BYTES];
static char error[ERROR_BYTES];

/* ---- the fakes */

enum status image_memory_open(uint32_t index, uint64_t bytes, char *text, uint32_t text_bytes)
{
    (void)bytes, (void)text, (void)text_bytes;
    if (is_open[index])
        return ERR_EXIST;
    is_open[index] = true;
    return open_is_lost ? ERR_TIME : OK;
}
bool image_memory_close(uint32_t index)
{
    if (close_fails)
        return false;
    is_open[index] = false;
    return true;
}
enum status image_memory_frame(uint32_t index, uint32_t frame, char *text, uint32_t text_bytes)
{
    (void)text, (void)text_bytes;
    assert_true(is_open[index]);
    assert_false(exists[frame]);
    exists[frame] = true;
    return OK;
}
bool image_frame_exists(uint32_t frame)
{
    return exists[frame];
}
void image_frame_drop(uint32_t frame)
{
    exists[frame] = false;
}
uint8_t *image_memory_persistent(void)
{
    return persistent;
}
uint8_t *image_window(uint32_t index)
{
    return window[index];
}
void image_window_close(uint32_t frame)
{
    (void)frame;
}
enum status image_frame_copy(uint32_t frame, slot_t *copy)
{
    *copy = frame + 1000;
    return OK;
}
enum status init_rpc_map_image(slot_t ep, const bh_MapImageRequest *req, bh_InitStatus *rep,
                               struct rpc_caps *caps, uint64_t deadline)
{
    (void)ep, (void)req, (void)rep, (void)caps, (void)deadline;
    return OK;
}
uint64_t bh_after_ms(uint64_t ms)
{
    return ms;
}
void bh_slot_drop(slot_t slot)
{
    (void)slot;
}
void bh_log(const char *format, ...)
{
    (void)format;
}

/* ---- scenes */

static int scene(void **state)
{
    (void)state;
    memset(&ts, 0, sizeof ts);
    memset(is_open, 0, sizeof is_open);
    open_is_lost = close_fails = false;
    memset(exists, 0, sizeof exists);
    memset(persistent, 0, sizeof persistent);
    images_start(&ts);
    return 0;
}

static bh_MgmtUploadReply ask(uint16_t client, char digest)
{
    bh_MgmtUploadRequest request = {.file = "kernel", .bytes = 100, .digest = {.size = 32}};
    bh_MgmtUploadReply reply = bh_MgmtUploadReply_init_zero;

    memset(request.digest.bytes, digest, 32);
    assert_int_equal(image_upload(&ts, client, STREAM, &request, &reply, error, sizeof error),
                     bh_MgmtStatus_MGMT_OK);
    return reply;
}

static bh_MgmtUploadReply upload(uint16_t client, char digest)
{
    static const uint8_t bytes[100];
    bh_MgmtUploadReply reply = ask(client, digest);

    if (reply.present)
        return reply;
    struct image *image = image_of_stream(&ts, client, STREAM);

    assert_non_null(image);
    image->granted = 100;
    assert_int_equal(image_data(&ts, image, bytes, 100, error, sizeof error), bh_MgmtStatus_MGMT_OK);
    return reply;
}

/* A VM of this client's that loads the image. */
static struct vm *create(uint16_t client, const char *kernel)
{
    struct vm *vm = &ts.vms[ts.vm_count++];

    snprintf(vm->config.kernel, sizeof vm->config.kernel, "%s", kernel);
    vm->state = VM_STARTING;
    images_used(&ts, &vm->config, client);
    return vm;
}

static bool is_there(const char *name)
{
    images_collect(&ts);
    return image_find(&ts, name) != NULL;
}

static void an_image_is_there_until_its_vm_runs(void **state)
{
    bh_MgmtUploadReply image = upload(ANNE, 'x');

    (void)state;
    assert_false(image.present);
    assert_true(is_there(image.image));
    struct vm *vm = create(ANNE, image.image);

    assert_true(is_there(image.image));
    vm->state = VM_RUNNING;
    assert_false(is_there(image.image));
    assert_false(is_open[0] || is_open[IMAGES_MAX - 1]);
}

static void who_was_told_that_it_is_there_may_use_it(void **state)
{
    bh_MgmtUploadReply image = upload(ANNE, 'x');
    struct vm *annes = create(ANNE, image.image);

    (void)state;
    assert_true(upload(BERT, 'x').present);
    annes->state = VM_OFF; /* the VM ends before the other client says what it wants */
    assert_true(is_there(image.image));
    struct vm *berts = create(BERT, image.image);

    assert_true(is_there(image.image));
    berts->state = VM_OFF;
    assert_false(is_there(image.image));
}

static void a_client_that_ends_lets_go_of_its_own(void **state)
{
    bh_MgmtUploadReply image = upload(ANNE, 'x');

    (void)state;
    assert_true(upload(BERT, 'x').present);
    assert_true(upload(BERT, 'x').present); /* once more is once */
    images_client_ended(&ts, ANNE);
    assert_true(is_there(image.image));
    images_client_ended(&ts, BERT);
    assert_false(is_there(image.image));

    image = upload(ANNE, 'x');
    (void)upload(BERT, 'x');
    images_clients_ended(&ts);
    assert_false(is_there(image.image));
}

static void half_an_upload_ends_with_its_client(void **state)
{
    (void)state;
    (void)ask(ANNE, 'x');
    assert_false(ask(BERT, 'x').present); /* not whole yet: it sends its own */
    images_client_ended(&ts, ANNE);
    assert_null(image_of_stream(&ts, ANNE, STREAM));
    assert_non_null(image_of_stream(&ts, BERT, STREAM));
    images_clients_ended(&ts);
    assert_null(image_of_stream(&ts, BERT, STREAM));
    for (uint32_t i = 0; i < IMAGES_MAX; i++)
        assert_false(is_open[i]);
}

/* ---- we die */

/* VMs are known again before images are. */
static void start_again(void)
{
    static struct vm vms[VMS_MAX];
    uint32_t count = ts.vm_count;

    memcpy(vms, ts.vms, sizeof vms);
    memset(&ts, 0, sizeof ts);
    memcpy(ts.vms, vms, sizeof vms);
    ts.vm_count = count;
    images_start(&ts);
}

static void a_vm_that_may_start_again_finds_its_image_after_a_restart(void **state)
{
    bh_MgmtUploadReply image = upload(ANNE, 'x'), other;
    struct vm *vm = create(ANNE, image.image);

    (void)state;
    vm->config.on_reboot = bh_OnEvent_RESTART;
    vm->state = VM_RUNNING;
    start_again();
    assert_true(is_there(image.image));
    assert_int_equal(image_find(&ts, image.image)->bytes, 100);
    assert_true(upload(BERT, 'x').present);
    other = upload(BERT, 'y');
    assert_string_not_equal(other.image, image.image); /* no number twice */
    assert_int_not_equal(image_find(&ts, other.image)->frames, image_find(&ts, image.image)->frames);
    ts.vms[0].state = VM_OFF;
    images_client_ended(&ts, BERT);
    assert_false(is_there(image.image));
    for (uint32_t i = 0; i < IMAGES_MAX; i++)
        assert_false(is_open[i]);
}

static void what_nobody_needs_and_what_was_half_there_is_gone_after_a_restart(void **state)
{
    bh_MgmtUploadReply image = upload(ANNE, 'x');

    (void)state;
    (void)ask(BERT, 'y');
    start_again();
    assert_false(is_there(image.image));
    for (uint32_t i = 0; i < IMAGES_MAX; i++)
        assert_false(is_open[i]);
}

static void an_image_whose_memory_is_gone_is_none_after_a_restart(void **state)
{
    bh_MgmtUploadReply image = upload(ANNE, 'x');
    struct vm *vm = create(ANNE, image.image);

    (void)state;
    exists[image_find(&ts, image.image)->frames] = false;
    start_again();
    assert_true(is_open[IMAGES_MAX - 1]); /* a vmm may be loading what is left of it */
    assert_false(is_there(image.image));
    vm->state = VM_OFF;
    images_collect(&ts);
    assert_false(is_open[IMAGES_MAX - 1]);
}

static void images_have_frames_of_their_own_and_there_is_an_end_of_them(void **state)
{
    bh_MgmtUploadRequest request = {.file = "large", .bytes = 3 * IMAGE_BLOCK_BYTES, .digest = {.size = 32}};
    bh_MgmtUploadReply reply = bh_MgmtUploadReply_init_zero;

    (void)state;
    assert_int_equal(image_upload(&ts, ANNE, 1, &request, &reply, error, sizeof error),
                     bh_MgmtStatus_MGMT_OK);
    request.bytes = IMAGE_BYTES_MAX;
    assert_int_equal(image_upload(&ts, ANNE, 2, &request, &reply, error, sizeof error),
                     bh_MgmtStatus_MGMT_OK);
    assert_int_equal(image_of_stream(&ts, ANNE, 2)->frames, 3);
    assert_int_equal(image_upload(&ts, ANNE, 3, &request, &reply, error, sizeof error),
                     bh_MgmtStatus_MGMT_REFUSED);
    assert_string_equal(error, "the toolstack has no slots left for an image of 1024 MiB");
    images_client_ended(&ts, ANNE);
    assert_int_equal(image_upload(&ts, BERT, 3, &request, &reply, error, sizeof error),
                     bh_MgmtStatus_MGMT_OK);
    assert_int_equal(image_of_stream(&ts, BERT, 3)->frames, 0);
}

static void a_place_that_mem_may_have_open_is_closed_before_it_is_used(void **state)
{
    bh_MgmtUploadRequest request = {.file = "kernel", .bytes = 100, .digest = {.size = 32}};
    bh_MgmtUploadReply reply = bh_MgmtUploadReply_init_zero;
    bh_MgmtUploadReply image;

    (void)state;
    open_is_lost = true;
    assert_int_equal(image_upload(&ts, ANNE, 1, &request, &reply, error, sizeof error),
                     bh_MgmtStatus_MGMT_REFUSED);
    open_is_lost = false;
    image = upload(ANNE, 'x'); /* in another place */
    assert_true(is_there(image.image));
    assert_int_equal(is_open[IMAGES_MAX - 1], false);
    close_fails = true;
    images_client_ended(&ts, ANNE);
    assert_false(is_there(image.image));
    assert_true(is_open[IMAGES_MAX - 2]);
    close_fails = false;
    images_collect(&ts);
    for (uint32_t i = 0; i < IMAGES_MAX; i++)
        assert_false(is_open[i]);
}

#define TEST(name) cmocka_unit_test_setup(name, scene)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_image_is_there_until_its_vm_runs),
        TEST(who_was_told_that_it_is_there_may_use_it),
        TEST(a_client_that_ends_lets_go_of_its_own),
        TEST(half_an_upload_ends_with_its_client),
        TEST(a_vm_that_may_start_again_finds_its_image_after_a_restart),
        TEST(what_nobody_needs_and_what_was_half_there_is_gone_after_a_restart),
        TEST(an_image_whose_memory_is_gone_is_none_after_a_restart),
        TEST(images_have_frames_of_their_own_and_there_is_an_end_of_them),
        TEST(a_place_that_mem_may_have_open_is_closed_before_it_is_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
