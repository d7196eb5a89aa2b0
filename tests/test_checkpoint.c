/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints of several files: the index and its shards held to each other, directory
 * trees, reading tensors, and the public view.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "checkpoint/checkpoint.h"
#include "scratch.h"

#include <check.h>
#include <int8tool/checkpoint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *dir;

static void setup(void)
{
    dir = scratch_new();
}

static void teardown(void)
{
    scratch_remove(dir);
}

/* A shard with one-byte tensors of the given names; the byte is the name's first. */
static void write_shard(const char *file, const char *const *names)
{
    struct i8i_safetensors_entry e[8] = {0};
    size_t n = 0, header_bytes;
    uint64_t size;
    char *header;
    for (; names[n] != NULL; n++)
        e[n] = (struct i8i_safetensors_entry){.name = names[n], .dtype = I8_DTYPE_U8};
    ck_assert_int_eq(
        i8i_safetensors_layout(&header, &header_bytes, &size, e, n, NULL, NULL), I8_OK);
    char *bytes = i8i_calloc(size, 1);
    memcpy(bytes, header, header_bytes);
    for (size_t i = 0; i < n; i++)
        bytes[e[i].offset] = e[i].name[0];
    free(scratch_write(dir, file, bytes, size));
    free(bytes);
    free(header);
}

static void write_text(const char *file, const char *text)
{
    free(scratch_write(dir, file, text, strlen(text)));
}

static enum i8_status open_dir(struct i8i_checkpoint **c, struct i8i_tree **tree,
                               struct i8_error *err)
{
    ck_assert_int_eq(i8i_tree_open_directory(tree, dir, err), I8_OK);
    return i8i_checkpoint_open_tree(c, *tree, err);
}

#define INDEX "model.safetensors.index.json"
#define S1    "s1.safetensors"
#define S2    "sub/s2.safetensors"

START_TEST(opens_shards)
{
    struct i8i_checkpoint *c;
    struct i8i_tree *tree;
    struct i8_error err = {0};
    write_shard(S2, (const char *const[]){"c", NULL});
    write_shard(S1, (const char *const[]){"b", "a", NULL});
    write_text(INDEX, "{\"metadata\":{\"total_size\":-1},\"weight_map\":"
                      "{\"c\":\"" S2 "\",\"a\":\"" S1 "\",\"b\":\"" S1 "\"}}");
    ck_assert_msg(open_dir(&c, &tree, &err) == I8_OK, "%s", err.message);
    ck_assert_uint_eq(c->n_tensors, 3);
    ck_assert_uint_eq(c->n_files, 2);
    ck_assert_str_eq(c->files[0].name, S1);
    ck_assert_str_eq(c->files[1].name, S2);
    for (size_t i = 0; i < 3; i++) {
        const struct i8i_tensor *t = &c->tensors[i];
        char byte = 0;
        ck_assert_int_eq(t->name[0], "abc"[i]);
        ck_assert_ptr_eq(i8i_checkpoint_find(c, t->name), t);
        ck_assert_int_eq(i8i_tensor_read(c, t, &byte, 0, 1, &err), I8_OK);
        ck_assert_int_eq(byte, t->name[0]);
        ck_assert_int_eq(i8i_tensor_read(c, t, &byte, 1, 0, &err), I8_OK);
        ck_assert_int_eq(i8i_tensor_read(c, t, &byte, 1, 1, &err), I8_ERR_ARG);
        ck_assert_int_eq(i8i_tensor_read(c, t, &byte, UINT64_MAX, 2, &err), I8_ERR_ARG);
    }
    ck_assert_ptr_null(i8i_checkpoint_find(c, "d"));
    i8i_checkpoint_free(c);
    i8i_tree_close(tree);
}
END_TEST

