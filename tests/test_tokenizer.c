/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokenizers against what Hugging Face's tokenizers makes of the same text: the two
 * trained models, and 39 pre-tokenizers of real families and invented ones, in two
 * sets of added tokens. And what a hostile file must not do.
 */
#include "config.h"

#include "tokenizer/tokenizer.h"

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "scratch.h"
#include "tokenizer/split_pattern.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_CAP ((size_t)16 << 20)

static i8i_json *read_data(const char *name)
{
    struct i8_error err;
    i8i_json *doc;
    char *path = test_data(name);
    ck_assert_msg(i8i_json_read_file(&doc, path, FILE_CAP, &err) == I8_OK, "%s",
                  err.message);
    free(path);
    return doc;
}

static struct i8i_tokenizer *parse(const char *json)
{
    struct i8_error err;
    struct i8i_tokenizer *t;
    enum i8_status st =
        i8i_tokenizer_parse(&t, json, strlen(json), "tokenizer.json", &err);
    ck_assert_msg(st == I8_OK, "%s", err.message);
    return t;
}

static struct i8i_tokenizer *open_data(const char *name)
{
    struct i8_error err;
    char *path = test_data(name), *text;
    ck_assert_msg(i8i_read_file(&text, NULL, path, FILE_CAP, &err) == I8_OK, "%s",
                  err.message);
    struct i8i_tokenizer *t = parse(text);
    free(text);
    free(path);
    return t;
}

static void check_ids(const struct i8i_tokenizer *t, const char *what, const char *text,
                      const i8i_json *want)
{
    struct i8_error err;
    int32_t *ids;
    size_t count, i = 0;
    enum i8_status st =
        i8i_tokenizer_encode(t, &ids, &count, text, strlen(text), false, &err);
    ck_assert_msg(st == I8_OK, "%s: %s: %s", what, text, err.message);
    ck_assert_msg(count == i8i_json_count(want), "%s: %s: %zu ids", what, text, count);
    for (const i8i_json *n = i8i_json_first(want); n != NULL; n = i8i_json_next(n), i++) {
        uint64_t id = UINT64_MAX;
        ck_assert(i8i_json_u64(&id, n));
        ck_assert_msg((uint64_t)ids[i] == id, "%s: %s: id %zu is %d, not %d", what, text,
                      i, (int)ids[i], (int)id);
    }
    free(ids);
}

/* ---- against outside truth ---- */

static const char *const trained[][2] = {
    {"tiny-llama/tokenizer.json", "tiny-llama/tokenizer.expected.json"},
    {"small-bloom-tokenizer/tokenizer.json",
     "small-bloom-tokenizer/tokenizer.expected.json"},
};

START_TEST(trained_models)
{
    struct i8_error err;
    struct i8i_tokenizer *t = open_data(trained[_i][0]);
    i8i_json *doc = read_data(trained[_i][1]);
    size_t cases = 0;
    for (const i8i_json *n = i8i_json_first(doc); n != NULL;
         n = i8i_json_next(n), cases++) {
        const char *text = i8i_json_string(i8i_json_get(n, "text"));
        const char *want = i8i_json_string(i8i_json_get(n, "decoded"));
        check_ids(t, trained[_i][0], text, i8i_json_get(n, "ids"));
        int32_t *ids;
        size_t count, length;
        char *decoded;
        ck_assert_int_eq(
            i8i_tokenizer_encode(t, &ids, &count, text, strlen(text), false, &err),
            I8_OK);
        ck_assert_int_eq(
            i8i_tokenizer_decode(t, &decoded, &length, ids, count, false, &err), I8_OK);
        ck_assert_str_eq(decoded, want);
        ck_assert_uint_eq(length, strlen(want));
        free(decoded);
        free(ids);
    }
    ck_assert_uint_eq(cases, 5);
    i8i_json_free(doc);
    i8i_tokenizer_free(t);
}
END_TEST

