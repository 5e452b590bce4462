/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net.c - TCP between two of these programs, or this one and tests/bench/run.py
 *
 * Whoever is to work for the other reads requests of two bytes from the connection: what, and a number.
 *     's' N   read N MiB, answer with one byte
 *     'g' N   send N MiB
 *     'e' N   send N * 100 single bytes back, each as it comes
 *     'q' 0   that was all
 */
#define _GNU_SOURCE
#include "bench.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 5001, MIB = 1 << 20, BUFFER_BYTES = 128 << 10, TRIES = 3000 };
enum { WARM_MIB = 8, RATE_MIB = 128, ROUNDS = 20 }; /* rounds of 100 */

static uint8_t buffer[BUFFER_BYTES];

/* For tests/bench/where/plugin.c: what comes between is counted. */
#define MARK_RATE() __asm__ volatile("hint #0x50")
#define MARK_ROUND_TRIPS() __asm__ volatile("hint #0x52")
#define MARK_END() __asm__ volatile("hint #0x51")

/* ---- interfaces and connections ------------------------------------------------------------------- */

static struct sockaddr_in address_of(const char *text, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

    inet_pton(AF_INET, text, &address.sin_addr);
    return address;
}

static void interface_up(const char *name, const char *address)
{
    struct ifreq request = {.ifr_flags = 0};
    struct sockaddr_in own = address_of(address, 0), mask = address_of("255.255.255.0", 0);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    memcpy(&request.ifr_addr, &own, sizeof own);
    for (unsigned tries = TRIES; ioctl(fd, SIOCSIFADDR, &request) != 0 && tries > 0; tries--)
        usleep(10000); /* its driver was loaded just now */
    memcpy(&request.ifr_netmask, &mask, sizeof mask);
    ioctl(fd, SIOCSIFNETMASK, &request);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(fd, SIOCSIFFLAGS, &request) != 0)
        printf("bench: %s: %m\n", name);
    close(fd);
}

/* Everything that is not on our network goes to the first address of it. */
static void route_add(const char *own)
{
    struct sockaddr_in any = address_of("0.0.0.0", 0), gateway = address_of(own, 0);
    struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    gateway.sin_addr.s_addr = htonl((ntohl(gateway.sin_addr.s_addr) & 0xffffff00u) | 1u);
    memcpy(&route.rt_dst, &any, sizeof any);
    memcpy(&route.rt_genmask, &any, sizeof any);
    memcpy(&route.rt_gateway, &gateway, sizeof gateway);
    if (ioctl(fd, SIOCADDRT, &route) != 0)
        printf("bench: route: %m\n");
    close(fd);
}

static int no_delay(int fd)
{
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* The other side may not be there yet. */
static int connect_to(const char *text, uint16_t port)
{
    struct sockaddr_in address = address_of(text, port);

    for (unsigned tries = 0; tries < TRIES; tries++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return no_delay(fd);
        close(fd);
        usleep(10000);
    }
    printf("bench: no connection to %s: %m\n", text);
    return -1;
}

/* The one connection that somebody makes to us. */
static int accept_one(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int one = 1, server = socket(AF_INET, SOCK_STREAM, 0);

    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(server, (struct sockaddr *)&any, sizeof any) != 0 || listen(server, 1) != 0)
        printf("bench: listening: %m\n");
    return no_delay(accept(server, NULL, NULL));
}

/* ---- working for the other side ------------------------------------------------------------------- */

static bool take(int fd, uint64_t bytes)
{
    while (bytes > 0) {
        ssize_t got = read(fd, buffer, bytes < BUFFER_BYTES ? bytes : BUFFER_BYTES);

        if (got <= 0)
            return false;
        bytes -= (uint64_t)got;
    }
    return true;
}

static bool give(int fd, uint64_t bytes)
{
    while (bytes > 0) {
        ssize_t put = write(fd, buffer, bytes < BUFFER_BYTES ? bytes : BUFFER_BYTES);

        if (put <= 0)
            return false;
        bytes -= (uint64_t)put;
    }
    return true;
}

static bool echo(int fd, unsigned count)
{
    bool good = true;

    for (; good && count > 0; count--)
        good = take(fd, 1) && give(fd, 1);
    return good;
}

static void serve(int fd)
{
    uint8_t request[2];
    bool good = true;

    while (good && read(fd, request, sizeof request) == sizeof request && request[0] != 'q') {
        if (request[0] == 's')
            good = take(fd, (uint64_t)request[1] * MIB) && give(fd, 1);
        else if (request[0] == 'g')
            good = give(fd, (uint64_t)request[1] * MIB);
        else
            good = request[0] == 'e' && echo(fd, request[1] * 100u);
    }
    if (!good)
        printf("bench: the connection broke: %m\n");
    close(fd);
}

/* ---- measuring ------------------------------------------------------------------------------------ */

static bool ask(int fd, char what, uint8_t number)
{
    uint8_t request[2] = {(uint8_t)what, number};

    return write(fd, request, sizeof request) == sizeof request;
}

/* Nanoseconds; 0: the connection broke. */
static uint64_t send_timed(int fd, uint8_t mib)
{
    uint64_t from = now_ns();

    return ask(fd, 's', mib) && give(fd, (uint64_t)mib * MIB) && take(fd, 1) ? now_ns() - from : 0;
}

static uint64_t round_trips_timed(int fd)
{
    uint64_t from;
    bool good = ask(fd, 'e', 2 * ROUNDS);

    for (unsigned i = 0; good && i < ROUNDS * 100; i++)
        good = give(fd, 1) && take(fd, 1);
    MARK_ROUND_TRIPS();
    from = now_ns();
    for (unsigned i = 0; good && i < ROUNDS * 100; i++)
        good = give(fd, 1) && take(fd, 1);
    MARK_END();
    return good ? now_ns() - from : 0;
}

static void measure(int fd)
{
    uint64_t ns = send_timed(fd, WARM_MIB);

    MARK_RATE();
    ns = ns ? send_timed(fd, RATE_MIB) : 0;
    MARK_END();
    if (ns)
        printf("bench tcp_mbps %llu\n", (unsigned long long)RATE_MIB * MIB * 8 * 1000 / ns);
    ns = ns ? round_trips_timed(fd) : 0;
    if (ns)
        printf("bench tcp_rtt %llu\n", (unsigned long long)ns / (ROUNDS * 100));
    ask(fd, 'q', 0);
    close(fd);
}

/* ---- by the command line -------------------------------------------------------------------------- */

void tcp_loopback(const char *unused)
{
    (void)unused;
    interface_up("lo", "127.0.0.1");
    if (fork() == 0) {
        serve(accept_one());
        _exit(0);
    }
    measure(connect_to("127.0.0.1", PORT));
}

void tcp_serve(const char *address)
{
    interface_up("eth0", address);
    serve(accept_one());
}

/* OWN/PEER */
void tcp_measure(const char *addresses)
{
    char own[32] = "", peer[32] = "";

    sscanf(addresses, "%31[^/]/%31s", own, peer);
    interface_up("eth0", own);
    measure(connect_to(peer, PORT));
}

/* OWN/PEER/PORT: somebody there measures, and connects to nobody. */
void tcp_obey(const char *addresses)
{
    char own[32] = "", peer[32] = "";
    unsigned port = 0;

    sscanf(addresses, "%31[^/]/%31[^/]/%u", own, peer, &port);
    interface_up("eth0", own);
    route_add(own);
    serve(connect_to(peer, (uint16_t)port));
}
