/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a model: source, config.json, family, tree; and finding one's way in it.
 */
#include "config.h"

#include "model/build.h"
#include "model/hparams.h"
#include "source/model_source.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CONFIG_BYTES (16u << 20)

static enum i8_status read_config(struct i8i_model *m, struct i8_error *err)
{
    if (!i8i_tree_exists(m->tree, "config.json"))
        return i8i_fail(err, I8_ERR_IO, "%s: there is no config.json", m->tree->name);
    char *text;
    size_t length;
    enum i8_status st =
        i8i_tree_read(m->tree, &text, &length, "config.json", MAX_CONFIG_BYTES, err);
    if (st)
        return st;
    st = i8i_json_parse(&m->config, text, length, "config.json", err);
    free(text);
    if (!st && !i8i_json_is_object(m->config))
        st = i8i_fail(err, I8_ERR_DATA, "config.json is no JSON object");
    if (st) {
        i8i_error_prefix(err, "%s", m->tree->name);
        return st;
    }
    const char *type = i8i_json_string(i8i_json_get(m->config, "model_type"));
    const char *arch =
        i8i_json_string(i8i_json_first(i8i_json_get(m->config, "architectures")));
    m->model_type = type ? type : "";
    m->family = i8i_family_find(arch, type);
    m->architecture = arch ? arch : m->family ? m->family->architecture : "";
    m->config_dtype = i8i_config_dtype(m->config);
    if (m->family && arch && strcmp(arch, m->family->architecture) != 0 &&
        !i8i_family_is_base(m->family, arch))
        return i8i_model_note(m, err, "architecture %s is read as %s", arch,
                              m->family->architecture);
    return I8_OK;
}

/* What decides between a family's table and shape rules, and says so. */
static enum i8_status choose_rules(struct i8i_model *m,
                                   const struct i8i_model_options *options,
                                   struct i8_error *err)
{
    if (m->quantization == I8I_QUANT_OTHER) {
        m->family = NULL;
        if (options && options->require_family)
            return i8i_fail(err, I8_ERR_UNSUPPORTED,
                            "%s: the weights are already quantized (%s), in a way that "
                            "cannot be run",
                            m->name, m->quantization_name);
        return i8i_model_note(m, err, "the weights are already quantized (%s)",
                              m->quantization_name);
    }
    if (m->family)
        return I8_OK;
    const char *what = *m->architecture ? m->architecture : m->model_type;
    if (options && options->require_family)
        return i8i_fail(err, I8_ERR_UNSUPPORTED, "%s: unknown family%s%s", m->name,
                        *what ? " " : "", what);
    if (!m->config)
        return i8i_model_note(m, err,
                              "unknown family: no config.json; modules are told from "
                              "tensor names and shapes");
    return i8i_model_note(m, err,
                          "unknown family %s: modules are told from tensor names and "
                          "shapes",
                          *what ? what : "(config.json names none)");
}

static enum i8_status build(struct i8i_model *m, const struct i8i_model_options *options,
                            struct i8_error *err)
{
    if (m->checkpoint->n_tensors == 0)
        return i8i_fail(err, I8_ERR_DATA, "the checkpoint holds no tensors");
    enum i8_status st;
    if ((st = i8i_detect_quantization(m, err)) || (st = choose_rules(m, options, err)))
        return st;
    if (m->family &&
        (st = i8i_hparams_read(&m->hp, m->family, m->config, &m->arena, err)))
        return st;
    struct i8i_builder b;
    if (!(st = i8i_builder_init(&b, m, err)) &&
        !(st = m->family ? i8i_build_family(&b, options, err)
                         : i8i_build_shapes(&b, options, err)))
        st = i8i_build_finish(&b, err);
    i8i_builder_free(&b);
    return st;
}

static struct i8i_model *new_model(const char *name)
{
    struct i8i_model *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->model_type = m->architecture = "";
    m->int8_threshold = 6.0;
    m->name = i8i_arena_strdup(&m->arena, name);
    if (!m->name) {
        free(m);
        return NULL;
    }
    return m;
}

enum i8_status i8i_model_open_tree(struct i8i_model **out, struct i8i_tree *tree,
                                   const struct i8i_model_options *options,
                                   struct i8_error *err)
{
    *out = NULL;
    struct i8i_model *m = new_model(tree->name);
    if (!m)
        return i8i_nomem(err);
    m->tree = tree;
    enum i8_status st;
    if ((st = read_config(m, err)) ||
        (st = i8i_checkpoint_open_tree(&m->checkpoint, tree, err)))
        goto fail;
    if ((st = build(m, options, err))) {
        i8i_error_prefix(err, "%s", m->name);
        goto fail;
    }
    *out = m;
    return I8_OK;
fail:
    m->tree = NULL; /* stays the caller's */
    i8i_model_free(m);
    return st;
}

