/* SPDX-License-Identifier: Apache-2.0
 *
 * verify and generate on small models: perplexity, continuations and outputs that
 * transformers computed, models that were damaged on purpose, and bad input.
 */
#include "config.h"

#include <int8tool/convert.h>
#include <int8tool/generate.h>
#include <int8tool/verify.h>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "scratch.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_CAP ((size_t)64 << 20)

static char *model; /* tests/data/tiny-llama */
static char *ids;   /* its held-out ids, 24 × 512 */
static char *scratch;

static void setup(void)
{
    model = test_data("tiny-llama");
    ids = test_data("tiny-llama/valid.ids.json");
    scratch = scratch_new();
}

static void teardown(void)
{
    free(model);
    free(ids);
    scratch_remove(scratch);
}

static struct i8_verify_options options_of(const char *tokens, size_t windows)
{
    struct i8_verify_options o = I8_VERIFY_OPTIONS_INIT;
    o.tokens_path = tokens;
    o.max_windows = windows;
    return o;
}

static struct i8_verify_result verify(const char *a, const char *b,
                                      const struct i8_verify_options *o)
{
    struct i8_verify_result r;
    struct i8_error err;
    ck_assert_msg(i8_verify(&r, a, b, o, &err) == I8_OK, "%s", err.message);
    return r;
}

static i8i_json *read_json(const char *path)
{
    struct i8_error err;
    i8i_json *doc;
    ck_assert_msg(i8i_json_read_file(&doc, path, FILE_CAP, &err) == I8_OK, "%s",
                  err.message);
    return doc;
}

/* ---- against outside truth ---- */

START_TEST(perplexity)
{
    char *path = test_data("tiny-llama/expected.json");
    i8i_json *want = read_json(path);
    struct i8_verify_options o = options_of(ids, 0);
    struct i8_verify_result r = verify(model, NULL, &o);
    ck_assert_double_eq_tol(r.reference.perplexity /
                                i8i_json_double(i8i_json_get(want, "perplexity"), 0),
                            1, 1e-6);
    ck_assert_double_eq_tol(r.reference.nll_per_token,
                            i8i_json_double(i8i_json_get(want, "nll_per_token"), 0),
                            1e-6);
    ck_assert_double_eq_tol(r.reference.top1_accuracy,
                            i8i_json_double(i8i_json_get(want, "top1_accuracy"), 0),
                            1e-9);
    ck_assert_uint_eq(r.tokens_scored, 24 * 511);
    ck_assert(!r.compared && r.pass && r.nonfinite == 0);
    i8_verify_result_free(&r);
    i8i_json_free(want);
    free(path);
}
END_TEST

struct collected {
    char text[4096];
    size_t length;
};

static void collect(void *ctx, size_t sequence, const char *text, size_t length)
{
    struct collected *c = ctx;
    ck_assert_uint_eq(sequence, 0);
    ck_assert_uint_lt(c->length + length, sizeof c->text);
    memcpy(c->text + c->length, text, length);
    c->length += length;
    c->text[c->length] = '\0';
}

static void check_sequence(const struct i8_sequence *s, const i8i_json *want)
{
    size_t i = 0;
    ck_assert_uint_eq(s->n_ids, i8i_json_count(i8i_json_get(want, "ids")));
    const i8i_json *n = i8i_json_first(i8i_json_get(want, "ids"));
    for (; n != NULL; n = i8i_json_next(n), i++)
        ck_assert_int_eq(s->ids[i], (int)i8i_json_double(n, -1));
    ck_assert_str_eq(s->text, i8i_json_string(i8i_json_get(want, "text")));
}

