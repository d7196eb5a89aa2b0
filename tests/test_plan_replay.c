/* SPDX-License-Identifier: Apache-2.0
 *
 * The replay of accelerate and transformers against the vectors of accelerate's own
 * unit tests and others that the Python functions gave, on trees made by hand.
 */
#include "config.h"

#include "plan_tree.h"
#include "planner/replay.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tree tree;

static const struct i8_plan_request stored = {.dtype = I8_PLAN_STORED};

/* The model of accelerate's tests: 236 bytes. */
static void add_small(int parent, const char *prefix)
{
    (void)prefix;
    tree_module(&tree, parent, "linear1", "Linear");
    tree_param(&tree, "weight", 48);
    tree_param(&tree, "bias", 16);
    tree_module(&tree, parent, "batchnorm", "BatchNorm1d");
    tree_param(&tree, "weight", 16);
    tree_param(&tree, "bias", 16);
    tree_buffer(&tree, "running_mean", 16);
    tree_buffer(&tree, "running_var", 16);
    tree_buffer(&tree, "num_batches_tracked", 8);
    tree_module(&tree, parent, "linear2", "Linear");
    tree_param(&tree, "weight", 80);
    tree_param(&tree, "bias", 20);
}

static void add_linear(int parent, const char *name, uint64_t weight, uint64_t bias)
{
    tree_module(&tree, parent, name, "Linear");
    tree_param(&tree, "weight", weight);
    if (bias > 0)
        tree_param(&tree, "bias", bias);
}

/* Limits as "0=200 1=200 cpu=5"; returns how many. */
static size_t read_limits(struct i8i_limit *limits, const char *text)
{
    size_t n = 0;
    while (*text != '\0') {
        char *end;
        int device = I8_PLAN_CPU;
        if (strncmp(text, "cpu", 3) != 0)
            device = (int)strtol(text, &end, 10);
        text = strchr(text, '=') + 1;
        limits[n++] = (struct i8i_limit){device, strtod(text, &end)};
        text = end + strspn(end, " ");
    }
    return n;
}

static bool fallback; /* what run_map asks for */

/* The cleaned map as "key:device key:device", keys in the order of the tree. */
static void run_map(char *out, size_t size, enum i8i_replay_rules rules,
                    struct i8i_limit *limits, size_t n)
{
    struct i8i_bytes bytes;
    struct i8_error err = {0};
    struct i8_plan_entry *map;
    size_t n_map;
    struct i8i_replay r = {
        .model = &tree.model, .bytes = &bytes, .rules = rules, .fallback = fallback};
    enum i8i_byte_rules byte_rules =
        rules == I8I_REPLAY_ACCELERATE ? I8I_BYTES_ACCELERATE : I8I_BYTES_TRANSFORMERS;

    ck_assert_int_eq(i8i_bytes_compute(&bytes, &tree.model, &stored, byte_rules, &err),
                     I8_OK);
    ck_assert_msg(i8i_replay_run(&r, limits, n, &err) == I8_OK, "%s", err.message);
    ck_assert_int_eq(i8i_device_map(&map, &n_map, &tree.model, &r.placement, &err),
                     I8_OK);
    *out = '\0';
    for (size_t i = 0, at = 0; i < n_map; i++) {
        char device[16];
        (void)snprintf(device, sizeof device, "%d", map[i].device);
        at += (size_t)snprintf(out + at, size - at, "%s%s:%s", i > 0 ? " " : "",
                               map[i].module,
                               map[i].device == I8_PLAN_CPU    ? "cpu"
                               : map[i].device == I8_PLAN_DISK ? "disk"
                                                               : device);
    }
    free(map);
    i8i_replay_free(&r);
    i8i_bytes_free(&bytes);
}

static void expect(enum i8i_replay_rules rules, const char *limits_text, const char *map)
{
    struct i8i_limit limits[8];
    char got[4096];

    run_map(got, sizeof got, rules, limits, read_limits(limits, limits_text));
    ck_assert_str_eq(got, map);
}

