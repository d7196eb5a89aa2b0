/* SPDX-License-Identifier: Apache-2.0
 *
 * --help, composed from the tables and wrapped to 79 columns whatever the terminal, so
 * that it reads the same in a pager, a bug report and a test.
 */
#include "config.h"

#include "arguments.h"
#include "help.h"
#include <string.h>

enum {
    HELP_WIDTH = 79,
    OPTION_COLUMN = 28, /* where the explanations begin */
};

const char program_summary[] =
    "plan, convert, verify and run transformer checkpoints in int8";
const char program_description[] =
    "int8tool says what memory a model needs and where it fits, converts its weights to "
    "8-bit integers (LLM.int8(): row-wise absmax, outlier columns in 16 bit), proves the "
    "result against the original, and runs it, without Python and without a GPU. A MODEL "
    "is a directory with config.json and weights, a single weights file, or a "
    "repository on the Hub, ORG/NAME[@REVISION]. Answers go to standard output, as one "
    "JSON document with --json; everything else goes to standard "
    "error. Sizes are written 10GiB, 10GB, 512MiB or in plain bytes.";

/* The columns that UTF-8 text of n bytes takes, combining marks left aside. */
static int columns_in(const char *text, size_t n)
{
    int columns = 0;
    for (size_t i = 0; i < n; i++)
        columns += ((unsigned char)text[i] & 0xc0) != 0x80;
    return columns;
}

/* Prints words from column `at` on, each further line indented; ends the line. */
static void print_words(FILE *out, const char *text, size_t length, int indent, int at)
{
    const char *end = text + length;
    bool first = true;
    while (text < end) {
        size_t n = 0;
        while (text + n < end && text[n] != ' ' && text[n] != '\n')
            n++;
        int width = columns_in(text, n);
        if (!first && at + 1 + width > HELP_WIDTH) {
            (void)fprintf(out, "\n%*s", indent, "");
            at = indent;
            first = true;
        }
        if (n > 0) {
            (void)fprintf(out, "%s%.*s", first ? "" : " ", (int)n, text);
            at += width + !first;
            first = false;
        }
        text += n + 1;
    }
    (void)fputc('\n', out);
}

/* Paragraphs separated by blank lines; one that begins with a space is kept as it is. */
static void print_paragraphs(FILE *out, const char *text)
{
    while (text && *text) {
        const char *blank = strstr(text, "\n\n");
        size_t length = blank ? (size_t)(blank - text) : strlen(text);
        if (*text == ' ')
            (void)fprintf(out, "%.*s\n", (int)length, text);
        else
            print_words(out, text, length, 0, 0);
        text = blank ? blank + 2 : NULL;
        if (text)
            (void)fputc('\n', out);
    }
}

const char *option_help(char buf[OPTION_HELP], const struct option_spec *spec)
{
    size_t n =
        (size_t)snprintf(buf, OPTION_HELP, "%s%s", spec->help,
                         spec->repeatable && spec->arg ? " (may be repeated)" : "");
    const char *separator = "; one of: ";
    for (const char *word = spec->values; word && n < OPTION_HELP; separator = ", ") {
        size_t length = strcspn(word, "|");
        n += (size_t)snprintf(buf + n, OPTION_HELP - n, "%s%.*s", separator, (int)length,
                              word);
        word = word[length] ? word + length + 1 : NULL;
    }
    if (spec->fallback && n < OPTION_HELP)
        (void)snprintf(buf + n, OPTION_HELP - n, " (default: %s)", spec->fallback);
    return buf;
}

static void print_option(FILE *out, const struct option_spec *spec)
{
    char head[128], text[OPTION_HELP];
    if (spec->letter)
        (void)snprintf(head, sizeof head, "  -%c, --%s%s%s", spec->letter, spec->name,
                       spec->arg ? " " : "", spec->arg ? spec->arg : "");
    else
        (void)snprintf(head, sizeof head, "      --%s%s%s", spec->name,
                       spec->arg ? " " : "", spec->arg ? spec->arg : "");
    option_help(text, spec);
    int width = columns_in(head, strlen(head));
    if (width + 2 > OPTION_COLUMN)
        (void)fprintf(out, "%s\n%*s", head, OPTION_COLUMN, "");
    else
        (void)fprintf(out, "%s%*s", head, OPTION_COLUMN - width, "");
    print_words(out, text, strlen(text), OPTION_COLUMN, OPTION_COLUMN);
}

void help_command(FILE *out, const struct command *command)
{
    (void)fprintf(out, "Usage: int8tool %s [options]%s%s\n\n", command->name,
                  *command->synopsis ? " " : "", command->synopsis);
    print_paragraphs(out, command->description);
    (void)fprintf(out, "\nOptions:\n");
    const struct option_spec *spec;
    for (size_t i = 0; (spec = option_at(command, i)); i++)
        print_option(out, spec);
    if (command->examples && command->examples->command)
        (void)fprintf(out, "\nExamples:\n");
    for (const struct example *e = command->examples; e && e->command; e++) {
        (void)fprintf(out, "  %s\n      ", e->command);
        print_words(out, e->explains, strlen(e->explains), 6, 6);
    }
}

void help_program(FILE *out)
{
    (void)fprintf(out,
                  "Usage: int8tool COMMAND [options] ARGS\n"
                  "       int8tool --help | --version\n\n"
                  "int8tool: %s.\n\nCommands:\n",
                  program_summary);
    for (size_t i = 0; commands[i]; i++) {
        if (!commands[i]->hidden)
            (void)fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    }
    (void)fprintf(out,
                  "\n"
                  "'int8tool COMMAND --help' explains a command and shows examples.\n"
                  "Exit status: 0 done, 1 failed, 2 wrong usage, 3 the answer is no\n"
                  "(the model does not fit, or a limit was missed).\n");
}

void help_version(FILE *out)
{
    (void)fprintf(out, "int8tool %s\n", i8_version());
}

bool generate_document(FILE *out, const char *kind)
{
    static const struct {
        const char *kind;
        void (*generate)(FILE *out);
    } kinds[] = {
        {"man", generate_man},
        {"bash", generate_bash},
        {"zsh", generate_zsh},
        {"fish", generate_fish},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!strcmp(kinds[i].kind, kind)) {
            kinds[i].generate(out);
            return true;
        }
    }
    return false;
}
