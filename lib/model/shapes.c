/* SPDX-License-Identifier: Apache-2.0
 *
 * A module tree for families that no table describes, from the dotted names of the
 * tensors alone: components are modules, numbered siblings are blocks, a floating-point
 * matrix called "weight" is a Linear. Names that sound like an embedding are marked.
 * Cost is linear in the names (but for sorting siblings).
 */
#include "config.h"

#include "model/build.h"
#include "model/hparams.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_DEPTH 64 /* components of a name; what is deeper counts as one */
#define NONE      SIZE_MAX

struct branch {
    const char *path;                     /* in the arena */
    const char *name;                     /* its last component, inside path */
    size_t first_child, last_child, next; /* siblings, in order of appearance */
    size_t first_tensor, last_tensor;     /* chained by struct forest.next_tensor */
    size_t n_children;
    size_t order; /* of appearance */
    int rank;
    bool numbered;   /* the name is a number */
    bool list;       /* two or more children, all numbered */
    bool holds_list; /* it or something below it is a list of blocks */
    bool router;     /* a "gate" or "router" beside "experts" */
};

struct forest {
    struct i8i_builder *b;
    struct i8i_model *m;
    const struct i8i_model_options *options;
    struct branch *branches;
    size_t n, capacity;
    size_t *next_tensor;
    struct i8i_map by_path;
    int n_blocks[2];
    struct i8_error *err;
};

/* ---- names ---- */

static bool is_number(const char *s)
{
    const char *p = s;
    while (isdigit((unsigned char)*p))
        p++;
    return p > s && *p == '\0' && p - s < 10;
}

static bool holds_word(const char *s, const char *word)
{
    size_t n = strlen(word);
    for (; *s; s++) {
        if (strncasecmp(s, word, n) == 0)
            return true;
    }
    return false;
}

