/* SPDX-License-Identifier: Apache-2.0
 *
 * Real shapes, planned from sparse checkpoints: every device map that accelerate 1.15
 * and transformers 5.17 made of them, and the sizes that they counted. The maps are
 * compared by digest (tests/tools/placement_digest.py).
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/size.h"
#include "planner/plan_state.h"
#include "scratch.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_TENSORS 2048
#define MOST_MODELS  64

struct shape {
    char name[64], prefix[32];
    char *config;
    struct i8i_safetensors_entry *tensors;
    char **names;
    size_t n;
    struct i8_planner *planner;
};

static struct shape shapes[MOST_MODELS];
static size_t n_shapes;

/* ---- models.txt ---- */

static void read_tensor(struct shape *s, char *line)
{
    char *save, *name = strtok_r(line, " ", &save), *dtype = strtok_r(NULL, " ", &save);
    struct i8i_safetensors_entry *e = &s->tensors[s->n];

    ck_assert_uint_lt(s->n, MOST_TENSORS);
    ck_assert_ptr_nonnull(dtype);
    s->names[s->n++] = i8i_strdup(name);
    e->dtype = i8_dtype_parse(dtype, strlen(dtype));
    for (char *d; (d = strtok_r(NULL, " ", &save)) != NULL;)
        e->shape[e->rank++] = strtoull(d, NULL, 10);
}

static char *read_data(const char *name)
{
    char *path = test_data(name), *text;
    struct i8_error err = {0};

    ck_assert_msg(i8i_read_file(&text, NULL, path, 16u << 20, &err) == I8_OK, "%s",
                  err.message);
    free(path);
    return text;
}

static void read_shapes(void)
{
    char *text = read_data("placement/models.txt"), *save;
    struct shape *s = NULL;

    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "model ", 6) == 0) {
            ck_assert_uint_lt(n_shapes, MOST_MODELS);
            s = &shapes[n_shapes++];
            ck_assert_int_eq(sscanf(line, "model %63s %31s", s->name, s->prefix), 2);
            s->tensors = calloc(MOST_TENSORS, sizeof *s->tensors);
            s->names = calloc(MOST_TENSORS, sizeof *s->names);
        } else if (strncmp(line, "config ", 7) == 0) {
            s->config = i8i_strdup(line + 7);
        } else {
            read_tensor(s, line);
        }
    }
    free(text);
}

/* Writes the shape as a checkpoint whose weights are a hole in the file. */
static char *write_sparse(const char *dir, const struct shape *s, bool strip)
{
    struct i8i_safetensors_entry entries[MOST_TENSORS];
    size_t prefix = strlen(s->prefix), header_bytes;
    uint64_t file_bytes;
    struct i8_error err = {0};
    char *header, *folder = i8i_path_join(dir, s->name);

    memcpy(entries, s->tensors, s->n * sizeof *entries);
    for (size_t i = 0; i < s->n; i++) {
        bool has =
            strncmp(s->names[i], s->prefix, prefix) == 0 && s->names[i][prefix] == '.';
        entries[i].name = s->names[i] + (strip && has ? prefix + 1 : 0);
    }
    ck_assert_msg(i8i_safetensors_layout(&header, &header_bytes, &file_bytes, entries,
                                         s->n, NULL, &err) == I8_OK,
                  "%s", err.message);
    free(scratch_write(folder, "config.json", s->config, strlen(s->config)));
    char *path = scratch_write(folder, "model.safetensors", header, header_bytes);
    ck_assert_int_eq(truncate(path, (off_t)file_bytes), 0);
    free(path);
    free(header);
    return folder;
}

static void open_shapes(const char *dir, bool strip)
{
    for (size_t i = 0; i < n_shapes; i++) {
        struct i8_error err = {0};
        char *folder = write_sparse(dir, &shapes[i], strip);
        ck_assert_msg(i8_planner_open(&shapes[i].planner, folder, &err) == I8_OK, "%s",
                      err.message);
        free(folder);
    }
}

static void close_shapes(void)
{
    for (size_t i = 0; i < n_shapes; i++) {
        i8_planner_free(shapes[i].planner);
        for (size_t t = 0; t < shapes[i].n; t++)
            free(shapes[i].names[t]);
        free(shapes[i].names);
        free(shapes[i].tensors);
        free(shapes[i].config);
        shapes[i] = (struct shape){0};
    }
    n_shapes = 0;
}

/* ---- digests ---- */

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* FNV-1a over the sorted lines; frees them. */
static uint64_t digest(char **lines, size_t n)
{
    uint64_t h = UINT64_C(0xCBF29CE484222325);

    qsort(lines, n, sizeof *lines, compare_text);
    for (size_t i = 0; i < n; i++) {
        for (const char *c = lines[i]; *c != '\0'; c++)
            h = (h ^ (unsigned char)*c) * UINT64_C(0x100000001B3);
        free(lines[i]);
    }
    free(lines);
    return h;
}

