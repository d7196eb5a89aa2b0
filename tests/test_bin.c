/* SPDX-License-Identifier: Apache-2.0
 *
 * PyTorch .bin files: real ones against their safetensors twins, byte for byte, and
 * hostile ones, whose pickles are written here opcode by opcode.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "checkpoint/checkpoint.h"
#include "scratch.h"
#include "zip_builder.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *dir;

static void setup(void)
{
    dir = scratch_new();
}

static void teardown(void)
{
    scratch_remove(dir);
}

/* ---- real files ---- */

static char *tensor_bytes(const struct i8i_checkpoint *c, const struct i8i_tensor *t)
{
    char *bytes = i8i_calloc(t->bytes, 1);
    struct i8_error err = {0};
    ck_assert_msg(i8i_tensor_read(c, t, bytes, 0, t->bytes, &err) == I8_OK, "%s",
                  err.message);
    return bytes;
}

static void expect_same(const struct i8i_checkpoint *a, const struct i8i_tensor *x,
                        const struct i8i_checkpoint *b, const struct i8i_tensor *y)
{
    ck_assert_int_eq(x->dtype, y->dtype);
    ck_assert_uint_eq(x->rank, y->rank);
    for (uint32_t d = 0; d < x->rank; d++)
        ck_assert_uint_eq(x->shape[d], y->shape[d]);
    char *p = tensor_bytes(a, x), *q = tensor_bytes(b, y);
    ck_assert_msg(memcmp(p, q, x->bytes) == 0, "%s differs from %s", x->name, y->name);
    free(p);
    free(q);
}

/* A .bin checkpoint and its twin; `extra` are the tied copies that only the .bin has,
 * each with the tensor that it copies. */
static const struct {
    const char *bin, *twin;
    const char *extra[4][2];
} pairs[] = {
    {"tiny/bloom-bin",
     "tiny/bloom",
     {{"lm_head.weight", "transformer.word_embeddings.weight"}}},
    {"tiny/t5-bin",
     "tiny/t5",
     {{"encoder.embed_tokens.weight", "shared.weight"},
      {"decoder.embed_tokens.weight", "shared.weight"},
      {"lm_head.weight", "shared.weight"}}},
    {"tiny/gpt2-bin", "tiny/gpt2", {{"lm_head.weight", "transformer.wte.weight"}}},
};

START_TEST(bytes_equal_the_twins)
{
    struct i8i_checkpoint *bin, *twin;
    struct i8i_tree *bin_tree, *twin_tree;
    struct i8_error err = {0};
    char *bin_path = test_data(pairs[_i].bin), *twin_path = test_data(pairs[_i].twin);
    ck_assert_int_eq(i8i_tree_open_directory(&bin_tree, bin_path, &err), I8_OK);
    ck_assert_int_eq(i8i_tree_open_directory(&twin_tree, twin_path, &err), I8_OK);
    ck_assert_msg(i8i_checkpoint_open_tree(&bin, bin_tree, &err) == I8_OK, "%s",
                  err.message);
    ck_assert_msg(i8i_checkpoint_open_tree(&twin, twin_tree, &err) == I8_OK, "%s",
                  err.message);
    for (size_t i = 0; i < twin->n_tensors; i++) {
        const struct i8i_tensor *t = i8i_checkpoint_find(bin, twin->tensors[i].name);
        ck_assert_msg(t != NULL, "%s is missing", twin->tensors[i].name);
        expect_same(bin, t, twin, &twin->tensors[i]);
    }
    size_t extras = 0;
    for (; extras < 4 && pairs[_i].extra[extras][0] != NULL; extras++) {
        const struct i8i_tensor *copy =
                                    i8i_checkpoint_find(bin, pairs[_i].extra[extras][0]),
                                *of =
                                    i8i_checkpoint_find(twin, pairs[_i].extra[extras][1]);
        ck_assert_ptr_nonnull(copy);
        ck_assert_ptr_nonnull(of);
        expect_same(bin, copy, twin, of);
    }
    ck_assert_uint_eq(bin->n_tensors, twin->n_tensors + extras);
    i8i_checkpoint_free(bin);
    i8i_checkpoint_free(twin);
    i8i_tree_close(bin_tree);
    i8i_tree_close(twin_tree);
    free(bin_path);
    free(twin_path);
}
END_TEST

/* ---- pickles by hand ---- */

