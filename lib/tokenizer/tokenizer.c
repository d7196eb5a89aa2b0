/* SPDX-License-Identifier: Apache-2.0
 *
 * The pipeline: added tokens are found first, what lies between them is normalized,
 * cut into pieces and merged; special tokens go around. Decoding is the byte alphabet
 * backwards. Only byte-level BPE is handled; other models are refused by name.
 */
#include "config.h"

#include "tokenizer/tokenizer.h"

#include "base/utf8.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/pretokenizer.h"
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT_BYTES    ((size_t)256 << 20) /* of one text to encode */
#define MAX_DECODED_BYTES ((size_t)1 << 30)

struct i8i_tokenizer {
    struct i8i_bpe bpe;
    struct i8i_added_tokens added;
    const struct i8i_added_token **added_by_id; /* `size` of them; NULL: none */
    struct i8i_pretokenizer pretokenizer;
    struct i8i_post_processor post_processor;
    bool nfc;
    size_t size; /* ids are below this */
};

/* ---- reading ---- */

/* Ids of added tokens must agree with the vocabulary where the text is in both. */
static enum i8_status index_added(struct i8i_tokenizer *t, struct i8_error *err)
{
    t->size = t->bpe.n_tokens;
    for (size_t i = 0; i < t->added.count; i++) {
        if ((size_t)t->added.items[i].id >= t->size)
            t->size = (size_t)t->added.items[i].id + 1;
    }
    t->added_by_id = i8i_calloc(t->size, sizeof *t->added_by_id);
    if (t->added_by_id == NULL)
        return i8i_nomem(err);
    for (size_t i = 0; i < t->added.count; i++) {
        const struct i8i_added_token *a = &t->added.items[i];
        size_t id = (size_t)a->id, in_vocab = i8i_map_get(&t->bpe.ids, a->content);
        const char *there = id < t->bpe.n_tokens ? t->bpe.tokens[id] : NULL;
        if (in_vocab != I8I_MAP_NONE && in_vocab != id)
            return i8i_fail(err, I8_ERR_DATA,
                            "added_tokens: \"%s\" has id %zu, but %zu in the vocabulary",
                            a->content, id, in_vocab);
        if (there != NULL && in_vocab == I8I_MAP_NONE)
            return i8i_fail(err, I8_ERR_DATA,
                            "added_tokens: \"%s\" has id %zu, which is \"%s\" in the "
                            "vocabulary",
                            a->content, id, there);
        if (t->added_by_id[id] != NULL)
            return i8i_fail(err, I8_ERR_DATA,
                            "added_tokens: \"%s\" and \"%s\" have id %zu",
                            t->added_by_id[id]->content, a->content, id);
        t->added_by_id[id] = a;
        if (a->normalized && t->nfc) {
            enum i8_status status = i8i_normalizer_check_nfc(a->content, a->length, err);
            if (status != I8_OK)
                return status;
        }
    }
    return I8_OK;
}

static enum i8_status check_model(const i8i_json *model, struct i8_error *err)
{
    const char *type = i8i_json_string(i8i_json_get(model, "type"));
    if (!i8i_json_is_object(model))
        return i8i_fail(err, I8_ERR_DATA, "no \"model\"");
    if (type == NULL) /* files of before 2020 do not name it */
        type = i8i_json_get(model, "merges") != NULL ? "BPE" : "(unnamed)";
    if (strcmp(type, "BPE") == 0)
        return I8_OK;
    return i8i_fail(err, I8_ERR_UNSUPPORTED,
                    "a tokenizer of kind \"%s\" is not handled (handled: byte-level BPE)",
                    type);
}

static enum i8_status check_decoder(const i8i_json *decoder, struct i8_error *err)
{
    const char *type = i8i_json_string(i8i_json_get(decoder, "type"));
    if (type != NULL && strcmp(type, "ByteLevel") == 0)
        return I8_OK;
    return i8i_fail(err, I8_ERR_UNSUPPORTED,
                    "decoder \"%s\" is not handled (handled: ByteLevel)",
                    type != NULL ? type : "(none)");
}

static enum i8_status check_post_processor(const struct i8i_tokenizer *t,
                                           const struct i8i_ids *ids,
                                           struct i8_error *err)
{
    for (size_t i = 0; i < ids->count; i++) {
        if ((size_t)ids->items[i] >= t->size)
            return i8i_fail(err, I8_ERR_DATA,
                            "post_processor: id %d is not in the vocabulary of %zu",
                            (int)ids->items[i], t->size);
    }
    return I8_OK;
}

