/* SPDX-License-Identifier: Apache-2.0
 *
 * Which modules each reader holds in int8. The file must agree with the reader to the
 * module: int8 rows for a module that it keeps in 16 bit, or the other way round, fail
 * when it loads, or later.
 */
#include "config.h"

#include "base/memory.h"
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

static bool is_linear(const struct i8i_module *mod)
{
    return mod->kind == I8I_NODE_LINEAR || mod->kind == I8I_NODE_LINEAR_SUBCLASS ||
           mod->kind == I8I_NODE_CONV1D;
}

/* `part` of `path` as whole components: all of it, its start, or its end. */
static bool names_module(const char *path, const char *part)
{
    size_t n = strlen(part);
    if (n == 0)
        return false;
    if (strncmp(path, part, n) == 0 && (path[n] == '\0' || path[n] == '.'))
        return true;
    size_t all = strlen(path);
    return all > n && path[all - n - 1] == '.' && strcmp(path + all - n, part) == 0;
}

/* transformers 5: re.match(key, path), where a key's dots match anything, or
 * path.endswith(key). Names hold no other character that means something to re. */
static bool matches_v5(const char *path, const char *key)
{
    size_t i = 0;
    while (key[i] && path[i] && (key[i] == '.' || key[i] == path[i]))
        i++;
    return key[i] == '\0' || i8i_ends_with(path, key);
}

/* transformers 4: the leaf's name, the path, or a run of components inside it. */
static bool matches_v4(const char *path, const char *key)
{
    size_t n = strlen(key);
    const char *dot = strrchr(path, '.');
    if (strcmp(dot ? dot + 1 : path, key) == 0 || strcmp(path, key) == 0)
        return true;
    for (const char *p = path; n && (p = strstr(p, key)); p++) {
        if (p[n] == '.')
            return true;
    }
    return false;
}

static bool kept_in_fp32(const struct i8i_model *m, const char *path,
                         bool (*matches)(const char *path, const char *key))
{
    for (const char *const *k = m->family ? m->family->keep_fp32 : NULL; k && *k; k++) {
        if (matches(path, *k))
            return true;
    }
    return false;
}

static bool is_head(const struct i8i_model *m, const struct i8i_module *mod)
{
    return m->family ? m->family->output_embedding &&
                           strcmp(mod->path, m->family->output_embedding) == 0
                     : mod->role == I8I_ROLE_HEAD;
}

/* Whether the module's weight shares its storage, either way. */
static bool is_tied(const struct i8i_model *m, const struct i8i_module *mod)
{
    for (int p = mod->first_param; p < mod->first_param + mod->n_params; p++) {
        if (m->params[p].tied_to >= 0)
            return true;
    }
    return false;
}

static bool any_tied(const struct i8i_model *m)
{
    /* Ties involve the head or the embeddings, none of which lies in a block. */
    for (int i = 0; i < m->n_outside; i++) {
        if (is_tied(m, &m->modules[m->outside[i]]))
            return true;
    }
    return false;
}

/* The last parameter in the class's order, NULL where that order is a guess.
 * transformers 5 looks before it ties, 4 behind, when tied ones appear only under their
 * first names. */
static const struct i8i_param *last_param(const struct i8i_model *m, bool tied_too)
{
    for (int i = m->family ? m->n_params - 1 : -1; i >= 0; i--) {
        if (!m->params[i].buffer && (tied_too || m->params[i].tied_to < 0))
            return &m->params[i];
    }
    return NULL;
}

static enum i8i_decision decide_v5(const struct i8i_model *m,
                                   const struct i8i_module *mod)
{
    if (mod->role == I8I_ROLE_ROUTER)
        return I8I_KEEP_ROUTER;
    if (m->family && m->family->fused_experts && i8i_role_is_expert(mod->role))
        return I8I_KEEP_FUSED_EXPERT;
    if (mod->kind == I8I_NODE_LINEAR_SUBCLASS)
        return I8I_KEEP_SUBCLASS;
    if (kept_in_fp32(m, mod->path, matches_v5))
        return I8I_KEEP_FP32_MODULE;
    /* The last parameter protects its module only if it is a weight: of "x.bias" the
     * reader makes a key that no module has. */
    const struct i8i_param *last = last_param(m, true);
    if (last && strcmp(last->leaf, "weight") == 0 &&
        matches_v5(mod->path, m->modules[last->module].path))
        return I8I_KEEP_LAST;
    return I8I_CONVERT;
}

