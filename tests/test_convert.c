/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes that lib/convert writes: the same whatever jobs and blocks, as planned, as
 * lib/quant makes them, in both layouts. (That those are bitsandbytes' bytes is
 * test_quant's matter, and tests/interop's.)
 */
#include "config.h"

#include "base/file.h"
#include "base/json.h"
#include "convert/work_block.h"
#include "convert_tools.h"
#include "scratch.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the same bytes ---- */

static const struct {
    unsigned jobs;
    struct i8i_convert_tuning tuning;
} ways[] = {
    {1, {0}},
    {2, {0}},
    {7, {0}},
    {3, {.block_bytes = 4096, .item_bytes = 1}},   /* one row, one element each */
    {2, {.block_bytes = 192, .item_bytes = 1000}}, /* rows longer than a buffer */
    {5, {.block_bytes = 65536, .item_bytes = 5000, .sync_bytes = 10000}},
};

START_TEST(same_bytes)
{
    static const char *const models[] = {"tiny-llama", "tiny/t5", "tiny/bloom"};
    const char *model = kept_data(models[_i]), *first = NULL;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct conversion c = conversion_of(model, dir, i ? "again" : "first");
        c.options.jobs = ways[i].jobs;
        c.tuning = ways[i].tuning;
        c.options.max_shard_bytes = 400000;
        c.options.force = i > 1;
        conversion_run(&c, I8_OK);
        const char *digest = folder_digest(c.options.output);
        first = first ? first : digest;
        ck_assert_msg(strcmp(digest, first) == 0, "way %zu of %s:\n%s\n%s", i, model,
                      first, digest);
        conversion_free(&c);
    }
}
END_TEST

START_TEST(dry_run_is_exact)
{
    static const char *const models[] = {"tiny-llama", "tiny/t5", "tiny/opt-postnorm"};
    struct conversion c = conversion_of(kept_data(models[_i]), dir, "out");
    struct i8_convert_result plan;
    c.options.max_shard_bytes = 300000;
    ck_assert_int_eq(i8_convert_dry_run(&plan, &c.options, &c.err), I8_OK);
    ck_assert(!exists(dir, "out"));
    conversion_run(&c, I8_OK);
    ck_assert_uint_eq(plan.n_files, c.result.n_files);
    ck_assert_uint_eq(plan.output_bytes, c.result.output_bytes);
    uint64_t sum = 0;
    for (size_t i = 0; i < plan.n_files; i++) {
        size_t length;
        ck_assert_str_eq(plan.files[i].name, c.result.files[i].name);
        file_text(c.options.output, plan.files[i].name, &length);
        ck_assert_uint_eq(plan.files[i].bytes, length);
        ck_assert_uint_eq(strlen(c.result.files[i].sha256), 64);
        sum += length;
    }
    ck_assert_uint_eq(sum, plan.output_bytes);
    i8_convert_result_free(&plan);
    conversion_free(&c);
}
END_TEST

/* The tied copies that torch's files hold are not written again; Conv1D is turned. */
START_TEST(bin_gives_the_same)
{
    static const char *const models[][2] = {{"tiny/bloom", "tiny/bloom-bin"},
                                            {"tiny/t5", "tiny/t5-bin"},
                                            {"tiny/gpt2", "tiny/gpt2-bin"}};
    static const char *const files[] = {"model.safetensors", "config.json"};
    struct conversion a = conversion_of(kept_data(models[_i][0]), dir, "a"),
                      b = conversion_of(kept_data(models[_i][1]), dir, "b");
    conversion_run(&a, I8_OK);
    conversion_run(&b, I8_OK);
    for (int i = 0; i < 2; i++) {
        size_t n, m;
        const char *x = file_text(a.options.output, files[i], &n),
                   *y = file_text(b.options.output, files[i], &m);
        ck_assert_uint_eq(n, m);
        ck_assert_mem_eq(x, y, n);
    }
    conversion_free(&a);
    conversion_free(&b);
}
END_TEST

/* ---- one bare file ---- */

enum { ROWS = 5, COLS = 37 };
static float matrix[ROWS * COLS], turned[ROWS * COLS];

