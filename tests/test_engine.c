/* SPDX-License-Identifier: Apache-2.0
 *
 * The forward pass against outputs that transformers computed in float64: logits,
 * hidden states behind each block, greedy continuations with and without a cache.
 */
#include "config.h"

#include "engine_fixture.h"
#include "quant/quant.h"

struct golden_case {
    const char *name;
    double limit; /* of the relative L2 error */
};
static const struct golden_case goldens[] = {
    {"llama", 1e-5},        {"llama3", 1e-5}, /* rotary frequencies scaled */
    {"bloom", 1e-5}, /* ALiBi, norm behind the embedding, heads' q, k, v together */
    {"opt", 1e-5},   /* learned positions */
    {"opt-postnorm", 1e-5}, /* narrow embeddings, norms behind the sums */
    {"t5", 5e-5},           /* encoder and decoder, buckets, scaled head */
    {"t5-v1_1", 5e-5},      /* gated */
    {"falcon", 1e-5},       /* one kv head, in one projection; parallel; erf GELU */
    {"gemma2", 5e-5},       /* norms on both sides, windows in turn, capped scores */
    {"gpt2", 1e-5},         /* transposed weights */
    {"gptj", 1e-5},         /* neighbours rotated, a biased head */
    {"gpt_neox", 1e-5},     /* parallel with two norms, a quarter rotated */
    {"olmo2", 1e-5},        /* norms behind the sublayers, whole queries normed */
    {"qwen3", 1e-5},        /* queries normed by head */
    {"phi3", 1e-5},         /* fused projections in blocks */
    {"mistral", 1e-5},      /* a sliding window */
    {"mpt", 1e-5},          /* ALiBi without biases */
};
enum { N_GOLDENS = sizeof(goldens) / sizeof(*goldens) };

static struct i8i_checkpoint *golden_open(const char *name)
{
    char folder[300];

    snprintf(folder, sizeof(folder), "tiny/%s", name);
    return stored_open(folder, "expected.safetensors");
}

/* ---- goldens ---- */

static void check_hidden(const struct i8i_checkpoint *c, struct i8i_run *r, size_t stage,
                         size_t row, const struct golden_case *g)
{
    char name[32];
    size_t shape[3], rows, cols;
    float *want, *got;

    snprintf(name, sizeof(name), "hidden.%zu", stage);
    want = stored_get(c, name, shape);
    if (!want) /* encoder–decoders store none */
        return;
    got = i8i_run_hidden(r, &rows, &cols);
    ck_assert_uint_eq(rows, shape[1]);
    ck_assert_uint_eq(cols, shape[2]);
    ck_assert_msg(relative_l2(got, want + row * rows * cols, rows * cols) <= g->limit,
                  "%s: %s, row %zu: %g", g->name, name, row,
                  relative_l2(got, want + row * rows * cols, rows * cols));
    free(want);
}

