/* SPDX-License-Identifier: Apache-2.0
 *
 * What the forward pass can run: families are refused by what their table asks for,
 * not by name, so that a new family needs no line here.
 */
#include "config.h"

#include "engine/engine_state.h"

#include <inttypes.h>

/* Roles that no slot takes. */
static const char *missing_part(enum i8i_role role)
{
    switch (role) {
    case I8I_ROLE_TYPE_EMBED:
        return "token types";
    case I8I_ROLE_POOLER:
        return "a pooler";
    case I8I_ROLE_CONV1:
    case I8I_ROLE_CONV2:
        return "convolutions";
    case I8I_ROLE_CLASS_TOKEN:
        return "a class token";
    case I8I_ROLE_ROUTER:
    case I8I_ROLE_EXPERT_GATE:
    case I8I_ROLE_EXPERT_UP:
    case I8I_ROLE_EXPERT_DOWN:
    case I8I_ROLE_SHARED_GATE:
    case I8I_ROLE_SHARED_UP:
    case I8I_ROLE_SHARED_DOWN:
    case I8I_ROLE_SHARED_EXPERT_GATE:
        return "experts";
    default:
        return NULL;
    }
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
    const char *what = missing_dimension(hp);

    if (hp->arch.shape == I8I_SHAPE_ENCODER)
        return "models without a language-model head";
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
