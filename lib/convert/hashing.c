/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams of SHA-256 that are advanced part by part.
 */
#include "config.h"

#include "base/hash.h"
#include "convert/hashing.h"
#include "convert/pipeline.h"
#include "convert/remote_inputs.h"

#include <stdlib.h>
#include <string.h>

#define PART_BYTES (UINT64_C(32) << 20)

struct i8i_hash_stream {
    bool output;
    size_t file;    /* index among the plan's outputs or inputs */
    uint64_t bytes; /* of the file */
    char *hex;      /* where the digest goes */
    struct i8i_hash *hash;
    uint64_t position; /* bytes hashed so far */
    bool busy, done;
};

static enum i8_status start_stream(struct i8i_hashing *h,
                                   const struct i8i_hash_stream *as, bool needed,
                                   const char *known, struct i8_error *err)
{
    struct i8i_hash_stream *s = &h->streams[h->count++];
    *s = *as;
    s->done = known || !needed;
    if (known)
        memcpy(s->hex, known, I8_SHA256_HEX);
    if (s->done)
        return I8_OK;
    h->total_bytes += s->bytes;
    return i8i_hash_new(&s->hash, I8I_SHA256, err);
}

enum i8_status i8i_hashing_start(struct i8i_hashing *h, struct i8i_convert_plan *plan,
                                 const struct i8i_staging *staging,
                                 const struct i8i_pipeline_task *task,
                                 struct i8_error *err)
{
    *h = (struct i8i_hashing){.plan = plan, .staging = staging, .part_bytes = PART_BYTES};
    h->streams = i8i_calloc(plan->n_outputs + plan->n_inputs, sizeof *h->streams);
    enum i8_status st = h->streams ? I8_OK : i8i_nomem(err);
    for (size_t i = 0; i < plan->n_outputs && st == I8_OK; i++) {
        struct i8i_output_file *f = &plan->outputs[i];
        const struct i8i_hash_stream s = {
            .output = true, .file = i, .bytes = f->bytes, .hex = f->sha256};
        const char *known =
            staging->resumed[i] ? i8i_record_digest(&staging->record, 'o', i) : NULL;
        const bool final = f->frames == NULL || f->packed; /* or it is hashed as packed */
        st = start_stream(h, &s,
                          final && (task->hash_outputs == NULL || task->hash_outputs[i]),
                          known, err);
    }
    for (size_t i = 0; i < plan->n_inputs && st == I8_OK; i++) {
        struct i8i_input_file *f = &plan->inputs[i];
        const struct i8i_hash_stream s = {.file = i, .bytes = f->bytes, .hex = f->sha256};
        st = start_stream(
            h, &s, f->same_as < 0 && (task->hash_inputs == NULL || task->hash_inputs[i]),
            i8i_record_digest(&staging->record, 'i', i), err);
    }
    return st;
}

void i8i_hashing_free(struct i8i_hashing *h)
{
    for (size_t i = 0; i < h->count; i++)
        i8i_hash_free(h->streams[i].hash);
    free(h->streams);
    *h = (struct i8i_hashing){0};
}

bool i8i_hashing_next(struct i8i_hashing *h, struct i8i_hash_job *job, bool output,
                      uint64_t more_than, i8i_up_to_fn *up_to, void *ctx)
{
    struct i8i_hash_stream *best = NULL;
    for (size_t i = 0; i < h->count; i++) {
        struct i8i_hash_stream *s = &h->streams[i];
        if (s->busy || s->done || s->output != output)
            continue;
        /* A file of no bytes has a digest, too. */
        const uint64_t left = s->bytes - s->position;
        if ((left <= more_than && more_than > 0) ||
            (best && (h->in_order || left <= best->bytes - best->position)))
            continue;
        const uint64_t end = up_to(ctx, s->output, s->file);
        /* Tensors of a .bin may share bytes: reading can come back to an earlier place.
         */
        if (end < s->bytes && (end < s->position || end - s->position < h->part_bytes))
            continue;
        best = s;
        *job = (struct i8i_hash_job){.stream = i, .from = s->position, .to = end};
    }
    if (best == NULL)
        return false;
    best->busy = true;
    if (job->to - job->from > h->part_bytes)
        job->to = job->from + h->part_bytes;
    return true;
}

