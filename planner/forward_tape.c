/* SPDX-License-Identifier: Apache-2.0
 *
 * One block's forward pass as a tape of allocations: the tensors that transformers'
 * modeling code makes, in its order, each alive as long as a Python name or an
 * argument holds it. Elements are counted in T = rows of tokens, E = attention scores.
 */
#include "config.h"

#include "planner/workload.h"

#include "planner/tape.h"

#include <string.h>

/* One pass over one block. */
struct pass {
    struct i8i_tape tape;
    const struct i8i_workload *w;
    const struct i8i_model *m;
    uint64_t batch, queries, keys; /* of its own attention */
    uint64_t b;                    /* bytes of an element */
    uint64_t tokens;               /* batch × queries */
    uint64_t unit;                 /* bytes of one hidden state */
    uint64_t heads, kv_heads, width, values, hidden;
    bool cached, first_block;
};

static uint64_t dim(const struct i8i_model *m, enum i8i_dim d)
{
    return m->hp.dim[d] > 0 ? (uint64_t)m->hp.dim[d] : 0;
}

static void make(struct pass *p, uint64_t bytes)
{
    i8i_tape_make(&p->tape, bytes);
}

static void drop(struct pass *p, uint64_t bytes)
{
    i8i_tape_drop(&p->tape, bytes);
}

static void touch(struct pass *p, uint64_t bytes)
{
    i8i_tape_touch(&p->tape, bytes);
}

/* Makes rows × out. An int8 Linear also casts its input to fp16, looks for outliers in
 * |input|, has the int8 input, the int32 product and its fp16 result. */
static void linear(struct pass *p, uint64_t rows, uint64_t in, uint64_t out, bool int8)
{
    if (!int8) {
        make(p, rows * out * p->b);
        return;
    }
    uint64_t cast = p->w->half ? 0 : rows * in * 2;
    make(p, cast);
    touch(p, rows * in * 3);
    make(p, rows * in + rows * 4);
    drop(p, cast);
    make(p, rows * out * 4);
    make(p, rows * out * 2);
    if (!p->w->half) {
        make(p, rows * out * p->b);
        drop(p, rows * out * 2);
    }
    drop(p, rows * out * 4);
    drop(p, rows * in + rows * 4);
}

/* Makes a normed hidden state. RMS norms compute in fp32, tensor by tensor; T5's lets
 * go of the first copy before it makes the second. */
static void norm(struct pass *p)
{
    uint64_t single = p->tokens * p->hidden * 4;

    if (p->m->hp.arch.norm == I8I_NORM_LAYER) {
        make(p, p->unit);
        return;
    }
    make(p, single);
    touch(p, single);
    if (p->m->hp.arch.position == I8I_POS_BUCKETS)
        drop(p, single);
    make(p, single);
    if (p->m->hp.arch.position != I8I_POS_BUCKETS)
        drop(p, single);
    make(p, p->unit);
    make(p, p->unit);
    drop(p, p->unit);
    drop(p, single);
}

/* x·cos + rotate_half(x)·sin, for a tensor that stays alive. */
static void rotate(struct pass *p, uint64_t bytes)
{
    make(p, bytes);
    make(p, bytes / 2);
    make(p, bytes);
    drop(p, bytes / 2);
    make(p, bytes);
    drop(p, bytes);
    make(p, bytes);
    drop(p, bytes);
    drop(p, bytes);
}

/* The eager kernel up to the softmax's output, which stays. `added`: terms that are
 * added to the scores, each into a new tensor. */
static void scores(struct pass *p, uint64_t elements, int added)
{
    bool alibi = p->m->hp.arch.position == I8I_POS_ALIBI;
    /* T5, BART, Whisper and GPT-2 take the softmax in the dtype of the scores. */
    bool plain = p->m->hp.arch.shape == I8I_SHAPE_ENCODER_DECODER ||
                 (p->m->hp.arch.position == I8I_POS_LEARNED &&
                  p->m->hp.arch.qkv == I8I_QKV_BLOCKS);
    uint64_t bytes = elements * p->b;

    make(p, bytes);
    if (!alibi) { /* times the scale; BLOOM's baddbmm has it built in */
        make(p, bytes);
        drop(p, bytes);
    }
    for (int i = 0; i < added; i++) {
        make(p, bytes);
        if (!alibi) /* BLOOM's unmasked scores have a name that lives on */
            drop(p, bytes);
    }
    if (plain || p->b == 4) {
        make(p, bytes);
        drop(p, bytes);
    } else {
        if (!p->w->half) /* bfloat16 is converted first, fp16 read as it is */
            make(p, elements * 4);
        make(p, elements * 4);
        if (!p->w->half)
            drop(p, elements * 4);
        make(p, bytes);
        drop(p, elements * 4);
        drop(p, bytes);
    }
    if (alibi && added > 0)
        drop(p, bytes);
}

