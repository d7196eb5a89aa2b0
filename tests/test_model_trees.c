/* SPDX-License-Identifier: Apache-2.0
 *
 * Every family's module tree against the one that transformers makes of the same
 * config.json: the files of tests/data/trees, written by tests/interop/model_trees.py,
 * which describes the format. Each checkpoint is a hole in a file, so full-size models
 * cost nothing; each is opened with and without its base-model prefix.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "model/model.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct expected_module {
    char *path, *class_name;
    bool no_split, int8;
};
struct expected_param {
    char *name;
    uint32_t rank;
    uint64_t shape[I8I_MAX_RANK];
    bool buffer, persistent;
    enum i8_dtype dtype; /* of buffers */
};
struct expected_tie {
    char *target, *source;
};
struct expected {
    char *config;
    struct expected_module *modules;
    size_t n_modules, module_capacity;
    struct expected_param *params;
    size_t n_params, param_capacity;
    struct expected_tie ties[8];
    size_t n_ties;
};

static char **files;
static size_t n_files;

/* ---- reading a .tree ---- */

/* `text` with the block's index in place of '#'. */
static char *numbered(const char *text, int index)
{
    const char *mark = index < 0 ? NULL : strchr(text, '#');
    char *s = mark ? i8i_format("%.*s%d%s", (int)(mark - text), text, index, mark + 1)
                   : i8i_strdup(text);
    ck_assert_ptr_nonnull(s);
    return s;
}

static void parse_shape(struct expected_param *p, const char *text)
{
    if (strcmp(text, "scalar") == 0)
        return;
    for (char *end; *text; text = *end ? end + 1 : end)
        p->shape[p->rank++] = strtoull(text, &end, 10);
}

static void parse_line(struct expected *e, const char *line, int index)
{
    char name[256], a[256], b[64] = "", c[64] = "";
    int n = sscanf(line + 2, "%255s %255s %63s %63s", name, a, b, c);
    ck_assert_int_ge(n, 2);
    if (line[0] == 'm') {
        ck_assert(i8i_grow(&e->modules, &e->module_capacity, e->n_modules + 1,
                           sizeof *e->modules));
        e->modules[e->n_modules++] = (struct expected_module){
            .path = numbered(strcmp(name, ".") == 0 ? "" : name, index),
            .class_name = i8i_strdup(a),
            .no_split = strchr(b, 's') != NULL,
            .int8 = strchr(b, 'i') != NULL,
        };
    } else if (line[0] == 'p' || line[0] == 'b') {
        ck_assert(
            i8i_grow(&e->params, &e->param_capacity, e->n_params + 1, sizeof *e->params));
        struct expected_param *p = &e->params[e->n_params++];
        *p = (struct expected_param){.name = numbered(name, index)};
        parse_shape(p, a);
        p->buffer = line[0] == 'b';
        p->dtype = i8_dtype_parse(b, strlen(b));
        p->persistent = !p->buffer || strcmp(c, "persistent") == 0;
    } else {
        ck_assert_int_eq(line[0], 't');
        ck_assert_uint_lt(e->n_ties, 8);
        e->ties[e->n_ties++] = (struct expected_tie){i8i_strdup(name), i8i_strdup(a)};
    }
}

static void read_tree(struct expected *e, const char *path)
{
    struct i8_error err;
    char *text;
    size_t length;
    ck_assert_int_eq(i8i_read_file(&text, &length, path, 1 << 20, &err), I8_OK);
    *e = (struct expected){0};
    char *block = NULL; /* the line behind an "r", while its block is repeated */
    int index = -1, last = -1;
    for (char *line = text; *line;) {
        char *end = strchr(line, '\n');
        ck_assert_ptr_nonnull(end);
        *end = '\0';
        if (strncmp(line, "config ", 7) == 0) {
            e->config = i8i_strdup(line + 7);
        } else if (line[0] == 'r') {
            ck_assert_int_eq(sscanf(line, "r %d %d", &index, &last), 2);
            block = end + 1;
        } else if (line[0] == 'e') {
            if (index < last) {
                *end = '\n';
                index++;
                line = block;
                continue;
            }
            index = -1;
        } else {
            parse_line(e, line, index);
        }
        *end = '\n';
        line = end + 1;
    }
    free(text);
}