/* small-bloom's tokenizer.json with members replaced by those of `with`. */
static char *replace_members(const i8i_json *base, const i8i_json *with)
{
    struct i8i_json_writer w;
    i8i_jw_init(&w, false);
    i8i_jw_begin_object(&w);
    for (const i8i_json *n = i8i_json_first(base); n != NULL; n = i8i_json_next(n)) {
        const i8i_json *other = i8i_json_get(with, i8i_json_key(n));
        i8i_jw_key(&w, i8i_json_key(n));
        i8i_jw_node(&w, other != NULL ? other : n);
    }
    i8i_jw_end_object(&w);
    char *text = i8i_buffer_take(&w.buffer, NULL);
    ck_assert_ptr_nonnull(text);
    return text;
}

START_TEST(variants)
{
    i8i_json *base = read_data("small-bloom-tokenizer/tokenizer.json");
    i8i_json *doc = read_data("small-bloom-tokenizer/variants.json");
    size_t cases = 0;
    for (const i8i_json *v = i8i_json_first(doc); v != NULL; v = i8i_json_next(v)) {
        char *json = replace_members(base, v);
        struct i8i_tokenizer *t = parse(json);
        const i8i_json *n = i8i_json_first(i8i_json_get(v, "texts"));
        for (; n != NULL; n = i8i_json_next(n), cases++)
            check_ids(t, i8i_json_string(i8i_json_get(v, "name")),
                      i8i_json_string(i8i_json_get(n, "text")), i8i_json_get(n, "ids"));
        i8i_tokenizer_free(t);
        free(json);
    }
    ck_assert_uint_gt(cases, 500);
    i8i_json_free(doc);
    i8i_json_free(base);
}
END_TEST

/* ---- small tokenizers ---- */

#define DECODER "\"decoder\":{\"type\":\"ByteLevel\"}"
#define VOCAB \
    "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"\xc4\xa0\":3,\"<s>\":4,\"ba\":5,\"aa\":6}"
#define MERGES "\"merges\":[\"a b\",\"a a\"]"
#define MODEL  "\"model\":{\"type\":\"BPE\"," VOCAB "," MERGES "}"
#define LEVEL                                                               \
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false," \
    "\"use_regex\":false}"
#define ADDED   "\"added_tokens\":[{\"id\":4,\"content\":\"<s>\",\"special\":true}]"
#define WITH(x) "{" DECODER "," MODEL "," LEVEL "," ADDED "," x "}"

static const struct {
    const char *json, *text, *ids; /* ids one digit each */
    bool special;
} small[] = {
    {WITH("\"truncation\":{\"max_length\":1}"), "abab a", "2230", false},
    {WITH("\"x\":0"), "", "", false},
    {WITH("\"x\":0"), "a<s>b<s>", "0414", false},
    {WITH("\"x\":0"), "azb", "2", false}, /* no unknown token: as if it were not there */
    {WITH("\"x\":0"), "aaab", "62", false},
    {WITH("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
          "{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}},"
          "{\"SpecialToken\":{\"id\":\"<s>\"}}],"
          "\"special_tokens\":{\"<s>\":{\"ids\":[4,4]}}}"),
     "ab", "44244", true},
    {WITH("\"post_processor\":{\"type\":\"RobertaProcessing\",\"cls\":[\"x\",4],"
          "\"sep\":[\"b\",1]}"),
     "ab", "421", true},
    {WITH("\"post_processor\":{\"type\":\"RobertaProcessing\",\"cls\":[\"x\",4],"
          "\"sep\":[\"b\",1]}"),
     "ab", "2", false},
    /* the older form without a type, and merges as pairs */
    {"{" DECODER ",\"model\":{" VOCAB ",\"merges\":[[\"b\",\"a\"]]}," LEVEL "}", "bab",
     "51", false},
    /* a piece that is a token stays whole, though no merge makes it */
    {"{" DECODER ",\"model\":{\"ignore_merges\":true," VOCAB
     ",\"merges\":[\"#version: 0.2\"]"
     "}," LEVEL "}",
     "ba", "5", false},
    /* unknown characters, one by one and fused */
    {"{" DECODER ",\"model\":{\"unk_token\":\"<s>\"," VOCAB "," MERGES "}," LEVEL "}",
     "zzab", "442", false},
    {"{" DECODER ",\"model\":{\"unk_token\":\"<s>\",\"fuse_unk\":true," VOCAB "," MERGES
     "}," LEVEL "}",
     "zzabz", "424", false},
    /* of equal pairs the last one's rank counts: "b a" comes before "a b" */
    {"{" DECODER ",\"model\":{" VOCAB ",\"merges\":[\"a b\",\"b a\",\"a b\"]}," LEVEL "}",
     "aba", "05", false},
    {WITH("\"normalizer\":{\"type\":\"NFC\"}"), "ab", "2", false},
};

