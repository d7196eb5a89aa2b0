/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading config.json. Keys have synonyms over the families and over the years; some
 * configurations nest the language model's in text_config; rotary settings stand in
 * rope_parameters (new) or rope_theta and rope_scaling (old). Every integer is bounded
 * here, so that products of two dimensions never overflow later.
 */
#include "config.h"

#include "model/hparams.h"

#include "base/memory.h"
#include <math.h>
#include <string.h>

#define DIM_MAX (INT64_C(1) << 30)

/* `keys` is "a|b"; a member that is null counts as absent. */
static const i8i_json *get_any(const i8i_json *object, const char *keys)
{
    while (object && keys) {
        char key[64];
        const char *end = strchr(keys, '|');
        size_t n = end ? (size_t)(end - keys) : strlen(keys);
        if (n < sizeof key) {
            memcpy(key, keys, n);
            key[n] = '\0';
            const i8i_json *value = i8i_json_get(object, key);
            if (value && !i8i_json_is_null(value))
                return value;
        }
        keys = end ? end + 1 : NULL;
    }
    return NULL;
}

const i8i_json *i8i_config_get(const i8i_json *config, const char *keys)
{
    const i8i_json *value = get_any(i8i_json_get(config, "text_config"), keys);
    return value ? value : get_any(config, keys);
}

bool i8i_config_bool(const i8i_json *config, const char *keys, bool fallback)
{
    return i8i_json_bool(i8i_config_get(config, keys), fallback);
}

double i8i_config_double(const i8i_json *config, const char *keys, double fallback)
{
    return i8i_json_double(i8i_config_get(config, keys), fallback);
}

/* Says what a key holds instead of what it should. */
static enum i8_status bad_value(const char *keys, const i8i_json *value,
                                const char *expected, struct i8_error *err)
{
    if (i8i_json_is_number(value))
        return i8i_fail(err, I8_ERR_DATA, "config.json: %s is %.17g, expected %s", keys,
                        i8i_json_double(value, 0), expected);
    if (i8i_json_is_string(value))
        return i8i_fail(err, I8_ERR_DATA, "config.json: %s is \"%.64s\", expected %s",
                        keys, i8i_json_string(value), expected);
    return i8i_fail(err, I8_ERR_DATA, "config.json: %s is of another type, expected %s",
                    keys, expected);
}

enum i8_status i8i_config_dim(int64_t *out, const i8i_json *config, const char *keys,
                              int64_t fallback, struct i8_error *err)
{
    const i8i_json *value = i8i_config_get(config, keys);
    if (!value) {
        *out = fallback;
        return I8_OK;
    }
    uint64_t n;
    if (!i8i_json_u64(&n, value) || n > (uint64_t)DIM_MAX)
        return bad_value(keys, value, "a whole number from 0 to 2^30", err);
    *out = (int64_t)n;
    return I8_OK;
}

/* A token id, or the first of a list of them; -1 if there is none. */
static int64_t token_id(const i8i_json *config, const char *key)
{
    const i8i_json *value = i8i_config_get(config, key);
    if (i8i_json_is_array(value))
        value = i8i_json_first(value);
    int64_t id;
    return i8i_json_i64(&id, value) && id >= 0 ? id : -1;
}

enum i8_status i8i_activation_parse(enum i8i_activation *out, const char *name,
                                    struct i8_error *err)
{
    static const struct {
        const char *name;
        enum i8i_activation activation;
    } table[] = {
        {"relu", I8I_ACT_RELU},
        {"silu", I8I_ACT_SILU},
        {"swish", I8I_ACT_SILU},
        {"gelu", I8I_ACT_GELU},
        {"gelu_python", I8I_ACT_GELU},
        {"gelu_new", I8I_ACT_GELU_TANH},
        {"gelu_fast", I8I_ACT_GELU_TANH},
        {"gelu_pytorch_tanh", I8I_ACT_GELU_TANH},
        {"quick_gelu", I8I_ACT_QUICK_GELU},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(name, table[i].name) == 0) {
            *out = table[i].activation;
            return I8_OK;
        }
    }
    return i8i_fail(err, I8_ERR_UNSUPPORTED, "config.json: unknown activation '%s'",
                    name);
}

