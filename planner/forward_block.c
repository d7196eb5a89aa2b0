/* SPDX-License-Identifier: Apache-2.0
 *
 * One block's forward pass from its input to its output, with what is alive around
 * it, and the output head.
 */
#include "config.h"

#include "planner/forward_pass.h"

#include <string.h>

/* The names that are alive around every block: masks, positions, the embedded input. */
static void surroundings(struct i8i_pass *p)
{
    const struct i8i_arch *a = &p->m->hp.arch;
    bool alibi = a->position == I8I_POS_ALIBI, inputs = p->holds & I8I_HOLD_INPUTS;
    bool hybrid = p->m->hp.window_rule != I8I_WINDOW_ALL &&
                  p->m->hp.window_rule != I8I_WINDOW_NONE && p->w->window > 0;
    uint64_t pairs = p->batch * p->queries * p->keys;

    i8i_pass_make(p, p->unit);              /* inputs_embeds */
    i8i_pass_make(p, inputs ? p->unit : 0); /* the positions' embeddings */
    if (!p->first_block || inputs)
        i8i_pass_make(p, p->residual); /* the block's input */
    if (p->w->eager && a->causal && p->cached && p->queries * p->keys > 1)
        i8i_pass_make(p, pairs * p->b * (hybrid ? 2 : 1));
    else if (!p->w->eager && p->queries > 1 &&
             ((p->holds & I8I_HOLD_MASK) ||
              (p->w->window > 0 && p->keys >= p->w->window)))
        i8i_pass_make(p, pairs);
    if (alibi && (p->holds & I8I_SCORES_FALCON)) /* merged into the mask */
        i8i_pass_make(p, pairs * p->heads * p->b);
    else if (alibi)
        i8i_pass_make(p, p->batch * p->heads * p->keys * p->b);
    if ((p->holds & I8I_HOLD_WEIGHTS) && !p->first_block && p->w->eager)
        i8i_pass_make(p, i8i_pass_weights(p, p->keys));
    if (i8i_pass_rotates(p))
        i8i_pass_make(p, (a->rope_local_theta > 0 ? 4 : 2) * p->tokens *
                             i8i_plan_dim(p->m, I8I_DIM_ROTARY) * p->b);
    if (a->position == I8I_POS_BUCKETS && !p->first_block)
        i8i_pass_make(p, p->heads * p->queries * p->keys * p->b);
    if (p->decoder)
        i8i_pass_make(p, p->batch * p->w->encoded * p->hidden * p->b);
    if (p->decode) /* the last step's logits in fp32, and processed */
        i8i_pass_make(p, (p->w->ends ? 8 : 4) * p->batch *
                             i8i_plan_dim(p->m, I8I_DIM_VOCAB));
}

/* x + mlp(norm(x + attention(norm(x)))), the norms where the family has them. */
static void sequential(struct i8i_pass *p)
{
    enum i8i_norm_place place = p->m->hp.arch.norm_place;
    bool pre = place == I8I_NORM_PRE || place == I8I_NORM_SANDWICH;

    if (pre)
        i8i_pass_norm(p);
    i8i_pass_attention(p);
    if (place == I8I_NORM_SANDWICH || place == I8I_NORM_POST_SUB) {
        i8i_pass_norm(p);
        i8i_pass_drop(p, p->unit);
    }
    i8i_pass_make(p, p->residual); /* the sum */
    if (!(p->holds & I8I_HOLD_ATTENTION))
        i8i_pass_drop(p, p->unit);
    if (pre && !(p->holds & I8I_HOLD_NORMED))
        i8i_pass_drop(p, p->unit);
    if (place == I8I_NORM_POST) {
        i8i_pass_norm(p);
        i8i_pass_drop(p, p->unit);
    }
    if (p->decoder)
        i8i_pass_cross_attention(p);
    if (pre)
        i8i_pass_norm(p);
    i8i_pass_mlp(p);
    i8i_pass_touch(p, p->residual);
}

/* x + attention(norm(x)) + mlp(norm(x)): one norm for both; one each, one after the
 * other (NeoX); or both ahead (Falcon). */
static void parallel(struct i8i_pass *p)
{
    bool ahead = p->two_norms && (p->holds & I8I_HOLD_NORMED);

    i8i_pass_norm(p);
    if (ahead)
        i8i_pass_norm(p);
    i8i_pass_attention(p);
    if (p->two_norms && !ahead) {
        i8i_pass_drop(p, p->unit);
        i8i_pass_norm(p);
    }
    i8i_pass_mlp(p);
    i8i_pass_touch(p, p->unit);
}

