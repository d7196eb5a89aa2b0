/* SPDX-License-Identifier: Apache-2.0
 *
 * tokenizer.json: whatever is accepted encodes a text to ids of its own, and decodes
 * them, in time that the text bounds.
 */
#include "config.h"

#include "base/utf8.h"
#include "fuzz.h"
#include "tokenizer/tokenizer.h"

static const char text[] =
    "The  quick brown\n\n fox's 12345 jumps!! na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac "
    "\xf0\x9f\x99\x82 don't <s>aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

static void use(const struct i8i_tokenizer *t)
{
    int32_t *ids;
    size_t count, length;
    char *decoded;
    struct i8_error err;
    if (i8i_tokenizer_encode(t, &ids, &count, text, sizeof text - 1, true, &err) !=
        I8_OK) {
        MUST(ids == NULL && err.status != I8_OK && err.message[0] != '\0');
        return;
    }
    for (size_t i = 0; i < count; i++)
        MUST(ids[i] >= 0 && (size_t)ids[i] < i8i_tokenizer_size(t));
    MUST(i8i_tokenizer_decode(t, &decoded, &length, ids, count, false, &err) == I8_OK);
    MUST(i8i_utf8_is_valid(decoded, length));
    free(decoded);
    free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct i8i_tokenizer *t;
    struct i8_error err;
    if (i8i_tokenizer_parse(&t, (const char *)data, size, "input", &err) != I8_OK) {
        MUST(t == NULL && err.status != I8_OK && err.message[0] != '\0');
        return 0;
    }
    use(t);
    i8i_tokenizer_free(t);
    return 0;
}
