/* SPDX-License-Identifier: Apache-2.0
 *
 * What MODEL strings name, with a remote that only writes down what it is asked for; and
 * checkpoints of a tree whose files are opened side by side.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "checkpoint/checkpoint.h"
#include "scratch.h"
#include "source/model_source.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *dir;

static void set_up(void)
{
    dir = scratch_new();
    ck_assert_int_eq(chdir(dir), 0);
}

static void tear_down(void)
{
    i8i_remote_register(NULL);
    ck_assert_int_eq(chdir("/"), 0);
    scratch_remove(dir);
}

/* ---- a remote that opens the directory `there` for everything ---- */

static char asked[200]; /* "repository revision" of the last call */

static enum i8_status fake_open(void *ctx, struct i8i_tree **out, const char *repository,
                                const char *revision, struct i8_error *err)
{
    (void)snprintf(asked, sizeof asked, "%s %s", repository,
                   revision ? revision : "(none)");
    if (*(const enum i8_status *)ctx != I8_OK)
        return i8i_fail(err, *(const enum i8_status *)ctx, "no such repository");
    return i8i_tree_open_directory(out, dir, err);
}

static void use_remote(const enum i8_status *answer)
{
    const struct i8i_remote remote = {.open = fake_open, .ctx = (void *)answer};
    i8i_remote_register(&remote);
    asked[0] = '\0';
}

static const enum i8_status fine = I8_OK, missing = I8_ERR_NETWORK;

static void check_asks(const char *model, const char *expected)
{
    struct i8i_tree *tree;
    struct i8_error err = {0};
    use_remote(&fine);
    ck_assert_msg(i8i_open_model_tree(&tree, model, &err) == I8_OK, "%s: %s", model,
                  err.message);
    ck_assert_msg(strcmp(asked, expected) == 0, "%s: asked for '%s', expected '%s'",
                  model, asked, expected);
    ck_assert_msg(!*expected == !tree, "%s", model);
    i8i_tree_close(tree);
}