START_TEST(outputs_agree)
{
    const struct golden_case *g = &goldens[_i];
    struct i8i_checkpoint *c = golden_open(g->name);
    struct i8i_model *m = tiny_open(g->name);
    struct i8i_engine *e = engine_open(m, 2);
    size_t shape[3], decoder_shape[3], logits_shape[3], encoder_shape[3];
    int32_t *ids = stored_get(c, "input_ids", shape);
    int32_t *decoder = stored_get(c, "decoder_input_ids", decoder_shape);
    float *want = stored_get(c, "logits", logits_shape), *got;
    float *encoder = stored_get(c, "encoder_last_hidden_state", encoder_shape);
    size_t per_row = logits_shape[1] * logits_shape[2];
    struct i8_error err = {0};

    got = malloc(shape[0] * per_row * sizeof(*got));
    for (size_t row = 0; row < shape[0]; row++) {
        struct i8i_run_input in = row_input(ids, shape, decoder, decoder_shape, row);
        struct i8i_run *r = run_new(e, &in);
        size_t stages = i8i_engine_stages(e), rows, cols;
        const float *out;

        for (size_t stage = 0; stage < stages; stage++) {
            ck_assert_msg(i8i_engine_load(e, stage, &err) == I8_OK, "%s", err.message);
            ck_assert_msg(i8i_run_stage(r, stage, &err) == I8_OK, "%s", err.message);
            /* the last block's output is stored behind the final norm */
            if (stage != stages - 2)
                check_hidden(c, r, stage < stages - 2 ? stage : stage - 1, row, g);
            i8i_engine_unload(e, stage);
        }
        out = i8i_run_logits(r, &rows, &cols);
        ck_assert_uint_eq(rows, logits_shape[1]);
        ck_assert_uint_eq(cols, logits_shape[2]);
        memcpy(got + row * per_row, out, per_row * sizeof(*got));
        if (encoder) {
            out = i8i_run_encoder_output(r, &rows, &cols);
            ck_assert_uint_eq(rows * cols, encoder_shape[1] * encoder_shape[2]);
            ck_assert(relative_l2(out, encoder + row * rows * cols, rows * cols) <=
                      g->limit);
        }
        i8i_run_free(r);
    }
    ck_assert_msg(relative_l2(got, want, shape[0] * per_row) <= g->limit, "%s: %g",
                  g->name, relative_l2(got, want, shape[0] * per_row));
    if (getenv("I8_TEST_VERBOSE"))
        printf("%s: logits relative L2 %.2e\n", g->name,
               relative_l2(got, want, shape[0] * per_row));
    free(ids);
    free(decoder);
    free(want);
    free(encoder);
    free(got);
    i8i_engine_free(e);
    i8i_model_free(m);
    i8i_checkpoint_free(c);
}
END_TEST

/* ---- greedy ---- */

/* Continues ids (room for `total`) from `n` on, token by token from a cache, or by whole
 * passes. */
static void continue_greedily(struct i8i_engine *e, int32_t *ids, size_t n, size_t total,
                              bool cache, bool last_only)
{
    struct i8i_run_input in = {.ids = ids,
                               .n_ids = n,
                               .cache = cache,
                               .cache_tokens = total,
                               .last_logits_only = last_only};
    struct i8i_run *r = run_new(e, &in);
    struct i8_error err = {0};

    while (n < total) {
        const float *logits;
        size_t rows, vocab;

        run_finish(r);
        logits = i8i_run_logits(r, &rows, &vocab);
        ids[n] = best(logits + (rows - 1) * vocab, vocab);
        n++;
        if (cache && n < total) {
            ck_assert_msg(i8i_run_extend(r, ids + n - 1, 1, &err) == I8_OK, "%s",
                          err.message);
        } else if (!cache) {
            i8i_run_free(r);
            in.n_ids = n;
            r = run_new(e, &in);
        }
    }
    i8i_run_free(r);
}

START_TEST(greedy_continuations_agree)
{
    const struct golden_case *g = &goldens[_i];
    struct i8i_checkpoint *c = golden_open(g->name);
    size_t shape[3], n;
    int32_t *want = stored_get(c, "greedy", shape), *got;

    if (want) {
        struct i8i_model *m = tiny_open(g->name);
        struct i8i_engine *e = engine_open(m, 1);

        n = shape[0] == 1 ? shape[1] : shape[0];
        for (int way = 0; way < 4; way++) {
            got = malloc(n * sizeof(*got));
            memcpy(got, want, 12 * sizeof(*got));
            continue_greedily(e, got, 12, n, way & 1, way & 2);
            ck_assert_mem_eq(got, want, n * sizeof(*got));
            free(got);
        }
        i8i_engine_free(e);
        i8i_model_free(m);
    }
    free(want);
    i8i_checkpoint_free(c);
}
END_TEST