static void expect_balanced(enum i8i_replay_rules rules, bool low_zero,
                            const char *limits_text, const char *balanced,
                            const char *map)
{
    struct i8i_limit limits[8], want[8];
    struct i8i_bytes bytes;
    struct i8_error err = {0};
    char got[4096];
    size_t n = read_limits(limits, limits_text);
    struct i8i_replay r = {.model = &tree.model, .bytes = &bytes, .rules = rules};
    enum i8i_byte_rules byte_rules =
        rules == I8I_REPLAY_ACCELERATE ? I8I_BYTES_ACCELERATE : I8I_BYTES_TRANSFORMERS;

    ck_assert_int_eq(i8i_bytes_compute(&bytes, &tree.model, &stored, byte_rules, &err),
                     I8_OK);
    ck_assert_int_eq(i8i_replay_balance(&r, limits, n, low_zero, &err), I8_OK);
    i8i_bytes_free(&bytes);
    ck_assert_uint_eq(read_limits(want, balanced), n);
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(limits[i].device, want[i].device);
        ck_assert_double_eq(limits[i].bytes, want[i].bytes);
    }
    if (map != NULL) {
        run_map(got, sizeof got, rules, limits, n);
        ck_assert_str_eq(got, map);
    }
}

START_TEST(plain)
{
    tree_init(&tree);
    add_small(0, "");
    expect(I8I_REPLAY_ACCELERATE, "0=200 1=200", "linear1:0 batchnorm:1 linear2:1");
    expect(I8I_REPLAY_ACCELERATE, "0=200 1=172 2=200", "linear1:0 batchnorm:1 linear2:1");
    expect(I8I_REPLAY_ACCELERATE, "0=1000", ":0");
    tree_tie(&tree, "linear2.weight", "linear1.weight");
    tree.params[tree_find(&tree, "linear1.weight")].elements = 48;
    expect(I8I_REPLAY_ACCELERATE, "0=200 1=200", ":0");
}
END_TEST

START_TEST(sequence)
{
    tree_init(&tree);
    for (int i = 0; i < 3; i++) {
        char name[2] = {(char)('0' + i), '\0'};
        add_small(tree_module(&tree, 0, name, "ModelForTest"), name);
    }
    expect(I8I_REPLAY_ACCELERATE, "0=500 1=500",
           "0:0 1.linear1:0 1.batchnorm:0 1.linear2:1 2:1");
    tree_no_split(&tree, "ModelForTest");
    expect(I8I_REPLAY_ACCELERATE, "0=500 1=500", "0:0 1:1 2:1");
}
END_TEST

START_TEST(ties)
{
    tree_init(&tree);
    add_small(tree_module(&tree, 0, "layer1", "ModelForTest"), "");
    add_small(tree_module(&tree, 0, "layer2", "ModelForTest"), "");
    add_small(tree_module(&tree, 0, "layer3", "ModelForTest"), "");
    tree_tie(&tree, "layer3.linear2.weight", "layer1.linear2.weight");
    expect(I8I_REPLAY_ACCELERATE, "0=400 1=500",
           "layer1:0 layer2:1 layer3.linear1:1 layer3.batchnorm:1 layer3.linear2:0");
    tree_tie(&tree, "layer2.linear2.weight", "layer1.linear2.weight");
    expect(I8I_REPLAY_ACCELERATE, "0=400 1=500",
           "layer1:0 layer2.linear1:1 layer2.batchnorm:1 layer2.linear2:0 "
           "layer3.linear1:1 layer3.batchnorm:1 layer3.linear2:0");
}
END_TEST

START_TEST(ties_whole)
{
    tree_init(&tree);
    add_linear(0, "linear1", 64, 16);
    add_linear(0, "linear2", 144, 24);
    add_linear(0, "linear3", 64, 16);
    add_linear(0, "linear4", 144, 24);
    tree_tie(&tree, "linear3.weight", "linear1.weight");
    tree_tie(&tree, "linear3.bias", "linear1.bias");
    expect(I8I_REPLAY_ACCELERATE, "0=250 1=400",
           "linear1:0 linear2:1 linear3:0 linear4:1");
}
END_TEST

START_TEST(balanced)
{
    enum i8i_replay_rules a = I8I_REPLAY_ACCELERATE;
    tree_init(&tree);
    add_small(0, "");
    expect_balanced(a, false, "0=200 1=200", "0=200 1=200", NULL);
    expect_balanced(a, false, "0=300 1=300", "0=215 1=300", NULL);
    expect_balanced(a, false, "0=300 1=500", "0=215 1=500", NULL);
    expect_balanced(a, false, "0=0 1=300 2=300", "0=0 1=215 2=300", NULL);
    expect_balanced(a, false, "0=200 2=200", "0=200 2=200", NULL);
}
END_TEST