/* Opcodes as string constants; P(x) marks the end of an octal escape. */
#define PROTO      "\x80\x02"
#define NAME(m, n) "c" m "\n" n "\n"
#define S(n, text) "X" n "\0\0\0" text /* n: the length as an escape */
#define DICT       NAME("collections", "OrderedDict") ")R"
/* the storage data/0 of `count` floats */
#define STORAGE(count)                                                                 \
    "(" S("\x07", "storage") NAME("torch", "FloatStorage") S("\1", "0") S("\3", "cpu") \
        count "tQ"
#define V2   NAME("torch._utils", "_rebuild_tensor_v2")
#define REST "\x89" DICT "tR" /* requires_grad, hooks; the call */
#define TENSOR(offset, shape, strides, count) \
    V2 "(" STORAGE(count) offset shape strides REST
#define GOOD           TENSOR("K\0", "K\2K\3\x86", "K\3K\1\x86", "K\6")
#define STATE(name, t) PROTO "}(" S("\1", name) t "u."
#define LITERAL(s)     (s), sizeof(s) - 1

static const float storage[6] = {0, 1, 2, 3, 4, 5};

static char *write_zip(const struct zip_item *items, size_t count, bool zip64,
                       const char *comment)
{
    struct i8i_buffer b;
    zip_build(&b, items, count, zip64, comment);
    char *path = scratch_write(dir, "t.bin", b.data, b.length);
    i8i_buffer_free(&b);
    return path;
}

static char *write_bin(const char *pickle, size_t n)
{
    const struct zip_item items[] = {
        {.name = "t/data.pkl", .bytes = pickle, .n = n},
        {.name = "t/byteorder", .bytes = "little", .n = 6},
        {.name = "t/data/0", .bytes = storage, .n = sizeof storage},
        {.name = "t/version", .bytes = "3\n", .n = 2}};
    return write_zip(items, 4, false, "");
}

static const struct {
    const char *pickle;
    size_t n;
    uint32_t rank;
    uint64_t shape[3];
    float values[6]; /* of tensor "a" */
} good[] = {
    {LITERAL(STATE("a", GOOD)), 2, {2, 3}, {0, 1, 2, 3, 4, 5}},
    /* transposed, every other column, a row from the middle, backwards is impossible */
    {LITERAL(STATE("a", TENSOR("K\0", "K\3K\2\x86", "K\1K\3\x86", "K\6"))),
     2,
     {3, 2},
     {0, 3, 1, 4, 2, 5}},
    {LITERAL(STATE("a", TENSOR("K\1", "K\2K\2\x86", "K\3K\1\x86", "K\6"))),
     2,
     {2, 2},
     {1, 2, 4, 5}},
    {LITERAL(STATE("a", TENSOR("K\3", "K\3\x85", "K\1\x85", "K\6"))), 1, {3}, {3, 4, 5}},
    {LITERAL(STATE("a", TENSOR("K\1", "K\3\x85", "K\2\x85", "K\6"))), 1, {3}, {1, 3, 5}},
    {LITERAL(STATE("a", TENSOR("K\1", "K\1K\2K\1\x87", "K\x63K\2K\7\x87", "K\6"))),
     3,
     {1, 2, 1},
     {1, 3}},
    /* a scalar, and nothing at all */
    {LITERAL(STATE("a", TENSOR("K\5", ")", ")", "K\6"))), 0, {0}, {5}},
    {LITERAL(STATE("a", TENSOR("K\6", "K\0K\7\x86", "K\7K\1\x86", "K\6"))),
     2,
     {0, 7},
     {0}},
    /* a broadcast within the storage's size: three times the same row */
    {LITERAL(STATE("a", TENSOR("K\2", "K\3K\2\x86", "K\0K\1\x86", "K\6"))),
     2,
     {3, 2},
     {2, 3, 2, 3, 2, 3}},
    /* the whole checkpoint of a training loop; OrderedDict with attributes */
    {LITERAL(PROTO "}(" S("\5", "epoch") "K\7" S("\x0a", "state_dict") DICT
             "(" S("\1", "a") GOOD "u}" S("\1", "x") "Nsbu."),
     2,
     {2, 3},
     {0, 1, 2, 3, 4, 5}},
    {LITERAL(PROTO "}" S("\5", "model") "}" S("\1", "a") GOOD "ss."),
     2,
     {2, 3},
     {0, 1, 2, 3, 4, 5}},
    /* a parameter; memo; other integers; sizes as torch.Size */
    {LITERAL(STATE("a",
                   NAME("torch._utils", "_rebuild_parameter") "(" GOOD "\x88" DICT "tR")),
     2,
     {2, 3},
     {0, 1, 2, 3, 4, 5}},
    {LITERAL(PROTO "}q\0(" S("\1", "a") "q\1" V2 "(" STORAGE("\x8a\1\6") "J\0\0\0\0" NAME(
         "torch", "Size") "M\6\0\x85\x85Rr\0\1\0\0K\1\x85" REST "u."),
     1,
     {6},
     {0, 1, 2, 3, 4, 5}},
    {LITERAL(STATE("a", NAME("torch._utils", "_rebuild_tensor") "(" STORAGE(
                            "K\6") "K\0K\6\x85K\1\x85tR")),
     1,
     {6},
     {0, 1, 2, 3, 4, 5}},
    /* version 3: a dtype over an untyped storage, counted in bytes */
    {LITERAL(STATE("a",
                   NAME("torch._utils", "_rebuild_tensor_v3") "((" S("\x07", "storage")
                       NAME("torch.storage", "UntypedStorage") S("\1", "0")
                           S("\3", "cpu") "K\x18tQ"
                                          "K\2K\4\x85K\1"
                                          "\x85\x89" DICT NAME("torch", "float32") "tR")),
     1,
     {4},
     {2, 3, 4, 5}},
};

