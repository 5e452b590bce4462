/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text.h - what people and VMs wrote: command lines, options, reasons
 */
#ifndef TOOLSTACK_TEXT_H
#define TOOLSTACK_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define WORDS_MAX 4u

/* Split `line` in place at blanks.  Returns how many words there are, of which at most WORDS_MAX are in
 * `words`. */
uint32_t text_words(char *line, char *words[WORDS_MAX]);

/* The value of `key` in "key=value key=value ...", "" if it is not there; cut at `size`. */
void text_option(const char *options, const char *key, char *value, size_t size);

/* Copy what a VM or its vmm wrote so that it can be shown: one line, nothing that steers a terminal. */
void text_clean(char *out, size_t size, const char *in);

#endif
