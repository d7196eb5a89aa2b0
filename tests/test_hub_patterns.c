/* SPDX-License-Identifier: Apache-2.0
 *
 * Which files are chosen. Patterns against Python's own answers:
 * tests/data/hub/fnmatch.tsv is written by tests/tools/fnmatch_table.py.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "hub/selection.h"
#include "scratch.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static bool match(const char *pattern, const char *name)
{
    struct i8i_patterns *p = NULL;
    const char *list[] = {pattern, NULL};
    ck_assert_int_eq(i8i_patterns_new(&p, list, "--include", NULL), I8_OK);
    const bool yes = i8i_patterns_match(p, name);
    i8i_patterns_free(p);
    return yes;
}

START_TEST(patterns_match_as_python_says)
{
    enum { TABLE_MAX = 1 << 20, ROWS_AT_LEAST = 4000 };
    char *path = test_data("hub/fnmatch.tsv"), *text = NULL;
    size_t length, rows = 0, hits = 0;
    ck_assert_int_eq(i8i_read_file(&text, &length, path, TABLE_MAX, NULL), I8_OK);
    for (char *line = text, *next; *line; line = next) {
        char *name = strchr(line, '\t') + 1, *answer = strchr(name, '\t') + 1;
        next = strchr(answer, '\n') + 1;
        name[-1] = answer[-1] = '\0';
        const bool expected = *answer == '1';
        ck_assert_msg(match(line, name) == expected, "'%s' against '%s': Python says %d",
                      line, name, expected);
        rows++;
        hits += expected;
    }
    ck_assert_uint_ge(rows, ROWS_AT_LEAST);
    ck_assert_uint_ge(hits, ROWS_AT_LEAST / 4);
    free(text);
    free(path);
}
END_TEST

START_TEST(a_hostile_pattern_takes_no_time)
{
    char name[2001];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    ck_assert(!match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", name));
}
END_TEST

START_TEST(bytes_that_are_no_utf8_match_themselves)
{
    ck_assert(match("a\xff*", "a\xff"));
    ck_assert(!match("a\xff", "a\xfe"));
    ck_assert(match("?", "\xff"));
}
END_TEST

START_TEST(an_empty_pattern_is_refused)
{
    struct i8i_patterns *p = NULL;
    struct i8_error err = {0};
    const char *list[] = {"*.json", "", NULL};
    ck_assert_int_eq(i8i_patterns_new(&p, list, "--exclude", &err), I8_ERR_ARG);
    ck_assert_str_eq(err.message, "--exclude: the pattern is empty");
    ck_assert_ptr_null(p);
}
END_TEST

START_TEST(literal_patterns_are_names)
{
    struct i8i_patterns *p = NULL;
    const char *list[] = {"a\\b.json", "*.json", "a[b", "sub/", NULL};
    ck_assert_int_eq(i8i_patterns_new(&p, list, "", NULL), I8_OK);
    ck_assert_uint_eq(i8i_patterns_count(p), 4);
    ck_assert_str_eq(i8i_patterns_literal(p, 0), "a/b.json");
    ck_assert_ptr_null(i8i_patterns_literal(p, 1));
    ck_assert_ptr_null(i8i_patterns_literal(p, 2));
    ck_assert_ptr_null(i8i_patterns_literal(p, 3));
    i8i_patterns_free(p);
}
END_TEST

/* ---- selection ---- */

/* The names that are chosen of a blank-separated list, joined by blanks. */
static char *chosen(const char *names, const char *const *include,
                    const char *const *exclude, struct i8_error *err)
{
    struct i8i_hub_file files[64] = {0};
    struct i8i_hub_listing listing = {.files = files};
    struct i8i_selection s;
    struct i8i_patterns *in = NULL, *out = NULL;
    char *copy = i8i_strdup(names), *save = NULL;
    for (char *n = strtok_r(copy, " ", &save); n; n = strtok_r(NULL, " ", &save)) {
        files[listing.count].path = n;
        files[listing.count++].size = 10;
    }
    ck_assert_int_eq(i8i_patterns_new(&in, include, "--include", NULL), I8_OK);
    ck_assert_int_eq(i8i_patterns_new(&out, exclude, "--exclude", NULL), I8_OK);
    const enum i8_status st = i8i_select(&s, &listing, in, out, err);
    struct i8i_buffer b;
    i8i_buffer_init(&b, 4096);
    i8i_buffer_puts(&b, "");
    for (size_t i = 0; st == I8_OK && i < s.count; i++)
        i8i_buffer_printf(&b, "%s%s", i ? " " : "", s.files[i]->path);
    ck_assert(st != I8_OK || s.bytes == 10 * s.count);
    size_t length;
    char *text = i8i_buffer_take(&b, &length);
    i8i_selection_free(&s);
    i8i_patterns_free(in);
    i8i_patterns_free(out);
    free(copy);
    return st == I8_OK ? text : (free(text), NULL);
}