START_TEST(reads_good_pickles)
{
    char *path = write_bin(good[_i].pickle, good[_i].n);
    struct i8i_checkpoint *c;
    struct i8_error err = {0};
    ck_assert_msg(i8i_checkpoint_open_file(&c, path, &err) == I8_OK, "%s", err.message);
    ck_assert_uint_eq(c->n_tensors, 1);
    const struct i8i_tensor *t = i8i_checkpoint_find(c, "a");
    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(t->dtype, I8_DTYPE_F32);
    ck_assert_uint_eq(t->rank, good[_i].rank);
    for (uint32_t d = 0; d < t->rank; d++)
        ck_assert_uint_eq(t->shape[d], good[_i].shape[d]);
    ck_assert_uint_le(t->bytes, sizeof good[_i].values);
    /* every range of it */
    for (uint64_t from = 0; from <= t->bytes; from++)
        for (size_t n = 0; n <= t->bytes - from; n++) {
            char bytes[sizeof good[_i].values + 1] = {0};
            bytes[n] = 77;
            ck_assert_int_eq(i8i_tensor_read(c, t, bytes, from, n, &err), I8_OK);
            ck_assert_mem_eq(bytes, (const char *)good[_i].values + from, n);
            ck_assert_int_eq(bytes[n], 77);
        }
    i8i_checkpoint_free(c);
    free(path);
}
END_TEST

static void expect_refusal(const char *path, enum i8_status status, const char *message)
{
    struct i8_error err = {0};
    struct i8i_checkpoint *c;
    enum i8_status st = i8i_checkpoint_open_file(&c, path, &err);
    ck_assert_msg(st == status && strncmp(err.message, path, strlen(path)) == 0 &&
                      strstr(err.message, message) != NULL,
                  "expected '%s' (%d), found (%d): %s", message, status, st, err.message);
    ck_assert_ptr_null(c);
}

