/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tensors mean: config.json and a family's table, expanded to modules and
 * parameters, joined with the checkpoint. Read-only after opening, so any number of
 * threads may use it.
 */
#ifndef I8I_MODEL_MODEL_H
#define I8I_MODEL_MODEL_H

#include "checkpoint/checkpoint.h"
#include "model/family.h"

struct i8i_module {
    const char *path;        /* "model.layers.0.self_attn.q_proj"; "" for the root */
    const char *stored_path; /* the same as the checkpoint spells it; mostly == path */
    const char *name;        /* last component */
    const char *class_name;
    enum i8i_node_kind kind;
    enum i8i_role role;
    int parent;                    /* index, -1 for the root */
    int first_child, next_sibling; /* -1: none; registration order */
    int n_children;
    int stack;             /* 1: belongs to the encoder of an encoder–decoder; else 0 */
    int block;             /* index of the block it lies in, else -1 */
    bool no_split;         /* its class is never split over devices */
    bool likely_embedding; /* shape rules took it for a Linear, but its name says not */
    uint64_t rows, cols;   /* Linear, Conv1D: out, in features; embedding: n, width */
    int first_param, n_params; /* its own parameters and buffers, consecutive */
    /* Of an int8 checkpoint, else NULL. bitsandbytes: F32 [rows], the row's absmax.
     * compressed-tensors: F32, BF16 or F16 [rows, 1], the step, absmax / 127. */
    const struct i8i_tensor *scb;
    const struct i8i_tensor *weight_format; /* U8 scalar 0, or NULL: optional */
};

struct i8i_param {
    const char *name;   /* full: "model.layers.0.self_attn.q_proj.weight" */
    const char *leaf;   /* "weight", "bias", "inv_freq" */
    enum i8i_role role; /* of a bare parameter; a module's are in the module */
    int module;
    bool buffer;     /* not a parameter */
    bool persistent; /* in the state dict */
    int tied_to;     /* index of the parameter whose storage it shares, or -1 */
    uint32_t rank;
    const uint64_t *shape; /* the tensor's own where there is one */
    uint64_t elements;
    enum i8_dtype dtype; /* as stored; what the config says where nothing is stored */
    const struct i8i_tensor *tensor; /* NULL when tied or not stored */
};

/* How weights are stored. */
enum i8i_quantization {
    I8I_QUANT_NONE,
    I8I_QUANT_BNB_INT8,   /* weight I8 + SCB */
    I8I_QUANT_CT_INT8,    /* compressed-tensors: weight I8 + weight_scale */
    I8I_QUANT_FP8_BLOCKS, /* E4M3 + block scales; its tensors are read as bf16 */
    I8I_QUANT_OTHER,      /* GPTQ, AWQ, 4-bit …: named in quantization_name */
};

struct i8i_model {
    const struct i8i_family *family; /* NULL: unknown, modules come from shape rules */
    const char *model_type;          /* "" without config.json */
    const char *architecture;        /* config's architectures[0], or the family's */
    struct i8i_hparams hp;
    struct i8i_module *modules; /* pre-order, root first, registration order */
    int n_modules;
    struct i8i_param *params; /* pre-order by module: the state dict's order */
    int n_params;
    enum i8i_quantization quantization;
    const char *quantization_name; /* "gptq"; NULL if none */
    double int8_threshold;         /* config's llm_int8_threshold, 6.0 */
    enum i8_dtype config_dtype;    /* config.json's dtype/torch_dtype, or INVALID */
    i8i_json *config;              /* NULL for a bare weights file */
    struct i8i_checkpoint *checkpoint;
    struct i8i_tree *tree; /* NULL for a bare weights file */
    const char **notes;    /* what a user should know: "unknown family …" */
    size_t n_notes;
    const struct i8i_tensor *
        *ignored; /* stale buffers, stored copies of tied parameters */
    size_t n_ignored;
    const struct i8i_tensor *
        *unexpected; /* what the family does not know; readers skip it */
    size_t n_unexpected;
    bool prefix_added; /* names in the checkpoint lack family->base_prefix */
    const char *name;  /* the MODEL string */
    /* private: */
    struct i8i_arena arena;
    int *outside; /* modules outside the blocks */
    int n_outside;
    int *blocks[2]; /* module of each block, by stack */
    int n_blocks[2];
};

