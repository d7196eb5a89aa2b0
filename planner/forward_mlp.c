/* SPDX-License-Identifier: Apache-2.0
 *
 * Linears, norms, the MLP and the routed experts of a block.
 */
#include "config.h"

#include "planner/forward_pass.h"

/* An int8 Linear also casts its input to fp16, looks for outliers in |input|, has the
 * int8 input, the int32 product and its fp16 result. */
void i8i_pass_linear(struct i8i_pass *p, uint64_t rows, uint64_t in, uint64_t out,
                     bool int8)
{
    if (!int8) {
        i8i_pass_make(p, rows * out * p->b);
        return;
    }
    uint64_t cast = p->w->half ? 0 : rows * in * 2;
    i8i_pass_make(p, cast);
    i8i_pass_touch(p, rows * in * 3);
    i8i_pass_make(p, rows * in + rows * 4);
    i8i_pass_drop(p, cast);
    i8i_pass_make(p, rows * out * 4);
    i8i_pass_make(p, rows * out * 2);
    if (!p->w->half) {
        i8i_pass_make(p, rows * out * p->b);
        i8i_pass_drop(p, rows * out * 2);
    }
    i8i_pass_drop(p, rows * out * 4);
    i8i_pass_drop(p, rows * in + rows * 4);
}

/* RMS norms compute in fp32, tensor by tensor; T5's lets go of the first copy before
 * it makes the second. */
void i8i_pass_norm(struct i8i_pass *p)
{
    uint64_t single = p->tokens * p->hidden * 4;
    bool buckets = p->m->hp.arch.position == I8I_POS_BUCKETS;

    if (p->m->hp.arch.norm == I8I_NORM_LAYER) {
        i8i_pass_make(p, p->unit);
        return;
    }
    i8i_pass_make(p, single);
    i8i_pass_touch(p, single);
    if (buckets)
        i8i_pass_drop(p, single);
    i8i_pass_make(p, single);
    if (!buckets)
        i8i_pass_drop(p, single);
    i8i_pass_make(p, p->unit);
    i8i_pass_touch(p, p->unit);
    i8i_pass_drop(p, single);
}

/* down(act(gate(x)) × up(x)), or down(act(up(x))). */
static void dense(struct i8i_pass *p, uint64_t ffn)
{
    bool int8 = p->w->int8, fp32_down = p->residual > p->unit;
    uint64_t inner = p->tokens * ffn * p->b;
    uint64_t held = p->fused_mlp ? 3 * inner : inner;
    bool drops = (p->holds & I8I_DROP_NORMED) &&
                 p->m->hp.arch.norm_place != I8I_NORM_POST; /* there it is the residual */

    if (p->fused_mlp) { /* the halves are views */
        i8i_pass_linear(p, p->tokens, p->hidden, 2 * ffn, int8);
        i8i_pass_make(p, inner); /* act(gate) */
        i8i_pass_make(p, inner);
        i8i_pass_drop(p, inner);
    } else {
        i8i_pass_linear(p, p->tokens, p->hidden, ffn, int8);
        if (drops)
            i8i_pass_drop(p, p->unit);
        for (int i = 1; i < p->w->gelu_tensors; i++)
            i8i_pass_make(p, inner);
        for (int i = 1; i < p->w->gelu_tensors; i++)
            i8i_pass_drop(p, inner);
        if (drops)
            i8i_pass_make(p, p->unit);
        if (p->m->hp.arch.gated) {
            i8i_pass_linear(p, p->tokens, p->hidden, ffn, int8);
            i8i_pass_make(p, inner);
            held = p->holds & I8I_HOLD_GATED ? 3 * inner : inner;
            i8i_pass_drop(p, 3 * inner - held);
        }
    }
    if (fp32_down) /* wo: the reader keeps it in fp32, and casts what goes in */
        i8i_pass_touch(p, p->tokens * ffn * 4);
    i8i_pass_linear(p, p->tokens, ffn, p->hidden, int8 && !p->w->keeps_down);
    i8i_pass_drop(p, held);
}

/* transformers 5's experts, grouped_mm: each token once for each of its experts,
 * sorted by expert; every product once more with the rows of absent experts zeroed. */
static void grouped_experts(struct i8i_pass *p, uint64_t routed, uint64_t ffn)
{
    uint64_t rows = routed * p->hidden * p->b, inner = routed * ffn * p->b;
    uint64_t weighed = p->holds & I8I_HOLD_WIDE_WEIGHTS ? routed * p->hidden * 4 : rows;

    i8i_pass_make(p, rows);
    i8i_pass_make(p, 2 * inner);
    i8i_pass_make(p, 2 * inner);
    i8i_pass_drop(p, 2 * inner);
    i8i_pass_make(p, inner); /* act(gate) */
    i8i_pass_make(p, inner);
    i8i_pass_drop(p, inner);
    i8i_pass_drop(p, 2 * inner);
    i8i_pass_make(p, rows); /* down */
    i8i_pass_drop(p, inner);
    i8i_pass_touch(p, rows);
    i8i_pass_make(p, weighed);
    i8i_pass_make(p, weighed); /* in the tokens' order */
    i8i_pass_drop(p, weighed);
    i8i_pass_touch(p, p->unit * (weighed / rows));
    i8i_pass_drop(p, weighed);
    i8i_pass_drop(p, rows);
    i8i_pass_drop(p, rows);
}

/* Decoding uses batched_mm, which copies the weights of each token's experts. */
static void batched_experts(struct i8i_pass *p, uint64_t routed, uint64_t ffn)
{
    uint64_t rows = routed * p->hidden * p->b, inner = routed * ffn * p->b;
    uint64_t weights = routed * ffn * p->hidden * p->b;

    i8i_pass_make(p, rows);
    i8i_pass_make(p, 2 * weights);
    i8i_pass_make(p, 2 * inner);
    i8i_pass_touch(p, 2 * inner);
    i8i_pass_make(p, weights);
    i8i_pass_drop(p, 2 * weights);
    i8i_pass_drop(p, weights);
    i8i_pass_drop(p, 2 * inner);
    i8i_pass_touch(p, 2 * rows);
    i8i_pass_drop(p, rows);
}

static void experts(struct i8i_pass *p)
{
    const struct i8i_model *m = p->m;
    uint64_t k = i8i_plan_dim(m, I8I_DIM_EXPERTS_PER_TOKEN);
    uint64_t ffn = i8i_plan_dim(m, I8I_DIM_EXPERT_FFN);
    uint64_t shared = i8i_plan_dim(m, I8I_DIM_SHARED_EXPERT_FFN);

    if (ffn == 0)
        ffn = i8i_plan_dim(m, I8I_DIM_FFN);
    if (p->holds & I8I_HOLD_SHARED)
        dense(p, shared);
    i8i_pass_touch(p, p->tokens * i8i_plan_dim(m, I8I_DIM_EXPERTS) * 8);
    if (p->decode && p->w->fused_experts)
        batched_experts(p, p->tokens * (k > 0 ? k : 1), ffn);
    else
        grouped_experts(p, p->tokens * (k > 0 ? k : 1), ffn);
    if (p->holds & I8I_HOLD_SHARED) {
        i8i_pass_touch(p, p->unit);
        return;
    }
    i8i_pass_make(p, p->unit);
    if (shared > 0) {
        dense(p, shared);
        i8i_pass_drop(p, p->unit);
    }
}

void i8i_pass_mlp(struct i8i_pass *p)
{
    if (p->experts)
        experts(p);
    else
        dense(p, p->ffn);
}