static const struct {
    const char *pickle;
    size_t n;
    enum i8_status status;
    const char *message;
} bad[] = {
    /* names that run things */
    {LITERAL(PROTO "cos\nsystem\n" S("\2", "id") "\x85R."), I8_ERR_UNSUPPORTED,
     "asks for 'os.system'"},
    {LITERAL(PROTO NAME("posix", "system") "."), I8_ERR_UNSUPPORTED,
     "asks for 'posix.system'"},
    {LITERAL(PROTO NAME("builtins", "eval") "."), I8_ERR_UNSUPPORTED,
     "asks for 'builtins.eval'"},
    {LITERAL(PROTO NAME("torch", "load") "."), I8_ERR_UNSUPPORTED,
     "asks for 'torch.load'"},
    {LITERAL(PROTO NAME("torch", "FloatStorage.x") "."), I8_ERR_UNSUPPORTED,
     "asks for 'torch.FloatStorage.x'"},
    {LITERAL(PROTO NAME("torch", "FloatStorage") ")R."), I8_ERR_UNSUPPORTED,
     "calls torch.FloatStorage, a type"},
    {LITERAL(PROTO "ios\nsystem\n."), I8_ERR_UNSUPPORTED, "pickle opcode 0x69 at byte 2"},
    {LITERAL(PROTO NAME("collections", "OrderedDict") ")\x81."), I8_ERR_UNSUPPORTED,
     "pickle opcode 0x81"},
    {LITERAL("\x80\4\x95\0\0\0\0\0\0\0\0."), I8_ERR_UNSUPPORTED, "pickle protocol 4"},
    {LITERAL(PROTO "\x82\1."), I8_ERR_UNSUPPORTED, "pickle opcode 0x82"},
    {LITERAL(PROTO "cos\n"), I8_ERR_DATA, "a module and a name"},
    /* a machine misused */
    {LITERAL(""), I8_ERR_DATA, "an opcode: cut short?"},
    {LITERAL(PROTO "}"), I8_ERR_DATA, "an opcode: cut short?"},
    {LITERAL("."), I8_ERR_DATA, "one value and the end"},
    {LITERAL(PROTO "}}."), I8_ERR_DATA, "one value and the end"},
    {LITERAL(PROTO "}..."), I8_ERR_DATA, "one value and the end"},
    {LITERAL(PROTO "(."), I8_ERR_UNSUPPORTED, "no dictionary of tensors"},
    {LITERAL(PROTO "N."), I8_ERR_UNSUPPORTED, "no dictionary of tensors"},
    {LITERAL(PROTO "R."), I8_ERR_DATA, "a name and its arguments"},
    {LITERAL(PROTO "NNR."), I8_ERR_DATA, "a name and its arguments"},
    {LITERAL(PROTO NAME("torch", "Size") "(R."), I8_ERR_DATA, "a name and its arguments"},
    {LITERAL(PROTO "t."), I8_ERR_DATA, "a mark before the tuple"},
    {LITERAL(PROTO "N\x86."), I8_ERR_DATA, "as many values as the tuple has"},
    {LITERAL(PROTO "N(N\x86."), I8_ERR_DATA, "as many values as the tuple has"},
    {LITERAL(PROTO "}NNe."), I8_ERR_DATA, "a mark"},
    {LITERAL(PROTO "}(NNe."), I8_ERR_DATA, "a list to append to"},
    {LITERAL(PROTO "](NNu."), I8_ERR_DATA, "a dictionary to set in"},
    {LITERAL(PROTO "}(Nu."), I8_ERR_DATA, "keys with values"},
    {LITERAL(PROTO "(NNu."), I8_ERR_DATA, "a dictionary to set in"},
    {LITERAL(PROTO "Na."), I8_ERR_DATA, "a list to append to"},
    {LITERAL(PROTO "Ns."), I8_ERR_DATA, "values on the stack"},
    {LITERAL(PROTO "h\0."), I8_ERR_DATA, "a memo number that was set"},
    {LITERAL(PROTO "Nq\2h\1."), I8_ERR_DATA, "a memo number that was set"},
    {LITERAL(PROTO "Nr\0\0\x10\0."), I8_ERR_DATA, "a memo number below 2^20"},
    {LITERAL(PROTO "q\0."), I8_ERR_DATA, "a value to remember"},
    {LITERAL(PROTO "(q\0."), I8_ERR_DATA, "a value to remember"},
    {LITERAL(PROTO "Q."), I8_ERR_DATA, "a persistent id"},
    {LITERAL(PROTO "NQ."), I8_ERR_DATA, "a persistent id of five parts"},
    {LITERAL(PROTO "NNb."), I8_ERR_DATA, "attributes of a dictionary only"},
    {LITERAL(PROTO "X\xff\xff\xff\xff"), I8_ERR_DATA, "a whole string"},
    {LITERAL(PROTO "X\1\0\0\0\xff."), I8_ERR_DATA, "a string of UTF-8"},
    {LITERAL(PROTO "X\1\0\0\0\0."), I8_ERR_DATA, "a string of UTF-8 without NUL"},
    {LITERAL(PROTO "\x8a\xff."), I8_ERR_DATA, "a whole LONG1"},
    /* dictionaries of other things */
    {LITERAL(PROTO "}K\1" GOOD "s."), I8_ERR_UNSUPPORTED, "is not text"},
    {LITERAL(STATE("a", "K\1")), I8_ERR_UNSUPPORTED, "'a' is not a tensor"},
    {LITERAL(PROTO "}(" S("\1", "a") GOOD S("\1", "a") GOOD "u."), I8_ERR_DATA,
     "tensor 'a' appears twice"},
    /* tensors that leave their storage */
    {LITERAL(STATE("a", TENSOR("K\1", "K\2K\3\x86", "K\3K\1\x86", "K\6"))), I8_ERR_DATA,
     "tensor 'a': expected its shape and strides to stay inside"},
    {LITERAL(STATE("a", TENSOR("K\0", "K\2\x85", "K\6\x85", "K\6"))), I8_ERR_DATA,
     "tensor 'a': expected its shape and strides to stay inside"},
    {LITERAL(STATE("a", TENSOR("K\7", "K\0\x85", "K\1\x85", "K\6"))), I8_ERR_DATA,
     "tensor 'a': expected its shape and strides to stay inside"},
    {LITERAL(STATE("a", TENSOR("K\0", "\x8a\x08\0\0\0\0\0\0\0\x20K\1\x86",
                               "\x8a\x08\0\0\0\0\0\0\0\x20K\1\x86", "K\6"))),
     I8_ERR_DATA, "tensor 'a': its shape has more than 2^64 bits"},
    {LITERAL(STATE("a", TENSOR("K\0", "K\2K\1\x86",
                               "\x8a\x08\xff\xff\xff\xff\xff\xff\xff"
                               "\x7fK\1\x86",
                               "K\6"))),
     I8_ERR_DATA, "tensor 'a': expected its shape and strides to stay inside"},
    {LITERAL(STATE("a", TENSOR("K\0", "K\3K\x64\x86", "K\0K\0\x86", "K\6"))), I8_ERR_DATA,
     "tensor 'a': expected no more elements than its storage has"},
    {LITERAL(STATE("a", TENSOR("K\0", "K\7\x85", "K\1\x85", "K\7"))), I8_ERR_DATA,
     "tensor 'a': its storage has 24 bytes, the pickle says 28"},
    {LITERAL(STATE("a", TENSOR("K\0", "K\1\x85", "K\1\x85",
                               "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"))),
     I8_ERR_DATA, "a storage below 2^64 bytes"},
    {LITERAL(STATE("a", TENSOR("J\xff\xff\xff\xff", "K\1\x85", "K\1\x85", "K\6"))),
     I8_ERR_DATA, "0 or more"},
    {LITERAL(STATE("a", TENSOR("K\0", "J\xff\xff\xff\xff\x85", "K\1\x85", "K\6"))),
     I8_ERR_DATA, "0 or more"},
    {LITERAL(STATE("a", TENSOR("K\0", "K\1\x85", "\x8a\1\xff\x85", "K\6"))), I8_ERR_DATA,
     "0 or more"},
    {LITERAL(STATE("a", TENSOR("K\0", "K\1\x85", "K\1K\1\x86", "K\6"))), I8_ERR_DATA,
     "0 or more"},
    {LITERAL(STATE("a", TENSOR("K\0", "G\0\0\0\0\0\0\0\0\x85", "K\1\x85", "K\6"))),
     I8_ERR_DATA, "0 or more"},
    {LITERAL(STATE("a", TENSOR("K\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t",
                               "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t", "K\6"))),
     I8_ERR_UNSUPPORTED, "9 dimensions, at most 8"},
    {LITERAL(STATE("a", V2 "(" STORAGE("K\6") "K\0K\1\x85K\1\x85tR")), I8_ERR_DATA,
     "a storage, an offset, a shape and strides"},
    {LITERAL(STATE("a", V2 "(NK\0K\1\x85K\1\x85" REST)), I8_ERR_DATA,
     "a storage, an offset, a shape and strides"},
    {LITERAL(STATE("a", V2 "((" S("\x07", "storage") NAME("torch", "FloatStorage")
                            S("\1", "9") S("\3", "cpu") "K\6tQK\0K\1\x85K\1\x85" REST)),
     I8_ERR_DATA, "its storage 't/data/9' is not in the file"},
    {LITERAL(STATE("a", V2 "((" S("\x07", "storagE") NAME("torch", "FloatStorage")
                            S("\1", "0") S("\3", "cpu") "K\6tQK\0K\1\x85K\1\x85" REST)),
     I8_ERR_DATA, "('storage', type, key, location, count)"},
};