START_TEST(continuations)
{
    char *path = test_data("tiny-llama/expected.json");
    i8i_json *want = read_json(path);
    size_t cases = 0;
    const i8i_json *n = i8i_json_first(i8i_json_get(want, "greedy"));
    for (; n != NULL; n = i8i_json_next(n), cases++) {
        const char *prompts[] = {i8i_json_string(i8i_json_get(n, "prompt")), NULL};
        struct collected streamed = {.length = 0};
        struct i8_generate_options o = {.prompts = prompts,
                                        .max_new_tokens = 24,
                                        .text = collect,
                                        .text_ctx = &streamed};
        struct i8_generate_result r;
        struct i8_error err;
        ck_assert_msg(i8_generate(&r, model, &o, &err) == I8_OK, "%s", err.message);
        ck_assert_uint_eq(r.n_sequences, 1);
        check_sequence(&r.sequences[0], n);
        ck_assert_str_eq(r.sequences[0].prompt, prompts[0]);
        ck_assert_str_eq(streamed.text, r.sequences[0].text);
        i8_generate_result_free(&r);
    }
    ck_assert_uint_eq(cases, 3);
    i8i_json_free(want);
    free(path);
}
END_TEST

static const struct {
    const char *name;
    double limit; /* what a sound fp32 engine keeps: tests/data/README.md */
} goldens[] = {
    {"llama", 1e-5},        {"llama3", 1e-5}, {"bloom", 1e-5},   {"opt", 1e-5},
    {"opt-postnorm", 1e-5}, {"t5", 5e-5},     {"t5-v1_1", 5e-5},
};

START_TEST(golden)
{
    char name[128];
    struct i8_golden_result r;
    struct i8_error err;
    struct i8_runtime runtime = {0};
    snprintf(name, sizeof name, "tiny/%s", goldens[_i].name);
    char *folder = test_data(name);
    snprintf(name, sizeof name, "tiny/%s/expected.safetensors", goldens[_i].name);
    char *stored = test_data(name);
    ck_assert_msg(
        i8_verify_golden(&r, folder, stored, goldens[_i].limit, &runtime, &err) == I8_OK,
        "%s", err.message);
    ck_assert_msg(r.pass, "%s: %g", goldens[_i].name, r.rel_l2);
    ck_assert_str_eq(r.output, "logits");
    ck_assert_double_eq(r.top1_agreement, 1);
    ck_assert(r.rel_l2 > 0 && r.max_abs > 0);
    ck_assert_int_eq(i8_verify_golden(&r, folder, stored, 1e-12, &runtime, &err), I8_OK);
    ck_assert(!r.pass);
    free(stored);
    free(folder);
}
END_TEST

/* ---- two models ---- */

START_TEST(a_model_equals_itself)
{
    struct i8_verify_options o = options_of(ids, 2);
    o.generate = 8;
    o.isolate_layers = _i == 1;
    struct i8_verify_result r = verify(model, model, &o);
    ck_assert(r.pass && r.compared);
    ck_assert(r.ppl_ratio == 1 && r.mean_kl == 0 && r.max_kl == 0 && r.p99_kl == 0);
    ck_assert(r.top1_agreement == 1 && r.logits_rel_l2 == 0 && r.logits_max_abs == 0);
    ck_assert_uint_eq(r.n_layers, 7);
    ck_assert_str_eq(r.layers[1].name, "model.layers.0");
    for (size_t i = 0; i < r.n_layers; i++)
        ck_assert(r.layers[i].rel_l2 == 0 && r.layers[i].accumulated_rel_l2 == 0);
    ck_assert_uint_eq(r.n_continuations, 2);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(r.continuations[i].first_difference, -1);
        ck_assert_uint_eq(r.continuations[i].n_reference, 32 + 8);
    }
    i8_verify_result_free(&r);
}
END_TEST

/* A copy of tiny-llama in which `count` bytes of a tensor have a value of their own. */
static char *damage(const char *tensor, size_t count, unsigned char value)
{
    static const char *const others[] = {"config.json", "generation_config.json",
                                         "tokenizer.json"};
    struct i8_error err;
    struct i8i_checkpoint *c;
    char *bytes, *path = i8i_path_join(model, "model.safetensors");
    size_t n;
    ck_assert_int_eq(i8i_checkpoint_open_file(&c, path, &err), I8_OK);
    const struct i8i_tensor *t = i8i_checkpoint_find(c, tensor);
    ck_assert_ptr_nonnull(t);
    ck_assert_uint_le(count, t->bytes);
    ck_assert_int_eq(i8i_read_file(&bytes, &n, path, FILE_CAP, &err), I8_OK);
    memset(bytes + t->offset, value, count);
    free(scratch_write(scratch, "bad/model.safetensors", bytes, n));
    free(bytes);
    free(path);
    i8i_checkpoint_free(c);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char name[64];
        path = i8i_path_join(model, others[i]);
        ck_assert_int_eq(i8i_read_file(&bytes, &n, path, FILE_CAP, &err), I8_OK);
        snprintf(name, sizeof name, "bad/%s", others[i]);
        free(scratch_write(scratch, name, bytes, n));
        free(bytes);
        free(path);
    }
    return i8i_path_join(scratch, "bad");
}

