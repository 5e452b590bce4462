/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.c - the first process of a Linux that is measured, bare and as a guest
 *
 * The same program, the same kernel, the same ramdisk on both sides; the command line says what to do:
 *     bench=sha256            64 MiB of it, in one go
 *     bench=blkread:DEVICE    4 KiB O_DIRECT random reads at depth 1
 *     bench=disk:DEVICE       throughput: sequential and random O_DIRECT reads, writes with an fsync each
 *     bench=tcploopback:      TCP from this program to itself
 *     bench=tcpserve:OWN      TCP from another VM to this one, which has address OWN
 *     bench=tcp:OWN/PEER      TCP from this VM to one that serves
 *     bench=tcpobey:OWN/PEER/PORT  TCP to somebody who says what is to be done
 * Times are CNTVCT_EL0 in nanoseconds: under QEMU's -icount shift=0 one is one instruction.  Prints
 * `bench NAME VALUE` and powers off.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { READS = 500, BLOCK = 4096, SHA_BYTES = 1 << 20, SHA_ROUNDS = 8 };
enum { SPAN = 60 << 20 }; /* random reads stay within the first of these bytes */
enum { DISK_STEP = 1 << 20, DISK_STEPS = 120, DISK_READS = 4000, DISK_WRITES = 300 };

uint64_t now_ns(void)
{
    uint64_t ticks, hz;

    __asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tmrs %1, cntfrq_el0" : "=r"(ticks), "=r"(hz));
    return ticks * (1000000000u / hz);
}

static void load_module(const char *path, const char *options)
{
    int fd = open(path, O_RDONLY);

    if (fd < 0 || syscall(SYS_finit_module, fd, options, 0) != 0)
        printf("bench: cannot load %s: %m\n", path);
    close(fd);
}

static void load_modules(void)
{
    char line[128], path[160];
    FILE *order = fopen("/modules/order", "r");

    while (order && fgets(line, sizeof line, order)) {
        line[strcspn(line, "\n")] = 0;
        snprintf(path, sizeof path, "/modules/%s", line);
        load_module(path, "");
    }
    load_module("/modules/brd.ko", "rd_nr=1 rd_size=65536");
}

/* FIPS 180-4, written for this benchmark: what is measured is plain computing, not a crypto extension. */
static uint32_t ror(uint32_t v, unsigned n)
{
    return v >> n | v << (32 - n);
}

static uint32_t round_constant(unsigned i)
{
    /* The first 32 bits of the fractional part of the cube root of the i-th prime, found once. */
    static uint32_t table[64];
    static int ready;

    if (!ready) {
        unsigned found = 0;

        for (unsigned n = 2; found < 64; n++) {
            int prime = 1;

            for (unsigned d = 2; d * d <= n; d++)
                if (n % d == 0)
                    prime = 0;
            if (!prime)
                continue;
            /* floor(cbrt(n) * 2^32) by bisection on n * 2^96 */
            __uint128_t target = (__uint128_t)n << 96;
            uint64_t low = 0, high = 8ull << 32;
            while (high - low > 1) {
                uint64_t mid = low + (high - low) / 2;
                /* (mid^3) <= target, with mid < 2^35: fits 105 bits */
                if ((__uint128_t)mid * mid * mid <= target)
                    low = mid;
                else
                    high = mid;
            }
            table[found++] = (uint32_t)low;
        }
        ready = 1;
    }
    return table[i];
}

