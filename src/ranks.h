/* SPDX-License-Identifier: Apache-2.0
 *
 * --ranks: which of how many processes this one is.
 */
#ifndef INT8TOOL_RANKS_H
#define INT8TOOL_RANKS_H

#include "command.h"
#include <int8tool/convert.h>

#define MAX_RANKS 99999u /* what a journal's name has room for */

/* Reads --ranks env|mpi|I/N; *out is NULL without the option. Prints what is wrong and
 * returns an exit status if so. *out is valid until ranks_close. */
int ranks_open(const struct i8_rank_group **out, const struct arguments *a);
/* To be called once, in any case, before the program ends. */
void ranks_close(void);

/* ranks_mpi.c, or ranks_no_mpi.c in a program that was built without MPI. */
enum i8_status ranks_mpi_open(struct i8_rank_group *group, struct i8_error *err);
void ranks_mpi_close(void);

#endif
