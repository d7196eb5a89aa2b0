/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads a command's options from its table with getopt_long, so that what is accepted
 * and what the help shows cannot differ. Values with a fixed set of words are checked
 * here; numbers are checked when a command asks for them.
 */
#include "config.h"

#include "arguments.h"
#include "base/memory.h"
#include "base/size.h"
#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option_spec common_options[] = {
    {.name = "json", .help = "print the answer as one JSON document"},
    {.name = "quiet", .letter = 'q', .help = "print errors only"},
    {.name = "verbose",
     .letter = 'v',
     .help = "say more about what is done",
     .repeatable = true},
    {.name = "help", .letter = 'h', .help = "print this help and exit"},
    {0},
};

struct given {
    const char **values; /* NULL-terminated; a switch counts as "" */
    size_t count, capacity;
};

struct arguments {
    const struct command *command;
    struct given *given; /* one an option, in option_at's order */
    size_t n_options;
    char **operands;
    int n_operands;
};

/* getopt's codes of long options start beyond every letter. */
enum { FIRST_LONG_CODE = 256 };

const struct option_spec *option_at(const struct command *command, size_t i)
{
    size_t own = 0;
    while (command->options && command->options[own].name) {
        if (own == i)
            return &command->options[i];
        own++;
    }
    i -= own;
    return i + 1 < sizeof common_options / sizeof *common_options ? &common_options[i]
                                                                  : NULL;
}

static size_t option_count(const struct command *command)
{
    size_t n = 0;
    while (option_at(command, n))
        n++;
    return n;
}

void arguments_free(struct arguments *a)
{
    if (!a)
        return;
    for (size_t i = 0; a->given && i < a->n_options; i++)
        free(a->given[i].values);
    free(a->given);
    free(a);
}

/* ---- reading ---- */

static int no_memory(void)
{
    struct i8_error err = {0};
    (void)i8i_nomem(&err);
    return report_error(&err);
}

/* Is `value` one of "word|word|…"? */
static bool is_one_of(const char *value, const char *words)
{
    size_t n = strlen(value);
    for (const char *w = words; w; w = strchr(w, '|') ? strchr(w, '|') + 1 : NULL) {
        if (n == strcspn(w, "|") && !strncmp(w, value, n))
            return true;
    }
    return false;
}

static int add_value(struct arguments *a, size_t i, const char *value)
{
    const struct option_spec *spec = option_at(a->command, i);
    struct given *g = &a->given[i];
    if (spec->values && !is_one_of(value, spec->values))
        return usage_error(a, "--%s: expected one of %s, found '%s'", spec->name,
                           spec->values, value);
    if (!i8i_grow(&g->values, &g->capacity, g->count + 2, sizeof *g->values))
        return no_memory();
    g->values[g->count++] = value;
    g->values[g->count] = NULL;
    return EXIT_DONE;
}

/* Says why getopt_long did not take argv[optind - 1]. */
static int refuse_option(const struct arguments *a, const char *word)
{
    if (optopt >= FIRST_LONG_CODE)
        return usage_error(a, "option '--%s' takes no value",
                           option_at(a->command, (size_t)optopt - FIRST_LONG_CODE)->name);
    if (optopt)
        return usage_error(a, "unknown option '-%c'", optopt);

    size_t length = strcspn(word, "=");
    const char *first = NULL, *second = NULL;
    for (size_t i = 0; i < a->n_options; i++) {
        const char *name = option_at(a->command, i)->name;
        if (length < 3 || strncmp(name, word + 2, length - 2) != 0)
            continue;
        second = first ? name : NULL;
        first = first ? first : name;
        if (second)
            return usage_error(a, "option '%.*s' is ambiguous: --%s or --%s", (int)length,
                               word, first, second);
    }
    return usage_error(a, "unknown option '%.*s'", (int)length, word);
}

/* The index of the option that getopt_long's return value stands for. */
static size_t option_index(const struct arguments *a, int code)
{
    if (code >= FIRST_LONG_CODE)
        return (size_t)code - FIRST_LONG_CODE;
    size_t i = 0;
    while (option_at(a->command, i)->letter != code)
        i++;
    return i;
}

static int read_options(struct arguments *a, int argc, char **argv,
                        struct option *long_options, char *letters)
{
    char *next = letters;
    *next++ = ':'; /* a missing value is told apart from an unknown option */
    for (size_t i = 0; i < a->n_options; i++) {
        const struct option_spec *spec = option_at(a->command, i);
        long_options[i].name = spec->name;
        long_options[i].has_arg = spec->arg ? required_argument : no_argument;
        long_options[i].val = FIRST_LONG_CODE + (int)i;
        if (spec->letter)
            *next++ = spec->letter;
        if (spec->letter && spec->arg)
            *next++ = ':';
    }