/* A decoder extended by two pieces gives what one pass gives, the encoder run once. */
START_TEST(extension_is_the_same_pass)
{
    const struct golden_case *g = &goldens[_i];
    struct i8i_checkpoint *c = golden_open(g->name);
    struct i8i_model *m = tiny_open(g->name);
    struct i8i_engine *e = engine_open(m, 2);
    size_t shape[3], decoder_shape[3], rows, vocab, n;
    int32_t *ids = stored_get(c, "input_ids", shape);
    int32_t *decoder = stored_get(c, "decoder_input_ids", decoder_shape);
    struct i8i_run_input in = row_input(ids, shape, decoder, decoder_shape, 0);
    struct i8i_run *whole = run_new(e, &in), *pieces;
    const float *want, *got;
    const int32_t *rest;
    struct i8_error err = {0};
    double off;

    run_finish(whole);
    want = i8i_run_logits(whole, &rows, &vocab);
    n = rows;
    in.cache = true;
    in.cache_tokens = n;
    rest = (decoder ? decoder : ids) + 3;
    *(decoder ? &in.n_decoder_ids : &in.n_ids) = 3;
    pieces = run_new(e, &in);
    run_finish(pieces);
    ck_assert_int_eq(i8i_run_extend(pieces, rest, n - 3 - 1, &err), I8_OK);
    run_finish(pieces);
    ck_assert_int_eq(i8i_run_extend(pieces, rest + n - 4, 1, &err), I8_OK);
    run_finish(pieces);
    got = i8i_run_logits(pieces, &rows, &vocab);
    ck_assert_uint_eq(rows, 1);
    off = relative_l2(got, want + (n - 1) * vocab, vocab);
    ck_assert_msg(off <= g->limit, "%s: %g", g->name, off);
    ck_assert_int_eq(i8i_run_extend(pieces, rest, 1, &err), I8_ERR_ARG);
    i8i_run_free(whole);
    i8i_run_free(pieces);
    free(ids);
    free(decoder);
    i8i_engine_free(e);
    i8i_model_free(m);
    i8i_checkpoint_free(c);
}
END_TEST

START_TEST(threads_do_not_matter)
{
    struct i8i_checkpoint *c = golden_open(goldens[_i].name);
    struct i8i_model *m = tiny_open(goldens[_i].name);
    size_t shape[3], decoder_shape[3], rows, vocab;
    int32_t *ids = stored_get(c, "input_ids", shape);
    int32_t *decoder = stored_get(c, "decoder_input_ids", decoder_shape);
    struct i8i_run_input in = row_input(ids, shape, decoder, decoder_shape, 0);
    float *first = NULL;

    for (unsigned threads = 1; threads <= 3; threads++) {
        struct i8i_engine *e = engine_open(m, threads);
        struct i8i_run *r = run_new(e, &in);
        const float *logits;

        run_finish(r);
        logits = i8i_run_logits(r, &rows, &vocab);
        if (!first) {
            first = malloc(rows * vocab * sizeof(*first));
            memcpy(first, logits, rows * vocab * sizeof(*first));
        }
        ck_assert_mem_eq(first, logits, rows * vocab * sizeof(*first));
        i8i_run_free(r);
        i8i_engine_free(e);
    }
    free(first);
    free(ids);
    free(decoder);
    i8i_model_free(m);
    i8i_checkpoint_free(c);
}
END_TEST

/* ---- the rest ---- */