START_TEST(refuses_bad_pickles)
{
    char *path = write_bin(bad[_i].pickle, bad[_i].n);
    expect_refusal(path, bad[_i].status, bad[_i].message);
    free(path);
}
END_TEST

/* Cut anywhere, a pickle is refused: it needs its last byte. */
START_TEST(refuses_pickles_cut_short)
{
    static const char whole[] = STATE("a", GOOD);
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        char *path = write_bin(whole, n);
        struct i8i_checkpoint *c;
        ck_assert_int_ne(i8i_checkpoint_open_file(&c, path, NULL), I8_OK);
        free(path);
    }
}
END_TEST

/* Names for one storage add up: a small file must not become a huge checkpoint. */
START_TEST(limits_sharing)
{
    struct i8i_buffer b;
    static const char tensor[] = GOOD;
    static const char *const message = "do not share a storage so often";
    for (int n = 2; n <= 4000; n *= 2000) {
        i8i_buffer_init(&b, SIZE_MAX);
        i8i_buffer_append(&b, LITERAL(PROTO "}("));
        i8i_buffer_append(&b, LITERAL(S("\1", "a")));
        i8i_buffer_append(&b, tensor, sizeof tensor - 1);
        i8i_buffer_append(&b, LITERAL("q\0"));
        for (int i = 1; i < n; i++) {
            char name[8];
            snprintf(name, sizeof name, "n%06d", i);
            i8i_buffer_append(&b, LITERAL("X\7\0\0\0"));
            i8i_buffer_append(&b, name, 7);
            i8i_buffer_append(&b, LITERAL("h\0"));
        }
        i8i_buffer_append(&b, LITERAL("u."));
        char *path = write_bin(b.data, b.length);
        struct i8i_checkpoint *c;
        struct i8_error err = {0};
        /* 4000 names in the pickle make the file large enough to allow them: not a
         * matter of the count, but of the checkpoint's size over the file's. */
        ck_assert_msg(i8i_checkpoint_open_file(&c, path, &err) == I8_OK, "%s",
                      err.message);
        ck_assert_int_eq((int)c->n_tensors, n);
        i8i_checkpoint_free(c);
        i8i_buffer_free(&b);
        free(path);
    }
    /* a large storage under 40 names */
    const size_t floats = 1 << 16;
    float *big = i8i_calloc(floats, sizeof *big);
    i8i_buffer_init(&b, SIZE_MAX);
    i8i_buffer_append(&b, LITERAL(PROTO "}(" S("\1", "a") TENSOR(
                              "K\0", "J\0\0\1\0\x85", "K\1\x85", "J\0\0\1\0") "q\0"));
    for (char i = '0'; i < '0' + 40; i++) {
        i8i_buffer_append(&b, LITERAL("X\1\0\0\0"));
        i8i_buffer_append(&b, &i, 1);
        i8i_buffer_append(&b, LITERAL("h\0"));
    }
    i8i_buffer_append(&b, LITERAL("u."));
    const struct zip_item items[] = {
        {.name = "t/data.pkl", .bytes = b.data, .n = b.length},
        {.name = "t/data/0", .bytes = big, .n = floats * sizeof *big}};
    char *path = write_zip(items, 2, false, "");
    expect_refusal(path, I8_ERR_DATA, message);
    i8i_buffer_free(&b);
    free(big);
    free(path);
}
END_TEST

