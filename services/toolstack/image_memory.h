/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image_memory.h - what images.c asks of mem and of the kernel
 */
#ifndef TOOLSTACK_IMAGE_MEMORY_H
#define TOOLSTACK_IMAGE_MEMORY_H

#include <stdint.h>

#include "abi.h"

#define IMAGE_SLOTS_SPARE 128u /* what VMs and messages still need */

/* A session at mem for images[index]. */
enum status image_memory_open(uint32_t index, uint64_t bytes, char *error, uint32_t error_bytes);
/* All of its memory is mem's again, whoever had it; no such session is as good. */
void image_memory_close(uint32_t index);
/* Fetch its next 2 MiB as a Frame in `slot` and map it, zero, in its window. */
enum status image_memory_frame(uint32_t index, slot_t slot, char *error, uint32_t error_bytes);
/* Where the image's frame is seen while it is filled. */
uint8_t *image_window(uint32_t index);
void image_window_close(slot_t frame);
/* A read-only copy in a fresh slot. */
enum status image_frame_copy(slot_t frame, slot_t *copy) BH_NODISCARD;

#endif
