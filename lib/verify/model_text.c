/* SPDX-License-Identifier: Apache-2.0
 *
 * generation_config.json rules over config.json, as it does in transformers.
 */
#include "config.h"

#include "verify/model_text.h"

#include "base/memory.h"
#include <stdlib.h>

#define MAX_TOKENIZER_BYTES ((size_t)128 << 20) /* Gemma's has 33 MB */
#define MAX_CONFIG_BYTES    ((size_t)4 << 20)
#define MAX_END_IDS         64u

static enum i8_status open_tokenizer(struct i8i_model_text *t, const struct i8i_model *m,
                                     struct i8_error *err)
{
    static const char name[] = "tokenizer.json";
    char *text = NULL;
    size_t length;
    if (m->tree == NULL || !i8i_tree_exists(m->tree, name)) {
        (void)i8i_fail(&t->no_tokenizer, I8_ERR_IO, "%s: there is no %s", m->name, name);
        return I8_OK;
    }
    enum i8_status status =
        i8i_tree_read(m->tree, &text, &length, name, MAX_TOKENIZER_BYTES, err);
    if (status == I8_OK)
        status = i8i_tokenizer_parse(&t->tokenizer, text, length, name, &t->no_tokenizer);
    free(text);
    if (status == I8_OK || t->no_tokenizer.status == I8_OK)
        return status;
    i8i_error_prefix(&t->no_tokenizer, "%s", m->name);
    if (status == I8_ERR_UNSUPPORTED)
        return I8_OK;
    if (err != NULL)
        *err = t->no_tokenizer;
    return status;
}

/* "eos_token_id": an id, a list of them, or null. */
static enum i8_status read_end_ids(struct i8i_model_text *t, const i8i_json *config,
                                   const char *what, struct i8_error *err)
{
    const i8i_json *node = i8i_json_get(config, "eos_token_id");
    bool is_list = i8i_json_is_array(node);
    size_t count = is_list ? i8i_json_count(node) : 1;
    if (node == NULL || i8i_json_is_null(node) || t->n_end_ids > 0)
        return I8_OK;
    if (count > MAX_END_IDS)
        return i8i_fail(err, I8_ERR_DATA, "%s: more than %u ids in eos_token_id", what,
                        MAX_END_IDS);
    t->end_ids = i8i_calloc(count, sizeof *t->end_ids);
    if (t->end_ids == NULL)
        return i8i_nomem(err);
    const i8i_json *n = is_list ? i8i_json_first(node) : node;
    for (size_t i = 0; i < count; i++, n = i8i_json_next(n)) {
        uint64_t id;
        if (!i8i_json_u64(&id, n) || id > INT32_MAX)
            return i8i_fail(err, I8_ERR_DATA,
                            "%s: eos_token_id must be an id or a list of ids", what);
        t->end_ids[t->n_end_ids++] = (int32_t)id;
    }
    return I8_OK;
}

static enum i8_status read_config(struct i8i_model_text *t, const i8i_json *config,
                                  const char *what, struct i8_error *err)
{
    const i8i_json *start = i8i_json_get(config, "decoder_start_token_id");
    uint64_t id;
    if (t->start_id < 0 && i8i_json_u64(&id, start) && id <= INT32_MAX)
        t->start_id = (int64_t)id;
    return read_end_ids(t, config, what, err);
}

static enum i8_status read_generation_config(struct i8i_model_text *t,
                                             const struct i8i_model *m,
                                             struct i8_error *err)
{
    static const char name[] = "generation_config.json";
    char *text = NULL;
    i8i_json *doc = NULL;
    size_t length;
    if (m->tree == NULL || !i8i_tree_exists(m->tree, name))
        return I8_OK;
    enum i8_status status =
        i8i_tree_read(m->tree, &text, &length, name, MAX_CONFIG_BYTES, err);
    if (status == I8_OK)
        status = i8i_json_parse(&doc, text, length, name, err);
    if (status == I8_OK)
        status = read_config(t, doc, name, err);
    i8i_json_free(doc);
    free(text);
    return status;
}

enum i8_status i8i_model_text_open(struct i8i_model_text *t, const struct i8i_model *m,
                                   struct i8_error *err)
{
    *t = (struct i8i_model_text){.start_id = -1};
    enum i8_status status = read_generation_config(t, m, err);
    if (status == I8_OK)
        status = read_config(t, m->config, "config.json", err);
    if (status == I8_OK && t->start_id < 0)
        t->start_id = m->hp.arch.decoder_start_id; /* what the family takes without one */
    if (status == I8_OK)
        status = open_tokenizer(t, m, err);
    return status;
}

void i8i_model_text_free(struct i8i_model_text *t)
{
    i8i_tokenizer_free(t->tokenizer);
    free(t->end_ids);
    *t = (struct i8i_model_text){0};
}

bool i8i_model_text_is_end(const struct i8i_model_text *t, int32_t id)
{
    for (size_t i = 0; i < t->n_end_ids; i++) {
        if (t->end_ids[i] == id)
            return true;
    }
    return false;
}