static const char *write_matrix(void)
{
    for (int i = 0; i < ROWS * COLS; i++)
        matrix[i] = (float)sin(i) * 0.1f;
    memset(matrix + COLS, 0, COLS * sizeof *matrix); /* a row of zeros */
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLS; c++)
            turned[c * ROWS + r] = matrix[r * COLS + c];
    static const float bias[ROWS] = {1, 2, 3, 4, 1e-3f};
    const struct raw_tensor list[] = {{"a.weight", matrix, ROWS, COLS},
                                      {"a.bias", bias, ROWS, 0},
                                      {"t.weight", turned, COLS, ROWS}};
    return write_tensors(dir, "x.safetensors", list, 3);
}

static void expected_rows(int8_t q[ROWS * COLS], float scb[ROWS])
{
    struct i8i_row_report report;
    for (int r = 0; r < ROWS; r++)
        i8i_quantize_row(q + r * COLS, &scb[r], matrix + r * COLS, I8_DTYPE_F32, COLS,
                         I8I_ROUNDING_CUDA, I8I_ISA_SCALAR, &report);
}

START_TEST(bnb_layout)
{
    int8_t q[ROWS * COLS];
    float scb[ROWS];
    struct conversion c = conversion_of(write_matrix(), dir, "out");
    conversion_run(&c, I8_OK);
    expected_rows(q, scb);
    const char *out = c.options.output;
    ck_assert_mem_eq(read_tensor(out, "a.weight", I8_DTYPE_I8, sizeof q), q, sizeof q);
    ck_assert_mem_eq(read_tensor(out, "a.SCB", I8_DTYPE_F32, sizeof scb), scb,
                     sizeof scb);
    ck_assert_mem_eq(read_tensor(out, "a.weight_format", I8_DTYPE_U8, 1), "", 1);
    ck_assert(scb[1] == 0);
    ck_assert_uint_eq(c.result.converted, 2);
    ck_assert_uint_eq(c.result.kept, 1);
    ck_assert_uint_eq(c.result.n_files, 2); /* model.safetensors, int8tool.json */
    ck_assert(!exists(out, "config.json"));
    conversion_free(&c);
}
END_TEST

START_TEST(compressed_tensors_layout)
{
    int8_t q[ROWS * COLS];
    float scb[ROWS];
    struct conversion c = conversion_of(write_matrix(), dir, "out");
    c.options.layout = I8_LAYOUT_COMPRESSED_TENSORS;
    conversion_run(&c, I8_OK);
    expected_rows(q, scb);
    for (int r = 0; r < ROWS; r++)
        scb[r] = scb[r] == 0 ? 1 : scb[r] / 127;
    const char *out = c.options.output;
    ck_assert_mem_eq(read_tensor(out, "a.weight", I8_DTYPE_I8, sizeof q), q, sizeof q);
    ck_assert_mem_eq(read_tensor(out, "a.weight_scale", I8_DTYPE_F32, sizeof scb), scb,
                     sizeof scb);
    conversion_free(&c);

    c = conversion_of(kept_data("tiny-llama"), dir, "llama");
    c.options.layout = I8_LAYOUT_COMPRESSED_TENSORS;
    conversion_run(&c, I8_OK);
    i8i_json *config;
    ck_assert_int_eq(i8i_json_read_file(&config,
                                        kept_path(c.options.output, "config.json"),
                                        1 << 20, NULL),
                     I8_OK);
    const i8i_json *block = i8i_json_get(config, "quantization_config");
    ck_assert_str_eq(i8i_json_string(i8i_json_get(block, "format")), "int-quantized");
    const i8i_json *ignore = i8i_json_first(i8i_json_get(block, "ignore"));
    ck_assert_str_eq(i8i_json_string(ignore), "lm_head");
    i8i_json_free(config);
    conversion_free(&c);
}
END_TEST

/* A matrix without rows. */
START_TEST(no_rows)
{
    const struct raw_tensor list[] = {{"a.weight", matrix, ROWS, COLS},
                                      {"e.weight", matrix, 0, COLS}};
    struct conversion c =
        conversion_of(write_tensors(dir, "e.safetensors", list, 2), dir, "out");
    conversion_run(&c, I8_OK);
    read_tensor(c.options.output, "e.weight", I8_DTYPE_I8, 0);
    read_tensor(c.options.output, "e.SCB", I8_DTYPE_F32, 0);
    conversion_free(&c);
}
END_TEST

