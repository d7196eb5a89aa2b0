/* SPDX-License-Identifier: Apache-2.0
 *
 * FP8 checkpoints with block scales: decoded as DeepSeek's script does it, converted to
 * the bytes that the bf16 checkpoint of that script gives, and refused by name where the
 * scales are not what they should be.
 */
#include "config.h"

#include "checkpoint/stored.h"
#include "convert_tools.h"
#include "model/model.h"
#include "quant/quant.h"
#include "scratch.h"

#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* ---- decoding ---- */

/* From the format's definition, in double: NaN, sign, exponent with bias 7, mantissa. */
static double e4m3(unsigned char b)
{
    const int exponent = b >> 3 & 15, mantissa = b & 7;
    if ((b & 0x7f) == 0x7f)
        return NAN;
    const double magnitude =
        exponent == 0 ? ldexp(mantissa, -9) : ldexp(8 + mantissa, exponent - 10);
    return b & 0x80 ? -magnitude : magnitude;
}

/* An E4M3 value has 4 bits and a scale 24: the product is exact in double, so this cast
 * is fp32's own rounding. */
static uint16_t expected_bf16(unsigned char b, float scale)
{
    const float y = (float)(e4m3(b) * (double)scale);
    return isnan(y) ? 0x7fc0 : i8i_f32_to_bf16(y);
}

START_TEST(decodes_every_value)
{
    static const float scales[] = {
        1.0f, 0.000244140625f, 3.1e-4f, 7.77f, -0.3f,    1e-38f, 1e-44f, 3e38f, 0.0f,
        1.1f, INFINITY,        NAN,     8e35f, 65504.0f, 1e-40f};
    unsigned char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (unsigned char)i;
    for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
        uint16_t plain[256], best[256];
        i8i_fp8_decode_scalar(plain, all, 256, scales[s]);
        i8i_fp8_decode(best, all, 256, scales[s]);
        for (int i = 0; i < 256; i++) {
            ck_assert_msg(plain[i] == expected_bf16(all[i], scales[s]),
                          "0x%02x x %g: 0x%04x, expected 0x%04x", i, scales[s], plain[i],
                          expected_bf16(all[i], scales[s]));
            ck_assert_msg(best[i] == plain[i],
                          "0x%02x x %g: SIMD gives 0x%04x, not 0x%04x", i, scales[s],
                          best[i], plain[i]);
        }
    }
}
END_TEST

START_TEST(decodes_in_place)
{
    uint32_t state = 3;
    for (size_t n = 0; n < 200; n++) {
        unsigned char bytes[400] = {0}, apart[200] = {0};
        uint16_t expected[200];
        for (size_t i = 0; i < n; i++)
            bytes[n + i] = apart[i] = (unsigned char)next_random(&state);
        i8i_fp8_decode_scalar(expected, apart, n, 0.37f);
        i8i_fp8_decode(bytes, bytes + n, n, 0.37f);
        ck_assert_mem_eq(bytes, expected, 2 * n);
    }
}
END_TEST

/* ---- models: an FP8 one, and what the script makes of it ---- */

struct twin {
    struct i8i_safetensors_entry entries[256];
    const void *data[256];
    size_t count;
};

static void add_entry(struct twin *t, const char *name, enum i8_dtype dtype,
                      uint32_t rank, const uint64_t *shape, const void *data)
{
    ck_assert_uint_lt(t->count, 256);
    struct i8i_safetensors_entry *e = &t->entries[t->count];
    *e = (struct i8i_safetensors_entry){.name = name, .dtype = dtype, .rank = rank};
    memcpy(e->shape, shape, rank * sizeof *shape);
    t->data[t->count++] = data;
}

static const void *data_of(const struct twin *t, const char *name,
                           const struct i8i_safetensors_entry *before)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(before[i].name, name) == 0)
            return t->data[i];
    }
    return NULL;
}

static void write_twin(struct twin *t, const char *folder)
{
    struct i8i_safetensors_entry before[256];
    char *header;
    size_t header_bytes;
    uint64_t file_bytes;
    memcpy(before, t->entries, sizeof before);
    ck_assert_int_eq(i8i_safetensors_layout(&header, &header_bytes, &file_bytes,
                                            t->entries, t->count, NULL, NULL),
                     I8_OK);
    char *bytes = calloc(1, (size_t)file_bytes);
    memcpy(bytes, header, header_bytes);
    for (size_t i = 0; i < t->count; i++)
        memcpy(bytes + t->entries[i].offset, data_of(t, t->entries[i].name, before),
               t->entries[i].bytes);
    free(scratch_write(kept_path(dir, folder), "model.safetensors", bytes,
                       (size_t)file_bytes));
    free(bytes);
    free(header);
}

