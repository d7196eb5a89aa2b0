/* SPDX-License-Identifier: Apache-2.0
 *
 * The public calls: plan, stage, run, publish, and the account of it.
 */
#include "config.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/size.h"
#include "convert/disk_rate.h"
#include "convert/packed.h"
#include "convert/rank_run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

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
    r->files = i8i_calloc(p->n_outputs + 1, sizeof *r->files);
    r->kept_for = i8i_calloc(p->n_kept, sizeof *r->kept_for);
    if (r->files == NULL || r->kept_for == NULL)
        return i8i_nomem(err);
    enum i8_status st = I8_OK;
    for (size_t i = 0; i < p->n_outputs && st == I8_OK; i++) {
        const struct i8i_output_file *f = &p->outputs[i];
        if (f->frames && !f->packed) {
            st = add_file(r, f->packed_name, i8i_packed_most_bytes(f), "", err);
            r->at_most = true;
        } else {
            st = add_file(r, f->name, f->bytes, f->sha256, err);
        }
    }
    if (st == I8_OK)
        st = add_file(r, I8I_MANIFEST_NAME, p->manifest_bytes, manifest_sha256, err);
    r->output_bytes = 0;
    for (size_t i = 0; i < r->n_files; i++)
        r->output_bytes += r->files[i].bytes;
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
        const struct i8i_source *stored = i8i_source_stored(in->source);
        if (stored->fd < 0 || stored->digest != NULL || fstat(stored->fd, &info) != 0)
            continue; /* what has a digest is held to that */
        int64_t mtime = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
        if ((uint64_t)info.st_size != stored->size || mtime != in->mtime_ns)
            return i8i_fail(err, I8_ERR_DATA, "%s: changed while it was being converted",
                            in->source->name);
    }
    return I8_OK;
}