static void check_chosen(const char *names, const char *expected)
{
    char *found = chosen(names, NULL, NULL, NULL);
    ck_assert_str_eq(found, expected);
    free(found);
}

START_TEST(one_weight_format_is_chosen)
{
    check_chosen("config.json flax_model.msgpack model.safetensors pytorch_model.bin "
                 "rust_model.ot tf_model.h5 tokenizer.json",
                 "config.json model.safetensors tokenizer.json");
    check_chosen("config.json model-00001-of-00002.safetensors "
                 "model-00002-of-00002.safetensors model.safetensors.index.json "
                 "onnx/config.json onnx/model.onnx openvino/x.bin original/params.json "
                 "pytorch_model-00001-of-00002.bin pytorch_model.bin.index.json",
                 "config.json model-00001-of-00002.safetensors "
                 "model-00002-of-00002.safetensors model.safetensors.index.json");
    check_chosen("config.json pytorch_model.bin tf_model.h5 x.gguf",
                 "config.json pytorch_model.bin");
    check_chosen("README.md a.Q4.gguf a.Q8.gguf", "README.md a.Q4.gguf a.Q8.gguf");
    check_chosen("config.json openvino_model.bin openvino_model.xml",
                 "config.json openvino_model.bin openvino_model.xml");
    check_chosen("consolidated.safetensors model.safetensors params.json",
                 "model.safetensors params.json");
    check_chosen("consolidated.safetensors params.json",
                 "consolidated.safetensors params.json");
}
END_TEST

START_TEST(formats_are_compared_within_a_folder_and_role)
{
    check_chosen("2_Dense/model.safetensors 2_Dense/pytorch_model.bin pytorch_model.bin",
                 "2_Dense/model.safetensors pytorch_model.bin");
    check_chosen("adapter_model.safetensors pytorch_model.bin",
                 "adapter_model.safetensors pytorch_model.bin");
    check_chosen("unet/diffusion_pytorch_model.bin unet/diffusion_pytorch_model.fp16.bin "
                 "unet/diffusion_pytorch_model.fp16.safetensors",
                 "unet/diffusion_pytorch_model.fp16.safetensors");
    check_chosen("model.safetensors optimizer.bin training_args.bin",
                 "model.safetensors optimizer.bin training_args.bin");
}
END_TEST

START_TEST(patterns_override_the_choice_of_a_format)
{
    const char *all[] = {"*", NULL}, *bin[] = {"*.bin", NULL}, *sub[] = {"onnx/", NULL};
    const char *names = "model.safetensors onnx/model.onnx pytorch_model.bin";
    char *found = chosen(names, all, NULL, NULL);
    ck_assert_str_eq(found, names);
    free(found);
    found = chosen(names, bin, NULL, NULL);
    ck_assert_str_eq(found, "pytorch_model.bin");
    free(found);
    found = chosen(names, all, sub, NULL);
    ck_assert_str_eq(found, "model.safetensors pytorch_model.bin");
    free(found);
    found = chosen(names, NULL, bin, NULL);
    ck_assert_str_eq(found, "model.safetensors");
    free(found);
}
END_TEST

START_TEST(names_that_lead_elsewhere_are_refused)
{
    static const char *const bad[] = {"../x",     "a/../../x", "/etc/x", "a//b", "C:x",
                                      "a/D:/b",   "a\\b",      ".",      "..",   "a/.",
                                      "a\x1b[1m", "a\nb",      "x/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct i8_error err = {0};
        char *found = chosen(bad[i], NULL, NULL, &err);
        ck_assert_msg(found == NULL, "%s was taken", bad[i]);
        ck_assert_int_eq(err.status, I8_ERR_DATA);
        ck_assert_ptr_null(strpbrk(err.message, "\n\x1b"));
    }
    check_chosen("a..b c... .hidden/x...y", "a..b c... .hidden/x...y");
}
END_TEST

START_TEST(refused_names_can_be_excluded)
{
    const char *out[] = {"../*", NULL};
    char *found = chosen("../x config.json", NULL, out, NULL);
    ck_assert_str_eq(found, "config.json");
    free(found);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hub patterns");
    TCase *t = tcase_create("patterns");
    tcase_add_test(t, patterns_match_as_python_says);
    tcase_add_test(t, a_hostile_pattern_takes_no_time);
    tcase_add_test(t, bytes_that_are_no_utf8_match_themselves);
    tcase_add_test(t, an_empty_pattern_is_refused);
    tcase_add_test(t, literal_patterns_are_names);
    suite_add_tcase(s, t);
    t = tcase_create("selection");
    tcase_add_test(t, one_weight_format_is_chosen);
    tcase_add_test(t, formats_are_compared_within_a_folder_and_role);
    tcase_add_test(t, patterns_override_the_choice_of_a_format);
    tcase_add_test(t, names_that_lead_elsewhere_are_refused);
    tcase_add_test(t, refused_names_can_be_excluded);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