/* Fused attention that has no kernel for its mask (T5's bias is stored heads last):
 * PyTorch's own composition, in fp32, with a softmax that guards masked rows. */
static void composed(struct pass *p, uint64_t elements, uint64_t q, uint64_t k)
{
    uint64_t widen = p->b == 4 ? 0 : 4;

    make(p, q / p->b * widen);
    make(p, k / p->b * widen);
    make(p, k / p->b * widen);
    make(p, elements * 4);
    make(p, elements * 4);
    make(p, elements);
    make(p, elements * 4);
    drop(p, elements);
    drop(p, elements * 4);
    drop(p, elements * 4);
    touch(p, q / p->b * widen);
    drop(p, elements * 4);
    drop(p, k / p->b * widen);
    drop(p, k / p->b * widen);
    drop(p, q / p->b * widen);
}

/* Attention over `keys` positions, the query being there. Leaves its output (tokens ×
 * heads × values) and returns the bytes of the weights that stay named. */
static uint64_t attend(struct pass *p, uint64_t keys, bool masked)
{
    bool buckets = p->m->hp.arch.position == I8I_POS_BUCKETS;
    uint64_t elements = p->batch * p->heads * p->queries * keys;
    uint64_t q = p->tokens * p->heads * p->width * p->b;
    uint64_t out = p->tokens * p->heads * p->values * p->b;
    uint64_t repeated =
        p->kv_heads < p->heads ? p->batch * keys * p->heads * p->width * p->b : 0;

    if (!p->w->eager) {
        if (buckets)
            composed(p, elements, q, p->batch * keys * p->heads * p->width * p->b);
        make(p, out);
        touch(p, p->batch * p->heads * p->queries * 4);
        return 0;
    }
    make(p, repeated);
    make(p, repeated);
    if (p->batch > 1) /* the batched product wants its query contiguous */
        make(p, q);
    scores(p, elements, (buckets ? 1 : 0) + (masked ? 1 : 0));
    if (p->batch > 1)
        drop(p, q);
    make(p, out);
    make(p, out);
    drop(p, out);
    drop(p, repeated);
    drop(p, repeated);
    return elements * p->b;
}

/* Self-attention: from the normed hidden state to the new residual sum. Eager attention
 * weights stay alive: the layer has a name for them until it returns. */
static void self_attention(struct pass *p, uint64_t cache)
{
    const struct i8i_arch *a = &p->m->hp.arch;
    uint64_t q = p->tokens * p->heads * p->width * p->b;
    uint64_t k = p->tokens * p->kv_heads * p->width * p->b;
    uint64_t v = p->tokens * p->kv_heads * p->values * p->b;
    uint64_t out = p->tokens * p->heads * p->values * p->b;
    bool rotary = a->position == I8I_POS_ROTARY || a->position == I8I_POS_ROTARY_PAIRS;
    bool fused = a->qkv != I8I_QKV_SEPARATE;

    if (fused) {
        linear(p, p->tokens, p->hidden, (q + k + v) / p->b / p->tokens, p->w->int8);
    } else {
        linear(p, p->tokens, p->hidden, q / p->b / p->tokens, p->w->int8);
        linear(p, p->tokens, p->hidden, k / p->b / p->tokens, p->w->int8);
        linear(p, p->tokens, p->hidden, v / p->b / p->tokens, p->w->int8);
    }
    if (rotary) {
        rotate(p, q);
        rotate(p, k);
        if (!fused) { /* the unrotated ones lose their names */
            drop(p, q);
            drop(p, k);
        }
    }
    if (p->cached) {
        make(p, cache);
        if (!fused || rotary)
            drop(p, k);
        if (!fused)
            drop(p, v);
    }
    if (a->position == I8I_POS_BUCKETS && p->first_block) {
        touch(p, p->queries * p->keys * 48); /* int64 distances on their way to buckets */
        make(p, p->heads * p->queries * p->keys * p->b);
    }
    (void)attend(p, p->keys, a->causal || p->w->eager);
    linear(p, p->tokens, p->heads * p->values, p->hidden, p->w->int8);
    drop(p, out);
    if (fused)
        drop(p, q + k + v);
    if (!fused || rotary)
        drop(p, q);
    if (!p->cached && (!fused || rotary))
        drop(p, k);
    if (!p->cached && !fused)
        drop(p, v);
    make(p, p->unit); /* the residual sum, in place of the output */
    drop(p, p->unit);
}

