/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON: whatever is accepted can be written, and what was written reads back as itself.
 */
#include "config.h"

#include "base/json.h"
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

static enum i8_status walk(void *ctx, const char *key, i8i_json **value,
                           struct i8_error *err)
{
    (void)key;
    (void)err;
    *(size_t *)ctx += i8i_json_count(*value);
    return I8_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct i8_error err;
    size_t sum = 0;
    enum i8_status st =
        i8i_json_each_member((const char *)data, size, "input", walk, &sum, &err);
    char *once = rewrite((const char *)data, size);
    /* Both readers agree on what is an object, but for keys repeated at the top. */
    MUST(once == NULL || (st == I8_OK) == (once[0] == '{'));
    if (once == NULL)
        return 0;
    char *twice = rewrite(once, strlen(once));
    MUST(twice != NULL && strcmp(once, twice) == 0);
    free(twice);
    free(once);
    return 0;
}
