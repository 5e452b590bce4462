/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * upload.h - a file becomes an image of a machine
 */
#ifndef BH_UPLOAD_H
#define BH_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "client.h"
#include "file.h"

/*
 * Send a file, unless the machine has its bytes already (by their SHA-256); `name` becomes the image's.  It
 * lasts until this client's end, or as long as a VM that this client creates uses it.  `what` ("kernel") is
 * for messages and for the bar that shows progress.  The tool ends when the machine does not take it.
 */
void image_upload(struct client *client, const char *what, const struct file *file, bool shows_progress,
                  char *name, size_t name_bytes);

#endif
