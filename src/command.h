/* SPDX-License-Identifier: Apache-2.0
 *
 * What a command is: a table of options and a function. `--help`, the man page and
 * the shell completions are all generated from these tables, so an option is written
 * down once.
 */
#ifndef INT8TOOL_COMMAND_H
#define INT8TOOL_COMMAND_H

#include "base/error.h"
#include "base/json.h"
#include <int8tool/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1, /* I/O, network, corrupt or refused input, out of memory */
    EXIT_USAGE = 2,
    EXIT_NO = 3, /* the answer is no: does not fit, parity missed */
};

struct option_spec {
    const char *name;     /* long name without dashes */
    char letter;          /* 0: none */
    const char *arg;      /* "SIZE", "FILE" …; NULL for a switch */
    const char *values;   /* "cuda|cpu": the allowed words, which are checked; or NULL */
    const char *fallback; /* shown in help: "(default: cuda)"; NULL: none */
    const char *help;     /* one sentence, no full stop needed; wrapped by the printer */
    bool repeatable;
};

struct example {
    const char *command;
    const char *explains;
};

struct arguments;

struct command {
    const char *name;
    const char *summary;  /* one line, for the list of commands */
    const char *synopsis; /* "MODEL -o DIR" */
    /* Paragraphs separated by blank lines; one that begins with a space is printed as it
     * stands, the others are wrapped. */
    const char *description;
    /* Ends with name NULL; --json, -q, -v and -h are added. */
    const struct option_spec *options;
    const struct example *examples; /* ends with command NULL */
    int min_operands, max_operands;
    /* Returns an exit status. Everything in args is borrowed. */
    int (*run)(const struct arguments *args);
    bool hidden;
};

extern const struct command command_plan, command_convert, command_unpack, command_verify,
    command_generate, command_pull, command_inspect, command_devices;

/* ---- what run() may ask ---- */

/* The last value given to an option, or NULL. */
const char *arg_value(const struct arguments *a, const char *option);
bool arg_given(const struct arguments *a, const char *option);
/* Every value of a repeatable option, NULL-terminated. Borrowed. */
const char *const *arg_values(const struct arguments *a, const char *option);
int arg_operands(const struct arguments *a);
const char *arg_operand(const struct arguments *a, int i);
bool arg_json(const struct arguments *a);
int arg_verbosity(const struct arguments *a);       /* -1 quiet, 0, 1 … */
const char *arg_command(const struct arguments *a); /* the command's name */

/* Numbers of options, checked; on failure they print the usage error and return false,
 * and run() returns EXIT_USAGE. *out is left alone when the option is not given. */
bool arg_size(uint64_t *out, const struct arguments *a, const char *option);
bool arg_uint(uint64_t *out, const struct arguments *a, const char *option, uint64_t min,
              uint64_t max);
bool arg_double(double *out, const struct arguments *a, const char *option, double min,
                double max);

/* ---- output (src/output.c) ---- */

/* "int8tool: error: …" on stderr; returns the exit status that fits err->status. */
int report_error(const struct i8_error *err);
/* "int8tool: error: … (try 'int8tool plan --help')"; a may be NULL where there is no
 * command yet. Returns EXIT_USAGE. */
int usage_error(const struct arguments *a, const char *fmt, ...) I8I_PRINTF(2, 3);
/* The log and progress sinks for library calls: warnings and notes to stderr (notes of
 * level DEBUG with -v, nothing with -q), a bar on a terminal. From the first call of
 * output_progress on, the first SIGINT or SIGTERM asks the work to stop through the sink
 * and a second one kills. Lifetime: the process. */
const struct i8_log *output_log(const struct arguments *a);
const struct i8_progress *output_progress(const struct arguments *a);
/* Ends the progress line, if one is shown. */
void output_progress_done(void);
/* For a command with a display of its own: is one wanted (a terminal, no -q); how wide a
 * line may be; draws lines (separated by '\n', none at the end) over those drawn last;
 * takes the signals as output_progress does; whether one has come. */
bool output_may_draw(const struct arguments *a);
int output_draw_columns(void);
void output_draw(const char *lines);
void output_catch_signals(void);
bool output_interrupted(void);
/* "1:02:03", "2:05", "9 s". */
#define OUTPUT_DURATION 32
const char *output_duration(char buf[OUTPUT_DURATION], double seconds);
/* Writes a finished JSON document and a newline to stdout and empties w; returns an exit
 * status. */
int output_json(struct i8i_json_writer *w);
/* May stdout be coloured (a terminal, and NO_COLOR is not set)? */
bool output_colour(void);
/* Columns of the terminal at stdout, 80 where there is none. */
int output_columns(void);
/* Flushes stdout; EXIT_FAILED with a message when that fails (a full disk), else ok.
 * main calls it behind every command. */
int output_finish(int ok);

#endif
