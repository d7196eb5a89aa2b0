/* SPDX-License-Identifier: Apache-2.0
 *
 * The safetensors reader against a corpus of good and bad headers, written here so
 * that each says what is wrong with it, and the writer against files of the reference
 * implementation.
 */
#include "config.h"

#include "base/memory.h"
#include "checkpoint/checkpoint.h"
#include "scratch.h"

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

/* A file of `prefix` (the header's length, little-endian), the header and `data` zero
 * bytes. */
static char *write_file(const char *name, uint64_t prefix, const char *header,
                        size_t length, size_t data)
{
    struct i8i_buffer b;
    i8i_buffer_init(&b, SIZE_MAX);
    for (int i = 0; i < 8; i++)
        i8i_buffer_append(&b, &(char){(char)(prefix >> (8 * i))}, 1);
    i8i_buffer_append(&b, header, length);
    for (size_t i = 0; i < data; i++)
        i8i_buffer_append(&b, "", 1);
    char *path = scratch_write(dir, name, b.data, b.length);
    i8i_buffer_free(&b);
    return path;
}

#define A      "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"
#define B      "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}"
#define ONE(e) "{\"a\":" e "}"

static const struct {
    const char *header;
    size_t data;
    const char *first; /* name of the first tensor by offset, or NULL for none */
} good[] = {
    {"{}", 0, NULL},
    {" \n{}  ", 0, NULL},
    {ONE(A), 8, "a"},
    {"{\"b\":" B ",\"a\":" A "}", 16, "a"},
    {"{\"__metadata__\":{\"format\":\"pt\"},\"a\":" A "}", 8, "a"},
    {"{\"__metadata__\":null,\"a\":" A "}", 8, "a"},
    {"{\"__metadata__\":{}}", 0, NULL},
    /* keys that a later version may add */
    {ONE("{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":[{}]}"), 1, "a"},
    /* a scalar */
    {ONE("{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[0,2]}"), 2, "a"},
    /* nothing, at the end, in front and alone */
    {"{\"a\":" A ",\"e\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[8,8]}}", 8,
     "a"},
    {"{\"a\":" A ",\"e\":{\"dtype\":\"F32\",\"shape\":[7,0],\"data_offsets\":[0,0]}}", 8,
     "e"},
    {ONE("{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}"), 0, "a"},
    /* two to a byte */
    {ONE("{\"dtype\":\"F4\",\"shape\":[3,2],\"data_offsets\":[0,3]}"), 3, "a"},
    {ONE("{\"dtype\":\"F6_E2M3\",\"shape\":[4],\"data_offsets\":[0,3]}"), 3, "a"},
    /* names as they come */
    {"{\"\":" A "}", 8, ""},
    {"{\"\\u00e9\\n\":" A "}", 8, "é\n"},
    {ONE("{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}"), 1,
     "a"},
};

static const struct {
    const char *header;
    size_t data;
    const char *message;
    enum i8_status status;
} bad[] = {
    {"", 0, "not valid JSON at byte 0", I8_ERR_DATA},
    {"{\"a\":" A, 8, "not valid JSON at byte 53: expected ',' or '}'", I8_ERR_DATA},
    {"{}x", 0, "at byte 2", I8_ERR_DATA},
    {"{}{}", 0, "at byte 2", I8_ERR_DATA},
    {"[]", 0, "expected a JSON object", I8_ERR_DATA},
    {"null", 0, "expected a JSON object", I8_ERR_DATA},
    {"{\"a\xff\":1}", 0, "expected UTF-8", I8_ERR_DATA},
    {"{\"a\":" A ",\"a\":" A "}", 8, "tensor 'a' appears twice", I8_ERR_DATA},
    {"{\"a\":" A ",\"\\u0061\":" B "}", 16, "tensor 'a' appears twice", I8_ERR_DATA},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0,
     "tensor '__metadata__' appears twice", I8_ERR_DATA},
    {ONE("{\"dtype\":\"I8\",\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]}"), 1,
     "\"dtype\" appears twice", I8_ERR_DATA},
    {ONE("{\"x\":{\"k\":1,\"k\":2},\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]"
         "}"),
     1, "\"k\" appears twice", I8_ERR_DATA},
    {ONE("{\"dtype\":\"I8\",\"shape\":[1],\"x\":1,\"\\u0078\":2,\"data_offsets\":[0,1]}"),
     1, "\"x\" appears twice", I8_ERR_DATA},
    {"{\"__metadata__\":{\"n\":1}}", 0, "__metadata__ does not map text to text",
     I8_ERR_DATA},
    {"{\"__metadata__\":\"x\"}", 0, "__metadata__ does not map text to text",
     I8_ERR_DATA},
    {"{\"__metadata__\":[\"x\"]}", 0, "__metadata__ does not map text to text",
     I8_ERR_DATA},
    {ONE("[\"F32\",[2],[0,8]]"), 8, "tensor 'a': expected an object", I8_ERR_DATA},
    {ONE("{\"shape\":[2],\"data_offsets\":[0,8]}"), 8, "tensor 'a': expected a dtype",
     I8_ERR_DATA},
    {ONE("{\"dtype\":\"F32\",\"data_offsets\":[0,8]}"), 8, "tensor 'a': expected a shape",
     I8_ERR_DATA},
    {ONE("{\"dtype\":\"F32\",\"shape\":[2]}"), 8, "tensor 'a': expected data_offsets",
     I8_ERR_DATA},
    {ONE("{\"dtype\":32,\"shape\":[2],\"data_offsets\":[0,8]}"), 8,
     "tensor 'a': expected a string as dtype", I8_ERR_DATA},
    {ONE("{\"dtype\":\"F23\",\"shape\":[2],\"data_offsets\":[0,8]}"), 8,
     "tensor 'a': unknown dtype 'F23'", I8_ERR_DATA},
    {ONE("{\"dtype\":\"INVALID\",\"shape\":[0],\"data_offsets\":[0,0]}"), 0,
     "tensor 'a': unknown dtype 'INVALID'", I8_ERR_DATA},
    {ONE("{\"dtype\":\"f32\",\"shape\":[2],\"data_offsets\":[0,8]}"), 8,
     "tensor 'a': unknown dtype 'f32'", I8_ERR_DATA},
    {ONE("{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}"), 8,
     "tensor 'a': expected a list as shape", I8_ERR_DATA},
    {ONE("{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}"), 8,
     "tensor 'a': expected whole numbers", I8_ERR_DATA},
    {ONE("{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}"), 8,
     "tensor 'a': expected whole numbers", I8_ERR_DATA},
    {ONE("{\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]}"), 8,
     "tensor 'a': expected whole numbers", I8_ERR_DATA},
    {ONE("{\"dtype\":\"F32\",\"shape\":[9007199254740993],\"data_offsets\":[0,8]}"), 8,
     "tensor 'a': expected whole numbers", I8_ERR_DATA},
    {ONE("{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}"), 1,
     "tensor 'a': 9 dimensions, at most 8", I8_ERR_UNSUPPORTED},
    {ONE("{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}"), 8,
     "tensor 'a': expected two whole numbers", I8_ERR_DATA},
    {ONE("{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]}"), 8,
     "tensor 'a': expected two whole numbers", I8_ERR_DATA},
    {ONE("{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0.0,8.0]}"), 8,
     "tensor 'a': expected two whole numbers", I8_ERR_DATA},
    {ONE("{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":{\"b\":0,\"e\":8}}"), 8,
     "tensor 'a': expected two whole numbers", I8_ERR_DATA},
    {ONE("{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}"), 8,
     "tensor 'a': data_offsets [8, 0] run backwards", I8_ERR_DATA},
    {ONE("{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}"), 8,
     "tensor 'a': 3 elements of F32 take 12 bytes, data_offsets span 8", I8_ERR_DATA},
    {ONE("{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}"),
     0, "tensor 'a': its shape has more than 2^64 bits", I8_ERR_DATA},
    {ONE("{\"dtype\":\"F64\",\"shape\":[2251799813685248,1024],\"data_offsets\":[0,0]}"),
     0, "tensor 'a': its shape has more than 2^64 bits", I8_ERR_DATA},
    {ONE("{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}"), 1,
     "tensor 'a': 3 elements of F4 fill no whole bytes", I8_ERR_DATA},
    /* holes, overlaps, ends */
    {ONE("{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}"), 8,
     "tensor 'a': data begins at 4, expected 0: there is a hole", I8_ERR_DATA},
    {"{\"a\":" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]}}", 16,
     "tensor 'b': data begins at 12, expected 8: there is a hole", I8_ERR_DATA},
    {"{\"a\":" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12,
     "tensor 'b': data begins at 4, expected 8: it overlaps", I8_ERR_DATA},
    {"{\"a\":" A ",\"b\":" A "}", 8,
     "tensor 'b': data begins at 0, expected 8: it overlaps", I8_ERR_DATA},
    {"{\"a\":" A ",\"e\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]}}", 8,
     "tensor 'e': data begins at 4, expected 8: it overlaps", I8_ERR_DATA},
    {ONE(A), 9, "the tensors end at 8, the file has 9 bytes of data: 1 too many",
     I8_ERR_DATA},
    {"{}", 1, "the tensors end at 0, the file has 1 bytes of data", I8_ERR_DATA},
    {ONE(A), 7,
     "tensor 'a': data ends at 8, the file has only 7 bytes of data: cut short",
     I8_ERR_DATA},
};

