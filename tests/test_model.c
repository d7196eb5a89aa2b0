/* SPDX-License-Identifier: Apache-2.0
 *
 * The module tree: families against what transformers 5.17 makes of the same shapes,
 * names and shapes alone, already quantized sources, and headers that disagree with
 * config.json.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "model/model.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *data_path(const char *name)
{
    const char *dir = getenv("I8_TEST_DATA");
    return i8i_path_join(dir ? dir : "tests/data", name);
}

static struct i8i_model *open_data(const char *name)
{
    char *path = data_path(name);
    struct i8i_model *m;
    struct i8_error err = {0};
    enum i8_status st = i8i_model_open(&m, path, NULL, &err);
    ck_assert_msg(st == I8_OK, "%s: %s", path, err.message);
    free(path);
    return m;
}

/* ---- a directory made for one test ---- */

static char dir[64];

static void make_dir(void)
{
    snprintf(dir, sizeof dir, "/tmp/i8-model-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void)
{
    static const char *const files[] = {"config.json", "model.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path = i8i_path_join(dir, files[i]);
        unlink(path);
        free(path);
    }
    rmdir(dir);
}

static void put(const char *name, const void *bytes, size_t n)
{
    char *path = i8i_path_join(dir, name);
    struct i8_error err;
    ck_assert_int_eq(i8i_write_file(path, bytes, n, &err), I8_OK);
    free(path);
}

struct spec {
    const char *name;
    enum i8_dtype dtype;
    uint32_t rank;
    uint64_t shape[4];
};

/* A checkpoint of zeros (and of `fill` in U8 tensors). */
static void put_tensors(const struct spec *specs, size_t n, uint8_t fill)
{
    struct i8i_safetensors_entry *entries = calloc(n + 1, sizeof *entries);
    for (size_t i = 0; i < n; i++) {
        entries[i].name = specs[i].name;
        entries[i].dtype = specs[i].dtype;
        entries[i].rank = specs[i].rank;
        memcpy(entries[i].shape, specs[i].shape, sizeof specs[i].shape);
    }
    char *header;
    size_t header_bytes;
    uint64_t file_bytes;
    struct i8_error err;
    ck_assert_int_eq(i8i_safetensors_layout(&header, &header_bytes, &file_bytes, entries,
                                            n, NULL, &err),
                     I8_OK);
    char *file = calloc(1, file_bytes);
    memcpy(file, header, header_bytes);
    for (size_t i = 0; i < n; i++) {
        if (entries[i].dtype == I8_DTYPE_U8)
            memset(file + entries[i].offset, fill, entries[i].bytes);
    }
    put("model.safetensors", file, file_bytes);
    free(file);
    free(header);
    free(entries);
}

/* A LLaMA of two blocks, vocabulary 8, width 4, 2 heads, MLP 6. */
#define LLAMA_BLOCK(n)                                                           \
    {"model.layers." n ".self_attn.q_proj.weight", I8_DTYPE_F16, 2, {4, 4}},     \
        {"model.layers." n ".self_attn.k_proj.weight", I8_DTYPE_F16, 2, {4, 4}}, \
        {"model.layers." n ".self_attn.v_proj.weight", I8_DTYPE_F16, 2, {4, 4}}, \
        {"model.layers." n ".self_attn.o_proj.weight", I8_DTYPE_F16, 2, {4, 4}}, \
        {"model.layers." n ".mlp.gate_proj.weight", I8_DTYPE_F16, 2, {6, 4}},    \
        {"model.layers." n ".mlp.up_proj.weight", I8_DTYPE_F16, 2, {6, 4}},      \
        {"model.layers." n ".mlp.down_proj.weight", I8_DTYPE_F16, 2, {4, 6}},    \
        {"model.layers." n ".input_layernorm.weight", I8_DTYPE_F16, 1, {4}},     \
    {                                                                            \
        "model.layers." n ".post_attention_layernorm.weight", I8_DTYPE_F16, 1,   \
        {                                                                        \
            4                                                                    \
        }                                                                        \
    }
static const struct spec llama[] = {
    {"lm_head.weight", I8_DTYPE_F16, 2, {8, 4}},
    {"model.embed_tokens.weight", I8_DTYPE_F16, 2, {8, 4}},
    {"model.norm.weight", I8_DTYPE_F16, 1, {4}},
    LLAMA_BLOCK("0"),
    LLAMA_BLOCK("1"),
};
enum { N_LLAMA = sizeof llama / sizeof *llama };

#define LLAMA_CONFIG(vocab, width, layers, heads, more)                             \
    "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\","           \
    "\"tie_word_embeddings\":false,\"vocab_size\":" vocab ",\"hidden_size\":" width \
    ",\"num_hidden_layers\":" layers ",\"num_attention_heads\":" heads              \
    ",\"intermediate_size\":6" more "}"
#define GOOD_CONFIG LLAMA_CONFIG("8", "4", "2", "2", "")

static void put_config(const char *text)
{
    put("config.json", text, strlen(text));
}

static struct i8i_model *open_dir(void)
{
    struct i8i_model *m;
    struct i8_error err = {0};
    ck_assert_msg(i8i_model_open(&m, dir, NULL, &err) == I8_OK, "%s", err.message);
    return m;
}

static void expect_failure(enum i8_status status, const char *words)
{
    struct i8i_model *m;
    struct i8_error err = {0};
    ck_assert_int_eq(i8i_model_open(&m, dir, NULL, &err), status);
    ck_assert_ptr_null(m);
    ck_assert_msg(strstr(err.message, words) != NULL, "'%s' lacks '%s'", err.message,
                  words);
}

/* ---- families ---- */

static const char *const tiny[] = {"bloom",        "llama", "llama3", "opt",
                                   "opt-postnorm", "t5",    "t5-v1_1"};
enum { N_TINY = sizeof tiny / sizeof *tiny };

START_TEST(opens_tiny)
{
    char name[64];
    snprintf(name, sizeof name, "tiny/%s", tiny[_i]);
    struct i8i_model *m = open_data(name);
    ck_assert_ptr_nonnull(m->family);
    ck_assert_uint_eq(m->n_unexpected, 0);
    ck_assert_uint_eq(m->n_ignored, 0);
    size_t stored = 0;
    for (int i = 0; i < m->n_params; i++) {
        const struct i8i_param *p = &m->params[i];
        stored += p->tensor != NULL;
        ck_assert(p->buffer || p->tensor || p->tied_to >= 0);
        ck_assert_int_eq(i8i_model_param(m, p->name), i);
        const struct i8i_module *mod = &m->modules[p->module];
        ck_assert(i >= mod->first_param && i < mod->first_param + mod->n_params);
    }
    ck_assert_uint_eq(stored, m->checkpoint->n_tensors);
    for (int i = 1; i < m->n_modules; i++) {
        const struct i8i_module *mod = &m->modules[i];
        ck_assert_int_lt(mod->parent, i);
        ck_assert_int_eq(i8i_model_module(m, mod->path), i);
    }
    i8i_model_free(m);
}
END_TEST

START_TEST(roles_of_llama)
{
    struct i8i_model *m = open_data("tiny/llama");
    ck_assert_int_eq(m->n_blocks[0], 3);
    ck_assert_int_eq(m->n_blocks[1], 0);
    int k = i8i_model_role(m, I8I_ROLE_K, 0, 2);
    ck_assert_str_eq(m->modules[k].path, "model.layers.2.self_attn.k_proj");
    ck_assert_uint_eq(m->modules[k].rows, 32);
    ck_assert_uint_eq(m->modules[k].cols, 64);
    ck_assert_int_eq(i8i_model_role(m, I8I_ROLE_K, 0, 3), -1);
    ck_assert_int_eq(i8i_model_role(m, I8I_ROLE_QKV, 0, 0), -1);
    int head = i8i_model_role(m, I8I_ROLE_HEAD, 0, -1);
    ck_assert_str_eq(m->modules[head].path, "lm_head");
    ck_assert_int_eq(m->hp.dim[I8I_DIM_KV_HEADS], 2);
    ck_assert_int_eq(m->hp.dim[I8I_DIM_ROTARY], 16);
    ck_assert(!m->hp.tied);
    i8i_model_free(m);

    m = open_data("tiny/llama3");
    ck_assert(m->hp.tied);
    ck_assert_int_eq(m->hp.arch.rope_scaling, I8I_ROPE_LLAMA3);
    ck_assert_double_eq(m->hp.arch.rope_theta, 500000.0);
    ck_assert_double_eq(m->hp.arch.rope_factor, 8.0);
    ck_assert_int_eq(m->hp.arch.rope_original_positions, 32);
    head = i8i_model_role(m, I8I_ROLE_HEAD, 0, -1);
    int weight = i8i_module_param(m, head, "weight");
    ck_assert_str_eq(m->params[weight].name, "model.embed_tokens.weight");
    i8i_model_free(m);
}
END_TEST

START_TEST(roles_of_t5)
{
    struct i8i_model *m = open_data("tiny/t5-v1_1");
    ck_assert_int_eq(m->n_blocks[0], 2); /* decoder */
    ck_assert_int_eq(m->n_blocks[1], 3);
    ck_assert(m->hp.arch.gated);
    ck_assert_int_eq(m->hp.arch.activation, I8I_ACT_GELU_TANH);
    ck_assert_double_eq(m->hp.arch.head_scale, 0.0);
    ck_assert_int_ge(i8i_model_role(m, I8I_ROLE_RELATIVE_BIAS, 1, 0), 0);
    ck_assert_int_ge(i8i_model_role(m, I8I_ROLE_RELATIVE_BIAS, 0, 0), 0);
    ck_assert_int_eq(i8i_model_role(m, I8I_ROLE_RELATIVE_BIAS, 0, 1), -1);
    int norm = i8i_model_role(m, I8I_ROLE_FINAL_NORM, 1, -1);
    ck_assert_str_eq(m->modules[norm].path, "encoder.final_layer_norm");
    norm = i8i_model_role(m, I8I_ROLE_FINAL_NORM, 0, -1);
    ck_assert_str_eq(m->modules[norm].path, "decoder.final_layer_norm");
    int down = i8i_model_role(m, I8I_ROLE_DOWN, 0, 1);
    ck_assert_str_eq(m->modules[down].path, "decoder.block.1.layer.2.DenseReluDense.wo");
    ck_assert_int_eq(i8i_model_decide(m, down, I8I_READER_TRANSFORMERS5, NULL),
                     I8I_KEEP_FP32_MODULE);
    ck_assert_int_eq(i8i_model_decide(m, down, I8I_READER_TRANSFORMERS4, NULL),
                     I8I_KEEP_FP32_MODULE);
    ck_assert_int_eq(i8i_model_decide(m, down, I8I_READER_INT8TOOL, NULL), I8I_CONVERT);
    i8i_model_free(m);

    m = open_data("tiny/t5");
    ck_assert(!m->hp.arch.gated);
    ck_assert_double_eq_tol(m->hp.arch.head_scale, 0.125, 1e-15);
    i8i_model_free(m);
}
END_TEST

START_TEST(opt_norm_places)
{
    struct i8i_model *m = open_data("tiny/opt-postnorm");
    ck_assert_int_eq(m->hp.arch.norm_place, I8I_NORM_POST);
    ck_assert_int_eq(i8i_model_role(m, I8I_ROLE_FINAL_NORM, 0, -1), -1);
    ck_assert_int_ge(i8i_model_role(m, I8I_ROLE_PROJECT_IN, 0, -1), 0);
    ck_assert_int_eq(m->hp.dim[I8I_DIM_EMBED], 32);
    i8i_model_free(m);
    m = open_data("tiny/opt");
    ck_assert_int_eq(m->hp.arch.norm_place, I8I_NORM_PRE);
    ck_assert_int_eq(i8i_model_role(m, I8I_ROLE_PROJECT_IN, 0, -1), -1);
    i8i_model_free(m);
}
END_TEST

/* ---- what is int8 ---- */

static int count_converted(const struct i8i_model *m, enum i8i_reader reader)
{
    int n = 0;
    for (int i = 0; i < m->n_modules; i++)
        n += i8i_model_decide(m, i, reader, NULL) == I8I_CONVERT;
    return n;
}

START_TEST(decisions)
{
    struct i8i_model *m = open_data("tiny/llama");
    ck_assert_int_eq(count_converted(m, I8I_READER_TRANSFORMERS5), 21);
    int head = i8i_model_module(m, "lm_head");
    ck_assert_int_eq(i8i_model_decide(m, head, I8I_READER_INT8TOOL, NULL), I8I_KEEP_HEAD);
    static const char *const skip[] = {"k_proj", "model.layers.1", NULL};
    int k = i8i_model_module(m, "model.layers.0.self_attn.k_proj");
    int q0 = i8i_model_module(m, "model.layers.0.self_attn.q_proj");
    int q1 = i8i_model_module(m, "model.layers.1.self_attn.q_proj");
    ck_assert_int_eq(i8i_model_decide(m, k, I8I_READER_VLLM, skip), I8I_KEEP_SKIPPED);
    ck_assert_int_eq(i8i_model_decide(m, q1, I8I_READER_VLLM, skip), I8I_KEEP_SKIPPED);
    ck_assert_int_eq(i8i_model_decide(m, q0, I8I_READER_VLLM, skip), I8I_CONVERT);

    const char **names;
    size_t n;
    struct i8_error err;
    ck_assert_int_eq(
        i8i_model_skip_list(&names, &n, m, I8I_READER_TRANSFORMERS5, NULL, &err), I8_OK);
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(names[0], "lm_head");
    ck_assert_ptr_null(names[1]);
    free(names);
    i8i_model_free(m);

    m = open_data("tiny/t5");
    ck_assert_int_eq(
        i8i_model_skip_list(&names, &n, m, I8I_READER_TRANSFORMERS5, NULL, &err), I8_OK);
    ck_assert_uint_eq(n, 7); /* six wo and the tied head */
    free(names);
    i8i_model_free(m);
}
END_TEST

START_TEST(skip_list_traps)
{
    /* "blocks.1" at the start of "blocks.10": the reader would leave both alone. */
    static const struct spec specs[] = {
        {"blocks.1.weight", I8_DTYPE_F16, 2, {4, 4}},
        {"blocks.10.weight", I8_DTYPE_F16, 2, {4, 4}},
    };
    make_dir();
    put_config("{\"model_type\":\"none\"}");
    put_tensors(specs, 2, 0);
    struct i8i_model *m = open_dir();
    static const char *const skip[] = {"blocks.1", NULL};
    const char **names;
    size_t n;
    struct i8_error err;
    ck_assert_int_eq(
        i8i_model_skip_list(&names, &n, m, I8I_READER_TRANSFORMERS5, skip, &err),
        I8_ERR_DATA);
    ck_assert_ptr_null(names);
    ck_assert_ptr_nonnull(strstr(err.message, "'blocks.10'"));
    i8i_model_free(m);
    remove_dir();
}
END_TEST

START_TEST(experts)
{
    /* As checkpoints have them; transformers 5 makes one parameter of all of them. */
    static const struct spec specs[] = {
        {"lm_head.weight", I8_DTYPE_BF16, 2, {8, 4}},
        {"model.embed_tokens.weight", I8_DTYPE_BF16, 2, {8, 4}},
        {"model.norm.weight", I8_DTYPE_BF16, 1, {4}},
        {"model.layers.0.self_attn.q_proj.weight", I8_DTYPE_BF16, 2, {4, 4}},
        {"model.layers.0.self_attn.k_proj.weight", I8_DTYPE_BF16, 2, {4, 4}},
        {"model.layers.0.self_attn.v_proj.weight", I8_DTYPE_BF16, 2, {4, 4}},
        {"model.layers.0.self_attn.o_proj.weight", I8_DTYPE_BF16, 2, {4, 4}},
        {"model.layers.0.block_sparse_moe.gate.weight", I8_DTYPE_BF16, 2, {2, 4}},
        {"model.layers.0.block_sparse_moe.experts.0.w1.weight", I8_DTYPE_BF16, 2, {6, 4}},
        {"model.layers.0.block_sparse_moe.experts.0.w2.weight", I8_DTYPE_BF16, 2, {4, 6}},
        {"model.layers.0.block_sparse_moe.experts.0.w3.weight", I8_DTYPE_BF16, 2, {6, 4}},
        {"model.layers.0.block_sparse_moe.experts.1.w1.weight", I8_DTYPE_BF16, 2, {6, 4}},
        {"model.layers.0.block_sparse_moe.experts.1.w2.weight", I8_DTYPE_BF16, 2, {4, 6}},
        {"model.layers.0.block_sparse_moe.experts.1.w3.weight", I8_DTYPE_BF16, 2, {6, 4}},
        {"model.layers.0.input_layernorm.weight", I8_DTYPE_BF16, 1, {4}},
        {"model.layers.0.post_attention_layernorm.weight", I8_DTYPE_BF16, 1, {4}},
    };
    make_dir();
    put_config("{\"model_type\":\"mixtral\",\"vocab_size\":8,\"hidden_size\":4,"
               "\"num_hidden_layers\":1,\"num_attention_heads\":2,"
               "\"intermediate_size\":6,\"num_local_experts\":2,"
               "\"num_experts_per_tok\":1}");
    put_tensors(specs, sizeof specs / sizeof *specs, 0);
    struct i8i_model *m = open_dir();
    ck_assert_uint_eq(m->n_unexpected, 0);
    int down = i8i_model_module(m, "model.layers.0.mlp.experts.1.w2");
    ck_assert_int_ge(down, 0);
    ck_assert_str_eq(m->modules[down].stored_path,
                     "model.layers.0.block_sparse_moe.experts.1.w2");
    ck_assert_int_eq(m->modules[down].role, I8I_ROLE_EXPERT_DOWN);
    int router = i8i_model_role(m, I8I_ROLE_ROUTER, 0, 0);
    static const struct {
        enum i8i_reader reader;
        enum i8i_decision expert, router;
        size_t listed;
    } readers[] = {
        {I8I_READER_TRANSFORMERS5, I8I_KEEP_FUSED_EXPERT, I8I_KEEP_ROUTER, 1},
        {I8I_READER_TRANSFORMERS4, I8I_CONVERT, I8I_CONVERT, 1},
        {I8I_READER_INT8TOOL, I8I_CONVERT, I8I_KEEP_ROUTER, 3}, /* by both names */
    };
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        ck_assert_int_eq(i8i_model_decide(m, down, readers[i].reader, NULL),
                         readers[i].expert);
        ck_assert_int_eq(i8i_model_decide(m, router, readers[i].reader, NULL),
                         readers[i].router);
        const char **names;
        size_t n;
        struct i8_error err;
        ck_assert_int_eq(
            i8i_model_skip_list(&names, &n, m, readers[i].reader, NULL, &err), I8_OK);
        ck_assert_uint_eq(n, readers[i].listed);
        free(names);
    }
    i8i_model_free(m);
    remove_dir();
}
END_TEST

/* ---- checkpoints that differ from the class ---- */

START_TEST(prefix_and_stale)
{
    make_dir();
    struct spec specs[N_LLAMA + 1];
    for (size_t i = 0; i < N_LLAMA; i++) {
        specs[i] = llama[i];
        if (strncmp(specs[i].name, "model.", 6) == 0)
            specs[i].name += 6;
    }
    specs[N_LLAMA] =
        (struct spec){"layers.0.self_attn.rotary_emb.inv_freq", I8_DTYPE_F32, 1, {1}};
    put_config(GOOD_CONFIG);
    put_tensors(specs, N_LLAMA + 1, 0);
    struct i8i_model *m = open_dir();
    ck_assert(m->prefix_added);
    int q = i8i_model_module(m, "model.layers.1.self_attn.q_proj");
    ck_assert_int_ge(q, 0);
    ck_assert_str_eq(m->modules[q].stored_path, "layers.1.self_attn.q_proj");
    ck_assert_uint_eq(m->n_ignored, 1);
    ck_assert_uint_eq(m->n_unexpected, 0);
    i8i_model_free(m);
    remove_dir();
}
END_TEST

START_TEST(base_class)
{
    make_dir();
    put_config(
        "{\"architectures\":[\"LlamaModel\"],\"vocab_size\":8,\"hidden_size\":4,"
        "\"num_hidden_layers\":2,\"num_attention_heads\":2,\"intermediate_size\":6}");
    put_tensors(llama + 1, N_LLAMA - 1, 0);
    struct i8i_model *m = open_dir();
    int q = i8i_model_module(m, "layers.1.self_attn.q_proj");
    ck_assert_int_ge(q, 0);
    ck_assert_str_eq(m->modules[q].stored_path, "model.layers.1.self_attn.q_proj");
    ck_assert_int_eq(i8i_model_module(m, "lm_head"), -1);
    ck_assert_uint_eq(m->n_unexpected, 0);
    i8i_model_free(m);
    remove_dir();
}
END_TEST

START_TEST(headers_tell_tie)
{
    make_dir();
    put_config(
        "{\"model_type\":\"llama\",\"vocab_size\":8,\"hidden_size\":4,"
        "\"num_hidden_layers\":2,\"num_attention_heads\":2,\"intermediate_size\":6}");
    put_tensors(llama + 1, N_LLAMA - 1, 0);
    struct i8i_model *m = open_dir();
    ck_assert(m->hp.tied);
    int head = i8i_model_param(m, "lm_head.weight");
    ck_assert_int_eq(m->params[head].tied_to,
                     i8i_model_param(m, "model.embed_tokens.weight"));
    i8i_model_free(m);
    remove_dir();
}
END_TEST

static const struct {
    const char *config;
    const char *words;
} disagree[] = {
    {LLAMA_CONFIG("9", "4", "2", "2", ""), "vocab_size 9"},
    {LLAMA_CONFIG("8", "8", "2", "2", ""), "hidden_size 8"},
    {LLAMA_CONFIG("8", "4", "3", "2", ""), "num_hidden_layers 3"},
    {LLAMA_CONFIG("8", "4", "1", "2", ""), "says 1 blocks in 'model.layers'"},
    {LLAMA_CONFIG("8", "4", "1000000000", "2", ""), "num_hidden_layers 1000000000"},
    {LLAMA_CONFIG("8", "4", "1e18", "2", ""), "num_hidden_layers is 1e+18, expected"},
    {LLAMA_CONFIG("8", "4", "-2", "2", ""), "num_hidden_layers is -2, expected"},
    {LLAMA_CONFIG("8", "4", "2.5", "2", ""), "num_hidden_layers is 2.5, expected"},
    {LLAMA_CONFIG("8", "4", "\"2\"", "2", ""), "num_hidden_layers is \"2\", expected"},
    {LLAMA_CONFIG("8", "4", "2", "0", ""), "num_attention_heads is 0"},
    {LLAMA_CONFIG("8", "4", "2", "3", ""), "no multiple of 3 heads"},
    {LLAMA_CONFIG("8", "4", "2", "2", ",\"attention_bias\":true"), "q_proj.bias"},
    {LLAMA_CONFIG("8", "4", "2", "2", ",\"hidden_act\":\"cube\""), "'cube'"},
    {LLAMA_CONFIG("8", "4", "2", "2", ",\"rms_norm_eps\":-1"), "epsilon"},
    {LLAMA_CONFIG("8", "4", "2", "2", ",\"rms_norm_eps\":\"1e-6\""), "a number"},
    {LLAMA_CONFIG("8", "4", "2", "2", ",\"rope_theta\":true"), "rope_theta is of"},
    {LLAMA_CONFIG("8", "4", "2", "2", ",\"rope_parameters\":1"), "an object"},
    {LLAMA_CONFIG("8", "4", "2", "2", ",\"hidden_act\":3"), "hidden_act is 3"},
    {"{\"model_type\":\"llama\"}", "vocab_size is missing"},
    {"[]", "no JSON object"},
};

START_TEST(refuses_disagreement)
{
    make_dir();
    put_tensors(llama, N_LLAMA, 0);
    put_config(disagree[_i].config);
    bool unsupported = strstr(disagree[_i].words, "cube") != NULL;
    expect_failure(unsupported ? I8_ERR_UNSUPPORTED : I8_ERR_DATA, disagree[_i].words);
    remove_dir();
}
END_TEST

START_TEST(refuses_missing)
{
    make_dir();
    put_tensors(llama, N_LLAMA, 0);
    expect_failure(I8_ERR_IO, "there is no config.json");
    put_config(GOOD_CONFIG);
    put_tensors(llama + 1, N_LLAMA - 1, 0); /* no head, and config says untied */
    expect_failure(I8_ERR_DATA, "'lm_head.weight'");
    put_tensors(llama, 0, 0);
    expect_failure(I8_ERR_DATA, "holds no tensors");
    remove_dir();
}
END_TEST

/* ---- without a table ---- */

START_TEST(shapes_of_file)
{
    make_dir();
    put_tensors(llama, N_LLAMA, 0);
    char *path = i8i_path_join(dir, "model.safetensors");
    struct i8i_model *m;
    struct i8_error err;
    ck_assert_int_eq(i8i_model_open(&m, path, NULL, &err), I8_OK);
    free(path);
    ck_assert_ptr_null(m->family);
    ck_assert_uint_eq(m->n_notes, 1);
    ck_assert_ptr_nonnull(strstr(m->notes[0], "unknown family"));
    ck_assert_int_eq(m->n_blocks[0], 2);
    ck_assert(m->modules[m->blocks[0][1]].no_split);
    /* Every matrix is converted, two of them with a warning. */
    ck_assert_int_eq(count_converted(m, I8I_READER_INT8TOOL), 16);
    int marked = 0;
    for (int i = 0; i < m->n_modules; i++)
        marked += m->modules[i].likely_embedding;
    ck_assert_int_eq(marked, 2);
    i8i_model_free(m);
    remove_dir();
}
END_TEST

START_TEST(shapes_of_unknown)
{
    make_dir();
    put_tensors(llama, N_LLAMA, 0);
    put_config("{\"model_type\":\"zebra\",\"architectures\":[\"ZebraForCausalLM\"],"
               "\"num_hidden_layers\":2}");
    struct i8i_model *m = open_dir();
    ck_assert_ptr_nonnull(strstr(m->notes[0], "unknown family ZebraForCausalLM"));
    ck_assert_int_eq(count_converted(m, I8I_READER_TRANSFORMERS5), 14);
    ck_assert_int_eq(m->hp.dim[I8I_DIM_LAYERS], 2);
    ck_assert_str_eq(m->modules[m->n_modules - 1].path, "lm_head");
    i8i_model_free(m);

    struct i8i_model_options options = {.require_family = true};
    struct i8_error err;
    ck_assert_int_eq(i8i_model_open(&m, dir, &options, &err), I8_ERR_UNSUPPORTED);
    remove_dir();
}
END_TEST

/* ---- already quantized ---- */

static void put_int8(uint8_t format, bool with_scb)
{
    struct spec specs[N_LLAMA + 2];
    memcpy(specs, llama, sizeof llama);
    size_t n = N_LLAMA;
    specs[3].dtype = I8_DTYPE_I8; /* block 0's q_proj */
    specs[n++] = (struct spec){
        "model.layers.0.self_attn.q_proj.weight_format", I8_DTYPE_U8, 0, {0}};
    if (with_scb)
        specs[n++] =
            (struct spec){"model.layers.0.self_attn.q_proj.SCB", I8_DTYPE_F32, 1, {4}};
    put_tensors(specs, n, format);
}

START_TEST(reads_bitsandbytes_int8)
{
    make_dir();
    put_config(LLAMA_CONFIG("8", "4", "2", "2",
                            ",\"quantization_config\":{\"load_in_8bit\":true,"
                            "\"llm_int8_threshold\":5.5}"));
    put_int8(0, true);
    struct i8i_model *m = open_dir();
    ck_assert_int_eq(m->quantization, I8I_QUANT_BNB_INT8);
    ck_assert_double_eq(m->int8_threshold, 5.5);
    int q = i8i_model_module(m, "model.layers.0.self_attn.q_proj");
    ck_assert_ptr_nonnull(m->modules[q].scb);
    ck_assert_ptr_nonnull(m->modules[q].weight_format);
    ck_assert_uint_eq(m->n_unexpected, 0);
    ck_assert_int_eq(m->modules[q].n_params, 1);
    i8i_model_free(m);

    put_int8(0, false);
    expect_failure(I8_ERR_DATA, "q_proj.SCB' are missing");
    put_int8(2, true);
    expect_failure(I8_ERR_UNSUPPORTED, "col_turing");
    remove_dir();
}
END_TEST

static const struct {
    const char *config; /* quantization_config, or NULL */
    const char *tensor;
    enum i8_dtype dtype;
    const char *name;
} schemes[] = {
    {"{\"quant_method\":\"gptq\",\"bits\":4}", NULL, 0, "gptq"},
    {"{\"quant_method\":\"awq\"}", NULL, 0, "awq"},
    {"{\"quant_method\":\"bitsandbytes\",\"load_in_4bit\":true}", NULL, 0, "4-bit"},
    {"{\"quant_method\":\"compressed-tensors\"}", NULL, 0, "compressed-tensors"},
    {"{\"quant_method\":\"fp8\"}", NULL, 0, "fp8"},
    {NULL, "a.b.g_idx", I8_DTYPE_I32, "gptq"},
    {NULL, "a.b.qweight", I8_DTYPE_I32, "gptq or awq"},
    {NULL, "a.b.weight.absmax", I8_DTYPE_F32, "4-bit"},
    {NULL, "a.b.weight.quant_state.bitsandbytes__nf4", I8_DTYPE_U8, "nf4"},
    {NULL, "a.b.weight_packed", I8_DTYPE_I32, "compressed-tensors"},
    {NULL, "a.b.weight_scale_inv", I8_DTYPE_F32, "fp8"},
    {NULL, "a.b.codebooks", I8_DTYPE_F16, "aqlm"},
    {NULL, "a.b.W_q", I8_DTYPE_U8, "hqq"},
    {NULL, "a.b.weight", I8_DTYPE_F8_E4M3, "fp8"},
};

START_TEST(names_schemes)
{
    make_dir();
    char config[512];
    snprintf(config, sizeof config, "{\"model_type\":\"llama\"%s%s}",
             schemes[_i].config ? ",\"quantization_config\":" : "",
             schemes[_i].config ? schemes[_i].config : "");
    put_config(config);
    const struct spec spec = {schemes[_i].tensor ? schemes[_i].tensor : "a.b.weight",
                              schemes[_i].tensor ? schemes[_i].dtype : I8_DTYPE_I32,
                              1,
                              {4}};
    put_tensors(&spec, 1, 0);
    struct i8i_model *m = open_dir();
    ck_assert_int_eq(m->quantization, I8I_QUANT_OTHER);
    ck_assert_msg(strstr(m->quantization_name, schemes[_i].name) != NULL, "%s",
                  m->quantization_name);
    i8i_model_free(m);
    remove_dir();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model");
    TCase *t = tcase_create("families");
    tcase_add_loop_test(t, opens_tiny, 0, N_TINY);
    tcase_add_test(t, roles_of_llama);
    tcase_add_test(t, roles_of_t5);
    tcase_add_test(t, opt_norm_places);
    suite_add_tcase(s, t);
    t = tcase_create("policy");
    tcase_add_test(t, decisions);
    tcase_add_test(t, skip_list_traps);
    tcase_add_test(t, experts);
    suite_add_tcase(s, t);
    t = tcase_create("checkpoints");
    tcase_add_test(t, prefix_and_stale);
    tcase_add_test(t, base_class);
    tcase_add_test(t, headers_tell_tie);
    tcase_add_loop_test(t, refuses_disagreement, 0, sizeof disagree / sizeof *disagree);
    tcase_add_test(t, refuses_missing);
    tcase_add_test(t, shapes_of_file);
    tcase_add_test(t, shapes_of_unknown);
    tcase_add_test(t, reads_bitsandbytes_int8);
    tcase_add_loop_test(t, names_schemes, 0, sizeof schemes / sizeof *schemes);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