static bool sounds_like_head(const char *name)
{
    static const char *const names[] = {"lm_head", "embed_out", "output", "head",
                                        "proj_out"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcasecmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static bool sounds_like_embedding(const char *name)
{
    static const char *const parts[] = {"embed", "position", "relative_attention_bias"};
    static const char *const names[] = {"wte", "wpe", "shared", "lm_head"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (holds_word(name, parts[i]))
            return true;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcasecmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* Bytes of `name` that are the module's path: up to the last dot, or to the dot where
 * names get too deep. */
static size_t module_length(const char *name)
{
    size_t last = 0;
    int depth = 0;
    for (size_t i = 0; name[i] && depth < MAX_DEPTH; i++) {
        if (name[i] == '.') {
            last = i;
            depth++;
        }
    }
    return last;
}

/* ---- growing ---- */

static enum i8_status new_branch(struct forest *f, size_t *index, const char *path,
                                 size_t length, size_t parent)
{
    if (!i8i_grow(&f->branches, &f->capacity, f->n + 1, sizeof *f->branches))
        return i8i_nomem(f->err);
    char *copy = i8i_arena_chars(&f->m->arena, length + 1);
    if (!copy)
        return i8i_nomem(f->err);
    memcpy(copy, path, length);
    const char *dot = strrchr(copy, '.');
    struct branch *br = &f->branches[f->n];
    *br = (struct branch){
        .path = copy,
        .name = dot ? dot + 1 : copy,
        .first_child = NONE,
        .last_child = NONE,
        .next = NONE,
        .first_tensor = NONE,
        .last_tensor = NONE,
        .order = f->n,
    };
    br->numbered = is_number(br->name);
    *index = f->n++;
    if (parent == NONE)
        return I8_OK;
    struct branch *up = &f->branches[parent];
    if (up->last_child == NONE)
        up->first_child = *index;
    else
        f->branches[up->last_child].next = *index;
    up->last_child = *index;
    up->n_children++;
    return i8i_map_add(&f->by_path, copy, *index, NULL, f->err);
}

/* The branch of the first `length` bytes of `name`, grown if need be. Recursion is as
 * deep as module_length() lets names be. */
static enum i8_status find_branch(struct forest *f, size_t *index, const char *name,
                                  size_t length)
{
    if (length == 0) {
        *index = 0;
        return I8_OK;
    }
    char *path = i8i_strndup(name, length);
    if (!path)
        return i8i_nomem(f->err);
    size_t found = i8i_map_get(&f->by_path, path);
    enum i8_status st = I8_OK;
    if (found != I8I_MAP_NONE) {
        *index = found;
    } else {
        const char *dot = strrchr(path, '.');
        size_t parent;
        st = find_branch(f, &parent, name, dot ? (size_t)(dot - path) : 0);
        if (!st)
            st = new_branch(f, index, name, length, parent);
    }
    free(path);
    return st;
}

static enum i8_status grow(struct forest *f)
{
    const struct i8i_checkpoint *c = f->m->checkpoint;
    size_t root, at;
    f->next_tensor = i8i_calloc(c->n_tensors, sizeof *f->next_tensor);
    if (!f->next_tensor)
        return i8i_nomem(f->err);
    enum i8_status st = new_branch(f, &root, "", 0, NONE);
    for (size_t i = 0; !st && i < c->n_tensors; i++) {
        const char *name = c->tensors[i].name;
        if ((st = find_branch(f, &at, name, module_length(name))))
            break;
        struct branch *br = &f->branches[at];
        f->next_tensor[i] = NONE;
        if (br->last_tensor == NONE)
            br->first_tensor = i;
        else
            f->next_tensor[br->last_tensor] = i;
        br->last_tensor = i;
    }
    return st;
}

/* ---- order ---- */

static int compare(const void *a, const void *b)
{
    const struct branch *x = *(const struct branch *const *)a;
    const struct branch *y = *(const struct branch *const *)b;
    if (x->numbered && y->numbered) {
        long p = strtol(x->name, NULL, 10), q = strtol(y->name, NULL, 10);
        return (p > q) - (p < q);
    }
    if (x->rank != y->rank)
        return x->rank - y->rank;
    return (x->order > y->order) - (x->order < y->order);
}

/* Embeddings, blocks, the rest, the head: the order in which models run. */
static enum i8_status sort_children(struct forest *f, size_t index)
{
    struct branch *up = &f->branches[index];
    struct branch **sorted = i8i_calloc(up->n_children, sizeof *sorted);
    if (!sorted)
        return i8i_nomem(f->err);
    size_t n = 0;
    for (size_t i = up->first_child; i != NONE; i = f->branches[i].next) {
        struct branch *br = &f->branches[i];
        br->rank = sounds_like_head(br->name)        ? 3
                   : sounds_like_embedding(br->name) ? 0
                   : br->holds_list                  ? 1
                                                     : 2;
        sorted[n++] = br;
    }
    qsort(sorted, n, sizeof *sorted, compare);
    for (size_t i = 0; i < n; i++)
        sorted[i]->next = i + 1 < n ? (size_t)(sorted[i + 1] - f->branches) : NONE;
    if (n) {
        up->first_child = (size_t)(sorted[0] - f->branches);
        up->last_child = (size_t)(sorted[n - 1] - f->branches);
    }
    free(sorted);
    return I8_OK;
}

/* What stands beside experts and is called so chooses among them. */
static void mark_router(struct forest *f, const struct branch *parent)
{
    bool experts = false;
    for (size_t c = parent->first_child; c != NONE; c = f->branches[c].next)
        experts |= strcmp(f->branches[c].name, "experts") == 0;
    for (size_t c = parent->first_child; experts && c != NONE; c = f->branches[c].next) {
        struct branch *br = &f->branches[c];
        br->router = strcmp(br->name, "gate") == 0 || strcmp(br->name, "router") == 0;
    }
}

/* Children come after their parents in the array, so one backward pass sees them
 * first. */
static enum i8_status arrange(struct forest *f)
{
    for (size_t i = f->n; i-- > 0;) {
        struct branch *br = &f->branches[i];
        br->list = br->n_children >= 2;
        for (size_t c = br->first_child; c != NONE; c = f->branches[c].next) {
            br->list &= f->branches[c].numbered;
            br->holds_list |= f->branches[c].holds_list;
        }
        br->holds_list |= br->list;
        mark_router(f, br);
        enum i8_status st = sort_children(f, i);
        if (st)
            return st;
    }
    return I8_OK;
}

/* ---- emitting ---- */

static const struct i8i_tensor *weight_of(const struct forest *f, const struct branch *br)
{
    for (size_t t = br->first_tensor; t != NONE; t = f->next_tensor[t]) {
        const struct i8i_tensor *tensor = &f->m->checkpoint->tensors[t];
        const char *leaf = tensor->name + strlen(br->path);
        if (strcmp(leaf, ".weight") == 0)
            return tensor;
    }
    return NULL;
}

static bool is_floating(enum i8_dtype d)
{
    return d == I8_DTYPE_F16 || d == I8_DTYPE_BF16 || d == I8_DTYPE_F32 ||
           d == I8_DTYPE_F64;
}

static void classify(const struct forest *f, const struct branch *br,
                     const struct i8i_tensor *weight, struct i8i_module *mod)
{
    mod->kind = I8I_NODE_MODULE;
    mod->class_name = br->list ? "ModuleList" : "Module";
    if (!weight)
        return;
    bool int8_row =
        weight->dtype == I8_DTYPE_I8 && (f->m->quantization == I8I_QUANT_BNB_INT8 ||
                                         f->m->quantization == I8I_QUANT_CT_INT8);
    if (weight->rank == 1) {
        mod->kind = I8I_NODE_NORM;
        mod->class_name = "Norm";
        mod->rows = weight->shape[0];
    } else if (weight->rank == 2 && (is_floating(weight->dtype) || int8_row)) {
        mod->likely_embedding = sounds_like_embedding(br->name);
        bool head = mod->block < 0 && sounds_like_head(br->name);
        mod->kind = I8I_NODE_LINEAR;
        mod->class_name = "Linear";
        mod->role = head ? I8I_ROLE_HEAD : br->router ? I8I_ROLE_ROUTER : I8I_ROLE_NONE;
        /* With a config.json some reader has its own idea of what is a Linear; a bare
         * file is all matrices. */
        if (f->m->config && mod->likely_embedding && !head) {
            mod->kind = I8I_NODE_EMBEDDING;
            mod->class_name = "Embedding";
        } else if (f->m->config && holds_word(br->name, "norm")) {
            mod->kind = I8I_NODE_NORM; /* one row a head */
            mod->class_name = "Norm";
        }
        mod->rows = weight->shape[0];
        mod->cols = weight->shape[1];
    } else if (weight->rank > 2) {
        mod->kind = I8I_NODE_CONV;
        mod->class_name = "Conv";
        mod->rows = weight->shape[0];
        mod->cols = weight->shape[1];
    }
}

static enum i8_status emit_params(struct forest *f, const struct branch *br, int module)
{
    const struct i8i_module *mod = &f->m->modules[module];
    const struct i8i_tensor *weight = weight_of(f, br);
    enum i8_status st;
    if (weight && weight->dtype == I8_DTYPE_I8 && mod->kind == I8I_NODE_LINEAR &&
        (st = i8i_build_int8(f->b, module, weight, f->options, f->err)))
        return st;
    for (size_t t = br->first_tensor; t != NONE; t = f->next_tensor[t]) {
        const struct i8i_tensor *tensor = &f->m->checkpoint->tensors[t];
        if (f->b->used[t] || tensor->companion)
            continue; /* the companions of an int8 or FP8 weight */
        size_t at = strlen(br->path);
        struct i8i_param p = {
            .leaf = tensor->name + at + (at > 0), .persistent = true, .tied_to = -1};
        int index;
        if ((st = i8i_build_param(f->b, &index, &p, f->err)))
            return st;
        i8i_build_attach(f->b, &f->m->params[index], tensor);
    }
    return I8_OK;
}

static enum i8_status emit(struct forest *f, size_t index, int parent, int stack,
                           int block)
{
    const struct branch *br = &f->branches[index];
    struct i8i_module mod = {.name = br->name, .parent = parent, .block = block};
    if (parent < 0)
        mod.name = "";
    bool in_list = parent >= 0 && block < 0 && br->numbered &&
                   strcmp(f->m->modules[parent].class_name, "ModuleList") == 0;
    mod.stack = stack = stack || strcasecmp(br->name, "encoder") == 0;
    if (in_list)
        mod.block = f->n_blocks[stack]++;
    classify(f, br, weight_of(f, br), &mod);
    if (in_list) {
        mod.role = I8I_ROLE_BLOCK;
        mod.no_split = true;
    }
    if (parent < 0)
        mod.class_name = *f->m->architecture ? f->m->architecture : "Module";
    int module;
    enum i8_status st = i8i_build_module(f->b, &module, &mod, NULL, f->err);
    if (!st) /* differs where a component of a name is empty */
        f->b->may_collide |= strcmp(f->m->modules[module].path, br->path) != 0;
    if (!st)
        st = emit_params(f, br, module);
    for (size_t c = br->first_child; !st && c != NONE; c = f->branches[c].next)
        st = emit(f, c, module, stack, mod.block);
    return st;
}

/* What most configurations call their sizes; none is required here. */
static void guess_hparams(struct i8i_model *m)
{
    static const struct i8i_config_key keys[] = {
        {I8I_DIM_VOCAB, "vocab_size", I8I_OPTIONAL},
        {I8I_DIM_HIDDEN, "hidden_size|n_embd|d_model|n_embed", I8I_OPTIONAL},
        {I8I_DIM_LAYERS, "num_hidden_layers|n_layer|n_layers|num_layers", I8I_OPTIONAL},
        {I8I_DIM_HEADS, "num_attention_heads|n_head|n_heads|num_heads", I8I_OPTIONAL},
        {I8I_DIM_KV_HEADS,
         "n_head_kv|num_kv_heads|num_key_value_heads|multi_query_group_num",
         I8I_OPTIONAL},
        {I8I_DIM_HEAD_DIM, "head_dim|d_kv", I8I_OPTIONAL},
        {I8I_DIM_FFN, "intermediate_size|ffn_dim|n_inner|d_ff|ffn_hidden_size",
         I8I_OPTIONAL},
        {I8I_DIM_POSITIONS, "max_position_embeddings|n_positions|max_seq_len|seq_length",
         I8I_OPTIONAL},
        {I8I_DIM_WINDOW, "sliding_window", I8I_OPTIONAL},
        {.keys = NULL},
    };
    static const struct i8i_node none[] = {I8I_NODE_END};
    static const struct i8i_family any = {.keys = keys, .nodes = none};
    if (m->config && i8i_hparams_read(&m->hp, &any, m->config, &m->arena, NULL) != I8_OK)
        m->hp = (struct i8i_hparams){.dim = {0}};
}

enum i8_status i8i_build_shapes(struct i8i_builder *b,
                                const struct i8i_model_options *options,
                                struct i8_error *err)
{
    struct forest f = {.b = b, .m = b->m, .options = options, .err = err};
    i8i_map_init(&f.by_path);
    guess_hparams(b->m);
    enum i8_status st;
    if (!(st = grow(&f)) && !(st = arrange(&f)))
        st = emit(&f, 0, -1, 0, -1);
    i8i_map_free(&f.by_path);
    free(f.branches);
    free(f.next_tensor);
    return st;
}