START_TEST(damage_is_located)
{
    char *bad = damage("model.layers.2.mlp.down_proj.weight", 100000, 0);
    struct i8_verify_options o = options_of(ids, 2);
    for (int isolate = 0; isolate < 2; isolate++) {
        o.isolate_layers = isolate == 1;
        struct i8_verify_result r = verify(model, bad, &o);
        ck_assert(!r.pass && r.nonfinite == 0);
        ck_assert(r.mean_kl > 0.01 && r.max_kl >= r.p99_kl && r.p99_kl >= r.mean_kl);
        for (size_t i = 0; i < r.n_layers; i++) {
            bool own = i == 3, behind = i >= 3; /* the embedding is stage 0 */
            ck_assert((r.layers[i].rel_l2 > 0.01) == (isolate ? own : behind));
            ck_assert((r.layers[i].accumulated_rel_l2 > 0.01) == behind);
            ck_assert((r.layers[i].cosine < 1) == (r.layers[i].rel_l2 > 0));
        }
        i8_verify_result_free(&r);
    }
    o.min_top1 = 0; /* with limits as loose as this it may pass */
    o.max_kl = 1e9;
    o.max_ppl_ratio = 1e9;
    struct i8_verify_result r = verify(model, bad, &o);
    ck_assert(r.pass);
    i8_verify_result_free(&r);
    free(bad);
}
END_TEST

START_TEST(nan_never_passes)
{
    /* one NaN in a norm's gain: 0xffff is a NaN in BF16 */
    char *bad = damage("model.layers.1.input_layernorm.weight", 2, 0xff);
    struct i8_verify_options o = options_of(ids, 1);
    o.min_top1 = 0;
    o.max_kl = INFINITY;
    o.max_ppl_ratio = INFINITY;
    struct i8_verify_result r = verify(model, bad, &o);
    ck_assert(!r.pass && r.nonfinite > 0);
    ck_assert(isnan(r.mean_kl) && isnan(r.max_kl) && isnan(r.converted.perplexity));
    ck_assert(r.top1_agreement == 0 && r.converted.top1_accuracy == 0);
    i8_verify_result_free(&r);
    r = verify(bad, NULL, &o);
    ck_assert(!r.pass && r.nonfinite > 0);
    i8_verify_result_free(&r);

    const char *prompts[] = {"The", NULL};
    struct i8_generate_options g = {.prompts = prompts};
    struct i8_generate_result out;
    struct i8_error err;
    ck_assert_int_eq(i8_generate(&out, bad, &g, &err), I8_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(err.message, "NaN"));
    free(bad);
}
END_TEST

/* What bitsandbytes itself gets over the same windows (fp16 model, H200). */
#define BNB_PERPLEXITY 9.6127

