/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON in and out: what must be refused and where, and what must survive.
 */
#include "config.h"

#include "base/json_reader.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static i8i_json *parse(const char *text, size_t n, struct i8_error *err)
{
    i8i_json *doc;
    enum i8_status st = i8i_json_parse(&doc, text, n, "t.json", err);
    ck_assert_int_eq(st == I8_OK, doc != NULL);
    if (st != I8_OK)
        ck_assert_int_eq(st, err->status);
    return doc;
}

static const struct {
    const char *text, *message;
} bad[] = {
    {"", "at byte 0: expected a value"},
    {" ", "at byte 1: expected a value"},
    {"{", "at byte 1: expected a key in quotes"},
    {"[1,]", "at byte 3: expected a value"},
    {"[1 2]", "at byte 3: expected ',' or ']'"},
    {"{\"a\":1,}", "at byte 7: expected a key in quotes"},
    {"{\"a\" 1}", "at byte 5: expected ':'"},
    {"{\"a\":1]", "at byte 6: expected ',' or '}'"},
    {"{'a':1}", "at byte 1: expected a key in quotes"},
    {"{}x", "at byte 2: expected nothing behind the value"},
    {"{}{}", "at byte 2: expected nothing behind the value"},
    {"NaN", "at byte 0: expected a value"},
    {"[Infinity]", "at byte 1: expected a value"},
    {"-Infinity", "at byte 1: expected a digit"},
    {"[01]", "at byte 1: expected a number without leading zeros"},
    {"-01", "at byte 1: expected a number without leading zeros"},
    {"+1", "at byte 0: expected a value"},
    {".5", "at byte 0: expected a value"},
    {"1.", "at byte 2: expected a digit behind the decimal point"},
    {"1e", "at byte 2: expected a digit in the exponent"},
    {"0x10", "at byte 1: expected nothing behind the value"},
    {"1234567890123456789012345678901234567890123456789012345678901234",
     "at byte 0: expected a number of at most 63 characters"},
    {"tru", "at byte 0: expected a value"},
    {"nulll", "at byte 4: expected nothing behind the value"},
    {"\"a", "at byte 2: expected a closing quote"},
    {"\"a\nb\"", "at byte 2: expected control characters in strings to be escaped"},
    {"\"\\x\"", "at byte 2: expected one of"},
    {"\"\\u12g4\"", "at byte 3: expected four hex digits"},
    {"\"\\u0000\"", "at byte 7: expected a string without \\u0000"},
    {"\"\\ud800\"", "expected a low surrogate"},
    {"\"\\ud800\\u0041\"", "expected a low surrogate"},
    {"\"\\udc00\"", "expected a high surrogate"},
    {"\"\xff\"", "at byte 1: expected UTF-8"},
    {"\"\xc0\xaf\"", "at byte 1: expected UTF-8"},
    {"\"\xed\xa0\x80\"", "at byte 1: expected UTF-8"},
    {"\"\xf4\x90\x80\x80\"", "at byte 1: expected UTF-8"},
    {"\xef\xbb\xbf{}", "at byte 0: expected a value"},
    {"{\"a\":1,\"a\":2}", "\"a\" appears twice"},
    {"{\"a\":1,\"\\u0061\":2}", "\"a\" appears twice"},
    {"[{\"x\":{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,"
     "\"c\":0}}]",
     "\"c\" appears twice"},
    {"// c\n1", "at byte 0: expected a value"},
};

START_TEST(refuses)
{
    struct i8_error err = {0};
    i8i_json *doc = parse(bad[_i].text, strlen(bad[_i].text), &err);
    ck_assert_ptr_null(doc);
    ck_assert_int_eq(err.status, I8_ERR_DATA);
    ck_assert_msg(strncmp(err.message, "t.json: ", 8) == 0 &&
                      strstr(err.message, bad[_i].message) != NULL,
                  "'%s' gave: %s", bad[_i].text, err.message);
}
END_TEST