START_TEST(small_ones)
{
    struct i8_error err;
    struct i8i_tokenizer *t = parse(small[_i].json);
    int32_t *ids;
    size_t count;
    ck_assert_int_eq(i8i_tokenizer_encode(t, &ids, &count, small[_i].text,
                                          strlen(small[_i].text), small[_i].special,
                                          &err),
                     I8_OK);
    ck_assert_uint_eq(count, strlen(small[_i].ids));
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(ids[i], small[_i].ids[i] - '0');
    free(ids);
    i8i_tokenizer_free(t);
}
END_TEST

START_TEST(decodes)
{
    /* bytes that no character has, split characters, special tokens */
    const char *json =
        "{" DECODER ",\"model\":{\"vocab\":{\"a\":0,\"\xc3\xa2\":1,\"\xc4\xa4\":2,"
        "\"\xc2\xac\":3,\"\xc3\xbf\":4,\"\xc4\x80\":5,\"<s>\":6},\"merges\":[]},"
        "\"added_tokens\":[{\"id\":6,\"content\":\"<s>\",\"special\":true},"
        "{\"id\":7,\"content\":\"\xe2\x82\xac\"}]}";
    static const struct {
        int32_t ids[4];
        size_t count;
        bool skip;
        const char *text;
        size_t length;
    } cases[] = {
        {{1, 2, 3, 0},
         4,
         false,
         "\xe2\x82\xac"
         "a",
         4}, /* € in three bytes */
        {{1, 2, 0},
         3,
         false,
         "\xef\xbf\xbd"
         "a",
         4}, /* cut short: one U+FFFD */
        {{4, 4, 0},
         3,
         false,
         "\xef\xbf\xbd\xef\xbf\xbd"
         "a",
         7},
        {{0, 5, 0}, 3, false, "a\0a", 3}, /* a NUL is a byte like any */
        {{6, 0, 7}, 3, true, "a\xe2\x82\xac", 4},
        {{6, 0}, 2, false, "<s>a", 4},
        {{0}, 0, false, "", 0},
        {{8, -1, INT32_MAX, 0}, 4, false, "a", 1}, /* no tokens: left out */
    };
    struct i8_error err;
    struct i8i_tokenizer *t = parse(json);
    ck_assert_uint_eq(i8i_tokenizer_size(t), 8);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text;
        size_t length;
        ck_assert_int_eq(i8i_tokenizer_decode(t, &text, &length, cases[i].ids,
                                              cases[i].count, cases[i].skip, &err),
                         I8_OK);
        ck_assert_uint_eq(length, cases[i].length);
        ck_assert_mem_eq(text, cases[i].text, length + 1);
        free(text);
    }
    i8i_tokenizer_free(t);
}
END_TEST

/* ---- what is refused ---- */

#define MODEL_OF(x) "{" DECODER ",\"model\":{" x "}}"

