/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image_memory.h - what images.c asks of mem and of the kernel
 */
#ifndef TOOLSTACK_IMAGE_MEMORY_H
#define TOOLSTACK_IMAGE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

#define IMAGE_FRAMES_MAX 1024u /* of all images together; slots that outlive us (lib/rpc/kept.h) */

/* First of all: forget what an earlier life had, but for the frames of images. */
void image_memory_start(void);
/* Pages that outlive us, zero at the machine's start. */
#define IMAGES_PERSIST_BYTES 0x2000u
uint8_t *image_memory_persistent(void);

/* A session at mem for images[index]. */
enum status image_memory_open(uint32_t index, uint64_t bytes, char *error, uint32_t error_bytes);
/* All of its memory is mem's again, whoever had it; no such session is as good.  False: that is not certain.
 */
bool image_memory_close(uint32_t index);
/* Frames are known by their place, below IMAGE_FRAMES_MAX. */
/* Fetch the image's next 2 MiB as this Frame and map it, zero, in the image's window. */
enum status image_memory_frame(uint32_t index, uint32_t frame, char *error, uint32_t error_bytes);
bool image_frame_exists(uint32_t frame);
void image_frame_drop(uint32_t frame); /* also one that does not exist */
/* Where the image's frame is seen while it is filled. */
uint8_t *image_window(uint32_t index);
void image_window_close(uint32_t frame);
/* A read-only copy in a fresh slot. */
enum status image_frame_copy(uint32_t frame, slot_t *copy) BH_NODISCARD;

#endif
