/* SPDX-License-Identifier: Apache-2.0
 *
 * The plan as a drawing: one column a device, its height the largest capacity, filled
 * from the bottom.
 */
#include "config.h"

#include "planner/plan_state.h"

#include "base/memory.h"
#include "base/size.h"

#define MOST_SVG_BYTES (16u << 20)

#define COLUMN 96
#define GAP    32
#define HEIGHT 240
#define TOP    72
#define LEFT   32

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

static void draw_device(struct i8i_buffer *b, const struct i8_plan_device *d,
                        size_t index, uint64_t largest)
{
    double scale = largest > 0 ? (double)HEIGHT / (double)largest : 0;
    double x = LEFT + (double)index * (COLUMN + GAP), y = TOP + HEIGHT;
    double height = (double)capacity_of(d) * scale;
    char name[I8I_DEVICE_TEXT], text[2][I8I_SIZE_TEXT];
    uint64_t bytes[PARTS];

    i8i_buffer_printf(b,
                      "<rect x=\"%.0f\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" rx=\"4\" "
                      "fill=\"#e9ecef\" stroke=\"#adb5bd\"/>\n",
                      x, y - height, COLUMN, height);
    part_bytes(bytes, d);
    for (size_t p = 0; p < PARTS; p++) {
        double h = (double)bytes[p] * scale;
        if (bytes[p] == 0)
            continue;
        y -= h;
        i8i_buffer_printf(b,
                          "<rect x=\"%.0f\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" "
                          "fill=\"%s\"><title>%s %s</title></rect>\n",
                          x, y, COLUMN, h, parts[p].color, parts[p].name,
                          i8i_size_text(text[0], bytes[p]));
    }
    i8i_buffer_printf(b,
                      "<text x=\"%.0f\" y=\"%d\" text-anchor=\"middle\" "
                      "font-weight=\"bold\">%s</text>\n",
                      x + COLUMN / 2.0, TOP + HEIGHT + 20,
                      i8i_device_text(name, d->device));
    i8i_buffer_printf(b, "<text x=\"%.0f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                      x + COLUMN / 2.0, TOP + HEIGHT + 37,
                      i8i_size_text(text[0], d->total_bytes));
    if (d->capacity_bytes != I8_PLAN_UNBOUNDED)
        i8i_buffer_printf(b,
                          "<text x=\"%.0f\" y=\"%d\" text-anchor=\"middle\" "
                          "fill=\"#6c757d\">of %s</text>\n",
                          x + COLUMN / 2.0, TOP + HEIGHT + 54,
                          i8i_size_text(text[1], d->capacity_bytes));
}

enum i8_status i8_plan_svg(char **out, const struct i8_plan *plan, struct i8_error *err)
{
    struct i8i_buffer b;
    uint64_t largest = 0;
    size_t columns = plan->n_devices > 4 ? plan->n_devices : 4;
    size_t width = LEFT + columns * (COLUMN + GAP), height = TOP + HEIGHT + 100;

    i8i_buffer_init(&b, MOST_SVG_BYTES);
    i8i_buffer_printf(&b,
                      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" "
                      "height=\"%zu\" viewBox=\"0 0 %zu %zu\" "
                      "font-family=\"system-ui, sans-serif\" font-size=\"13\">\n"
                      "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n"
                      "<text x=\"%d\" y=\"28\" font-size=\"17\" font-weight=\"bold\">",
                      width, height, width, height, LEFT);
    put_escaped(&b, plan->model);
    i8i_buffer_printf(
        &b,
        "</text>\n<text x=\"%d\" y=\"48\" fill=\"#6c757d\">batch %llu, context "
        "%llu: %s</text>\n",
        LEFT, (unsigned long long)plan->request.batch,
        (unsigned long long)plan->request.context, plan->fits ? "fits" : "does not fit");
    for (size_t i = 0; i < plan->n_devices; i++)
        if (largest < capacity_of(&plan->devices[i]))
            largest = capacity_of(&plan->devices[i]);
    for (size_t i = 0; i < plan->n_devices; i++)
        draw_device(&b, &plan->devices[i], i, largest);
    for (size_t p = 0; p < PARTS; p++) {
        double x = LEFT + (double)p * 120;
        i8i_buffer_printf(&b,
                          "<rect x=\"%.0f\" y=\"%d\" width=\"12\" height=\"12\" rx=\"2\" "
                          "fill=\"%s\"/><text x=\"%.0f\" y=\"%d\">%s</text>\n",
                          x, TOP + HEIGHT + 72, parts[p].color, x + 18, TOP + HEIGHT + 83,
                          parts[p].name);
    }
    i8i_buffer_puts(&b, "</svg>\n");
    *out = i8i_buffer_take(&b, NULL);
    i8i_buffer_free(&b);
    return *out == NULL ? i8i_nomem(err) : I8_OK;
}