/* The module that transformers 4 makes of a parameter's name: it strips ".weight" and
 * ".bias". A bare parameter's name is no module, but may begin others' names. */
static bool matches_param_v4(const struct i8i_model *m, const char *path,
                             const struct i8i_param *p)
{
    return (strcmp(p->leaf, "weight") == 0 || strcmp(p->leaf, "bias") == 0) &&
           matches_v4(path, m->modules[p->module].stored_path);
}

/* Both ends of every tie are spared: BERT's tied "cls.predictions.bias" spares all of
 * "cls.predictions". Ties come from families' tables; without one, most modules may lie
 * outside of blocks. */
static bool spared_by_ties_v4(const struct i8i_model *m, const char *path)
{
    for (int i = 0; m->family && i < m->n_outside; i++) {
        const struct i8i_module *mod = &m->modules[m->outside[i]];
        for (int p = mod->first_param; p < mod->first_param + mod->n_params; p++) {
            const struct i8i_param *param = &m->params[p];
            if (param->tied_to >= 0 &&
                (matches_param_v4(m, path, param) ||
                 matches_param_v4(m, path, &m->params[param->tied_to])))
                return true;
        }
    }
    return false;
}

static enum i8i_decision decide_v4(const struct i8i_model *m,
                                   const struct i8i_module *mod)
{
    if (kept_in_fp32(m, mod->stored_path, matches_v4))
        return I8I_KEEP_FP32_MODULE;
    if (spared_by_ties_v4(m, mod->stored_path))
        return I8I_KEEP_TIED;
    /* An untied head is all that it spares; else the last module is spared, too. */
    bool head_only = m->family && m->family->output_embedding && !any_tied(m) &&
                     i8i_model_module(m, m->family->output_embedding) >= 0;
    const struct i8i_param *last = last_param(m, false);
    if (!head_only && last &&
        matches_v4(mod->stored_path, m->modules[last->module].stored_path))
        return I8I_KEEP_LAST;
    return I8I_CONVERT;
}

/* vLLM builds routers without a quantization method, whatever the configuration says. Its
 * GPT-2 takes every matrix for a Conv1D's and turns it, int8 rows with it. */
static enum i8i_decision decide_vllm(const struct i8i_model *m,
                                     const struct i8i_module *mod)
{
    if (mod->kind == I8I_NODE_CONV1D)
        return I8I_KEEP_CONV1D;
    if (mod->role == I8I_ROLE_ROUTER || mod->role == I8I_ROLE_SHARED_EXPERT_GATE)
        return I8I_KEEP_ROUTER;
    return decide_v4(m, mod);
}

static enum i8i_decision decide_own(const struct i8i_module *mod)
{
    /* A router is small, and a wrong choice of expert is no rounding error. */
    return mod->role == I8I_ROLE_ROUTER ? I8I_KEEP_ROUTER : I8I_CONVERT;
}

enum i8i_decision i8i_model_decide(const struct i8i_model *m, int module,
                                   enum i8i_reader reader, const char *const *skip)
{
    const struct i8i_module *mod = &m->modules[module];
    if (!is_linear(mod))
        return I8I_KEEP_NOT_LINEAR;
    if (mod->scb)
        return I8I_CONVERT; /* is int8 already */
    if (m->config && is_head(m, mod))
        return I8I_KEEP_HEAD;
    if (is_tied(m, mod))
        return I8I_KEEP_TIED;
    int weight = i8i_module_param(m, module, "weight");
    if (weight < 0 || m->params[weight].rank != 2)
        return I8I_KEEP_NOT_LINEAR;
    switch (m->params[weight].dtype) {
    case I8_DTYPE_F16:
    case I8_DTYPE_BF16:
    case I8_DTYPE_F32:
    case I8_DTYPE_F64:
        break;
    default:
        return I8I_KEEP_DTYPE;
    }
    for (const char *const *s = skip; s && *s; s++) {
        if (names_module(mod->path, *s) || names_module(mod->stored_path, *s))
            return I8I_KEEP_SKIPPED;
    }
    if (!m->config)
        return I8I_CONVERT; /* nobody's rules but the shapes' */
    switch (reader) {
    case I8I_READER_TRANSFORMERS5:
        return decide_v5(m, mod);
    case I8I_READER_TRANSFORMERS4:
        return decide_v4(m, mod);
    case I8I_READER_VLLM:
        return decide_vllm(m, mod);
    case I8I_READER_INT8TOOL:
        break;
    }
    return decide_own(mod);
}