static void read_rope(struct i8i_hparams *hp, const i8i_json *config)
{
    struct i8i_arch *a = &hp->arch;
    /* Old: rope_theta beside rope_scaling {type|rope_type, factor …} or null. New: all
     * in rope_parameters; models with two kinds of layers nest it once more. */
    const i8i_json *rope = i8i_config_get(config, "rope_parameters|rope_scaling");
    const i8i_json *full = i8i_json_get(rope, "full_attention");
    const i8i_json *local = i8i_json_get(rope, "sliding_attention");
    if (full)
        rope = full;
    a->rope_theta = i8i_json_double(
        i8i_json_get(rope, "rope_theta"),
        i8i_config_double(config, "rope_theta|rotary_emb_base", a->rope_theta));
    a->rope_local_theta = i8i_json_double(
        i8i_json_get(local, "rope_theta"),
        i8i_config_double(config, "rope_local_base_freq", a->rope_local_theta));

    const char *type = i8i_json_string(get_any(rope, "rope_type|type"));
    if (!type || strcmp(type, "default") == 0 || strcmp(type, "mrope") == 0)
        a->rope_scaling = I8I_ROPE_DEFAULT;
    else if (strcmp(type, "linear") == 0)
        a->rope_scaling = I8I_ROPE_LINEAR;
    else if (strcmp(type, "llama3") == 0)
        a->rope_scaling = I8I_ROPE_LLAMA3;
    else
        a->rope_scaling = I8I_ROPE_OTHER;
    a->rope_factor = i8i_json_double(i8i_json_get(rope, "factor"), 1.0);
    a->rope_low_freq = i8i_json_double(i8i_json_get(rope, "low_freq_factor"), 1.0);
    a->rope_high_freq = i8i_json_double(i8i_json_get(rope, "high_freq_factor"), 4.0);
    uint64_t original;
    if (i8i_json_u64(&original, i8i_json_get(rope, "original_max_position_embeddings")) &&
        original <= (uint64_t)DIM_MAX)
        a->rope_original_positions = (int64_t)original;
    else
        a->rope_original_positions = hp->dim[I8I_DIM_POSITIONS];
}

/* One flag a block from config's own list of attention kinds, if it has one. */
static enum i8_status read_layer_types(struct i8i_hparams *hp, const i8i_json *config,
                                       struct i8i_arena *arena, struct i8_error *err)
{
    const i8i_json *list = i8i_config_get(config, "layer_types|attention_layers");
    size_t n = i8i_json_count(list);
    if (!i8i_json_is_array(list) || n == 0)
        return I8_OK;
    bool *sliding = i8i_arena_alloc(arena, n * sizeof *sliding);
    if (!sliding)
        return i8i_nomem(err);
    size_t i = 0;
    for (const i8i_json *e = i8i_json_first(list); e; e = i8i_json_next(e), i++) {
        const char *kind = i8i_json_string(e);
        sliding[i] = kind && (strcmp(kind, "sliding_attention") == 0 ||
                              strcmp(kind, "chunked_attention") == 0 ||
                              strcmp(kind, "local") == 0);
    }
    hp->sliding = sliding;
    hp->n_sliding = (int64_t)n;
    return I8_OK;
}

