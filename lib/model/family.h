/* SPDX-License-Identifier: Apache-2.0
 *
 * What one family of models is, as data. A family file fills one struct i8i_family:
 * how config.json's keys map to dimensions, the module tree in registration order
 * with classes and parameters, what is never split, what is tied, what stays in
 * 32 bit, and the shape of the forward pass. Planner, converter and engine read this
 * and nothing else; there is no `if (bloom)` outside the family's own file.
 */
#ifndef I8I_MODEL_FAMILY_H
#define I8I_MODEL_FAMILY_H

#include "base/json.h"
#include <int8tool/dtype.h>
#include <stdbool.h>
#include <stdint.h>

/* Integer dimensions of a model, resolved from config.json. */
enum i8i_dim {
    I8I_DIM_NONE = 0,
    I8I_DIM_ONE,        /* always 1 */
    I8I_DIM_VOCAB,      /* rows of the token embedding */
    I8I_DIM_HIDDEN,     /* residual width */
    I8I_DIM_EMBED,      /* width of the token embedding, where it differs (OPT) */
    I8I_DIM_LAYERS,     /* decoder blocks, or the only stack's */
    I8I_DIM_ENC_LAYERS, /* encoder blocks of an encoder–decoder */
    I8I_DIM_HEADS,
    I8I_DIM_KV_HEADS,
    I8I_DIM_HEAD_DIM,
    I8I_DIM_V_HEAD_DIM,
    I8I_DIM_ENC_HEADS,
    I8I_DIM_Q,    /* HEADS × HEAD_DIM */
    I8I_DIM_KV,   /* KV_HEADS × HEAD_DIM */
    I8I_DIM_QKV,  /* Q + 2 KV: a fused projection's rows */
    I8I_DIM_FFN,  /* inner width of the MLP */
    I8I_DIM_FFN2, /* 2 × FFN: a fused gate-and-up projection's rows */
    I8I_DIM_ENC_FFN,
    I8I_DIM_POSITIONS,     /* positions that the model may see (0: no limit stated) */
    I8I_DIM_POSITION_ROWS, /* rows of a learned position table (OPT: POSITIONS + 2) */
    I8I_DIM_ENC_POSITIONS,
    I8I_DIM_BUCKETS, /* relative attention buckets (T5) */
    I8I_DIM_BUCKET_DISTANCE,
    I8I_DIM_ROTARY,      /* rotated dimensions of a head */
    I8I_DIM_ROTARY_HALF, /* half of that: the frequencies */
    I8I_DIM_WINDOW,      /* sliding attention window; 0: none */
    I8I_DIM_TYPES,       /* token types (BERT) */
    I8I_DIM_LABELS,
    I8I_DIM_CHANNELS, /* input channels (ViT), mel bins (Whisper) */
    I8I_DIM_PATCH,
    I8I_DIM_IMAGE,
    I8I_DIM_EXPERTS,
    I8I_DIM_EXPERTS_PER_TOKEN,
    I8I_DIM_EXPERT_FFN,
    I8I_DIM_EXPERT_FFN2, /* 2 × EXPERT_FFN: fused gate and up projections */
    I8I_DIM_SHARED_EXPERT_FFN,
    I8I_DIM_DENSE_LAYERS, /* leading blocks without experts (DeepSeek) */
    I8I_DIM_MTP_LAYERS,   /* blocks behind the last that only training uses (DeepSeek) */
    I8I_DIM_Q_RANK,       /* multi-head latent attention */
    I8I_DIM_KV_RANK,
    I8I_DIM_NOPE,
    I8I_DIM_ROPE,
    I8I_DIM_X0, /* free for a family's own derived values */
    I8I_DIM_X1,
    I8I_DIM_X2,
    I8I_DIM_X3,
    I8I_DIM_COUNT
};