/* A transposed matrix larger than one window of the reader. */
START_TEST(reads_large_views)
{
    const size_t rows = 3000, cols = 4000; /* 48 MB */
    uint32_t *values = i8i_calloc(rows * cols, 4);
    for (size_t i = 0; i < rows * cols; i++)
        values[i] = (uint32_t)i;
    static const char pickle[] = STATE("a", TENSOR("K\0", "M\xa0\x0fM\xb8\x0b\x86",
                                                   "K\1M\xa0\x0f\x86", "J\0\x1b\xb7\0"));
    const struct zip_item items[] = {
        {.name = "t/data.pkl", .bytes = pickle, .n = sizeof pickle - 1},
        {.name = "t/data/0", .bytes = values, .n = rows * cols * 4}};
    char *path = write_zip(items, 2, true, "");
    struct i8i_checkpoint *c;
    struct i8_error err = {0};
    ck_assert_msg(i8i_checkpoint_open_file(&c, path, &err) == I8_OK, "%s", err.message);
    const struct i8i_tensor *t = &c->tensors[0];
    ck_assert_uint_eq(t->shape[0], cols);
    uint32_t *got = i8i_calloc(rows * cols, 4);
    ck_assert_int_eq(i8i_tensor_read(c, t, got, 0, t->bytes, &err), I8_OK);
    for (size_t i = 0; i < cols; i++)
        for (size_t j = 0; j < rows; j++)
            if (got[i * rows + j] != j * cols + i)
                ck_abort_msg("element (%zu, %zu) is %u", i, j, got[i * rows + j]);
    /* a few of them, far apart */
    ck_assert_int_eq(i8i_tensor_read(c, t, got, 4 * (5 * rows + 2), 12, &err), I8_OK);
    for (size_t j = 0; j < 3; j++)
        ck_assert_uint_eq(got[j], (2 + j) * cols + 5);
    /* two that lie at the two ends of the storage */
    ck_assert_int_eq(i8i_tensor_read(c, t, got, 4 * (6 * rows - 1), 8, &err), I8_OK);
    ck_assert_uint_eq(got[0], (rows - 1) * cols + 5);
    ck_assert_uint_eq(got[1], 6);
    i8i_checkpoint_free(c);
    free(got);
    free(values);
    free(path);
}
END_TEST

/* ---- zip files ---- */

