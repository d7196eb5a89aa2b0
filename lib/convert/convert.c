/* SPDX-License-Identifier: Apache-2.0
 *
 * The public calls: plan, stage, run, publish, and the account of it.
 */
#include "config.h"

#include "base/hash.h"
#include "convert/pipeline.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t peak_rss(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

/* ---- the result ---- */

static enum i8_status add_file(struct i8_convert_result *r, const char *name,
                               uint64_t bytes, const char *sha256, struct i8_error *err)
{
    struct i8_convert_file *f = &r->files[r->n_files];
    *f = (struct i8_convert_file){.name = i8i_strdup(name), .bytes = bytes};
    if (f->name == NULL)
        return i8i_nomem(err);
    memcpy(f->sha256, sha256, strlen(sha256) + 1);
    r->n_files++;
    return I8_OK;
}

static void add_kept(struct i8_convert_result *r, const struct i8i_kept_tensor *k)
{
    size_t i = 0;
    while (i < r->n_kept_for && strcmp(r->kept_for[i].why, k->why) != 0)
        i++;
    if (i == r->n_kept_for)
        r->kept_for[r->n_kept_for++] = (struct i8_convert_kept){.why = k->why};
    r->kept_for[i].tensors++;
    r->kept_for[i].bytes += k->tensor->elements * i8_dtype_bits(k->to) / 8;
}

static enum i8_status describe(struct i8_convert_result *r,
                               const struct i8i_convert_plan *p,
                               const char *manifest_sha256, struct i8_error *err)
{
    r->tensors = p->model->checkpoint->n_tensors;
    r->converted = p->n_converted;
    r->kept = p->n_kept;
    r->source_bytes = p->source_bytes;
    r->output_bytes = p->output_bytes;
    r->files = i8i_calloc(p->n_outputs + 1, sizeof *r->files);
    r->kept_for = i8i_calloc(p->n_kept, sizeof *r->kept_for);
    if (r->files == NULL || r->kept_for == NULL)
        return i8i_nomem(err);
    enum i8_status st = I8_OK;
    for (size_t i = 0; i < p->n_outputs && st == I8_OK; i++)
        st = add_file(r, p->outputs[i].name, p->outputs[i].bytes, p->outputs[i].sha256,
                      err);
    if (st == I8_OK)
        st = add_file(r, I8I_MANIFEST_NAME, p->manifest_bytes, manifest_sha256, err);
    for (size_t i = 0; i < p->n_kept; i++)
        add_kept(r, &p->kept[i]);
    return st;
}

void i8_convert_result_free(struct i8_convert_result *result)
{
    for (size_t i = 0; i < result->n_files; i++)
        free(result->files[i].name);
    free(result->files);
    free(result->kept_for);
    *result = (struct i8_convert_result){0};
}

/* ---- conversion ---- */

/* The same files as when they were opened. */
static enum i8_status check_unchanged(const struct i8i_convert_plan *p,
                                      struct i8_error *err)
{
    for (size_t i = 0; i < p->n_inputs; i++) {
        const struct i8i_input_file *in = &p->inputs[i];
        struct stat info;
        if (in->source->fd < 0 || fstat(in->source->fd, &info) != 0)
            continue;
        int64_t mtime = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
        if ((uint64_t)info.st_size != in->bytes || mtime != in->mtime_ns)
            return i8i_fail(err, I8_ERR_DATA, "%s: changed while it was being converted",
                            in->source->name);
    }
    return I8_OK;
}

/* Composes the manifest, now that all digests are known, and notes its own. */
static enum i8_status compose(char **manifest, size_t *bytes, char sha256[I8_SHA256_HEX],
                              const struct i8i_convert_plan *p, struct i8_error *err)
{
    struct i8i_hash *h = NULL;
    sha256[0] = '\0';
    enum i8_status st = i8i_convert_manifest(manifest, bytes, p, err);
    if (st == I8_OK && *bytes != p->manifest_bytes)
        st = i8i_fail(err, I8_ERR_DATA, "%s: planned %" PRIu64 " bytes, has %zu",
                      I8I_MANIFEST_NAME, p->manifest_bytes, *bytes);
    if (st != I8_OK || p->options->no_hash)
        return st;
    st = i8i_hash_new(&h, I8I_SHA256, err);
    if (st == I8_OK) {
        i8i_hash_update(h, *manifest, *bytes);
        st = i8i_hash_final(h, sha256, err);
    }
    i8i_hash_free(h);
    return st;
}