static void free_tree(struct expected *e)
{
    for (size_t i = 0; i < e->n_modules; i++) {
        free(e->modules[i].path);
        free(e->modules[i].class_name);
    }
    for (size_t i = 0; i < e->n_params; i++)
        free(e->params[i].name);
    for (size_t i = 0; i < e->n_ties; i++) {
        free(e->ties[i].target);
        free(e->ties[i].source);
    }
    free(e->modules);
    free(e->params);
    free(e->config);
}

static const char *tie_source(const struct expected *e, const char *name)
{
    for (size_t i = 0; i < e->n_ties; i++) {
        if (strcmp(e->ties[i].target, name) == 0)
            return e->ties[i].source;
    }
    return NULL;
}

/* ---- the checkpoint that such a model would save ---- */

static const char *stripped(const char *name, const char *prefix)
{
    size_t n = prefix ? strlen(prefix) : 0;
    return n && strncmp(name, prefix, n) == 0 && name[n] == '.' ? name + n + 1 : name;
}

/* Names in published checkpoints that transformers 5 changes as it loads them. */
static const struct {
    const char *type, *now, *then;
} renames[] = {
    {"gpt_neox", "lm_head.", "embed_out."},
    {"mixtral", ".mlp.", ".block_sparse_moe."},
    {"gemma3", "model.language_model.", "language_model.model."},
    {"gemma3", "model.vision_tower.", "vision_tower.vision_model."},
    {"gemma3", "model.multi_modal_projector.", "multi_modal_projector."},
    {"vit", "layers.", "encoder.layer."},
    {"vit", "attention.q_proj.", "attention.attention.query."},
    {"vit", "attention.k_proj.", "attention.attention.key."},
    {"vit", "attention.v_proj.", "attention.attention.value."},
    {"vit", "attention.o_proj.", "attention.output.dense."},
    {"vit", "mlp.fc1.", "intermediate.dense."},
    {"vit", "mlp.fc2.", "output.dense."},
};

/* What a checkpoint may have of its own. */
struct spelling {
    const char *prefix; /* dropped from names */
    const char *type;   /* a model_type: by its renames; else NULL */
    bool old_norms;     /* LayerNorm.gamma and .beta, as of BERT's time */
    bool unknown;       /* of a family that no table describes */
    bool int8;          /* what transformers makes int8 is, as bitsandbytes stores it */
    const char *extra;  /* one more tensor, of no use; else NULL */
};

static char *renamed(char *name, const char *type)
{
    for (size_t i = 0; type && i < sizeof renames / sizeof *renames; i++) {
        const char *at = strstr(name, renames[i].now);
        if (!at || strcmp(type, renames[i].type) != 0)
            continue;
        char *old = name;
        name = i8i_format("%.*s%s%s", (int)(at - old), old, renames[i].then,
                          at + strlen(renames[i].now));
        free(old);
    }
    return name;
}

static char *spelt(const char *name, const struct spelling *how)
{
    name = stripped(name, how->prefix);
    const char *leaf = how->old_norms ? strstr(name, "LayerNorm.") : NULL;
    if (!leaf)
        return renamed(i8i_strdup(name), how->type);
    return i8i_format("%.*s%s", (int)(leaf - name) + 10, name,
                      strcmp(leaf + 10, "weight") == 0 ? "gamma" : "beta");
}

/* The Linear whose weight `name` is, if it is stored as int8. */
static const struct expected_module *int8_module(const struct expected *e,
                                                 const char *name)
{
    const char *leaf = strrchr(name, '.');
    for (size_t i = 0; leaf && strcmp(leaf, ".weight") == 0 && i < e->n_modules; i++) {
        const struct expected_module *x = &e->modules[i];
        size_t n = (size_t)(leaf - name);
        if (x->int8 && strncmp(x->path, name, n) == 0 && x->path[n] == '\0')
            return x;
    }
    return NULL;
}

struct entries {
    struct i8i_safetensors_entry *at;
    size_t n;
};

static void add_entry(struct entries *list, char *name, enum i8_dtype dtype,
                      uint32_t rank, const uint64_t *shape)
{
    struct i8i_safetensors_entry *entry = &list->at[list->n++];
    *entry = (struct i8i_safetensors_entry){.name = name, .dtype = dtype, .rank = rank};
    memcpy(entry->shape, shape, rank * sizeof *shape);
}

