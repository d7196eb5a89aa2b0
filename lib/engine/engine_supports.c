/* SPDX-License-Identifier: Apache-2.0
 *
 * What the forward pass can run: families are refused by what their table asks for,
 * not by name, so that a new family needs no line here.
 */
#include "config.h"

#include "engine/engine_state.h"

#include <inttypes.h>

/* NULL for a role that the pass has a place for. A new role is refused until it has. */
static const char *missing_part(enum i8i_role role)
{
    switch (role) {
    case I8I_ROLE_NONE:
    case I8I_ROLE_EMBED:
    case I8I_ROLE_POSITION_EMBED:
    case I8I_ROLE_EMBED_NORM:
    case I8I_ROLE_PROJECT_IN:
    case I8I_ROLE_PROJECT_OUT:
    case I8I_ROLE_FINAL_NORM:
    case I8I_ROLE_HEAD:
    case I8I_ROLE_BLOCK:
    case I8I_ROLE_ATTN_NORM:
    case I8I_ROLE_Q:
    case I8I_ROLE_K:
    case I8I_ROLE_V:
    case I8I_ROLE_QKV:
    case I8I_ROLE_O:
    case I8I_ROLE_Q_NORM:
    case I8I_ROLE_K_NORM:
    case I8I_ROLE_ATTN_POST_NORM:
    case I8I_ROLE_RELATIVE_BIAS:
    case I8I_ROLE_CROSS_NORM:
    case I8I_ROLE_CROSS_Q:
    case I8I_ROLE_CROSS_K:
    case I8I_ROLE_CROSS_V:
    case I8I_ROLE_CROSS_O:
    case I8I_ROLE_MLP_NORM:
    case I8I_ROLE_GATE:
    case I8I_ROLE_UP:
    case I8I_ROLE_GATE_UP:
    case I8I_ROLE_DOWN:
    case I8I_ROLE_MLP_POST_NORM:
        return NULL;
    case I8I_ROLE_TYPE_EMBED:
        return "token types";
    case I8I_ROLE_POOLER:
        return "a pooler";
    case I8I_ROLE_CONV1:
    case I8I_ROLE_CONV2:
        return "convolutions";
    case I8I_ROLE_CLASS_TOKEN:
        return "a class token";
    default:
        return "experts, or parts of a kind unknown to it";
    }
}

static const char *missing_switch(const struct i8i_arch *a)
{
    if (a->shape == I8I_SHAPE_ENCODER)
        return "models without a language-model head";
    if (a->position == I8I_POS_SINUSOIDS)
        return "stored sinusoids as positions";
    if (a->position == I8I_POS_LEARNED && a->shape == I8I_SHAPE_ENCODER_DECODER)
        return "learned positions of an encoder";
    if (a->rope_scaling == I8I_ROPE_OTHER)
        return "rotary scaling other than linear and llama3";
    if (a->rope_local_theta > 0.0 && a->rope_local_theta != a->rope_theta)
        return "a rotary base of their own for sliding blocks";
    if (a->alibi_scale > 0.0 || (a->alibi_max > 0.0 && a->alibi_max != 8.0))
        return "ALiBi other than BLOOM's";
    if (a->qkv_clip > 0.0)
        return "clipped queries, keys and values";
    return NULL;
}

