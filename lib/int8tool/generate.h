/* SPDX-License-Identifier: Apache-2.0
 *
 * Text from a model, token by token, through a KV cache.
 */
#ifndef INT8TOOL_GENERATE_H
#define INT8TOOL_GENERATE_H

#include <int8tool/runtime.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All zero is a good start: greedy, 32 new tokens. Strings are borrowed for the call. */
struct i8_generate_options {
    struct i8_runtime runtime;
    /* One of the two. An encoder–decoder's encoder reads them. */
    const char *const *prompts; /* NULL-terminated */
    const char *tokens_path;    /* JSON: a list of ids, or a list of lists */
    size_t max_new_tokens;      /* 0: 32 */
    /* Sampling, when any of the three is set: the most likely top_k ids (0: all), of
     * those the fewest that hold top_p of the probability (0: all), drawn at
     * probabilities softmax(logits / temperature) (0: 1). */
    double temperature;
    size_t top_k;
    double top_p;
    uint64_t seed;
    /* Called with the sequence's text as it appears, the prompt's first, whole UTF-8
     * characters only; of a model without a tokenizer, with ids in decimal. NULL: none.
     */
    void (*text)(void *ctx, size_t sequence, const char *text, size_t length);
    void *text_ctx;
};

struct i8_sequence {
    char *prompt; /* text; NULL where ids were given */
    int32_t *ids; /* begin with the prompt's; of an encoder–decoder, with the start id */
    size_t n_ids;
    size_t n_prompt; /* of them given, not generated */
    char *text;      /* of all ids, special tokens left out; NULL without a tokenizer */
    double tokens_per_s; /* new tokens over the time of prefill and decoding */
};

/* Zeroed or filled; i8_generate_result_free leaves it zeroed. */
struct i8_generate_result {
    struct i8_sequence *sequences; /* one a prompt, in order */
    size_t n_sequences;
    const char *device; /* static */
    uint64_t peak_device_bytes;
};

/* Stops after max_new_tokens, or when an end-of-sequence id comes (it is kept): those of
 * generation_config.json, else of config.json. */
enum i8_status i8_generate(struct i8_generate_result *result, const char *model,
                           const struct i8_generate_options *options,
                           struct i8_error *err);
void i8_generate_result_free(struct i8_generate_result *r);

#ifdef __cplusplus
}
#endif
#endif