/* A row-wise int8 matrix and its companions; a Conv1D is turned over. */
static void add_int8(struct entries *list, const struct expected_param *p, char *name,
                     const char *class_name)
{
    bool turned = strcmp(class_name, "Conv1D") == 0;
    const uint64_t shape[2] = {p->shape[turned], p->shape[!turned]};
    int stem = (int)(strlen(name) - strlen("weight"));
    add_entry(list, name, I8_DTYPE_I8, 2, shape);
    add_entry(list, i8i_format("%.*sSCB", stem, name), I8_DTYPE_F32, 1, shape);
    add_entry(list, i8i_format("%.*sweight_format", stem, name), I8_DTYPE_U8, 0, shape);
}

/* A file that begins with `n` bytes and is a hole up to `size`. */
static void write_file(const char *dir, const char *name, const void *bytes, size_t n,
                       uint64_t size)
{
    char *path = i8i_path_join(dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
    ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
    close(fd);
    free(path);
}

static void write_checkpoint(const char *dir, const struct expected *e,
                             const struct spelling *how)
{
    static const uint64_t extra_shape[] = {2, 2};
    struct entries list = {calloc(3 * e->n_params + 1, sizeof *list.at), 0};
    for (size_t i = 0; i < e->n_params; i++) {
        const struct expected_param *p = &e->params[i];
        if (!p->persistent || tie_source(e, p->name))
            continue;
        const struct expected_module *x = how->int8 ? int8_module(e, p->name) : NULL;
        char *name = spelt(p->name, how);
        if (x)
            add_int8(&list, p, name, x->class_name);
        else
            add_entry(&list, name, p->buffer ? p->dtype : I8_DTYPE_BF16, p->rank,
                      p->shape);
    }
    if (how->extra)
        add_entry(&list, i8i_strdup(how->extra), I8_DTYPE_BF16, 2, extra_shape);
    char *header;
    size_t header_bytes;
    uint64_t file_bytes;
    struct i8_error err;
    ck_assert_int_eq(i8i_safetensors_layout(&header, &header_bytes, &file_bytes, list.at,
                                            list.n, NULL, &err),
                     I8_OK);
    write_file(dir, "model.safetensors", header, header_bytes, file_bytes);
    const char *config = how->unknown ? "{\"model_type\":\"unknown\"}" : e->config;
    write_file(dir, "config.json", config, strlen(config), strlen(config));
    free(header);
    for (size_t i = 0; i < list.n; i++)
        free((char *)list.at[i].name);
    free(list.at);
}

static void remove_checkpoint(const char *dir)
{
    static const char *const names[] = {"model.safetensors", "config.json"};
    for (size_t i = 0; i < 2; i++) {
        char *path = i8i_path_join(dir, names[i]);
        unlink(path);
        free(path);
    }
    rmdir(dir);
}

/* ---- comparing ---- */

static void compare_modules(const struct i8i_model *m, const struct expected *e,
                            const char *file)
{
    for (size_t i = 0; i < e->n_modules && i < (size_t)m->n_modules; i++) {
        const struct expected_module *x = &e->modules[i];
        const struct i8i_module *mod = &m->modules[i];
        ck_assert_msg(strcmp(mod->path, x->path) == 0, "%s: '%s', expected '%s'", file,
                      mod->path, x->path);
        /* Activations and the like have the class that a setting chose. */
        bool bare = mod->n_children == 0 && mod->n_params == 0;
        ck_assert_msg(bare || strcmp(mod->class_name, x->class_name) == 0,
                      "%s: %s is %s, expected %s", file, x->path, mod->class_name,
                      x->class_name);
        ck_assert_msg(mod->no_split == x->no_split, "%s: %s no_split", file, x->path);
        enum i8i_decision d = i8i_model_decide(m, (int)i, I8I_READER_TRANSFORMERS5, NULL);
        ck_assert_msg((d == I8I_CONVERT) == x->int8, "%s: %s: %s", file, x->path,
                      i8i_decision_text(d));
    }
    ck_assert_msg((size_t)m->n_modules == e->n_modules, "%s: %d modules, expected %zu",
                  file, m->n_modules, e->n_modules);
}

static void compare_params(const struct i8i_model *m, const struct expected *e,
                           const char *file)
{
    for (size_t i = 0; i < e->n_params && i < (size_t)m->n_params; i++) {
        const struct expected_param *x = &e->params[i];
        const struct i8i_param *p = &m->params[i];
        ck_assert_msg(strcmp(p->name, x->name) == 0, "%s: '%s', expected '%s'", file,
                      p->name, x->name);
        ck_assert_msg(p->rank == x->rank &&
                          memcmp(p->shape, x->shape, p->rank * sizeof *p->shape) == 0,
                      "%s: %s: shape", file, x->name);
        ck_assert_msg(p->buffer == x->buffer && p->persistent == x->persistent,
                      "%s: %s: buffer", file, x->name);
        ck_assert_msg(!p->buffer || p->dtype == x->dtype, "%s: %s: dtype", file, x->name);
        const char *source = tie_source(e, x->name);
        ck_assert_msg(source ? p->tied_to >= 0 &&
                                   strcmp(m->params[p->tied_to].name, source) == 0
                             : p->tied_to < 0,
                      "%s: %s: tie", file, x->name);
        ck_assert_msg((p->tensor != NULL) == (x->persistent && !source), "%s: %s: tensor",
                      file, x->name);
    }
    ck_assert_msg((size_t)m->n_params == e->n_params, "%s: %d parameters, expected %zu",
                  file, m->n_params, e->n_params);
}

static void check(const struct expected *e, const char *file, struct spelling how)
{
    char dir[] = "/tmp/i8-trees-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(dir));
    write_checkpoint(dir, e, &how);
    struct i8i_model *m;
    struct i8_error err = {0};
    enum i8_status st = i8i_model_open(&m, dir, NULL, &err);
    remove_checkpoint(dir);
    ck_assert_msg(st == I8_OK, "%s: %s", file, err.message);
    ck_assert_msg(m->family != NULL, "%s: no family", file);
    ck_assert_msg(m->n_unexpected == 0, "%s: '%s' is left over", file,
                  m->n_unexpected ? m->unexpected[0]->name : "");
    if (!how.type)
        ck_assert_int_eq(m->prefix_added, how.prefix != NULL);
    compare_modules(m, e, file);
    compare_params(m, e, file);
    /* Again as the base class's checkpoints are, and with the old names. */
    const char *base = m->family->base_prefix;
    if (!how.prefix && !how.old_norms && !how.type) {
        if (base && i8i_model_module(m, base) >= 0)
            check(e, file, (struct spelling){.prefix = base});
        check(e, file, (struct spelling){.old_norms = true});
        check(e, file, (struct spelling){.type = m->family->model_type});
    }
    i8i_model_free(m);
}

/* By names and shapes alone: all that transformers makes int8 is found, and neither
 * embeddings nor norms are taken for it. */
static void check_shapes(const struct expected *e, const char *file)
{
    char dir[] = "/tmp/i8-trees-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(dir));
    write_checkpoint(dir, e, &(struct spelling){.unknown = true});
    struct i8i_model *m;
    struct i8_error err = {0};
    enum i8_status st = i8i_model_open(&m, dir, NULL, &err);
    remove_checkpoint(dir);
    ck_assert_msg(st == I8_OK, "%s: %s", file, err.message);
    ck_assert_ptr_null(m->family);
    ck_assert_uint_eq(m->n_unexpected, 0);
    for (size_t i = 0; i < e->n_modules; i++) {
        const struct expected_module *x = &e->modules[i];
        int module = i8i_model_module(m, x->path);
        if (module < 0) /* without parameters, or tied */
            continue;
        enum i8i_decision d = i8i_model_decide(m, module, I8I_READER_TRANSFORMERS5, NULL);
        ck_assert_msg(!x->int8 || d == I8I_CONVERT, "%s: %s: %s", file, x->path,
                      i8i_decision_text(d));
        bool other = strstr(x->class_name, "Embedding") ||
                     strstr(x->class_name, "Norm") || strstr(x->class_name, "Router");
        ck_assert_msg(!other || d != I8I_CONVERT, "%s: %s is a %s", file, x->path,
                      x->class_name);
    }
    i8i_model_free(m);
}

/* A converted checkpoint has the same tree, and every int8 module its scales. */
static void check_int8(const struct expected *e, const char *file)
{
    char dir[] = "/tmp/i8-trees-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(dir));
    write_checkpoint(dir, e, &(struct spelling){.int8 = true});
    struct i8i_model *m;
    struct i8_error err = {0};
    enum i8_status st = i8i_model_open(&m, dir, NULL, &err);
    remove_checkpoint(dir);
    ck_assert_msg(st == I8_OK, "%s: %s", file, err.message);
    ck_assert_uint_eq(m->n_unexpected, 0);
    ck_assert_uint_eq((size_t)m->n_modules, e->n_modules);
    ck_assert_uint_eq((size_t)m->n_params, e->n_params);
    for (int i = 0; i < m->n_modules; i++)
        ck_assert_msg((m->modules[i].scb != NULL) == e->modules[i].int8, "%s: %s", file,
                      m->modules[i].path);
    i8i_model_free(m);
}

START_TEST(converted)
{
    struct expected e;
    read_tree(&e, files[_i]);
    check_int8(&e, i8i_path_base(files[_i]));
    free_tree(&e);
}
END_TEST

/* DeepSeek's checkpoints have a block behind the last that only training uses. */
START_TEST(training_block)
{
    const char *data = getenv("I8_TEST_DATA");
    char *path = i8i_path_join(data ? data : "tests/data", "trees/deepseek_v3.tree");
    char dir[] = "/tmp/i8-trees-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(dir));
    struct expected e;
    read_tree(&e, path);
    free(path);
    struct i8i_model *m;
    struct i8_error err;
    write_checkpoint(dir, &e,
                     &(struct spelling){.extra = "model.layers.2.eh_proj.weight"});
    ck_assert_int_eq(i8i_model_open(&m, dir, NULL, &err), I8_OK);
    ck_assert_uint_eq(m->n_ignored, 1);
    ck_assert_uint_eq(m->n_unexpected, 0);
    i8i_model_free(m);
    write_checkpoint(dir, &e,
                     &(struct spelling){.extra = "model.layers.3.eh_proj.weight"});
    ck_assert_int_eq(i8i_model_open(&m, dir, NULL, &err), I8_ERR_DATA);
    remove_checkpoint(dir);
    free_tree(&e);
}
END_TEST

START_TEST(shapes_alone)
{
    struct expected e;
    read_tree(&e, files[_i]);
    check_shapes(&e, i8i_path_base(files[_i]));
    free_tree(&e);
}
END_TEST

START_TEST(same_tree)
{
    struct expected e;
    read_tree(&e, files[_i]);
    const char *name = i8i_path_base(files[_i]);
    check(&e, name, (struct spelling){0});
    free_tree(&e);
}
END_TEST

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_files(void)
{
    const char *data = getenv("I8_TEST_DATA");
    char *dir = i8i_path_join(data ? data : "tests/data", "trees");
    DIR *d = opendir(dir);
    size_t capacity = 0;
    for (struct dirent *entry; d && (entry = readdir(d));) {
        const char *dot = strrchr(entry->d_name, '.');
        if (!dot || strcmp(dot, ".tree") != 0 ||
            !i8i_grow(&files, &capacity, n_files + 1, sizeof *files))
            continue;
        files[n_files++] = i8i_path_join(dir, entry->d_name);
    }
    if (d)
        closedir(d);
    free(dir);
    qsort(files, n_files, sizeof *files, compare_names);
}

int main(void)
{
    list_files();
    if (n_files == 0) {
        fprintf(stderr, "no .tree files: set I8_TEST_DATA\n");
        return 1;
    }
    Suite *s = suite_create("model trees");
    TCase *t = tcase_create("trees");
    tcase_add_loop_test(t, same_tree, 0, (int)n_files);
    tcase_add_loop_test(t, shapes_alone, 0, (int)n_files);
    tcase_add_loop_test(t, converted, 0, (int)n_files);
    tcase_add_test(t, training_block);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    for (size_t i = 0; i < n_files; i++)
        free(files[i]);
    free(files);
    return failed ? 1 : 0;
}