/* A Conv1D's [in, out] gives what the transposed matrix gives, in bands of any width. */
START_TEST(transposed)
{
    int8_t q[ROWS * COLS], got[ROWS * COLS];
    float scb[ROWS], got_scb[ROWS];
    struct conversion c = conversion_of(write_matrix(), dir, "out");
    struct i8i_convert_plan *plan;
    expected_rows(q, scb);
    ck_assert_int_eq(i8i_convert_plan_new(&plan, &c.options, &c.err), I8_OK);
    struct i8i_piece piece = {0};
    for (size_t i = 0; i < plan->n_pieces; i++) {
        if (strcmp(plan->pieces[i].name, "t.weight") == 0)
            piece = plan->pieces[i];
    }
    piece.kind = I8I_PIECE_QUANTIZE_TRANSPOSED;
    piece.units = ROWS;
    piece.cols = COLS;
    piece.unit_in = COLS * sizeof(float);
    piece.unit_out = COLS;
    piece.offset = 0;
    piece.scale_offset = sizeof q;
    const size_t buffers[] = {200, 256, 600, 65536};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        struct i8i_block block;
        struct i8i_outfile *f;
        size_t n;
        ck_assert_int_eq(i8i_block_init(&block, plan, buffers[i], &c.err), I8_OK);
        ck_assert_int_eq(i8i_outfile_open(&f, kept_path(dir, "t"), false, &c.err), I8_OK);
        enum i8_status st = i8i_block_run(&block, &piece, 0, 2, f, &c.err);
        if (st == I8_OK)
            st = i8i_block_run(&block, &piece, 2, ROWS - 2, f, &c.err);
        ck_assert_msg(st == I8_OK, "%s", c.err.message);
        ck_assert_int_eq(i8i_outfile_commit(f, &c.err), I8_OK);
        const char *text = file_text(dir, "t", &n);
        ck_assert_uint_eq(n, sizeof q + sizeof scb);
        memcpy(got, text, sizeof got);
        memcpy(got_scb, text + sizeof got, sizeof got_scb);
        ck_assert_mem_eq(got, q, sizeof q);
        ck_assert_mem_eq(got_scb, scb, sizeof scb);
        i8i_block_free(&block);
    }
    i8i_convert_plan_free(plan);
}
END_TEST

/* ---- options ---- */

START_TEST(rest_dtype)
{
    struct conversion c = conversion_of(write_matrix(), dir, "out");
    float bias[ROWS];
    uint16_t expected[ROWS];
    c.options.rest_dtype = I8_DTYPE_BF16;
    memcpy(bias, read_tensor(c.options.model, "a.bias", I8_DTYPE_F32, sizeof bias),
           sizeof bias);
    for (int i = 0; i < ROWS; i++)
        expected[i] = i8i_f32_to_bf16(bias[i]);
    conversion_run(&c, I8_OK);
    ck_assert_mem_eq(
        read_tensor(c.options.output, "a.bias", I8_DTYPE_BF16, sizeof expected), expected,
        sizeof expected);
    conversion_free(&c);

    c = conversion_of(kept_data("tiny/t5"), dir, "t5");
    c.options.rest_dtype = I8_DTYPE_BF16;
    conversion_run(&c, I8_OK);
    ck_assert_ptr_nonnull(
        strstr(file_text(c.options.output, "config.json", NULL), "\"bfloat16\""));
    conversion_free(&c);
}
END_TEST

START_TEST(skip_modules)
{
    static const char *const skip[] = {"model.layers.0", NULL}, *const none[] = {"zz",
                                                                                 NULL};
    struct conversion c = conversion_of(kept_data("tiny-llama"), dir, "out");
    c.options.skip_modules = none;
    conversion_run(&c, I8_ERR_ARG);
    c.options.skip_modules = skip;
    conversion_run(&c, I8_OK);
    ck_assert_uint_eq(c.result.converted, 28); /* 4 of 5 layers, 7 each */
    ck_assert_ptr_nonnull(strstr(file_text(c.options.output, "config.json", NULL),
                                 "\"model.layers.0.mlp.up_proj\""));
    conversion_free(&c);
}
END_TEST