static const struct {
    const char *index, *message;
} bad_indexes[] = {
    {"", "at byte 0"},
    {"[]", "expected an object 'weight_map'"},
    {"{}", "expected an object 'weight_map'"},
    {"{\"weight_map\":[]}", "expected an object 'weight_map'"},
    {"{\"weight_map\":{\"a\":1}}", "tensor 'a': expected a file name as text"},
    {"{\"weight_map\":{\"a\":\"../" S1 "\"}}",
     "tensor 'a': expected a plain file name, found '../" S1 "'"},
    {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}",
     "tensor 'a': expected a plain file name, found '/etc/passwd'"},
    {"{\"weight_map\":{\"a\":\"sub/../" S1 "\"}}",
     "tensor 'a': expected a plain file name"},
    {"{\"weight_map\":{\"a\":\"\"}}", "tensor 'a': expected a plain file name"},
    {"{\"weight_map\":{\"a\":\"sub\"}}", "tensor 'a': its file 'sub' does not exist"},
    {"{\"weight_map\":{\"a\":\"s3.safetensors\"}}",
     "tensor 'a': its file 's3.safetensors' does not exist"},
    {"{\"weight_map\":{\"a\":\"" S1 "\",\"a\":\"" S1 "\"}}", "\"a\" appears twice"},
    {"{\"weight_map\":{\"a\":\"" S1 "\",\"b\":\"" S1 "\",\"\\u0061\":\"" S1
     "\",\"c\":\"" S2 "\"}}",
     "\"a\" appears twice"},
    {"{\"weight_map\":{\"a\":\"" S1 "\"},\"weight_map\":{}}",
     "\"weight_map\" appears twice"},
    {"{\"metadata\":{\"x\":1,\"x\":2},\"weight_map\":{}}", "\"x\" appears twice"},
    {"{\"weight_map\":{\"a\":\"" S1 "\",\"c\":\"" S2 "\"}}",
     "tensor 'b' of " S1 " is not in the index"},
    {"{\"weight_map\":{\"a\":\"" S1 "\",\"b\":\"" S1 "\",\"c\":\"" S2 "\",\"d\":\"" S2
     "\"}}",
     "tensor 'd': expected in " S2 ", which lacks it"},
    {"{\"weight_map\":{\"a\":\"" S1 "\",\"b\":\"" S2 "\",\"c\":\"" S2 "\"}}",
     "tensor 'b': expected in " S2 " only, found in " S1},
};

START_TEST(refuses_bad_indexes)
{
    struct i8i_checkpoint *c;
    struct i8i_tree *tree;
    struct i8_error err = {0};
    write_shard(S1, (const char *const[]){"a", "b", NULL});
    write_shard(S2, (const char *const[]){"c", NULL});
    write_text(INDEX, bad_indexes[_i].index);
    ck_assert_int_eq(open_dir(&c, &tree, &err), I8_ERR_DATA);
    ck_assert_int_eq(err.status, I8_ERR_DATA);
    ck_assert_ptr_null(c);
    ck_assert_msg(strstr(err.message, bad_indexes[_i].message) != NULL &&
                      strstr(err.message, "/" INDEX ": ") != NULL,
                  "expected '%s', found: %s", bad_indexes[_i].message, err.message);
    i8i_tree_close(tree);
}
END_TEST

START_TEST(refuses_a_tensor_in_two_shards)
{
    struct i8i_checkpoint *c;
    struct i8i_tree *tree;
    struct i8_error err = {0};
    write_shard(S1, (const char *const[]){"a", NULL});
    write_shard(S2, (const char *const[]){"a", "b", NULL});
    write_text(INDEX, "{\"weight_map\":{\"a\":\"" S1 "\",\"b\":\"" S2 "\"}}");
    ck_assert_int_eq(open_dir(&c, &tree, &err), I8_ERR_DATA);
    ck_assert_ptr_nonnull(
        strstr(err.message, "tensor 'a': expected in " S1 " only, found in " S2));
    i8i_tree_close(tree);
}
END_TEST

