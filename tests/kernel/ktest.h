/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ktest.h - the kernel's tests on target: a program that runs in init's place and asks the kernel everything
 *
 * Each test starts with fresh memory (`pool`, an Untyped of 4 MiB) and an empty range of slots; both are
 * taken back after it, which is a test by itself.
 */
#ifndef KTEST_H
#define KTEST_H

#include "bh.h"

struct ktest {
    const char *name;
    void (*run)(void);
};

#define TEST(object, claim)                                                                                  \
    static void test_##object##_##claim(void);                                                               \
    static const struct ktest entry_##object##_##claim __attribute__((section("ktests"), used)) = {          \
        #object "_" #claim, test_##object##_##claim};                                                        \
    static void test_##object##_##claim(void)

void kt_fail(const char *file, int line, const char *what, uint64_t got, uint64_t wanted);
#define EXPECT(got, wanted)                                                                                  \
    do {                                                                                                     \
        uint64_t got_ = (uint64_t)(got), wanted_ = (uint64_t)(wanted);                                       \
        if (got_ != wanted_)                                                                                 \
            kt_fail(__FILE__, __LINE__, #got, got_, wanted_);                                                \
    } while (0)

void kt_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define POOL ((slot_t)100)      /* an Untyped of POOL_BYTES, all rights */
#define POOL_BYTES (4u << 20)
#define FIRST ((slot_t)1000)    /* FIRST .. FIRST+999 are empty at the start of a test */
#define NO_SLOT ((slot_t)7999)  /* always empty */

enum status kt_make(enum cap_kind kind, uint64_t size, slot_t slot); /* one object from POOL */

/* A thread of this program: same CSpace and address space, its own vCPU, stack and IPC buffer. */
struct kt_thread {
    slot_t vcpu, sc, ipcbuf_frame;
    uint32_t pcpu;
    struct ipc_buffer *ipcbuf;
};
/* Uses slots first..first+31.  It runs `entry(argument)` as soon as it has time; the function must not return. */
void kt_thread_start(struct kt_thread *thread, slot_t first, uint32_t pcpu, void (*entry)(uint64_t), uint64_t argument);
void kt_plan(uint32_t pcpu, const slot_t *scs, uint32_t count); /* commit: equal slices, elastic; init's own first on pCPU 0 */
extern const struct boot_info *const kt_boot;

#endif