START_TEST(memory_is_bounded)
{
    struct conversion c = conversion_of(kept_data("tiny-llama"), dir, "out");
    struct i8_convert_result plan;
    c.options.jobs = 64;
    c.options.ram_bytes = 28 << 20;
    ck_assert_int_eq(i8_convert_dry_run(&plan, &c.options, &c.err), I8_OK);
    ck_assert_uint_le(plan.memory_bytes, c.options.ram_bytes);
    ck_assert_uint_ge(plan.jobs, 1);
    i8_convert_result_free(&plan);
    c.options.ram_bytes = 1 << 20;
    ck_assert_int_eq(i8_convert_dry_run(&plan, &c.options, &c.err), I8_ERR_ARG);
    ck_assert_ptr_nonnull(strstr(c.err.message, "--ram 1.00 MiB"));
    i8_convert_result_free(&plan);
}
END_TEST

START_TEST(no_hash)
{
    struct conversion c = conversion_of(kept_data("tiny-llama"), dir, "out");
    c.options.no_hash = true;
    conversion_run(&c, I8_OK);
    ck_assert_str_eq(c.result.files[0].sha256, "");
    ck_assert_ptr_nonnull(
        strstr(file_text(c.options.output, "int8tool.json", NULL), "\"sha256\": null"));
    conversion_free(&c);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(nonfinite_is_refused_by_name)
{
    static const float bad[] = {NAN, INFINITY, 70000.0f};
    float *m = malloc(sizeof matrix);
    write_matrix();
    memcpy(m, matrix, sizeof matrix);
    m[3 * COLS + 4] = bad[_i];
    const struct raw_tensor list[] = {{"a.weight", m, ROWS, COLS}};
    struct conversion c =
        conversion_of(write_tensors(dir, "bad.safetensors", list, 1), dir, "out");
    conversion_run(&c, I8_ERR_REFUSED);
    ck_assert_msg(strstr(c.err.message, "'a.weight'") &&
                      strstr(c.err.message, "[3, 4]") &&
                      strstr(c.err.message, _i ? "Inf" : "NaN"),
                  "%s", c.err.message);
    ck_assert(!exists(dir, "out"));

    /* NaN is dropped and becomes 0; Inf makes its row 0 and its SCB Inf. */
    c.options.allow_nonfinite = true;
    conversion_run(&c, I8_OK);
    const int8_t *q = read_tensor(c.options.output, "a.weight", I8_DTYPE_I8, ROWS * COLS);
    const float *scb =
        read_tensor(c.options.output, "a.SCB", I8_DTYPE_F32, ROWS * sizeof(float));
    int8_t expected[ROWS * COLS];
    float expected_scb[ROWS];
    expected_rows(expected, expected_scb);
    ck_assert_int_eq(q[3 * COLS + 4], 0);
    if (_i == 0) {
        expected[3 * COLS + 4] = 0;
        ck_assert(scb[3] == expected_scb[3]);
        ck_assert_mem_eq(q, expected, sizeof expected);
    } else {
        ck_assert(isinf(scb[3]));
        for (int i = 0; i < COLS; i++)
            ck_assert_int_eq(q[3 * COLS + i], 0);
    }
    conversion_free(&c);
    free(m);
}
END_TEST

START_TEST(nonfinite_rest)
{
    static const float bias[3] = {1, NAN, 1e38f}, fine[3] = {1, 2, 1e38f};
    const struct raw_tensor list[] = {{"a.bias", bias, 3, 0}},
                            overflow[] = {{"a.bias", fine, 3, 0}};
    struct conversion c =
        conversion_of(write_tensors(dir, "bad.safetensors", list, 1), dir, "out");
    conversion_run(&c, I8_ERR_REFUSED);
    ck_assert_ptr_nonnull(strstr(c.err.message, "NaN, first at [1]"));
    c.options.model = write_tensors(dir, "big.safetensors", overflow, 1);
    c.options.rest_dtype = I8_DTYPE_F16;
    conversion_run(&c, I8_ERR_REFUSED);
    ck_assert_ptr_nonnull(strstr(c.err.message, "beyond the range of --rest-dtype"));
    conversion_free(&c);
}
END_TEST

/* tiny-llama with a stored lm_head.weight beside the embedding that it is tied to. */
static const char *llama_with_head(bool same)
{
    enum { MOST = 64 };
    struct i8i_safetensors_entry entries[MOST];
    struct i8i_checkpoint *c;
    char *header;
    size_t header_bytes, count;
    uint64_t file_bytes;
    const char *folder = kept_data("tiny-llama");
    const char *config = file_text(folder, "config.json", &count);
    free(scratch_write(kept_path(dir, "headed"), "config.json", config, count));
    ck_assert_int_eq(
        i8i_checkpoint_open_file(&c, kept_path(folder, "model.safetensors"), NULL),
        I8_OK);
    count = c->n_tensors + 1;
    ck_assert_uint_le(count, MOST);
    for (size_t i = 0; i < count; i++) {
        const struct i8i_tensor *t =
            i < c->n_tensors ? &c->tensors[i]
                             : i8i_checkpoint_find(c, "model.embed_tokens.weight");
        entries[i] = (struct i8i_safetensors_entry){
            .name = i < c->n_tensors ? t->name : "lm_head.weight",
            .dtype = t->dtype,
            .rank = t->rank,
            .shape = {t->shape[0], t->shape[1]}};
    }
    ck_assert_int_eq(i8i_safetensors_layout(&header, &header_bytes, &file_bytes, entries,
                                            count, NULL, NULL),
                     I8_OK);
    char *bytes = calloc(1, (size_t)file_bytes);
    memcpy(bytes, header, header_bytes);
    for (size_t i = 0; i < count; i++) {
        const bool head = strcmp(entries[i].name, "lm_head.weight") == 0;
        const struct i8i_tensor *t =
            i8i_checkpoint_find(c, head ? "model.embed_tokens.weight" : entries[i].name);
        char *to = bytes + entries[i].offset;
        ck_assert_int_eq(i8i_tensor_read(c, t, to, 0, (size_t)t->bytes, NULL), I8_OK);
        if (head && !same)
            to[t->bytes - 1] ^= 1;
    }
    free(scratch_write(kept_path(dir, "headed"), "model.safetensors", bytes,
                       (size_t)file_bytes));
    free(bytes);
    free(header);
    i8i_checkpoint_free(c);
    return kept_path(dir, "headed");
}

START_TEST(tied_copies)
{
    struct conversion plain = conversion_of(kept_data("tiny-llama"), dir, "plain"),
                      c = conversion_of(llama_with_head(true), dir, "out");
    size_t n, m;
    conversion_run(&plain, I8_OK);
    conversion_run(&c, I8_OK);
    const char *x = file_text(plain.options.output, "model.safetensors", &n),
               *y = file_text(c.options.output, "model.safetensors", &m);
    ck_assert_uint_eq(n, m);
    ck_assert_mem_eq(x, y, n);
    llama_with_head(false);
    c.options.force = true;
    conversion_run(&c, I8_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(c.err.message, "'lm_head.weight' differs"));
    ck_assert(exists(c.options.output, "int8tool.json")); /* what was there stays */
    conversion_free(&plain);
    conversion_free(&c);
}
END_TEST

START_TEST(quantized_source)
{
    struct conversion c = conversion_of(kept_data("tiny-llama"), dir, "out");
    conversion_run(&c, I8_OK);
    struct conversion again = conversion_of(c.options.output, dir, "twice");
    conversion_run(&again, I8_ERR_UNSUPPORTED);
    ck_assert_msg(strstr(again.err.message, "already quantized"), "%s",
                  again.err.message);
    ck_assert(!exists(dir, "twice"));
    conversion_free(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("convert");
    TCase *c = tcase_create("convert");
    tcase_set_timeout(c, 300);
    tcase_add_checked_fixture(c, tools_begin, tools_end);
    tcase_add_loop_test(c, same_bytes, 0, 3);
    tcase_add_loop_test(c, dry_run_is_exact, 0, 3);
    tcase_add_loop_test(c, bin_gives_the_same, 0, 3);
    tcase_add_test(c, bnb_layout);
    tcase_add_test(c, compressed_tensors_layout);
    tcase_add_test(c, no_rows);
    tcase_add_test(c, transposed);
    tcase_add_test(c, rest_dtype);
    tcase_add_test(c, skip_modules);
    tcase_add_test(c, memory_is_bounded);
    tcase_add_test(c, no_hash);
    tcase_add_loop_test(c, nonfinite_is_refused_by_name, 0, 3);
    tcase_add_test(c, nonfinite_rest);
    tcase_add_test(c, tied_copies);
    tcase_add_test(c, quantized_source);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
