/* SPDX-License-Identifier: Apache-2.0
 *
 * The attention of a block: projections, rotation, cache, kernel, output projection.
 */
#include "config.h"

#include "planner/forward_pass.h"

/* x·cos + rotate_half(x)·sin, for a tensor that stays alive. */
static void rotate(struct i8i_pass *p, uint64_t bytes)
{
    i8i_pass_make(p, bytes);
    i8i_pass_make(p, bytes / 2);
    i8i_pass_make(p, bytes);
    i8i_pass_drop(p, bytes / 2);
    i8i_pass_touch(p, bytes);
    i8i_pass_touch(p, bytes); /* the sum, which takes the first product's place */
    i8i_pass_drop(p, bytes);
}

/* Fused attention. Where a mask is given, it is turned into numbers; where no kernel
 * takes the shapes or the mask, PyTorch composes. */
static void fused_attention(struct i8i_pass *p, uint64_t keys, uint64_t repeated,
                            bool masked)
{
    bool buckets = p->m->hp.arch.position == I8I_POS_BUCKETS;
    bool ungrouped = (p->holds & I8I_HOLD_MASK) && p->kv_heads < p->heads;
    uint64_t mask = masked ? p->batch * p->queries * keys * p->b : 0;

    i8i_pass_make(p, mask > 0 ? 2 * repeated : 0);
    i8i_pass_make(p, mask);
    if (buckets || ungrouped)
        i8i_pass_composed(p, keys);
    i8i_pass_drop(p, mask);
    i8i_pass_make(p, p->tokens * p->heads * p->values * p->b);
    i8i_pass_touch(p, p->batch * p->heads * p->queries * 4);
    i8i_pass_drop(p, mask > 0 ? 2 * repeated : 0);
}

/* Attention over `keys` positions, the query being there. Leaves its output (tokens ×
 * heads × values), and the weights of the eager kernel. */
static void attend(struct i8i_pass *p, uint64_t keys, bool masked)
{
    bool buckets = p->m->hp.arch.position == I8I_POS_BUCKETS;
    uint64_t out = p->tokens * p->heads * p->values * p->b;
    /* One head of keys for all is a view; more of them are copied. */
    bool repeats = p->kv_heads > 1 && p->kv_heads < p->heads;
    uint64_t repeated = repeats && !(p->holds & I8I_HOLD_NO_REPEAT)
                            ? p->batch * keys * p->heads * p->width * p->b
                            : 0;
    if (!p->w->eager) {
        bool sliding = p->window > 0 && p->queries > 1 && keys >= p->window;
        fused_attention(p, keys, repeated,
                        sliding || ((p->holds & I8I_HOLD_MASK) && p->queries > 1));
        return;
    }
    i8i_pass_make(p, repeated);
    i8i_pass_make(p, repeated);
    i8i_pass_scores(p, keys, (buckets ? 1 : 0) + (masked ? 1 : 0));
    i8i_pass_make(p, out);
    i8i_pass_touch(p, out); /* the heads side by side */
    i8i_pass_drop(p, repeated);
    i8i_pass_drop(p, repeated);
}

/* Multi-head latent attention: keys and values are expanded from their latents. */
static void latent_attention(struct i8i_pass *p)
{
    const struct i8i_model *m = p->m;
    uint64_t rope = i8i_plan_dim(m, I8I_DIM_ROPE), nope = i8i_plan_dim(m, I8I_DIM_NOPE);
    uint64_t rank = i8i_plan_dim(m, I8I_DIM_KV_RANK);
    uint64_t q_rank = i8i_plan_dim(m, I8I_DIM_Q_RANK);
    uint64_t q = p->tokens * p->heads * (nope + rope) * p->b;
    uint64_t latent = p->tokens * (rank + rope) * p->b;
    uint64_t rows = p->batch * p->keys;
    uint64_t expanded = rows * p->heads * (nope + p->values) * p->b;
    uint64_t key = rows * p->heads * (nope + rope) * p->b;
    uint64_t out = p->tokens * p->heads * p->values * p->b;
    uint64_t pe = p->tokens * p->heads * rope * p->b;

    i8i_pass_touch(p, 2 * p->tokens * q_rank * p->b);
    i8i_pass_linear(p, p->tokens, q_rank > 0 ? q_rank : p->hidden,
                    p->heads * (nope + rope), p->w->int8);
    i8i_pass_linear(p, p->tokens, p->hidden, rank + rope, p->w->int8);
    i8i_pass_make(p, latent);
    rotate(p, pe);
    i8i_pass_make(p, q);
    i8i_pass_make(p, p->cache);
    i8i_pass_linear(p, rows, rank, p->heads * (nope + p->values), p->w->int8);
    i8i_pass_make(p, key);
    attend(p, p->keys, p->m->hp.arch.causal);
    i8i_pass_linear(p, p->tokens, p->heads * p->values, p->hidden, p->w->int8);
    i8i_pass_drop(p, out);
    i8i_pass_drop(p, key);
    i8i_pass_drop(p, expanded);
    i8i_pass_drop(p, q);
    i8i_pass_drop(p, pe);
    i8i_pass_drop(p, latent);
    i8i_pass_drop(p, latent);
    i8i_pass_drop(p, q);
}