static struct i8i_pass pass_of(const struct i8i_workload *w, const struct i8i_model *m,
                               int stack, int block, enum i8i_phase phase)
{
    bool pair = m->hp.arch.shape == I8I_SHAPE_ENCODER_DECODER;
    bool prefill = phase != I8I_PHASE_DECODE, encoder = stack == 1 && pair;
    unsigned holds = m->family != NULL ? m->family->holds : 0;
    struct i8i_pass p = {
        .w = w,
        .m = m,
        .holds = holds,
        .batch = w->batch,
        .b = w->element,
        .heads = i8i_plan_dim(m, I8I_DIM_HEADS),
        .kv_heads = i8i_plan_dim(m, I8I_DIM_KV_HEADS),
        .width = i8i_plan_dim(m, I8I_DIM_HEAD_DIM),
        .values = i8i_plan_dim(m, I8I_DIM_V_HEAD_DIM),
        .hidden = i8i_plan_dim(m, I8I_DIM_HIDDEN),
        .ffn = i8i_plan_dim(m, I8I_DIM_FFN),
        .cached = phase != I8I_PHASE_ENCODE,
        .first_block = block == 0,
        .decode = !prefill,
        .decoder = pair && !encoder,
    };

    if (encoder && i8i_plan_dim(m, I8I_DIM_ENC_HEADS) > 0)
        p.heads = p.kv_heads = i8i_plan_dim(m, I8I_DIM_ENC_HEADS);
    if (encoder && i8i_plan_dim(m, I8I_DIM_ENC_FFN) > 0)
        p.ffn = i8i_plan_dim(m, I8I_DIM_ENC_FFN);
    if (p.heads == 0)
        p.heads = 1;
    if (p.kv_heads == 0 || i8i_workload_all_heads(w, m))
        p.kv_heads = p.heads;
    if (p.values == 0)
        p.values = p.width;
    if (i8i_plan_dim(m, I8I_DIM_KV_RANK) > 0)
        p.kv_heads = p.heads;
    int64_t window = pair ? 0 : i8i_block_window(&m->hp, block);
    p.window = window > 0 ? (uint64_t)window : 0;
    p.queries = !prefill || p.decoder ? 1 : encoder ? w->encoded : w->prompt;
    p.keys = prefill ? p.queries : p.decoder ? w->new_tokens : w->context;
    if (!prefill && p.window > 0 && p.keys > p.window)
        p.keys = p.window;
    p.tokens = p.batch * p.queries;
    p.unit = p.tokens * p.hidden * p.b;
    p.residual = w->keeps_down && w->half ? p.tokens * p.hidden * 4 : p.unit;
    p.experts =
        i8i_plan_dim(m, I8I_DIM_EXPERTS) > 0 &&
        (uint64_t)(block < 0 ? 0 : block) >= i8i_plan_dim(m, I8I_DIM_DENSE_LAYERS);
    p.fused_mlp = i8i_model_role(m, I8I_ROLE_GATE_UP, stack, block) >= 0;
    p.two_norms = i8i_model_role(m, I8I_ROLE_MLP_NORM, stack, block) >= 0;
    return p;
}

static uint64_t block_peak(const struct i8i_workload *w, const struct i8i_model *m,
                           int stack, int block, enum i8i_phase phase,
                           const uint64_t kv[I8I_PHASES])
{
    struct i8i_pass p = pass_of(w, m, stack, block, phase);
    uint64_t old = 0;

    if (p.decoder)
        p.cross = p.batch * w->encoded * p.heads * (p.width + p.values) * p.b;
    p.cache = kv[phase] > p.cross ? kv[phase] - p.cross : 0;
    if (phase == I8I_PHASE_DECODE) { /* the cache of before, copied into a longer one */
        old = p.cache / 2;
        p.cache = 0;
    }
    uint64_t created = p.decode ? 0 : p.cache + p.cross;

    surroundings(&p);
    i8i_pass_touch(&p, old);
    if (m->hp.arch.parallel)
        parallel(&p);
    else
        sequential(&p);
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
    uint64_t hidden = w->batch * i8i_plan_dim(m, I8I_DIM_HIDDEN) * w->element;
    uint64_t logits = w->batch * i8i_plan_dim(m, I8I_DIM_VOCAB);

    memset(active, 0, I8I_PHASES * sizeof *active);
    if (m->hp.arch.shape == I8I_SHAPE_ENCODER)
        return;
    for (int phase = I8I_PHASE_PREFILL; phase < I8I_PHASES; phase++) {
        struct i8i_tape t = {0};
        uint64_t states = hidden;
        if (phase == I8I_PHASE_PREFILL && !pair)
            states *= w->prompt;
        if (pair) /* the encoder's output, held by generate */
            i8i_tape_make(&t, hidden * w->encoded);
        i8i_tape_make(&t, states);
        i8i_tape_make(&t, logits * w->element);
        i8i_tape_drop(&t, states);
        i8i_tape_make(&t, logits * 4); /* generate copies the last position to fp32 */
        /* Its processors: copies of the scores, and ids of the whole vocabulary; here
         * those of a minimum length. Sampling takes about as much. */
        if (w->ends) {
            i8i_tape_make(&t, 4 * logits * 4);
            i8i_tape_make(&t, i8i_plan_dim(m, I8I_DIM_VOCAB) * 9);
        }
        active[phase] = t.peak;
    }
}