/* A LLaMA of 8 layers in 16 bits: 946336 bytes. */
static void make_llama(bool tied, uint64_t layer_scale)
{
    tree_init(&tree);
    int model = tree_module(&tree, 0, "model", "LlamaModel");
    tree_module(&tree, model, "embed_tokens", "Embedding");
    tree_param(&tree, "weight", 128000);
    int layers = tree_module(&tree, model, "layers", "ModuleList");
    for (int i = 0; i < 8; i++) {
        char name[2] = {(char)('0' + i), '\0'};
        int layer = tree_module(&tree, layers, name, "LlamaDecoderLayer");
        tree_module(&tree, layer, "self_attn", "LlamaAttention");
        tree_param(&tree, "weight", 24576 / layer_scale);
        tree_module(&tree, layer, "mlp", "LlamaMLP");
        tree_param(&tree, "weight", 61440 / layer_scale);
        tree_module(&tree, layer, "norm", "LlamaRMSNorm");
        tree_param(&tree, "weight", 256);
    }
    tree_module(&tree, model, "norm", "LlamaRMSNorm");
    tree_param(&tree, "weight", 128);
    tree_module(&tree, model, "rotary_emb", "LlamaRotaryEmbedding");
    tree_buffer(&tree, "inv_freq", 32);
    tree_module(&tree, 0, "lm_head", "Linear");
    tree_param(&tree, "weight", 128000);
    tree_no_split(&tree, "LlamaDecoderLayer");
    if (tied)
        tree_tie(&tree, "lm_head.weight", "model.embed_tokens.weight");
}

START_TEST(llama)
{
    enum i8i_replay_rules t = I8I_REPLAY_TRANSFORMERS;
    make_llama(false, 1);
    expect(t, "0=946336", ":0");
    expect(t, "0=946335",
           "model.embed_tokens:0 model.layers:0 model.norm:0 model.rotary_emb:disk "
           "lm_head:disk");
    expect(t, "0=80000 1=10000000", ":1");
    expect_balanced(t, true, "0=600000 1=600000", "0=346336 1=600000",
                    "model.embed_tokens:0 model.layers.0:0 model.layers.1:1 "
                    "model.layers.2:1 model.layers.3:1 model.layers.4:1 model.layers.5:1 "
                    "model.layers.6:1 model.layers.7:disk model.norm:disk "
                    "model.rotary_emb:disk lm_head:disk");
    make_llama(true, 1);
    expect_balanced(t, false, "0=600000 1=600000", "0=517008 1=600000",
                    "model.embed_tokens:0 model.layers.0:0 model.layers.1:0 "
                    "model.layers.2:0 model.layers.3:1 model.layers.4:1 model.layers.5:1 "
                    "model.layers.6:1 model.layers.7:1 model.norm:1 model.rotary_emb:1 "
                    "lm_head:0");
}
END_TEST

/* Ids with a gap make the Python code fail, and us say so. */
START_TEST(low_zero_gap)
{
    struct i8i_limit limits[2] = {{1, 600000}, {3, 600000}};
    struct i8i_bytes bytes;
    struct i8_error err = {0};
    struct i8i_replay r = {.model = &tree.model, .bytes = &bytes};

    make_llama(false, 1);
    ck_assert_int_eq(
        i8i_bytes_compute(&bytes, &tree.model, &stored, I8I_BYTES_ACCELERATE, &err),
        I8_OK);
    ck_assert_int_eq(i8i_replay_balance(&r, limits, 2, true, &err), I8_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "KeyError"));
    i8i_bytes_free(&bytes);
}
END_TEST

static void expect_fallback(const char *limits_text, const char *without,
                            const char *with)
{
    expect(I8I_REPLAY_ACCELERATE, limits_text, without);
    fallback = true;
    expect(I8I_REPLAY_ACCELERATE, limits_text, with);
    fallback = false;
}

/* Of accelerate's tests: one that finds a place, none that fits, one that is not asked
 * for because something is on the device, tied weights, buffers. */
