/* SPDX-License-Identifier: Apache-2.0
 *
 * The digests in a manifest are those of the files, whoever hashes which bytes when: of a
 * source while it is read to be converted, or by a reading for that alone, or first so
 * and then so. (That each conversion's are compared is conversion_run's matter.)
 */
#include "config.h"

#include "base/size.h"
#include "convert_tools.h"
#include "scratch.h"
#include "source/zstd_codec.h"
#include "zstd_builder.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct i8i_convert_tuning tunings[] = {
    {0},
    {.block_bytes = 4096, .item_bytes = 9000, .hash_bytes = 5000},
    {.block_bytes = 192, .item_bytes = 70000, .hash_bytes = 200000}, /* rows are longer */
    {.block_bytes = 30000, .item_bytes = 60000, .hash_bytes = 20000},
    {.block_bytes = 65536, .item_bytes = 300000, .hash_bytes = 600},
};
enum { N_TUNINGS = sizeof tunings / sizeof tunings[0] };

/* ---- what the log says of bytes that were hashed as they passed ---- */

static void note_passing(void *ctx, enum i8_log_level level, const char *message)
{
    char *size = ctx;
    const char *end = strstr(message, " of the source were hashed as they passed");
    if (level == I8_LOG_DEBUG && end != NULL)
        snprintf(size, I8I_SIZE_TEXT, "%.*s", (int)(end - message), message);
}

/* ---- models in as many files as one likes ---- */

static void write_part(const char *folder, const char *name,
                       const struct i8i_checkpoint *c, size_t begin, size_t end)
{
    struct i8i_safetensors_entry *list = calloc(end - begin, sizeof *list);
    char *header;
    size_t header_bytes;
    uint64_t bytes;
    ck_assert_ptr_nonnull(list);
    for (size_t i = begin; i < end; i++) {
        const struct i8i_tensor *t = &c->tensors[i];
        list[i - begin] = (struct i8i_safetensors_entry){
            .name = t->name, .dtype = t->dtype, .rank = t->rank, .which = i};
        memcpy(list[i - begin].shape, t->shape, sizeof t->shape);
    }
    ck_assert_int_eq(i8i_safetensors_layout(&header, &header_bytes, &bytes, list,
                                            end - begin, NULL, NULL),
                     I8_OK);
    char *file = malloc((size_t)bytes);
    ck_assert_ptr_nonnull(file);
    memcpy(file, header, header_bytes);
    for (size_t i = 0; i < end - begin; i++) {
        const struct i8i_tensor *t = &c->tensors[list[i].which];
        ck_assert_int_eq(
            i8i_tensor_read(c, t, file + list[i].offset, 0, (size_t)t->bytes, NULL),
            I8_OK);
    }
    free(scratch_write(folder, name, file, (size_t)bytes));
    free(file);
    free(header);
    free(list);
}

/* tiny-llama as DIR/NAME, in n files. */
static const char *split(const char *name, size_t n)
{
    const char *source = kept_data("tiny-llama"), *folder = kept_path(dir, name);
    struct i8i_tree *tree;
    struct i8i_checkpoint *c;
    struct i8i_json_writer w;
    size_t bytes;
    const char *config = file_text(source, "config.json", &bytes);
    free(scratch_write(folder, "config.json", config, bytes));
    ck_assert_int_eq(i8i_tree_open_directory(&tree, source, NULL), I8_OK);
    ck_assert_int_eq(i8i_checkpoint_open_tree(&c, tree, NULL), I8_OK);
    i8i_jw_init(&w, true);
    i8i_jw_begin_object(&w);
    i8i_jw_key(&w, "weight_map");
    i8i_jw_begin_object(&w);
    for (size_t i = 0; i < n; i++) {
        char part[64];
        const size_t begin = c->n_tensors * i / n, end = c->n_tensors * (i + 1) / n;
        snprintf(part, sizeof part, "model-%05zu-of-%05zu.safetensors", i + 1, n);
        write_part(folder, part, c, begin, end);
        for (size_t t = begin; t < end; t++)
            i8i_jw_kv_string(&w, c->tensors[t].name, part);
    }
    i8i_jw_end_object(&w);
    i8i_jw_end_object(&w);
    char *index = i8i_buffer_take(&w.buffer, &bytes);
    i8i_jw_free(&w);
    free(scratch_write(folder, "model.safetensors.index.json", index, bytes));
    free(index);
    i8i_checkpoint_free(c);
    i8i_tree_close(tree);
    return folder;
}

static uint64_t weights_bytes(const char *folder, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        char part[64];
        struct stat info;
        snprintf(part, sizeof part, "model-%05zu-of-%05zu.safetensors", i + 1, n);
        ck_assert_int_eq(stat(kept_path(folder, part), &info), 0);
        sum += (uint64_t)info.st_size;
    }
    return sum;
}

/* ---- */

/* The same files as the first conversion has made, which is noted in *first. */
static void assert_same(const char **first, struct conversion *c)
{
    const char *digest = folder_digest(c->options.output);
    *first = *first ? *first : digest;
    ck_assert_str_eq(digest, *first);
    conversion_free(c);
}

