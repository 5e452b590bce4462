/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * status.h - the closed set of outcomes
 *
 * The same names in the kernel, in every service and in the manual.  OK is 0; nothing fails half-done.
 */
#ifndef BH_ABI_STATUS_H
#define BH_ABI_STATUS_H

#define BH_NODISCARD __attribute__((warn_unused_result))

enum status {
    OK = 0,
    ERR_CALL = 1,   /* no such call */
    ERR_CAP = 2,    /* the slot is empty, out of range, or holds another kind of object */
    ERR_RIGHT = 3,  /* the capability lacks a right that the call needs */
    ERR_ARG = 4,    /* a plain argument is out of its range, misaligned, or does not fit the others */
    ERR_STATE = 5,  /* the object is not in a state that allows this now */
    ERR_FULL = 6,   /* the destination slot or table is taken */
    ERR_MEM = 7,    /* the Untyped (or donated table memory, or a quota) does not hold enough */
    ERR_PEER = 8,   /* the other side is gone or went away during the call */
    ERR_TIME = 9,   /* the deadline passed */
    ERR_IO = 10,    /* a device failed the request */
    ERR_EXIST = 11, /* it exists already, or: there is no such thing (services only; says which in text) */
};

#endif