bool i8i_hashing_join(struct i8i_hashing *h, struct i8i_hash_job *job, size_t input,
                      uint64_t at)
{
    if (h->count == 0)
        return false;
    const size_t i = h->plan->n_outputs + input;
    struct i8i_hash_stream *s = &h->streams[i];
    if (s->busy || s->done || at < s->position || at - s->position >= h->part_bytes ||
        at >= s->bytes)
        return false;
    s->busy = true;
    *job = (struct i8i_hash_job){.stream = i, .from = s->position, .to = at};
    return true;
}

struct i8i_hash *i8i_hashing_stream(const struct i8i_hashing *h,
                                    const struct i8i_hash_job *job)
{
    return h->streams[job->stream].hash;
}

/* The digest of a file whose last byte has been hashed. */
static enum i8_status finish_stream(struct i8i_hashing *h, struct i8i_hash_stream *s,
                                    struct i8_error *err)
{
    enum i8_status st = i8i_hash_final(s->hash, s->hex, err);
    if (st == I8_OK && !s->output)
        st = i8i_check_listed_digest(&h->plan->inputs[s->file], s->hex, err);
    if (st == I8_OK)
        st = i8i_journal_add_digest(h->staging->journal, s->output ? 'o' : 'i', s->file,
                                    s->hex, err);
    return st;
}

enum i8_status i8i_hashing_leave(struct i8i_hashing *h, struct i8i_hash_job *job,
                                 uint64_t at, struct i8_error *err)
{
    struct i8i_hash_stream *s = &h->streams[job->stream];
    job->to = at;
    return at == s->bytes ? finish_stream(h, s, err) : I8_OK;
}

enum i8_status i8i_hashing_run(struct i8i_hashing *h, const struct i8i_hash_job *job,
                               char *buffer, size_t bytes, struct i8_error *err)
{
    struct i8i_hash_stream *s = &h->streams[job->stream];
    struct i8i_source *source = s->output ? NULL : h->plan->inputs[s->file].source;
    enum i8_status st = I8_OK;
    if (s->output)
        st = i8i_staging_read_back(&source, h->staging, s->file, err);
    if (st == I8_OK)
        st = i8i_source_hash(source, s->hash, job->from, job->to, buffer, bytes, err);
    if (s->output)
        i8i_source_close(source);
    return st == I8_OK && job->to == s->bytes ? finish_stream(h, s, err) : st;
}

void i8i_hashing_book(struct i8i_hashing *h, const struct i8i_hash_job *job)
{
    struct i8i_hash_stream *s = &h->streams[job->stream];
    s->busy = false;
    s->position = job->to;
    s->done = job->to == s->bytes;
    h->done_bytes += job->to - job->from;
}

uint64_t i8i_hashing_lag(const struct i8i_hashing *h, i8i_up_to_fn *up_to, void *ctx)
{
    uint64_t lag = 0;
    for (size_t i = 0; i < h->count; i++) {
        const struct i8i_hash_stream *s = &h->streams[i];
        if (s->output)
            continue;
        const uint64_t read = up_to(ctx, false, s->file);
        const uint64_t hashed = s->done ? s->bytes : s->position;
        if (h->in_order && lag > 0)
            lag += read; /* whatever was hashed of it: it lies behind that */
        else
            lag += read > hashed ? read - hashed : 0;
    }
    return lag;
}

uint64_t i8i_hashing_left(const struct i8i_hashing *h)
{
    uint64_t left = 0;
    for (size_t i = 0; i < h->count; i++) {
        const struct i8i_hash_stream *s = &h->streams[i];
        if (!s->output && !s->done)
            left += s->bytes - s->position;
    }
    return left;
}

enum i8_status i8i_hashing_finish(struct i8i_hashing *h, struct i8_error *err)
{
    struct i8i_convert_plan *p = h->plan;
    enum i8_status st = I8_OK;
    for (size_t i = 0; p && i < p->n_inputs && st == I8_OK; i++) {
        struct i8i_input_file *in = &p->inputs[i];
        if (in->same_as < 0)
            continue;
        memcpy(in->sha256, p->outputs[in->same_as].sha256, I8_SHA256_HEX);
        if (in->sha256[0] != '\0')
            st = i8i_check_listed_digest(in, in->sha256, err);
    }
    return st;
}