static uint64_t map_digest(const struct i8_plan *plan)
{
    char **lines = i8i_calloc(plan->n_map, sizeof *lines);

    for (size_t i = 0; i < plan->n_map; i++) {
        const struct i8_plan_entry *e = &plan->map[i];
        lines[i] = e->device >= 0 ? i8i_format("%s\t%d\n", e->module, e->device)
                                  : i8i_format("%s\t%s\n", e->module,
                                               e->device == I8_PLAN_CPU ? "cpu" : "disk");
    }
    return digest(lines, plan->n_map);
}

static bool is_shallow(const char *name)
{
    int dots = 0;
    for (; *name != '\0'; name++)
        dots += *name == '.';
    return dots <= 2;
}

/* Modules and tensors of at most three name parts that take anything. */
static uint64_t sizes_digest(const struct i8_plan *plan, size_t *n)
{
    const struct i8i_model *m = plan->planner->model;
    const struct i8i_bytes *b = &i8i_plan_state(plan)->bytes;
    char **lines = i8i_calloc((size_t)m->n_modules + (size_t)m->n_params, sizeof *lines);

    *n = 0;
    for (int i = 0; i < m->n_modules; i++)
        if (b->module[i] > 0 && is_shallow(m->modules[i].path))
            lines[(*n)++] = i8i_format("%s\t%llu\n", m->modules[i].path,
                                       (unsigned long long)b->module[i]);
    for (int i = 0; i < m->n_params; i++)
        if (b->param[i] > 0 && is_shallow(m->params[i].name))
            lines[(*n)++] = i8i_format("%s\t%llu\n", m->params[i].name,
                                       (unsigned long long)b->param[i]);
    return digest(lines, *n);
}

/* ---- cases.txt ---- */

struct tally {
    int cases, wrong;
};

static enum i8_plan_dtype dtype_of(const char *word)
{
    static const char *const words[] = {"int8", "fp16", "bf16", "fp32"};
    for (int i = 0; i < 4; i++)
        if (strcmp(word, words[i]) == 0)
            return (enum i8_plan_dtype)i;
    ck_abort_msg("dtype %s", word);
    return I8_PLAN_INT8;
}

static void run_case(struct tally *t, char *line)
{
    char *save, *field[7] = {NULL};
    struct i8_plan_request r = I8_PLAN_REQUEST_INIT;
    struct i8_plan_budget *budgets = NULL;
    struct i8_plan *plan;
    struct i8_error err = {0};
    const struct shape *s = NULL;

    field[0] = strtok_r(line, " ", &save);
    for (int i = 1; i < 7; i++) {
        field[i] = strtok_r(NULL, " ", &save);
        ck_assert_ptr_nonnull(field[i]);
    }
    for (size_t i = 0; i < n_shapes; i++)
        if (strcmp(shapes[i].name, field[0]) == 0)
            s = &shapes[i];
    ck_assert_ptr_nonnull(s);
    bool size = strcmp(field[3], "size") == 0;
    r.strategy = field[1][0] == 'a' ? I8_PLAN_ACCELERATE : I8_PLAN_TRANSFORMERS;
    r.dtype = dtype_of(field[2]);
    r.mode = strcmp(field[3], "sequential") == 0       ? I8_PLAN_SEQUENTIAL
             : strcmp(field[3], "balanced_low_0") == 0 ? I8_PLAN_BALANCED_LOW_0
                                                       : I8_PLAN_BALANCED;
    if (!size)
        ck_assert_int_eq(
            i8_plan_parse_budgets(&budgets, &r.n_budgets, field[4], "case", &err), I8_OK);
    r.budgets = budgets;
    ck_assert_msg(i8_plan_make(&plan, s->planner, &r, &err) == I8_OK, "%s", err.message);
    size_t n = plan->n_map;
    uint64_t want = strtoull(field[6], NULL, 16), got;
    if (size) {
        ck_assert_msg(plan->weights_bytes == strtoull(field[4], NULL, 10),
                      "%s %s %s: %llu bytes, not %s", field[0], field[1], field[2],
                      (unsigned long long)plan->weights_bytes, field[4]);
        got = sizes_digest(plan, &n);
        if (strtoull(field[5], NULL, 10) == 0) { /* transformers: the total only */
            got = want;
            n = 0;
        }
    } else {
        got = map_digest(plan);
    }
    t->cases++;
    if (got != want || n != strtoull(field[5], NULL, 10)) {
        (void)fprintf(stderr, "differs: %s %s %s %s %s\n", field[0], field[1], field[2],
                      field[3], field[4]);
        t->wrong++;
    }
    i8_plan_free(plan);
    free(budgets);
}

START_TEST(maps)
{
    char *dir = scratch_new(), *text, *save;
    struct tally t = {0};

    read_shapes();
    open_shapes(dir, _i == 1);
    text = read_data("placement/cases.txt");
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save))
        run_case(&t, line);
    free(text);
    close_shapes();
    scratch_remove(dir);
    ck_assert_int_eq(t.wrong, 0);
    ck_assert_int_eq(t.cases, 2001 + 966 + 23 * 5); /* maps, and sizes by dtype */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan_maps");
    TCase *tc = tcase_create("maps");
    tcase_set_timeout(tc, 900);
    tcase_add_loop_test(tc, maps, 0, 2);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
