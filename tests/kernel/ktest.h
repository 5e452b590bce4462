/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ktest.h - the kernel's tests on target: a program that runs in init's place and asks the kernel everything
 *
 * Each test starts with fresh memory (`POOL`, an Untyped of POOL_BYTES) and an empty range of slots; both are
 * taken back after it, which is a test by itself.  The test's own thread runs on pCPU 0 with the whole of its
 * plan, but for the threads it starts there.
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
    static const struct ktest entry_##object##_##claim                                                       \
        __attribute__((section("ktests"), used)) = {#object "_" #claim, test_##object##_##claim};            \
    static void test_##object##_##claim(void)

void kt_fail(const char *file, int line, const char *what, uint64_t got, uint64_t wanted);
#define EXPECT(got, wanted)                                                                                  \
    do {                                                                                                     \
        uint64_t got_ = (uint64_t)(got), wanted_ = (uint64_t)(wanted);                                       \
        if (got_ != wanted_)                                                                                 \
            kt_fail(__FILE__, __LINE__, #got, got_, wanted_);                                                \
    } while (0)

/* Sleep until `claim` holds, at most two seconds; then it must. */
#define UNTIL(claim)                                                                                         \
    do {                                                                                                     \
        uint64_t end_ = bh_after_ms(2000);                                                                   \
        while (!(claim) && bh_now() < end_)                                                                  \
            kt_sleep_ms(1);                                                                                  \
        EXPECT((claim) ? 1 : 0, 1);                                                                          \
    } while (0)

/*
 * The emulated machine's time is exact only with `bh run --icount`; the option `exact=1` says that it is.
 * Else the host may stop a pCPU for longer than any slice, and how much time somebody got says nothing.
 */
extern bool kt_exact;
#define EXPECT_EXACT(claim)                                                                                  \
    do {                                                                                                     \
        if (kt_exact)                                                                                        \
            EXPECT((claim) ? 1 : 0, 1);                                                                      \
    } while (0)

void kt_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define CSPACE ((slot_t)INIT_SLOT_CSPACE)
#define ASPACE ((slot_t)INIT_SLOT_ASPACE)
#define POOL ((slot_t)100) /* an Untyped of POOL_BYTES, all rights */
#define POOL_BYTES (16u << 20)
#define FIRST ((slot_t)1000)   /* FIRST .. FIRST+999 are empty at the start of a test */
#define FREE ((slot_t)1500)    /* those of FIRST.. that threads do not use */
#define NO_SLOT ((slot_t)7999) /* always empty */
#define NO_SUCH_SLOT (1u << INIT_CSPACE_BITS)
#define RW (RIGHT_READ | RIGHT_WRITE)
#define RWX (RW | RIGHT_EXEC)

/* Where tests map what they like, behind the threads' stacks. */
#define SCRATCH_IPA (DYNAMIC_IPA + 0x200000u)
#define SCRATCH ((volatile uint64_t *)SCRATCH_IPA)

enum status kt_make(enum cap_kind kind, uint64_t size, slot_t slot); /* one object from POOL */
enum status kt_copy(slot_t from, slot_t to, uint32_t rights);
enum status kt_mint(slot_t from, slot_t to, uint32_t rights, uint64_t badge);
enum status kt_delete(slot_t slot);
enum status kt_revoke(slot_t slot);
uint64_t kt_used(slot_t untyped);
void kt_sleep_ms(uint64_t ms);
/* A call with any numbers in x1..x7; returns x0. */
uint64_t kt_raw(uint64_t number, uint64_t x1, uint64_t x2, uint64_t x3, uint64_t x4, uint64_t x5, uint64_t x6,
                uint64_t x7);

/* ---- threads of this program: same CSpace and address space, own vCPU, stack and IPC buffer */
#define THREADS_MAX 8u
struct kt_thread {
    slot_t vcpu, sc, ipcbuf_frame, faults; /* faults: the Endpoint that hears of its faults */
    uint32_t pcpu;
    struct ipc_buffer *ipcbuf;
};
extern struct kt_thread kt_threads[THREADS_MAX];
/*
 * Thread n, in slots FIRST + 32 * n ...; it runs `entry(argument)` as soon as it has time, which it gets at
 * once: each pCPU's plan has its threads with equal slices, elastic, pCPU 0's with this one first.  `entry`
 * must not return.
 */
struct kt_thread *kt_spawn(unsigned n, uint32_t pcpu, void (*entry)(uint64_t), uint64_t argument);
/* The same, but made only: without time, and suspended. */
struct kt_thread *kt_prepare(unsigned n, uint32_t pcpu, void (*entry)(uint64_t), uint64_t argument);
/* A thread ends itself with that. */
_Noreturn void kt_stop(unsigned n);
void kt_plans_reset(void);
/* Commit a plan: equal slices of 2 ms in epochs of 10 ms, elastic; this thread's own first on pCPU 0. */
void kt_plan(uint32_t pcpu, const slot_t *scs, uint32_t count);
/* Put a SchedContext into the pCPU's plan, behind what is there. */
void kt_plan_add(uint32_t pcpu, slot_t sc);

/* Another pCPU is told to stop by an interrupt, and the host may let it come late: true when `count` has come
 * to rest within two seconds. */
bool kt_rests(const volatile uint64_t *count);

/* A thread that counts in *(volatile uint64_t *)argument as fast as it can. */
_Noreturn void kt_counter(uint64_t argument);

extern const struct boot_info *const kt_boot;
/* The Untyped that is a device's registers, at this physical address; 0: there is none. */
slot_t kt_device(uint64_t base);

#endif
