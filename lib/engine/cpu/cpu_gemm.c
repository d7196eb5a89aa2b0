/* SPDX-License-Identifier: Apache-2.0
 *
 * fp32 products by oneDNN, from one row on (there it reads weights as fast as memory
 * gives them).
 *
 * Debian's oneDNN threads by OpenMP, which would start a team in each of our threads.
 * OpenMP's thread count is a setting of the calling thread, so it is set to one around
 * each call and put back. The functions are looked up where the loader has put them:
 * whichever OpenMP runtime oneDNN uses is found, and an oneDNN without one needs none.
 */
#include "config.h"

#include "engine/cpu/cpu.h"

#include <dlfcn.h>
#include <dnnl.h>
#include <pthread.h>

#define TILE_ROWS 256
#define TILE_COLS 128

static struct {
    int (*get)(void);
    void (*set)(int);
} openmp;

static void find_openmp(void)
{
    void *get = dlsym(RTLD_DEFAULT, "omp_get_max_threads");
    void *set = dlsym(RTLD_DEFAULT, "omp_set_num_threads");

    if (get && set) { /* POSIX's way around the lack of such a cast in C */
        *(void **)&openmp.get = get;
        *(void **)&openmp.set = set;
    }
}

void i8i_cpu_sgemm(bool transposed, size_t m, size_t n, size_t k, const float *a,
                   size_t lda, const float *b, size_t ldb, float *c, size_t ldc)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int threads = 1;

    pthread_once(&once, find_openmp);
    if (openmp.get)
        threads = openmp.get();
    if (threads != 1)
        openmp.set(1);
    /* Its only failures are malformed dimensions. */
    (void)dnnl_sgemm('N', transposed ? 'T' : 'N', (dnnl_dim_t)m, (dnnl_dim_t)n,
                     (dnnl_dim_t)k, 1.0f, a, (dnnl_dim_t)lda, b, (dnnl_dim_t)ldb, 0.0f, c,
                     (dnnl_dim_t)ldc);
    if (threads != 1)
        openmp.set(threads);
}

struct f32_job {
    const struct i8i_simd *simd;
    struct i8i_view out, x;
    size_t n;
    const struct i8i_matrix *m;
    size_t col_tiles;
};

static void f32_tile(void *ctx, size_t item, unsigned thread)
{
    const struct f32_job *j = ctx;
    size_t row = item / j->col_tiles * TILE_ROWS, col = item % j->col_tiles * TILE_COLS;
    size_t rows = j->n - row < TILE_ROWS ? j->n - row : TILE_ROWS;
    size_t cols = j->m->rows - col < TILE_COLS ? j->m->rows - col : TILE_COLS;
    const float *x = i8i_at(j->x, row), *w = j->m->f32 + col * j->m->cols;
    float *y = i8i_at(j->out, row) + col;

    (void)thread;
    i8i_cpu_sgemm(true, rows, cols, j->m->cols, x, j->x.stride, w, j->m->cols, y,
                  j->out.stride);
    if (j->m->bias)
        for (size_t r = 0; r < rows; r++, y += j->out.stride)
            j->simd->add(y, y, j->m->bias + col, cols);
}

void i8i_cpu_linear_f32(struct i8i_cpu *c, struct i8i_view out, struct i8i_view x,
                        size_t n, const struct i8i_matrix *m)
{
    struct f32_job job = {.simd = c->simd, .out = out, .x = x, .n = n, .m = m};

    job.col_tiles = (m->rows + TILE_COLS - 1) / TILE_COLS;
    i8i_pool_run(c->pool, (n + TILE_ROWS - 1) / TILE_ROWS * job.col_tiles, f32_tile,
                 &job);
}