START_TEST(names_the_bad_shard)
{
    struct i8i_checkpoint *c;
    struct i8i_tree *tree;
    struct i8_error err = {0};
    write_shard(S1, (const char *const[]){"a", NULL});
    write_text(S2, "\2\0\0\0\0\0\0\0{}x");
    write_text(INDEX, "{\"weight_map\":{\"a\":\"" S1 "\",\"b\":\"" S2 "\"}}");
    ck_assert_int_eq(open_dir(&c, &tree, &err), I8_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(err.message, "/" S2 ": "));
    i8i_tree_close(tree);
}
END_TEST

START_TEST(single_file_wins_over_the_index)
{
    struct i8i_checkpoint *c;
    struct i8i_tree *tree;
    struct i8_error err = {0};
    write_text(INDEX, "nonsense");
    write_shard("model.safetensors", (const char *const[]){"x", NULL});
    ck_assert_msg(open_dir(&c, &tree, &err) == I8_OK, "%s", err.message);
    ck_assert_str_eq(c->files[0].name, "model.safetensors");
    i8i_checkpoint_free(c);
    i8i_tree_close(tree);
}
END_TEST

START_TEST(says_what_it_looked_for)
{
    struct i8i_checkpoint *c;
    struct i8i_tree *tree;
    struct i8_error err = {0};
    ck_assert_int_eq(open_dir(&c, &tree, &err), I8_ERR_IO);
    ck_assert_ptr_nonnull(
        strstr(err.message, "no weights: expected model.safetensors, "));
    i8i_tree_close(tree);
    ck_assert_int_eq(i8i_tree_open_directory(&tree, "/nonexistent", &err), I8_ERR_IO);
    ck_assert_str_eq(err.message,
                     "cannot open directory /nonexistent: No such file or directory");
    ck_assert_int_eq(i8i_checkpoint_open_file(&c, "/nonexistent", &err), I8_ERR_IO);
    ck_assert_int_eq(i8i_checkpoint_open_file(&c, dir, &err), I8_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "a directory, expected a file"));
    char *pipe = i8i_path_join(dir, "pipe");
    ck_assert_int_eq(mkfifo(pipe, 0600), 0);
    ck_assert_int_eq(i8i_checkpoint_open_file(&c, pipe, &err), I8_ERR_IO);
    free(pipe);
}
END_TEST

START_TEST(notices_a_file_that_shrinks)
{
    struct i8i_checkpoint *c;
    struct i8_error err = {0};
    char byte;
    write_shard(S1, (const char *const[]){"a", NULL});
    char *path = i8i_path_join(dir, S1);
    ck_assert_int_eq(i8i_checkpoint_open_file(&c, path, &err), I8_OK);
    ck_assert_int_eq(truncate(path, 8), 0);
    ck_assert_int_eq(i8i_tensor_read(c, &c->tensors[0], &byte, 0, 1, &err), I8_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(err.message, S1 ": ends at byte"));
    i8i_checkpoint_free(c);
    free(path);
}
END_TEST

/* ---- trees ---- */

static enum i8_status list_file(void *ctx, const char *name, uint64_t size,
                                struct i8_error *err)
{
    if (strcmp(name, "z") == 0)
        return i8i_fail(err, I8_ERR_CANCELLED, "stopped");
    i8i_buffer_printf(ctx, "%s=%d ", name, (int)size);
    return I8_OK;
}

