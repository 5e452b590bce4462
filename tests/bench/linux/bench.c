/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.c - the first process of a Linux that is measured, bare and as a guest
 *
 * The same program, the same kernel, the same ramdisk on both sides; the command line says what to do:
 *     bench=sha256            64 MiB of it, in one go
 *     bench=blkread:DEVICE    4 KiB O_DIRECT random reads at depth 1
 * Times are CNTVCT_EL0 in nanoseconds: under QEMU's -icount shift=0 one is one instruction.  Prints
 * `bench NAME VALUE` and powers off.
 */
#define _GNU_SOURCE
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

static uint64_t now_ns(void)
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

static void blkread(const char *device)
{
    void *buffer = aligned_alloc(BLOCK, BLOCK);
    uint64_t seed = 88172645463325252ull, total = 0;
    int fd = -1;

    for (unsigned tenths = 0; fd < 0 && tenths < 300; tenths++) {
        fd = open(device, O_RDONLY | O_DIRECT);
        if (fd < 0)
            usleep(100000);
    }
    if (fd < 0 || !buffer) {
        printf("bench: %s: %m\n", device);
        return;
    }
    for (unsigned i = 0; i < READS; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        off_t at = (off_t)(seed % (60u << 20 >> 12)) * BLOCK;
        uint64_t from = now_ns();

        if (pread(fd, buffer, BLOCK, at) != BLOCK) {
            printf("bench: read of %s at %lld: %m\n", device, (long long)at);
            return;
        }
        total += now_ns() - from;
    }
    printf("bench blkread %llu\n", (unsigned long long)(total / READS));
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
    const char *what = file && fgets(line, sizeof line, file) ? strstr(line, "bench=") : NULL;

    line[strcspn(line, "\n")] = 0;
    if (what && strncmp(what + 6, "sha256", 6) == 0)
        sha256();
    if (what && strncmp(what + 6, "blkread:", 8) == 0) {
        char *device = strdup(what + 14);

        device[strcspn(device, " ")] = 0;
        blkread(device);
    }
    fflush(stdout);
    sleep(1); /* the console's buffer */
    reboot(RB_POWER_OFF);
    return 0;
}
