/* SPDX-License-Identifier: Apache-2.0
 *
 * Judging a device map that someone wrote: what accelerate would reject, what it would
 * quietly put elsewhere, and what would run slowly or not at all.
 */
#include "config.h"

#include "planner/plan_state.h"

#include "base/json.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/size.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_FINDINGS 200

struct judge {
    const struct i8i_model *m;
    struct i8i_bytes bytes;
    struct i8i_placement placement;
    struct i8_plan_finding *findings;
    size_t n, capacity;
    bool failed; /* out of memory */
};

static void I8I_PRINTF(3, 4) found(struct judge *j, bool error, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    if (j->n >= MOST_FINDINGS)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    char *copy = i8i_strdup(text);
    if (copy == NULL ||
        !i8i_grow(&j->findings, &j->capacity, j->n + 1, sizeof *j->findings)) {
        free(copy);
        j->failed = true;
        return;
    }
    j->findings[j->n++] = (struct i8_plan_finding){error, copy};
}

static bool read_device(int *device, const i8i_json *value)
{
    uint64_t id;
    const char *word = i8i_json_string(value);

    if (i8i_json_u64(&id, value) && id <= 1023) {
        *device = (int)id;
        return true;
    }
    if (word == NULL)
        return false;
    if (strcmp(word, "cpu") == 0)
        *device = I8_PLAN_CPU;
    else if (strcmp(word, "disk") == 0)
        *device = I8_PLAN_DISK;
    else if (strncmp(word, "cuda:", 5) == 0 &&
             i8i_uint_parse(&id, word + 5, 0, 1023, "device", NULL) == I8_OK)
        *device = (int)id;
    else
        return false;
    return true;
}

/* Keys: known names, devices that exist, none inside another. */
static void read_map(struct judge *j, const i8i_json *doc,
                     const struct i8_plan_request *r)
{
    for (const i8i_json *n = i8i_json_first(doc); n != NULL; n = i8i_json_next(n)) {
        const char *key = i8i_json_key(n);
        int device, module = i8i_model_module(j->m, key), param = -1;
        bool known = false;
        if (module < 0)
            param = i8i_model_param(j->m, key);
        if (!read_device(&device, n)) {
            found(j, true, "%s: no device: expected a GPU number, \"cpu\" or \"disk\"",
                  key);
            continue;
        }
        for (size_t i = 0; i < r->n_budgets; i++)
            known = known || r->budgets[i].device == device;
        if (device >= 0 && r->n_budgets > 0 && !known)
            found(j, true, "%s: GPU %d has no budget", key, device);
        if (module >= 0)
            j->placement.module[module] = device;
        else if (param >= 0)
            j->placement.param[param] = device;
        else
            found(j, true, "%s: the model has no module or parameter of that name", key);
    }
    for (int i = 1; i < j->m->n_modules; i++) {
        int up = j->m->modules[i].parent;
        if (j->placement.module[i] == I8_PLAN_NONE)
            continue;
        while (up >= 0 && j->placement.module[up] == I8_PLAN_NONE)
            up = j->m->modules[up].parent;
        if (up >= 0)
            found(j, false, "%s lies inside %s, which is a key too",
                  j->m->modules[i].path, up == 0 ? "\"\"" : j->m->modules[up].path);
    }
}

/* The key that transformers' loader takes for a tensor that no key covers: its keys are
 * the beginnings of one regular expression, longest first. */
static int trap_of(const struct judge *j, const char *name)
{
    int best = -1;
    for (int i = 1; i < j->m->n_modules; i++) {
        const char *path = j->m->modules[i].path;
        if (j->placement.module[i] != I8_PLAN_NONE &&
            strncmp(name, path, strlen(path)) == 0 &&
            (best < 0 || strlen(path) > strlen(j->m->modules[best].path)))
            best = i;
    }
    return best;
}

/* The highest module above a parameter that holds no key at all; -1 if its own module
 * holds one (a sister parameter's). */
static int uncovered_module(const struct judge *j, const bool *keyed, int module)
{
    int found_at = -1;
    for (; module > 0 && !keyed[module]; module = j->m->modules[module].parent)
        found_at = module;
    return found_at;
}

static void check_coverage(struct judge *j)
{
    const struct i8i_model *m = j->m;
    bool *keyed = i8i_calloc((size_t)m->n_modules, sizeof *keyed); /* a key is inside */
    int told = -1;

    if (keyed == NULL) {
        j->failed = true;
        return;
    }
    for (int i = 0; i < m->n_params; i++)
        if (j->placement.param[i] != I8_PLAN_NONE)
            keyed[m->params[i].module] = true;
    for (int i = m->n_modules - 1; i > 0; i--)
        if (keyed[i] || j->placement.module[i] != I8_PLAN_NONE)
            keyed[m->modules[i].parent] = true;
    for (int i = 0; i < m->n_params; i++) {
        const struct i8i_param *p = &m->params[i];
        if (i8i_placement_of_param(m, &j->placement, i) != I8_PLAN_NONE)
            continue;
        int module = uncovered_module(j, keyed, p->module), trap = trap_of(j, p->name);
        if (module >= 0 && module == told)
            continue; /* tell once a module */
        told = module;
        const char *name = module >= 0 ? m->modules[module].path : p->name;
        if (trap >= 0)
            found(j, true, "%s has no key, and the loader's prefix match gives it to %s",
                  name, m->modules[trap].path);
        else if (p->buffer && !p->persistent)
            found(j, true, "%s has no key: its buffers would be on the CPU", name);
        else
            found(j, true, "%s has no key", name);
    }
    free(keyed);
}

