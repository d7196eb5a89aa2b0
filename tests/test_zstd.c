/* SPDX-License-Identifier: Apache-2.0
 *
 * zstd seekable files as sources: any read gives the content's bytes, from any thread; a
 * table that does not add up to its file, and a damaged frame, are refused in one line.
 */
#include "config.h"

#include "base/pool.h"
#include "fuzz/fuzz.h"
#include "source/seek_table.h"
#include "source/zstd_source.h"
#include "zstd_builder.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES 40

/* Content that is compressible and nowhere the same. */
static char *make_content(size_t n)
{
    char *content = malloc(n);
    ck_assert_ptr_nonnull(content);
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        content[i] = (char)((state >> 28) + i / 1000);
    }
    return content;
}

struct open_file {
    struct zstd_builder built;
    struct memory_source stored;
    struct i8i_frame_cache *cache;
    struct i8i_source *source;
    struct i8_error err;
};

/* Opens what was built. */
static enum i8_status open_built(struct open_file *f)
{
    f->stored =
        memory_source((const uint8_t *)f->built.bytes.data, f->built.bytes.length);
    ck_assert_int_eq(i8i_frame_cache_new(&f->cache, &f->err), I8_OK);
    return i8i_source_open_zstd(&f->source, &f->stored.source, f->cache, &f->err);
}

static void close_built(struct open_file *f)
{
    i8i_source_close(f->source);
    i8i_frame_cache_free(f->cache);
    i8i_buffer_free(&f->built.bytes);
}

/* The content in frames of different sizes, some without content. */
static void build(struct zstd_builder *z, const char *content, size_t n, int checks)
{
    static const char skippable[] = "\x53\x2a\x4d\x18\x04\0\0\0abcd";
    zstd_begin(z);
    size_t at = 0;
    for (int i = 0; i < FRAMES; i++) {
        const size_t part =
            i == FRAMES - 1 ? n - at : (size_t)(i * 977 + 1) % (n / FRAMES);
        zstd_add(z, content + at, part);
        at += part;
        if (i % 8 == 3)
            zstd_skip(z, skippable, sizeof skippable - 1);
        if (i % 8 == 5)
            zstd_add(z, "", 0);
    }
    zstd_end(z, checks);
}

struct reading {
    struct open_file *file;
    const char *content;
    size_t n;
};

static void read_randomly(void *ctx, size_t item, unsigned thread)
{
    const struct reading *r = ctx;
    struct i8_error err;
    uint64_t state = 88172645463325252u + item;
    char *got = malloc(r->n);
    (void)thread;
    for (int i = 0; i < 200; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const size_t at = (size_t)(state >> 33) % r->n;
        const size_t most = i % 3 ? 3000 : r->n;
        size_t n = (size_t)(state >> 17) % most;
        n = n < r->n - at ? n : r->n - at;
        if (i8i_source_read_at(r->file->source, got, n, at, &err) != I8_OK ||
            memcmp(got, r->content + at, n) != 0)
            ck_abort_msg("%zu bytes at %zu are not the content's", n, at);
    }
    free(got);
}

START_TEST(reads_any_range)
{
    enum { BYTES = 500000 };
    char *content = make_content(BYTES);
    struct open_file f = {0};
    build(&f.built, content, BYTES, _i);
    ck_assert_int_eq(open_built(&f), I8_OK);
    ck_assert_uint_eq(f.source->size, BYTES);
    struct reading r = {.file = &f, .content = content, .n = BYTES};
    struct i8i_pool *pool;
    ck_assert_int_eq(i8i_pool_new(&pool, 6, &f.err), I8_OK);
    i8i_pool_run(pool, 12, read_randomly, &r);
    i8i_pool_free(pool);
    char byte;
    ck_assert_int_eq(i8i_source_read_at(f.source, &byte, 1, BYTES - 1, &f.err), I8_OK);
    ck_assert_int_eq(byte, content[BYTES - 1]);
    ck_assert_int_eq(i8i_source_read_at(f.source, &byte, 1, BYTES, &f.err), I8_ERR_DATA);
    close_built(&f);
    free(content);
}
END_TEST

START_TEST(an_empty_file_has_no_content)
{
    struct open_file f = {0};
    zstd_begin(&f.built);
    zstd_end(&f.built, 1);
    ck_assert_int_eq(open_built(&f), I8_OK);
    ck_assert_uint_eq(f.source->size, 0);
    close_built(&f);
}
END_TEST

/* ---- refusals ---- */

static void put_u32(char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (char)(v >> (8 * i));
}

static struct open_file three_frames(void)
{
    struct open_file f = {0};
    char *content = make_content(3000);
    zstd_begin(&f.built);
    for (int i = 0; i < 3; i++)
        zstd_add(&f.built, content + 1000 * i, 1000);
    zstd_end(&f.built, 1);
    free(content);
    return f;
}

static void expect_refusal(struct open_file *f, enum i8_status status, const char *words)
{
    ck_assert_int_eq(open_built(f), status);
    ck_assert_msg(strstr(f->err.message, words), "'%s' lacks '%s'", f->err.message,
                  words);
    ck_assert_ptr_null(f->source);
    close_built(f);
}