/* "truncation" and "padding" are not read: they are how the file was last used, and
 * loaders reset them. */
static enum i8_status parse(struct i8i_tokenizer *t, const i8i_json *doc,
                            struct i8_error *err)
{
    const i8i_json *model = i8i_json_get(doc, "model");
    enum i8_status status = check_model(model, err);
    if (status == I8_OK)
        status = i8i_normalizer_parse(&t->nfc, i8i_json_get(doc, "normalizer"), err);
    if (status == I8_OK)
        status = check_decoder(i8i_json_get(doc, "decoder"), err);
    if (status == I8_OK)
        status = i8i_pretokenizer_parse(&t->pretokenizer,
                                        i8i_json_get(doc, "pre_tokenizer"), err);
    if (status == I8_OK)
        status = i8i_bpe_parse(&t->bpe, model, err);
    if (status == I8_OK)
        status =
            i8i_added_tokens_parse(&t->added, i8i_json_get(doc, "added_tokens"), err);
    if (status == I8_OK)
        status = index_added(t, err);
    if (status == I8_OK)
        status = i8i_post_processor_parse(&t->post_processor,
                                          i8i_json_get(doc, "post_processor"), err);
    if (status == I8_OK)
        status = check_post_processor(t, &t->post_processor.before, err);
    if (status == I8_OK)
        status = check_post_processor(t, &t->post_processor.behind, err);
    return status;
}

enum i8_status i8i_tokenizer_parse(struct i8i_tokenizer **out, const char *json,
                                   size_t length, const char *what, struct i8_error *err)
{
    i8i_json *doc = NULL;
    *out = NULL;
    enum i8_status status = i8i_json_parse(&doc, json, length, what, err);
    if (status != I8_OK)
        return status;
    struct i8i_tokenizer *t = i8i_calloc(1, sizeof *t);
    status = t != NULL ? parse(t, doc, err) : i8i_nomem(err);
    i8i_json_free(doc);
    if (status != I8_OK) {
        i8i_error_prefix(err, "%s", what);
        i8i_tokenizer_free(t);
        return status;
    }
    *out = t;
    return I8_OK;
}

void i8i_tokenizer_free(struct i8i_tokenizer *t)
{
    if (t == NULL)
        return;
    i8i_bpe_free(&t->bpe);
    i8i_added_tokens_free(&t->added);
    free(t->added_by_id);
    i8i_pretokenizer_free(&t->pretokenizer);
    i8i_post_processor_free(&t->post_processor);
    free(t);
}

size_t i8i_tokenizer_size(const struct i8i_tokenizer *t)
{
    return t->size;
}

/* ---- encoding ---- */

struct encoding {
    const struct i8i_tokenizer *t;
    const char *text;
    struct i8i_ids ids;
    struct i8i_pieces pieces;
    struct i8i_bpe_scratch scratch;
    struct i8i_segments raw, normalized; /* cut at added tokens of either kind */
};

/* Text without added tokens. */
static enum i8_status encode_plain(struct encoding *e, size_t start, size_t end,
                                   struct i8_error *err)
{
    enum i8_status status = i8i_pretokenizer_run(&e->t->pretokenizer, &e->pieces,
                                                 e->text + start, end - start, err);
    for (size_t i = 0; status == I8_OK && i < e->pieces.count; i++) {
        struct i8i_piece piece = e->pieces.items[i];
        status = i8i_bpe_encode(&e->t->bpe, &e->ids, &e->scratch,
                                e->pieces.text.data + piece.start,
                                piece.end - piece.start, err);
    }
    return status;
}

static enum i8_status add_token(struct encoding *e, int64_t token, struct i8_error *err)
{
    return i8i_ids_add(&e->ids, e->t->added.items[token].id) ? I8_OK : i8i_nomem(err);
}

/* Text without the added tokens that are looked for before normalization. */
static enum i8_status encode_segment(struct encoding *e, size_t start, size_t end,
                                     struct i8_error *err)
{
    enum i8_status status = I8_OK;
    if (e->t->nfc)
        status = i8i_normalizer_check_nfc(e->text + start, end - start, err);
    e->normalized.count = 0;
    if (status == I8_OK)
        status = i8i_added_tokens_find(&e->t->added, true, &e->normalized, e->text, start,
                                       end, err);
    for (size_t i = 0; status == I8_OK && i < e->normalized.count; i++) {
        struct i8i_segment s = e->normalized.items[i];
        status = s.token >= 0 ? add_token(e, s.token, err)
                              : encode_plain(e, s.start, s.end, err);
    }
    return status;
}

