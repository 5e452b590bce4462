/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * e1000e.h - registers and descriptors of the Intel 82574L ("82574 GbE Controller Family Datasheet")
 */
#ifndef NETDRV_E1000E_H
#define NETDRV_E1000E_H

#include <stdint.h>

#define E1000E_PCI_ID 0x10d38086u /* vendor 8086, device 10D3 */
#define E1000E_BAR_REGISTERS 0u   /* 128 KiB of memory */

/* 10.2: offsets, all 32 bits wide */
enum {
    REG_CTRL = 0x0000,
    REG_STATUS = 0x0008,
    REG_ICR = 0x00c0, /* causes; reading clears them */
    REG_IMS = 0x00d0, /* ones: these causes interrupt */
    REG_IMC = 0x00d8, /* ones: these do not */
    REG_RCTL = 0x0100,
    REG_TCTL = 0x0400,
    REG_TIPG = 0x0410,
    REG_RDBAL = 0x2800,
    REG_RDBAH = 0x2804,
    REG_RDLEN = 0x2808,
    REG_RDH = 0x2810,
    REG_RDT = 0x2818,
    REG_RDTR = 0x2820,
    REG_RADV = 0x282c,
    REG_TDBAL = 0x3800,
    REG_TDBAH = 0x3804,
    REG_TDLEN = 0x3808,
    REG_TDH = 0x3810,
    REG_TDT = 0x3818,
    REG_RXCSUM = 0x5000,
    REG_RFCTL = 0x5008,
    REG_RAL0 = 0x5400, /* the card's address, from its EEPROM */
    REG_RAH0 = 0x5404,
    REG_END = 0x20000,
};

#define CTRL_MASTER_DISABLE (1u << 2) /* no new transfers */
#define CTRL_ASDE (1u << 5)           /* speed as negotiated */
#define CTRL_SLU (1u << 6)            /* set link up */
#define CTRL_RST (1u << 26)           /* clears itself */
#define STATUS_LINK_UP (1u << 1)
#define STATUS_MASTER_ENABLED (1u << 19) /* transfers are under way */

/* 10.2.4: causes of interrupts */
#define CAUSE_TXDW (1u << 0) /* a transmit descriptor was written back */
#define CAUSE_LSC (1u << 2)  /* the link changed */
#define CAUSE_RXDMT0 (1u << 4)
#define CAUSE_RXO (1u << 6) /* receive overrun */
#define CAUSE_RXT0 (1u << 7)

/* 10.2.5 receive control; buffers of 2048 bytes are its zero */
#define RCTL_EN (1u << 1)
#define RCTL_UPE (1u << 3)    /* all unicast */
#define RCTL_MPE (1u << 4)    /* all multicast */
#define RCTL_BAM (1u << 15)   /* broadcast */
#define RCTL_SECRC (1u << 26) /* without the frame check sequence */
#define RXCSUM_IPOFLD (1u << 8)
#define RXCSUM_TUOFLD (1u << 9)
#define RAH_VALID (1u << 31)

/* 10.2.6 transmit control */
#define TCTL_EN (1u << 1)
#define TCTL_PSP (1u << 3)      /* pad short packets */
#define TCTL_CT (0x0fu << 4)    /* collision threshold, as recommended */
#define TCTL_COLD (0x3fu << 12) /* collision distance, full duplex */
#define TIPG_COPPER 0x00702008u /* inter-packet gap: the values for copper */

/* 7.1 legacy receive descriptors */
enum { RXD_DONE = 1 << 0, RXD_END = 1 << 1, RXD_IGNORE_SUM = 1 << 2, RXD_TCP_SUM = 1 << 5 }; /* status */
enum { RXD_SUM_ERRORS = 0x60, RXD_FRAME_ERRORS = 0x97 };                                     /* errors */
struct e1000e_rx_descriptor {
    uint64_t address;
    uint16_t length;
    uint16_t checksum;
    uint8_t status;
    uint8_t errors;
    uint16_t special;
};
_Static_assert(sizeof(struct e1000e_rx_descriptor) == 16, "82574L, 7.1");

/* 7.2 legacy transmit descriptors */
enum { TXD_END = 1 << 0, TXD_FCS = 1 << 1, TXD_REPORT = 1 << 3 }; /* command */
enum { TXD_DONE = 1 << 0 };                                       /* status */
struct e1000e_tx_descriptor {
    uint64_t address;
    uint16_t length;
    uint8_t checksum_offset;
    uint8_t command;
    uint8_t status;
    uint8_t checksum_start;
    uint16_t special;
};
_Static_assert(sizeof(struct e1000e_tx_descriptor) == 16, "82574L, 7.2");

#endif