START_TEST(refuses_nul_bytes)
{
    struct i8_error err = {0};
    ck_assert_ptr_null(parse("{}\0", 3, &err));
    ck_assert_ptr_nonnull(strstr(err.message, "at byte 2: expected nothing"));
    ck_assert_ptr_null(parse("\"a\0b\"", 5, &err));
    ck_assert_ptr_nonnull(strstr(err.message, "at byte 2: expected control"));
    ck_assert_ptr_null(parse("\0", 1, &err));
}
END_TEST

START_TEST(limits_depth)
{
    char text[2 * 129 + 1];
    struct i8_error err = {0};
    for (int depth = 128; depth <= 129; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        i8i_json *doc = parse(text, 2 * (size_t)depth, &err);
        ck_assert_int_eq(doc != NULL, depth == 128);
        i8i_json_free(doc);
    }
    ck_assert_ptr_nonnull(strstr(err.message, "at byte 128: expected less nesting"));
}
END_TEST

START_TEST(reads)
{
    static const char text[] =
        " {\"s\":\"a\\u00e9\\ud83d\\ude00\\n\",\"n\":-12,\"f\":1.5,\"t\":true,\"z\":null,"
        "\"l\":[1,[],{}],\"big\":9007199254740993,\"max\":9007199254740992,\"one\":1.0}"
        "\r\n";
    struct i8_error err = {0};
    i8i_json *doc = parse(text, strlen(text), &err);
    ck_assert_ptr_nonnull(doc);
    ck_assert_str_eq(i8i_json_string(i8i_json_get(doc, "s")), "aé😀\n");
    int64_t i;
    uint64_t u;
    ck_assert(i8i_json_i64(&i, i8i_json_get(doc, "n")));
    ck_assert_int_eq(i, -12);
    ck_assert(!i8i_json_u64(&u, i8i_json_get(doc, "n")));
    ck_assert(!i8i_json_u64(&u, i8i_json_get(doc, "f")));
    ck_assert(!i8i_json_u64(&u, i8i_json_get(doc, "one")));
    ck_assert(!i8i_json_u64(&u, i8i_json_get(doc, "big")));
    ck_assert(i8i_json_u64(&u, i8i_json_get(doc, "max")));
    ck_assert_uint_eq(u, (uint64_t)1 << 53);
    ck_assert(!i8i_json_u64(&u, i8i_json_get(doc, "s")));
    ck_assert(!i8i_json_u64(&u, NULL));
    ck_assert_double_eq(i8i_json_double(i8i_json_get(doc, "f"), 0), 1.5);
    ck_assert_double_eq(i8i_json_double(i8i_json_get(doc, "F"), 7), 7);
    ck_assert(i8i_json_bool(i8i_json_get(doc, "t"), false));
    ck_assert(i8i_json_is_null(i8i_json_get(doc, "z")));
    ck_assert_uint_eq(i8i_json_count(i8i_json_get(doc, "l")), 3);
    ck_assert_ptr_null(i8i_json_get(i8i_json_get(doc, "l"), "x"));
    i8i_json_free(doc);
}
END_TEST

START_TEST(copies_nodes_unchanged)
{
    static const char text[] =
        "{\"b\":1.0,\"a\":1e-05,\"big\":1000000000000000019884624838656,\"q\":\"\\\"\\\\/"
        "\\u0001\\b\\t\\n\\f\\ré\",\"l\":[0,-0,-7,123456789012345,0.1],\"e\":{},\"k\":[]"
        "}";
    static const char same[] =
        "{\"b\":1.0,\"a\":1e-05,\"big\":1000000000000000019884624838656,\"q\":\"\\\"\\\\/"
        "\\u0001\\b\\t\\n\\f\\ré\",\"l\":[0,-0,-7,123456789012345,0.1],\"e\":{},\"k\":[]"
        "}";
    struct i8_error err = {0};
    i8i_json *doc = parse(text, strlen(text), &err);
    ck_assert_ptr_nonnull(doc);
    struct i8i_json_writer w;
    i8i_jw_init(&w, false);
    i8i_jw_node(&w, doc);
    ck_assert_str_eq(w.buffer.data, same);
    i8i_jw_free(&w);
    i8i_json_free(doc);
}
END_TEST

