/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio_net.h - what the virtio 1.1 specification says about a network device (5.1)
 */
#ifndef VIRTIO_VIRTIO_NET_H
#define VIRTIO_VIRTIO_NET_H

#include <stdint.h>

/* 5.1.3 Feature bits */
#define FEATURE_NET_CSUM (UINT64_C(1) << 0)
#define FEATURE_NET_GUEST_CSUM (UINT64_C(1) << 1)
#define FEATURE_NET_MAC (UINT64_C(1) << 5)
#define FEATURE_NET_GUEST_TSO4 (UINT64_C(1) << 7)
#define FEATURE_NET_GUEST_TSO6 (UINT64_C(1) << 8)
#define FEATURE_NET_HOST_TSO4 (UINT64_C(1) << 11)
#define FEATURE_NET_HOST_TSO6 (UINT64_C(1) << 12)
#define FEATURE_NET_MRG_RXBUF (UINT64_C(1) << 15)
#define FEATURE_NET_STATUS (UINT64_C(1) << 16)

/* 5.1.2 Virtqueues */
enum { NET_QUEUE_RECEIVE = 0, NET_QUEUE_TRANSMIT = 1 };

/* 5.1.4 Device configuration layout */
enum { NET_CONFIG_MAC = 0, NET_CONFIG_STATUS = 6, NET_CONFIG_BYTES = 8 };
enum { NET_STATUS_LINK_UP = 1 };

/* 5.1.6 Device Operation */
enum { NET_HDR_NEEDS_CSUM = 1, NET_HDR_DATA_VALID = 2 };
enum { NET_HDR_GSO_NONE = 0, NET_HDR_GSO_TCPV4 = 1, NET_HDR_GSO_TCPV6 = 4, NET_HDR_GSO_ECN = 0x80 };
struct virtio_net_header {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t hdr_len;
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
    uint16_t num_buffers; /* also without MRG_RXBUF, in modern devices */
};
_Static_assert(sizeof(struct virtio_net_header) == 12, "virtio 1.1, 5.1.6");

#endif
