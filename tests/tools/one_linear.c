/* SPDX-License-Identifier: Apache-2.0
 *
 * One int8 Linear by the CPU backend, for comparison with bitsandbytes' own:
 *
 *     one_linear IN.safetensors THRESHOLD OUT
 *
 * IN holds weight (I8 [out, in]), SCB (F32 [out]), x (F16 [n, in]) and perhaps bias (F32
 * [out]); OUT becomes n × out raw fp32 numbers.
 */
#include "config.h"

#include "checkpoint/checkpoint.h"
#include "engine/cpu/cpu.h"
#include "quant/quant.h"

#include <stdio.h>
#include <stdlib.h>

static struct i8_error err;

static void check(enum i8_status st)
{
    if (st == I8_OK)
        return;
    fprintf(stderr, "one_linear: %s\n", err.message);
    exit(1);
}

static const struct i8i_tensor *read_whole(void **data, const struct i8i_checkpoint *c,
                                           const char *name, enum i8_dtype dtype)
{
    const struct i8i_tensor *t = i8i_checkpoint_find(c, name);
    *data = NULL;
    if (t == NULL)
        return NULL;
    *data = malloc((size_t)t->bytes + 1);
    if (t->dtype != dtype || *data == NULL) {
        fprintf(stderr, "one_linear: %s is %s\n", name, i8_dtype_name(t->dtype));
        exit(1);
    }
    check(i8i_tensor_read(c, t, *data, 0, (size_t)t->bytes, &err));
    return t;
}

int main(int argc, char **argv)
{
    struct i8i_checkpoint *c;
    struct i8i_pool *pool;
    struct i8i_backend *b;
    struct i8i_matrix *m;
    struct i8i_view x, y;
    void *weight, *scb, *half, *bias;
    if (argc != 4)
        return 2;
    check(i8i_checkpoint_open_file(&c, argv[1], &err));
    const struct i8i_tensor *w = read_whole(&weight, c, "weight", I8_DTYPE_I8),
                            *in = read_whole(&half, c, "x", I8_DTYPE_F16);
    if (read_whole(&scb, c, "SCB", I8_DTYPE_F32) == NULL || w == NULL || in == NULL)
        return 2;
    const bool has_bias = read_whole(&bias, c, "bias", I8_DTYPE_F32) != NULL;
    const size_t rows = (size_t)w->shape[0], cols = (size_t)w->shape[1],
                 n = (size_t)in->shape[0];
    float *wide = calloc(n * cols + 1, sizeof *wide);
    if (wide == NULL)
        return 1;
    i8i_to_f32(wide, half, I8_DTYPE_F16, n * cols, i8i_isa_best());

    check(i8i_pool_new(&pool, 1, &err));
    check(i8i_backend_cpu(&b, pool, &err));
    check(b->ops->matrix_new(b, &m, I8I_MATRIX_INT8, rows, cols, has_bias, &err));
    b->ops->matrix_put(b, m, 0, rows, I8_DTYPE_I8, weight, scb);
    if (has_bias)
        b->ops->matrix_put_bias(b, m, 0, rows, bias);
    x.stride = cols;
    y.stride = rows;
    check(b->ops->mem_new(b, &x.mem, n * cols, &err));
    check(b->ops->mem_new(b, &y.mem, n * rows, &err));
    x.offset = y.offset = 0;
    b->ops->mem_put(b, x.mem, 0, wide, n * cols);
    b->ops->linear(b, y, x, n, m, strtof(argv[2], NULL));
    check(b->ops->finish(b, &err));
    FILE *out = fopen(argv[3], "wb");
    if (out == NULL ||
        fwrite(b->ops->mem_host(b, y.mem), sizeof(float), n * rows, out) != n * rows ||
        fclose(out) != 0)
        return 1;
    b->ops->mem_free(b, x.mem);
    b->ops->mem_free(b, y.mem);
    b->ops->matrix_free(b, m);
    b->ops->close(b);
    i8i_pool_free(pool);
    free(wide);
    free(weight);
    free(scb);
    free(half);
    free(bias);
    i8i_checkpoint_free(c);
    return 0;
}