/* Composes the manifest, now that all digests are known, and notes its own. */
static enum i8_status compose(char **manifest, size_t *bytes, char sha256[I8_SHA256_HEX],
                              struct i8i_convert_plan *p, struct i8_error *err)
{
    struct i8i_hash *h = NULL;
    sha256[0] = '\0';
    for (size_t i = 0; i < p->n_inputs + p->n_outputs && !p->options->no_hash; i++) {
        const char *hex =
            i < p->n_inputs ? p->inputs[i].sha256 : p->outputs[i - p->n_inputs].sha256;
        if (hex[0] == '\0') /* a fault of ours, but a false manifest would outlive it */
            return i8i_fail(err, I8_ERR_DATA, "%s: not all digests are known",
                            I8I_MANIFEST_NAME);
    }
    enum i8_status st = i8i_convert_manifest(manifest, bytes, p, err);
    if (st == I8_OK && p->pack_level > 0) /* sizes have as many digits as they have */
        p->manifest_bytes = *bytes;
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
bool i8i_worth_keeping(enum i8_status st)
{
    return st == I8_ERR_IO || st == I8_ERR_NOSPACE || st == I8_ERR_CANCELLED ||
           st == I8_ERR_NOMEM || st == I8_ERR_NETWORK;
}

enum i8_status i8i_conversion_work(struct i8i_conversion *r,
                                   const struct i8i_pipeline_task *task,
                                   struct i8_error *err)
{
    struct i8i_pipeline_report report;
    enum i8_status st =
        i8i_pipeline_run(&report, r->plan, r->staging, task, r->tuning, err);
    r->nonfinite += report.nonfinite;
    r->complete = st == I8_OK && report.complete;
    r->left_bytes = report.left_bytes;
    if (!r->begun) {
        r->resumed_bytes = report.resumed_bytes;
        r->part_bytes = report.part_bytes;
    }
    r->begun = true;
    char passing[I8I_SIZE_TEXT];
    if (report.passing_bytes > 0)
        i8i_log(r->plan->options->log, I8_LOG_DEBUG,
                "%s of the source were hashed as they passed",
                i8i_size_text(passing, report.passing_bytes));
    return st == I8_OK ? check_unchanged(r->plan, err) : st;
}

enum i8_status i8i_conversion_pack(struct i8i_conversion *r, const bool *which,
                                   bool unbegun, struct i8_error *err)
{
    unsigned jobs;
    uint64_t memory;
    if (r->plan->pack_level == 0)
        return I8_OK;
    (void)i8i_pack_size(&jobs, &memory, r->plan);
    return i8i_pack_outputs(r->staging, which, unbegun, jobs ? jobs : 1, err);
}

/* All that is plain. What another rank has begun comes last: by then it may be done. */
static enum i8_status pack_rest(struct i8i_conversion *r, struct i8_error *err)
{
    enum i8_status st =
        r->staging->shared ? i8i_conversion_pack(r, NULL, true, err) : I8_OK;
    return st == I8_OK ? i8i_conversion_pack(r, NULL, false, err) : st;
}

enum i8_status i8i_conversion_finish(struct i8i_conversion *r,
                                     const struct i8i_pipeline_task *task,
                                     struct i8_error *err)
{
    char *manifest = NULL;
    size_t bytes = 0;
    enum i8_status st = i8i_conversion_work(r, task, err);
    if (st == I8_OK && !r->complete)
        st = i8i_fail(err, I8_ERR_IO, "%s: journals are gone that said what is done",
                      r->staging->directory);
    if (st == I8_OK)
        st = pack_rest(r, err);
    if (st == I8_OK && r->staging->complete)
        return i8i_conversion_found_complete(r, err);
    if (st == I8_OK && r->plan->packed_manifest)
        st = i8i_unpack_check(r->plan, err);
    if (st == I8_OK)
        st = compose(&manifest, &bytes, r->manifest_sha256, r->plan, err);
    if (st == I8_OK)
        st = i8i_staging_publish(r->staging, manifest, bytes, err);
    free(manifest);
    return st;
}

enum i8_status i8i_conversion_found_complete(struct i8i_conversion *r,
                                             struct i8_error *err)
{
    char *manifest = NULL;
    size_t bytes = 0;
    enum i8_status st = compose(&manifest, &bytes, r->manifest_sha256, r->plan, err);
    free(manifest);
    /* What a publisher that died at the very end has left. */
    i8i_staging_remove_traces(r->staging);
    r->complete = true;
    r->left_bytes = 0;
    return st;
}

/* What only has to be done once is the first rank's. */
enum i8_status i8i_conversion_check_model(const struct i8i_convert_plan *plan,
                                          struct i8_error *err)
{
    if (plan->options->ranks && plan->options->ranks->rank > 0)
        return I8_OK;
    i8i_convert_advise(plan);
    return i8i_convert_check_tied(plan, err);
}

static enum i8_status run_alone(struct i8i_conversion *r, struct i8_error *err)
{
    const struct i8i_pipeline_task everything = {.part = i8i_division_of(r->plan, 0, 1)};
    enum i8_status st = i8i_staging_open(&r->staging, r->plan, err);
    if (st == I8_OK)
        st = i8i_conversion_check_model(r->plan, err);
    return st == I8_OK ? i8i_conversion_finish(r, &everything, err) : st;
}

static enum i8_status check_group(const struct i8_rank_group *g, struct i8_error *err)
{
    if (g && (g->count == 0 || g->rank >= g->count))
        return i8i_fail(err, I8_ERR_ARG, "rank %u of %u: expected 0 to %u", g->rank,
                        g->count, g->count ? g->count - 1 : 0);
    return I8_OK;
}

/* A shorter conversion says little about a disk, and is not worth the probe. */
#define LEAST_MEASURED_S 1.0

static void measure_disk(struct i8_convert_result *result, const struct i8i_conversion *r)
{
    struct i8i_disk_rate rate;
    i8i_disk_rate_measure(&rate, r->plan, result->jobs);
    result->disk_read_rate = rate.read;
    result->disk_write_rate = rate.write;
    /* Of a rank's or a resumed run's work this would say nothing. */
    if (r->resumed_bytes == 0 && r->part_bytes >= r->plan->source_bytes)
        result->disk_share = i8i_disk_rate_share(&rate, result->source_bytes,
                                                 result->output_bytes, result->seconds);
}

/* The account of it, and the end. */
static enum i8_status conclude(struct i8_convert_result *result, struct i8i_conversion *r,
                               double start, enum i8_status st, struct i8_error *err)
{
    if (st == I8_OK)
        st = describe(result, r->plan, r->manifest_sha256, err);
    result->resumed_bytes = r->resumed_bytes;
    result->part_bytes = r->part_bytes;
    result->left_bytes = r->left_bytes;
    result->complete = r->complete;
    result->seconds = i8i_monotonic_s() - start;
    result->peak_rss_bytes = peak_rss();
    if (st == I8_OK && r->complete && r->plan->options->measure_disk &&
        result->seconds >= LEAST_MEASURED_S)
        measure_disk(result, r);
    i8i_staging_close(r->staging, i8i_worth_keeping(st));
    i8i_convert_plan_free(r->plan);
    if (st != I8_OK)
        i8_convert_result_free(result);
    return st;
}

static void say_memory(const struct i8_convert_options *o,
                       const struct i8_convert_result *r, size_t block_bytes)
{
    char memory[I8I_SIZE_TEXT], block[I8I_SIZE_TEXT];
    i8i_log(o->log, I8_LOG_DEBUG, "%s of memory at most: %u jobs of two blocks of %s",
            i8i_size_text(memory, r->memory_bytes), r->jobs,
            i8i_size_text(block, block_bytes));
}

enum i8_status i8i_convert_tuned(struct i8_convert_result *result,
                                 const struct i8_convert_options *options,
                                 const struct i8i_convert_tuning *tuning,
                                 struct i8_error *err)
{
    const double start = i8i_monotonic_s();
    struct i8i_conversion r = {.tuning = tuning};
    size_t block_bytes;
    *result = (struct i8_convert_result){0};
    enum i8_status st = check_group(options->ranks, err);
    if (st == I8_OK)
        st = i8i_convert_plan_new(&r.plan, options, err);
    if (st == I8_OK)
        st = i8i_pipeline_size(&result->jobs, &block_bytes, &result->memory_bytes, r.plan,
                               tuning, err);
    if (st == I8_OK)
        say_memory(options, result, block_bytes);
    if (options->ranks && options->ranks->count > 1)
        st = i8i_conversion_as_rank(&r, options->ranks, st, err);
    else if (st == I8_OK)
        st = run_alone(&r, err);
    if (st == I8_OK && r.nonfinite > 0)
        i8i_log(options->log, I8_LOG_WARNING,
                "%" PRIu64 " NaN, Inf or too large values were converted as bitsandbytes "
                "does: their rows are not sound",
                r.nonfinite);
    return conclude(result, &r, start, st, err);
}

enum i8_status i8_unpack(struct i8_convert_result *result,
                         const struct i8_convert_options *options, struct i8_error *err)
{
    static const struct i8i_convert_tuning defaults;
    const double start = i8i_monotonic_s();
    struct i8_convert_options own = *options;
    own.ranks = NULL;
    own.compression = I8_COMPRESSION_NONE;
    struct i8i_conversion r = {.tuning = &defaults};
    size_t block_bytes;
    *result = (struct i8_convert_result){0};
    enum i8_status st = i8i_unpack_plan_new(&r.plan, &own, err);
    if (st == I8_OK)
        st = i8i_pipeline_size(&result->jobs, &block_bytes, &result->memory_bytes, r.plan,
                               &defaults, err);
    if (st == I8_OK)
        st = i8i_staging_open(&r.staging, r.plan, err);
    if (st == I8_OK) {
        const struct i8i_pipeline_task all = {.part = i8i_division_of(r.plan, 0, 1)};
        st = i8i_conversion_finish(&r, &all, err);
    }
    return conclude(result, &r, start, st, err);
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
    const double start = i8i_monotonic_s();
    struct i8i_conversion r = {.tuning = &defaults};
    size_t block_bytes;
    *result = (struct i8_convert_result){0};
    enum i8_status st = i8i_convert_plan_new(&r.plan, options, err);
    if (st == I8_OK)
        st = i8i_pipeline_size(&result->jobs, &block_bytes, &result->memory_bytes, r.plan,
                               &defaults, err);
    if (st == I8_OK)
        i8i_convert_advise(r.plan);
    return conclude(result, &r, start, st, err);
}