struct i8i_model_options {
    bool headers_only;   /* plan, inspect: no tensor's bytes are read */
    bool require_family; /* engine: an unknown family is an error */
};

/* Opens a MODEL string: a directory with config.json and weights, a Hub repository
 * (source/model_source.h), or one weights file. Disagreement between headers and
 * config.json (hidden size, layer count, a missing or misshapen tensor) is I8_ERR_DATA
 * naming both. */
enum i8_status i8i_model_open(struct i8i_model **out, const char *model_string,
                              const struct i8i_model_options *options,
                              struct i8_error *err) I8I_MUST_CHECK;
/* The same from an opened tree (taken over on success). */
enum i8_status i8i_model_open_tree(struct i8i_model **out, struct i8i_tree *tree,
                                   const struct i8i_model_options *options,
                                   struct i8_error *err) I8I_MUST_CHECK;
void i8i_model_free(struct i8i_model *m);

/* -1 if there is none. They walk down the tree, past the siblings on the way but those
 * that are blocks. */
int i8i_model_module(const struct i8i_model *m, const char *path);
int i8i_model_param(const struct i8i_model *m, const char *name);
/* The module with `role` in block `block` of `stack`; block -1: outside the blocks
 * (stack then picks encoder or decoder where both have one). -1 if absent. */
int i8i_model_role(const struct i8i_model *m, enum i8i_role role, int stack, int block);
/* The module's parameter with that leaf name, ties followed to the stored one; -1. */
int i8i_module_param(const struct i8i_model *m, int module, const char *leaf);

/* ---- which modules are int8 ---- */

enum i8i_reader { /* who will load the result */
                  I8I_READER_TRANSFORMERS5,
                  I8I_READER_TRANSFORMERS4,
                  I8I_READER_INT8TOOL,
                  I8I_READER_VLLM,
};
enum i8i_decision {
    I8I_CONVERT,           /* becomes int8 */
    I8I_KEEP_NOT_LINEAR,   /* embedding, norm, convolution, bare parameter */
    I8I_KEEP_HEAD,         /* output embedding */
    I8I_KEEP_TIED,         /* shares storage with a kept parameter */
    I8I_KEEP_FP32_MODULE,  /* the reader keeps it in 32 or 16 bit (T5's wo) */
    I8I_KEEP_SUBCLASS,     /* not exactly nn.Linear (transformers 5, Falcon) */
    I8I_KEEP_FUSED_EXPERT, /* transformers 5 fuses experts into one parameter */
    I8I_KEEP_ROUTER,       /* chooses experts: a bare parameter in transformers 5 */
    I8I_KEEP_SKIPPED,      /* --skip-modules */
    I8I_KEEP_LAST,         /* module of the last parameter (readers skip it) */
    I8I_KEEP_CONV1D,       /* a layout or a reader that has none in int8 */
    I8I_KEEP_DTYPE,        /* weight is not a floating-point matrix */
};
/* skip: NULL-terminated user list, or NULL. Pure. */
enum i8i_decision i8i_model_decide(const struct i8i_model *m, int module,
                                   enum i8i_reader reader, const char *const *skip);
const char *i8i_decision_text(enum i8i_decision d); /* "output embedding" */
/* The dtype of a floating-point parameter of the module that stays: as stored, or `rest`
 * (INVALID: as stored), but F32 where that would be F16 and the reader computes in fp32.
 */
enum i8_dtype i8i_model_rest_dtype(const struct i8i_model *m, int module,
                                   enum i8i_reader reader, enum i8_dtype stored,
                                   enum i8_dtype rest);

/* The list for config.json's llm_int8_skip_modules: full names of the Linears that
 * `reader` must leave alone. Readers match names loosely (transformers 5: the name as a
 * regular expression at the start of the path, or as its end; transformers 4: a
 * component, or followed by a dot anywhere); a list that would by accident catch a
 * converted module is I8_ERR_DATA naming both. *names is one allocation, NULL-terminated;
 * free() releases it; the strings are the model's. */
enum i8_status i8i_model_skip_list(const char ***names, size_t *count,
                                   const struct i8i_model *m, enum i8i_reader reader,
                                   const char *const *skip,
                                   struct i8_error *err) I8I_MUST_CHECK;

#endif
