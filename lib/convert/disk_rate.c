/* SPDX-License-Identifier: Apache-2.0
 *
 * A short look at the disks by O_DIRECT, several requests in flight. It costs a few
 * tenths of a second, and tells a disk's rate within some ten per cent, not better.
 */
#include "config.h"

#include "base/clock.h"
#include "base/pool.h"
#include "convert/disk_rate.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUEST_BYTES ((size_t)4 << 20)
#define PROBE_BYTES   ((uint64_t)96 << 20)
#define LEAST_THREADS 4 /* one request at a time does not show what a disk can do */
#define MOST_THREADS  8

struct probe {
    int fd;
    bool write;
    uint64_t begin; /* aligned to REQUEST_BYTES */
    char *buffers;  /* one a thread */
    atomic_bool failed;
};

static void request(void *ctx, size_t item, unsigned thread)
{
    struct probe *p = ctx;
    char *buffer = p->buffers + thread * REQUEST_BYTES;
    const off_t offset = (off_t)(p->begin + item * REQUEST_BYTES);
    if (p->failed)
        return;
    const ssize_t n = p->write ? pwrite(p->fd, buffer, REQUEST_BYTES, offset)
                               : pread(p->fd, buffer, REQUEST_BYTES, offset);
    if (n != (ssize_t)REQUEST_BYTES)
        p->failed = true;
}

/* Bytes per second of what has been made ready; 0 if a request fails. */
static double measure(struct probe *p, struct i8i_pool *pool)
{
    const double start = i8i_monotonic_s();
    i8i_pool_run(pool, PROBE_BYTES / REQUEST_BYTES, request, p);
    if (p->write && fdatasync(p->fd) != 0)
        p->failed = true;
    const double seconds = i8i_monotonic_s() - start;
    return !p->failed && seconds > 0 ? (double)PROBE_BYTES / seconds : 0;
}

/* The same; 0, too, if it cannot be told. Closes fd. */
static double run(int fd, bool write, uint64_t begin, unsigned threads)
{
    struct probe p = {.fd = fd, .write = write, .begin = begin};
    struct i8i_pool *pool = NULL;
    double rate = 0;
    if (fd < 0)
        return 0;
    threads = threads < LEAST_THREADS  ? LEAST_THREADS
              : threads > MOST_THREADS ? MOST_THREADS
                                       : threads;
    /* O_DIRECT wants aligned memory; not all zeros, which some disks do not store. */
    if (posix_memalign((void **)&p.buffers, 4096, threads * REQUEST_BYTES) != 0)
        p.buffers = NULL;
    for (size_t i = 0; p.buffers && i < threads * REQUEST_BYTES; i++)
        p.buffers[i] = (char)(i % REQUEST_BYTES * 2654435761u >> 13);
    if (p.buffers && i8i_pool_new(&pool, threads, NULL) == I8_OK)
        rate = measure(&p, pool);
    i8i_pool_free(pool);
    free(p.buffers);
    close(fd);
    return rate;
}

/* The largest source file that is a file. */
static const struct i8i_input_file *largest_input(const struct i8i_convert_plan *plan)
{
    const struct i8i_input_file *largest = NULL;
    for (size_t i = 0; i < plan->n_inputs; i++) {
        const struct i8i_input_file *in = &plan->inputs[i];
        if (in->source && in->source->fd >= 0 &&
            (largest == NULL || in->bytes > largest->bytes))
            largest = in;
    }
    return largest && largest->bytes >= PROBE_BYTES + REQUEST_BYTES ? largest : NULL;
}

void i8i_disk_rate_measure(struct i8i_disk_rate *rate,
                           const struct i8i_convert_plan *plan, unsigned threads)
{
    const struct i8i_input_file *in = largest_input(plan);
    struct stat source, output;
    *rate = (struct i8i_disk_rate){0};
    if (in) {
        const uint64_t middle = (in->bytes - PROBE_BYTES) / 2 / REQUEST_BYTES;
        rate->read = run(open(in->source->name, O_RDONLY | O_DIRECT | O_CLOEXEC), false,
                         middle * REQUEST_BYTES, threads);
        rate->one_device = fstat(in->source->fd, &source) == 0 &&
                           stat(plan->options->output, &output) == 0 &&
                           source.st_dev == output.st_dev;
    }
    rate->write = run(
        open(plan->options->output, O_TMPFILE | O_WRONLY | O_DIRECT | O_CLOEXEC, 0600),
        true, 0, threads);
}

double i8i_disk_rate_share(const struct i8i_disk_rate *rate, uint64_t read_bytes,
                           uint64_t written_bytes, double seconds)
{
    if (rate->read <= 0 || rate->write <= 0 || seconds <= 0)
        return 0;
    const double read_s = (double)read_bytes / rate->read,
                 write_s = (double)written_bytes / rate->write;
    const double least = rate->one_device   ? read_s + write_s
                         : read_s > write_s ? read_s
                                            : write_s;
    return least / seconds;
}
