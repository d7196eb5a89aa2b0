/* SPDX-License-Identifier: Apache-2.0
 *
 * verify --report: one HTML file that needs nothing else. Numbers as tables, each
 * layer's error as a bar on a logarithmic scale, drawn in SVG.
 */
#include "config.h"

#include "verify_print.h"

#include "base/file.h"
#include "base/memory.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define MAX_REPORT_BYTES ((size_t)64 << 20)

/* The bars: one row a layer, from 1e-8 (or less) to 1 (or more). */
enum { ROW = 18, NAMES = 260, BARS = 400, VALUES = 90, DECADES = 8 };

static const char style[] =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 "
    "1em;"
    "color:#222;background:#fff}table{border-collapse:collapse;margin:1em 0}"
    "th,td{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}"
    "th:first-child,td:first-child{text-align:left}"
    ".ok{color:#176f2c}.missed{color:#b3261e;font-weight:bold}"
    "svg text{font-size:12px;fill:#222}svg .bar{fill:#3b6fb6}svg .grid{stroke:#ddd}";

/* Text between tags; names come from files. */
static void put_text(struct i8i_buffer *b, const char *text)
{
    for (const char *c = text; *c; c++) {
        switch (*c) {
        case '<':
            i8i_buffer_puts(b, "&lt;");
            break;
        case '&':
            i8i_buffer_puts(b, "&amp;");
            break;
        default:
            i8i_buffer_append(b, c, 1);
        }
    }
}

static void put_scores(struct i8i_buffer *b, const struct i8_verify_result *r)
{
    const struct {
        const char *name;
        double reference, converted;
    } rows[] = {
        {"perplexity", r->reference.perplexity, r->converted.perplexity},
        {"nll per token", r->reference.nll_per_token, r->converted.nll_per_token},
        {"top-1 accuracy", r->reference.top1_accuracy, r->converted.top1_accuracy},
    };
    i8i_buffer_puts(b, "<table><tr><th></th><th>original</th><th>converted</th></tr>\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        i8i_buffer_printf(b, "<tr><td>%s</td><td>%.6g</td><td>%.6g</td></tr>\n",
                          rows[i].name, rows[i].reference, rows[i].converted);
    i8i_buffer_puts(b, "</table>\n");
}

static void put_limit(struct i8i_buffer *b, const char *name, double value,
                      const char *relation, double limit, bool kept)
{
    i8i_buffer_printf(
        b, "<tr><td>%s</td><td>%.6g</td><td>%s %g</td><td class=%s>%s</td></tr>\n", name,
        value, relation, limit, kept ? "ok" : "missed", kept ? "ok" : "missed");
}

static void put_value(struct i8i_buffer *b, const char *name, double value)
{
    i8i_buffer_printf(b, "<tr><td>%s</td><td>%.6g</td><td></td><td></td></tr>\n", name,
                      value);
}

static void put_metrics(struct i8i_buffer *b, const struct i8_verify_result *r,
                        const struct i8_verify_options *o)
{
    i8i_buffer_puts(b,
                    "<table><tr><th></th><th>value</th><th>limit</th><th></th></tr>\n");
    put_limit(b, "perplexity ratio", r->ppl_ratio, "≤", o->max_ppl_ratio,
              r->ppl_ratio <= o->max_ppl_ratio);
    put_limit(b, "mean KL", r->mean_kl, "≤", o->max_kl, r->mean_kl <= o->max_kl);
    put_value(b, "99th percentile KL", r->p99_kl);
    put_value(b, "largest KL", r->max_kl);
    put_limit(b, "top-1 agreement", r->top1_agreement, "≥", o->min_top1,
              r->top1_agreement >= o->min_top1);
    put_value(b, "logits, relative L2", r->logits_rel_l2);
    put_value(b, "logits, largest error", r->logits_max_abs);
    put_limit(b, "NaN and infinite values", (double)r->nonfinite, "≤", 0,
              r->nonfinite == 0);
    i8i_buffer_puts(b, "</table>\n");
}

/* Where an error stands on the logarithmic axis, in pixels; NaN at its end. */
static double bar_length(double error)
{
    if (!(error < 1))
        return BARS;
    double decades = log10(error) + DECADES; /* −Inf for 0 */
    return decades > 0 ? decades * BARS / DECADES : 0;
}

static void put_layers(struct i8i_buffer *b, const struct i8_verify_result *r)
{
    size_t height = (r->n_layers + 2) * ROW;
    i8i_buffer_printf(b, "<svg width=%d height=%zu role=img>\n", NAMES + BARS + VALUES,
                      height);
    for (int d = 0; d <= DECADES; d++)
        i8i_buffer_printf(b,
                          "<line class=grid x1=%d x2=%d y1=%d y2=%zu /><text x=%d y=%d "
                          "text-anchor=middle>1e%d</text>\n",
                          NAMES + d * BARS / DECADES, NAMES + d * BARS / DECADES, ROW,
                          height - ROW, NAMES + d * BARS / DECADES, ROW - 5, d - DECADES);
    for (size_t i = 0; i < r->n_layers; i++) {
        const struct i8_layer_difference *l = &r->layers[i];
        size_t y = (i + 1) * ROW;
        i8i_buffer_printf(b, "<text x=%d y=%zu text-anchor=end>", NAMES - 6, y + 13);
        put_text(b, l->name);
        i8i_buffer_printf(b,
                          "</text><rect class=bar x=%d y=%zu width=%.1f height=%d>"
                          "<title>cosine %.8f, %" PRIu64 " outlier columns</title></rect>"
                          "<text x=%d y=%zu>%.2e</text>\n",
                          NAMES, y + 3, bar_length(l->rel_l2), ROW - 6, l->cosine,
                          l->outlier_columns, NAMES + BARS + 8, y + 13, l->rel_l2);
    }
    i8i_buffer_puts(b, "</svg>\n");
}

enum i8_status verify_report(const char *path, const char *original,
                             const char *converted, const struct i8_verify_result *r,
                             const struct i8_verify_options *o, struct i8_error *err)
{
    struct i8i_buffer b;
    i8i_buffer_init(&b, MAX_REPORT_BYTES);
    i8i_buffer_printf(&b,
                      "<!DOCTYPE html>\n<html lang=en><meta charset=utf-8>"
                      "<title>int8tool verify</title><style>%s</style>\n"
                      "<h1>int8tool verify: <span class=%s>%s</span></h1>\n<p>",
                      style, r->pass ? "ok" : "missed", r->pass ? "pass" : "missed");
    put_text(&b, converted);
    i8i_buffer_puts(&b, " against ");
    put_text(&b, original);
    i8i_buffer_printf(&b,
                      ": %" PRIu64 " tokens scored in %zu windows (%s), %.1f s on %s, "
                      "int8tool %s.</p>\n",
                      r->tokens_scored, r->windows, r->input, r->seconds, r->device,
                      i8_version());
    put_scores(&b, r);
    put_metrics(&b, r, o);
    i8i_buffer_printf(&b, "<h2>Relative L2 error of each layer%s</h2>\n",
                      o->isolate_layers ? ", on the original's input" : "");
    put_layers(&b, r);
    i8i_buffer_puts(&b, "</html>\n");
    size_t length = b.length;
    char *text = i8i_buffer_take(&b, NULL);
    enum i8_status status =
        text != NULL ? i8i_write_file(path, text, length, err) : i8i_nomem(err);
    free(text);
    return status;
}