static void check_ties(struct judge *j)
{
    for (int i = 0; i < j->m->n_params; i++) {
        const struct i8i_param *p = &j->m->params[i];
        if (p->tied_to < 0)
            continue;
        int a = i8i_placement_of_param(j->m, &j->placement, i);
        int b = i8i_placement_of_param(j->m, &j->placement, p->tied_to);
        if (a != b && a != I8_PLAN_NONE && b != I8_PLAN_NONE)
            found(j, false, "%s and %s share storage, but are on two devices", p->name,
                  j->m->params[p->tied_to].name);
    }
}

static void check_blocks(struct judge *j)
{
    for (int i = 1; i < j->m->n_modules; i++) {
        const struct i8i_module *mod = &j->m->modules[i];
        int device = I8_PLAN_NONE;
        bool split = false;
        if (!mod->no_split)
            continue;
        for (int k = i; k < j->bytes.end[i] && !split; k++) {
            const struct i8i_module *in = &j->m->modules[k];
            for (int q = in->first_param; q < in->first_param + in->n_params; q++) {
                int d = i8i_placement_of_param(j->m, &j->placement, q);
                split = split || (device != I8_PLAN_NONE && d != device);
                device = d;
            }
        }
        if (split)
            found(j, true, "%s is a residual block and must not be split", mod->path);
    }
}

static void check_capacity(struct judge *j, const struct i8_plan_request *r)
{
    for (size_t i = 0; i < r->n_budgets; i++) {
        uint64_t sum = r->budgets[i].device >= 0 ? r->reserve : 0;
        char name[I8I_DEVICE_TEXT], text[2][I8I_SIZE_TEXT];
        for (int k = 0; k < j->m->n_params; k++)
            if (i8i_placement_of_param(j->m, &j->placement, k) == r->budgets[i].device)
                sum += j->bytes.param[k];
        if (sum > r->budgets[i].bytes)
            found(j, true, "%s: the weights placed there take %s, its budget is %s",
                  i8i_device_text(name, r->budgets[i].device),
                  i8i_size_text(text[0], sum),
                  i8i_size_text(text[1], r->budgets[i].bytes));
    }
    bool off = false;
    for (int k = 0; k < j->m->n_params && !off; k++) {
        int d = i8i_placement_of_param(j->m, &j->placement, k);
        off = d == I8_PLAN_CPU || d == I8_PLAN_DISK;
    }
    if (off && r->dtype == I8_PLAN_INT8 && r->runtime <= I8_PLAN_TRANSFORMERS4)
        found(j, true,
              "in 8 bits from_pretrained refuses modules on the CPU or the disk "
              "unless llm_int8_enable_fp32_cpu_offload is set");
}

enum i8_status i8_plan_check(struct i8_plan_finding **out, size_t *n,
                             const struct i8_planner *p,
                             const struct i8_plan_request *request, const char *json,
                             size_t length, const char *what, struct i8_error *err)
{
    struct judge j = {.m = p->model};
    i8i_json *doc = NULL;
    enum i8_status status;

    *out = NULL;
    *n = 0;
    if ((status = i8i_json_parse(&doc, json, length, what, err)) != I8_OK)
        return status;
    if (!i8i_json_is_object(doc))
        status =
            i8i_fail(err, I8_ERR_DATA, "%s: expected an object {module: device}", what);
    if (status == I8_OK)
        status = i8i_bytes_compute(&j.bytes, j.m, request, I8I_BYTES_TRUE, err);
    if (status == I8_OK)
        status = i8i_placement_init(&j.placement, j.m, err);
    if (status == I8_OK) {
        read_map(&j, doc, request);
        check_coverage(&j);
        check_ties(&j);
        check_blocks(&j);
        check_capacity(&j, request);
        if (j.failed)
            status = i8i_nomem(err);
    }
    i8i_json_free(doc);
    i8i_bytes_free(&j.bytes);
    i8i_placement_free(&j.placement);
    if (status != I8_OK) {
        i8_plan_findings_free(j.findings, j.n);
        return status;
    }
    *out = j.findings;
    *n = j.n;
    return I8_OK;
}

void i8_plan_findings_free(struct i8_plan_finding *findings, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(findings[i].text);
    free(findings);
}