static void mlp(struct pass *p, uint64_t ffn)
{
    const struct i8i_arch *a = &p->m->hp.arch;
    bool int8 = p->w->int8;
    bool down_int8 = int8 && (p->m->family == NULL || p->m->family->keep_fp32 == NULL);
    uint64_t inner = p->tokens * ffn * p->b;

    if (a->gated) {
        linear(p, p->tokens, p->hidden, ffn, int8);
        for (int i = 2; i < p->w->gelu_tensors; i++)
            make(p, inner);
        make(p, inner);
        for (int i = 2; i < p->w->gelu_tensors; i++)
            drop(p, inner);
        drop(p, inner);
        linear(p, p->tokens, p->hidden, ffn, int8);
        make(p, inner);
        drop(p, inner);
        drop(p, inner);
    } else {
        linear(p, p->tokens, p->hidden, ffn, int8);
        for (int i = 1; i < p->w->gelu_tensors; i++)
            make(p, inner);
        for (int i = 1; i < p->w->gelu_tensors; i++)
            drop(p, inner);
    }
    linear(p, p->tokens, ffn, p->hidden, down_int8);
    drop(p, inner);
}

/* Routed experts: every token's copies, sorted by expert, and their products. */
static void experts(struct pass *p)
{
    uint64_t k = dim(p->m, I8I_DIM_EXPERTS_PER_TOKEN), n = dim(p->m, I8I_DIM_EXPERTS);
    uint64_t ffn = dim(p->m, I8I_DIM_EXPERT_FFN);
    uint64_t routed = p->tokens * (k > 0 ? k : 1);

    if (ffn == 0)
        ffn = dim(p->m, I8I_DIM_FFN);
    touch(p, p->tokens * n * 8);
    make(p, routed * p->hidden * p->b);
    make(p, routed * ffn * 2 * p->b);
    touch(p, routed * ffn * 2 * p->b);
    make(p, routed * ffn * p->b);
    drop(p, routed * ffn * 2 * p->b);
    make(p, routed * p->hidden * p->b);
    drop(p, routed * ffn * p->b);
    drop(p, routed * p->hidden * p->b);
    make(p, p->unit);
    drop(p, routed * p->hidden * p->b);
}

/* The decoder's attention to the encoder's output. `create`: the first pass projects
 * keys and values and caches them. */
static void cross_attention(struct pass *p, bool create, uint64_t cache)
{
    uint64_t q = p->tokens * p->heads * p->width * p->b;
    uint64_t rows = p->batch * p->w->encoded;
    uint64_t kv = rows * p->heads * p->width * p->b;

    norm(p);
    linear(p, p->tokens, p->hidden, p->heads * p->width, p->w->int8);
    if (create) {
        linear(p, rows, p->hidden, p->heads * p->width, p->w->int8);
        linear(p, rows, p->hidden, p->heads * p->width, p->w->int8);
        make(p, cache);
        drop(p, kv);
        drop(p, kv);
    }
    drop(p, attend(p, p->w->encoded, false));
    linear(p, p->tokens, p->heads * p->values, p->hidden, p->w->int8);
    drop(p, p->tokens * p->heads * p->values * p->b);
    drop(p, q);
    make(p, p->unit); /* the residual sum, in place of the old one */
    drop(p, p->unit);
    drop(p, p->unit);
    drop(p, p->unit);
}

/* The names that are alive around every block: masks, positions, the embedded input. */
static void surroundings(struct pass *p, bool decoder_of_pair)
{
    const struct i8i_arch *a = &p->m->hp.arch;

    make(p, p->unit); /* inputs_embeds */
    if (!p->first_block)
        make(p, p->unit); /* the block's input */
    if (p->w->eager && p->queries * p->keys > 1)
        make(p, p->batch * p->queries * p->keys * p->b);
    if (a->position == I8I_POS_ALIBI) { /* and the last block's weights */
        make(p, p->batch * p->heads * p->keys * p->b);
        if (!p->first_block && p->w->eager)
            make(p, p->batch * p->heads * p->queries * p->keys * p->b);
    }
    if (a->position == I8I_POS_ROTARY || a->position == I8I_POS_ROTARY_PAIRS)
        make(p, 2 * p->tokens * dim(p->m, I8I_DIM_ROTARY) * p->b);
    if (a->position == I8I_POS_BUCKETS && !p->first_block)
        make(p, p->heads * p->queries * p->keys * p->b);
    if (decoder_of_pair)
        make(p, p->batch * p->w->encoded * p->hidden * p->b);
}