/* What most families spell alike; a family's derive() has the last word. */
static enum i8_status read_common(struct i8i_hparams *hp, const i8i_json *config,
                                  struct i8_error *err)
{
    struct i8i_arch *a = &hp->arch;
    a->norm_epsilon = i8i_config_double(
        config, "rms_norm_eps|layer_norm_epsilon|layer_norm_eps|norm_epsilon|norm_eps",
        a->norm_epsilon);
    if (!(a->norm_epsilon >= 0 && a->norm_epsilon < 1))
        return i8i_fail(err, I8_ERR_DATA, "config.json: a norm epsilon of %g",
                        a->norm_epsilon);
    const char *activation = i8i_json_string(i8i_config_get(
        config, "hidden_activation|hidden_act|activation_function|activation"));
    if (activation) {
        enum i8_status st = i8i_activation_parse(&a->activation, activation, err);
        if (st)
            return st;
    }
    a->bos_id = token_id(config, "bos_token_id");
    a->eos_id = token_id(config, "eos_token_id");
    a->pad_id = token_id(config, "pad_token_id");
    a->decoder_start_id = token_id(config, "decoder_start_token_id");
    if (a->position == I8I_POS_ROTARY || a->position == I8I_POS_ROTARY_PAIRS)
        read_rope(hp, config);
    return I8_OK;
}

/* Rotated dimensions of a head: stated, or a fraction of it, or all of it. */
static enum i8_status read_rotary(struct i8i_hparams *hp, const i8i_json *config,
                                  struct i8_error *err)
{
    int64_t *d = hp->dim;
    if (hp->arch.position != I8I_POS_ROTARY && hp->arch.position != I8I_POS_ROTARY_PAIRS)
        return I8_OK;
    if (!d[I8I_DIM_ROTARY]) {
        const i8i_json *rope = i8i_config_get(config, "rope_parameters");
        double fraction = i8i_json_double(
            i8i_json_get(rope, "partial_rotary_factor"),
            i8i_config_double(config, "partial_rotary_factor|rotary_pct", 1.0));
        if (!(fraction > 0 && fraction <= 1))
            return i8i_fail(err, I8_ERR_DATA,
                            "config.json: partial_rotary_factor is %g, not in (0, 1]",
                            fraction);
        d[I8I_DIM_ROTARY] = (int64_t)((double)d[I8I_DIM_HEAD_DIM] * fraction);
    }
    if (d[I8I_DIM_ROTARY] > d[I8I_DIM_HEAD_DIM] && !d[I8I_DIM_ROPE])
        return i8i_fail(err, I8_ERR_DATA,
                        "config.json: %lld rotated dimensions in a head of %lld",
                        (long long)d[I8I_DIM_ROTARY], (long long)d[I8I_DIM_HEAD_DIM]);
    return I8_OK;
}

enum i8_status i8i_config_keys(int64_t *dim, const struct i8i_config_key *keys,
                               const i8i_json *config, struct i8_error *err)
{
    for (const struct i8i_config_key *k = keys; k->keys; k++) {
        bool absent = !i8i_config_get(config, k->keys);
        if (absent && k->fallback == I8I_REQUIRED)
            return i8i_fail(err, I8_ERR_DATA, "config.json: %s is missing", k->keys);
        int64_t fallback = absent && k->fallback != I8I_OPTIONAL ? k->fallback : 0;
        enum i8_status st = i8i_config_dim(&dim[k->dim], config, k->keys, fallback, err);
        if (st)
            return st;
        if (k->fallback == I8I_REQUIRED && dim[k->dim] == 0)
            return i8i_fail(err, I8_ERR_DATA, "config.json: %s is 0", k->keys);
    }
    return I8_OK;
}

static void fill(int64_t *d, enum i8i_dim dim, int64_t value)
{
    if (d[dim] == 0)
        d[dim] = value;
}

/* Keys that are read with a default: a value of the wrong type would otherwise pass as
 * absent, and the model compute something else than it was made for. */