static const char *missing_dimension(const struct i8i_hparams *hp)
{
    const int64_t *dim = hp->dim;
    int64_t kv_heads = dim[I8I_DIM_KV_HEADS] ? dim[I8I_DIM_KV_HEADS] : dim[I8I_DIM_HEADS];
    bool rotary =
        hp->arch.position == I8I_POS_ROTARY || hp->arch.position == I8I_POS_ROTARY_PAIRS;

    for (int i = 0; i < I8I_DIM_COUNT; i++)
        if (dim[i] < 0 || dim[i] > INT32_MAX)
            return "dimensions beyond 2^31";
    if (!dim[I8I_DIM_HIDDEN] || !dim[I8I_DIM_HEADS] || !dim[I8I_DIM_HEAD_DIM] ||
        !dim[I8I_DIM_VOCAB])
        return "hidden size, heads, head size or vocabulary of 0";
    if (dim[I8I_DIM_HEADS] % kv_heads != 0)
        return "heads that kv heads do not divide";
    if (rotary &&
        (dim[I8I_DIM_ROTARY] > dim[I8I_DIM_HEAD_DIM] ||
         (dim[I8I_DIM_ROTARY] ? dim[I8I_DIM_ROTARY] : dim[I8I_DIM_HEAD_DIM]) % 2))
        return "an odd or too large number of rotated dimensions";
    if (hp->arch.position == I8I_POS_BUCKETS &&
        (dim[I8I_DIM_BUCKETS] < 4 ||
         dim[I8I_DIM_BUCKET_DISTANCE] <= dim[I8I_DIM_BUCKETS] / 2))
        return "fewer than 4 relative buckets, or a maximum distance within the exact "
               "ones";
    if (dim[I8I_DIM_Q_RANK] || dim[I8I_DIM_KV_RANK])
        return "latent attention";
    return NULL;
}

/* Every block needs these, in one form or another. */
static const char *missing_block(const struct i8i_model *m, int stack, int block)
{
    static const enum i8i_role needed[][3] = {
        {I8I_ROLE_QKV, I8I_ROLE_Q, I8I_ROLE_NONE},
        {I8I_ROLE_O, I8I_ROLE_NONE, I8I_ROLE_NONE},
        {I8I_ROLE_UP, I8I_ROLE_GATE_UP, I8I_ROLE_NONE},
        {I8I_ROLE_DOWN, I8I_ROLE_NONE, I8I_ROLE_NONE},
    };

    for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
        bool found = false;

        for (int k = 0; needed[i][k]; k++)
            found |= i8i_model_role(m, needed[i][k], stack, block) >= 0;
        if (!found)
            return "blocks without attention or MLP";
    }
    return NULL;
}

static const char *missing(const struct i8i_model *m)
{
    const struct i8i_hparams *hp = &m->hp;
    bool encoder = hp->arch.shape == I8I_SHAPE_ENCODER_DECODER;
    const char *what = missing_switch(&hp->arch);

    if (!what)
        what = missing_dimension(hp);
    for (int i = 0; i < m->n_modules && !what; i++)
        what = missing_part(m->modules[i].role);
    for (int64_t i = 0; i < hp->dim[I8I_DIM_LAYERS] && !what; i++)
        what = missing_block(m, 0, (int)i);
    for (int64_t i = 0; encoder && i < hp->dim[I8I_DIM_ENC_LAYERS] && !what; i++)
        what = missing_block(m, 1, (int)i);
    if (!what && i8i_model_role(m, I8I_ROLE_HEAD, 0, -1) < 0)
        what = "a model without an output head";
    if (!what && i8i_model_role(m, I8I_ROLE_EMBED, 0, -1) < 0)
        what = "a model without a token embedding";
    if (!what && hp->arch.position == I8I_POS_BUCKETS &&
        i8i_model_role(m, I8I_ROLE_RELATIVE_BIAS, 0, 0) < 0)
        what = "a first block without relative attention bias";
    return what;
}

enum i8_status i8i_engine_supports(const struct i8i_model *model, struct i8_error *err)
{
    const char *what;

    if (!model->family)
        return i8i_fail(err, I8_ERR_UNSUPPORTED,
                        "%s: the family '%s' is unknown, so its forward pass is, too",
                        model->name, model->model_type);
    if (model->quantization == I8I_QUANT_OTHER)
        return i8i_fail(err, I8_ERR_UNSUPPORTED,
                        "%s: weights quantized by %s are not handled", model->name,
                        model->quantization_name);
    what = missing(model);
    if (what)
        return i8i_fail(
            err, I8_ERR_UNSUPPORTED,
            "%s: the forward pass of family '%s' needs what is not handled: %s",
            model->name, model->model_type, what);
    return I8_OK;
}
