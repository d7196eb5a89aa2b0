/* SPDX-License-Identifier: Apache-2.0
 *
 * The CPU backend's table, its memory, and the choice of kernels. It is the reference
 * that other backends are tested against.
 */
#include "config.h"

#include "base/memory.h"
#include "engine/cpu/cpu.h"

#include <stdlib.h>
#include <string.h>

void i8i_cpu_account(struct i8i_cpu *c, uint64_t gained, uint64_t lost)
{
    c->head.held_bytes += gained - lost;
    if (c->head.held_bytes > c->head.peak_bytes)
        c->head.peak_bytes = c->head.held_bytes;
}

void i8i_cpu_run(const struct i8i_cpu *c, size_t items, uint64_t work,
                 void (*fn)(void *ctx, size_t item, unsigned thread), void *ctx)
{
    i8i_pool_run(work < 40000 ? NULL : c->pool, items, fn, ctx);
}

static void latch_nomem(struct i8i_cpu *c)
{
    if (!i8i_cpu_failed(c))
        (void)i8i_nomem(&c->head.error);
}

void *i8i_cpu_scratch(struct i8i_cpu *c, int which, size_t count, size_t size)
{
    struct i8i_scratch *s = &c->scratch[which];
    uint64_t bytes;

    if (i8i_cpu_failed(c))
        return NULL;
    if (!i8i_mul_u64(&bytes, count, size) || bytes > SIZE_MAX) {
        latch_nomem(c);
        return NULL;
    }
    if (bytes > s->bytes || !s->data) {
        free(s->data);
        i8i_cpu_account(c, 0, s->bytes);
        s->bytes = 0;
        s->data = i8i_aligned_alloc(bytes > 0 ? (size_t)bytes : 1);
        if (!s->data) {
            latch_nomem(c);
            return NULL;
        }
        s->bytes = (size_t)bytes;
        i8i_cpu_account(c, bytes, 0);
    }
    return s->data;
}

char *i8i_cpu_thread_scratch(struct i8i_cpu *c, size_t *stride, size_t bytes)
{
    *stride = (bytes + 63) / 64 * 64;
    return i8i_cpu_scratch(c, I8I_SCRATCH_THREADS, c->threads, *stride);
}

static void cpu_close(struct i8i_backend *b)
{
    struct i8i_cpu *c = (struct i8i_cpu *)b;

    for (int i = 0; i < I8I_SCRATCH_COUNT; i++)
        free(c->scratch[i].data);
    free(c);
}

static enum i8_status cpu_finish(struct i8i_backend *b, struct i8_error *err)
{
    enum i8_status status = b->error.status;

    if (status != I8_OK) {
        if (err)
            *err = b->error;
        b->error.status = I8_OK;
    }
    return status;
}

static enum i8_status cpu_mem_new(struct i8i_backend *b, struct i8i_mem **out,
                                  size_t count, struct i8_error *err)
{
    struct i8i_mem *mem = i8i_calloc(1, sizeof(*mem));

    *out = NULL;
    if (mem)
        mem->data = i8i_calloc(count, sizeof(float));
    if (!mem || !mem->data) {
        free(mem);
        return i8i_nomem(err);
    }
    mem->count = count;
    i8i_cpu_account((struct i8i_cpu *)b, count * sizeof(float), 0);
    *out = mem;
    return I8_OK;
}

static void cpu_mem_free(struct i8i_backend *b, struct i8i_mem *mem)
{
    if (!mem)
        return;
    i8i_cpu_account((struct i8i_cpu *)b, 0, mem->count * sizeof(float));
    free(mem->data);
    free(mem);
}

static void cpu_mem_put(struct i8i_backend *b, struct i8i_mem *mem, size_t offset,
                        const float *src, size_t count)
{
    (void)b;
    memcpy(mem->data + offset, src, count * sizeof(float));
}

static float *cpu_mem_host(struct i8i_backend *b, struct i8i_mem *mem)
{
    (void)b;
    return mem->data;
}

static void cpu_linear(struct i8i_backend *b, struct i8i_view out, struct i8i_view x,
                       size_t n, struct i8i_matrix *m, float threshold)
{
    struct i8i_cpu *c = (struct i8i_cpu *)b;

    if (i8i_cpu_failed(c))
        return;
    if (m->kind == I8I_MATRIX_INT8)
        i8i_cpu_linear_int8(c, out, x, n, m, threshold);
    else
        i8i_cpu_linear_f32(c, out, x, n, m);
}

static const struct i8i_backend_ops cpu_ops = {
    .close = cpu_close,
    .finish = cpu_finish,
    .mem_new = cpu_mem_new,
    .mem_free = cpu_mem_free,
    .mem_put = cpu_mem_put,
    .mem_host = cpu_mem_host,
    .matrix_new = i8i_cpu_matrix_new,
    .matrix_free = i8i_cpu_matrix_free,
    .matrix_put = i8i_cpu_matrix_put,
    .matrix_put_bias = i8i_cpu_matrix_put_bias,
    .matrix_outliers = i8i_cpu_matrix_outliers,
    .embed = i8i_cpu_embed,
    .linear = cpu_linear,
    .norm = i8i_cpu_norm,
    .rotary = i8i_cpu_rotary,
    .attention = i8i_cpu_attention,
    .activate = i8i_cpu_activate,
    .gate = i8i_cpu_gate,
    .add = i8i_cpu_add,
    .copy = i8i_cpu_copy,
    .scale = i8i_cpu_scale,
    .softcap = i8i_cpu_softcap,
};

void i8i_cpu_choose(struct i8i_cpu *c, enum i8i_isa isa)
{
    c->isa = isa;
    c->simd = &i8i_simd_base;
    c->int8 = i8i_int8_kernels;
#if I8I_X86
    if (isa == I8I_ISA_AVX2)
        c->simd = &i8i_simd_avx2;
    else if (isa == I8I_ISA_AVX512)
        c->simd = &i8i_simd_avx512;
    /* The table is sorted best first: a lower ISA skips what is above it. */
    c->int8 += isa == I8I_ISA_SCALAR ? 2 : isa == I8I_ISA_AVX2 ? 1 : 0;
#elif I8I_NEON
    c->int8 += isa == I8I_ISA_SCALAR ? 1 : 0;
#endif
    while (!c->int8->available())
        c->int8++;
}

enum i8_status i8i_backend_cpu(struct i8i_backend **out, struct i8i_pool *pool,
                               struct i8_error *err)
{
    struct i8i_cpu *c = i8i_calloc(1, sizeof(*c));

    *out = NULL;
    if (!c)
        return i8i_nomem(err);
    c->head.ops = &cpu_ops;
    c->head.name = "cpu";
    c->pool = pool;
    c->threads = pool ? i8i_pool_threads(pool) : 1;
    i8i_cpu_choose(c, i8i_isa_best());
    *out = &c->head;
    return I8_OK;
}
