/* SPDX-License-Identifier: Apache-2.0
 *
 * From a request to the sizes of a run, and the key-value cache.
 */
#include "config.h"

#include "planner/workload.h"

#include "base/memory.h"
#include "planner/bytes.h"

#include <string.h>

/* The largest batch × context × width that is planned: 2^50 elements of anything, far
 * beyond any machine, and far from overflow in the sums below. */
#define MOST_ELEMENTS (UINT64_C(1) << 50)

/* The dtype that activations have: that of what is not converted. */
static enum i8_dtype activation_dtype(const struct i8i_model *m,
                                      const struct i8_plan_request *r)
{
    const enum i8_dtype asked =
        i8i_plan_dtype(r->dtype == I8_PLAN_INT8 ? r->rest : r->dtype);
    if (asked != I8_DTYPE_INVALID)
        return asked;
    for (int i = 0; i < m->n_params; i++)
        if (!m->params[i].buffer && m->params[i].tensor != NULL &&
            (m->params[i].dtype == I8_DTYPE_F16 || m->params[i].dtype == I8_DTYPE_BF16 ||
             m->params[i].dtype == I8_DTYPE_F32))
            return m->params[i].dtype;
    return I8_DTYPE_BF16;
}

static const char *activation_name(const struct i8i_model *m)
{
    static const char *const keys[] = {"hidden_activation", "activation_function",
                                       "hidden_act", "dense_act_fn"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *name = i8i_json_string(i8i_json_get(m->config, keys[i]));
        if (name != NULL)
            return name;
    }
    return "";
}

/* Activations written as Python arithmetic hold several tensors of the inner width:
 * gelu_new four, BLOOM's own gelu five, quick_gelu three. Kernels hold two. */
static int activation_tensors(const struct i8i_model *m)
{
    const char *name = activation_name(m);

    if (strcmp(name, "gelu_new") == 0 || strcmp(name, "gelu_fast") == 0)
        return 4;
    if (strcmp(name, "quick_gelu") == 0)
        return 3;
    if (*name == '\0' && m->hp.arch.position == I8I_POS_ALIBI &&
        m->hp.arch.activation == I8I_ACT_GELU_TANH)
        return 5;
    return 2;
}

/* Whether the reader keeps the last Linear of the MLPs from fp16. */
static bool keeps_down(const struct i8i_model *m, enum i8i_reader reader)
{
    int down = i8i_model_role(m, I8I_ROLE_DOWN, 0, 0);
    if (down < 0)
        down = i8i_model_role(m, I8I_ROLE_DOWN, 1, 0);
    return down >= 0 && i8i_model_rest_dtype(m, down, reader, I8_DTYPE_F16,
                                             I8_DTYPE_INVALID) == I8_DTYPE_F32;
}

enum i8_status i8i_workload_init(struct i8i_workload *w, const struct i8i_model *m,
                                 const struct i8_plan_request *r, struct i8_error *err)
{
    uint64_t widest = i8i_plan_dim(m, I8I_DIM_VOCAB), tokens, elements;
    const enum i8i_dim wide[] = {I8I_DIM_HIDDEN, I8I_DIM_FFN2, I8I_DIM_FFN, I8I_DIM_QKV};

    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (widest < i8i_plan_dim(m, wide[i]))
            widest = i8i_plan_dim(m, wide[i]);
    if (r->batch == 0 || r->new_tokens == 0 || r->context <= r->new_tokens)
        return i8i_fail(
            err, I8_ERR_ARG,
            "context %llu must exceed new tokens %llu, and batch be at least 1",
            (unsigned long long)r->context, (unsigned long long)r->new_tokens);
    if (!i8i_mul_u64(&tokens, r->batch, r->context) ||
        !i8i_mul_u64(&elements, tokens, widest > 0 ? widest : 1) ||
        elements > MOST_ELEMENTS || !i8i_mul_u64(&elements, tokens, r->context) ||
        !i8i_mul_u64(&elements, elements, 1 + i8i_plan_dim(m, I8I_DIM_HEADS)) ||
        elements > MOST_ELEMENTS * 64)
        return i8i_fail(err, I8_ERR_ARG,
                        "batch %llu × context %llu is beyond what can be planned",
                        (unsigned long long)r->batch, (unsigned long long)r->context);

    enum i8_dtype dtype = activation_dtype(m, r);
    bool transformers =
        r->runtime == I8_PLAN_TRANSFORMERS5 || r->runtime == I8_PLAN_TRANSFORMERS4;
    *w = (struct i8i_workload){
        .batch = r->batch,
        .prompt = r->context - r->new_tokens,
        .context = r->context,
        .new_tokens = r->new_tokens,
        .element = i8_dtype_bits(dtype) / 8,
        .half = dtype == I8_DTYPE_F16,
        .int8 = r->dtype == I8_PLAN_INT8,
        .eager = r->attention == I8_PLAN_EAGER,
        .transformers = transformers,
        .compressed = r->runtime == I8_PLAN_TRANSFORMERS5 || !transformers,
        .keeps_down = keeps_down(m, i8i_plan_reader(r->runtime)),
        .fused_experts = r->runtime == I8_PLAN_TRANSFORMERS5,
        .ends = m->config == NULL || i8i_config_get(m->config, "eos_token_id") != NULL,
        .window = i8i_plan_dim(m, I8I_DIM_WINDOW),
        .encoded = r->context - r->new_tokens,
        .gelu_tensors = activation_tensors(m),
    };
    if (i8i_plan_dim(m, I8I_DIM_CHANNELS) > 0 &&
        i8i_plan_dim(m, I8I_DIM_ENC_POSITIONS) > 0)
        w->encoded =
            i8i_plan_dim(m, I8I_DIM_ENC_POSITIONS); /* audio: always the full window */
    if (r->attention == I8_PLAN_ATTENTION_AUTO)
        w->eager = transformers && m->family != NULL && m->family->eager_only;
    return I8_OK;
}

