/* SPDX-License-Identifier: Apache-2.0
 *
 * Completion scripts for bash, zsh and fish, from the tables: commands, options, and
 * the words or files that an option takes.
 */
#include "config.h"

#include "arguments.h"
#include "help.h"
#include <string.h>

/* Does the option's value name something in the file system? */
static bool takes_path(const struct option_spec *spec)
{
    return spec->arg && (strstr(spec->arg, "FILE") || strstr(spec->arg, "DIR") ||
                         strstr(spec->arg, "MODEL"));
}

/* The words of "cuda|cpu", separated by spaces. */
static void print_words(FILE *out, const char *values)
{
    for (const char *c = values; *c; c++)
        (void)fputc(*c == '|' ? ' ' : *c, out);
}

/* ---- bash ---- */

static void bash_values(FILE *out, const struct command *command)
{
    const struct option_spec *spec;
    for (size_t i = 0; (spec = option_at(command, i)); i++) {
        if (!spec->arg)
            continue;
        (void)fprintf(out, "    '%s --%s'", command->name, spec->name);
        if (spec->letter)
            (void)fprintf(out, " | '%s -%c'", command->name, spec->letter);
        (void)fputs(") ", out);
        if (spec->values) {
            (void)fputs("COMPREPLY=($(compgen -W '", out);
            print_words(out, spec->values);
            (void)fputs("' -- \"$cur\")); return ;;\n", out);
        } else if (takes_path(spec)) {
            (void)fputs("compopt -o filenames; "
                        "COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n",
                        out);
        } else {
            (void)fputs("return ;;\n", out); /* free text: nothing to offer */
        }
    }
}

void generate_bash(FILE *out)
{
    (void)fputs("# bash completion for int8tool; generated from its tables of options.\n"
                "_int8tool() {\n"
                "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                "  # bash splits --option=value at the =\n"
                "  if [[ $cur == '=' ]]; then cur=\n"
                "  elif [[ $prev == '=' ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
                "  if ((COMP_CWORD == 1)); then\n"
                "    COMPREPLY=($(compgen -W 'help --help --version",
                out);
    for (size_t i = 0; commands[i]; i++)
        (void)fprintf(out, " %s", commands[i]->name);
    (void)fputs("' -- \"$cur\")); return\n"
                "  fi\n"
                "  case \"${COMP_WORDS[1]} $prev\" in\n"
                "    'help help') COMPREPLY=($(compgen -W '",
                out);
    for (size_t i = 0; commands[i]; i++)
        (void)fprintf(out, "%s%s", i ? " " : "", commands[i]->name);
    (void)fputs("' -- \"$cur\")); return ;;\n", out);
    for (size_t i = 0; commands[i]; i++)
        bash_values(out, commands[i]);
    (void)fputs("  esac\n"
                "  if [[ $cur == -* ]]; then\n"
                "    case ${COMP_WORDS[1]} in\n",
                out);
    for (size_t i = 0; commands[i]; i++) {
        const struct option_spec *spec;
        (void)fprintf(out, "    %s) COMPREPLY=($(compgen -W '", commands[i]->name);
        for (size_t j = 0; (spec = option_at(commands[i], j)); j++)
            (void)fprintf(out, "%s--%s", j ? " " : "", spec->name);
        (void)fputs("' -- \"$cur\")) ;;\n", out);
    }
    (void)fputs("    esac\n"
                "    return\n"
                "  fi\n"
                "  compopt -o filenames\n"
                "  COMPREPLY=($(compgen -f -- \"$cur\"))\n"
                "}\n"
                "complete -F _int8tool int8tool\n",
                out);
}

/* ---- zsh ---- */

/* Within '…[here]': quotes end the word, brackets and colons the explanation. */
static void zsh_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            (void)fputs("'\\''", out);
        else if (strchr("[]:\\", *text))
            (void)fprintf(out, "\\%c", *text);
        else
            (void)fputc(*text, out);
    }
}