/* config.json of the source, with `block` (JSON text of quantization_config) added. */
static void write_config(const char *source, const char *folder, const char *block)
{
    size_t n;
    const char *text = file_text(source, "config.json", &n);
    char *end = strrchr(text, '}');
    char *whole =
        i8i_format("%.*s%s%s}\n", (int)(end - text), text,
                   block ? ", \"quantization_config\": " : "", block ? block : "");
    free(scratch_write(kept_path(dir, folder), "config.json", whole, strlen(whole)));
    free(whole);
}

enum { BLOCK_ROWS = 48, BLOCK_COLS = 40 };
#define BLOCK_CONFIG                                                                     \
    "{\"quant_method\": \"fp8\", \"fmt\": \"e4m3\", \"activation_scheme\": \"dynamic\"," \
    " \"weight_block_size\": [48, 40]}"

static char *suffixed(const char *name, const char *suffix)
{
    return i8i_format("%s%s", name, suffix);
}

static void *owned[1024];
static size_t n_owned;
static void *own(void *p)
{
    ck_assert(p && n_owned < 1024);
    return owned[n_owned++] = p;
}
static void free_owned(void)
{
    while (n_owned > 0)
        free(owned[--n_owned]);
}

/* One Linear: random E4M3 and scales into `fp8`, the bf16 of them into `bf16`. */
static void add_matrix(struct twin *fp8, struct twin *bf16, const struct i8i_tensor *t,
                       bool half_scales, uint32_t *state)
{
    const uint64_t rows = t->shape[0], cols = t->shape[1];
    const uint64_t grid[2] = {(rows + BLOCK_ROWS - 1) / BLOCK_ROWS,
                              (cols + BLOCK_COLS - 1) / BLOCK_COLS};
    const char *name = own(i8i_format("%s", t->name));
    unsigned char *q = own(malloc(rows * cols));
    uint16_t *w = own(malloc(rows * cols * 2)),
             *half = own(malloc(grid[0] * grid[1] * 2));
    float *scales = own(malloc(grid[0] * grid[1] * 4));
    for (uint64_t i = 0; i < grid[0] * grid[1]; i++) {
        scales[i] = ldexpf(1 + (float)next_random(state) / (1 << 24), -14);
        half[i] = i8i_f32_to_bf16(scales[i]);
        if (half_scales)
            scales[i] = i8i_bf16_to_f32(half[i]);
    }
    for (uint64_t i = 0; i < rows * cols; i++) {
        do
            q[i] = (unsigned char)next_random(state);
        while ((q[i] & 0x7f) == 0x7f);
        const uint64_t block = i / cols / BLOCK_ROWS * grid[1] + i % cols / BLOCK_COLS;
        w[i] = expected_bf16(q[i], scales[block]);
    }
    add_entry(bf16, name, I8_DTYPE_BF16, 2, t->shape, w);
    add_entry(fp8, name, I8_DTYPE_F8_E4M3, 2, t->shape, q);
    add_entry(fp8, own(suffixed(t->name, "_scale_inv")),
              half_scales ? I8_DTYPE_BF16 : I8_DTYPE_F32, 2, grid,
              half_scales ? (const void *)half : scales);
}

/* DIR/fp8 and DIR/bf16, from tiny-llama; all its Linears become FP8 (also the ones that
 * a reader keeps). Beyond the model: an FP8 matrix as of a layer for multi-token
 * prediction. */
