/* SPDX-License-Identifier: Apache-2.0
 *
 * Helpers for the tests of lib/convert.
 */
#include "config.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "convert_tools.h"
#include "scratch.h"

#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct kept {
    struct kept *next;
    void *memory;
} * kept_list;

static void *keep(void *memory)
{
    struct kept *k = malloc(sizeof *k);
    ck_assert(k && memory);
    *k = (struct kept){.next = kept_list, .memory = memory};
    kept_list = k;
    return memory;
}

char *dir;

void tools_begin(void)
{
    dir = scratch_new();
}

void tools_end(void)
{
    scratch_remove(dir);
    while (kept_list) {
        struct kept *k = kept_list;
        kept_list = k->next;
        free(k->memory);
        free(k);
    }
}

const char *kept_path(const char *folder, const char *name)
{
    return keep(i8i_path_join(folder, name));
}

const char *kept_data(const char *name)
{
    return keep(test_data(name));
}

struct conversion conversion_of(const char *model, const char *folder, const char *out)
{
    struct conversion c = {.options = I8_CONVERT_OPTIONS_INIT};
    c.options.model = model;
    c.options.output = kept_path(folder, out);
    c.options.jobs = 2;
    return c;
}

void conversion_run(struct conversion *c, enum i8_status expected)
{
    conversion_free(c);
    c->err = (struct i8_error){0};
    enum i8_status st = i8i_convert_tuned(&c->result, &c->options, &c->tuning, &c->err);
    ck_assert_msg(st == expected, "%s -> %s: status %d (%s), expected %d",
                  c->options.model, c->options.output, st, c->err.message, expected);
    if (st == I8_OK && c->result.complete && !c->options.no_hash)
        assert_manifest(c->options.output, c->options.model);
}

void conversion_free(struct conversion *c)
{
    i8_convert_result_free(&c->result);
}

int stop_after(void *ctx, const char *what, unsigned long long done,
               unsigned long long total, const char *unit)
{
    int *calls = ctx;
    (void)what;
    (void)done;
    (void)total;
    (void)unit;
    return --*calls <= 0;
}

int kill_after(void *ctx, const char *what, unsigned long long done,
               unsigned long long total, const char *unit)
{
    if (stop_after(ctx, what, done, total, unit))
        raise(SIGKILL);
    return 0;
}

pid_t conversion_start(const struct conversion *c, int calls)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child > 0)
        return child;
    struct conversion mine = *c;
    const struct i8_progress progress = {.update = kill_after, .ctx = &calls};
    if (calls > 0)
        mine.options.progress = &progress;
    if (i8i_convert_tuned(&mine.result, &mine.options, &mine.tuning, &mine.err) == I8_OK)
        _exit(0);
    fprintf(stderr, "%s: %s\n", mine.options.output, mine.err.message);
    _exit(1);
}

bool came_through(pid_t child)
{
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) || WEXITSTATUS(status) == 0, "the child failed");
    return WIFEXITED(status);
}

bool exists(const char *folder, const char *name)
{
    char *path = i8i_path_join(folder, name);
    bool found = access(path, F_OK) == 0;
    free(path);
    return found;
}

const char *file_text(const char *folder, const char *name, size_t *length)
{
    char *text;
    size_t n;
    struct i8_error err = {0};
    enum i8_status st = i8i_read_file(&text, length ? length : &n,
                                      kept_path(folder, name), SIZE_MAX, &err);
    ck_assert_msg(st == I8_OK, "%s", err.message);
    return keep(text);
}

struct digest_list {
    const char *folder;
    struct i8i_buffer text;
};

static uint64_t digest_file(char hex[I8I_HASH_HEX], const char *folder, const char *name)
{
    size_t length;
    struct i8i_hash *h;
    const char *text = file_text(folder, name, &length);
    ck_assert_int_eq(i8i_hash_new(&h, I8I_SHA256, NULL), I8_OK);
    i8i_hash_update(h, text, length);
    ck_assert_int_eq(i8i_hash_final(h, hex, NULL), I8_OK);
    i8i_hash_free(h);
    return length;
}

static enum i8_status add_digest(void *ctx, const char *name, uint64_t size,
                                 struct i8_error *err)
{
    struct digest_list *l = ctx;
    char hex[I8I_HASH_HEX];
    (void)err;
    ck_assert_uint_eq(digest_file(hex, l->folder, name), size);
    i8i_buffer_printf(&l->text, "%s %" PRIu64 " %s\n", name, size, hex);
    return I8_OK;
}

