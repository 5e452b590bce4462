/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * args.c - a command line, by its verb's table
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "options.h"
#include "verb.h"

#define OPTIONS_MAX 48
#define KEY_FIRST 256 /* getopt_long()'s value of the n-th option: no character */
#define TIMEOUT_MOST 1000000

const struct option_spec options_of_all[] = {
    {"json", 0, NULL, "say it as JSON (docs/json.md), errors too", 0},
    {"help", 'h', NULL, "what this verb does", 0},
    {NULL, 0, NULL, NULL, 0},
};

const struct option_spec options_of_asking[] = {
    {"machine", 0, "MACHINE", "which one: its name, its socket's path, or a port of 127.0.0.1 (default)", 0},
    {"timeout", 0, "SECONDS", "how long to wait for each answer (60)", 0},
    {NULL, 0, NULL, NULL, 0},
};

/* A verb's options as getopt_long() wants them. */
struct parser {
    const struct option_spec *specs[OPTIONS_MAX];
    struct option longs[OPTIONS_MAX + 1];
    char shorts[2 * OPTIONS_MAX + 2];
    unsigned count;
    size_t short_count;
};

void verb_options(const struct verb *verb, void (*each)(const struct option_spec *option, void *context),
                  void *context)
{
    const struct option_spec *tables[] = {verb->options, verb->asks ? options_of_asking : NULL,
                                          options_of_all};

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        for (const struct option_spec *o = tables[i]; o && o->name; o++)
            each(o, context);
}

static void parser_add(const struct option_spec *option, void *context)
{
    struct parser *p = context;

    if (p->count == OPTIONS_MAX)
        fail("--%s is one option too many", option->name);
    p->longs[p->count] = (struct option){option->name, option->argument ? required_argument : no_argument,
                                         NULL, KEY_FIRST + (int)p->count};
    if (option->letter) {
        p->shorts[p->short_count++] = option->letter;
        if (option->argument)
            p->shorts[p->short_count++] = ':';
    }
    p->specs[p->count++] = option;
}

static const struct option_spec *parser_option(const struct parser *p, int key)
{
    for (unsigned i = 0; i < p->count; i++)
        if (key == KEY_FIRST + (int)i || (p->specs[i]->letter && key == p->specs[i]->letter))
            return p->specs[i];
    return NULL;
}

uint64_t args_number(const char *what, const char *text, uint64_t min, uint64_t max)
{
    uint64_t number;

    if (text[strspn(text, "0123456789")] || !size_parse(text, &number) || number < min || number > max)
        fail_usage("%s %s: a number from %llu to %llu is needed", what, text, (unsigned long long)min,
                   (unsigned long long)max);
    return number;
}

static void args_take(struct args *args, const struct option_spec *option, const char *value)
{
    args->given[args->given_count++] = (struct given){option, value};
    if (option == &options_of_asking[0])
        args->machine = value;
    if (option == &options_of_asking[1] && value)
        args->timeout_seconds = (unsigned)args_number("--timeout", value, 1, TIMEOUT_MOST);
}

/* `shutdown --machine`: no name behind it, the default one is meant. */
static bool is_bare_machine(const struct verb *verb, const struct option_spec *option, const char *value)
{
    return verb->takes_bare_machine && option == &options_of_asking[0] && (!value || *value == '-');
}

static void args_count_check(const struct args *args)
{
    const struct verb *verb = args->verb;

    if (args->count < verb->least)
        fail_usage("%s: something is missing: %s %s", verb->name, verb->name, verb->arguments);
    if (args->count > verb->most)
        fail_usage("%s: '%s' is too much: %s %s", verb->name, args->words[verb->most], verb->name,
                   verb->arguments);
}

struct args args_parse(const struct verb *verb, int argc, char **argv)
{
    struct args args = {.verb = verb};
    struct parser parser = {.short_count = 1, .shorts = ":"};
    const struct option_spec *option;
    int key;

    verb_options(verb, parser_add, &parser);
    args.given = must_alloc((unsigned long)argc * sizeof(args.given[0]));
    opterr = 0;
    while ((key = getopt_long(argc, argv, parser.shorts, parser.longs, NULL)) != -1) {
        option = parser_option(&parser, key == ':' ? optopt : key);
        if (option && is_bare_machine(verb, option, key == ':' ? NULL : optarg)) {
            optind -= key != ':';
            args_take(&args, option, NULL);
            continue;
        }
        if (!option || key == ':')
            fail_usage("%s: %s: %s", verb->name, argv[optind - 1],
                       key == ':' ? "its value is missing" : "there is no such option, or it takes no value");
        args_take(&args, option, optarg);
    }
    args.words = argv + optind;
    args.count = (unsigned)(argc - optind);
    args.json = args_has(&args, "json");
    if (args_has(&args, "help")) {
        help_verb(verb);
        exit(0);
    }
    args_count_check(&args);
    if (!args.machine)
        args.machine = getenv("BULKHEAD_MACHINE");
    if (args.machine && !*args.machine)
        args.machine = NULL;
    return args;
}

const char *args_value(const struct args *args, const char *option)
{
    for (unsigned i = args->given_count; i-- > 0;)
        if (!strcmp(args->given[i].option->name, option))
            return args->given[i].value;
    return NULL;
}

bool args_has(const struct args *args, const char *option)
{
    for (unsigned i = 0; i < args->given_count; i++)
        if (!strcmp(args->given[i].option->name, option))
            return true;
    return false;
}