static const struct {
    const char *json;
    enum i8_status status;
    const char *message;
} bad[] = {
    {"", I8_ERR_DATA, "tokenizer.json"},
    {"{}", I8_ERR_DATA, "no \"model\""},
    {"{\"model\":{\"type\":\"Unigram\"}}", I8_ERR_UNSUPPORTED,
     "\"Unigram\" is not handled"},
    {"{\"model\":{\"type\":\"WordPiece\"}}", I8_ERR_UNSUPPORTED, "\"WordPiece\""},
    {"{" MODEL ",\"decoder\":null}", I8_ERR_UNSUPPORTED, "decoder \"(none)\""},
    {"{" MODEL ",\"decoder\":{\"type\":\"Metaspace\"}}", I8_ERR_UNSUPPORTED,
     "\"Metaspace\""},
    {WITH("\"normalizer\":{\"type\":\"NFKC\"}"), I8_ERR_UNSUPPORTED,
     "normalizer \"NFKC\""},
    {WITH("\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\"}]"
          "}"),
     I8_ERR_UNSUPPORTED, "normalizer \"Prepend\""},
    {"{" DECODER "," MODEL ",\"pre_tokenizer\":{\"type\":\"Metaspace\"}}",
     I8_ERR_UNSUPPORTED, "pre_tokenizer \"Metaspace\""},
    {"{" DECODER "," MODEL
     ",\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Isolated\","
     "\"pattern\":{\"Regex\":\"a(?<n>b)\"}}}",
     I8_ERR_UNSUPPORTED, "byte 1: this kind of group"},
    {"{" DECODER "," MODEL ",\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Odd\","
     "\"pattern\":{\"Regex\":\"a\"}}}",
     I8_ERR_DATA, "behavior \"Odd\""},
    {MODEL_OF("\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]"), I8_ERR_DATA,
     "\"a\" and \"b\" both have id 0"},
    {MODEL_OF("\"vocab\":{\"a\":4194304},\"merges\":[]"), I8_ERR_DATA, "token \"a\""},
    {MODEL_OF("\"vocab\":{\"a\":-1},\"merges\":[]"), I8_ERR_DATA, "token \"a\""},
    {MODEL_OF("\"vocab\":{\"a\":1e3},\"merges\":[]"), I8_ERR_DATA, "token \"a\""},
    {MODEL_OF("\"vocab\":{\"a\":\"0\"},\"merges\":[]"), I8_ERR_DATA, "token \"a\""},
    {MODEL_OF("\"vocab\":[\"a\"],\"merges\":[]"), I8_ERR_DATA, "must be an object"},
    {MODEL_OF("\"vocab\":{\"a\":0}"), I8_ERR_UNSUPPORTED, "(unnamed)"},
    {MODEL_OF(VOCAB ",\"merges\":{}"), I8_ERR_DATA, "\"merges\" must be an array"},
    {MODEL_OF(VOCAB ",\"merges\":[\"a c\"]"), I8_ERR_DATA,
     "entry 0 (\"a c\" and \"c\"): the second"},
    {MODEL_OF(VOCAB ",\"merges\":[\"b b\"]"), I8_ERR_DATA, "what they make"},
    {MODEL_OF(VOCAB ",\"merges\":[\"a b c\"]"), I8_ERR_DATA, "entry 0 is no pair"},
    {MODEL_OF(VOCAB ",\"merges\":[[\"a\",\"b\",\"b\"]]"), I8_ERR_DATA,
     "entry 0 is no pair"},
    {MODEL_OF(VOCAB ",\"merges\":[[\"a\",1]]"), I8_ERR_DATA, "entry 0 is no pair"},
    {MODEL_OF(VOCAB "," MERGES ",\"byte_fallback\":true"), I8_ERR_UNSUPPORTED,
     "\"byte_fallback\""},
    {MODEL_OF(VOCAB "," MERGES ",\"dropout\":0.1"), I8_ERR_UNSUPPORTED, "\"dropout\""},
    {MODEL_OF(VOCAB "," MERGES ",\"end_of_word_suffix\":\"</w>\""), I8_ERR_UNSUPPORTED,
     "\"end_of_word_suffix\""},
    {MODEL_OF(VOCAB "," MERGES ",\"unk_token\":\"?\""), I8_ERR_DATA,
     "unknown token \"?\""},
    {"{" DECODER "," MODEL ",\"added_tokens\":[{\"id\":9,\"content\":\"a\"}]}",
     I8_ERR_DATA, "\"a\" has id 9, but 0"},
    {"{" DECODER "," MODEL ",\"added_tokens\":[{\"id\":0,\"content\":\"x\"}]}",
     I8_ERR_DATA, "\"x\" has id 0, which is \"a\""},
    {"{" DECODER "," MODEL ",\"added_tokens\":[{\"id\":4294967296,\"content\":\"x\"}]}",
     I8_ERR_DATA, "\"x\": the id"},
    {"{" DECODER "," MODEL ",\"added_tokens\":[{\"id\":9}]}", I8_ERR_DATA, "without"},
    {"{" DECODER "," MODEL ",\"added_tokens\":[{\"id\":8,\"content\":\"x\"},{\"id\":9,"
     "\"content\":\"x\"}]}",
     I8_ERR_DATA, "\"x\" is there twice"},
    {"{" DECODER "," MODEL ",\"added_tokens\":[{\"id\":8,\"content\":\"x\"},{\"id\":8,"
     "\"content\":\"y\"}]}",
     I8_ERR_DATA, "have id 8"},
    {WITH("\"post_processor\":{\"type\":\"Odd\"}"), I8_ERR_UNSUPPORTED,
     "post_processor \"Odd\""},
    {WITH("\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"x\",7],"
          "\"sep\":[\"b\",1]}"),
     I8_ERR_DATA, "id 7 is not in the vocabulary of 7"},
    {WITH("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
          "{\"Sequence\":{\"id\":\"A\"}},{\"Sequence\":{\"id\":\"A\"}}]}"),
     I8_ERR_UNSUPPORTED, "the text 2 times"},
};