START_TEST(reads_good_headers)
{
    const char *h = good[_i].header;
    char *path = write_file("t.safetensors", strlen(h), h, strlen(h), good[_i].data);
    struct i8_error err = {0};
    struct i8i_checkpoint *c;
    ck_assert_msg(i8i_checkpoint_open_file(&c, path, &err) == I8_OK, "%s: %s", h,
                  err.message);
    ck_assert_int_eq(c->n_tensors > 0, good[_i].first != NULL);
    uint64_t at = 8 + strlen(h);
    for (size_t i = 0; i < c->n_tensors; i++) {
        ck_assert_uint_eq(c->tensors[i].offset, at);
        at += c->tensors[i].bytes;
        ck_assert_ptr_eq(i8i_checkpoint_find(c, c->tensors[i].name), &c->tensors[i]);
    }
    ck_assert_uint_eq(at, c->files[0].source->size);
    if (c->n_tensors > 0)
        ck_assert_str_eq(c->tensors[0].name, good[_i].first);
    i8i_checkpoint_free(c);
    free(path);
}
END_TEST

static void expect_refusal(const char *path, enum i8_status status, const char *message)
{
    struct i8_error err = {0};
    struct i8i_checkpoint *c;
    ck_assert_int_eq(i8i_checkpoint_open_file(&c, path, &err), status);
    ck_assert_int_eq(err.status, status);
    ck_assert_ptr_null(c);
    ck_assert_msg(strncmp(err.message, path, strlen(path)) == 0 &&
                      strstr(err.message, message) != NULL,
                  "expected '%s', found: %s", message, err.message);
}