START_TEST(tells_repositories_from_paths)
{
    check_asks("org/name", "org/name (none)");
    check_asks("org/na-me_1.5@v1.0", "org/na-me_1.5 v1.0");
    check_asks("org/name@refs/pr/1", "org/name refs/pr/1");
    check_asks("hub:org/name", "org/name (none)");
    check_asks("hub:gpt2@main", "gpt2 main");
    check_asks("gpt2@main", "gpt2 main");
    check_asks("hub:org/tiny.bin", "org/tiny.bin (none)");
    /* These can only be paths, or slips of the pen in one. */
    static const char *const paths[] = {
        "gpt2",         "./org/name", "../name",         "/org/name",
        "org/name/x",   "org/",       "/name",           "",
        "org//name",    "or g/name",  "~/name",          "org/.name",
        "org/name.bin", "a/b.pt",     "a/x.safetensors", "org/name\n",
        "org/n\xc3\xa9"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        check_asks(paths[i], "");
}
END_TEST

START_TEST(existing_paths_win)
{
    struct i8i_tree *tree;
    struct i8_error err = {0};
    free(scratch_write(dir, "org/name/config.json", "{}", 2));
    free(scratch_write(dir, "org/file", "x", 1));
    use_remote(&fine);
    ck_assert_int_eq(i8i_open_model_tree(&tree, "org/name", &err), I8_OK);
    ck_assert_str_eq(asked, "");
    ck_assert(i8i_tree_exists(tree, "config.json"));
    i8i_tree_close(tree);
    check_asks("org/file", ""); /* the caller opens it */
    check_asks("hub:org/name", "org/name (none)");
    check_asks("org/name@main", "org/name main"); /* no such path */
}
END_TEST

START_TEST(errors_say_what_was_tried)
{
    struct i8i_tree *tree;
    struct i8_error err = {0};
    use_remote(&missing);
    ck_assert_int_eq(i8i_open_model_tree(&tree, "no/such", &err), I8_ERR_NETWORK);
    ck_assert_str_eq(err.message, "no/such: no such file or directory; as a Hub "
                                  "repository: no such repository");
    ck_assert_int_eq(i8i_open_model_tree(&tree, "hub:no/such", &err), I8_ERR_NETWORK);
    ck_assert_str_eq(err.message, "no such repository");
    ck_assert_int_eq(i8i_open_model_tree(&tree, "no/such@", &err), I8_ERR_ARG);
    ck_assert_str_eq(err.message, "no/such@: expected a revision (branch, tag or "
                                  "commit) behind '@'");
    ck_assert_int_eq(i8i_open_model_tree(&tree, "hub:a/b/c", &err), I8_ERR_ARG);
    ck_assert_str_eq(err.message,
                     "hub:a/b/c: expected hub:ORG/NAME or hub:ORG/NAME@REVISION");
    ck_assert_int_eq(i8i_open_model_tree(&tree, "hub:", &err), I8_ERR_ARG);
    i8i_remote_register(NULL);
    ck_assert_int_eq(i8i_open_model_tree(&tree, "no/such", &err), I8_ERR_UNSUPPORTED);
    ck_assert_str_eq(err.message,
                     "no/such: no such file or directory; as a Hub repository: "
                     "no/such: this program has no access to a Hub");
}
END_TEST

/* ---- files opened side by side ---- */

#define SHARDS 40

/* Shards of one tensor each, of s.0 bytes to s.39 bytes; `bad` has a broken header. */
static void write_shards(int bad)
{
    struct i8i_buffer index;
    i8i_buffer_init(&index, 1 << 20);
    i8i_buffer_puts(&index, "{\"weight_map\":{");
    for (int i = 0; i < SHARDS; i++) {
        char tensor[16], file[32];
        (void)snprintf(tensor, sizeof tensor, "t%d", i);
        (void)snprintf(file, sizeof file, "s%02d.safetensors", i);
        struct i8i_safetensors_entry e = {
            .name = tensor, .dtype = I8_DTYPE_U8, .rank = 1, .shape = {1}};
        char *header;
        size_t header_bytes;
        uint64_t size;
        ck_assert_int_eq(
            i8i_safetensors_layout(&header, &header_bytes, &size, &e, 1, NULL, NULL),
            I8_OK);
        char *bytes = i8i_calloc(size, 1);
        memcpy(bytes, header, header_bytes);
        bytes[size - 1] = (char)i;
        if (i == bad || (bad >= 0 && i == bad + 7))
            bytes[8] = '!';
        free(scratch_write(dir, file, bytes, size));
        free(bytes);
        free(header);
        i8i_buffer_printf(&index, "%s\"t%d\":\"%s\"", i ? "," : "", i, file);
    }
    i8i_buffer_puts(&index, "}}");
    free(scratch_write(dir, "model.safetensors.index.json", index.data, index.length));
    i8i_buffer_free(&index);
}

START_TEST(opens_shards_side_by_side)
{
    struct i8i_tree *tree;
    struct i8i_checkpoint *c;
    struct i8_error err = {0};
    write_shards(-1);
    ck_assert_int_eq(i8i_tree_open_directory(&tree, dir, &err), I8_OK);
    tree->parallel = 16;
    ck_assert_msg(i8i_checkpoint_open_tree(&c, tree, &err) == I8_OK, "%s", err.message);
    ck_assert_uint_eq(c->n_tensors, SHARDS);
    for (size_t i = 0; i < SHARDS; i++) { /* in the order of the files */
        char name[16], byte;
        (void)snprintf(name, sizeof name, "t%zu", i);
        ck_assert_str_eq(c->tensors[i].name, name);
        ck_assert_uint_eq(c->tensors[i].file, i);
        ck_assert_ptr_eq(i8i_checkpoint_find(c, name), &c->tensors[i]);
        ck_assert_int_eq(i8i_tensor_read(c, &c->tensors[i], &byte, 0, 1, &err), I8_OK);
        ck_assert_int_eq(byte, (char)i);
    }
    i8i_checkpoint_free(c);
    i8i_tree_close(tree);
}
END_TEST

START_TEST(names_the_first_fault_of_many)
{
    struct i8i_tree *tree;
    struct i8i_checkpoint *c;
    struct i8_error err = {0};
    write_shards(20);
    ck_assert_int_eq(i8i_tree_open_directory(&tree, dir, &err), I8_OK);
    for (int run = 0; run < 20; run++) {
        tree->parallel = run % 2 ? 16 : 0;
        ck_assert_int_eq(i8i_checkpoint_open_tree(&c, tree, &err), I8_ERR_DATA);
        ck_assert_ptr_null(c);
        ck_assert_msg(strstr(err.message, "/s20.safetensors:") != NULL, "%s",
                      err.message);
    }
    i8i_tree_close(tree);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model_source");
    TCase *names = tcase_create("names");
    tcase_add_checked_fixture(names, set_up, tear_down);
    tcase_add_test(names, tells_repositories_from_paths);
    tcase_add_test(names, existing_paths_win);
    tcase_add_test(names, errors_say_what_was_tried);
    tcase_add_test(names, opens_shards_side_by_side);
    tcase_add_test(names, names_the_first_fault_of_many);
    suite_add_tcase(suite, names);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
