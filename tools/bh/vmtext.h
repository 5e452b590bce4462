/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmtext.h - a VM file as text: values by their keys, through Xen's own parser, and what is wrong with its
 * line
 */
#ifndef BH_VMTEXT_H
#define BH_VMTEXT_H

#include <stdint.h>
#include <stdio.h>

#include <libxlutil.h>

#include "fail.h"
#include "vmfile.h"

/* A file while it is read; libxlutil's own words go to `report`. */
struct reader {
    struct vm *vm;
    struct file text;
    XLU_Config *xlu;
    FILE *report;
    char *report_text;
    size_t report_bytes;
};

/* The file, then the assignments; ends the tool when they make no text of xl's.  path NULL: no file. */
void reader_open(struct reader *r, const char *path, char *const *assignments, unsigned count);
void reader_close(struct reader *r);
/* Ends the tool when keys are refused, all of them named, each with its line (xlkeys.h). */
void reader_judge_keys(const struct reader *r);

/* Of the last assignment; 0: there is none. */
uint32_t line_of(const struct reader *r, const char *key);

#define fail_at(r, key, format, ...)                                                                         \
    fail("%s: %s: " format, vm_where((r)->vm, line_of(r, key)), key __VA_OPT__(, ) __VA_ARGS__)

/* NULL when the key is not there. */
const char *read_string(struct reader *r, const char *key);
/* Empty when it is not there. */
void read_text(struct reader *r, const char *key, char *out, size_t bytes);
uint64_t read_number(struct reader *r, const char *key, uint64_t min, uint64_t max, uint64_t otherwise);

#endif