static void sha256_block(uint32_t h[8], const uint8_t *block)
{
    uint32_t w[64], v[8];

    for (unsigned i = 0; i < 16; i++)
        w[i] = (uint32_t)block[i * 4] << 24 | (uint32_t)block[i * 4 + 1] << 16 |
               (uint32_t)block[i * 4 + 2] << 8 | block[i * 4 + 3];
    for (unsigned i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];

        w[i] = w[i - 16] + (ror(a, 7) ^ ror(a, 18) ^ a >> 3) + w[i - 7] + (ror(b, 17) ^ ror(b, 19) ^ b >> 10);
    }
    memcpy(v, h, sizeof v);
    for (unsigned i = 0; i < 64; i++) {
        uint32_t t1 = v[7] + (ror(v[4], 6) ^ ror(v[4], 11) ^ ror(v[4], 25)) +
                      ((v[4] & v[5]) ^ (~v[4] & v[6])) + round_constant(i) + w[i];
        uint32_t t2 =
            (ror(v[0], 2) ^ ror(v[0], 13) ^ ror(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

        memmove(v + 1, v, 7 * sizeof v[0]);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (unsigned i = 0; i < 8; i++)
        h[i] += v[i];
}

static void sha256(void)
{
    static uint8_t data[SHA_BYTES];
    uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint64_t from = now_ns();

    for (unsigned round = 0; round < SHA_ROUNDS; round++)
        for (unsigned at = 0; at < SHA_BYTES; at += 64)
            sha256_block(h, data + at);
    printf("bench sha256 %llu\n", (unsigned long long)(now_ns() - from));
    printf("digest state %08x\n", h[0]);
}

/* The device may still be on its way: its driver was loaded just now. */
static int device_open(const char *device, int flags)
{
    int fd = open(device, flags);

    for (unsigned tenths = 0; fd < 0 && tenths < 300; tenths++) {
        usleep(100000);
        fd = open(device, flags);
    }
    if (fd < 0)
        printf("bench: %s: %m\n", device);
    return fd;
}

static off_t random_place(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (off_t)(*seed % (SPAN / BLOCK)) * BLOCK;
}

/* Nanoseconds for all of them; 0: one failed. */
static uint64_t random_reads(int fd, void *buffer, unsigned count)
{
    uint64_t seed = 88172645463325252ull, total = 0;

    for (unsigned i = 0; i < count; i++) {
        off_t at = random_place(&seed);
        uint64_t from = now_ns();

        if (pread(fd, buffer, BLOCK, at) != BLOCK) {
            printf("bench: read at %lld: %m\n", (long long)at);
            return 0;
        }
        total += now_ns() - from;
    }
    return total;
}

static void blkread(const char *device)
{
    int fd = device_open(device, O_RDONLY | O_DIRECT);
    uint64_t ns = fd < 0 ? 0 : random_reads(fd, aligned_alloc(BLOCK, BLOCK), READS);

    if (ns)
        printf("bench blkread %llu\n", (unsigned long long)(ns / READS));
}

static uint64_t sequential_reads(int fd, void *buffer)
{
    uint64_t from = now_ns();

    for (off_t i = 0; i < DISK_STEPS; i++)
        if (pread(fd, buffer, DISK_STEP, i * DISK_STEP) != DISK_STEP) {
            printf("bench: sequential read: %m\n");
            return 0;
        }
    return now_ns() - from;
}

static uint64_t synced_writes(int fd, void *buffer)
{
    uint64_t from = now_ns();

    memset(buffer, 0x5a, BLOCK);
    for (off_t i = 0; i < DISK_WRITES; i++)
        if (pwrite(fd, buffer, BLOCK, i * BLOCK) != BLOCK || fsync(fd) != 0) {
            printf("bench: synced write: %m\n");
            return 0;
        }
    return now_ns() - from;
}

static void print_rate(const char *name, uint64_t bytes, uint64_t ns)
{
    if (ns)
        printf("bench %s %llu KiB/s\n", name, (unsigned long long)(bytes * 1000000u / 1024 * 1000 / ns));
}

static void disk(const char *device)
{
    static const char *const pci[] = {"virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"};
    char path[64];

    for (unsigned i = 0; i < sizeof pci / sizeof pci[0]; i++) { /* where the bare machine's disk is */
        snprintf(path, sizeof path, "/modules/%s.ko", pci[i]);
        load_module(path, "");
    }
    void *buffer = aligned_alloc(BLOCK, DISK_STEP);
    int direct = device_open(device, O_RDONLY | O_DIRECT);
    int plain = device_open(device, O_RDWR);

    if (direct < 0 || plain < 0 || !buffer)
        return;
    print_rate("disk_seq_read", (uint64_t)DISK_STEPS * DISK_STEP, sequential_reads(direct, buffer));
    print_rate("disk_rand_read_4k", (uint64_t)DISK_READS * BLOCK, random_reads(direct, buffer, DISK_READS));
    print_rate("disk_fsync_write", (uint64_t)DISK_WRITES * BLOCK, synced_writes(plain, buffer));
}

/* On whatever stands behind `name` up to the next blank, if that is what `what` asks for. */
static void run(char *what, const char *name, void (*function)(const char *device))
{
    if (strncmp(what, name, strlen(name)) != 0)
        return;
    what += strlen(name);
    what[strcspn(what, " ")] = 0;
    function(what);
}

int main(void)
{
    char line[512] = "";

    mkdir("/proc", 0755);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, "");
    mount("dev", "/dev", "devtmpfs", 0, "");
    freopen("/dev/console", "w", stdout);
    setvbuf(stdout, NULL, _IOLBF, 0);
    load_modules();
    FILE *file = fopen("/proc/cmdline", "r");
    char *what = file && fgets(line, sizeof line, file) ? strstr(line, "bench=") : NULL;

    line[strcspn(line, "\n")] = 0;
    if (what && strncmp(what + 6, "sha256", 6) == 0)
        sha256();
    if (what) {
        run(what + 6, "blkread:", blkread);
        run(what + 6, "disk:", disk);
        run(what + 6, "tcploopback:", tcp_loopback);
        run(what + 6, "tcpserve:", tcp_serve);
        run(what + 6, "tcp:", tcp_measure);
        run(what + 6, "tcpobey:", tcp_obey);
    }
    fflush(stdout);
    sleep(1); /* the console's buffer */
    reboot(RB_POWER_OFF);
    return 0;
}