START_TEST(fallback_allocation)
{
    tree_init(&tree);
    int inner = tree_module(&tree, 0, "module", "Sequential");
    add_linear(inner, "linear1", 160, 16);
    add_linear(inner, "linear2", 64, 16);
    add_linear(inner, "linear3", 128, 32);
    expect_fallback("0=256", ":disk",
                    "module.linear1:disk module.linear2:0 module.linear3:disk");

    tree_init(&tree);
    inner = tree_module(&tree, 0, "module", "Sequential");
    add_linear(inner, "linear1", 400, 40);
    add_linear(inner, "linear2", 400, 40);
    add_linear(inner, "linear3", 400, 40);
    expect_fallback("0=30", ":disk", ":disk");

    tree_init(&tree);
    static const char *const names[] = {"module1", "module2", "module3"};
    for (int i = 0; i < 3; i++) {
        inner = tree_module(&tree, 0, names[i], "CustomModule");
        add_linear(inner, "submodule1", 1600, 80);
        add_linear(inner, "submodule2", 1600, 80);
    }
    static const char partial[] = "module1.submodule1:0 module1.submodule2:disk "
                                  "module2:disk module3:disk";
    expect_fallback("0=5000", partial, partial);

    tree_init(&tree);
    add_linear(0, "linear1", 400, 40);
    add_linear(0, "linear2", 400, 40);
    tree_tie(&tree, "linear2.weight", "linear1.weight");
    expect_fallback("0=600", ":0", ":0");

    tree_init(&tree);
    add_linear(0, "linear1", 400, 40);
    tree_buffer(&tree, "buffer1", 20);
    tree_module(&tree, 0, "batchnorm", "BatchNorm1d");
    tree_param(&tree, "weight", 40);
    tree_param(&tree, "bias", 40);
    tree_buffer(&tree, "running_mean", 40);
    tree_buffer(&tree, "running_var", 40);
    tree_buffer(&tree, "num_batches_tracked", 8);
    tree_buffer(&tree, "buffer2", 20);
    add_linear(0, "linear2", 400, 40);
    tree_buffer(&tree, "buffer3", 20);
    expect_fallback("0=678", ":disk", "linear1:disk batchnorm:0 linear2:disk");
}
END_TEST

/* What accelerate 1.15's own functions gave for trees made at random. */
START_TEST(fallback_below_the_list)
{
    tree_init(&tree);
    int m0 = tree_module(&tree, 0, "m0", "A");
    add_linear(tree_module(&tree, m0, "m0", "NS"), "a", 29, 48);
    int m01 = tree_module(&tree, m0, "m1", "B");
    add_linear(m01, "m0", 22, 0);
    add_linear(m01, "m1", 7, 0);
    int m02 = tree_module(&tree, m0, "m2", "A");
    add_linear(m02, "m0", 7, 0);
    add_linear(tree_module(&tree, m02, "m1", "NS"), "a", 42, 35);
    tree_no_split(&tree, "NS");
    tree_tie(&tree, "m0.m2.m0.weight", "m0.m1.m1.weight");
    expect_fallback("0=118 cpu=58", ":disk",
                    "m0.m0:disk m0.m1.m0:0 m0.m1.m1:disk m0.m2:disk");

    /* Of what is tied, one end has left the list that is searched. */
    tree_init(&tree);
    add_linear(0, "m0", 37, 0);
    add_linear(0, "m1", 37, 33);
    tree_tie(&tree, "m1.weight", "m0.weight");
    expect(I8I_REPLAY_ACCELERATE, "0=74", ":disk");
    struct i8i_limit limit = {0, 74};
    struct i8i_bytes bytes;
    struct i8_error err = {0};
    struct i8i_replay r = {.model = &tree.model, .bytes = &bytes, .fallback = true};
    ck_assert_int_eq(
        i8i_bytes_compute(&bytes, &tree.model, &stored, I8I_BYTES_ACCELERATE, &err),
        I8_OK);
    ck_assert_int_eq(i8i_replay_run(&r, &limit, 1, &err), I8_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "IndexError"));
    i8i_replay_free(&r);
    i8i_bytes_free(&bytes);
    /* Less than nothing is left: it is not searched at all. */
    expect_fallback("0=36", ":disk", ":disk");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan_replay");
    TCase *tc = tcase_create("vectors");
    tcase_add_test(tc, plain);
    tcase_add_test(tc, sequence);
    tcase_add_test(tc, ties);
    tcase_add_test(tc, ties_whole);
    tcase_add_test(tc, balanced);
    tcase_add_test(tc, llama);
    tcase_add_test(tc, low_zero_gap);
    tcase_add_test(tc, fallback_allocation);
    tcase_add_test(tc, fallback_below_the_list);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