#define PICKLE                                                        \
    {                                                                 \
        .name = "t/data.pkl", .bytes = pickle, .n = sizeof pickle - 1 \
    }
#define DATA                                                      \
    {                                                             \
        .name = "t/data/0", .bytes = storage, .n = sizeof storage \
    }
static const char pickle[] = STATE("a", GOOD);

static const struct {
    struct zip_item items[4];
    enum i8_status status; /* I8_OK: must open */
    const char *message;
    bool zip64;
    const char *comment;
} zips[] = {
    {.items = {PICKLE, DATA}},
    {.items = {PICKLE, DATA}, .zip64 = true},
    {.items = {PICKLE, DATA}, .comment = "made by PK\5\6 hand"},
    {.items = {DATA, PICKLE, {.name = "t/.data/serialization_id", .bytes = "1", .n = 1}}},
    {.items = {PICKLE, DATA, {.name = "t/byteorder", .bytes = "middle", .n = 6}},
     .status = I8_ERR_UNSUPPORTED,
     .message = "an unknown byte order"},
    {.items = {PICKLE, DATA, {.name = "t/byteorder", .bytes = "little, or so", .n = 13}},
     .status = I8_ERR_UNSUPPORTED,
     .message = "an unknown byte order"},
    {.items = {PICKLE, DATA, {.name = "t/constants.pkl", .bytes = "", .n = 0}},
     .status = I8_ERR_UNSUPPORTED,
     .message = "a TorchScript program"},
    {.items = {DATA}, .status = I8_ERR_UNSUPPORTED, .message = "without data.pkl"},
    {.items = {PICKLE, DATA, {.name = "u/data.pkl", .bytes = "", .n = 0}},
     .status = I8_ERR_UNSUPPORTED,
     .message = "several PyTorch archives"},
    {.items = {PICKLE, DATA, DATA},
     .status = I8_ERR_DATA,
     .message = "entry 't/data/0': expected the name only once"},
    {.items = {PICKLE, {.name = "t/data/0", .bytes = storage, .n = 24, .method = 8}},
     .status = I8_ERR_UNSUPPORTED,
     .message = "'t/data/0' is compressed (method 8)"},
    {.items = {PICKLE, {.name = "t/data/0", .bytes = storage, .n = 24, .flags = 1}},
     .status = I8_ERR_UNSUPPORTED,
     .message = "'t/data/0' is encrypted"},
    {.items = {PICKLE,
               {.name = "t/data/0", .bytes = storage, .n = 24, .local_name = "t/data/1"}},
     .status = I8_ERR_DATA,
     .message = "'t/data/0': expected the same header"},
    {.items = {PICKLE,
               {.name = "t/data/0", .bytes = storage, .n = 24, .local_name = "t/data"}},
     .status = I8_ERR_DATA,
     .message = "'t/data/0': expected the same header"},
    {.items = {PICKLE, {.name = "t/data/0", .bytes = storage, .n = 24, .start_back = 1}},
     .status = I8_ERR_DATA,
     .message = "'t/data/0': expected the same header"},
    {.items = {PICKLE, {.name = "t/data/0", .bytes = storage, .n = 24, .claim = 25}},
     .status = I8_ERR_DATA,
     .message = "'t/data/0': expected its data before the directory"},
    {.items = {{.name = "t/data.pkl", .bytes = pickle, .n = 9, .claim = 80}, DATA},
     .status = I8_ERR_DATA,
     .message = "'t/data/0': expected no overlap"},
    {.items = {PICKLE,
               {.name = "t/data/0", .bytes = storage, .n = 24, .claim = 0xfffffff0}},
     .status = I8_ERR_DATA,
     .message = "'t/data/0': expected its data before the directory"},
    {.items = {PICKLE,
               {.name = "t/data/0", .bytes = storage, .n = 24, .claim = SIZE_MAX}},
     .zip64 = true,
     .status = I8_ERR_DATA,
     .message = "'t/data/0': expected its data before the directory"},
};

START_TEST(zip_directories)
{
    size_t count = 0;
    while (count < 4 && zips[_i].items[count].name != NULL)
        count++;
    char *path = write_zip(zips[_i].items, count, zips[_i].zip64,
                           zips[_i].comment != NULL ? zips[_i].comment : "");
    struct i8i_checkpoint *c;
    struct i8_error err = {0};
    if (zips[_i].status == I8_OK) {
        ck_assert_msg(i8i_checkpoint_open_file(&c, path, &err) == I8_OK, "%s",
                      err.message);
        ck_assert_uint_eq(c->tensors[0].offset % 64, 0);
        i8i_checkpoint_free(c);
    } else {
        expect_refusal(path, zips[_i].status, zips[_i].message);
    }
    free(path);
}
END_TEST