static enum i8_status check_types(const i8i_json *config, struct i8_error *err)
{
    static const struct {
        bool (*is)(const i8i_json *n);
        const char *expected;
        const char *keys[12];
    } kinds[] = {
        {i8i_json_is_number,
         "a number",
         {"rms_norm_eps", "layer_norm_epsilon", "layer_norm_eps", "norm_epsilon",
          "norm_eps", "rope_theta", "rotary_emb_base", "rope_local_base_freq",
          "partial_rotary_factor", "rotary_pct"}},
        {i8i_json_is_bool,
         "true or false",
         {"tie_word_embeddings", "attention_bias", "mlp_bias", "do_layer_norm_before",
          "enable_bias", "apply_residual_connection_post_layernorm",
          "scale_decoder_outputs"}},
        {i8i_json_is_string,
         "text",
         {"hidden_activation", "hidden_act", "activation_function", "activation",
          "feed_forward_proj", "dense_act_fn"}},
        {i8i_json_is_object, "an object", {"rope_parameters", "rope_scaling"}},
    };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        for (const char *const *key = kinds[k].keys; *key; key++) {
            const i8i_json *value = i8i_config_get(config, *key);
            if (value && !kinds[k].is(value))
                return bad_value(*key, value, kinds[k].expected, err);
        }
    }
    const i8i_json *rope = i8i_config_get(config, "rope_parameters|rope_scaling");
    static const char *const numbers[] = {"rope_theta", "factor", "low_freq_factor",
                                          "high_freq_factor"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const i8i_json *value = get_any(rope, numbers[i]);
        if (value && !i8i_json_is_number(value))
            return bad_value(numbers[i], value, "a number", err);
    }
    return I8_OK;
}

enum i8_status i8i_hparams_read(struct i8i_hparams *hp, const struct i8i_family *family,
                                const i8i_json *config, struct i8i_arena *arena,
                                struct i8_error *err)
{
    int64_t *d = hp->dim;
    *hp = (struct i8i_hparams){.arch = family->arch};
    d[I8I_DIM_ONE] = 1;
    enum i8_status st = check_types(config, err);
    if (st || (st = i8i_config_keys(d, family->keys, config, err)))
        return st;
    fill(d, I8I_DIM_KV_HEADS, d[I8I_DIM_HEADS]);
    fill(d, I8I_DIM_EMBED, d[I8I_DIM_HIDDEN]);
    fill(d, I8I_DIM_POSITION_ROWS, d[I8I_DIM_POSITIONS]);
    fill(d, I8I_DIM_ENC_HEADS, d[I8I_DIM_HEADS]);
    fill(d, I8I_DIM_ENC_FFN, d[I8I_DIM_FFN]);
    if (!d[I8I_DIM_HEAD_DIM] && d[I8I_DIM_HEADS]) {
        if (d[I8I_DIM_HIDDEN] % d[I8I_DIM_HEADS])
            return i8i_fail(
                err, I8_ERR_DATA,
                "config.json: a hidden size of %lld is no multiple of %lld heads",
                (long long)d[I8I_DIM_HIDDEN], (long long)d[I8I_DIM_HEADS]);
        d[I8I_DIM_HEAD_DIM] = d[I8I_DIM_HIDDEN] / d[I8I_DIM_HEADS];
    }
    hp->tied_stated = i8i_config_get(config, "tie_word_embeddings");
    hp->tied = i8i_config_bool(config, "tie_word_embeddings", family->tied_by_default);
    if ((st = read_common(hp, config, err)) ||
        (st = read_layer_types(hp, config, arena, err)))
        return st;
    if (family->derive && (st = family->derive(hp, config, err)))
        return st;
    if ((st = read_rotary(hp, config, err)))
        return st;
    if (d[I8I_DIM_KV_HEADS] && d[I8I_DIM_HEADS] % d[I8I_DIM_KV_HEADS])
        return i8i_fail(
            err, I8_ERR_DATA,
            "config.json: %lld heads do not share %lld key-value heads evenly",
            (long long)d[I8I_DIM_HEADS], (long long)d[I8I_DIM_KV_HEADS]);

