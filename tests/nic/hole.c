/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hole.c - a netdrv whose card meets a page that it cannot reach, once (tests/system/test_nic.py)
 *
 * Linked with --wrap: of the memory that the driver shares with its card one page is missing in the IoSpace
 * until the first refused access has been noticed.
 */
#include "device.h"

#define HOLE_PAGE 60u /* in both drivers one for received packets, reached after a few of them */
#define PAGE_BYTES 4096u

enum status __real_device_memory(struct device *device, uint32_t pages, uint32_t read_only, uint64_t iova,
                                 uint8_t **memory);
enum status __wrap_device_memory(struct device *device, uint32_t pages, uint32_t read_only, uint64_t iova,
                                 uint8_t **memory);
void __real_device_faults_again(const struct device *device);
void __wrap_device_faults_again(struct device *device);

static slot_t hole;
static uint64_t hole_iova;

/* Addresses of our own are given out in a row, so the three parts are one. */
enum status __wrap_device_memory(struct device *device, uint32_t pages, uint32_t read_only, uint64_t iova,
                                 uint8_t **memory)
{
    enum status status = __real_device_memory(device, HOLE_PAGE, read_only, iova, memory);
    uint8_t *rest;

    hole_iova = iova + (uint64_t)HOLE_PAGE * PAGE_BYTES;
    if (status == OK)
        status = bh_map_new_row(bh_ipa_alloc(1), 1, RIGHT_READ | RIGHT_WRITE, &hole);
    if (status != OK)
        return status;
    return __real_device_memory(device, pages - HOLE_PAGE - 1, 0, hole_iova + PAGE_BYTES, &rest);
}

void __wrap_device_faults_again(struct device *device)
{
    slot_t copy = 0;

    if (hole && device_share(device, hole, &copy, hole_iova, RIGHT_READ | RIGHT_WRITE) != OK)
        bh_panic("the hole cannot be filled");
    hole = 0;
    __real_device_faults_again(device);
}
