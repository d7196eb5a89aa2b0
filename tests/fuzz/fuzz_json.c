/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON: whatever is accepted can be written, and what was written reads back as itself.
 * The reader that makes no tree sees the same.
 */
#include "config.h"

#include "base/json_reader.h"
#include "fuzz.h"

static char *rewrite(const char *text, size_t length)
{
    i8i_json *doc;
    struct i8_error err;
    if (i8i_json_parse(&doc, text, length, "input", &err) != I8_OK) {
        MUST(doc == NULL && err.status != I8_OK && err.message[0] != '\0');
        return NULL;
    }
    struct i8i_json_writer w;
    i8i_jw_init(&w, false);
    i8i_jw_node(&w, doc);
    i8i_json_free(doc);
    char *out = i8i_buffer_take(&w.buffer, NULL);
    MUST(out != NULL);
    return out;
}

/* Writes what the reader sees, as it would write the document's tree. */
static void copy(struct i8i_json_writer *w, struct i8i_json_reader *r,
                 struct i8i_buffer *b)
{
    struct i8i_json_text text;
    uint64_t n;
    if (i8i_json_enter_object(r)) {
        i8i_jw_begin_object(w);
        while (i8i_json_next_member(r, &text)) {
            const char *key = i8i_json_unescape(b, text);
            MUST(key != NULL && i8i_json_text_is(text, key));
            i8i_jw_key(w, key);
            copy(w, r, b);
        }
        i8i_jw_end_object(w);
    } else if (i8i_json_enter_array(r)) {
        i8i_jw_begin_array(w);
        while (i8i_json_next_element(r))
            copy(w, r, b);
        i8i_jw_end_array(w);
    } else if (i8i_json_read_text(r, &text)) {
        i8i_jw_string(w, i8i_json_unescape(b, text));
    } else {
        struct i8i_json_reader bookmark = *r;
        i8i_json *value;
        MUST(i8i_json_read_value(&value, r, "input", NULL) == I8_OK);
        uint64_t as_node;
        const bool whole = i8i_json_u64(&as_node, value);
        MUST(i8i_json_read_u64(&bookmark, &n) == whole && (!whole || n == as_node));
        i8i_jw_node(w, value);
        i8i_json_free(value);
    }
}

/* The same through the reader; NULL if it refuses the text. */
static char *reread(const char *text, size_t length)
{
    struct i8i_json_reader r;
    struct i8_error err;
    if (i8i_json_reader_init(&r, text, length, "input", &err) != I8_OK)
        return NULL;
    struct i8i_json_reader behind = r;
    struct i8i_json_writer w;
    struct i8i_buffer b;
    i8i_jw_init(&w, false);
    i8i_buffer_init(&b, length);
    copy(&w, &r, &b);
    i8i_json_skip(&behind);
    MUST(behind.at == r.at);
    i8i_buffer_free(&b);
    char *out = i8i_buffer_take(&w.buffer, NULL);
    MUST(out != NULL);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *once = rewrite((const char *)data, size);
    char *walked = reread((const char *)data, size);
    /* The reader differs in one thing: it has nothing against repeated keys. */
    MUST(once == NULL || (walked != NULL && strcmp(once, walked) == 0));
    free(walked);
    if (once == NULL)
        return 0;
    char *twice = rewrite(once, strlen(once));
    MUST(twice != NULL && strcmp(once, twice) == 0);
    free(twice);
    free(once);
    return 0;
}