START_TEST(false_tables_are_refused)
{
    const size_t table = (size_t)i8i_seek_table_bytes(3), foot = I8I_SEEK_FOOT_BYTES;
    static const struct {
        int from_end; /* 1: counted from the file's end, 0: from the table's start */
        size_t at;
        uint32_t value;
        enum i8_status status;
        const char *words;
    } faults[] = {
        {1, 4, 0x8F92EAB2, I8_ERR_UNSUPPORTED, "without a seek table"},
        {1, 9, 2, I8_ERR_DATA, "does not begin where it should"},
        {1, 9, 4, I8_ERR_DATA, "larger than the file"},
        {1, 9, UINT32_MAX, I8_ERR_UNSUPPORTED, "4294967295 frames, at most 4194304"},
        {0, 0, 0x184D2A5D, I8_ERR_DATA, "does not begin where it should"},
        {0, 4, 44, I8_ERR_DATA, "does not begin where it should"},
        {0, 8, 1, I8_ERR_DATA, "bytes of frames, the file has"},
        {0, 8, UINT32_MAX, I8_ERR_DATA, "more bytes than the file has"},
        {0, 12, (16u << 20) + 1, I8_ERR_UNSUPPORTED, "frame 0 holds 16777217 bytes"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct open_file f = three_frames();
        char *end = f.built.bytes.data + f.built.bytes.length;
        put_u32(faults[i].from_end ? end - faults[i].at : end - table + faults[i].at,
                faults[i].value);
        /* A table that says more frames than fit must not be looked for before it. */
        if (faults[i].value == 4)
            memmove(f.built.bytes.data, end - foot - 40,
                    f.built.bytes.length = foot + 40);
        expect_refusal(&f, faults[i].status, faults[i].words);
    }
    struct open_file f = three_frames();
    f.built.bytes.data[f.built.bytes.length - 5] |= 0x40;
    expect_refusal(&f, I8_ERR_DATA, "reserved bits");
}
END_TEST

START_TEST(every_cut_is_refused)
{
    const struct open_file whole = three_frames();
    for (size_t n = 0; n < whole.built.bytes.length; n++) {
        struct open_file f = three_frames();
        f.built.bytes.length = n;
        ck_assert_int_ne(open_built(&f), I8_OK);
        ck_assert_str_ne(f.err.message, "");
        close_built(&f);
    }
    struct open_file f = three_frames(); /* cut at the front */
    memmove(f.built.bytes.data, f.built.bytes.data + 1, --f.built.bytes.length);
    ck_assert_int_eq(open_built(&f), I8_ERR_DATA);
    close_built(&f);
    struct i8i_buffer bytes = whole.built.bytes;
    i8i_buffer_free(&bytes);
}
END_TEST

/* Damage within a frame is found when that frame is read, and others can be. */
START_TEST(damaged_frames_are_told)
{
    struct open_file whole = three_frames();
    const size_t begin = whole.built.stored[0], end = begin + whole.built.stored[1];
    for (size_t at = begin; at < end; at++) {
        if (at == begin + 4) /* of whose bits one means nothing (RFC 8878, 3.1.1.1.1.3) */
            continue;
        struct open_file f = three_frames();
        char got[3000];
        f.built.bytes.data[at] ^= 0x10;
        ck_assert_int_eq(open_built(&f), I8_OK);
        ck_assert_int_eq(i8i_source_read_at(f.source, got, 1000, 0, &f.err), I8_OK);
        ck_assert_int_eq(i8i_source_read_at(f.source, got, 10, 2500, &f.err), I8_OK);
        for (int part = 0; part < 2; part++) {
            ck_assert_int_eq(
                i8i_source_read_at(f.source, got, part ? 10 : 1000, 1000, &f.err),
                I8_ERR_DATA);
            ck_assert_ptr_nonnull(strstr(
                f.err.message, "input: damaged zstd frame 1 (content from byte 1000): "));
        }
        close_built(&f);
    }
    i8i_buffer_free(&whole.built.bytes);
}
END_TEST

START_TEST(frames_must_match_the_table)
{
    char got[1000];
    for (int fault = 0; fault < 3; fault++) {
        struct open_file f = three_frames();
        char *entry =
            f.built.bytes.data + f.built.bytes.length - I8I_SEEK_FOOT_BYTES - 24;
        put_u32(entry + (fault == 0 ? 8 : 4), fault == 1 ? 999 : fault == 2 ? 1001 : 0);
        ck_assert_int_eq(open_built(&f), I8_OK);
        ck_assert_int_eq(i8i_source_read_at(f.source, got, 10, 1500, &f.err),
                         I8_ERR_DATA);
        close_built(&f);
    }
}
END_TEST

START_TEST(table_finds_each_byte)
{
    struct open_file f = three_frames();
    struct i8i_seek_table t;
    f.stored = memory_source((const uint8_t *)f.built.bytes.data, f.built.bytes.length);
    ck_assert_int_eq(i8i_seek_table_read(&t, &f.stored.source, &f.err), I8_OK);
    ck_assert_uint_eq(t.count, 3);
    for (uint64_t at = 0; at < 3000; at++)
        ck_assert_uint_eq(i8i_seek_table_find(&t, at), at / 1000);
    i8i_seek_table_free(&t);
    i8i_buffer_free(&f.built.bytes);
}
END_TEST

int main(void)
{
    if (i8i_zstd_max_level() == 0)
        return 77;
    Suite *s = suite_create("zstd");
    TCase *t = tcase_create("zstd");
    tcase_add_loop_test(t, reads_any_range, 0, 2);
    tcase_add_test(t, an_empty_file_has_no_content);
    tcase_add_test(t, false_tables_are_refused);
    tcase_add_test(t, every_cut_is_refused);
    tcase_add_test(t, damaged_frames_are_told);
    tcase_add_test(t, frames_must_match_the_table);
    tcase_add_test(t, table_finds_each_byte);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