START_TEST(converted_model)
{
    struct i8_error err;
    struct i8_convert_options c = I8_CONVERT_OPTIONS_INIT;
    struct i8_convert_result done;
    char *out = i8i_path_join(scratch, "int8");
    c.model = model;
    c.output = out;
    ck_assert_msg(i8_convert(&done, &c, &err) == I8_OK, "%s", err.message);
    i8_convert_result_free(&done);
    struct i8_verify_options o = options_of(ids, 0);
    struct i8_verify_result r = verify(model, out, &o);
    ck_assert(r.pass && r.nonfinite == 0);
    ck_assert(r.ppl_ratio <= 1.005 && r.top1_agreement >= 0.97);
    ck_assert_double_eq_tol(r.converted.perplexity / BNB_PERPLEXITY, 1, 0.002);
    ck_assert(r.mean_kl > 0 && r.mean_kl <= 0.002);
    ck_assert_uint_gt(r.layers[1].outlier_columns, 0);
    i8_verify_result_free(&r);
    /* without decomposition the outliers spoil their rows */
    o.runtime.outliers = I8_OUTLIERS_NONE;
    r = verify(model, out, &o);
    ck_assert(r.mean_kl > 0.002);
    i8_verify_result_free(&r);
    /* bitsandbytes' logits of the first 64 ids; two sound implementations differ by 2 %
     */
    struct i8_golden_result g;
    struct i8_runtime runtime = {0};
    char *stored = test_data("tiny-llama/bnb-int8.h200.safetensors");
    ck_assert_msg(i8_verify_golden(&g, out, stored, 0.03, &runtime, &err) == I8_OK, "%s",
                  err.message);
    ck_assert(g.pass && g.top1_agreement >= 0.95);
    free(stored);
    free(out);
}
END_TEST

/* ---- input ---- */

START_TEST(windows)
{
    /* 1,100 ids are two windows of 512; the same two as lists of their own */
    i8i_json *list = read_json(ids);
    struct i8i_buffer flat, nested;
    i8i_buffer_init(&flat, FILE_CAP);
    i8i_buffer_init(&nested, FILE_CAP);
    const i8i_json *n = i8i_json_first(list);
    for (int i = 0; i < 1100; i++, n = i8i_json_next(n)) {
        int id = (int)i8i_json_double(n, -1);
        i8i_buffer_printf(&flat, "%s%d", i == 0 ? "[" : ",", id);
        if (i < 1024)
            i8i_buffer_printf(&nested, "%s%d",
                              i == 0         ? "[["
                              : i % 512 == 0 ? "],["
                                             : ",",
                              id);
    }
    i8i_buffer_puts(&flat, "]");
    i8i_buffer_puts(&nested, "]]");
    char *a = scratch_write(scratch, "flat.json", flat.data, flat.length);
    char *b = scratch_write(scratch, "nested.json", nested.data, nested.length);
    struct i8_verify_options o = options_of(a, 0);
    struct i8_verify_result x = verify(model, NULL, &o);
    o.tokens_path = b;
    o.window = 100; /* lists of a list are windows as they are */
    struct i8_verify_result y = verify(model, NULL, &o);
    o.tokens_path = a;
    struct i8_verify_result z = verify(model, NULL, &o);
    ck_assert_uint_eq(x.windows, 2);
    ck_assert_uint_eq(x.tokens_scored, 2 * 511);
    ck_assert(x.reference.nll_per_token == y.reference.nll_per_token);
    ck_assert_uint_eq(z.windows, 11);
    ck_assert_uint_eq(z.tokens_scored, 11 * 99);
    i8_verify_result_free(&x);
    i8_verify_result_free(&y);
    i8_verify_result_free(&z);
    i8i_buffer_free(&flat);
    i8i_buffer_free(&nested);
    i8i_json_free(list);
    free(a);
    free(b);
}
END_TEST

START_TEST(defaults)
{
    static const struct {
        const char *model, *input;
    } cases[] = {
        {"tiny-llama", "built-in text"},
        {"tiny/opt", "pseudo-random ids"},
        {"tiny/t5", "pseudo-random ids"},
    };
    char *path = test_data(cases[_i].model);
    struct i8_verify_options o = I8_VERIFY_OPTIONS_INIT;
    struct i8_verify_result r = verify(path, path, &o);
    ck_assert_str_eq(r.input, cases[_i].input);
    ck_assert(r.pass && r.tokens_scored > 50 && r.mean_kl == 0);
    i8_verify_result_free(&r);
    free(path);
}
END_TEST

START_TEST(text_and_prompts)
{
    static const char text[] = "The SELECT statement is used to query the database.";
    const char *prompts[] = {text, NULL};
    char *path = scratch_write(scratch, "text.txt", text, sizeof text - 1);
    struct i8_verify_options o = I8_VERIFY_OPTIONS_INIT;
    o.prompts = prompts;
    struct i8_verify_result a = verify(model, NULL, &o);
    o.prompts = NULL;
    o.text_path = path;
    struct i8_verify_result b = verify(model, NULL, &o);
    /* this tokenizer's template adds nothing */
    ck_assert(a.reference.nll_per_token == b.reference.nll_per_token);
    ck_assert_uint_gt(a.tokens_scored, 5);
    i8_verify_result_free(&a);
    i8_verify_result_free(&b);
    free(path);
}
END_TEST