START_TEST(refuses_bad_headers)
{
    const char *h = bad[_i].header;
    char *path = write_file("t.safetensors", strlen(h), h, strlen(h), bad[_i].data);
    expect_refusal(path, bad[_i].status, bad[_i].message);
    free(path);
}
END_TEST

START_TEST(refuses_bad_lengths)
{
    static const struct {
        uint64_t prefix;
        const char *message;
    } rows[] = {
        {0, "not valid JSON at byte 0"},
        {3, "header of 3 bytes in a file of 10"},
        {100000000, "header of 100000000 bytes in a file of 10"},
        {100000001, "header of 100000001 bytes, at most 100000000 allowed"},
        {UINT64_MAX, "header of 18446744073709551615 bytes, at most"},
        {UINT64_MAX - 7, "header of 18446744073709551608 bytes, at most"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *path = write_file("t.safetensors", rows[i].prefix, "{}", 2, 0);
        expect_refusal(path, I8_ERR_DATA, rows[i].message);
        free(path);
    }
    for (size_t n = 0; n < 8; n++) {
        char *path = scratch_write(dir, "short.safetensors", "\2\0\0\0\0\0\0\0", n);
        expect_refusal(path, I8_ERR_DATA, "too short for a safetensors header");
        free(path);
    }
    /* NUL padding, which some old writers left */
    char *path = write_file("t.safetensors", 8, "{}\0\0\0\0\0\0", 8, 0);
    expect_refusal(path, I8_ERR_DATA, "not valid JSON at byte 2");
    free(path);
}
END_TEST

START_TEST(names_other_formats)
{
    static const struct {
        const char *bytes, *message;
    } rows[] = {
        {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
         "a Git LFS pointer"},
        {"<!DOCTYPE html><html></html>", "an HTML page"},
        {"GGUF\3 and so on", "a GGUF file"},
        {"\x89HDF\r\n\x1a\n", "an HDF5 file"},
        {"\x1f\x8b\x08 and so on", "a gzip file"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *path =
            scratch_write(dir, "model.safetensors", rows[i].bytes, strlen(rows[i].bytes));
        expect_refusal(path, I8_ERR_UNSUPPORTED, rows[i].message);
        free(path);
    }
    /* A header of 35,615 bytes begins like gzip, and is none. */
    static char same[8 + 0x8b1f] = "\x1f\x8b\0\0\0\0\0\0{}";
    memset(same + 10, ' ', sizeof same - 10);
    char *path = scratch_write(dir, "t.safetensors", same, sizeof same);
    struct i8i_checkpoint *c;
    ck_assert_int_eq(i8i_checkpoint_open_file(&c, path, NULL), I8_OK);
    i8i_checkpoint_free(c);
    free(path);
}
END_TEST

START_TEST(names_in_messages_stay_one_line)
{
    static const char h[] = "{\"a\\nint8tool: done\\u001b[2J\":1}";
    char *path = write_file("t.safetensors", strlen(h), h, strlen(h), 0);
    expect_refusal(path, I8_ERR_DATA,
                   "tensor 'a?int8tool: done?[2J': expected an object");
    free(path);
}
END_TEST

static enum i8_status ignore_tensor(void *ctx, const struct i8i_tensor *t,
                                    struct i8_error *err)
{
    (void)ctx;
    (void)t;
    (void)err;
    return I8_OK;
}

START_TEST(gives_metadata)
{
    static const char h[] = "{\"__metadata__\":{\"format\":\"pt\",\"x\":\"\"}}";
    char *path = write_file("t.safetensors", strlen(h), h, strlen(h), 0);
    struct i8i_source *s;
    i8i_json *metadata;
    uint64_t start;
    ck_assert_int_eq(i8i_source_open_file(&s, path, NULL), I8_OK);
    ck_assert_int_eq(
        i8i_safetensors_read_header(s, &start, ignore_tensor, NULL, &metadata, NULL),
        I8_OK);
    ck_assert_uint_eq(start, 8 + strlen(h));
    ck_assert_str_eq(i8i_json_string(i8i_json_get(metadata, "format")), "pt");
    ck_assert_uint_eq(i8i_json_count(metadata), 2);
    i8i_json_free(metadata);
    i8i_source_close(s);
    free(path);
}
END_TEST

/* ---- the writer ---- */

struct listing {
    struct i8i_safetensors_entry *entries;
    size_t count, capacity;
};

static enum i8_status list_tensor(void *ctx, const struct i8i_tensor *t,
                                  struct i8_error *err)
{
    (void)err;
    struct listing *l = ctx;
    ck_assert(i8i_grow(&l->entries, &l->capacity, l->count + 1, sizeof *l->entries));
    struct i8i_safetensors_entry *e = &l->entries[l->count++];
    *e = (struct i8i_safetensors_entry){
        .name = i8i_strdup(t->name), .dtype = t->dtype, .rank = t->rank};
    memcpy(e->shape, t->shape, sizeof e->shape);
    return I8_OK;
}

/* Files that the reference implementation wrote: laid out anew from a list in reverse
 * order, the header must come out the same, byte for byte. */
START_TEST(header_is_the_reference_writers)
{
    static const char *const files[] = {"tiny-llama/model.safetensors",
                                        "tiny/llama/model-00001-of-00003.safetensors",
                                        "tiny/t5/model-00001-of-00008.safetensors"};
    char *path = test_data(files[_i]);
    struct i8i_source *s;
    uint64_t start;
    ck_assert_int_eq(i8i_source_open_file(&s, path, NULL), I8_OK);
    struct listing l = {0};
    ck_assert_int_eq(i8i_safetensors_read_header(s, &start, list_tensor, &l, NULL, NULL),
                     I8_OK);
    ck_assert_uint_gt(l.count, 1);
    for (size_t i = 0, j = l.count - 1; i < j; i++, j--) {
        struct i8i_safetensors_entry swap = l.entries[i];
        l.entries[i] = l.entries[j];
        l.entries[j] = swap;
    }
    char *header, *expected = malloc(start);
    size_t n;
    uint64_t size;
    ck_assert_int_eq(
        i8i_safetensors_layout(&header, &n, &size, l.entries, l.count, NULL, NULL),
        I8_OK);
    ck_assert_uint_eq(n, start);
    ck_assert_uint_eq(size, s->size);
    ck_assert_int_eq(i8i_source_read_at(s, expected, start, 0, NULL), I8_OK);
    ck_assert_mem_eq(header, expected, n);
    ck_assert_uint_eq(l.entries[0].offset, start);
    for (size_t i = 0; i < l.count; i++)
        free((char *)l.entries[i].name);
    free(l.entries);
    free(expected);
    free(header);
    i8i_source_close(s);
    free(path);
}
END_TEST

START_TEST(writes_what_it_reads)
{
    struct i8i_safetensors_entry e[] = {
        {.name = "b", .dtype = I8_DTYPE_I8, .rank = 2, .shape = {3, 5}},
        {.name = "a", .dtype = I8_DTYPE_I8, .rank = 1, .shape = {1}},
        {.name = "\"\\\n", .dtype = I8_DTYPE_F32, .rank = 0},
        {.name = "w", .dtype = I8_DTYPE_U8, .rank = 0},
        {.name = "h", .dtype = I8_DTYPE_F16, .rank = 1, .shape = {0}},
    };
    static const char *const order[] = {"\"\\\n", "h", "a", "b", "w"};
    const char *const metadata[] = {"tool", "int8tool", NULL};
    char *header;
    size_t n;
    uint64_t size;
    struct i8_error err = {0};
    ck_assert_int_eq(i8i_safetensors_layout(&header, &n, &size, e, 5, metadata, &err),
                     I8_OK);
    ck_assert_uint_eq(n % 8, 0);
    ck_assert_uint_eq(size, n + 4 + 1 + 15 + 1);
    char *path = write_file("t.safetensors", n - 8, header + 8, n - 8, size - n);
    struct i8i_checkpoint *c;
    ck_assert_msg(i8i_checkpoint_open_file(&c, path, &err) == I8_OK, "%s", err.message);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_str_eq(c->tensors[i].name, order[i]);
        ck_assert_str_eq(e[i].name, order[i]);
        ck_assert_uint_eq(c->tensors[i].offset, e[i].offset);
        ck_assert_uint_eq(c->tensors[i].bytes, e[i].bytes);
    }
    i8i_checkpoint_free(c);
    free(path);
    free(header);
    e[1].name = "b";
    e[2].name = "b";
    ck_assert_int_eq(i8i_safetensors_layout(&header, &n, &size, e, 5, NULL, &err),
                     I8_ERR_ARG);
    ck_assert_ptr_null(header);
    ck_assert_str_eq(err.message, "tensor 'b' is to be written twice");
    struct i8i_safetensors_entry huge = {
        .name = "x", .dtype = I8_DTYPE_I8, .rank = 1, .shape = {((uint64_t)1 << 53) + 1}};
    ck_assert_int_eq(i8i_safetensors_layout(&header, &n, &size, &huge, 1, NULL, &err),
                     I8_ERR_ARG);
    ck_assert_int_eq(i8i_safetensors_layout(&header, &n, &size, NULL, 0, NULL, &err),
                     I8_OK);
    ck_assert_uint_eq(size, n);
    free(header);
}
END_TEST

START_TEST(dtype_names)
{
    for (int d = I8_DTYPE_INVALID + 1; d < I8_DTYPE_COUNT; d++) {
        const char *name = i8_dtype_name((enum i8_dtype)d);
        ck_assert_int_eq(i8_dtype_parse(name, strlen(name)), d);
        ck_assert_uint_gt(i8_dtype_bits((enum i8_dtype)d), 0);
    }
    ck_assert_int_eq(i8_dtype_parse("BF1", 3), I8_DTYPE_INVALID);
    ck_assert_int_eq(i8_dtype_parse("", 0), I8_DTYPE_INVALID);
    ck_assert_uint_eq(i8_dtype_bits((enum i8_dtype)99), 0);
    ck_assert_str_eq(i8_dtype_name((enum i8_dtype) - 1), "INVALID");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("safetensors");
    TCase *t = tcase_create("safetensors");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, reads_good_headers, 0, sizeof good / sizeof good[0]);
    tcase_add_loop_test(t, refuses_bad_headers, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(t, refuses_bad_lengths);
    tcase_add_test(t, names_other_formats);
    tcase_add_test(t, names_in_messages_stay_one_line);
    tcase_add_test(t, gives_metadata);
    tcase_add_loop_test(t, header_is_the_reference_writers, 0, 3);
    tcase_add_test(t, writes_what_it_reads);
    tcase_add_test(t, dtype_names);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