static enum i8_status encode(struct encoding *e, size_t length, struct i8_error *err)
{
    enum i8_status status =
        i8i_added_tokens_find(&e->t->added, false, &e->raw, e->text, 0, length, err);
    for (size_t i = 0; status == I8_OK && i < e->raw.count; i++) {
        struct i8i_segment s = e->raw.items[i];
        status = s.token >= 0 ? add_token(e, s.token, err)
                              : encode_segment(e, s.start, s.end, err);
    }
    return status;
}

static bool add_all(struct i8i_ids *ids, const struct i8i_ids *more)
{
    for (size_t i = 0; i < more->count; i++) {
        if (!i8i_ids_add(ids, more->items[i]))
            return false;
    }
    return true;
}

static enum i8_status check_text(const char *text, size_t length, struct i8_error *err)
{
    if (length > MAX_TEXT_BYTES)
        return i8i_fail(err, I8_ERR_DATA, "the text has %zu bytes, at most %zu are taken",
                        length, MAX_TEXT_BYTES);
    for (size_t i = 0, used; i < length; i += used) {
        used = i8i_utf8_decode(text + i, length - i, NULL);
        if (used == 0)
            return i8i_fail(err, I8_ERR_DATA, "the text is not UTF-8 at byte %zu", i);
    }
    return I8_OK;
}

enum i8_status i8i_tokenizer_encode(const struct i8i_tokenizer *t, int32_t **ids,
                                    size_t *count, const char *text, size_t length,
                                    bool add_special, struct i8_error *err)
{
    struct encoding e = {.t = t, .text = text};
    *ids = NULL;
    *count = 0;
    i8i_pieces_init(&e.pieces);
    enum i8_status status = check_text(text, length, err);
    if (status == I8_OK && add_special && !add_all(&e.ids, &t->post_processor.before))
        status = i8i_nomem(err);
    if (status == I8_OK)
        status = encode(&e, length, err);
    if (status == I8_OK && add_special && !add_all(&e.ids, &t->post_processor.behind))
        status = i8i_nomem(err);
    if (status == I8_OK && e.ids.items == NULL &&
        (e.ids.items = i8i_calloc(1, 4)) == NULL)
        status = i8i_nomem(err);
    if (status == I8_OK) {
        *ids = e.ids.items;
        *count = e.ids.count;
        e.ids.items = NULL;
    }
    free(e.ids.items);
    free(e.raw.items);
    free(e.normalized.items);
    i8i_pieces_free(&e.pieces);
    i8i_bpe_scratch_free(&e.scratch);
    return status;
}

/* ---- decoding ---- */

/* An id's text, and the added token that it is, if it is one; NULL for no token. */
static const char *token_of(const struct i8i_tokenizer *t, int32_t id,
                            const struct i8i_added_token **added)
{
    size_t i = (size_t)id;
    *added = id >= 0 && i < t->size ? t->added_by_id[i] : NULL;
    if (*added != NULL)
        return (*added)->content;
    return id >= 0 && i < t->bpe.n_tokens ? t->bpe.tokens[i] : NULL;
}

enum i8_status i8i_tokenizer_decode(const struct i8i_tokenizer *t, char **text,
                                    size_t *length, const int32_t *ids, size_t count,
                                    bool skip_special, struct i8_error *err)
{
    struct i8i_buffer bytes, out;
    i8i_buffer_init(&bytes, MAX_DECODED_BYTES);
    i8i_buffer_init(&out, MAX_DECODED_BYTES);
    for (size_t i = 0; i < count; i++) {
        const struct i8i_added_token *added;
        const char *token = token_of(t, ids[i], &added);
        if (token != NULL && !(skip_special && added != NULL && added->special))
            i8i_byte_level_decode(&bytes, token);
    }
    if (!bytes.failed)
        i8i_utf8_append_lossy(&out, bytes.data, bytes.length);
    *text = bytes.failed ? NULL : i8i_buffer_take(&out, length);
    i8i_buffer_free(&bytes);
    i8i_buffer_free(&out);
    return *text != NULL ? I8_OK : i8i_nomem(err);
}
