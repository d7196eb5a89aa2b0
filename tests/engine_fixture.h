/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the engine share: test data, models, runs, and the measure of
 * error.
 */
#ifndef TESTS_ENGINE_FIXTURE_H
#define TESTS_ENGINE_FIXTURE_H

#include "engine/engine.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 512 };

static inline void data_path(char path[PATH_BYTES], const char *folder, const char *name)
{
    const char *data = getenv("I8_TEST_DATA");

    snprintf(path, PATH_BYTES, "%s/%s/%s", data ? data : "tests/data", folder, name);
}

static inline struct i8i_checkpoint *stored_open(const char *folder, const char *name)
{
    struct i8i_checkpoint *c = NULL;
    struct i8_error err = {0};
    char path[PATH_BYTES];

    data_path(path, folder, name);
    ck_assert_msg(i8i_checkpoint_open_file(&c, path, &err) == I8_OK, "%s", err.message);
    return c;
}

/* The tensor's bytes, or NULL if there is none of that name. Caller frees. */
static inline void *stored_get(const struct i8i_checkpoint *c, const char *name,
                               size_t shape[3])
{
    const struct i8i_tensor *t = i8i_checkpoint_find(c, name);
    struct i8_error err = {0};
    void *data;

    if (!t)
        return NULL;
    for (uint32_t i = 0; i < 3; i++)
        shape[i] = i < t->rank ? (size_t)t->shape[i] : 1;
    data = malloc(t->bytes);
    ck_assert_msg(i8i_tensor_read(c, t, data, 0, t->bytes, &err) == I8_OK, "%s",
                  err.message);
    return data;
}

static inline double relative_l2(const float *got, const float *want, size_t n)
{
    double off = 0, size = 0;

    for (size_t i = 0; i < n; i++) {
        off += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
        size += (double)want[i] * (double)want[i];
    }
    return sqrt(off / size);
}

static inline struct i8i_model *model_at(const char *path)
{
    struct i8i_model_options options = {.require_family = true};
    struct i8i_model *m = NULL;
    struct i8_error err = {0};

    ck_assert_msg(i8i_model_open(&m, path, &options, &err) == I8_OK, "%s", err.message);
    return m;
}

static inline struct i8i_model *tiny_open(const char *name)
{
    char path[PATH_BYTES];

    data_path(path, "tiny", name);
    return model_at(path);
}

static inline struct i8i_engine *engine_with(const struct i8i_model *m, unsigned threads,
                                             enum i8i_outlier_mode outliers)
{
    struct i8i_engine_options options = {.threads = threads, .outliers = outliers};
    struct i8i_engine *e = NULL;
    struct i8_error err = {0};

    ck_assert_msg(i8i_engine_open(&e, m, &options, &err) == I8_OK, "%s", err.message);
    return e;
}

static inline struct i8i_engine *engine_open(const struct i8i_model *m, unsigned threads)
{
    return engine_with(m, threads, I8I_OUTLIERS_AUTO);
}

static inline struct i8i_run *run_new(struct i8i_engine *e,
                                      const struct i8i_run_input *in)
{
    struct i8i_run *r = NULL;
    struct i8_error err = {0};

    ck_assert_msg(i8i_run_new(&r, e, in, NULL, &err) == I8_OK, "%s", err.message);
    return r;
}

static inline void run_finish(struct i8i_run *r)
{
    struct i8_error err = {0};

    ck_assert_msg(i8i_run_finish(r, &err) == I8_OK, "%s", err.message);
}

static inline int32_t best(const float *logits, size_t n)
{
    size_t top = 0;

    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[top])
            top = i;
    return (int32_t)top;
}

/* Row `row` of a fixture's inputs. */
static inline struct i8i_run_input row_input(const int32_t *ids, const size_t *shape,
                                             const int32_t *decoder,
                                             const size_t *decoder_shape, size_t row)
{
    struct i8i_run_input in = {.ids = ids + row * shape[1], .n_ids = shape[1]};

    if (decoder) {
        in.decoder_ids = decoder + row * decoder_shape[1];
        in.n_decoder_ids = decoder_shape[1];
    }
    return in;
}

#endif
