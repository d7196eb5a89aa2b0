/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of commands; help, man page and completions show it in this order.
 */
#include "config.h"

#include "arguments.h"
#include <string.h>

/* One a line. */
/* clang-format off */
const struct command *const commands[] = {
    &command_plan,
    &command_pull,
    &command_convert,
    &command_unpack,
    &command_verify,
    &command_generate,
    &command_inspect,
    &command_devices,
    NULL,
};
/* clang-format on */

const struct command *command_find(const char *name)
{
    for (size_t i = 0; commands[i]; i++) {
        if (!strcmp(commands[i]->name, name))
            return commands[i];
    }
    return NULL;
}