enum i8i_norm_kind { I8I_NORM_LAYER, I8I_NORM_RMS, I8I_NORM_RMS_PLUS_ONE };
enum i8i_position_kind {
    I8I_POS_NONE,
    I8I_POS_ROTARY,       /* halves rotated (LLaMA, NeoX) */
    I8I_POS_ROTARY_PAIRS, /* neighbours rotated (GPT-J) */
    I8I_POS_ALIBI,        /* BLOOM's slopes */
    I8I_POS_LEARNED,
    I8I_POS_BUCKETS,   /* T5's relative attention bias, held by the first block */
    I8I_POS_SINUSOIDS, /* a fixed table that is stored like a learned one (Whisper) */
};
/* How rows of a fused query-key-value projection are ordered. */
enum i8i_qkv_kind {
    I8I_QKV_SEPARATE,
    I8I_QKV_BLOCKS, /* all q, all k, all v (GPT-2, Phi-3) */
    I8I_QKV_HEADS,  /* for each head: its q, k, v (BLOOM, NeoX) */
    I8I_QKV_GROUPS, /* for each kv head: its queries, k, v (Falcon) */
};
enum i8i_activation {
    I8I_ACT_RELU,
    I8I_ACT_SILU,
    I8I_ACT_GELU,      /* erf */
    I8I_ACT_GELU_TANH, /* gelu_new, gelu_pytorch_tanh, gelu_fast, bloom's */
    I8I_ACT_QUICK_GELU,
};
enum i8i_model_shape {
    I8I_SHAPE_DECODER,         /* causal language model */
    I8I_SHAPE_ENCODER,         /* BERT, ViT */
    I8I_SHAPE_ENCODER_DECODER, /* T5, Whisper */
};
/* Where norms stand around a sublayer. */
enum i8i_norm_place {
    I8I_NORM_PRE,      /* x + f(norm(x)) */
    I8I_NORM_POST,     /* norm(x + f(x)): OPT-350m, BERT */
    I8I_NORM_SANDWICH, /* x + norm(f(norm(x))): Gemma 2 */
    I8I_NORM_POST_SUB, /* x + norm(f(x)): OLMo 2 */
};
enum i8i_rope_scaling {
    I8I_ROPE_DEFAULT,
    I8I_ROPE_LINEAR,
    I8I_ROPE_LLAMA3,
    I8I_ROPE_OTHER, /* yarn, longrope, dynamic …: planned, converted, but not run */
};

/* The forward pass as data. A family gives the constant part; its derive() changes
 * what config.json decides. */
struct i8i_arch {
    enum i8i_model_shape shape;
    enum i8i_norm_kind norm;
    enum i8i_norm_place norm_place;
    enum i8i_position_kind position;
    enum i8i_qkv_kind qkv;
    enum i8i_activation activation;
    bool gated;    /* act(gate(x)) × up(x) */
    bool parallel; /* attention and MLP read the same input (NeoX, Falcon, Phi) */
    bool causal;
    bool embed_norm; /* norm behind the embedding (BLOOM, BERT) */
    bool final_norm;
    bool residual_post_norm; /* BLOOM's apply_residual_connection_post_layernorm */
    int position_offset;     /* added to a position before the learned table (OPT: 2) */
    double norm_epsilon;
    double attention_scale; /* multiplies q·k; 0: 1/sqrt(head_dim) */
    double embed_scale;     /* multiplies embeddings; 0: 1 */
    double
        head_scale; /* multiplies hidden states before the head; 0: 1 (T5: d_model^-½) */
    double logit_scale;            /* multiplies logits; 0: 1 */
    bool attention_scale_by_block; /* and divided by the block's index + 1 (GPT-2's
                                      option) */
    double alibi_scale; /* multiplies ALiBi's bias (Falcon: 1/sqrt(head_dim)); 0: 1 */
    double alibi_max;   /* ALiBi's last slope is 2 to the power of minus this; 0: 8 */
    double qkv_clip;    /* queries, keys and values are held in ±this; 0: not */
    double attention_softcap, logit_softcap; /* 0: none (Gemma 2) */
    double rope_theta;
    double rope_local_theta; /* of sliding layers, where it differs (Gemma 3); 0: same */
    enum i8i_rope_scaling rope_scaling;
    double rope_factor, rope_low_freq, rope_high_freq;
    int64_t rope_original_positions;
    int64_t decoder_start_id;       /* encoder–decoder; -1: none stated */
    int64_t bos_id, eos_id, pad_id; /* -1: none stated */
    bool router_normalized; /* the chosen experts' weights are scaled to sum to 1 */
    bool router_sigmoid;    /* scores by sigmoid instead of softmax (DeepSeek V3) */
    double router_scale;    /* multiplies the experts' weights; 0: 1 */
};

/* Which blocks attend through the sliding window of I8I_DIM_WINDOW. */
enum i8i_window_rule {
    I8I_WINDOW_ALL, /* every block, if there is a window */
    I8I_WINDOW_NONE,
    I8I_WINDOW_EVEN,   /* blocks 0, 2, … (Gemma 2) */
    I8I_WINDOW_ODD,    /* blocks 1, 3, … */
    I8I_WINDOW_PERIOD, /* all but each window_arg-th (Gemma 3) */
    I8I_WINDOW_FROM,   /* blocks window_arg and on (Qwen 2) */
};

