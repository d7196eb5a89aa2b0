/* SPDX-License-Identifier: Apache-2.0
 *
 * Every allocation of the readers and of the engine fails once: the first, the second,
 * and so on until one run gets through. Each failure must be reported as such and leak
 * nothing (the sanitizer builds look). The linker puts these functions before the C
 * library's.
 */
#include "config.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/map.h"
#include "base/pool.h"
#include "checkpoint/checkpoint.h"
#include "engine/engine.h"
#include "scratch.h"
#include "tokenizer/tokenizer.h"

#include <check.h>
#include <cjson/cJSON.h>
#include <int8tool/checkpoint.h>
#include <int8tool/verify.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t alignment, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);

int __real_vasprintf(char **out, const char *fmt, va_list args);
int __wrap_vasprintf(char **out, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));

static long left = -1; /* allocations until one fails; below 0: none does */

static bool fails(void)
{
    return left >= 0 && left-- == 0;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t alignment, size_t n)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, n);
}

int __wrap_vasprintf(char **out, const char *fmt, va_list args)
{
    return fails() ? -1 : __real_vasprintf(out, fmt, args);
}

/* Runs `work` with the first allocation failing, then the second …: how many failed
 * before it got through. */
static long run_through(enum i8_status (*work)(const char *arg, struct i8_error *err),
                        const char *arg)
{
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = __wrap_malloc, .free_fn = free});
    for (long n = 0;; n++) {
        struct i8_error err = {0};
        left = n;
        enum i8_status st = work(arg, &err);
        const bool through = left >= 0;
        left = -1;
        if (through) {
            ck_assert_msg(st == I8_OK, "%s", err.message);
            return n;
        }
        ck_assert_msg(st == I8_ERR_NOMEM && err.status == I8_ERR_NOMEM,
                      "allocation %ld failed: status %d, '%s'", n, st, err.message);
    }
}

static enum i8_status open_and_close(const char *path, struct i8_error *err)
{
    struct i8_checkpoint *c;
    enum i8_status st = i8_checkpoint_open(&c, path, err);
    i8_checkpoint_free(c);
    return st;
}

START_TEST(opening_checkpoints)
{
    static const char *const names[] = {"tiny/llama", "tiny/bloom-bin",
                                        "tiny/gpt2-bin/pytorch_model.bin"};
    char *path = test_data(names[_i]);
    ck_assert_int_gt(run_through(open_and_close, path), 20);
    free(path);
}
END_TEST

static enum i8_status parse_and_write(const char *text, struct i8_error *err)
{
    i8i_json *doc;
    enum i8_status st = i8i_json_parse(&doc, text, strlen(text), "t", err);
    struct i8i_json_writer w;
    i8i_jw_init(&w, true);
    if (st == I8_OK) {
        i8i_jw_node(&w, doc);
        char *out = i8i_buffer_take(&w.buffer, NULL);
        if (out == NULL)
            st = i8i_nomem(err);
        free(out);
    }
    i8i_jw_free(&w);
    i8i_json_free(doc);
    return st;
}

START_TEST(json)
{
    ck_assert_int_gt(
        run_through(parse_and_write,
                    "{\"a\":1.50,\"b\":[true,null],\"c\":{\"d\":\"\"},\"e\":1,"
                    "\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1}"),
        20);
}
END_TEST

static enum i8_status lay_out(const char *name, struct i8_error *err)
{
    struct i8i_safetensors_entry e[] = {{.name = name, .dtype = I8_DTYPE_F32},
                                        {.name = "b", .dtype = I8_DTYPE_I8}};
    char *header;
    size_t n;
    uint64_t size;
    enum i8_status st = i8i_safetensors_layout(&header, &n, &size, e, 2, NULL, err);
    free(header);
    return st;
}

static enum i8_status make_things(const char *arg, struct i8_error *err)
{
    (void)arg;
    struct i8i_hash *h;
    struct i8i_pool *p = NULL;
    char hex[I8I_HASH_HEX];
    enum i8_status st = i8i_hash_new(&h, I8I_SHA256, err);
    if (st == I8_OK)
        st = i8i_hash_final(h, hex, err);
    i8i_hash_free(h);
    if (st == I8_OK)
        st = i8i_pool_new(&p, 2, err);
    i8i_pool_free(p);
    return st;
}

START_TEST(other_things)
{
    ck_assert_int_gt(run_through(lay_out, "a"), 1);
    ck_assert_int_gt(run_through(make_things, ""), 1);
}
END_TEST