static void zsh_option(FILE *out, const struct option_spec *spec, bool letter)
{
    (void)fputs(" \\\n        '", out);
    if (spec->repeatable)
        (void)fputc('*', out);
    if (letter)
        (void)fprintf(out, "-%c%s[", spec->letter, spec->arg ? "+" : "");
    else
        (void)fprintf(out, "--%s%s[", spec->name, spec->arg ? "=" : "");
    zsh_text(out, spec->help);
    (void)fputc(']', out);
    if (spec->arg) {
        (void)fputc(':', out);
        zsh_text(out, spec->arg);
        (void)fputc(':', out);
        if (spec->values) {
            (void)fputc('(', out);
            print_words(out, spec->values);
            (void)fputc(')', out);
        } else if (takes_path(spec)) {
            (void)fputs("_files", out);
        }
    }
    (void)fputc('\'', out);
}

void generate_zsh(FILE *out)
{
    (void)fputs("#compdef int8tool\n"
                "# Generated from int8tool's tables of options.\n"
                "_int8tool() {\n"
                "  if ((CURRENT == 2)); then\n"
                "    local -a commands=(\n"
                "      'help:explain a command'\n",
                out);
    for (size_t i = 0; commands[i]; i++) {
        (void)fprintf(out, "      '%s:", commands[i]->name);
        zsh_text(out, commands[i]->summary);
        (void)fputs("'\n", out);
    }
    (void)fputs("    )\n"
                "    _describe command commands\n"
                "    return\n"
                "  fi\n"
                "  local command=$words[2]\n"
                "  shift words\n"
                "  ((CURRENT--))\n"
                "  case $command in\n",
                out);
    for (size_t i = 0; commands[i]; i++) {
        const struct option_spec *spec;
        (void)fprintf(out, "    %s)\n      _arguments -s", commands[i]->name);
        for (size_t j = 0; (spec = option_at(commands[i], j)); j++) {
            zsh_option(out, spec, false);
            if (spec->letter)
                zsh_option(out, spec, true);
        }
        (void)fputs(" \\\n        '*:file:_files' ;;\n", out);
    }
    (void)fputs("  esac\n}\n_int8tool \"$@\"\n", out);
}

/* ---- fish ---- */

static void fish_text(FILE *out, const char *text)
{
    (void)fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            (void)fputc('\\', out);
        (void)fputc(*text, out);
    }
    (void)fputc('\'', out);
}

static void fish_option(FILE *out, const struct command *command,
                        const struct option_spec *spec)
{
    (void)fprintf(out, "complete -c int8tool -n '__fish_seen_subcommand_from %s' -l %s",
                  command->name, spec->name);
    if (spec->letter)
        (void)fprintf(out, " -s %c", spec->letter);
    if (spec->values) {
        (void)fputs(" -x -a '", out);
        print_words(out, spec->values);
        (void)fputc('\'', out);
    } else if (takes_path(spec)) {
        (void)fputs(" -r -F", out);
    } else if (spec->arg) {
        (void)fputs(" -x", out);
    }
    (void)fputs(" -d ", out);
    fish_text(out, spec->help);
    (void)fputc('\n', out);
}

void generate_fish(FILE *out)
{
    (void)fputs("# fish completion for int8tool; generated from its tables of options.\n"
                "complete -c int8tool -n __fish_use_subcommand -f -l help\n"
                "complete -c int8tool -n __fish_use_subcommand -f -l version\n",
                out);
    for (size_t i = 0; commands[i]; i++) {
        (void)fprintf(out, "complete -c int8tool -n __fish_use_subcommand -f -a %s -d ",
                      commands[i]->name);
        fish_text(out, commands[i]->summary);
        (void)fputc('\n', out);
    }
    for (size_t i = 0; commands[i]; i++) {
        const struct option_spec *spec;
        for (size_t j = 0; (spec = option_at(commands[i], j)); j++)
            fish_option(out, commands[i], spec);
    }
}