static const struct {
    const char *model, *tokens;
    enum i8_status status;
    const char *message;
} bad_ids[] = {
    {"tiny-llama", "", I8_ERR_DATA, "bad.json"},
    {"tiny-llama", "{}", I8_ERR_DATA, "expected a list of token ids"},
    {"tiny-llama", "[]", I8_ERR_DATA, "0 token ids, at least 2"},
    {"tiny-llama", "[5]", I8_ERR_DATA, "1 token ids, at least 2"},
    {"tiny-llama", "[[1,2],[5]]", I8_ERR_DATA, "1 token ids, at least 2"},
    {"tiny-llama", "[[1,2],3]", I8_ERR_DATA, "lists and single ids are mixed"},
    {"tiny-llama", "[1,[2]]", I8_ERR_DATA, "entry 1 is no token id"},
    {"tiny-llama", "[1,-2]", I8_ERR_DATA, "entry 1 is no token id"},
    {"tiny-llama", "[1,2.5]", I8_ERR_DATA, "entry 1 is no token id"},
    {"tiny-llama", "[1,4294967297]", I8_ERR_DATA, "entry 1 is no token id"},
    {"tiny-llama", "[1,\"2\"]", I8_ERR_DATA, "entry 1 is no token id"},
    {"tiny-llama", "[1,2048]", I8_ERR_DATA,
     "window 0: token id 2048 at position 1 is outside the vocabulary of 2048"},
    {"tiny/t5", "[1,2,3,320]", I8_ERR_DATA,
     "token id 320 at position 3 is outside the vocabulary of 320"},
};

START_TEST(refuses_ids)
{
    char *path = test_data(bad_ids[_i].model);
    char *tokens = scratch_write(scratch, "bad.json", bad_ids[_i].tokens,
                                 strlen(bad_ids[_i].tokens));
    struct i8_verify_options o = options_of(tokens, 0);
    struct i8_verify_result r;
    struct i8_error err;
    enum i8_status status = i8_verify(&r, path, NULL, &o, &err);
    ck_assert_int_eq(status, bad_ids[_i].status);
    ck_assert_msg(strstr(err.message, bad_ids[_i].message) != NULL, "%s", err.message);
    free(tokens);
    free(path);
}
END_TEST

START_TEST(refuses_requests)
{
    struct i8_error err;
    struct i8_verify_result r;
    struct i8_generate_result g;
    char *opt = test_data("tiny/opt");
    const char *prompts[] = {"Hello", NULL};
    struct i8_verify_options o = options_of(ids, 1);
    ck_assert_int_eq(i8_verify(&r, model, opt, &o, &err), I8_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(err.message, "is a llama model"));
    o.tokens_path = "no/such/file";
    ck_assert_int_eq(i8_verify(&r, model, NULL, &o, &err), I8_ERR_IO);
    o.tokens_path = NULL;
    o.prompts = prompts;
    ck_assert_int_eq(i8_verify(&r, opt, NULL, &o, &err), I8_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "tokenizer.json"));
    o.runtime.device = "cuda";
    ck_assert_int_eq(i8_verify(&r, model, NULL, &o, &err), I8_ERR_DEVICE);
    struct i8_generate_options none = {.max_new_tokens = 1};
    ck_assert_int_eq(i8_generate(&g, model, &none, &err), I8_ERR_ARG);
    struct i8_generate_options both = {.prompts = prompts, .tokens_path = ids};
    ck_assert_int_eq(i8_generate(&g, model, &both, &err), I8_ERR_ARG);
    struct i8_generate_options hot = {.prompts = prompts, .temperature = NAN};
    ck_assert_int_eq(i8_generate(&g, model, &hot, &err), I8_ERR_ARG);
    /* a learned table of positions holds no more */
    struct i8_generate_options long_one = {.max_new_tokens = 100000};
    char *tokens = scratch_write(scratch, "few.json", "[1,2]", 5);
    long_one.tokens_path = tokens;
    ck_assert_int_eq(i8_generate(&g, opt, &long_one, &err), I8_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(err.message, "100001 positions"));
    free(tokens);
    free(opt);
}
END_TEST

