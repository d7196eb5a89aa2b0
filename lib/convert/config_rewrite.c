/* SPDX-License-Identifier: Apache-2.0
 *
 * config.json for the output: the source's, member by member in its order, with the
 * quantization_config that the reader looks for, and with the dtype that --rest-dtype
 * made true.
 */
#include "config.h"

#include "convert/convert_plan.h"

#include <stdlib.h>
#include <string.h>

static void write_names(struct i8i_json_writer *w, const char *const *names, size_t count)
{
    i8i_jw_begin_array(w);
    for (size_t i = 0; i < count; i++)
        i8i_jw_string(w, names[i]);
    i8i_jw_end_array(w);
}

/* The 13 keys that transformers writes itself. Its type checks want a JSON float for the
 * threshold: 6.0, not 6. */
static void write_bnb(struct i8i_json_writer *w, double threshold,
                      const char *const *skip, size_t n_skip)
{
    i8i_jw_begin_object(w);
    i8i_jw_kv_bool(w, "_load_in_4bit", false);
    i8i_jw_kv_bool(w, "_load_in_8bit", true);
    i8i_jw_kv_string(w, "bnb_4bit_compute_dtype", "float32");
    i8i_jw_kv_string(w, "bnb_4bit_quant_storage", "uint8");
    i8i_jw_kv_string(w, "bnb_4bit_quant_type", "fp4");
    i8i_jw_kv_bool(w, "bnb_4bit_use_double_quant", false);
    i8i_jw_kv_bool(w, "llm_int8_enable_fp32_cpu_offload", false);
    i8i_jw_kv_bool(w, "llm_int8_has_fp16_weight", false);
    i8i_jw_key(w, "llm_int8_skip_modules");
    write_names(w, skip, n_skip);
    i8i_jw_kv_double(w, "llm_int8_threshold", threshold);
    i8i_jw_kv_bool(w, "load_in_4bit", false);
    i8i_jw_kv_bool(w, "load_in_8bit", true);
    i8i_jw_kv_string(w, "quant_method", "bitsandbytes");
    i8i_jw_end_object(w);
}

static void write_int8_arguments(struct i8i_json_writer *w, const char *key,
                                 const char *strategy, bool dynamic)
{
    i8i_jw_key(w, key);
    i8i_jw_begin_object(w);
    i8i_jw_kv_u64(w, "num_bits", 8);
    i8i_jw_kv_string(w, "type", "int");
    i8i_jw_kv_bool(w, "symmetric", true);
    i8i_jw_kv_string(w, "strategy", strategy);
    i8i_jw_kv_bool(w, "dynamic", dynamic);
    i8i_jw_end_object(w);
}

static void write_compressed_tensors(struct i8i_json_writer *w, const char *const *skip,
                                     size_t n_skip)
{
    static const char *const targets[] = {"Linear"};
    i8i_jw_begin_object(w);
    i8i_jw_kv_string(w, "quant_method", "compressed-tensors");
    i8i_jw_kv_string(w, "format", "int-quantized");
    i8i_jw_kv_string(w, "quantization_status", "compressed");
    i8i_jw_key(w, "config_groups");
    i8i_jw_begin_object(w);
    i8i_jw_key(w, "group_0");
    i8i_jw_begin_object(w);
    i8i_jw_key(w, "targets");
    write_names(w, targets, 1);
    write_int8_arguments(w, "weights", "channel", false);
    write_int8_arguments(w, "input_activations", "token", true);
    i8i_jw_key(w, "output_activations");
    i8i_jw_null(w);
    i8i_jw_end_object(w);
    i8i_jw_end_object(w);
    i8i_jw_key(w, "ignore");
    write_names(w, skip, n_skip);
    i8i_jw_key(w, "kv_cache_scheme");
    i8i_jw_null(w);
    i8i_jw_end_object(w);
}

static const char *torch_name(enum i8_dtype dtype)
{
    switch (dtype) {
    case I8_DTYPE_F16:
        return "float16";
    case I8_DTYPE_BF16:
        return "bfloat16";
    default:
        return "float32";
    }
}

/* A reader casts the rest to this when it loads. */
static bool is_dtype_key(const char *key)
{
    return strcmp(key, "torch_dtype") == 0 || strcmp(key, "dtype") == 0;
}

enum i8_status i8i_convert_config(struct i8i_convert_plan *p, struct i8_error *err)
{
    const struct i8i_model *m = p->model;
    const struct i8_convert_options *o = p->options;
    const char **skip = NULL;
    size_t n_skip = 0, bytes;
    uint32_t output;
    char *text = NULL;
    if (m->config == NULL)
        return I8_OK;
    enum i8_status st = i8i_model_skip_list(&skip, &n_skip, m, (enum i8i_reader)o->reader,
                                            o->skip_modules, err);
    if (st != I8_OK)
        return st;
    struct i8i_json_writer w;
    i8i_jw_init(&w, true);
    i8i_jw_begin_object(&w);
    for (const i8i_json *n = i8i_json_first(m->config); n; n = i8i_json_next(n)) {
        const char *key = i8i_json_key(n);
        if (strcmp(key, "quantization_config") == 0)
            continue;
        i8i_jw_key(&w, key);
        if (o->rest_dtype != I8_DTYPE_INVALID && is_dtype_key(key))
            i8i_jw_string(&w, torch_name(o->rest_dtype));
        else
            i8i_jw_node(&w, n);
    }
    i8i_jw_key(&w, "quantization_config");
    if (o->layout == I8_LAYOUT_BNB)
        write_bnb(&w, o->outlier_threshold, skip, n_skip);
    else
        write_compressed_tensors(&w, skip, n_skip);
    i8i_jw_end_object(&w);
    i8i_buffer_puts(&w.buffer, "\n");
    text = i8i_buffer_take(&w.buffer, &bytes);
    i8i_jw_free(&w);
    free(skip);
    if (text == NULL)
        return i8i_nomem(err);
    st = i8i_plan_add_output(p, &output, "config.json", bytes, text, bytes, err);
    free(text);
    return st;
}