struct i8i_hparams {
    int64_t dim[I8I_DIM_COUNT];
    struct i8i_arch arch;
    bool tied;        /* the output head shares the token embedding */
    bool tied_stated; /* config.json says which; else a missing head tells */
    enum i8i_window_rule window_rule;
    int64_t window_arg;
    const bool
        *sliding; /* config's own list of n_sliding blocks, which then rules; or NULL */
    int64_t n_sliding;
    uint64_t
        flags; /* a family's own, for its `when` predicates; I8I_FLAG_… from the top */
};
/* Flags that several families share, from the top; a family's own start at bit 0. */
#define I8I_FLAG_FUSED_EXPERTS \
    (UINT64_C(1) << 63) /* a block's experts: one 3-D parameter */
#define I8I_FLAG_BASE_CLASS     (UINT64_C(1) << 62) /* the base class, not a task's */
#define I8I_FLAG_ATTENTION_BIAS (UINT64_C(1) << 61)
#define I8I_FLAG_MLP_BIAS       (UINT64_C(1) << 60)
#define I8I_FLAG_QK_NORM        (UINT64_C(1) << 59)

/* What a tensor or module does in the forward pass; names for the engine. */
enum i8i_role {
    I8I_ROLE_NONE = 0,
    /* of the whole model, or of a stack */
    I8I_ROLE_EMBED,
    I8I_ROLE_POSITION_EMBED,
    I8I_ROLE_TYPE_EMBED,
    I8I_ROLE_EMBED_NORM,
    I8I_ROLE_PROJECT_IN,
    I8I_ROLE_PROJECT_OUT,
    I8I_ROLE_FINAL_NORM,
    I8I_ROLE_HEAD,
    I8I_ROLE_POOLER,
    I8I_ROLE_CONV1,
    I8I_ROLE_CONV2,
    I8I_ROLE_CLASS_TOKEN,
    /* of a block */
    I8I_ROLE_BLOCK, /* the block module itself */
    I8I_ROLE_ATTN_NORM,
    I8I_ROLE_Q,
    I8I_ROLE_K,
    I8I_ROLE_V,
    I8I_ROLE_QKV,
    I8I_ROLE_O,
    I8I_ROLE_Q_NORM,
    I8I_ROLE_K_NORM,
    I8I_ROLE_ATTN_POST_NORM,
    I8I_ROLE_RELATIVE_BIAS,
    I8I_ROLE_CROSS_NORM,
    I8I_ROLE_CROSS_Q,
    I8I_ROLE_CROSS_K,
    I8I_ROLE_CROSS_V,
    I8I_ROLE_CROSS_O,
    I8I_ROLE_MLP_NORM,
    I8I_ROLE_GATE,
    I8I_ROLE_UP,
    I8I_ROLE_GATE_UP,
    I8I_ROLE_DOWN,
    I8I_ROLE_MLP_POST_NORM,
    I8I_ROLE_ROUTER,
    I8I_ROLE_EXPERT_GATE,
    I8I_ROLE_EXPERT_UP,
    I8I_ROLE_EXPERT_DOWN,
    I8I_ROLE_SHARED_GATE,
    I8I_ROLE_SHARED_UP,
    I8I_ROLE_SHARED_DOWN,
    I8I_ROLE_SHARED_EXPERT_GATE,
    I8I_ROLE_EXPERTS_GATE_UP, /* bare 3-D parameters of all experts of a block */
    I8I_ROLE_EXPERTS_DOWN,
    I8I_ROLE_Q_HEAD_NORM, /* norms with weights of their own for each head */
    I8I_ROLE_K_HEAD_NORM,
    I8I_ROLE_Q_A, /* multi-head latent attention: low-rank pairs */
    I8I_ROLE_Q_A_NORM,
    I8I_ROLE_Q_B,
    I8I_ROLE_KV_A,
    I8I_ROLE_KV_A_NORM,
    I8I_ROLE_KV_B,
    I8I_ROLE_COUNT
};
/* A matrix of one expert, stored by itself. */
static inline bool i8i_role_is_expert(enum i8i_role role)
{
    return role == I8I_ROLE_EXPERT_GATE || role == I8I_ROLE_EXPERT_UP ||
           role == I8I_ROLE_EXPERT_DOWN;
}