    fill(d, I8I_DIM_ROTARY_HALF, d[I8I_DIM_ROTARY] / 2);
    fill(d, I8I_DIM_V_HEAD_DIM, d[I8I_DIM_HEAD_DIM]);
    fill(d, I8I_DIM_Q, d[I8I_DIM_HEADS] * d[I8I_DIM_HEAD_DIM]);
    fill(d, I8I_DIM_KV, d[I8I_DIM_KV_HEADS] * d[I8I_DIM_HEAD_DIM]);
    fill(d, I8I_DIM_QKV, d[I8I_DIM_Q] + 2 * d[I8I_DIM_KV]);
    fill(d, I8I_DIM_FFN2, 2 * d[I8I_DIM_FFN]);
    fill(d, I8I_DIM_EXPERT_FFN2, 2 * d[I8I_DIM_EXPERT_FFN]);
    return I8_OK;
}

enum i8_dtype i8i_config_dtype(const i8i_json *config)
{
    static const struct {
        const char *name;
        enum i8_dtype dtype;
    } table[] = {
        {"float32", I8_DTYPE_F32},
        {"float16", I8_DTYPE_F16},
        {"bfloat16", I8_DTYPE_BF16},
        {"float64", I8_DTYPE_F64},
    };
    /* The top level's word comes before a nested one here: it is what readers load. */
    const char *name = i8i_json_string(get_any(config, "dtype|torch_dtype"));
    if (!name)
        name = i8i_json_string(i8i_config_get(config, "dtype|torch_dtype"));
    if (name && strncmp(name, "torch.", 6) == 0)
        name += 6;
    for (size_t i = 0; name && i < sizeof table / sizeof *table; i++) {
        if (strcmp(name, table[i].name) == 0)
            return table[i].dtype;
    }
    return I8_DTYPE_INVALID;
}

int64_t i8i_block_window(const struct i8i_hparams *hp, int64_t block)
{
    int64_t window = hp->dim[I8I_DIM_WINDOW];
    bool slides = false;
    if (window == 0)
        return 0;
    if (hp->sliding)
        return block < hp->n_sliding && hp->sliding[block] ? window : 0;
    switch (hp->window_rule) {
    case I8I_WINDOW_ALL:
        slides = true;
        break;
    case I8I_WINDOW_NONE:
        break;
    case I8I_WINDOW_EVEN:
        slides = block % 2 == 0;
        break;
    case I8I_WINDOW_ODD:
        slides = block % 2 == 1;
        break;
    case I8I_WINDOW_PERIOD:
        slides = hp->window_arg > 0 && (block + 1) % hp->window_arg != 0;
        break;
    case I8I_WINDOW_FROM:
        slides = block >= hp->window_arg;
        break;
    }
    return slides ? window : 0;
}

/* ---- predicates that families share ---- */

#define PREDICATE(name, condition)                         \
    bool name(const struct i8i_hparams *hp, int64_t index) \
    {                                                      \
        (void)hp;                                          \
        (void)index;                                       \
        return (condition);                                \
    }
PREDICATE(i8i_always, true)
PREDICATE(i8i_when_first, index == 0)
PREDICATE(i8i_when_tied, hp->tied)
PREDICATE(i8i_when_untied, !hp->tied)
PREDICATE(i8i_when_gated, hp->arch.gated)
PREDICATE(i8i_when_not_gated, !hp->arch.gated)
PREDICATE(i8i_when_fused, hp->flags &I8I_FLAG_FUSED_EXPERTS)
PREDICATE(i8i_when_not_fused, !(hp->flags & I8I_FLAG_FUSED_EXPERTS))
PREDICATE(i8i_when_base_class, hp->flags &I8I_FLAG_BASE_CLASS)
PREDICATE(i8i_when_attention_bias, hp->flags &I8I_FLAG_ATTENTION_BIAS)
PREDICATE(i8i_when_mlp_bias, hp->flags &I8I_FLAG_MLP_BIAS)
PREDICATE(i8i_when_qk_norm, hp->flags &I8I_FLAG_QK_NORM)
