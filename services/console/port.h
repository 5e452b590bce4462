/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * port.h - the management port: one port of a virtio-serial device behind the SMMU (Virtio 1.1, 5.3)
 *
 * A port of the multiport kind (5.3.6.2), not the first one: with the plain console QEMU throws away what its
 * other end does not take at once, with these it keeps it, and our queue says so.
 *
 * Nothing here waits.  Bytes that came stay in the device's buffers until they are taken: then the host
 * cannot send more.
 */
#ifndef CONSOLE_PORT_H
#define CONSOLE_PORT_H

#include "fifo.h"
#include "virtio_pci.h"

#define PORT_NUMBER 1u
#define PORT_BUFFERS 8u /* each way */
#define PORT_BUFFER_BYTES 4096u
#define PORT_CONTROL_BUFFERS 8u
#define PORT_CONTROL_BYTES 128u

/* Memory that the device reaches; it can write from `used` on only. */
struct port_memory {
    /* it only reads */
    uint8_t descriptors[4][1024];
    uint8_t avail[4][1024];
    uint8_t control_tx[PORT_CONTROL_BUFFERS][PORT_CONTROL_BYTES];
    uint8_t unused[4096 - PORT_CONTROL_BUFFERS * PORT_CONTROL_BYTES];
    uint8_t tx[PORT_BUFFERS][PORT_BUFFER_BYTES];
    /* it writes */
    uint8_t used[4][4096];
    uint8_t control_rx[PORT_CONTROL_BUFFERS][PORT_CONTROL_BYTES];
    uint8_t unused2[4096 - PORT_CONTROL_BUFFERS * PORT_CONTROL_BYTES];
    uint8_t rx[PORT_BUFFERS][PORT_BUFFER_BYTES];
};
#define PORT_PAGES (sizeof(struct port_memory) / 4096u)
#define PORT_PAGES_READ_ONLY (offsetof(struct port_memory, used) / 4096u)

/* No RAM of a machine we know is there: a physical address that strays into a descriptor is refused. */
#define PORT_IOVA UINT64_C(0x1000000000)

enum port_state {
    PORT_NONE,   /* there is no device, or it broke */
    PORT_CLOSED, /* it runs; the other end is not there */
    PORT_OPEN,
};

struct port {
    enum port_state state;
    struct virtio_pci pci;
    struct virtq rx, tx, control_rx, control_tx;
    struct port_memory *memory;
    uint64_t faults_seen;
    uint32_t tx_free;         /* bit: this buffer is ours */
    uint32_t control_tx_free; /* likewise */
    bool has_chunk;           /* bytes that came: the rest of one buffer */
    uint16_t chunk_buffer;
    uint32_t chunk_at, chunk_count;
    bool just_opened; /* the caller's to see and to clear: what was said before is lost */
};

/* Find and start the device.  NULL, or why there is no port; "" : this machine has none. */
const char *port_start(struct port *port);

/* Its interrupt came: what has changed? */
void port_interrupt(struct port *port);
/* The SMMU refused an access of it: it is not used any more. */
void port_fault(struct port *port);

/* Bytes that came and were not taken yet, in one piece; 0: none. */
uint32_t port_bytes(struct port *port, const uint8_t **bytes);
void port_taken(struct port *port, uint32_t count);

/* Send from the queue as much as the device takes. */
void port_send(struct port *port, struct fifo *out);
/* The device has room for more. */
bool port_can_send(const struct port *port);
/* Doorbells. */
void port_kick(struct port *port);

/* ---- port_machine.c: what is asked of the kernel (and lib/virtio/driver.h) */
bool port_device_is_there(void);
const uint8_t *port_pci_config(void);
/* Zeroed memory that the device reaches at PORT_IOVA; interrupt and faults arrive as events from now on.
 * NULL: it cannot be had. */
struct port_memory *port_memory_make(void);
void port_irq_ack(void);
uint64_t port_faults(uint64_t *address); /* refused accesses so far */

#endif
