/* SPDX-License-Identifier: Apache-2.0
 *
 * The plan as a drawing: one bar a device, as long as its capacity, with what fills it
 * and the modules that live there.
 */
#include "config.h"

#include "planner/plan_state.h"

#include "base/memory.h"
#include "base/size.h"

#include <string.h>

#define MOST_SVG_BYTES (16u << 20)

#define WIDTH  760
#define MARGIN 28
#define TOP    82 /* of the first bar */
#define BAR    26
#define ROW    62
#define LEFT   100 /* of the bars */
#define LENGTH 470 /* of the longest bar */
#define SMALL  14  /* a part narrower than this gets no label */

static const struct {
    const char *name, *color;
} parts[] = {
    {"weights", "#3b6fb6"},
    {"KV cache", "#4f9d69"},
    {"activations", "#d98e32"},
    {"reserve", "#8d6ba8"},
};
#define PARTS (sizeof parts / sizeof *parts)

static void part_bytes(uint64_t bytes[PARTS], const struct i8_plan_device *d)
{
    bytes[0] = d->weights_bytes;
    bytes[1] = d->kv_cache_bytes;
    bytes[2] = d->activation_bytes;
    bytes[3] = d->overhead_bytes;
}

static void put_escaped(struct i8i_buffer *b, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            i8i_buffer_puts(b, "&lt;");
            break;
        case '>':
            i8i_buffer_puts(b, "&gt;");
            break;
        case '&':
            i8i_buffer_puts(b, "&amp;");
            break;
        default:
            if ((unsigned char)*text >= 32)
                i8i_buffer_append(b, text, 1);
        }
    }
}

static uint64_t capacity_of(const struct i8_plan_device *d)
{
    return d->capacity_bytes == I8_PLAN_UNBOUNDED || d->capacity_bytes < d->total_bytes
               ? d->total_bytes
               : d->capacity_bytes;
}

/* The last component of a path or name: what a drawing has room for. */
static const char *base_name(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : name;
}

/* "model.embed_tokens … model.layers.15": the map's first and last entry there. */
static void put_modules(struct i8i_buffer *b, const struct i8_plan *plan, int device)
{
    const char *first = NULL, *last = NULL;
    size_t n = 0;

    for (size_t i = 0; i < plan->n_map; i++) {
        if (plan->map[i].device != device)
            continue;
        last = plan->map[i].module;
        first = first == NULL ? last : first;
        n++;
    }
    if (n == 0)
        return;
    put_escaped(b, *first != '\0' ? first : "the whole model");
    if (n > 1) {
        i8i_buffer_puts(b, n > 2 ? " … " : ", ");
        put_escaped(b, last);
    }
}

static void draw_parts(struct i8i_buffer *b, const struct i8_plan_device *d, double y,
                       double scale)
{
    uint64_t bytes[PARTS];
    double x = LEFT;

    part_bytes(bytes, d);
    for (size_t p = 0; p < PARTS; p++) {
        double length = (double)bytes[p] * scale;
        char text[I8I_SIZE_TEXT];
        if (bytes[p] == 0)
            continue;
        i8i_buffer_printf(b,
                          "<rect x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%d\" "
                          "fill=\"%s\"><title>%s %s</title></rect>\n",
                          x, y, length, BAR, parts[p].color, parts[p].name,
                          i8i_size_text(text, bytes[p]));
        if (length >= SMALL * 5)
            i8i_buffer_printf(b,
                              "<text x=\"%.1f\" y=\"%.0f\" fill=\"#ffffff\" "
                              "text-anchor=\"middle\" font-size=\"12\">%s</text>\n",
                              x + length / 2, y + BAR / 2.0 + 4,
                              i8i_size_text(text, bytes[p]));
        x += length;
    }
}

