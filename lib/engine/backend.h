/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of operations between the forward pass and a backend. The pass knows
 * shapes and order; a backend knows memory and arithmetic. Buffers and matrices are
 * opaque, so nothing above the table follows a pointer into backend memory.
 *
 * Errors latch, as on a CUDA stream: operations return nothing, do nothing once one
 * has failed, and finish() says what the first failure was. All of one backend's
 * calls come from one thread.
 */
#ifndef I8I_ENGINE_BACKEND_H
#define I8I_ENGINE_BACKEND_H

#include "base/error.h"
#include "base/pool.h"
#include "model/family.h"
#include <int8tool/dtype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct i8i_mem;    /* a run of fp32 elements in backend memory */
struct i8i_matrix; /* weights of a Linear or embedding, (rows, cols), with its bias */

/* A window on a buffer: row r begins `offset + r × stride` elements into mem. */
struct i8i_view {
    struct i8i_mem *mem;
    size_t offset;
    size_t stride;
};

enum i8i_matrix_kind {
    I8I_MATRIX_F32,
    I8I_MATRIX_INT8, /* int8 rows with their absmax; products by LLM.int8() */
};

struct i8i_norm_spec {
    enum i8i_norm_kind kind;
    float epsilon;
    const struct i8i_mem *gain; /* NULL: ones */
    const struct i8i_mem *bias; /* NULL: none */
};

/* Rotates the first `rotated` of each head's `head_dim` elements, in place. Row r is
 * at position `position + r`; `table` holds for each position rotated/2 cosines, then
 * rotated/2 sines. */
struct i8i_rotary_spec {
    size_t heads, head_dim, rotated;
    bool pairs; /* neighbours (GPT-J) instead of halves */
    const struct i8i_mem *table;
    size_t position;
};

/* out[i] = Σ_j softmax_j(scale · q_i·k_j + bias) v_j for each head. q is (q_rows,
 * heads × head_dim), k and v are (kv_rows, kv_heads × …): query head h reads kv head
 * h / (heads / kv_heads). Query row i stands at key position q_start + i. */
struct i8i_attention_spec {
    struct i8i_view q, k, v, out;
    size_t q_rows, kv_rows, heads, kv_heads, head_dim, v_head_dim;
    size_t q_start;
    bool causal;   /* keys behind the query's own position are hidden */
    size_t window; /* causal only: keys `window` or more positions back, too; 0: none */
    float scale;
    float softcap; /* cap · tanh(score / cap); 0: none */
    /* (heads, bias_width): bias[h][j − (q_start + i) + bias_zero] is added to a score;
     * NULL: none. ALiBi and T5's buckets are both such a table by distance. */
    const struct i8i_mem *bias;
    size_t bias_width, bias_zero;
};

struct i8i_backend;
struct i8i_backend_ops {
    void (*close)(struct i8i_backend *b);
    /* Waits for what was asked for; the first failure since the last call, if any. */
    enum i8_status (*finish)(struct i8i_backend *b, struct i8_error *err);

    /* ---- memory ---- */
    /* `count` elements, zeroed. */
    enum i8_status (*mem_new)(struct i8i_backend *b, struct i8i_mem **out, size_t count,
                              struct i8_error *err);
    void (*mem_free)(struct i8i_backend *b, struct i8i_mem *mem); /* NULL is fine */
    void (*mem_put)(struct i8i_backend *b, struct i8i_mem *mem, size_t offset,
                    const float *src, size_t count);
    /* The contents in host memory, up to date and writable until the next operation
     * (a device keeps a mirror that it copies back then). */
    float *(*mem_host)(struct i8i_backend *b, struct i8i_mem *mem);

    /* ---- weights ---- */
    enum i8_status (*matrix_new)(struct i8i_backend *b, struct i8i_matrix **out,
                                 enum i8i_matrix_kind kind, size_t rows, size_t cols,
                                 bool bias, struct i8_error *err);
    void (*matrix_free)(struct i8i_backend *b, struct i8i_matrix *m); /* NULL is fine */
    /* Fills n rows from `row` on: floating-point elements of `dtype`, or for an int8
     * matrix I8 elements with one absmax a row. Bias elements are fp32, zero unless put.
     */
    void (*matrix_put)(struct i8i_backend *b, struct i8i_matrix *m, size_t row, size_t n,
                       enum i8_dtype dtype, const void *src, const float *absmax);
    void (*matrix_put_bias)(struct i8i_backend *b, struct i8i_matrix *m, size_t row,
                            size_t n, const float *src);
    /* The most outlier columns that one product with this matrix has met. */
    size_t (*matrix_outliers)(const struct i8i_matrix *m);

    /* ---- operations; out may be the input unless said otherwise ---- */
    /* out[i] = scale · row ids[i]; ids (host memory) are within the table. */
    void (*embed)(struct i8i_backend *b, struct i8i_view out, const struct i8i_matrix *m,
                  const int32_t *ids, size_t n, float scale);
    /* out = x · Wᵀ + bias. An int8 matrix takes the n rows as one batch and sets
     * columns with |x| ≥ threshold apart (0: none). out must not overlap x. */
    void (*linear)(struct i8i_backend *b, struct i8i_view out, struct i8i_view x,
                   size_t n, struct i8i_matrix *m, float threshold);
    /* Each row is `groups` vectors of `cols`, normed one by one (per-head norms). */
    void (*norm)(struct i8i_backend *b, struct i8i_view out, struct i8i_view x, size_t n,
                 size_t groups, size_t cols, const struct i8i_norm_spec *spec);
    void (*rotary)(struct i8i_backend *b, struct i8i_view x, size_t n,
                   const struct i8i_rotary_spec *spec);
    void (*attention)(struct i8i_backend *b, const struct i8i_attention_spec *spec);
    void (*activate)(struct i8i_backend *b, struct i8i_view out, struct i8i_view x,
                     size_t n, size_t cols, enum i8i_activation act);
    /* x is (n, 2 × cols), gate then up: out = act(gate) × up. */
    void (*gate)(struct i8i_backend *b, struct i8i_view out, struct i8i_view x, size_t n,
                 size_t cols, enum i8i_activation act);
    void (*add)(struct i8i_backend *b, struct i8i_view out, struct i8i_view x,
                struct i8i_view y, size_t n, size_t cols);
    void (*copy)(struct i8i_backend *b, struct i8i_view out, struct i8i_view x, size_t n,
                 size_t cols);
    void (*scale)(struct i8i_backend *b, struct i8i_view x, size_t n, size_t cols,
                  float factor);
    /* x = cap · tanh(x / cap). */
    void (*softcap)(struct i8i_backend *b, struct i8i_view x, size_t n, size_t cols,
                    float cap);
};

/* The head of every backend. */
struct i8i_backend {
    const struct i8i_backend_ops *ops;
    const char *name;      /* "cpu" */
    uint64_t held_bytes;   /* weights, buffers and scratch held now */
    uint64_t peak_bytes;   /* and at the highest */
    struct i8_error error; /* latched; status I8_OK: none */
};

/* The CPU backend; `pool` is borrowed (NULL: one thread). */
enum i8_status i8i_backend_cpu(struct i8i_backend **out, struct i8i_pool *pool,
                               struct i8_error *err) I8I_MUST_CHECK;

#endif