static uint64_t block_peak(const struct i8i_workload *w, const struct i8i_model *m,
                           int stack, int block, enum i8i_phase phase,
                           const uint64_t kv[I8I_PHASES])
{
    bool pair = m->hp.arch.shape == I8I_SHAPE_ENCODER_DECODER,
         decoder = pair && stack != 1;
    bool prefill = phase != I8I_PHASE_DECODE;
    uint64_t heads = dim(m, I8I_DIM_HEADS), kv_heads = dim(m, I8I_DIM_KV_HEADS);
    uint64_t ffn = dim(m, I8I_DIM_FFN), cross = 0, own, old = 0;

    if (stack == 1 && pair) {
        if (dim(m, I8I_DIM_ENC_HEADS) > 0)
            heads = kv_heads = dim(m, I8I_DIM_ENC_HEADS);
        if (dim(m, I8I_DIM_ENC_FFN) > 0)
            ffn = dim(m, I8I_DIM_ENC_FFN);
    }
    struct pass p = {
        .w = w,
        .m = m,
        .batch = w->batch,
        .queries = !prefill || decoder  ? 1
                   : stack == 1 && pair ? w->encoded
                                        : w->prompt,
        .b = w->element,
        .heads = heads > 0 ? heads : 1,
        .kv_heads = kv_heads > 0 ? kv_heads
                    : heads > 0  ? heads
                                 : 1,
        .width = dim(m, I8I_DIM_HEAD_DIM),
        .values = dim(m, I8I_DIM_V_HEAD_DIM),
        .hidden = dim(m, I8I_DIM_HIDDEN),
        .cached = phase != I8I_PHASE_ENCODE,
        .first_block = block == 0,
    };
    if (p.values == 0)
        p.values = p.width;
    p.keys = prefill ? p.queries : decoder ? w->new_tokens : w->context;
    p.tokens = p.batch * p.queries;
    p.unit = p.tokens * p.hidden * p.b;
    if (decoder)
        cross = p.batch * w->encoded * p.heads * (p.width + p.values) * p.b;
    own = kv[phase] > cross ? kv[phase] - cross : 0;
    if (phase == I8I_PHASE_DECODE) { /* the cache of before, copied into a longer one */
        old = own / 2;
        own = 0;
    }

    surroundings(&p, decoder);
    norm(&p);
    make(&p, old);
    drop(&p, old);
    self_attention(&p, own);
    drop(&p, p.unit); /* the normed input */
    if (decoder)
        cross_attention(&p, prefill, cross);
    norm(&p);
    if (dim(m, I8I_DIM_EXPERTS) > 0 &&
        (uint64_t)(block < 0 ? 0 : block) >= dim(m, I8I_DIM_DENSE_LAYERS))
        experts(&p);
    else
        mlp(&p, ffn);
    make(&p, p.unit);

    uint64_t created = phase == I8I_PHASE_DECODE ? 0 : own + (decoder ? cross : 0);
    return p.tape.peak - (created < p.tape.peak ? created : p.tape.peak);
}

void i8i_workload_block(uint64_t active[I8I_PHASES], const struct i8i_workload *w,
                        const struct i8i_model *m, int stack, int block)
{
    uint64_t kv[I8I_PHASES];
    bool pair = m->hp.arch.shape == I8I_SHAPE_ENCODER_DECODER;

    memset(active, 0, I8I_PHASES * sizeof *active);
    i8i_workload_cache(kv, w, m, stack, block);
    if (m->hp.arch.shape == I8I_SHAPE_ENCODER || (pair && stack == 1)) {
        active[I8I_PHASE_ENCODE] = block_peak(w, m, stack, block, I8I_PHASE_ENCODE, kv);
        return;
    }
    active[I8I_PHASE_PREFILL] = block_peak(w, m, stack, block, I8I_PHASE_PREFILL, kv);
    active[I8I_PHASE_DECODE] = block_peak(w, m, stack, block, I8I_PHASE_DECODE, kv);
}

void i8i_workload_head(uint64_t active[I8I_PHASES], const struct i8i_workload *w,
                       const struct i8i_model *m)
{
    bool pair = m->hp.arch.shape == I8I_SHAPE_ENCODER_DECODER;
    uint64_t hidden = w->batch * dim(m, I8I_DIM_HIDDEN) * w->element;
    uint64_t logits = w->batch * dim(m, I8I_DIM_VOCAB);

    memset(active, 0, I8I_PHASES * sizeof *active);
    if (m->hp.arch.shape == I8I_SHAPE_ENCODER)
        return;
    for (int phase = I8I_PHASE_PREFILL; phase < I8I_PHASES; phase++) {
        struct i8i_tape t = {0};
        uint64_t states = hidden;
        if (phase == I8I_PHASE_PREFILL && !pair)
            states *= w->prompt;
        i8i_tape_make(&t, states);
        i8i_tape_make(&t, logits * w->element);
        i8i_tape_drop(&t, states);
        i8i_tape_make(&t, logits * 4); /* generate copies the last position to fp32 */
        active[phase] = t.peak;
    }
}