/* A norm's epsilon of the size of the values themselves must change every output. */
START_TEST(epsilon_counts)
{
    struct i8i_model *m = tiny_open("bloom");
    int32_t ids[] = {5, 9, 200};
    struct i8i_run_input in = {.ids = ids, .n_ids = 3};
    float *hidden[2];
    double variance = 0, mean = 0;
    size_t rows, cols = 0;
    struct i8_error err = {0};

    for (int i = 0; i < 2; i++) {
        struct i8i_engine *e;
        struct i8i_run *r;

        m->hp.arch.norm_epsilon = i ? 0.25 : 0.0;
        e = engine_open(m, 1);
        r = run_new(e, &in);
        ck_assert_int_eq(i8i_engine_load(e, 0, &err), I8_OK);
        ck_assert_int_eq(i8i_run_stage(r, 0, &err), I8_OK);
        hidden[i] = i8i_run_hidden(r, &rows, &cols);
        hidden[i] = memcpy(malloc(cols * sizeof(float)), hidden[i], cols * sizeof(float));
        i8i_run_free(r);
        i8i_engine_free(e);
    }
    { /* BLOOM's first stage ends in a LayerNorm of the token's row: y = gain·n + bias */
        int embed = i8i_model_param(m, "transformer.word_embeddings.weight");
        int bias = i8i_model_param(m, "transformer.word_embeddings_layernorm.bias");
        uint16_t row[64], shift[64];

        ck_assert_uint_eq(cols, 64);
        ck_assert_int_eq(i8i_tensor_read(m->checkpoint, m->params[embed].tensor, row,
                                         (uint64_t)ids[0] * sizeof(row), sizeof(row),
                                         &err),
                         I8_OK);
        ck_assert_int_eq(i8i_tensor_read(m->checkpoint, m->params[bias].tensor, shift, 0,
                                         sizeof(shift), &err),
                         I8_OK);
        for (int i = 0; i < 64; i++)
            mean += (double)i8i_f16_to_f32(row[i]) / 64;
        for (int i = 0; i < 64; i++)
            variance += pow((double)i8i_f16_to_f32(row[i]) - mean, 2) / 64;
        for (int i = 0; i < 64; i++) {
            double b = (double)i8i_f16_to_f32(shift[i]);
            double want =
                ((double)hidden[0][i] - b) * sqrt(variance / (variance + 0.25)) + b;

            ck_assert(fabs((double)hidden[1][i] - want) <= 1e-5 * (fabs(want) + 1));
        }
    }
    free(hidden[0]);
    free(hidden[1]);
    i8i_model_free(m);
}
END_TEST

/* GPT-2's scale_attn_by_inverse_layer_idx: block i's scores are divided by i + 1. */
START_TEST(attention_is_scaled_by_block)
{
    struct i8i_model *m = tiny_open("gpt2");
    double whole = 1 / sqrt((double)m->hp.dim[I8I_DIM_HEAD_DIM]);
    int32_t ids[] = {5, 9, 200, 31, 7};
    struct i8i_run_input in = {.ids = ids, .n_ids = 5};
    struct i8i_engine *e = engine_open(m, 1);
    struct i8i_run *r[2] = {run_new(e, &in), run_new(e, &in)};
    size_t rows, vocab, stages = i8i_engine_stages(e);
    const float *logits[2];
    struct i8_error err = {0};

    for (size_t stage = 0; stage < stages; stage++) {
        ck_assert_int_eq(i8i_engine_load(e, stage, &err), I8_OK);
        m->hp.arch.attention_scale_by_block = true;
        m->hp.arch.attention_scale = 0;
        ck_assert_int_eq(i8i_run_stage(r[0], stage, &err), I8_OK);
        m->hp.arch.attention_scale_by_block = false;
        m->hp.arch.attention_scale = stage > 0 ? whole / (double)stage : whole;
        ck_assert_int_eq(i8i_run_stage(r[1], stage, &err), I8_OK);
    }
    for (int i = 0; i < 2; i++)
        logits[i] = i8i_run_logits(r[i], &rows, &vocab);
    ck_assert_mem_eq(logits[0], logits[1], rows * vocab * sizeof(float));
    i8i_run_free(r[0]);
    i8i_run_free(r[1]);
    i8i_engine_free(e);
    i8i_model_free(m);
}
END_TEST