START_TEST(lists_files)
{
    struct i8i_tree *tree;
    struct i8_error err = {0};
    struct i8i_buffer b;
    i8i_buffer_init(&b, 1000);
    write_text("b", "12");
    write_text("a/x", "1");
    write_text("a.txt", "");
    write_text(".hidden", "123");
    char *link = i8i_path_join(dir, "link"), *loop = i8i_path_join(dir, "a/loop"),
         *dangling = i8i_path_join(dir, "dangling");
    ck_assert_int_eq(symlink("b", link), 0);
    ck_assert_int_eq(symlink("..", loop), 0);
    ck_assert_int_eq(symlink("nothing", dangling), 0);
    ck_assert_int_eq(i8i_tree_open_directory(&tree, dir, &err), I8_OK);
    ck_assert_int_eq(i8i_tree_list(tree, list_file, &b, &err), I8_OK);
    ck_assert_str_eq(b.data, ".hidden=3 a.txt=0 a/x=1 b=2 link=2 ");
    ck_assert(i8i_tree_exists(tree, "a/x") && i8i_tree_exists(tree, "link"));
    ck_assert(!i8i_tree_exists(tree, "a") && !i8i_tree_exists(tree, "a/../b"));
    struct i8i_source *s;
    ck_assert_int_eq(i8i_tree_open(tree, &s, "../b", &err), I8_ERR_DATA);
    ck_assert_ptr_nonnull(
        strstr(err.message, "'../b' is not a plain relative file name"));
    char *text;
    size_t n;
    ck_assert_int_eq(i8i_tree_read(tree, &text, &n, "link", 2, &err), I8_OK);
    ck_assert_str_eq(text, "12");
    free(text);
    ck_assert_int_eq(i8i_tree_read(tree, &text, &n, "b", 1, &err), I8_ERR_DATA);
    ck_assert_int_eq(i8i_tree_read(tree, &text, &n, "none", 1, &err), I8_ERR_IO);
    write_text("z", "");
    ck_assert_int_eq(i8i_tree_list(tree, list_file, &b, &err), I8_ERR_CANCELLED);
    i8i_tree_close(tree);
    i8i_buffer_free(&b);
    free(link);
    free(loop);
    free(dangling);
}
END_TEST

/* ---- the public view ---- */

START_TEST(public_view)
{
    struct i8_checkpoint *c;
    struct i8_error err = {0};
    char *path = test_data("tiny/llama");
    ck_assert_msg(i8_checkpoint_open(&c, path, &err) == I8_OK, "%s", err.message);
    size_t n = i8_checkpoint_count(c), found = 0;
    ck_assert_uint_gt(n, 10);
    for (size_t i = 0; i < n; i++) {
        struct i8_tensor_info t = i8_checkpoint_get(c, i);
        ck_assert_int_eq(strncmp(t.file, "model-0000", 10), 0);
        uint64_t bytes = i8_dtype_bits(t.dtype) / 8;
        for (unsigned d = 0; d < t.rank; d++)
            bytes *= t.shape[d];
        ck_assert_uint_eq(t.bytes, bytes);
        found += strcmp(t.name, "model.embed_tokens.weight") == 0;
    }
    ck_assert_uint_eq(found, 1);
    i8_checkpoint_free(c);
    free(path);
    path = test_data("tiny-llama/model.safetensors");
    ck_assert_int_eq(i8_checkpoint_open(&c, path, &err), I8_OK);
    ck_assert_str_eq(i8_checkpoint_get(c, 0).file, path);
    i8_checkpoint_free(c);
    free(path);
    ck_assert_int_eq(i8_checkpoint_open(&c, dir, &err), I8_ERR_IO);
    ck_assert_ptr_null(c);
    i8_checkpoint_free(NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("checkpoint");
    TCase *t = tcase_create("checkpoint");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, opens_shards);
    tcase_add_loop_test(t, refuses_bad_indexes, 0,
                        sizeof bad_indexes / sizeof bad_indexes[0]);
    tcase_add_test(t, refuses_a_tensor_in_two_shards);
    tcase_add_test(t, names_the_bad_shard);
    tcase_add_test(t, single_file_wins_over_the_index);
    tcase_add_test(t, says_what_it_looked_for);
    tcase_add_test(t, notices_a_file_that_shrinks);
    tcase_add_test(t, lists_files);
    tcase_add_test(t, public_view);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
