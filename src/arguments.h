/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line, read: options of one command and its operands.
 */
#ifndef INT8TOOL_ARGUMENTS_H
#define INT8TOOL_ARGUMENTS_H

#include "command.h"

/* Every command, in the order of the help; ends with NULL. */
extern const struct command *const commands[];
const struct command *command_find(const char *name); /* NULL if there is none */

/* A command's own options, then the common ones; NULL at the end. */
const struct option_spec *option_at(const struct command *command, size_t i);

/* Reads argv[1 …] (argv[0] is the command's name). On success *out is set and
 * EXIT_DONE returned; else the mistake is printed and EXIT_USAGE or EXIT_FAILED
 * returned. argv is permuted and must outlive *out. With --help the operands are not
 * checked. */
int arguments_parse(struct arguments **out, const struct command *command, int argc,
                    char **argv);
void arguments_free(struct arguments *a); /* NULL is fine */

#endif