static void draw_device(struct i8i_buffer *b, const struct i8_plan *plan, size_t index,
                        uint64_t largest)
{
    const struct i8_plan_device *d = &plan->devices[index];
    double scale = largest > 0 ? (double)LENGTH / (double)largest : 0;
    double length = (double)capacity_of(d) * scale, y = TOP + (double)index * ROW;
    char name[I8I_DEVICE_TEXT], text[I8I_SIZE_TEXT];

    if (length < 2)
        length = 2;
    i8i_buffer_printf(b,
                      "<text x=\"%d\" y=\"%.0f\" font-weight=\"600\">%s</text>\n"
                      "<clipPath id=\"c%zu\"><rect x=\"%d\" y=\"%.0f\" width=\"%.1f\" "
                      "height=\"%d\" rx=\"6\"/></clipPath>\n<g clip-path=\"url(#c%zu)\">"
                      "<rect x=\"%d\" y=\"%.0f\" width=\"%.1f\" height=\"%d\" "
                      "fill=\"#e9ecef\"/>\n",
                      MARGIN, y + BAR / 2.0 + 5, i8i_device_text(name, d->device), index,
                      LEFT, y, length, BAR, index, LEFT, y, length, BAR);
    draw_parts(b, d, y, scale);
    i8i_buffer_printf(b, "</g>\n<text x=\"%d\" y=\"%.0f\"><tspan font-weight=\"600\">%s",
                      LEFT + LENGTH + 16, y + BAR / 2.0 + 5,
                      i8i_size_text(text, d->total_bytes));
    i8i_buffer_puts(b, "</tspan>");
    if (d->capacity_bytes != I8_PLAN_UNBOUNDED)
        i8i_buffer_printf(b, "<tspan dx=\"5\" fill=\"#6c757d\">of %s</tspan>",
                          i8i_size_text(text, d->capacity_bytes));
    i8i_buffer_printf(b,
                      "</text>\n<text x=\"%d\" y=\"%.0f\" font-size=\"12\" "
                      "fill=\"#6c757d\">",
                      LEFT, y + BAR + 16);
    put_modules(b, plan, d->device);
    i8i_buffer_puts(b, "</text>\n");
}

static void draw_legend(struct i8i_buffer *b, double y)
{
    for (size_t p = 0; p <= PARTS; p++) {
        double x = LEFT + (double)p * 100;
        i8i_buffer_printf(b,
                          "<rect x=\"%.0f\" y=\"%.0f\" width=\"12\" height=\"12\" "
                          "rx=\"3\" fill=\"%s\"/><text x=\"%.0f\" y=\"%.0f\" "
                          "font-size=\"12\" fill=\"#495057\">%s</text>\n",
                          x, y - 10, p < PARTS ? parts[p].color : "#e9ecef", x + 18, y,
                          p < PARTS ? parts[p].name : "free");
    }
}

enum i8_status i8_plan_svg(char **out, const struct i8_plan *plan, struct i8_error *err)
{
    struct i8i_buffer b;
    char text[I8I_SIZE_TEXT];
    uint64_t largest = 0;
    size_t height = TOP + plan->n_devices * ROW + 30;

    i8i_buffer_init(&b, MOST_SVG_BYTES);
    i8i_buffer_printf(&b,
                      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
                      "height=\"%zu\" viewBox=\"0 0 %d %zu\" font-family=\"system-ui, "
                      "-apple-system, 'Segoe UI', sans-serif\" font-size=\"14\" "
                      "fill=\"#212529\">\n<rect x=\"0.5\" y=\"0.5\" width=\"%d\" "
                      "height=\"%zu\" rx=\"10\" fill=\"#ffffff\" stroke=\"#dee2e6\"/>\n"
                      "<text x=\"%d\" y=\"36\" font-size=\"18\" font-weight=\"600\">",
                      WIDTH, height, WIDTH, height, WIDTH - 1, height - 1, MARGIN);
    put_escaped(&b, base_name(plan->model));
    i8i_buffer_printf(
        &b,
        "<tspan font-weight=\"400\" dx=\"8\" fill=\"#6c757d\">%s, %s</tspan>"
        "</text>\n<text x=\"%d\" y=\"58\" fill=\"%s\">%s<tspan "
        "fill=\"#6c757d\">: batch %llu, context %llu, weights %s",
        i8i_plan_dtype_text(plan->request.dtype), plan->architecture, MARGIN,
        plan->fits ? "#2b8a3e" : "#c92a2a", plan->fits ? "fits" : "does not fit",
        (unsigned long long)plan->request.batch,
        (unsigned long long)plan->request.context,
        i8i_size_text(text, plan->weights_bytes));
    i8i_buffer_puts(&b, "</tspan></text>\n");
    for (size_t i = 0; i < plan->n_devices; i++)
        if (largest < capacity_of(&plan->devices[i]))
            largest = capacity_of(&plan->devices[i]);
    for (size_t i = 0; i < plan->n_devices; i++)
        draw_device(&b, plan, i, largest);
    draw_legend(&b, (double)height - 18);
    i8i_buffer_puts(&b, "</svg>\n");
    *out = i8i_buffer_take(&b, NULL);
    i8i_buffer_free(&b);
    return *out == NULL ? i8i_nomem(err) : I8_OK;
}
