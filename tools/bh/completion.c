/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * completion.c - the table of verbs, for shells: completion
 *
 * What is generated asks `bh` itself for the names of VMs and machines, with a short patience.
 */
#include <stdio.h>
#include <string.h>

#include "fail.h"
#include "json.h"
#include "verbs.h"

/* ---- what an argument is ---------------------------------------------------------------------------------
 */

static bool is_of(const char *argument, const char *const *names)
{
    for (; *names; names++)
        if (strstr(argument, *names))
            return true;
    return false;
}

/* The shell function's word for what completes an argument that help calls so. */
static const char *kind_of(const char *argument)
{
    static const char *const files[] = {"FILE", "IMG", "DIR", "PATH", NULL};
    static const char *const vms[] = {"VM", NULL}, *const machines[] = {"MACHINE", NULL};
    static const char *const lists[] = {"[VERB]", NULL}, *const shells[] = {"SHELL", NULL};

    if (is_of(argument, lists))
        return "verbs";
    if (is_of(argument, files))
        return is_of(argument, vms) ? "vms_files" : "files";
    if (is_of(argument, machines))
        return "machines";
    if (is_of(argument, shells))
        return "shells";
    return is_of(argument, vms) ? "vms" : "nothing";
}

/* ---- the script
 * ---------------------------------------------------------------------------------------------- */

static void option_words_print(const struct option_spec *option, void *context)
{
    (void)context;
    printf("--%s ", option->name);
    if (option->letter)
        printf("-%c ", option->letter);
}

/* "--machine) kind=machines ;;": by the word before the cursor. */
static void option_kind_print(const struct option_spec *option, void *context)
{
    (void)context;
    if (!option->argument)
        return;
    if (option->letter)
        printf("        -%c) kind=%s ;;\n", option->letter, kind_of(option->argument));
    printf("        --%s) kind=%s ;;\n", option->name, kind_of(option->argument));
}

static void verb_case_print(const struct verb *verb)
{
    printf("    %s", verb->name);
    for (const char *a = verb->aliases; a && *a; a += strcspn(a, " "), a += strspn(a, " "))
        printf("|%.*s", (int)strcspn(a, " "), a);
    printf(")\n        options=\"");
    verb_options(verb, option_words_print, NULL);
    printf("\"\n        kind=%s\n        case $previous in\n", kind_of(verb->arguments));
    verb_options(verb, option_kind_print, NULL);
    puts("        esac\n        ;;");
}

static void verb_names_print(void)
{
    for (const struct verb *const *v = verbs; *v; v++)
        printf("%s%s", v == verbs ? "" : " ", (*v)->name);
}

static void bash_print(void)
{
    puts("# bash completion for bh; `bh completion bash` wrote it.  Load it with: . <(bh completion bash)\n"
         "_bh() {\n"
         "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
         "    local verb= kind= options= machine= word i\n"
         "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "        word=${COMP_WORDS[i]}\n"
         "        case $word in\n"
         "        --machine) machine=${COMP_WORDS[++i]} ;;\n"
         "        --timeout) ((i++)) ;;\n"
         "        -*) ;;\n"
         "        *) verb=${verb:-$word} ;;\n"
         "        esac\n"
         "    done\n"
         "    case $verb in\n"
         "    '')\n"
         "        options='--machine --timeout --json --help --version'\n"
         "        kind=verbs\n"
         "        [[ $previous == --machine ]] && kind=machines\n"
         "        ;;");
    for (const struct verb *const *v = verbs; *v; v++)
        verb_case_print(*v);
    printf("    esac\n"
           "    if [[ $current == -* ]]; then\n"
           "        COMPREPLY=($(compgen -W \"$options\" -- \"$current\"))\n"
           "        return\n"
           "    fi\n"
           "    local names=\n"
           "    case $kind in\n"
           "    verbs) names='");
    verb_names_print();
    puts("' ;;\n"
         "    shells) names='bash zsh' ;;\n"
         "    machines) names=$(\"${COMP_WORDS[0]}\" machines --name 2>/dev/null) ;;\n"
         "    vms|vms_files)\n"
         "        names=$(\"${COMP_WORDS[0]}\" list --name --timeout 2 ${machine:+--machine \"$machine\"} "
         "2>/dev/null) ;;\n"
         "    esac\n"
         "    COMPREPLY=($(compgen -W \"$names\" -- \"$current\"))\n"
         "    case $kind in\n"
         "    files|vms_files) COMPREPLY+=($(compgen -f -- \"$current\")) ;;\n"
         "    esac\n"
         "}\n"
         "complete -o filenames -F _bh bh ./bh");
}

static int completion(const struct args *args)
{
    const char *shell = args->words[0];

    if (strcmp(shell, "bash") != 0 && strcmp(shell, "zsh") != 0)
        fail_usage("completion %s: there is bash, and zsh", shell);
    if (!strcmp(shell, "zsh"))
        puts("autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit");
    bash_print();
    return 0;
}

const struct verb verb_completion = {
    .name = "completion",
    .group = GROUP_TOOL,
    .arguments = "SHELL",
    .summary = "what bash (or zsh) needs to complete verbs, options and names of VMs",
    .text = "In ~/.bashrc: . <(bh completion bash). The script is the same with --json.",
    .least = 1,
    .most = 1,
    .run = completion,
};