void i8i_pass_attention(struct i8i_pass *p)
{
    const struct i8i_arch *a = &p->m->hp.arch;
    bool int8 = p->w->int8;
    uint64_t q = p->tokens * p->heads * p->width * p->b;
    uint64_t k = p->tokens * p->kv_heads * p->width * p->b;
    uint64_t v = p->tokens * p->kv_heads * p->values * p->b;
    uint64_t out = p->tokens * p->heads * p->values * p->b;
    uint64_t row = p->tokens * p->b, rotary = i8i_plan_dim(p->m, I8I_DIM_ROTARY);
    bool fused = a->qkv != I8I_QKV_SEPARATE, rotates = i8i_pass_rotates(p);
    bool copies = p->holds & I8I_HOLD_COPIES;
    bool unrotated = rotates && (p->holds & I8I_HOLD_UNROTATED);
    bool own_q = !fused || rotates || copies, own_v = !fused || copies;
    uint64_t base = 0; /* what stays beside q, k and v until the attention returns */

    if (i8i_plan_dim(p->m, I8I_DIM_KV_RANK) > 0) {
        latent_attention(p);
        return;
    }
    if (fused) {
        /* Where the cache has every head, keys and values are still projected once. */
        uint64_t kv = p->holds & I8I_HOLD_ALL_HEADS
                          ? i8i_plan_dim(p->m, I8I_DIM_KV_HEADS) * p->width
                          : k / row;
        uint64_t wide = q / row + 2 * kv;
        i8i_pass_linear(p, p->tokens, p->hidden, wide, int8);
        base = wide * row;
        if (copies)
            i8i_pass_make(p, q + k + v);
    } else {
        i8i_pass_linear(p, p->tokens, p->hidden, q / row, int8);
        i8i_pass_linear(p, p->tokens, p->hidden, k / row, int8);
        i8i_pass_linear(p, p->tokens, p->hidden, v / row, int8);
    }
    if (rotates) {
        rotate(p, q);
        rotate(p, k);
        if (unrotated) {
            uint64_t part = (p->heads + p->kv_heads) * rotary * row;
            i8i_pass_make(p, part);
            base += q + k + part;
        } else if (own_v) { /* the unrotated ones lose their names */
            i8i_pass_drop(p, q);
            i8i_pass_drop(p, k);
        }
    }
    if (p->cached) {
        i8i_pass_make(p, p->cache);
        i8i_pass_drop(p, own_q ? k : 0);
        i8i_pass_drop(p, own_v ? v : 0);
    }
    if (a->position == I8I_POS_BUCKETS && p->first_block) {
        /* int64 distances on their way to buckets, and the bias */
        i8i_pass_touch(p, p->queries * p->keys * 48);
        i8i_pass_make(p, p->heads * p->queries * p->keys * p->b);
    }
    attend(p, p->keys, a->causal && p->cached);
    i8i_pass_linear(p, p->tokens, p->heads * p->values, p->hidden, int8);
    i8i_pass_drop(p, out);
    i8i_pass_drop(p, base);
    i8i_pass_drop(p, own_q ? q : 0);
    if (!p->cached) {
        i8i_pass_drop(p, own_q ? k : 0);
        i8i_pass_drop(p, own_v ? v : 0);
    }
}

void i8i_pass_cross_attention(struct i8i_pass *p)
{
    uint64_t q = p->tokens * p->heads * p->width * p->b;
    uint64_t rows = p->batch * p->w->encoded;
    uint64_t kv = rows * p->heads * p->width * p->b;
    uint64_t weights = p->w->eager ? i8i_pass_weights(p, p->w->encoded) : 0;

    i8i_pass_norm(p);
    i8i_pass_linear(p, p->tokens, p->hidden, p->heads * p->width, p->w->int8);
    if (!p->decode) { /* the first pass projects keys and values and caches them */
        i8i_pass_linear(p, rows, p->hidden, p->heads * p->width, p->w->int8);
        i8i_pass_linear(p, rows, p->hidden, p->heads * p->width, p->w->int8);
        i8i_pass_make(p, p->cross);
        i8i_pass_drop(p, kv);
        i8i_pass_drop(p, kv);
    }
    attend(p, p->w->encoded, false);
    i8i_pass_drop(p, weights);
    i8i_pass_linear(p, p->tokens, p->heads * p->values, p->hidden, p->w->int8);
    i8i_pass_drop(p, p->tokens * p->heads * p->values * p->b);
    i8i_pass_drop(p, q);
    i8i_pass_make(p, p->residual); /* the residual sum, in place of the old one */
    i8i_pass_drop(p, p->unit);
    i8i_pass_drop(p, p->unit);
    i8i_pass_drop(p, p->residual);
}
