/* SPDX-License-Identifier: Apache-2.0
 *
 * A short look at the disks by O_DIRECT, several requests in flight. It costs a few
 * tenths of a second, and tells a disk's rate within some ten per cent, not better.
 */
#include "config.h"

#include "base/clock.h"
#include "convert/disk_rate.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUEST_BYTES ((size_t)4 << 20)
#define PROBE_BYTES   ((uint64_t)96 << 20)
#define LEAST_THREADS 4 /* one request at a time does not show what a disk can do */
#define MOST_THREADS  8

struct probe {
    int fd;
    bool write;
    uint64_t begin, bytes; /* aligned to REQUEST_BYTES */
    atomic_ullong next;
    atomic_bool failed;
};

static void *work(void *ctx)
{
    struct probe *p = ctx;
    char *buffer = NULL;
    /* O_DIRECT wants aligned memory; not all zeros, which some disks do not store. */
    if (posix_memalign((void **)&buffer, 4096, REQUEST_BYTES) != 0) {
        p->failed = true;
        return NULL;
    }
    for (size_t i = 0; i < REQUEST_BYTES; i++)
        buffer[i] = (char)(i * 2654435761u >> 13);
    for (;;) {
        const uint64_t at = atomic_fetch_add(&p->next, REQUEST_BYTES);
        if (at >= p->bytes || p->failed)
            break;
        const off_t offset = (off_t)(p->begin + at);
        const ssize_t n = p->write ? pwrite(p->fd, buffer, REQUEST_BYTES, offset)
                                   : pread(p->fd, buffer, REQUEST_BYTES, offset);
        if (n != (ssize_t)REQUEST_BYTES)
            p->failed = true;
    }
    free(buffer);
    return NULL;
}

/* Bytes per second; 0 if it cannot be told. Closes fd. */
static double run(int fd, bool write, uint64_t begin, unsigned threads)
{
    struct probe p = {.fd = fd, .write = write, .begin = begin, .bytes = PROBE_BYTES};
    pthread_t ids[MOST_THREADS];
    unsigned started = 0;
    if (fd < 0)
        return 0;
    threads = threads < LEAST_THREADS  ? LEAST_THREADS
              : threads > MOST_THREADS ? MOST_THREADS
                                       : threads;
    const double start = i8i_monotonic_s();
    while (started < threads && pthread_create(&ids[started], NULL, work, &p) == 0)
        started++;
    for (unsigned i = 0; i < started; i++)
        pthread_join(ids[i], NULL);
    if (write && fdatasync(fd) != 0)
        p.failed = true;
    const double seconds = i8i_monotonic_s() - start;
    close(fd);
    return started > 0 && !p.failed && seconds > 0 ? (double)PROBE_BYTES / seconds : 0;
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