START_TEST(refuses)
{
    struct i8_error err;
    struct i8i_tokenizer *t;
    enum i8_status st = i8i_tokenizer_parse(&t, bad[_i].json, strlen(bad[_i].json),
                                            "tokenizer.json", &err);
    ck_assert_ptr_null(t);
    ck_assert_int_eq(st, err.status);
    ck_assert_msg(st == bad[_i].status && strstr(err.message, bad[_i].message) != NULL,
                  "%s: status %d: %s", bad[_i].json, st, err.message);
}
END_TEST

/* Constructs that PCRE2 would read otherwise, or that Oniguruma refuses. */
static const char *const untranslatable[] = {
    "^a",
    "a$",
    "\\b",
    "\\Aa",
    "\\za",
    "\\Ga",
    "\\h",
    "\\R",
    "\\X",
    "\\K",
    "(a)\\1",
    "(?<n>a)",
    "(?#x)",
    "(?m:a)",
    "(?x)a",
    "a{2}+",
    "a{2}?",
    "a{3,2}",
    "a+*",
    "a??+",
    "(?=a)*",
    "[]a]",
    "[a&&b]",
    "[[:alpha:]]",
    "[a[^b]]",
    "[a-\\d]",
    "[\\d-a]",
    "[a-c-e]",
    "[[a]-c]",
    "\\p{Cn}",
    "\\p{Any}",
    "\\pL",
    "\\xff",
    "[\\W]",
    "[\\b]",
    "(?i:ss)",
    "(?i:\xc3\xa9)",
    "(?i:[^a])",
    "(?i:\\p{Lu})",
    "(?i:[\\s])",
    "(?i:a[\xc3\xa9])",
};
static const char *const malformed[] = {
    "(",    ")",           "(a",    "a)",      "[a",     "[",
    "\\",   "[\\",         "\\p{L", "*a",      "[b-a]",  "a{1001}",
    "\\x{", "\\x{110000}", "\\u12", "\\ud800", "(?:a))",
};

START_TEST(refuses_patterns)
{
    struct i8_error err;
    char *out;
    for (size_t i = 0; i < sizeof untranslatable / sizeof *untranslatable; i++) {
        enum i8_status st = i8i_split_pattern_translate(&out, untranslatable[i], &err);
        ck_assert_msg(st == I8_ERR_UNSUPPORTED, "%s: %d", untranslatable[i], st);
        ck_assert_ptr_null(out);
    }
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        enum i8_status st = i8i_split_pattern_translate(&out, malformed[i], &err);
        ck_assert_msg(st == I8_ERR_DATA, "%s: %d", malformed[i], st);
        ck_assert_ptr_null(out);
    }
}
END_TEST

START_TEST(refuses_deep_patterns)
{
    struct i8_error err;
    char pattern[4096], *out;
    memset(pattern, _i == 0 ? '(' : '[', sizeof pattern - 1);
    pattern[sizeof pattern - 1] = '\0';
    ck_assert_int_eq(i8i_split_pattern_translate(&out, pattern, &err), I8_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(err.message, "nested too deeply"));
}
END_TEST

/* ---- time and size ---- */

