/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * owed.c - see owed.h
 */
#include "owed.h"

#include "bh.h"

static slot_t owed;

enum status owed_signal(slot_t notification)
{
    if (owed != 0 && owed != notification)
        return bh_notification_signal(notification);
    owed = notification;
    return OK;
}

void owed_send(void)
{
    if (owed != 0 && bh_notification_signal(owed) == OK)
        owed = 0;
}

slot_t owed_take(void)
{
    slot_t notification = owed;

    owed = 0;
    return notification;
}
