/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fail.h - the tool's one way to say no: one line on stderr, then its exit status
 */
#ifndef BH_FAIL_H
#define BH_FAIL_H

enum exit_status {
    EXIT_REFUSED = 1, /* a file, line or resource is not as it has to be; nothing was started */
    EXIT_USAGE = 2,
    EXIT_UNREACHABLE = 69, /* no such machine, or it ended meanwhile (sysexits: EX_UNAVAILABLE) */
    EXIT_VERSION = 76,     /* the machine speaks another version of the protocol (EX_PROTOCOL) */
    EXIT_TIMEOUT = 124,    /* --timeout, as timeout(1) */
    EXIT_SILENT = 125,     /* the machine ended without saying why */
};

/* Print "bh: TEXT" and exit with EXIT_REFUSED. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for several things at once, a line each. */
_Noreturn void fail_each(char *const *texts, unsigned count);

/* The same with another exit status, and a word for what it is (docs/json.md, "Errors"). */
_Noreturn void fail_as(int exit_status, const char *word, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* From now on what fails is said as JSON: {"error":{"status":WORD,"text":TEXT}}. */
void fail_in_json(void);

/* The same with EXIT_USAGE and a pointer to --help. */
_Noreturn void fail_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print "bh: TEXT" only: how a machine ended ("ended", as JSON). */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same as JSON, if errors are; `word` as in fail_as(). */
void complain_as(const char *word, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* malloc and friends that cannot return NULL. */
void *must_alloc(unsigned long bytes);
char *must_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