static char *long_text(char c, size_t n)
{
    char *text = malloc(n + 1);
    ck_assert_ptr_nonnull(text);
    memset(text, c, n);
    text[n] = '\0';
    return text;
}

/* One match by a pattern over a long run, and what became of it. */
static enum i8_status scan_all(const char *pattern, const char *text, size_t n,
                               size_t *matches)
{
    struct i8_error err;
    char *pcre2;
    struct i8i_split_pattern *p;
    struct i8i_split_scan *s;
    ck_assert_int_eq(i8i_split_pattern_translate(&pcre2, pattern, &err), I8_OK);
    ck_assert_int_eq(i8i_split_pattern_new(&p, pcre2, &err), I8_OK);
    ck_assert_int_eq(i8i_split_scan_new(&s, p, &err), I8_OK);
    i8i_split_scan_start(s, text, n);
    enum i8_status st;
    bool found = true;
    size_t start, end;
    for (*matches = 0;; ++*matches) {
        st = i8i_split_scan_next(s, &found, &start, &end, &err);
        if (st != I8_OK || !found)
            break;
    }
    i8i_split_scan_free(s);
    i8i_split_pattern_free(p);
    free(pcre2);
    return st;
}

START_TEST(catastrophic_patterns_end)
{
    size_t n = 1 << 18, matches;
    char *text = long_text('a', n);
    /* exponential, quadratic by backtracking, quadratic by looking ahead */
    ck_assert_int_eq(scan_all("(?:a+)+b", text, n, &matches), I8_ERR_DATA);
    ck_assert_int_eq(scan_all("a*b", text, n, &matches), I8_ERR_DATA);
    ck_assert_int_eq(scan_all("[\\s\\S]++b", text, n, &matches), I8_ERR_DATA);
    /* and those that real files have, on the same text */
    ck_assert_int_eq(scan_all("[^\\r\\n\\p{L}\\p{N}]?\\p{L}+", text, n, &matches), I8_OK);
    ck_assert_uint_eq(matches, 1);
    memset(text, ' ', n);
    ck_assert_int_eq(scan_all("\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+", text, n, &matches),
                     I8_OK);
    ck_assert_uint_eq(matches, 1);
    free(text);
}
END_TEST

START_TEST(long_pieces)
{
    struct i8_error err;
    size_t n = 1 << 20, count;
    char *text = long_text('a', n);
    int32_t *ids;
    struct i8i_tokenizer *t = parse(WITH("\"x\":0"));
    ck_assert_int_eq(i8i_tokenizer_encode(t, &ids, &count, text, n, false, &err), I8_OK);
    ck_assert_uint_eq(count, n / 2);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(ids[i], 6);
    free(ids);
    free(text);
    i8i_tokenizer_free(t);
}
END_TEST

START_TEST(refuses_texts)
{
    struct i8_error err;
    int32_t *ids;
    size_t count;
    struct i8i_tokenizer *t = parse(WITH("\"normalizer\":{\"type\":\"NFC\"}"));
    ck_assert_int_eq(i8i_tokenizer_encode(t, &ids, &count, "ab\xff", 3, false, &err),
                     I8_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(err.message, "not UTF-8 at byte 2"));
    /* é as two characters: NFC would make them one, which is not done here */
    ck_assert_int_eq(i8i_tokenizer_encode(t, &ids, &count, "ae\xcc\x81", 4, false, &err),
                     I8_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "byte 2 (U+0301)"));
    ck_assert_ptr_null(ids);
    i8i_tokenizer_free(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tokenizer");
    TCase *t = tcase_create("tokenizer");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, trained_models, 0, 2);
    tcase_add_test(t, variants);
    tcase_add_loop_test(t, small_ones, 0, sizeof small / sizeof *small);
    tcase_add_test(t, decodes);
    tcase_add_loop_test(t, refuses, 0, sizeof bad / sizeof *bad);
    tcase_add_test(t, refuses_patterns);
    tcase_add_loop_test(t, refuses_deep_patterns, 0, 2);
    tcase_add_test(t, catastrophic_patterns_end);
    tcase_add_test(t, long_pieces);
    tcase_add_test(t, refuses_texts);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