/* An engine from opening to the second token, of a model that is open. */
static const struct i8i_model *engine_model;

static enum i8_status infer(const char *arg, struct i8_error *err)
{
    static const int32_t ids[] = {5, 9, 200, 31, 7, 12, 4};
    const struct i8i_engine_options options = {.threads = 1};
    struct i8i_run_input in = {.ids = ids, .n_ids = 7, .cache = true, .cache_tokens = 8};
    struct i8i_engine *e = NULL;
    struct i8i_run *r = NULL;

    (void)arg;
    if (engine_model->hp.arch.shape == I8I_SHAPE_ENCODER_DECODER) {
        in.decoder_ids = ids;
        in.n_decoder_ids = 3;
    }
    enum i8_status st = i8i_engine_open(&e, engine_model, &options, err);
    if (st == I8_OK)
        st = i8i_run_new(&r, e, &in, NULL, err);
    if (st == I8_OK)
        st = i8i_run_finish(r, err);
    if (st == I8_OK)
        st = i8i_run_extend(r, ids, 1, err);
    if (st == I8_OK)
        st = i8i_run_finish(r, err);
    i8i_run_free(r);
    i8i_engine_free(e);
    return st;
}

START_TEST(inference)
{
    static const char *const names[] = {"tiny/bloom", "tiny/opt-postnorm", "tiny/t5"};
    static const struct i8i_model_options options = {.require_family = true};
    char *path = test_data(names[_i]);
    struct i8i_model *m;
    struct i8_error err = {0};
    ck_assert_msg(i8i_model_open(&m, path, &options, &err) == I8_OK, "%s", err.message);
    engine_model = m;
    ck_assert_int_gt(run_through(infer, ""), 50);
    i8i_model_free(m);
    free(path);
}
END_TEST

/* Text to ids and back. */
static enum i8_status tokenize(const char *file, struct i8_error *err)
{
    static const char text[] = "a fox's <s> b";
    struct i8i_tokenizer *t;
    int32_t *ids = NULL;
    char *decoded = NULL;
    size_t count;
    enum i8_status st = i8i_tokenizer_parse(&t, file, strlen(file), "t", err);
    if (st == I8_OK)
        st = i8i_tokenizer_encode(t, &ids, &count, text, sizeof text - 1, true, err);
    if (st == I8_OK)
        st = i8i_tokenizer_decode(t, &decoded, NULL, ids, count, false, err);
    free(decoded);
    free(ids);
    i8i_tokenizer_free(t);
    return st;
}

START_TEST(tokenizers)
{
    ck_assert_int_gt(
        run_through(
            tokenize,
            "{\"model\":{\"vocab\":{\"a\":0,\"\\u0120\":1,\"\\u0120a\":2,\"<s>\":3},"
            "\"merges\":[\"\\u0120 a\"],\"unk_token\":\"<s>\",\"ignore_merges\":true},"
            "\"decoder\":{\"type\":\"ByteLevel\"},"
            "\"pre_tokenizer\":{\"type\":\"ByteLevel\"},"
            "\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"single_word\":true}],"
            "\"post_processor\":{\"type\":\"RobertaProcessing\",\"cls\":[\"<s>\",3],"
            "\"sep\":[\"<s>\",3]}}"),
        40);
}
END_TEST

static enum i8_status compare_models(const char *path, struct i8_error *err)
{
    struct i8_verify_options options = I8_VERIFY_OPTIONS_INIT;
    struct i8_verify_result result;
    options.runtime.threads = 1;
    options.window = 4;
    options.max_windows = 2;
    options.generate = 2;
    options.isolate_layers = true;
    enum i8_status st = i8_verify(&result, path, path, &options, err);
    if (st == I8_OK)
        i8_verify_result_free(&result);
    return st;
}

START_TEST(comparing_models)
{
    static const char *const names[] = {"tiny/opt", "tiny/t5"};
    char *path = test_data(names[_i]);
    ck_assert_int_gt(run_through(compare_models, path), 200);
    free(path);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("out_of_memory");
    TCase *t = tcase_create("out_of_memory");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, opening_checkpoints, 0, 3);
    tcase_add_loop_test(t, inference, 0, 3);
    tcase_add_test(t, tokenizers);
    tcase_add_loop_test(t, comparing_models, 0, 2);
    tcase_add_test(t, json);
    tcase_add_test(t, other_things);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