START_TEST(writes)
{
    struct i8i_json_writer w;
    i8i_jw_init(&w, true);
    i8i_jw_begin_object(&w);
    i8i_jw_kv_string(&w, "s\xff", NULL);
    i8i_jw_kv_u64(&w, "u", UINT64_MAX);
    i8i_jw_key(&w, "l");
    i8i_jw_begin_array(&w);
    i8i_jw_double(&w, 6);
    i8i_jw_double(&w, 0.1);
    i8i_jw_double(&w, 1.0 / 3);
    i8i_jw_double(&w, 1e300 * 1e300);
    i8i_jw_double(&w, 5e-324);
    i8i_jw_double(&w, 1e22);
    i8i_jw_end_array(&w);
    i8i_jw_key(&w, "e");
    i8i_jw_begin_array(&w);
    i8i_jw_end_array(&w);
    i8i_jw_kv_bool(&w, "b", false);
    i8i_jw_end_object(&w);
    ck_assert_str_eq(w.buffer.data, "{\n  \"s\xef\xbf\xbd\": null,\n"
                                    "  \"u\": 18446744073709551615,\n"
                                    "  \"l\": [\n    6.0,\n    0.1,\n"
                                    "    0.3333333333333333,\n    null,\n    5e-324,\n"
                                    "    1e+22\n  ],\n  \"e\": [],\n  \"b\": false\n}");
    i8i_jw_free(&w);
}
END_TEST

static struct i8i_json_reader reader(const char *text)
{
    struct i8i_json_reader r;
    ck_assert_int_eq(i8i_json_reader_init(&r, text, strlen(text), "t", NULL), I8_OK);
    return r;
}

/* Copies an object's members: keys unescaped, values as they stand. */
static void copy_members(struct i8i_json_writer *w, struct i8i_json_reader *r)
{
    struct i8i_json_text key;
    struct i8i_buffer b;
    i8i_buffer_init(&b, 100);
    while (i8i_json_next_member(r, &key)) {
        i8i_json *value;
        ck_assert_int_eq(i8i_json_read_value(&value, r, "t", NULL), I8_OK);
        i8i_jw_key(w, i8i_json_unescape(&b, key));
        i8i_jw_node(w, value);
        i8i_json_free(value);
    }
    i8i_buffer_free(&b);
}