/* What the pass cannot do is refused by name. */
START_TEST(unknown_switches_are_refused)
{
    struct i8i_model *m = tiny_open("llama");
    struct i8_error err = {0};

    ck_assert_int_eq(i8i_engine_supports(m, &err), I8_OK);
    m->hp.arch.rope_scaling = I8I_ROPE_OTHER;
    ck_assert_int_eq(i8i_engine_supports(m, &err), I8_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "'llama'"));
    ck_assert_ptr_nonnull(strstr(err.message, "rotary scaling"));
    m->hp.arch.rope_scaling = I8I_ROPE_DEFAULT;
    m->hp.dim[I8I_DIM_KV_HEADS] = 3;
    ck_assert_int_eq(i8i_engine_supports(m, &err), I8_ERR_UNSUPPORTED);
    m->hp.dim[I8I_DIM_KV_HEADS] = 2;
    m->modules[m->n_modules - 1].role = I8I_ROLE_ROUTER;
    ck_assert_int_eq(i8i_engine_supports(m, &err), I8_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "experts"));
    i8i_model_free(m);
}
END_TEST

START_TEST(bad_requests_are_named)
{
    struct i8i_model *m = tiny_open("opt");
    struct i8i_engine_options options = {.device = "abacus"};
    struct i8i_engine *e = NULL;
    struct i8i_run *r = NULL;
    struct i8_error err = {0};
    int32_t ids[200] = {1, 2, 320};
    struct i8i_run_input in = {.ids = ids, .n_ids = 3};
    bool past = false;

    ck_assert_int_eq(i8i_engine_open(&e, m, &options, &err), I8_ERR_DEVICE);
    ck_assert_ptr_nonnull(strstr(err.message, "abacus"));
    options.device = "cpu";
    options.outliers = I8I_OUTLIERS_STORED;
    ck_assert_int_eq(i8i_engine_open(&e, m, &options, &err), I8_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "stored outlier columns"));

    e = engine_open(m, 1);
    ck_assert_int_eq(i8i_run_new(&r, e, &in, NULL, &err), I8_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(err.message, "id 320 at position 2"));
    ck_assert_ptr_nonnull(strstr(err.message, "vocabulary of 320"));
    ids[2] = -1;
    ck_assert_int_eq(i8i_run_new(&r, e, &in, NULL, &err), I8_ERR_DATA);
    ids[2] = 3;
    in.n_ids = 129;
    ck_assert_int_eq(i8i_run_new(&r, e, &in, NULL, &err), I8_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(err.message, "129 positions"));
    ck_assert_ptr_nonnull(strstr(err.message, "holds 128"));
    in.n_ids = 0;
    ck_assert_int_eq(i8i_run_new(&r, e, &in, NULL, &err), I8_ERR_ARG);
    in.n_ids = 128;
    r = run_new(e, &in);
    ck_assert_int_eq(i8i_run_stage(r, 1, &err), I8_ERR_ARG);
    ck_assert_int_eq(i8i_run_stage(r, 0, &err), I8_ERR_ARG); /* not loaded */
    run_finish(r);
    ck_assert_int_eq(i8i_run_extend(r, ids, 1, &err), I8_ERR_ARG); /* no cache */
    i8i_run_free(r);
    i8i_engine_free(e);
    i8i_model_free(m);

    m = tiny_open("llama"); /* rotary: a warning only */
    e = engine_open(m, 1);
    in.n_ids = 200;
    ck_assert_int_eq(i8i_run_new(&r, e, &in, &past, &err), I8_OK);
    ck_assert(past);
    run_finish(r);
    ck_assert_uint_gt(i8i_engine_peak_bytes(e), 200 * 320 * sizeof(float));
    i8i_run_free(r);
    i8i_engine_free(e);
    i8i_model_free(m);
}
END_TEST

static void add_loop(TCase *tc, const TTest *test)
{
    tcase_add_loop_test(tc, test, 0, N_GOLDENS);
}

int main(void)
{
    Suite *suite = suite_create("engine");
    TCase *tc = tcase_create("engine");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 120);
    add_loop(tc, outputs_agree);
    add_loop(tc, greedy_continuations_agree);
    add_loop(tc, extension_is_the_same_pass);
    add_loop(tc, threads_do_not_matter);
    tcase_add_test(tc, epsilon_counts);
    tcase_add_test(tc, attention_is_scaled_by_block);
    tcase_add_test(tc, unknown_switches_are_refused);
    tcase_add_test(tc, bad_requests_are_named);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
