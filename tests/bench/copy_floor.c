/* SPDX-License-Identifier: Apache-2.0
 *
 * The least that a conversion from 16 bit to 8 can cost: N threads read every byte of the
 * files and write half as many, from buffers that stay in cache, computing nothing.
 *
 *     copy_floor THREADS OUTPUT FILE...
 *
 * Prints nothing: time it from outside.
 */
#include "config.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK ((size_t)512 << 10)

static char **files;
static int n_files, output;
static atomic_ullong next_block; /* over all files, BLOCK bytes each */

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

/* The file and offset of a block; false behind the last one. */
static bool place(unsigned long long block, const int *fds, const off_t *sizes, int *fd,
                  off_t *offset)
{
    for (int i = 0; i < n_files; i++) {
        unsigned long long blocks = ((unsigned long long)sizes[i] + BLOCK - 1) / BLOCK;
        if (block < blocks) {
            *fd = fds[i];
            *offset = (off_t)(block * BLOCK);
            return true;
        }
        block -= blocks;
    }
    return false;
}

static void *copy(void *unused)
{
    char *buffer = aligned_alloc(4096, BLOCK);
    int *fds = calloc((size_t)n_files, sizeof *fds), fd;
    off_t *sizes = calloc((size_t)n_files, sizeof *sizes), offset;
    struct stat info;
    (void)unused;
    if (!buffer || !fds || !sizes)
        die("memory");
    for (int i = 0; i < n_files; i++) {
        fds[i] = open(files[i], O_RDONLY | O_CLOEXEC);
        if (fds[i] < 0 || fstat(fds[i], &info) != 0)
            die(files[i]);
        sizes[i] = info.st_size;
    }
    for (;;) {
        unsigned long long block = atomic_fetch_add(&next_block, 1);
        if (!place(block, fds, sizes, &fd, &offset))
            break;
        ssize_t n = pread(fd, buffer, BLOCK, offset);
        if (n < 0)
            die("read");
        if (pwrite(output, buffer, (size_t)n / 2, (off_t)(block * (BLOCK / 2))) < 0)
            die("write");
    }
    for (int i = 0; i < n_files; i++)
        close(fds[i]);
    free(buffer);
    free(fds);
    free(sizes);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        (void)fprintf(stderr, "usage: copy_floor THREADS OUTPUT FILE...\n");
        return 2;
    }
    int threads = (int)strtol(argv[1], NULL, 10);
    pthread_t ids[64];
    if (threads < 1 || threads > 64)
        return 2;
    output = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (output < 0)
        die(argv[2]);
    files = argv + 3;
    n_files = argc - 3;
    for (int i = 0; i < threads; i++) {
        if (pthread_create(&ids[i], NULL, copy, NULL) != 0)
            die("thread");
    }
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    return close(output) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
