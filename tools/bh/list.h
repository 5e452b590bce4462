/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * list.h - verbs that say a list: rows under a heading, or under --json one object with one array
 */
#ifndef BH_LIST_H
#define BH_LIST_H

#include "json.h"
#include "verb.h"

/* What stands before the first row: the heading, or the array's beginning.  With --json a row is then written
 * as an element. */
void list_start(struct json *json, const struct args *args, const char *member, const char *heading);
void list_end(struct json *json, const struct args *args);

/* One request for each VM that the command line names, or for all; each answer is a piece of the list. */
struct vm_list {
    const char *heading;
    uint32_t method;
    void (*print)(const void *reply);
    void (*json)(struct json *json, const void *reply);
};
/* Returns the exit status. */
int vm_list_say(const struct args *args, const struct vm_list *list);

#endif
