/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the CPU backend share. Work is cut into tiles whose size depends
 * on shapes alone and handed to the pool, so results do not depend on the number of
 * threads.
 */
#ifndef I8I_ENGINE_CPU_CPU_H
#define I8I_ENGINE_CPU_CPU_H

#include "engine/backend.h"
#include "engine/cpu/cpu_int8_kernels.h"
#include "engine/cpu/cpu_simd.h"
#include "quant/quant.h"

struct i8i_mem {
    float *data;
    size_t count;
};

struct i8i_matrix {
    enum i8i_matrix_kind kind;
    size_t rows, cols;
    float *f32;     /* (rows, cols), or NULL */
    uint8_t *slabs; /* int8 weights as cpu_int8_kernels.h lays them out, or NULL */
    float *absmax;  /* of each int8 row, padded to whole slabs */
    float *bias;    /* (rows), padded likewise, or NULL */
    size_t outliers;
    uint64_t bytes;
};

/* A grown, never shrunk piece of scratch memory. */
struct i8i_scratch {
    void *data;
    size_t bytes;
};

/* Of an int8 product: shared by all tiles. */
enum {
    I8I_SCRATCH_ROUNDED, /* activations rounded to fp16, (rows, cols) fp32 */
    I8I_SCRATCH_INT8,    /* their int8, (rows, padded cols) */
    I8I_SCRATCH_ROWS,    /* absmax and correction of each row */
    I8I_SCRATCH_FLAGS,   /* outlier columns: of each block of rows, and all */
    I8I_SCRATCH_COLUMNS, /* their indices and gathered activations */
    I8I_SCRATCH_THREADS, /* a piece for each thread */
    I8I_SCRATCH_COUNT
};

struct i8i_cpu {
    struct i8i_backend head;
    struct i8i_pool *pool;
    unsigned threads;
    const struct i8i_simd *simd;
    const struct i8i_int8_kernel *int8;
    enum i8i_isa isa;
    struct i8i_scratch scratch[I8I_SCRATCH_COUNT];
};

/* i8i_pool_run, or inline where waking threads (tens of microseconds) costs more than
 * they save: `work` is the time of all items on one thread, roughly in nanoseconds. It
 * decides who computes, never what. */
void i8i_cpu_run(const struct i8i_cpu *c, size_t items, uint64_t work,
                 void (*fn)(void *ctx, size_t item, unsigned thread), void *ctx);

/* At least `count` × `size` bytes, aligned to 64; NULL (and the error latched) without
 * memory or when an earlier operation has failed. Contents are not kept. */
void *i8i_cpu_scratch(struct i8i_cpu *c, int which, size_t count, size_t size);
/* The same for each thread: thread t's piece is at data + t × *stride bytes. */
char *i8i_cpu_thread_scratch(struct i8i_cpu *c, size_t *stride, size_t bytes);
static inline bool i8i_cpu_failed(const struct i8i_cpu *c)
{
    return c->head.error.status != I8_OK;
}
static inline float *i8i_at(struct i8i_view v, size_t row)
{
    return v.mem->data + v.offset + row * v.stride;
}
void i8i_cpu_account(struct i8i_cpu *c, uint64_t gained, uint64_t lost);

/* Chosen once at opening from what the processor has; tests choose lower ones. */
void i8i_cpu_choose(struct i8i_cpu *c, enum i8i_isa isa);

/* C (m, n) = A (m, k) · op(B), B (n, k) transposed or (k, n); row-major, on the calling
 * thread alone. */
void i8i_cpu_sgemm(bool transposed, size_t m, size_t n, size_t k, const float *a,
                   size_t lda, const float *b, size_t ldb, float *c, size_t ldc);

void i8i_cpu_linear_f32(struct i8i_cpu *c, struct i8i_view out, struct i8i_view x,
                        size_t n, const struct i8i_matrix *m);
void i8i_cpu_linear_int8(struct i8i_cpu *c, struct i8i_view out, struct i8i_view x,
                         size_t n, struct i8i_matrix *m, float threshold);
void i8i_cpu_attention(struct i8i_backend *b, const struct i8i_attention_spec *spec);

/* cpu_matrix.c */
enum i8_status i8i_cpu_matrix_new(struct i8i_backend *b, struct i8i_matrix **out,
                                  enum i8i_matrix_kind kind, size_t rows, size_t cols,
                                  bool bias, struct i8_error *err);
void i8i_cpu_matrix_free(struct i8i_backend *b, struct i8i_matrix *m);
void i8i_cpu_matrix_put(struct i8i_backend *b, struct i8i_matrix *m, size_t row, size_t n,
                        enum i8_dtype dtype, const void *src, const float *absmax);
void i8i_cpu_matrix_put_bias(struct i8i_backend *b, struct i8i_matrix *m, size_t row,
                             size_t n, const float *src);
size_t i8i_cpu_matrix_outliers(const struct i8i_matrix *m);

/* cpu_rows.c: operations that take rows one by one */
void i8i_cpu_embed(struct i8i_backend *b, struct i8i_view out, const struct i8i_matrix *m,
                   const int32_t *ids, size_t n, float scale);
void i8i_cpu_norm(struct i8i_backend *b, struct i8i_view out, struct i8i_view x, size_t n,
                  size_t groups, size_t cols, const struct i8i_norm_spec *spec);
void i8i_cpu_rotary(struct i8i_backend *b, struct i8i_view x, size_t n,
                    const struct i8i_rotary_spec *spec);
void i8i_cpu_activate(struct i8i_backend *b, struct i8i_view out, struct i8i_view x,
                      size_t n, size_t cols, enum i8i_activation act);
void i8i_cpu_gate(struct i8i_backend *b, struct i8i_view out, struct i8i_view x, size_t n,
                  size_t cols, enum i8i_activation act);
void i8i_cpu_add(struct i8i_backend *b, struct i8i_view out, struct i8i_view x,
                 struct i8i_view y, size_t n, size_t cols);
void i8i_cpu_copy(struct i8i_backend *b, struct i8i_view out, struct i8i_view x, size_t n,
                  size_t cols);
void i8i_cpu_scale(struct i8i_backend *b, struct i8i_view x, size_t n, size_t cols,
                   float factor);
void i8i_cpu_softcap(struct i8i_backend *b, struct i8i_view x, size_t n, size_t cols,
                     float cap);

#endif
