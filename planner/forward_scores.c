/* SPDX-License-Identifier: Apache-2.0
 *
 * From queries and keys to attention weights: what stands between them, family by
 * family, in units of batch × heads × queries × keys.
 */
#include "config.h"

#include "planner/forward_pass.h"

static void replace(struct i8i_pass *p, uint64_t with, uint64_t what)
{
    i8i_pass_make(p, with);
    i8i_pass_drop(p, what);
}

/* The scores and all that is done to them in fp32, weights cast back at the end. */
static void wide_scores(struct i8i_pass *p, uint64_t keys, uint64_t elements)
{
    uint64_t copies = p->b == 4 ? 0 : p->tokens * p->heads * p->width * 4;
    uint64_t key_copies = p->b == 4 ? 0 : p->batch * keys * p->kv_heads * p->width * 4;

    i8i_pass_make(p, copies);
    i8i_pass_make(p, key_copies);
    i8i_pass_make(p, elements * 4);
    replace(p, elements * 4, elements * 4); /* scaled, or masked */
    replace(p, elements * 4, elements * 4); /* softmax */
    if (p->b != 4)
        replace(p, elements * p->b, elements * 4);
    i8i_pass_drop(p, copies);
    i8i_pass_drop(p, key_copies);
}

static void falcon_scores(struct i8i_pass *p, uint64_t elements)
{
    uint64_t bytes = elements * p->b;
    bool alibi = p->m->hp.arch.position == I8I_POS_ALIBI;
    uint64_t cast = alibi && p->b != 4 ? elements * 4 : 0;

    i8i_pass_make(p, bytes);
    if (!alibi) {
        i8i_pass_make(p, bytes); /* with the mask */
        i8i_pass_make(p, bytes); /* softmax */
        i8i_pass_drop(p, bytes);
        i8i_pass_drop(p, bytes);
        return;
    }
    i8i_pass_make(p, cast);
    i8i_pass_make(p, elements * 4);                   /* with ALiBi */
    i8i_pass_make(p, elements * 4);                   /* with the mask */
    i8i_pass_touch(p, p->b == 4 ? bytes : 2 * bytes); /* softmax, its input cast first */
    i8i_pass_drop(p, elements * 4);
    i8i_pass_make(p, bytes);
    i8i_pass_drop(p, elements * 4);
    i8i_pass_drop(p, cast);
    i8i_pass_drop(p, bytes);
}

static void mpt_scores(struct i8i_pass *p, uint64_t elements)
{
    uint64_t bytes = elements * p->b;

    i8i_pass_make(p, bytes);
    replace(p, bytes, bytes);               /* scaled */
    replace(p, elements * 4, bytes);        /* the bias is fp32 */
    replace(p, elements * 4, elements * 4); /* masked */
    i8i_pass_make(p, elements * 4);         /* softmax */
    if (p->b != 4)
        replace(p, bytes, elements * 4);
    i8i_pass_drop(p, elements * 4);
}

/* Scores with a column of sinks; less their maximum; softmax; without the column. */
static void sink_scores(struct i8i_pass *p, uint64_t elements)
{
    uint64_t bytes = elements * p->b;
    uint64_t wider = bytes + p->batch * p->heads * p->queries * p->b;

    i8i_pass_make(p, bytes);
    replace(p, bytes, bytes); /* scaled */
    replace(p, bytes, bytes); /* masked */
    i8i_pass_make(p, wider);
    replace(p, wider, wider);
    i8i_pass_make(p, wider);
    i8i_pass_drop(p, wider);
    i8i_pass_drop(p, bytes);
    i8i_pass_drop(p, wider);
    i8i_pass_make(p, bytes);
}

static void common_scores(struct i8i_pass *p, uint64_t elements, int added)
{
    /* BLOOM's product has scale and bias built in, and its masked scores a name of
     * their own. */
    bool bloom = p->holds & I8I_SCORES_BLOOM;
    bool half = p->w->half;
    uint64_t bytes = elements * p->b;

    i8i_pass_make(p, bytes);
    if (!bloom)
        replace(p, bytes, bytes);
    for (int i = 0; i < added; i++) {
        i8i_pass_make(p, bytes);
        if (!bloom)
            i8i_pass_drop(p, bytes);
    }
    if (p->m->hp.arch.attention_softcap > 0)
        replace(p, bytes, bytes);
    if ((p->holds & I8I_SCORES_PLAIN) || p->b == 4) {
        replace(p, bytes, bytes);
    } else {
        if (!half) /* bfloat16 is converted first, fp16 read as it is */
            i8i_pass_make(p, elements * 4);
        i8i_pass_make(p, elements * 4);
        if (!half)
            i8i_pass_drop(p, elements * 4);
        i8i_pass_make(p, bytes);
        i8i_pass_drop(p, elements * 4);
        i8i_pass_drop(p, bytes);
    }
    if (bloom && added > 0)
        i8i_pass_drop(p, bytes);
}

void i8i_pass_scores(struct i8i_pass *p, uint64_t keys, int added)
{
    uint64_t elements = p->batch * p->heads * p->queries * keys;
    /* Batched, the product copies a query that is a transposed view; BLOOM's code does
     * it itself, and has a name for the copy. */
    bool bloom = p->holds & I8I_SCORES_BLOOM;
    uint64_t q = p->batch > 1 ? p->tokens * p->heads * p->width * p->b : 0;

    i8i_pass_make(p, q);
    i8i_pass_touch(p, elements * p->b);
    i8i_pass_drop(p, bloom ? 0 : q);
    if (p->holds & I8I_SCORES_WIDE)
        wide_scores(p, keys, elements);
    else if (p->holds & I8I_SCORES_FALCON)
        falcon_scores(p, elements);
    else if (p->holds & I8I_SCORES_MPT)
        mpt_scores(p, elements);
    else if (p->holds & I8I_SCORES_SINKS)
        sink_scores(p, elements);
    else
        common_scores(p, elements, added);
    i8i_pass_drop(p, bloom ? q : 0);
}

void i8i_pass_composed(struct i8i_pass *p, uint64_t keys)
{
    uint64_t elements = p->batch * p->heads * p->queries * keys;
    uint64_t q = p->tokens * p->heads * p->width * 4;
    uint64_t k = p->batch * keys * p->kv_heads * p->width * 4;

    i8i_pass_make(p, 2 * q); /* fp32, and scaled */
    i8i_pass_make(p, 2 * k);
    i8i_pass_make(p, elements * 4);
    i8i_pass_make(p, elements * 4); /* softmax */
    i8i_pass_touch(p, elements);    /* which rows are masked altogether */
    i8i_pass_drop(p, elements * 4);
    i8i_pass_touch(p, q);
    i8i_pass_drop(p, elements * 4);
    i8i_pass_drop(p, 2 * k);
    i8i_pass_drop(p, 2 * q);
}