enum i8i_node_kind {
    I8I_NODE_MODULE,          /* a container, or a module without parameters */
    I8I_NODE_LINEAR,          /* nn.Linear: weight [rows, cols], bias [rows] if bias() */
    I8I_NODE_LINEAR_SUBCLASS, /* type is not exactly nn.Linear (FalconLinear): as Linear,
                               * but transformers 5 leaves it alone */
    I8I_NODE_CONV1D, /* transformers' Conv1D: weight [cols, rows] as stored, bias [rows]
                      */
    I8I_NODE_EMBEDDING, /* weight [rows, cols] */
    I8I_NODE_NORM,      /* weight [rows], bias [rows] if bias() */
    I8I_NODE_CONV,      /* convolution: weight [rows, cols, kernel…]; never converted */
    I8I_NODE_PARAM,  /* a bare parameter of the parent: [rows(, cols)]; name is its own */
    I8I_NODE_BUFFER, /* a persistent or non-persistent buffer of the parent, fp32 */
};

/* Evaluated with the block's index (0 where there is none). NULL means always for
 * `when`, never for `bias`. */
typedef bool (*i8i_predicate)(const struct i8i_hparams *hp, int64_t index);

/* One row of the module tree, depth-first in registration order; depth 0 rows are
 * children of the model class. The name "#" stands for the numbered children
 * "0", "1", … of the list above it, `count` of them. */
struct i8i_node {
    int depth;
    enum i8i_node_kind kind;
    const char *name;
    const char *class_name;
    enum i8i_role role;
    enum i8i_dim rows, cols;
    i8i_predicate bias;
    i8i_predicate when;
    enum i8i_dim count;    /* "#" only */
    int stack;             /* 1: this and what is below belongs to the encoder */
    enum i8i_dim extra[2]; /* further dimensions of conv kernels and 3-D parameters */
    bool persistent;       /* buffers */
    enum i8_dtype dtype;   /* buffers; 0: F32 */
    const char
        *alias; /* how checkpoints also spell `name`; dots allowed ("encoder.layer") */
};
#define I8I_NODE_END \
    {                \
        .depth = -1  \
    }

/* config.json key(s), '|' between synonyms in order of preference → dimension. */
struct i8i_config_key {
    enum i8i_dim dim;
    const char *keys;
    int64_t fallback; /* I8I_REQUIRED: its absence is an error that names the key */
};
#define I8I_REQUIRED INT64_MIN
#define I8I_OPTIONAL (INT64_MIN + 1) /* absent: dim stays 0 for derive() to fill */

struct i8i_tie {
    const char *target; /* parameter that is no storage of its own ("lm_head.weight") */
    const char *source; /* "model.embed_tokens.weight" */
    i8i_predicate when; /* NULL: when the model is tied */
};

/* One model class. A checkpoint of its base class ("BertModel", "LlamaModel": the
 * class_name of the depth-0 node called base_prefix) is the same tree with that node's
 * children at the root and nothing else; no table of its own is needed. */
struct i8i_family {
    const char *model_type;   /* config.json "model_type" */
    const char *architecture; /* "LlamaForCausalLM": the class described */
    const char *base_prefix;  /* "model"; checkpoints of the base class lack it */
    const struct i8i_config_key *keys; /* ends with keys == NULL */
    /* What keys alone cannot say: derived dims, arch from config. May be NULL. */
    enum i8_status (*derive)(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err);
    struct i8i_arch arch;         /* constant part */
    bool tied_by_default;         /* when config says nothing */
    const struct i8i_node *nodes; /* ends with I8I_NODE_END */
    const char *const *no_split;  /* class names, NULL-terminated */
    const struct i8i_tie *ties;   /* ends with target NULL; or NULL */
    const char *const *keep_fp32; /* transformers' _keep_in_fp32_modules; or NULL */
    const char *const *stale;     /* tensor-name suffixes that are old buffers, ignored */
    const char *output_embedding; /* module path of the head ("lm_head"); or NULL */
    /* End of the name of a parameter that holds all experts of a block ("mlp.experts.
     * gate_up_proj"); not NULL says that transformers 5 fuses them so. */
    const char *fused_experts;
    bool eager_only; /* transformers has no fused attention for it */
    unsigned holds;  /* I8I_HOLD_… and I8I_SCORES_…: see below */
};

