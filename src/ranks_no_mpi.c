/* SPDX-License-Identifier: Apache-2.0
 *
 * In the place of ranks_mpi.c in a program that was built without MPI.
 */
#include "config.h"

#include "base/error.h"
#include "ranks.h"

enum i8_status ranks_mpi_open(struct i8_rank_group *group, struct i8_error *err)
{
    (void)group;
    return i8i_fail(err, I8_ERR_UNSUPPORTED,
                    "--ranks mpi: this int8tool was built without MPI (configure "
                    "--with-mpi); --ranks env needs none");
}

void ranks_mpi_close(void)
{
}
