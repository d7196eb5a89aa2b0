/* SPDX-License-Identifier: Apache-2.0
 *
 * int8tool(1) in man(7) macros, from the tables.
 */
#include "config.h"

#include "arguments.h"
#include "help.h"
#include <string.h>

/* Text that roff takes literally. */
static void print_text(FILE *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        bool at_line_start = i == 0 || text[i - 1] == '\n';
        if (at_line_start && (text[i] == '.' || text[i] == '\''))
            (void)fputs("\\&", out); /* else it would be a macro's name */
        if (text[i] == '\\')
            (void)fputs("\\e", out);
        else if (text[i] == '-')
            (void)fputs("\\-", out);
        else
            (void)fputc(text[i], out);
    }
}

static void print_string(FILE *out, const char *text)
{
    print_text(out, text, strlen(text));
}

static void print_paragraphs(FILE *out, const char *text)
{
    while (text) {
        const char *blank = strstr(text, "\n\n");
        bool literal = *text == ' ';
        (void)fputs(literal ? ".PP\n.nf\n" : ".PP\n", out);
        print_text(out, text, blank ? (size_t)(blank - text) : strlen(text));
        (void)fputs(literal ? "\n.fi\n" : "\n", out);
        text = blank ? blank + 2 : NULL;
    }
}

static void print_option(FILE *out, const struct option_spec *spec)
{
    char text[OPTION_HELP];
    (void)fputs(".TP\n", out);
    if (spec->letter)
        (void)fprintf(out, "\\fB\\-%c\\fR, ", spec->letter);
    (void)fputs("\\fB\\-\\-", out);
    print_string(out, spec->name);
    (void)fputs("\\fR", out);
    if (spec->arg) {
        (void)fputs(" \\fI", out);
        print_string(out, spec->arg);
        (void)fputs("\\fR", out);
    }
    (void)fputc('\n', out);
    print_string(out, option_help(text, spec));
    (void)fputs(".\n", out);
}

static void print_command(FILE *out, const struct command *command)
{
    (void)fprintf(out, ".SS \"int8tool %s\"\n.B int8tool %s\n[\\fIoptions\\fR] ",
                  command->name, command->name);
    print_string(out, command->synopsis);
    (void)fputc('\n', out);
    print_paragraphs(out, command->description);
    const struct option_spec *spec;
    for (size_t i = 0; (spec = option_at(command, i)); i++)
        print_option(out, spec);
    for (const struct example *e = command->examples; e && e->command; e++) {
        (void)fputs(e == command->examples ? ".PP\nExamples:\n" : "", out);
        (void)fputs(".TP\n.B \"", out);
        for (const char *c = e->command; *c; c++) {
            if (*c == '"')
                (void)fputs("\\(dq", out);
            else
                print_text(out, c, 1);
        }
        (void)fputs("\"\n", out);
        print_string(out, e->explains);
        (void)fputs(".\n", out);
    }
}

void generate_man(FILE *out)
{
    (void)fprintf(out,
                  ".\\\" Generated from the program's own tables of options.\n"
                  ".TH INT8TOOL 1 \"\" \"int8tool %s\" \"User Commands\"\n"
                  ".SH NAME\nint8tool \\- %s\n"
                  ".SH SYNOPSIS\n.B int8tool\n\\fICOMMAND\\fR [\\fIoptions\\fR] "
                  "\\fIARGS\\fR\n.br\n.B int8tool\n"
                  "\\fB\\-\\-help\\fR | \\fB\\-\\-version\\fR\n"
                  ".SH DESCRIPTION\n",
                  i8_version(), program_summary);
    print_string(out, program_description);
    (void)fputs("\n.SH COMMANDS\n", out);
    for (size_t i = 0; commands[i]; i++) {
        if (!commands[i]->hidden)
            print_command(out, commands[i]);
    }
    (void)fputs(".SH \"EXIT STATUS\"\n"
                ".TP\n.B 0\nDone.\n"
                ".TP\n.B 1\nFailed: a file, the network, corrupt or refused input, no "
                "memory.\n"
                ".TP\n.B 2\nWrong usage: an option or its value.\n"
                ".TP\n.B 3\nThe answer is no: the model does not fit, or a limit was "
                "missed.\n"
                ".SH ENVIRONMENT\n"
                ".TP\n.B NO_COLOR\nWhen set and not empty, nothing is coloured.\n",
                out);
}