START_TEST(refuses_goldens)
{
    struct i8_error err;
    struct i8_golden_result r;
    struct i8_runtime runtime = {0};
    char *weights = test_data("tiny-llama/model.safetensors");
    char *t5 = test_data("tiny/t5"), *of_t5 = test_data("tiny/t5/expected.safetensors");
    char *opt = test_data("tiny/opt");
    ck_assert_int_eq(i8_verify_golden(&r, model, weights, 1, &runtime, &err),
                     I8_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(err.message, "no tensor input_ids"));
    ck_assert_int_eq(i8_verify_golden(&r, opt, of_t5, 1, &runtime, &err), I8_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(err.message, "tensor logits has 2 × 13 positions"));
    ck_assert_int_eq(i8_verify_golden(&r, t5, ids, 1, &runtime, &err), I8_ERR_DATA);
    free(opt);
    free(of_t5);
    free(t5);
    free(weights);
}
END_TEST

/* ---- generate ---- */

START_TEST(draws_repeat)
{
    struct i8_error err;
    struct i8_generate_result r[3];
    const char *prompts[] = {"The SELECT statement is used to", NULL};
    for (int i = 0; i < 3; i++) {
        struct i8_generate_options o = {.prompts = prompts,
                                        .max_new_tokens = 24,
                                        .temperature = 1,
                                        .top_k = 50,
                                        .top_p = 0.95,
                                        .seed = i == 2 ? 8 : 7};
        o.runtime.threads = i == 0 ? 1 : 3;
        ck_assert_int_eq(i8_generate(&r[i], model, &o, &err), I8_OK);
    }
    ck_assert_str_eq(r[0].sequences[0].text, r[1].sequences[0].text);
    ck_assert_str_ne(r[0].sequences[0].text, r[2].sequences[0].text);
    for (int i = 0; i < 3; i++)
        i8_generate_result_free(&r[i]);
}
END_TEST

START_TEST(stops_at_the_end)
{
    /* make the first greedy id of the prompt an end: the list in generation_config.json
     * rules over config.json */
    struct i8_error err;
    struct i8_generate_result r;
    char *copy = damage("model.norm.weight", 0, 0);
    const char *prompts[] = {"The SELECT statement is used to", NULL};
    static const char config[] = "{\"eos_token_id\": [7, 356]}";
    free(scratch_write(scratch, "bad/generation_config.json", config, sizeof config - 1));
    struct i8_generate_options o = {.prompts = prompts, .max_new_tokens = 24};
    ck_assert_int_eq(i8_generate(&r, copy, &o, &err), I8_OK);
    ck_assert_uint_eq(r.sequences[0].n_prompt, 8);
    ck_assert_uint_eq(r.sequences[0].n_ids, 8 + 3); /* … 201, 268, 356 */
    ck_assert_int_eq(r.sequences[0].ids[10], 356);
    i8_generate_result_free(&r);
    free(copy);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("verify");
    TCase *t = tcase_create("verify");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, perplexity);
    tcase_add_test(t, continuations);
    tcase_add_loop_test(t, golden, 0, sizeof goldens / sizeof *goldens);
    tcase_add_loop_test(t, a_model_equals_itself, 0, 2);
    tcase_add_test(t, damage_is_located);
    tcase_add_test(t, nan_never_passes);
    tcase_add_test(t, converted_model);
    tcase_add_test(t, windows);
    tcase_add_loop_test(t, defaults, 0, 3);
    tcase_add_test(t, text_and_prompts);
    tcase_add_loop_test(t, refuses_ids, 0, sizeof bad_ids / sizeof *bad_ids);
    tcase_add_test(t, refuses_requests);
    tcase_add_test(t, refuses_goldens);
    tcase_add_test(t, draws_repeat);
    tcase_add_test(t, stops_at_the_end);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