bool i8i_workload_all_heads(const struct i8i_workload *w, const struct i8i_model *m)
{
    return w->transformers && m->family != NULL &&
           (m->family->holds & I8I_HOLD_ALL_HEADS) &&
           i8i_plan_dim(m, I8I_DIM_KV_HEADS) > 1;
}

/* Bytes that a block caches for each token of each sequence. */
static uint64_t cache_per_token(const struct i8i_workload *w, const struct i8i_model *m)
{
    uint64_t heads = i8i_plan_dim(m, I8I_DIM_KV_HEADS),
             width = i8i_plan_dim(m, I8I_DIM_HEAD_DIM);
    uint64_t values = i8i_plan_dim(m, I8I_DIM_V_HEAD_DIM);

    if (i8i_plan_dim(m, I8I_DIM_KV_RANK) > 0) { /* latent attention */
        uint64_t rope = i8i_plan_dim(m, I8I_DIM_ROPE);
        if (w->compressed)
            return (i8i_plan_dim(m, I8I_DIM_KV_RANK) + rope) * w->element;
        return i8i_plan_dim(m, I8I_DIM_HEADS) *
               (i8i_plan_dim(m, I8I_DIM_NOPE) + rope + values) * w->element;
    }
    if (heads == 0 || i8i_workload_all_heads(w, m))
        heads = i8i_plan_dim(m, I8I_DIM_HEADS);
    return heads * (width + (values > 0 ? values : width)) * w->element;
}

void i8i_workload_cache(uint64_t kv[I8I_PHASES], const struct i8i_workload *w,
                        const struct i8i_model *m, int stack, int block)
{
    uint64_t token = cache_per_token(w, m) * w->batch;

    memset(kv, 0, I8I_PHASES * sizeof *kv);
    if (m->hp.arch.shape == I8I_SHAPE_ENCODER || stack == 1)
        return;
    if (m->hp.arch.shape == I8I_SHAPE_ENCODER_DECODER) {
        uint64_t cross = token * w->encoded;
        kv[I8I_PHASE_PREFILL] = cross + token;
        kv[I8I_PHASE_DECODE] = cross + token * w->new_tokens;
        return;
    }
    int64_t sliding = i8i_block_window(&m->hp, block);
    uint64_t window = sliding > 0 ? (uint64_t)sliding : 0;
    uint64_t prompt = w->prompt, context = w->context;
    if (window > 0) { /* the cache keeps one token less than the window sees */
        uint64_t kept = window > 1 ? window - 1 : 1;
        context = context < kept ? context : kept;
        if (!w->transformers) /* which keeps the whole prompt's storage until decoding */
            prompt = prompt < kept ? prompt : kept;
    }
    kv[I8I_PHASE_PREFILL] = token * prompt;
    kv[I8I_PHASE_DECODE] = token * context;
}
