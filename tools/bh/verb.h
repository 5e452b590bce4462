/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verb.h - what `bh` can be told, as tables: parsing, help, completion and the manual page are made of them
 */
#ifndef BH_VERB_H
#define BH_VERB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct option_spec {
    const char *name;     /* as in --name; NULL ends a table */
    char letter;          /* as in -n; 0: none */
    const char *argument; /* what it takes, as help names it; NULL: nothing */
    const char *help;
    int key; /* for whoever goes through args.given[] */
};

struct args;

struct verb {
    const char *name;
    const char *aliases; /* with blanks between; NULL: none */
    const char *group;   /* under which help lists it */
    const char *arguments;
    const char *summary;                 /* one line */
    const char *text;                    /* the rest that is to say; NULL: nothing */
    const struct option_spec *options;   /* NULL: none of its own */
    unsigned least, most;                /* how many words it takes */
    bool asks;                           /* it talks to a machine: it has --machine and --timeout */
    bool takes_bare_machine;             /* --machine without a name means something */
    int (*run)(const struct args *args); /* returns the exit status */
};

#define WORDS_ANY (~0u)
#define ARGUMENTS_VM "VM" /* what stands for VMs in `arguments`: completion looks for it */

/* What a command line said. */
struct args {
    const struct verb *verb;
    char **words;
    unsigned count;
    struct given {
        const struct option_spec *option;
        const char *value;
    } * given; /* in the order of the command line */
    unsigned given_count;
    const char *machine;      /* --machine, or $BULKHEAD_MACHINE; NULL: the default one */
    unsigned timeout_seconds; /* how long to wait for each answer; 0: not given */
    bool json;
};

/* All verbs; ends with NULL. */
extern const struct verb *const verbs[];
/* By its name or an alias; NULL: there is none. */
const struct verb *verb_find(const char *word);
/* Options that all verbs have, and those of verbs that talk to a machine. */
extern const struct option_spec options_of_all[];
extern const struct option_spec options_of_asking[];

/* Parse what follows the verb (argv[0] is the verb); ends the tool when it makes no sense. */
struct args args_parse(const struct verb *verb, int argc, char **argv);
bool args_has(const struct args *args, const char *option);
/* The last value given; NULL: none. */
const char *args_value(const struct args *args, const char *option);
/* A number from min to max that stands at `what` (for the message); ends the tool if it is none. */
uint64_t args_number(const char *what, const char *text, uint64_t min, uint64_t max);

/* Call `each` for every option of a verb, its own first. */
void verb_options(const struct verb *verb, void (*each)(const struct option_spec *option, void *context),
                  void *context);

void help_all(void);
void help_verb(const struct verb *verb);

#endif