static void make_twins(bool half_scales)
{
    const char *source = kept_data("tiny-llama");
    struct i8i_checkpoint *c;
    struct i8i_tree *tree;
    struct twin fp8 = {.count = 0}, bf16 = {.count = 0};
    uint32_t state = 5;
    ck_assert_int_eq(i8i_tree_open_directory(&tree, source, NULL), I8_OK);
    ck_assert_int_eq(i8i_checkpoint_open_tree(&c, tree, NULL), I8_OK);
    for (size_t i = 0; i < c->n_tensors; i++) {
        const struct i8i_tensor *t = &c->tensors[i];
        if (strstr(t->name, "_proj.weight")) {
            add_matrix(&fp8, &bf16, t, half_scales, &state);
            continue;
        }
        void *data = own(malloc(t->bytes));
        ck_assert_int_eq(i8i_tensor_read(c, t, data, 0, t->bytes, NULL), I8_OK);
        const char *name = own(i8i_format("%s", t->name));
        add_entry(&fp8, name, t->dtype, t->rank, t->shape, data);
        add_entry(&bf16, name, t->dtype, t->rank, t->shape, data);
    }
    const struct i8i_tensor extra = {
        .name = "mtp.eh_proj.weight", .rank = 2, .shape = {50, 99}};
    add_matrix(&fp8, &bf16, &extra, half_scales, &state);
    write_twin(&fp8, "fp8");
    write_twin(&bf16, "bf16");
    write_config(source, "fp8", BLOCK_CONFIG);
    write_config(source, "bf16", NULL);
    i8i_checkpoint_free(c);
    i8i_tree_close(tree);
    free_owned();
}

static void same_file(const char *a, const char *b, const char *name)
{
    size_t n, m;
    const char *x = file_text(a, name, &n), *y = file_text(b, name, &m);
    ck_assert_msg(n == m && memcmp(x, y, n) == 0, "%s differs", name);
}

/* What is the same whatever the options: the FP8 checkpoint, converted, is the bf16 one,
 * converted. */
static const struct {
    bool half_scales;
    enum i8_dtype rest;
    enum i8_layout layout;
    size_t block_bytes, item_bytes;
} cases[] = {
    {false, I8_DTYPE_INVALID, I8_LAYOUT_BNB, 0, 0},
    {true, I8_DTYPE_F16, I8_LAYOUT_BNB, 0, 0},
    {false, I8_DTYPE_F32, I8_LAYOUT_COMPRESSED_TENSORS, 4096, 1},
    {false, I8_DTYPE_INVALID, I8_LAYOUT_BNB, 192, 1000},
};

START_TEST(converts_as_its_bf16_twin)
{
    static const char *const skip[] = {"down_proj", NULL};
    make_twins(cases[_i].half_scales);
    struct conversion c[2] = {conversion_of(kept_path(dir, "fp8"), dir, "from-fp8"),
                              conversion_of(kept_path(dir, "bf16"), dir, "from-bf16")};
    struct i8_convert_result plan;
    for (int i = 0; i < 2; i++) {
        c[i].options.rest_dtype = cases[_i].rest;
        c[i].options.layout = cases[_i].layout;
        c[i].options.skip_modules = skip; /* kept FP8 weights become bf16 */
        c[i].options.max_shard_bytes = 700000;
        c[i].tuning.block_bytes = i ? 0 : cases[_i].block_bytes;
        c[i].tuning.item_bytes = i ? 0 : cases[_i].item_bytes;
        ck_assert_int_eq(i8_convert_dry_run(&plan, &c[i].options, &c[i].err), I8_OK);
        conversion_run(&c[i], I8_OK);
        ck_assert_uint_eq(plan.output_bytes, c[i].result.output_bytes);
        ck_assert_uint_eq(plan.n_files, c[i].result.n_files);
        for (size_t f = 0; f < plan.n_files; f++)
            ck_assert_uint_eq(plan.files[f].bytes, c[i].result.files[f].bytes);
        i8_convert_result_free(&plan);
    }
    ck_assert_uint_eq(c[0].result.converted, c[1].result.converted);
    ck_assert_uint_gt(c[0].result.converted, 0);
    ck_assert_uint_lt(c[0].result.source_bytes, c[1].result.source_bytes);
    for (size_t f = 0; f < c[0].result.n_files; f++) {
        if (strcmp(c[0].result.files[f].name, "int8tool.json") != 0)
            same_file(c[0].options.output, c[1].options.output,
                      c[0].result.files[f].name);
    }
    ck_assert_ptr_null(
        strstr(file_text(c[0].options.output, "config.json", NULL), "fp8"));
    conversion_free(&c[0]);
    conversion_free(&c[1]);
}
END_TEST

