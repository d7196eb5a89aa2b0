/* SPDX-License-Identifier: Apache-2.0
 *
 * Templates for one text: special tokens, the text once, special tokens. A Sequence
 * applies its members one around the other.
 */
#include "config.h"

#include "tokenizer/post_processor.h"

#include <stdlib.h>
#include <string.h>

static enum i8_status add_id(struct i8i_ids *ids, const i8i_json *node,
                             struct i8_error *err)
{
    uint64_t id;
    if (!i8i_json_u64(&id, node) || id >= I8I_MAX_TOKENS)
        return i8i_fail(err, I8_ERR_DATA,
                        "post_processor: an id must be an integer below %u",
                        I8I_MAX_TOKENS);
    return i8i_ids_add(ids, (int32_t)id) ? I8_OK : i8i_nomem(err);
}

/* The ids of a template's special token, by its name in "special_tokens". */
static enum i8_status add_special(struct i8i_ids *ids, const i8i_json *node,
                                  const i8i_json *special, struct i8_error *err)
{
    const char *name = i8i_json_string(i8i_json_get(node, "id"));
    const i8i_json *list = NULL;
    if (name != NULL)
        list = i8i_json_get(i8i_json_get(special, name), "ids");
    if (!i8i_json_is_array(list))
        return i8i_fail(err, I8_ERR_DATA,
                        "post_processor: special token \"%s\" has no ids",
                        name != NULL ? name : "(none)");
    for (const i8i_json *n = i8i_json_first(list); n != NULL; n = i8i_json_next(n)) {
        enum i8_status status = add_id(ids, n, err);
        if (status != I8_OK)
            return status;
    }
    return I8_OK;
}

static enum i8_status parse_template(struct i8i_post_processor *p, const i8i_json *node,
                                     struct i8_error *err)
{
    const i8i_json *special = i8i_json_get(node, "special_tokens");
    const i8i_json *piece = i8i_json_first(i8i_json_get(node, "single"));
    size_t texts = 0;
    for (; piece != NULL; piece = i8i_json_next(piece)) {
        const i8i_json *token = i8i_json_get(piece, "SpecialToken");
        const char *sequence =
            i8i_json_string(i8i_json_get(i8i_json_get(piece, "Sequence"), "id"));
        enum i8_status status = I8_OK;
        if (token != NULL)
            status =
                add_special(texts == 0 ? &p->before : &p->behind, token, special, err);
        else if (sequence != NULL && strcmp(sequence, "A") == 0)
            texts++;
        else
            status =
                i8i_fail(err, I8_ERR_DATA,
                         "post_processor: a template's piece must be a SpecialToken or "
                         "the Sequence A");
        if (status != I8_OK)
            return status;
    }
    if (texts != 1)
        return i8i_fail(
            err, I8_ERR_UNSUPPORTED,
            "post_processor: a template with the text %zu times is not handled", texts);
    return I8_OK;
}

/* ["<s>", 0] → 0 */
static enum i8_status add_pair(struct i8i_ids *ids, const i8i_json *pair,
                               struct i8_error *err)
{
    return add_id(ids, i8i_json_next(i8i_json_first(pair)), err);
}

static enum i8_status parse_one(struct i8i_post_processor *p, const i8i_json *node,
                                struct i8_error *err)
{
    const char *type = i8i_json_string(i8i_json_get(node, "type"));
    if (type == NULL)
        return i8i_fail(err, I8_ERR_DATA, "post_processor: no \"type\"");
    if (strcmp(type, "ByteLevel") == 0)
        return I8_OK; /* it moves offsets, not ids */
    if (strcmp(type, "TemplateProcessing") == 0)
        return parse_template(p, node, err);
    if (strcmp(type, "RobertaProcessing") == 0 || strcmp(type, "BertProcessing") == 0) {
        enum i8_status status = add_pair(&p->before, i8i_json_get(node, "cls"), err);
        if (status != I8_OK)
            return status;
        return add_pair(&p->behind, i8i_json_get(node, "sep"), err);
    }
    return i8i_fail(err, I8_ERR_UNSUPPORTED, "post_processor \"%s\" is not handled",
                    type);
}

/* Puts what `outer` adds around what *inner adds. */
static bool wrap(struct i8i_post_processor *inner, struct i8i_post_processor *outer)
{
    for (size_t i = 0; i < inner->before.count; i++) {
        if (!i8i_ids_add(&outer->before, inner->before.items[i]))
            return false;
    }
    for (size_t i = 0; i < outer->behind.count; i++) {
        if (!i8i_ids_add(&inner->behind, outer->behind.items[i]))
            return false;
    }
    struct i8i_ids before = inner->before;
    inner->before = outer->before;
    outer->before = before;
    return true;
}

enum i8_status i8i_post_processor_parse(struct i8i_post_processor *p,
                                        const i8i_json *node, struct i8_error *err)
{
    if (node == NULL || i8i_json_is_null(node))
        return I8_OK;
    const char *type = i8i_json_string(i8i_json_get(node, "type"));
    if (type == NULL || strcmp(type, "Sequence") != 0)
        return parse_one(p, node, err);
    const i8i_json *member = i8i_json_first(i8i_json_get(node, "processors"));
    for (; member != NULL; member = i8i_json_next(member)) {
        struct i8i_post_processor outer = {0};
        enum i8_status status = i8i_post_processor_parse(&outer, member, err);
        if (status == I8_OK && !wrap(p, &outer))
            status = i8i_nomem(err);
        i8i_post_processor_free(&outer);
        if (status != I8_OK)
            return status;
    }
    return I8_OK;
}

void i8i_post_processor_free(struct i8i_post_processor *p)
{
    free(p->before.items);
    free(p->behind.items);
    *p = (struct i8i_post_processor){0};
}
