/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the CPU backend share: a backend of chosen instruction set and
 * thread count, buffers, and reproducible inputs.
 */
#ifndef TESTS_OPS_FIXTURE_H
#define TESTS_OPS_FIXTURE_H

#include "engine/cpu/cpu.h"

#include <check.h>
#include <stdlib.h>

struct fixture {
    struct i8i_pool *pool;
    struct i8i_backend *b;
};

static inline struct fixture fixture_open(unsigned threads, enum i8i_isa isa)
{
    struct fixture f = {0};
    struct i8_error err = {0};

    ck_assert_msg(i8i_pool_new(&f.pool, threads, &err) == I8_OK, "%s", err.message);
    ck_assert_msg(i8i_backend_cpu(&f.b, f.pool, &err) == I8_OK, "%s", err.message);
    i8i_cpu_choose((struct i8i_cpu *)f.b, isa);
    return f;
}

/* Fails the test if an operation has failed, or if memory is still accounted for. */
static inline void fixture_close(struct fixture *f)
{
    struct i8_error err = {0};
    const struct i8i_cpu *c = (const struct i8i_cpu *)f->b;
    uint64_t scratch = 0;

    ck_assert_msg(f->b->ops->finish(f->b, &err) == I8_OK, "%s", err.message);
    for (int i = 0; i < I8I_SCRATCH_COUNT; i++)
        scratch += c->scratch[i].bytes;
    ck_assert_uint_eq(f->b->held_bytes, scratch);
    f->b->ops->close(f->b);
    i8i_pool_free(f->pool);
}

static inline struct i8i_view fixture_mem(struct fixture *f, size_t rows, size_t cols)
{
    struct i8i_view v = {.stride = cols};
    struct i8_error err = {0};

    ck_assert_msg(f->b->ops->mem_new(f->b, &v.mem, rows * cols, &err) == I8_OK, "%s",
                  err.message);
    return v;
}

static inline void fixture_drop(struct fixture *f, struct i8i_view v)
{
    f->b->ops->mem_free(f->b, v.mem);
}

static inline struct i8i_matrix *fixture_matrix(struct fixture *f,
                                                enum i8i_matrix_kind kind, size_t rows,
                                                size_t cols, bool bias)
{
    struct i8i_matrix *m;
    struct i8_error err = {0};

    ck_assert_msg(f->b->ops->matrix_new(f->b, &m, kind, rows, cols, bias, &err) == I8_OK,
                  "%s", err.message);
    return m;
}

/* A small generator (xorshift), so that inputs are the same everywhere. */
static inline uint32_t fixture_random(uint32_t *state)
{
    uint32_t x = *state;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

/* Uniform in [-1, 1). */
static inline float fixture_uniform(uint32_t *state)
{
    return (float)(int32_t)fixture_random(state) * 0x1p-31f;
}

/* Runs `body` for every instruction set that the processor has. */
#define FOR_EACH_ISA(isa) \
    for (enum i8i_isa isa = I8I_ISA_SCALAR; isa <= i8i_isa_best(); isa++)

#endif