/* Any range of bytes, also one that cuts an element in two. */
START_TEST(reads_any_range)
{
    make_twins(false);
    struct i8i_model *m[2];
    struct i8_error err = {0};
    ck_assert_msg(i8i_model_open(&m[0], kept_path(dir, "fp8"), NULL, &err) == I8_OK, "%s",
                  err.message);
    ck_assert_int_eq(i8i_model_open(&m[1], kept_path(dir, "bf16"), NULL, &err), I8_OK);
    ck_assert_int_eq(m[0]->quantization, I8I_QUANT_FP8_BLOCKS);
    ck_assert_uint_eq(m[0]->n_unexpected, m[1]->n_unexpected);
    uint32_t state = 11;
    for (int k = 0; k < 400; k++) {
        const struct i8i_tensor *t =
            &m[0]->checkpoint->tensors[next_random(&state) % m[0]->checkpoint->n_tensors];
        if (t->companion)
            continue;
        const struct i8i_tensor *u = i8i_checkpoint_find(m[1]->checkpoint, t->name);
        char x[5000], y[5000];
        ck_assert_uint_eq(t->bytes, u->bytes);
        const uint64_t at = next_random(&state) % t->bytes;
        size_t n = next_random(&state) % sizeof x;
        n = n < t->bytes - at ? n : (size_t)(t->bytes - at);
        ck_assert_int_eq(i8i_tensor_read(m[0]->checkpoint, t, x, at, n, &err), I8_OK);
        ck_assert_int_eq(i8i_tensor_read(m[1]->checkpoint, u, y, at, n, &err), I8_OK);
        ck_assert_mem_eq(x, y, n);
    }
    i8i_model_free(m[0]);
    i8i_model_free(m[1]);
}
END_TEST

/* ---- refusals ---- */

#define W        "model.layers.0.mlp.up_proj.weight"
#define FP8(...) "{\"quant_method\": \"fp8\"" __VA_ARGS__ "}"

static const struct {
    const char *config; /* quantization_config */
    enum i8_dtype weight;
    uint64_t rows, cols; /* of the weight; cols 0: rank 1 */
    const char *scale;   /* its name, NULL: none */
    enum i8_dtype scale_dtype;
    uint64_t scale_rows, scale_cols;
    const char *message;
} refused[] = {
    {FP8(", \"weight_block_size\": [128, 128]"), I8_DTYPE_F8_E4M3, 300, 200, NULL, 0, 0,
     0, "its scales '" W "_scale_inv' are missing"},
    {FP8(", \"weight_block_size\": [128, 128]"), I8_DTYPE_F8_E4M3, 300, 200,
     W "_scale_inv", I8_DTYPE_F32, 2, 2, "are F32 or BF16 [3, 2]"},
    {FP8(", \"weight_block_size\": [128, 128]"), I8_DTYPE_F8_E4M3, 300, 200,
     W "_scale_inv", I8_DTYPE_F32, 2, 3, "are F32 or BF16 [3, 2]"},
    {FP8(", \"weight_block_size\": [128, 128]"), I8_DTYPE_F8_E4M3, 300, 200,
     W "_scale_inv", I8_DTYPE_F16, 3, 2, "are F32 or BF16 [3, 2]"},
    {FP8(", \"weight_block_size\": [128, 128]"), I8_DTYPE_F8_E4M3, 300, 200,
     W "_scale_inv", I8_DTYPE_F32, 3, 0, "are F32 or BF16 [3, 2]"},
    {FP8(", \"weight_block_size\": [128, 128]"), I8_DTYPE_F8_E4M3, 300, 0, W "_scale_inv",
     I8_DTYPE_F32, 3, 0, "but not a matrix"},
    {FP8(", \"weight_block_size\": [128, 128]"), I8_DTYPE_F8_E5M2, 300, 200,
     W "_scale_inv", I8_DTYPE_F32, 3, 2, "where F8_E4M3 is expected"},
    {FP8(", \"weight_block_size\": [128, 128]"), I8_DTYPE_BF16, 300, 200, W "_scale_inv",
     I8_DTYPE_F32, 3, 2, "a scale that belongs to no F8_E4M3 matrix"},
    {FP8(", \"weight_block_size\": [1, 1]"), I8_DTYPE_F8_E4M3, 1, 70000, W "_scale_inv",
     I8_DTYPE_F32, 1, 70000, "more blocks in a row than are handled"},
    {FP8(), I8_DTYPE_F8_E4M3, 300, 200, W "_scale_inv", I8_DTYPE_F32, 3, 2,
     "already quantized (fp8 without weight_block_size)"},
    {FP8(", \"weight_block_size\": [0, 128]"), I8_DTYPE_F8_E4M3, 300, 200, W "_scale_inv",
     I8_DTYPE_F32, 3, 2, "a weight_block_size other than two numbers"},
    {FP8(", \"weight_block_size\": [128]"), I8_DTYPE_F8_E4M3, 300, 200, W "_scale_inv",
     I8_DTYPE_F32, 3, 2, "a weight_block_size other than two numbers"},
    {FP8(", \"weight_block_size\": [128, 128], \"activation_scheme\": \"static\""),
     I8_DTYPE_F8_E4M3, 300, 200, W "_scale_inv", I8_DTYPE_F32, 3, 2, "static activation"},
    {FP8(", \"weight_block_size\": [128, 128], \"fmt\": \"e5m2\""), I8_DTYPE_F8_E4M3, 300,
     200, W "_scale_inv", I8_DTYPE_F32, 3, 2, "another format than e4m3"},
};
enum { N_REFUSED = sizeof refused / sizeof *refused };