    opterr = 0;
    optind = 0; /* glibc: forget an earlier scan */
    int code;
    while ((code = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
        if (code == '?')
            return refuse_option(a, argv[optind - 1]);
        size_t i = option_index(a, code == ':' ? optopt : code);
        if (code == ':')
            return usage_error(a, "option '--%s' needs a value: %s",
                               option_at(a->command, i)->name,
                               option_at(a->command, i)->arg);
        int status = add_value(a, i, optarg ? optarg : "");
        if (status != EXIT_DONE)
            return status;
    }
    a->operands = argv + optind;
    a->n_operands = argc - optind;
    return EXIT_DONE;
}

static int check_operands(const struct arguments *a)
{
    if (a->n_operands < a->command->min_operands)
        return usage_error(a, "missing operand: int8tool %s %s", a->command->name,
                           a->command->synopsis);
    if (a->n_operands > a->command->max_operands)
        return usage_error(a, "unexpected operand '%s'",
                           a->operands[a->command->max_operands]);
    return EXIT_DONE;
}

int arguments_parse(struct arguments **out, const struct command *command, int argc,
                    char **argv)
{
    *out = NULL;
    int status;
    size_t n = option_count(command);
    struct arguments *a = i8i_calloc(1, sizeof *a);
    struct option *long_options = i8i_calloc(n + 1, sizeof *long_options);
    char *letters = i8i_calloc(2 * n + 2, 1);
    if (a) {
        a->command = command;
        a->n_options = n;
        a->given = i8i_calloc(n, sizeof *a->given);
    }
    if (!a || !a->given || !long_options || !letters) {
        status = no_memory();
        goto out;
    }
    status = read_options(a, argc, argv, long_options, letters);
    if (status == EXIT_DONE && !arg_given(a, "help"))
        status = check_operands(a);
    if (status == EXIT_DONE) {
        *out = a;
        a = NULL;
    }
out:
    free(letters);
    free(long_options);
    arguments_free(a);
    return status;
}

/* ---- asking ---- */

static const struct given *given_option(const struct arguments *a, const char *option)
{
    size_t i = 0;
    while (i < a->n_options && strcmp(option_at(a->command, i)->name, option) != 0)
        i++;
    assert(i < a->n_options); /* a command may only ask for what its table holds */
    return &a->given[i];
}

const char *arg_value(const struct arguments *a, const char *option)
{
    const struct given *g = given_option(a, option);
    return g->count > 0 ? g->values[g->count - 1] : NULL;
}

bool arg_given(const struct arguments *a, const char *option)
{
    return given_option(a, option)->count > 0;
}

const char *const *arg_values(const struct arguments *a, const char *option)
{
    static const char *const none[] = {NULL};
    const struct given *g = given_option(a, option);
    return g->count > 0 ? g->values : none;
}

int arg_operands(const struct arguments *a)
{
    return a->n_operands;
}

const char *arg_operand(const struct arguments *a, int i)
{
    return i >= 0 && i < a->n_operands ? a->operands[i] : NULL;
}

bool arg_json(const struct arguments *a)
{
    return arg_given(a, "json");
}

int arg_verbosity(const struct arguments *a)
{
    if (arg_given(a, "quiet"))
        return -1;
    return (int)given_option(a, "verbose")->count;
}

const char *arg_command(const struct arguments *a)
{
    return a->command->name;
}

/* "--option" for the messages of the number parsers. */
#define OPTION_TEXT 64
static const char *option_text(char buf[OPTION_TEXT], const char *option)
{
    (void)snprintf(buf, OPTION_TEXT, "--%s", option);
    return buf;
}

static bool accept(const struct arguments *a, enum i8_status status,
                   const struct i8_error *err)
{
    if (status != I8_OK)
        (void)usage_error(a, "%s", err->message);
    return status == I8_OK;
}

bool arg_size(uint64_t *out, const struct arguments *a, const char *option)
{
    char what[OPTION_TEXT];
    struct i8_error err = {0};
    const char *text = arg_value(a, option);
    return !text ||
           accept(a, i8i_size_parse(out, text, option_text(what, option), &err), &err);
}

bool arg_uint(uint64_t *out, const struct arguments *a, const char *option, uint64_t min,
              uint64_t max)
{
    char what[OPTION_TEXT];
    struct i8_error err = {0};
    const char *text = arg_value(a, option);
    return !text ||
           accept(a, i8i_uint_parse(out, text, min, max, option_text(what, option), &err),
                  &err);
}

bool arg_double(double *out, const struct arguments *a, const char *option, double min,
                double max)
{
    char what[OPTION_TEXT];
    struct i8_error err = {0};
    const char *text = arg_value(a, option);
    return !text ||
           accept(a,
                  i8i_double_parse(out, text, min, max, option_text(what, option), &err),
                  &err);
}
