/* SPDX-License-Identifier: Apache-2.0
 *
 * int8tool: finds the command, reads its options, runs it. All else is in the commands.
 */
#include "config.h"

#include "arguments.h"
#include "help.h"
#include "output.h"
#include <int8tool/remote.h>
#include <string.h>

/* int8tool help [COMMAND] */
static int run_help(int argc, char **argv)
{
    if (argc > 2)
        return usage_error(NULL, "unexpected operand '%s'", argv[2]);
    if (argc < 2) {
        help_program(stdout);
        return output_finish(EXIT_DONE);
    }
    const struct command *command = command_find(argv[1]);
    if (!command)
        return usage_error(NULL, "unknown command '%s'", argv[1]);
    help_command(stdout, command);
    return output_finish(EXIT_DONE);
}

/* int8tool --generate man|bash|zsh|fish: for the build, not shown in the help. */
static int run_generate(int argc, char **argv)
{
    if (argc != 2 || !generate_document(stdout, argv[1]))
        return usage_error(NULL, "--generate needs one of man, bash, zsh, fish");
    return output_finish(EXIT_DONE);
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct arguments *args;
    int status = arguments_parse(&args, command, argc, argv);
    if (status != EXIT_DONE)
        return status;
    if (arg_given(args, "help"))
        help_command(stdout, command);
    else {
        i8_hub_enable(output_log(args));
        status = command->run(args);
        i8_hub_disable();
    }
    arguments_free(args);
    output_progress_done();
    /* Last of all: an answer that did not reach its reader was not given. */
    int written = output_finish(EXIT_DONE);
    return written == EXIT_DONE ? status : written;
}

int main(int argc, char **argv)
{
    output_init();
    if (argc < 2)
        return usage_error(NULL, "no command given");

    const char *word = argv[1];
    if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help"))
        return run_help(argc - 1, argv + 1);
    if (!strcmp(word, "--generate"))
        return run_generate(argc - 1, argv + 1);
    if (!strcmp(word, "--version")) {
        help_version(stdout);
        return output_finish(EXIT_DONE);
    }
    if (word[0] == '-')
        return usage_error(NULL, "unknown option '%s'", word);
    const struct command *command = command_find(word);
    if (!command)
        return usage_error(NULL, "unknown command '%s'", word);
    return run_command(command, argc - 1, argv + 1);
}