START_TEST(refuses_by_name)
{
    struct twin t = {.count = 0};
    const uint64_t weight[] = {refused[_i].rows, refused[_i].cols},
                   scale[] = {refused[_i].scale_rows, refused[_i].scale_cols};
    char *zeros = own(calloc(1, 400000));
    add_entry(&t, W, refused[_i].weight, weight[1] ? 2 : 1, weight, zeros);
    if (refused[_i].scale)
        add_entry(&t, refused[_i].scale, refused[_i].scale_dtype, scale[1] ? 2 : 1, scale,
                  zeros);
    write_twin(&t, "bad");
    char *config = own(i8i_format(
        "{\"model_type\": \"none\", \"quantization_config\": %s}", refused[_i].config));
    free(scratch_write(kept_path(dir, "bad"), "config.json", config, strlen(config)));
    struct conversion c = conversion_of(kept_path(dir, "bad"), dir, "out");
    c.err = (struct i8_error){0};
    enum i8_status st = i8_convert(&c.result, &c.options, &c.err);
    ck_assert(st == I8_ERR_DATA || st == I8_ERR_UNSUPPORTED);
    ck_assert_msg(strstr(c.err.message, refused[_i].message), "'%s' does not say '%s'",
                  c.err.message, refused[_i].message);
    ck_assert_ptr_null(strchr(c.err.message, '\n'));
    ck_assert(!exists(dir, "out"));
    conversion_free(&c);
    free_owned();
}
END_TEST

/* NaN among the weights, or a scale that makes them too large, is found like any other.
 */
START_TEST(nonfinite)
{
    struct twin t = {.count = 0};
    const uint64_t shape[] = {2, 3}, one[] = {1, 1};
    unsigned char q[6] = {0, 1, 2, 0x38, _i == 0 ? 0x7f : 0x7e, 0};
    const float scale = _i == 0 ? 1.0f : 3e38f;
    add_entry(&t, W, I8_DTYPE_F8_E4M3, 2, shape, q);
    add_entry(&t, W "_scale_inv", I8_DTYPE_F32, 2, one, &scale);
    write_twin(&t, "bad");
    static const char config[] =
        "{\"model_type\": \"none\", \"quantization_config\": {\"quant_method\": \"fp8\", "
        "\"weight_block_size\": [128, 128]}}";
    free(scratch_write(kept_path(dir, "bad"), "config.json", config, strlen(config)));
    struct conversion c = conversion_of(kept_path(dir, "bad"), dir, "out");
    conversion_run(&c, I8_ERR_REFUSED);
    ck_assert_msg(strstr(c.err.message, _i == 0 ? "holds NaN, first at [1, 1]"
                                                : "holds Inf or a value beyond fp16"),
                  "%s", c.err.message);
    conversion_free(&c);
    free_owned();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fp8");
    TCase *c = tcase_create("fp8");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, tools_begin, tools_end);
    tcase_add_test(c, decodes_every_value);
    tcase_add_test(c, decodes_in_place);
    tcase_add_loop_test(c, converts_as_its_bf16_twin, 0,
                        (int)(sizeof cases / sizeof *cases));
    tcase_add_test(c, reads_any_range);
    tcase_add_loop_test(c, refuses_by_name, 0, N_REFUSED);
    tcase_add_loop_test(c, nonfinite, 0, 2);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