const char *folder_digest(const char *folder)
{
    struct digest_list l = {.folder = folder};
    struct i8i_tree *tree;
    size_t length;
    i8i_buffer_init(&l.text, SIZE_MAX);
    ck_assert_int_eq(i8i_tree_open_directory(&tree, folder, NULL), I8_OK);
    ck_assert_int_eq(i8i_tree_list(tree, add_digest, &l, NULL), I8_OK);
    i8i_tree_close(tree);
    return keep(i8i_buffer_take(&l.text, &length));
}

/* Returns how many of the listed files are there. */
static int assert_listed(const i8i_json *files, const char *folder)
{
    int found = 0;
    for (const i8i_json *f = i8i_json_first(files); f; f = i8i_json_next(f)) {
        char hex[I8I_HASH_HEX];
        const char *name = i8i_json_string(i8i_json_get(f, "name"));
        if (!exists(folder, name))
            continue;
        digest_file(hex, folder, name);
        ck_assert_msg(strcmp(i8i_json_string(i8i_json_get(f, "sha256")), hex) == 0,
                      "%s/%s", folder, name);
        found++;
    }
    return found;
}

void assert_manifest(const char *output, const char *model)
{
    i8i_json *doc;
    size_t n;
    const char *text = file_text(output, "int8tool.json", &n);
    ck_assert_int_eq(i8i_json_parse(&doc, text, n, "int8tool.json", NULL), I8_OK);
    const i8i_json *sources = i8i_json_get(i8i_json_get(doc, "source"), "files");
    const char *folder = model;
    if (!i8i_is_directory(model))
        folder = keep(i8i_strndup(model, (size_t)(i8i_path_base(model) - model)));
    ck_assert_int_gt(assert_listed(sources, folder), 0);
    const i8i_json *files = i8i_json_get(doc, "files");
    ck_assert_int_eq(assert_listed(files, output), i8i_json_count(files));
    i8i_json_free(doc);
}

void assert_digest(const char *folder, const char *expected)
{
    const char *digest = folder_digest(folder);
    ck_assert_msg(strcmp(digest, expected) == 0, "%s\n%s", expected, digest);
}

const char *write_tensors(const char *folder, const char *name,
                          const struct raw_tensor *list, size_t count)
{
    struct i8i_safetensors_entry entries[16];
    char *header;
    size_t header_bytes;
    uint64_t file_bytes;
    ck_assert_uint_le(count, 16);
    for (size_t i = 0; i < count; i++)
        entries[i] =
            (struct i8i_safetensors_entry){.name = list[i].name,
                                           .dtype = I8_DTYPE_F32,
                                           .rank = list[i].cols ? 2 : 1,
                                           .shape = {list[i].rows, list[i].cols}};
    ck_assert_int_eq(i8i_safetensors_layout(&header, &header_bytes, &file_bytes, entries,
                                            count, NULL, NULL),
                     I8_OK);
    char *bytes = calloc(1, (size_t)file_bytes);
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, header, header_bytes);
    for (size_t e = 0; e < count; e++) {
        for (size_t i = 0; i < count; i++) {
            if (strcmp(list[i].name, entries[e].name) == 0)
                memcpy(bytes + entries[e].offset, list[i].values, entries[e].bytes);
        }
    }
    char *path = scratch_write(folder, name, bytes, (size_t)file_bytes);
    free(bytes);
    free(header);
    return keep(path);
}

const void *read_tensor(const char *path, const char *name, enum i8_dtype dtype,
                        uint64_t bytes)
{
    struct i8i_checkpoint *c;
    struct i8i_tree *tree = NULL;
    struct i8_error err = {0};
    enum i8_status st;
    if (i8i_is_directory(path)) {
        ck_assert_int_eq(i8i_tree_open_directory(&tree, path, &err), I8_OK);
        st = i8i_checkpoint_open_tree(&c, tree, &err);
    } else {
        st = i8i_checkpoint_open_file(&c, path, &err);
    }
    ck_assert_msg(st == I8_OK, "%s", err.message);
    const struct i8i_tensor *t = i8i_checkpoint_find(c, name);
    ck_assert_msg(t != NULL, "%s: no tensor '%s'", path, name);
    ck_assert_int_eq(t->dtype, dtype);
    ck_assert_uint_eq(t->bytes, bytes);
    void *data = keep(malloc((size_t)bytes + 1));
    ck_assert_int_eq(i8i_tensor_read(c, t, data, 0, (size_t)bytes, &err), I8_OK);
    i8i_checkpoint_free(c);
    i8i_tree_close(tree);
    return data;
}