/* Going on later makes sense when the world was in the way, not when the model was. */
static bool worth_keeping(enum i8_status st)
{
    return st == I8_ERR_IO || st == I8_ERR_NOSPACE || st == I8_ERR_CANCELLED ||
           st == I8_ERR_NOMEM || st == I8_ERR_NETWORK;
}

enum i8_status i8i_convert_tuned(struct i8_convert_result *result,
                                 const struct i8_convert_options *options,
                                 const struct i8i_convert_tuning *tuning,
                                 struct i8_error *err)
{
    const double start = now();
    struct i8i_convert_plan *plan = NULL;
    struct i8i_staging *staging = NULL;
    struct i8i_pipeline_report report = {0};
    char *manifest = NULL, sha256[I8_SHA256_HEX];
    size_t manifest_bytes = 0, block_bytes;
    *result = (struct i8_convert_result){0};
    enum i8_status st = i8i_convert_plan_new(&plan, options, err);
    if (st == I8_OK)
        st = i8i_pipeline_size(&result->jobs, &block_bytes, &result->memory_bytes, plan,
                               tuning, err);
    if (st == I8_OK)
        st = i8i_staging_open(&staging, plan, err);
    if (st == I8_OK) {
        i8i_convert_advise(plan);
        st = i8i_convert_check_tied(plan, err);
    }
    if (st == I8_OK)
        st = i8i_pipeline_run(&report, plan, staging, tuning, err);
    if (st == I8_OK)
        st = check_unchanged(plan, err);
    if (st == I8_OK)
        st = compose(&manifest, &manifest_bytes, sha256, plan, err);
    if (st == I8_OK)
        st = i8i_staging_publish(staging, manifest, manifest_bytes, err);
    if (st == I8_OK)
        st = describe(result, plan, sha256, err);
    if (st == I8_OK && report.nonfinite > 0)
        i8i_log(options->log, I8_LOG_WARNING,
                "%" PRIu64 " NaN, Inf or too large values were converted as bitsandbytes "
                "does: their rows are not sound",
                report.nonfinite);
    result->resumed_bytes = report.resumed_bytes;
    result->seconds = now() - start;
    result->peak_rss_bytes = peak_rss();
    free(manifest);
    i8i_staging_close(staging, worth_keeping(st));
    i8i_convert_plan_free(plan);
    if (st != I8_OK)
        i8_convert_result_free(result);
    return st;
}

enum i8_status i8_convert(struct i8_convert_result *result,
                          const struct i8_convert_options *options, struct i8_error *err)
{
    static const struct i8i_convert_tuning defaults;
    return i8i_convert_tuned(result, options, &defaults, err);
}

enum i8_status i8_convert_dry_run(struct i8_convert_result *result,
                                  const struct i8_convert_options *options,
                                  struct i8_error *err)
{
    static const struct i8i_convert_tuning defaults;
    const double start = now();
    struct i8i_convert_plan *plan = NULL;
    size_t block_bytes;
    *result = (struct i8_convert_result){0};
    enum i8_status st = i8i_convert_plan_new(&plan, options, err);
    if (st == I8_OK)
        st = i8i_pipeline_size(&result->jobs, &block_bytes, &result->memory_bytes, plan,
                               &defaults, err);
    if (st == I8_OK)
        st = describe(result, plan, "", err);
    if (st == I8_OK)
        i8i_convert_advise(plan);
    result->seconds = now() - start;
    result->peak_rss_bytes = peak_rss();
    i8i_convert_plan_free(plan);
    if (st != I8_OK)
        i8_convert_result_free(result);
    return st;
}
