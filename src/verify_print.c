/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics as a table and as JSON.
 */
#include "config.h"

#include "verify_print.h"

#include "base/size.h"
#include "command.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- JSON ---- */

static void write_score(struct i8i_json_writer *w, const char *key,
                        const struct i8_model_score *s)
{
    i8i_jw_key(w, key);
    i8i_jw_begin_object(w);
    i8i_jw_kv_double(w, "perplexity", s->perplexity);
    i8i_jw_kv_double(w, "nll_per_token", s->nll_per_token);
    i8i_jw_kv_double(w, "top1_accuracy", s->top1_accuracy);
    i8i_jw_end_object(w);
}

static void write_ids(struct i8i_json_writer *w, const char *key, const int32_t *ids,
                      size_t n)
{
    i8i_jw_key(w, key);
    i8i_jw_begin_array(w);
    for (size_t i = 0; i < n; i++)
        i8i_jw_i64(w, ids[i]);
    i8i_jw_end_array(w);
}

static void write_layers(struct i8i_json_writer *w, const struct i8_verify_result *r)
{
    i8i_jw_key(w, "layers");
    i8i_jw_begin_array(w);
    for (size_t i = 0; i < r->n_layers; i++) {
        const struct i8_layer_difference *l = &r->layers[i];
        i8i_jw_begin_object(w);
        i8i_jw_kv_string(w, "name", l->name);
        i8i_jw_kv_double(w, "rel_l2", l->rel_l2);
        i8i_jw_kv_double(w, "cosine", l->cosine);
        i8i_jw_kv_u64(w, "outlier_columns", l->outlier_columns);
        i8i_jw_kv_double(w, "accumulated_rel_l2", l->accumulated_rel_l2);
        i8i_jw_end_object(w);
    }
    i8i_jw_end_array(w);
}

static void write_continuations(struct i8i_json_writer *w,
                                const struct i8_verify_result *r)
{
    i8i_jw_key(w, "generate");
    i8i_jw_begin_array(w);
    for (size_t i = 0; i < r->n_continuations; i++) {
        const struct i8_continuation *c = &r->continuations[i];
        i8i_jw_begin_object(w);
        i8i_jw_kv_string(w, "prompt", c->prompt);
        write_ids(w, "reference_ids", c->reference_ids, c->n_reference);
        write_ids(w, "converted_ids", c->converted_ids, c->n_converted);
        i8i_jw_key(w, "first_difference");
        if (c->first_difference < 0)
            i8i_jw_null(w);
        else
            i8i_jw_i64(w, c->first_difference);
        i8i_jw_end_object(w);
    }
    i8i_jw_end_array(w);
}

int verify_json(const struct i8_verify_result *r)
{
    struct i8i_json_writer w;
    i8i_jw_init(&w, true);
    i8i_jw_begin_object(&w);
    write_score(&w, "reference", &r->reference);
    if (r->compared) {
        write_score(&w, "converted", &r->converted);
        i8i_jw_kv_double(&w, "ppl_ratio", r->ppl_ratio);
        i8i_jw_kv_double(&w, "mean_kl", r->mean_kl);
        i8i_jw_kv_double(&w, "p99_kl", r->p99_kl);
        i8i_jw_kv_double(&w, "max_kl", r->max_kl);
        i8i_jw_kv_double(&w, "top1_agreement", r->top1_agreement);
        i8i_jw_kv_double(&w, "logits_rel_l2", r->logits_rel_l2);
        i8i_jw_kv_double(&w, "logits_max_abs", r->logits_max_abs);
    }
    i8i_jw_kv_u64(&w, "nonfinite", r->nonfinite);
    i8i_jw_kv_u64(&w, "tokens_scored", r->tokens_scored);
    i8i_jw_kv_u64(&w, "windows", r->windows);
    i8i_jw_kv_string(&w, "input", r->input);
    if (r->compared) {
        write_layers(&w, r);
        write_continuations(&w, r);
    }
    i8i_jw_kv_string(&w, "device", r->device);
    i8i_jw_kv_double(&w, "seconds", r->seconds);
    i8i_jw_kv_u64(&w, "peak_device_bytes", r->peak_device_bytes);
    i8i_jw_key(&w, "predicted_device_bytes");
    i8i_jw_null(&w); /* the planner does not predict for this engine yet */
    i8i_jw_kv_bool(&w, "pass", r->pass);
    i8i_jw_end_object(&w);
    int status = output_json(&w);
    i8i_jw_free(&w);
    return status;
}

int verify_golden_json(const struct i8_golden_result *r)
{
    struct i8i_json_writer w;
    i8i_jw_init(&w, true);
    i8i_jw_begin_object(&w);
    i8i_jw_kv_string(&w, "output", r->output);
    i8i_jw_kv_double(&w, "logits_rel_l2", r->rel_l2);
    i8i_jw_kv_double(&w, "logits_max_abs", r->max_abs);
    i8i_jw_kv_double(&w, "top1_agreement", r->top1_agreement);
    i8i_jw_kv_u64(&w, "nonfinite", r->nonfinite);
    i8i_jw_kv_u64(&w, "positions", r->positions);
    i8i_jw_kv_string(&w, "device", r->device);
    i8i_jw_kv_double(&w, "seconds", r->seconds);
    i8i_jw_kv_u64(&w, "peak_device_bytes", r->peak_device_bytes);
    i8i_jw_kv_bool(&w, "pass", r->pass);
    i8i_jw_end_object(&w);
    int status = output_json(&w);
    i8i_jw_free(&w);
    return status;
}

