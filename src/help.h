/* SPDX-License-Identifier: Apache-2.0
 *
 * All that is printed about the commands comes from their tables: help texts, the man
 * page, completions.
 */
#ifndef INT8TOOL_HELP_H
#define INT8TOOL_HELP_H

#include "command.h"
#include <stdio.h>

extern const char program_summary[];
extern const char program_description[];

/* What an option does, the words that it takes, its default. Returns buf. */
#define OPTION_HELP 1024
const char *option_help(char buf[OPTION_HELP], const struct option_spec *spec);

void help_program(FILE *out);
void help_command(FILE *out, const struct command *command);
void help_version(FILE *out);

/* Writes the document of that kind ("man", "bash", "zsh", "fish"); false when there is
 * no such kind. */
bool generate_document(FILE *out, const char *kind);
void generate_man(FILE *out);
void generate_bash(FILE *out);
void generate_zsh(FILE *out);
void generate_fish(FILE *out);

#endif