enum i8_status i8i_model_open(struct i8i_model **out, const char *model_string,
                              const struct i8i_model_options *options,
                              struct i8_error *err)
{
    enum i8_status st;
    *out = NULL;
    struct i8i_tree *tree;
    if ((st = i8i_open_model_tree(&tree, model_string, err)))
        return st;
    if (tree) {
        if ((st = i8i_model_open_tree(out, tree, options, err)))
            i8i_tree_close(tree);
        return st;
    }
    struct i8i_model *m = new_model(model_string);
    if (!m)
        return i8i_nomem(err);
    if ((st = i8i_checkpoint_open_file(&m->checkpoint, model_string, err)))
        goto fail;
    if ((st = build(m, options, err))) {
        i8i_error_prefix(err, "%s", model_string);
        goto fail;
    }
    *out = m;
    return I8_OK;
fail:
    i8i_model_free(m);
    return st;
}

void i8i_model_free(struct i8i_model *m)
{
    if (!m)
        return;
    free(m->modules);
    free(m->params);
    free(m->outside);
    free(m->blocks[0]);
    free(m->blocks[1]);
    free(m->notes);
    free(m->ignored);
    free(m->unexpected);
    i8i_checkpoint_free(m->checkpoint);
    i8i_tree_close(m->tree);
    i8i_json_free(m->config);
    i8i_arena_free(&m->arena);
    free(m);
}

/* ---- lookups ---- */

/* What of `path` is behind the module's name; NULL if it does not begin so. */
static const char *behind(const struct i8i_model *m, int module, const char *path)
{
    const char *name = m->modules[module].name;
    const size_t n = strlen(name);
    if (strncmp(path, name, n) != 0 || (path[n] != '.' && path[n] != '\0'))
        return NULL;
    return path + n + (path[n] == '.');
}

/* Of blocks there may be very many, but they are numbered. */
static int block_child(const struct i8i_model *m, int list, const char *path)
{
    const struct i8i_module *first = &m->modules[m->modules[list].first_child];
    char *end;
    if (first->role != I8I_ROLE_BLOCK || *path < '0' || *path > '9')
        return -1;
    const unsigned long k = strtoul(path, &end, 10);
    if (k >= (unsigned long)m->n_blocks[first->stack])
        return -1;
    const int block = m->blocks[first->stack][k];
    return m->modules[block].parent == list && behind(m, block, path) ? block : -1;
}

static int child(const struct i8i_model *m, int module, const char *path)
{
    int c = m->modules[module].first_child;
    const int block = c >= 0 ? block_child(m, module, path) : -1;
    if (block >= 0)
        return block;
    while (c >= 0 && !behind(m, c, path))
        c = m->modules[c].next_sibling;
    return c;
}

/* As far down as the name leads; *rest is what is left of it. */
static int descend(const struct i8i_model *m, const char *name, const char **rest)
{
    int module = 0;
    for (int c; *name && (c = child(m, module, name)) >= 0; module = c)
        name = behind(m, c, name);
    *rest = name;
    return module;
}

int i8i_model_module(const struct i8i_model *m, const char *path)
{
    const char *rest;
    const int module = descend(m, path, &rest);
    return *rest ? -1 : module;
}

int i8i_model_param(const struct i8i_model *m, const char *name)
{
    const char *leaf;
    const struct i8i_module *mod = &m->modules[descend(m, name, &leaf)];
    for (int p = mod->first_param; p < mod->first_param + mod->n_params; p++) {
        if (strcmp(m->params[p].leaf, leaf) == 0)
            return p;
    }
    return -1;
}

static bool in_block(const struct i8i_model *m, int module, int stack, int block)
{
    return module < m->n_modules && m->modules[module].block == block &&
           m->modules[module].stack == stack;
}

int i8i_model_role(const struct i8i_model *m, enum i8i_role role, int stack, int block)
{
    if (stack < 0 || stack > 1)
        return -1;
    if (block < 0) {
        for (int i = 0; i < m->n_outside; i++) {
            const struct i8i_module *mod = &m->modules[m->outside[i]];
            if (mod->role == role && mod->stack == stack)
                return m->outside[i];
        }
        return -1;
    }
    if (block >= m->n_blocks[stack])
        return -1;
    for (int i = m->blocks[stack][block]; in_block(m, i, stack, block); i++) {
        if (m->modules[i].role == role)
            return i;
    }
    return -1;
}

int i8i_module_param(const struct i8i_model *m, int module, const char *leaf)
{
    const struct i8i_module *mod = &m->modules[module];
    for (int p = mod->first_param; p < mod->first_param + mod->n_params; p++) {
        if (strcmp(m->params[p].leaf, leaf) == 0)
            return m->params[p].tied_to >= 0 ? m->params[p].tied_to : p;
    }
    return -1;
}