START_TEST(members_one_by_one)
{
    static const struct {
        const char *text, *members;
    } rows[] = {
        {" { } ", ""},
        {"{\"a\":1.0,\"b\":[1,{\"x\":1e3}]}", "\"a\":1.0,\"b\":[1,{\"x\":1e3}]"},
        {"\n{ \"}\\\",{\" : \"]}\\\\\" , \"\\u0061\" :-0 , \"kept\": null }\n",
         "\"}\\\",{\":\"]}\\\\\",\"a\":-0,\"kept\":null"},
        {"{\"\\ud83d\\ude00\\u00e9\":[],\"\":{},\"\\t\\/\":true}",
         "\"\xf0\x9f\x98\x80\xc3\xa9\":[],\"\":{},\"\\t/\":true"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct i8i_json_reader r = reader(rows[i].text), skipping = r;
        struct i8i_json_writer w;
        i8i_jw_init(&w, false);
        i8i_buffer_puts(&w.buffer, "");
        ck_assert(!i8i_json_enter_array(&r) && i8i_json_enter_object(&r));
        copy_members(&w, &r);
        ck_assert_str_eq(w.buffer.data, rows[i].members);
        i8i_json_skip(&skipping);
        ck_assert_ptr_eq(skipping.at, r.at);
        i8i_jw_free(&w);
    }
    struct i8i_json_reader r;
    struct i8i_json_text key;
    struct i8_error err = {0};
    i8i_json *value;
    ck_assert_int_eq(i8i_json_reader_init(&r, "{\"a\":1,}", 8, "t", &err), I8_ERR_DATA);
    r = reader("{\"a\":{\"b\":1,\"b\":2}}");
    ck_assert(i8i_json_enter_object(&r) && i8i_json_next_member(&r, &key));
    ck_assert_int_eq(i8i_json_read_value(&value, &r, "t", &err), I8_ERR_DATA);
    ck_assert_str_eq(err.message, "t: the key \"b\" appears twice in an object");
}
END_TEST

START_TEST(reads_values_of_their_kind_only)
{
    static const struct {
        const char *text;
        uint64_t value; /* UINT64_MAX: not such a number */
    } numbers[] = {
        {"0", 0},
        {"-0", 0},
        {"7 ", 7},
        {"9007199254740992", (uint64_t)1 << 53},
        {"9007199254740993", UINT64_MAX},
        {"18446744073709551617", UINT64_MAX},
        {"-1", UINT64_MAX},
        {"1.0", UINT64_MAX},
        {"1e3", UINT64_MAX},
        {"0E0", UINT64_MAX},
        {"\"1\"", UINT64_MAX},
        {"[1]", UINT64_MAX},
        {"null", UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct i8i_json_reader r = reader(numbers[i].text), at = r;
        uint64_t v;
        ck_assert_int_eq(i8i_json_read_u64(&r, &v), numbers[i].value != UINT64_MAX);
        if (r.at == at.at)
            i8i_json_skip(&r);
        else
            ck_assert_uint_eq(v, numbers[i].value);
        while (r.at < r.end && *r.at == ' ')
            r.at++;
        ck_assert_ptr_eq(r.at, r.end);
    }
    struct i8i_json_reader r = reader("[ null, \"\\u0064type\", {}, 1]");
    struct i8i_json_text text;
    ck_assert(!i8i_json_enter_object(&r) && i8i_json_enter_array(&r));
    ck_assert(i8i_json_next_element(&r) && !i8i_json_read_text(&r, &text) &&
              i8i_json_read_null(&r));
    ck_assert(i8i_json_next_element(&r) && !i8i_json_read_null(&r) &&
              i8i_json_read_text(&r, &text));
    ck_assert(i8i_json_text_is(text, "dtype") && !i8i_json_text_is(text, "dtypes") &&
              !i8i_json_text_is(text, "dtyp") && !i8i_json_text_is(text, ""));
    ck_assert(i8i_json_next_element(&r) && i8i_json_enter_object(&r) &&
              !i8i_json_next_member(&r, &text));
    ck_assert(i8i_json_next_element(&r));
    i8i_json_skip(&r);
    ck_assert(!i8i_json_next_element(&r));
}
END_TEST

/* Half a million members: minutes if looking for repeated keys were quadratic. */
START_TEST(many_members)
{
    struct i8i_json_writer w;
    struct i8_error err = {0};
    i8i_jw_init(&w, false);
    i8i_jw_begin_object(&w);
    for (unsigned i = 0; i < 500000; i++) {
        char key[32];
        snprintf(key, sizeof key, "k%u", i);
        i8i_jw_kv_u64(&w, key, i);
    }
    i8i_jw_kv_u64(&w, _i == 0 ? "last" : "k77", 0);
    i8i_jw_end_object(&w);
    i8i_json *doc = parse(w.buffer.data, w.buffer.length, &err);
    ck_assert_int_eq(doc != NULL, _i == 0);
    if (doc == NULL)
        ck_assert_ptr_nonnull(strstr(err.message, "\"k77\" appears twice"));
    i8i_json_free(doc);
    i8i_jw_free(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("json");
    TCase *t = tcase_create("json");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, refuses, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(t, refuses_nul_bytes);
    tcase_add_test(t, limits_depth);
    tcase_add_test(t, reads);
    tcase_add_test(t, copies_nodes_unchanged);
    tcase_add_test(t, writes);
    tcase_add_test(t, members_one_by_one);
    tcase_add_test(t, reads_values_of_their_kind_only);
    tcase_add_loop_test(t, many_members, 0, 2);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