/* What transformers' modeling code of a family allocates beyond what its forward pass
 * needs: names that outlive their use, and how eager attention makes its weights. The
 * planner replays them; no other reader. */
enum i8i_holds {
    I8I_HOLD_INPUTS = 1 << 0,    /* both embeddings, beside their sum (GPT-2, OPT) */
    I8I_HOLD_NORMED = 1 << 1,    /* the attention's input, until the block returns */
    I8I_HOLD_ATTENTION = 1 << 2, /* the attention's output, likewise */
    I8I_HOLD_WEIGHTS = 1 << 3,   /* the last block's attention weights, until the next */
    I8I_HOLD_UNROTATED = 1 << 4, /* projections beside their partly rotated copies */
    I8I_HOLD_COPIES = 1 << 5,    /* heads copied out of a fused projection (Falcon) */
    I8I_HOLD_ALL_HEADS = 1 << 6, /* keys and values are cached for every head */
    I8I_HOLD_MASK = 1 << 7,      /* fused attention gets a mask where none is needed */
    I8I_HOLD_NO_REPEAT = 1 << 8, /* grouped keys and values are never repeated */
    I8I_HOLD_WIDE_WEIGHTS = 1 << 9, /* experts' weights by the router are fp32 */
    I8I_HOLD_SHARED = 1 << 10,      /* the shared expert's output, through the others */
    I8I_HOLD_GATED = 1 << 11,  /* activated gate and up, through the down projection */
    I8I_DROP_NORMED = 1 << 12, /* the MLP's input, once its first product is there */
    /* how eager attention goes from scores to weights; else by way of fp32: */
    I8I_SCORES_PLAIN = 1 << 16,  /* softmax in the scores' dtype */
    I8I_SCORES_WIDE = 1 << 17,   /* query, key and scores in fp32 (GPT-J, GPT-Neo) */
    I8I_SCORES_FALCON = 1 << 18, /* masked copies; in fp32 with ALiBi */
    I8I_SCORES_MPT = 1 << 19,    /* an fp32 bias makes all of it fp32 */
    I8I_SCORES_SINKS = 1 << 20,  /* a column more for each head's sink (gpt-oss) */
    I8I_SCORES_BLOOM = 1 << 21,  /* scale and bias in the product; copies have names */
};

/* The registry, NULL-terminated: one line a family in family_table.c. */
extern const struct i8i_family *const i8i_families[];

/* Shared predicates. */
bool i8i_when_tied(const struct i8i_hparams *hp, int64_t index);
bool i8i_when_untied(const struct i8i_hparams *hp, int64_t index);
bool i8i_when_gated(const struct i8i_hparams *hp, int64_t index);
bool i8i_when_not_gated(const struct i8i_hparams *hp, int64_t index);
bool i8i_when_first(const struct i8i_hparams *hp, int64_t index);
bool i8i_always(const struct i8i_hparams *hp, int64_t index);
bool i8i_when_fused(const struct i8i_hparams *hp, int64_t index);
bool i8i_when_not_fused(const struct i8i_hparams *hp, int64_t index);
bool i8i_when_base_class(const struct i8i_hparams *hp, int64_t index);
bool i8i_when_attention_bias(const struct i8i_hparams *hp, int64_t index);
bool i8i_when_mlp_bias(const struct i8i_hparams *hp, int64_t index);
bool i8i_when_qk_norm(const struct i8i_hparams *hp, int64_t index);
/* The window of a block's attention, 0: all positions. */
int64_t i8i_block_window(const struct i8i_hparams *hp, int64_t block);

/* Helpers for derive(). Each looks at the nested text_config first, then at the top;
 * null counts as absent. Keys may be 'a|b' synonyms. */
const i8i_json *i8i_config_get(const i8i_json *config, const char *keys);
bool i8i_config_bool(const i8i_json *config, const char *keys, bool fallback);
double i8i_config_double(const i8i_json *config, const char *keys, double fallback);
/* A non-negative integer below 2^30; fallback when absent. */
enum i8_status i8i_config_dim(int64_t *out, const i8i_json *config, const char *keys,
                              int64_t fallback, struct i8_error *err);
/* All keys of a table into their dimensions. */
enum i8_status i8i_config_keys(int64_t *dim, const struct i8i_config_key *keys,
                               const i8i_json *config, struct i8_error *err);
enum i8_status i8i_activation_parse(enum i8i_activation *out, const char *name,
                                    struct i8_error *err);

#endif