/* ---- tables ---- */

static const char *verdict(bool kept)
{
    return kept ? "ok" : "missed";
}

static void print_limit(const char *name, double value, const char *relation,
                        double limit, bool kept)
{
    (void)printf("%-22s %12.6g   limit %s %-8g %s\n", name, value, relation, limit,
                 verdict(kept));
}

static void print_layers(const struct i8_verify_result *r, bool isolated)
{
    int width = 5;
    for (size_t i = 0; i < r->n_layers; i++) {
        int n = (int)strlen(r->layers[i].name);
        width = n > width ? n : width;
    }
    (void)printf("\n%-*s %12s %12s %9s%s\n", width, "layer", "rel. L2", "cosine",
                 "outliers", isolated ? "   with all before it" : "");
    for (size_t i = 0; i < r->n_layers; i++) {
        const struct i8_layer_difference *l = &r->layers[i];
        (void)printf("%-*s %12.3e %12.8f %9" PRIu64, width, l->name, l->rel_l2, l->cosine,
                     l->outlier_columns);
        if (isolated)
            (void)printf("   %18.3e", l->accumulated_rel_l2);
        (void)printf("\n");
    }
}

static void print_continuations(const struct i8_verify_result *r)
{
    for (size_t i = 0; i < r->n_continuations; i++) {
        const struct i8_continuation *c = &r->continuations[i];
        (void)printf("%sgreedy tokens %zu: ", i == 0 ? "\n" : "", i + 1);
        if (c->first_difference < 0)
            (void)printf("the same %zu ids\n", c->n_reference);
        else
            (void)printf("the same up to id %" PRId64 " of %zu\n", c->first_difference,
                         c->n_reference);
    }
}

void verify_table(const struct i8_verify_result *r, const struct i8_verify_options *o)
{
    char peak[I8I_SIZE_TEXT];
    (void)printf("%" PRIu64 " tokens scored in %zu windows (%s)\n\n", r->tokens_scored,
                 r->windows, r->input);
    (void)printf("%-22s %12s%s\n", "", "reference", r->compared ? "    converted" : "");
#define ROW(name, member)                                        \
    do {                                                         \
        (void)printf("%-22s %12.6g", name, r->reference.member); \
        if (r->compared)                                         \
            (void)printf(" %12.6g", r->converted.member);        \
        (void)printf("\n");                                      \
    } while (0)
    ROW("perplexity", perplexity);
    ROW("nll per token", nll_per_token);
    ROW("top-1 accuracy", top1_accuracy);
#undef ROW
    if (r->compared) {
        (void)printf("\n");
        print_limit("perplexity ratio", r->ppl_ratio, "<=", o->max_ppl_ratio,
                    r->ppl_ratio <= o->max_ppl_ratio);
        print_limit("mean KL", r->mean_kl, "<=", o->max_kl, r->mean_kl <= o->max_kl);
        (void)printf("%-22s %12.6g\n%-22s %12.6g\n", "99th percentile KL", r->p99_kl,
                     "largest KL", r->max_kl);
        print_limit("top-1 agreement", r->top1_agreement, ">=", o->min_top1,
                    r->top1_agreement >= o->min_top1);
        (void)printf("%-22s %12.6g\n%-22s %12.6g\n", "logits, relative L2",
                     r->logits_rel_l2, "logits, largest error", r->logits_max_abs);
        print_layers(r, o->isolate_layers);
        print_continuations(r);
    }
    if (r->nonfinite > 0)
        (void)printf("\n%" PRIu64 " values are NaN or infinite\n", r->nonfinite);
    (void)printf("\n%s: %.1f s, %s at most\n", r->device, r->seconds,
                 i8i_size_text(peak, r->peak_device_bytes));
    if (r->compared)
        (void)printf("%s\n", r->pass ? "pass" : "FAIL: a limit was missed");
}

void verify_golden_table(const struct i8_golden_result *r, double max_rel_l2)
{
    (void)printf("%" PRIu64 " positions of %s\n\n", r->positions, r->output);
    print_limit("relative L2", r->rel_l2, "<=", max_rel_l2, r->rel_l2 <= max_rel_l2);
    (void)printf("%-22s %12.6g\n", "largest error", r->max_abs);
    if (!strcmp(r->output, "logits"))
        (void)printf("%-22s %12.6g\n", "top-1 agreement", r->top1_agreement);
    if (r->nonfinite > 0)
        (void)printf("%" PRIu64 " values are NaN or infinite\n", r->nonfinite);
    (void)printf("%s\n", r->pass ? "pass" : "FAIL: the limit was missed");
}
