/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * help.c - what the table of verbs says, for people: help, --version
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "json.h"
#include "verbs.h"

#define COLUMNS 100
#define TEXT_COLUMN 26

/* Text from the column on, broken at blanks; the cursor stands at `at`. */
static void wrapped_print(const char *text, int column, int at)
{
    while (*text) {
        int length = (int)strcspn(text, " ");

        if (at + length > COLUMNS && at > column) {
            printf("\n%*s", column, "");
            at = column;
        }
        printf("%.*s", length, text);
        at += length;
        text += length;
        if (*text == ' ') {
            putchar(' ');
            at++;
            text++;
        }
    }
    putchar('\n');
}

static void entry_print(const char *name, const char *text)
{
    int at = printf("  %-*s", TEXT_COLUMN - 2, name);

    if (at > TEXT_COLUMN) {
        printf("\n%*s", TEXT_COLUMN, "");
        at = TEXT_COLUMN;
    }
    wrapped_print(text, TEXT_COLUMN, at);
}

static void option_print(const struct option_spec *option, void *context)
{
    char letter[8] = "", *name;

    (void)context;
    if (option->letter)
        snprintf(letter, sizeof(letter), "-%c, ", option->letter);
    name = must_print("%s--%s%s%s", letter, option->name, option->argument ? " " : "",
                      option->argument ? option->argument : "");
    entry_print(name, option->help);
    free(name);
}

void help_verb(const struct verb *verb)
{
    printf("usage: bh %s [OPTION...] %s\n", verb->name, verb->arguments);
    wrapped_print(verb->summary, 0, 0);
    if (verb->aliases)
        printf("Also known as: %s\n", verb->aliases);
    putchar('\n');
    if (verb->text) {
        wrapped_print(verb->text, 0, 0);
        putchar('\n');
    }
    verb_options(verb, option_print, NULL);
}

void help_all(void)
{
    const char *group = "";

    puts("usage: bh VERB [OPTION...] [ARGUMENT...]\n"
         "Run machines with Bulkhead, and manage the VMs of those that run.");
    for (const struct verb *const *v = verbs; *v; v++) {
        char *name = must_print("%s %s", (*v)->name, (*v)->arguments);

        if (strcmp(group, (*v)->group) != 0)
            printf("\n%s:\n", (*v)->group);
        group = (*v)->group;
        entry_print(name, (*v)->summary);
        free(name);
    }
    puts(
        "\n`bh help VERB` shows a verb's options.  With --machine MACHINE (or $BULKHEAD_MACHINE) it is that\n"
        "machine's VMs that are meant, else those of `default`.  Every verb takes --json.\n"
        "Exit status: 0 done, 1 refused, 2 usage, 69 no such machine (any more), 76 another version of the\n"
        "protocol, 124 no answer in time; those of `run` are in docs/manual.md.");
}

static void option_json(const struct option_spec *option, void *context)
{
    struct json *json = context;
    char letter[2] = {option->letter, '\0'};

    json_object(json, NULL);
    json_text(json, "name", option->name);
    json_text(json, "letter", letter);
    if (option->argument)
        json_text(json, "argument", option->argument);
    else
        json_null(json, "argument");
    json_text(json, "help", option->help);
    json_object_end(json);
}

static void aliases_json(struct json *json, const char *aliases)
{
    json_array(json, "aliases");
    while (aliases && *aliases) {
        size_t length = strcspn(aliases, " ");

        json_text_bytes(json, NULL, aliases, length);
        aliases += length + strspn(aliases + length, " ");
    }
    json_array_end(json);
}

static void verb_json(struct json *json, const struct verb *verb)
{
    json_object(json, NULL);
    json_text(json, "name", verb->name);
    aliases_json(json, verb->aliases);
    json_text(json, "group", verb->group);
    json_text(json, "arguments", verb->arguments);
    json_text(json, "summary", verb->summary);
    json_text(json, "text", verb->text ? verb->text : "");
    json_array(json, "options");
    verb_options(verb, option_json, json);
    json_array_end(json);
    json_object_end(json);
}

static const struct verb *verb_asked(const struct args *args)
{
    const struct verb *verb = args->count ? verb_find(args->words[0]) : NULL;

    if (args->count && !verb)
        fail_usage("help: there is no verb '%s'", args->words[0]);
    return verb;
}

static int help(const struct args *args)
{
    const struct verb *verb = verb_asked(args);
    struct json json;

    if (!args->json) {
        if (verb)
            help_verb(verb);
        else
            help_all();
        return 0;
    }
    json_start(&json, stdout);
    json_object(&json, NULL);
    json_array(&json, "verbs");
    for (const struct verb *const *v = verbs; *v; v++)
        if (!verb || verb == *v)
            verb_json(&json, *v);
    json_array_end(&json);
    json_object_end(&json);
    json_finish(&json);
    return 0;
}

const struct verb verb_help = {
    .name = "help",
    .group = GROUP_TOOL,
    .arguments = "[VERB]",
    .summary = "what can be said, or what a verb does",
    .most = 1,
    .run = help,
};