/* _i + 1 files. If a header is no longer than what may be read at a time, then the first
 * range that is handed out takes its file's hash along, and for one thread alone every
 * byte passes; if it is longer, then that depends on who comes first. */
START_TEST(any_files_and_jobs)
{
    const size_t n = (size_t)_i + 1;
    const char *model = split("model", n);
    const char *first = NULL;
    char passing[I8I_SIZE_TEXT], all[I8I_SIZE_TEXT];
    const struct i8_log log = {.write = note_passing, .ctx = passing};
    i8i_size_text(all, weights_bytes(model, n));
    for (unsigned jobs = 1; jobs <= 7; jobs++) {
        struct conversion c = conversion_of(model, dir, "out");
        c.options.jobs = jobs;
        c.options.max_shard_bytes = 400000;
        c.options.force = true;
        c.options.log = &log;
        c.tuning = tunings[(n + jobs) % N_TUNINGS];
        passing[0] = '\0';
        conversion_run(&c, I8_OK);
        const bool bridged = c.tuning.hash_bytes != 600;
        if (bridged && jobs == 1)
            ck_assert_str_eq(passing, all);
        if (bridged && jobs <= 4) /* for more all is kept for the end */
            ck_assert_str_ne(passing, "");
        assert_same(&first, &c);
    }
}
END_TEST

/* Transposed, zipped, and scattered tensors: what cannot be hashed as it passes. */
START_TEST(any_kind)
{
    static const char *const models[] = {"tiny/gpt2", "tiny/gpt2-bin", "tiny/t5-bin",
                                         "tiny/bloom-bin", "tiny/llama"};
    static const unsigned jobs[] = {1, 2, 5};
    const char *first = NULL;
    for (size_t i = 0; i < 3 * (size_t)N_TUNINGS; i++) {
        struct conversion c = conversion_of(kept_data(models[_i]), dir, "out");
        c.options.jobs = jobs[i % 3];
        c.options.max_shard_bytes = 100000;
        c.options.force = true;
        c.tuning = tunings[i / 3];
        if (c.tuning.block_bytes > 0 && c.tuning.block_bytes < 30000 && _i < 2)
            c.tuning.block_bytes = 30000; /* a column to transpose must fit */
        conversion_run(&c, I8_OK);
        assert_same(&first, &c);
    }
}
END_TEST

/* The manifest names what is in the frames, and has its digest. */
START_TEST(compressed_source)
{
    const char *plain = split("plain", 1), *packed = kept_path(dir, "packed");
    const char *name = "model-00001-of-00001.safetensors";
    size_t n;
    const char *text = file_text(plain, name, &n);
    free(scratch_write(kept_path(dir, "one"), "model.safetensors", text, n));
    struct zstd_builder z;
    zstd_begin(&z);
    for (size_t at = 0; at < n; at += 150000)
        zstd_add(&z, text + at, n - at < 150000 ? n - at : 150000);
    zstd_end(&z, 1);
    free(scratch_write(packed, "model.safetensors.zst", z.bytes.data, z.bytes.length));
    i8i_buffer_free(&z.bytes);
    text = file_text(plain, "config.json", &n);
    free(scratch_write(packed, "config.json", text, n));
    for (unsigned jobs = 1; jobs <= 4; jobs++) {
        struct conversion c = conversion_of(packed, dir, "out");
        c.options.jobs = jobs;
        c.options.max_shard_bytes = 400000;
        c.options.force = true;
        c.tuning = tunings[jobs];
        conversion_run(&c, I8_OK);
        assert_manifest(c.options.output, kept_path(dir, "one"));
        conversion_free(&c);
    }
}
END_TEST

/* What earlier runs have done is not read again to be converted, but to be hashed. */
START_TEST(resumed)
{
    unsigned random = 3 + (unsigned)_i;
    struct conversion c = conversion_of(split("model", 1 + (size_t)_i % 5), dir, "out");
    c.options.max_shard_bytes = 400000;
    for (int runs = 0;; runs++) {
        random = random * 1103515245 + 12345;
        c.options.jobs = 1 + random / 65536 % 5;
        c.tuning = tunings[random / 65536 % N_TUNINGS];
        if (came_through(conversion_start(&c, 1 + (int)(random / 65536 % 100))))
            break;
        ck_assert_int_lt(runs, 200);
    }
    assert_manifest(c.options.output, c.options.model);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("convert-hashes");
    TCase *c = tcase_create("convert-hashes");
    tcase_set_timeout(c, 300);
    tcase_add_checked_fixture(c, tools_begin, tools_end);
    tcase_add_loop_test(c, any_files_and_jobs, 0, 8);
    tcase_add_loop_test(c, any_kind, 0, 5);
    if (i8i_zstd_max_level() > 0)
        tcase_add_test(c, compressed_source);
    tcase_add_loop_test(c, resumed, 0, 10);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
