/* SPDX-License-Identifier: Apache-2.0
 *
 * MPI tells rank and count, and lets ranks wait for each other; weights travel by the
 * shared file system alone. MPI's own errors end all ranks, as its default is.
 */
#include "config.h"

#include "base/error.h"
#include "ranks.h"
#include <mpi.h>
#include <time.h>

/* MPI_Allreduce would spin at full speed for as long as the slowest rank works, on a
 * processor that this rank's neighbours could use. */
static int agree(void *ctx, int value)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    int largest = value, done = 0;
    MPI_Request request;
    (void)ctx;
    MPI_Iallreduce(&value, &largest, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD, &request);
    while (MPI_Test(&request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done)
        nanosleep(&pause, NULL);
    return largest;
}

enum i8_status ranks_mpi_open(struct i8_rank_group *group, struct i8_error *err)
{
    int rank = 0, count = 0, threads;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &threads) != MPI_SUCCESS)
        return i8i_fail(err, I8_ERR_IO, "--ranks mpi: MPI does not start");
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &count);
    if (count > (int)MAX_RANKS) {
        MPI_Finalize();
        return i8i_fail(err, I8_ERR_UNSUPPORTED,
                        "--ranks mpi: %d ranks, at most %u are possible", count,
                        MAX_RANKS);
    }
    *group = (struct i8_rank_group){
        .rank = (unsigned)rank, .count = (unsigned)count, .agree = agree};
    return I8_OK;
}

void ranks_mpi_close(void)
{
    MPI_Finalize();
}
