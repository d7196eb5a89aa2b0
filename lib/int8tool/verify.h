/* SPDX-License-Identifier: Apache-2.0
 *
 * Does a converted model say what the original says? Two models run side by side on
 * the same tokens, stage by stage, so that only one stage's weights of each need be in
 * memory; hidden states and logits are compared as they appear. docs/parity.md has
 * every metric's formula.
 */
#ifndef INT8TOOL_VERIFY_H
#define INT8TOOL_VERIFY_H

#include <int8tool/runtime.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Begins as I8_VERIFY_OPTIONS_INIT: the built-in sample, the usual limits. Strings are
 * borrowed for the call. */
struct i8_verify_options {
    struct i8_runtime runtime;
    /* What to run: any of these together; none: a built-in text by the model's own
     * tokenizer, or pseudo-random ids where there is none (a note says which). */
    const char *const *prompts; /* NULL-terminated; NULL: none */
    const char *text_path;      /* UTF-8 text, cut into windows */
    const char *tokens_path;    /* JSON: a list of ids, cut into windows, or a list of
                                 * lists, each a window of its own */
    size_t window;              /* ids of a window; 0: 512, of an encoder–decoder 256 */
    size_t max_windows;         /* 0: all */
    size_t generate;            /* also compare this many greedy tokens; 0: none */
    bool isolate_layers;        /* give each layer the reference's input */
    /* Limits that `pass` asks for. */
    double min_top1;      /* 0.95 */
    double max_kl;        /* 0.01, of the mean */
    double max_ppl_ratio; /* 1.01 */
};
#define I8_VERIFY_OPTIONS_INIT                                  \
    {                                                           \
        .min_top1 = 0.95, .max_kl = 0.01, .max_ppl_ratio = 1.01 \
    }

/* Perplexity is exp(nll_per_token); NaN where nothing was scored. */
struct i8_model_score {
    double perplexity, nll_per_token, top1_accuracy;
};

/* A stage's output, converted against reference. */
struct i8_layer_difference {
    char *name;                /* module path */
    double rel_l2, cosine;     /* of its own error, when layers are isolated */
    double accumulated_rel_l2; /* with all layers before it converted, too */
    uint64_t outlier_columns;  /* the most met in one window, summed over its Linears */
};

struct i8_continuation {
    char *prompt;                           /* text; NULL where ids were given */
    int32_t *reference_ids, *converted_ids; /* begin with the prompt's; of an encoder–
                                             * decoder, with the start id */
    size_t n_reference, n_converted;
    int64_t first_difference; /* index; −1: the same */
};

/* Zeroed or filled; i8_verify_result_free leaves it zeroed. */
struct i8_verify_result {
    bool compared; /* false: one model only; the members marked * are then not set */
    struct i8_model_score reference, converted /* * */;
    double ppl_ratio;               /* * converted / reference */
    double mean_kl, p99_kl, max_kl; /* * KL(reference ‖ converted), nats a token */
    double top1_agreement;          /* * */
    double logits_rel_l2, logits_max_abs; /* * */
    uint64_t nonfinite; /* NaN and Inf met in logits and hidden states */
    uint64_t tokens_scored;
    size_t windows;
    struct i8_layer_difference *layers; /* * in order of execution */
    size_t n_layers;
    struct i8_continuation *continuations; /* * */
    size_t n_continuations;
    const char *device; /* static */
    const char *input;  /* static: what was run ("built-in text" …) */
    double seconds;
    uint64_t peak_device_bytes; /* weights, caches and scratch of both models */
    bool pass;
};

/* Runs `original` and `converted` (MODEL strings; converted may be NULL: then only the
 * reference's scores are computed). A missed limit is not a failure: result->pass says
 * so. Failures are those of files and options: I8_ERR_ARG for an option that is not
 * possible here, I8_ERR_DATA naming the file or tensor. */
enum i8_status i8_verify(struct i8_verify_result *result, const char *original,
                         const char *converted, const struct i8_verify_options *options,
                         struct i8_error *err);
void i8_verify_result_free(struct i8_verify_result *r);

/* One model against outputs that another framework stored. */
struct i8_golden_result {
    const char *output; /* static: "logits" or "last_hidden_state" */
    double rel_l2, max_abs;
    double top1_agreement; /* of logits; NaN for hidden states */
    uint64_t nonfinite;
    uint64_t positions;
    double seconds;
    const char *device; /* static */
    uint64_t peak_device_bytes;
    bool pass;
};
#define I8_GOLDEN_MAX_REL_L2 5e-5 /* what a sound fp32 engine keeps on every family */

/* Runs `model` on the inputs in the safetensors file at `path` and compares its
 * outputs. `pass` asks for a relative error of at most max_rel_l2. */
enum i8_status i8_verify_golden(struct i8_golden_result *result, const char *model,
                                const char *path, double max_rel_l2,
                                const struct i8_runtime *runtime, struct i8_error *err);

#ifdef __cplusplus
}
#endif
#endif