/* Saved on a big-endian machine: whole and strided, all of it and ranges that cut
 * elements in two. */
START_TEST(big_endian)
{
    static const char *const pickles[] = {
        STATE("a", GOOD), STATE("a", TENSOR("K\0", "K\3K\2\x86", "K\1K\3\x86", "K\6"))};
    static const size_t lengths[] = {
        sizeof(STATE("a", GOOD)) - 1,
        sizeof(STATE("a", TENSOR("K\0", "K\3K\2\x86", "K\1K\3\x86", "K\6"))) - 1};
    static const float expected[2][6] = {{0, 1, 2, 3, 4, 5}, {0, 3, 1, 4, 2, 5}};
    unsigned char turned[sizeof storage];
    for (size_t i = 0; i < sizeof storage; i++)
        turned[i] = ((const unsigned char *)storage)[i / 4 * 4 + 3 - i % 4];
    const struct zip_item items[] = {
        {.name = "t/data.pkl", .bytes = pickles[_i], .n = lengths[_i]},
        {.name = "t/byteorder", .bytes = "big", .n = 3},
        {.name = "t/data/0", .bytes = turned, .n = sizeof turned}};
    char *path = write_zip(items, 3, false, "");
    struct i8i_checkpoint *c;
    struct i8_error err = {0};
    ck_assert_msg(i8i_checkpoint_open_file(&c, path, &err) == I8_OK, "%s", err.message);
    const struct i8i_tensor *t = &c->tensors[0];
    for (size_t from = 0; from <= sizeof storage; from++) {
        for (size_t n = 0; n <= sizeof storage - from; n++) {
            char got[sizeof storage];
            ck_assert_int_eq(i8i_tensor_read(c, t, got, from, n, &err), I8_OK);
            ck_assert(n == 0 || memcmp(got, (const char *)expected[_i] + from, n) == 0);
        }
    }
    i8i_checkpoint_free(c);
    free(path);
}
END_TEST

/* Cut anywhere, or with any byte of the directory changed, it is refused or still the
 * same tensor; nothing crashes. */
START_TEST(damaged_zips)
{
    struct i8i_buffer b;
    zip_build(&b, (struct zip_item[]){PICKLE, DATA}, 2, _i == 1, "");
    for (size_t n = 0; n < b.length; n++) {
        char *path = scratch_write(dir, "cut.bin", b.data, n);
        struct i8i_checkpoint *c;
        ck_assert_int_ne(i8i_checkpoint_open_file(&c, path, NULL), I8_OK);
        free(path);
    }
    for (size_t n = 0; n < b.length; n++) {
        b.data[n] ^= 0x41;
        char *path = scratch_write(dir, "changed.bin", b.data, b.length);
        struct i8i_checkpoint *c;
        if (i8i_checkpoint_open_file(&c, path, NULL) == I8_OK)
            i8i_checkpoint_free(c);
        free(path);
        b.data[n] ^= 0x41;
    }
    i8i_buffer_free(&b);
}
END_TEST

START_TEST(names_older_formats)
{
    char *path =
        scratch_write(dir, "old.pt", "\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.", 15);
    expect_refusal(path, I8_ERR_UNSUPPORTED, "before version 1.6, not a zip file");
    free(path);
    /* a safetensors file whose header of 640 bytes begins with the same two bytes */
    static char same[8 + 640] = "\x80\2\0\0\0\0\0\0{}";
    memset(same + 10, ' ', sizeof same - 10);
    path = scratch_write(dir, "t.safetensors", same, sizeof same);
    struct i8i_checkpoint *c;
    ck_assert_int_eq(i8i_checkpoint_open_file(&c, path, NULL), I8_OK);
    i8i_checkpoint_free(c);
    free(path);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bin");
    TCase *t = tcase_create("bin");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, bytes_equal_the_twins, 0, sizeof pairs / sizeof pairs[0]);
    tcase_add_loop_test(t, reads_good_pickles, 0, sizeof good / sizeof good[0]);
    tcase_add_loop_test(t, refuses_bad_pickles, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(t, refuses_pickles_cut_short);
    tcase_add_test(t, limits_sharing);
    tcase_add_test(t, reads_large_views);
    tcase_add_loop_test(t, zip_directories, 0, sizeof zips / sizeof zips[0]);
    tcase_add_loop_test(t, big_endian, 0, 2);
    tcase_add_loop_test(t, damaged_zips, 0, 2);
    tcase_add_test(t, names_older_formats);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