/* transformers computes them in fp32 where the rest is fp16 (T5's wo is out of fp16's
 * range), but as stored where it is bf16. What it finds quantized it leaves in the dtype
 * that is stored (5.23): so it has to be fp32 there. */
enum i8_dtype i8i_model_rest_dtype(const struct i8i_model *m, int module,
                                   enum i8i_reader reader, enum i8_dtype stored,
                                   enum i8_dtype rest)
{
    const struct i8i_module *mod = &m->modules[module];
    const enum i8_dtype to = rest == I8_DTYPE_INVALID ? stored : rest;
    if (to != I8_DTYPE_F16 || !m->config)
        return to;
    bool keep =
        (reader == I8I_READER_TRANSFORMERS5 && kept_in_fp32(m, mod->path, matches_v5)) ||
        (reader == I8I_READER_TRANSFORMERS4 &&
         kept_in_fp32(m, mod->stored_path, matches_v4));
    return keep ? I8_DTYPE_F32 : to;
}

const char *i8i_decision_text(enum i8i_decision d)
{
    switch (d) {
    case I8I_CONVERT:
        return "int8";
    case I8I_KEEP_NOT_LINEAR:
        return "not a Linear";
    case I8I_KEEP_HEAD:
        return "output embedding";
    case I8I_KEEP_TIED:
        return "tied to another parameter";
    case I8I_KEEP_FP32_MODULE:
        return "kept in 32 bit by the reader";
    case I8I_KEEP_SUBCLASS:
        return "subclass of Linear, which the reader passes over";
    case I8I_KEEP_FUSED_EXPERT:
        return "expert, fused by the reader";
    case I8I_KEEP_ROUTER:
        return "router of experts";
    case I8I_KEEP_SKIPPED:
        return "skipped by request";
    case I8I_KEEP_LAST:
        return "module of the last parameter";
    case I8I_KEEP_CONV1D:
        return "Conv1D, which the reader does not take in int8";
    case I8I_KEEP_DTYPE:
        return "weight is not a floating-point matrix";
    }
    return "unknown";
}

/* ---- the list for config.json ---- */

static enum i8_status check_list(const char *const *names, const struct i8i_model *m,
                                 enum i8i_reader reader, const char *const *skip,
                                 struct i8_error *err)
{
    /* A path can only be matched by keys that share its start or its end, but lists are
     * short where blocks convert and paths few where they do not: try all pairs. */
    for (int i = 0; i < m->n_modules; i++) {
        if (!is_linear(&m->modules[i]) ||
            i8i_model_decide(m, i, reader, skip) != I8I_CONVERT)
            continue;
        const struct i8i_module *mod = &m->modules[i];
        for (const char *const *n = names; *n; n++) {
            if (matches_v5(mod->path, *n) || matches_v4(mod->stored_path, *n))
                return i8i_fail(err, I8_ERR_DATA,
                                "module '%s' is int8, but '%s' in llm_int8_skip_modules "
                                "would have readers leave it alone",
                                mod->path, *n);
        }
    }
    return I8_OK;
}

enum i8_status i8i_model_skip_list(const char ***names, size_t *count,
                                   const struct i8i_model *m, enum i8i_reader reader,
                                   const char *const *skip, struct i8_error *err)
{
    size_t n = 0;
    *names = i8i_calloc(2 * (size_t)m->n_modules + 1, sizeof(const char *));
    *count = 0;
    if (!*names)
        return i8i_nomem(err);
    for (int i = 0; i < m->n_modules; i++) {
        const struct i8i_module *mod = &m->modules[i];
        if (!is_linear(mod))
            continue;
        enum i8i_decision d = i8i_model_decide(m, i, reader, skip);
        /* Fused experts and routers are no modules where they are kept (of an unknown
         * family they may be). */
        if (d == I8I_CONVERT || d == I8I_KEEP_FUSED_EXPERT ||
            (d == I8I_KEEP_ROUTER && reader == I8I_READER_TRANSFORMERS5 && m->family))
            continue;
        (*names)[n++] = mod->path;
        if (strcmp(mod->stored_path, mod->path) != 0 && !m->prefix_added)
            (*names)[n++] = mod->stored_path;
    }
    enum i8_status st = check_list(*names, m, reader, skip, err);
    if (st) {
        free(*names);
        *names = NULL;
        return st;
    }
    *count = n;
    return I8_OK;
}
