/* SPDX-License-Identifier: Apache-2.0
 *
 * --compress from the inside: where frames are cut, and that a packing of many frames
 * gives the same bytes whoever does it and however often it is broken off.
 */
#include "config.h"

#include "convert/packed.h"
#include "convert_tools.h"
#include "source/zstd_codec.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)

/* ---- cutting ---- */

struct tensor {
    enum i8_dtype dtype;
    uint64_t rows, cols;
};

static size_t cut(uint32_t *frames, uint64_t header, const struct tensor *list, size_t n)
{
    struct i8i_safetensors_entry entries[8] = {{0}};
    for (size_t i = 0; i < n; i++) {
        entries[i].dtype = list[i].dtype;
        entries[i].rank = list[i].cols ? 2 : 1;
        entries[i].shape[0] = list[i].rows;
        entries[i].shape[1] = list[i].cols;
        entries[i].bytes = list[i].rows * (list[i].cols ? list[i].cols : 1) *
                           i8_dtype_bits(list[i].dtype) / 8;
    }
    ck_assert_uint_le(i8i_frames_cut(NULL, header, entries, n), 32);
    return i8i_frames_cut(frames, header, entries, n);
}

/* The frames that docs/shard-format.md gives for these tensors. */
START_TEST(frames_end_with_rows)
{
    static const struct {
        uint64_t header;
        struct tensor tensors[6];
        uint32_t frames[10];
    } cases[] = {
        /* the header alone; one cut of an even matrix */
        {1000, {{I8_DTYPE_I8, 4096, 1024}}, {1000, 2 * MIB, 2 * MIB}},
        /* as many whole rows as fit, the rest last */
        {8, {{I8_DTYPE_I8, 1000, 3000}}, {8, 699 * 3000, 301 * 3000}},
        {8, {{I8_DTYPE_BF16, 700, 1500}}, {8, 699 * 3000, 3000}},
        /* small ones together, while of one dtype */
        {8,
         {{I8_DTYPE_F32, 100, 0},
          {I8_DTYPE_F32, 60, 0},
          {I8_DTYPE_BF16, 4, 4},
          {I8_DTYPE_I8, 3, 3},
          {I8_DTYPE_U8, 1, 0}},
         {8, 640, 32, 9, 1}},
        /* … and while they fit; a whole frame is not begun with the end of another tensor
         */
        {8,
         {{I8_DTYPE_I8, 1536, 1024},
          {I8_DTYPE_I8, 512, 1024},
          {I8_DTYPE_I8, 1, 0},
          {I8_DTYPE_I8, 2049, 1024},
          {I8_DTYPE_I8, 5, 0}},
         {8, 2 * MIB, 1, 2 * MIB, 1024, 5}},
        /* a row that is too long, and a vector, whose rows are its elements */
        {8, {{I8_DTYPE_I8, 1, 5 * MIB}}, {8, 2 * MIB, 2 * MIB, MIB}},
        {8, {{I8_DTYPE_F32, MIB, 0}}, {8, 2 * MIB, 2 * MIB}},
        /* a header that is too long; nothing in it; an empty tensor in between */
        {5 * MIB, {{0}}, {2 * MIB, 2 * MIB, MIB}},
        {8, {{I8_DTYPE_F32, 2, 0}, {I8_DTYPE_I8, 0, 7}, {I8_DTYPE_F32, 2, 0}}, {8, 16}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t frames[32];
        size_t n = 0, want = 0;
        while (n < 6 && cases[i].tensors[n].dtype != 0)
            n++;
        while (want < 10 && cases[i].frames[want] > 0)
            want++;
        ck_assert_uint_eq(cut(frames, cases[i].header, cases[i].tensors, n), want);
        for (size_t k = 0; k < want; k++)
            ck_assert_msg(frames[k] == cases[i].frames[k], "case %zu, frame %zu: %u", i,
                          k, frames[k]);
    }
}
END_TEST

/* ---- packing ---- */

#define ROWS 1500
#define COLS 4099

/* One weights file of two matrices, 12 MB of int8 once converted. */
static const char *write_model(void)
{
    float *values = malloc(ROWS * COLS * sizeof *values);
    ck_assert_ptr_nonnull(values);
    uint32_t state = 7;
    for (size_t i = 0; i < (size_t)ROWS * COLS; i++) {
        state = state * 1664525u + 1013904223u;
        values[i] = (float)((int32_t)state >> 16) * 1e-5f *
                    (float)((int32_t)(state * 2654435761u) >> 20);
    }
    const struct raw_tensor list[] = {{"a.weight", values, ROWS, COLS},
                                      {"b.bias", values, 100, 0},
                                      {"b.weight", values, ROWS, COLS}};
    const char *path = write_tensors(dir, "model.safetensors", list, 3);
    free(values);
    return path;
}

static struct conversion compressed(const char *model, const char *out)
{
    struct conversion c = conversion_of(model, dir, out);
    c.options.compression = I8_COMPRESSION_ZSTD;
    return c;
}

/* Cancels at the n-th report of compressing. */
struct stopper {
    int left;
};

static int stop_packing(void *ctx, const char *what, unsigned long long done,
                        unsigned long long total, const char *unit)
{
    struct stopper *s = ctx;
    (void)unit;
    ck_assert_uint_le(done, total);
    return strcmp(what, "compressing") == 0 && --s->left == 0;
}

START_TEST(bytes_do_not_depend_on_who_packs)
{
    const char *model = write_model();
    struct conversion plain = conversion_of(model, dir, "plain");
    struct conversion one = compressed(model, "one");
    one.options.jobs = 1;
    conversion_run(&plain, I8_OK);
    conversion_run(&one, I8_OK);
    const char *reference = folder_digest(one.options.output);
    for (unsigned jobs = 2; jobs <= 7; jobs += 5) {
        struct conversion c = compressed(model, "other");
        c.options.jobs = jobs;
        c.options.force = jobs > 2;
        c.tuning.item_bytes = 100000;
        conversion_run(&c, I8_OK);
        ck_assert_str_eq(folder_digest(c.options.output), reference);
        conversion_free(&c);
    }
    /* Broken off after each frame, it goes on to the same end. */
    for (int at = 1; at <= 7; at++) {
        struct stopper stopper = {.left = at};
        const struct i8_progress progress = {.update = stop_packing, .ctx = &stopper};
        char out[] = "stopped-0";
        out[sizeof out - 2] = (char)('0' + at);
        struct conversion c = compressed(model, out);
        c.options.progress = &progress;
        conversion_run(&c, I8_ERR_CANCELLED);
        ck_assert(!exists(c.options.output, "model.safetensors.zst"));
        ck_assert(!exists(c.options.output, "model.safetensors.zst.part"));
        ck_assert(exists(c.options.output, "model.safetensors.part"));
        c.options.progress = NULL;
        conversion_run(&c, I8_OK);
        ck_assert_str_eq(folder_digest(c.options.output), reference);
        conversion_free(&c);
    }
    struct conversion back = conversion_of(one.options.output, dir, "back");
    ck_assert_int_eq(i8_unpack(&back.result, &back.options, &back.err), I8_OK);
    ck_assert_str_eq(folder_digest(back.options.output),
                     folder_digest(plain.options.output));
    conversion_free(&back);
    conversion_free(&one);
    conversion_free(&plain);
}
END_TEST

START_TEST(levels_are_checked)
{
    struct conversion c = compressed(kept_data("tiny/llama"), "out");
    for (int level = -1; level <= 23; level += 24) {
        c.options.compression_level = level;
        conversion_run(&c, I8_ERR_ARG);
        ck_assert_ptr_nonnull(strstr(c.err.message, "expected a level of 1 to 22"));
    }
    conversion_free(&c);
}
END_TEST

int main(void)
{
    if (i8i_zstd_max_level() == 0)
        return 77;
    Suite *s = suite_create("packed");
    TCase *t = tcase_create("packed");
    tcase_add_checked_fixture(t, tools_begin, tools_end);
    tcase_add_test(t, frames_end_with_rows);
    tcase_add_test(t, bytes_do_not_depend_on_who_packs);
    tcase_add_test(t, levels_are_checked);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
