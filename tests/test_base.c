/* SPDX-License-Identifier: Apache-2.0
 *
 * The base layer apart from JSON: messages, buffers, map, sizes, digests, pool, files.
 */
#include "config.h"

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/pool.h"
#include "base/size.h"
#include "base/utf8.h"
#include "scratch.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- error ---- */

START_TEST(messages_are_one_line)
{
    struct i8_error err = {0};
    ck_assert_int_eq(i8i_fail(&err, I8_ERR_DATA, "%s", "a\nb\x1b[1m\xff\xc2\x9bé"),
                     I8_ERR_DATA);
    ck_assert_str_eq(err.message, "a?b?[1m???é");
    i8i_error_prefix(&err, "in %d", 7);
    ck_assert_str_eq(err.message, "in 7: a?b?[1m???é");
    ck_assert_int_eq(err.status, I8_ERR_DATA);
    ck_assert_int_eq(i8i_fail(NULL, I8_ERR_IO, "x"), I8_ERR_IO);
    i8i_error_prefix(NULL, "x");
}
END_TEST

START_TEST(long_messages_end_at_a_character)
{
    char text[2 * I8_ERROR_MAX];
    struct i8_error err = {0};
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "é", 3);
    i8i_fail(&err, I8_ERR_DATA, "x%s", text);
    ck_assert_uint_eq(strlen(err.message), I8_ERROR_MAX - 1);
    i8i_fail(&err, I8_ERR_DATA, "%s", text);
    ck_assert_uint_eq(strlen(err.message), I8_ERROR_MAX - 2);
    ck_assert(i8i_utf8_is_valid(err.message, strlen(err.message)));
}
END_TEST

START_TEST(errno_decides_the_status)
{
    struct i8_error err = {0};
    ck_assert_int_eq(i8i_fail_errno(&err, ENOSPC, "a"), I8_ERR_NOSPACE);
    ck_assert_int_eq(i8i_fail_errno(&err, EDQUOT, "a"), I8_ERR_NOSPACE);
    ck_assert_int_eq(i8i_fail_errno(&err, ENOMEM, "a"), I8_ERR_NOMEM);
    ck_assert_int_eq(i8i_fail_errno(&err, ENOENT, "cannot open %s", "f"), I8_ERR_IO);
    ck_assert_str_eq(err.message, "cannot open f: No such file or directory");
}
END_TEST

START_TEST(statuses_have_names)
{
    for (int i = I8_OK; i <= I8_ERR_CANCELLED; i++) {
        ck_assert_str_ne(i8_status_name((enum i8_status)i), "unknown status");
        for (int j = I8_OK; j < i; j++)
            ck_assert_str_ne(i8_status_name((enum i8_status)i),
                             i8_status_name((enum i8_status)j));
    }
    ck_assert_str_eq(i8_status_name((enum i8_status)99), "unknown status");
    ck_assert_str_eq(i8_version(), PACKAGE_VERSION);
}
END_TEST

static void keep_line(void *ctx, enum i8_log_level level, const char *message)
{
    snprintf(ctx, 64, "%d %s", (int)level, message);
}

START_TEST(logs)
{
    char line[64] = "";
    struct i8_log log = {keep_line, line};
    i8i_log(&log, I8_LOG_NOTE, "%d\ttensors", 3);
    ck_assert_str_eq(line, "1 3?tensors");
    i8i_log(NULL, I8_LOG_NOTE, "nobody listens");
}
END_TEST

/* ---- memory, map, sizes ---- */

START_TEST(buffer_stops_at_its_cap)
{
    struct i8i_buffer b;
    size_t n;
    i8i_buffer_init(&b, 5);
    i8i_buffer_puts(&b, "abc");
    i8i_buffer_printf(&b, "%d", 12);
    char *text = i8i_buffer_take(&b, &n);
    ck_assert_str_eq(text, "abc12");
    ck_assert_uint_eq(n, 5);
    free(text);
    i8i_buffer_puts(&b, "abcdef");
    i8i_buffer_puts(&b, "a");
    ck_assert(b.failed);
    ck_assert_ptr_null(i8i_buffer_take(&b, &n));
    text = i8i_buffer_take(&b, &n);
    ck_assert_str_eq(text, "");
    free(text);
}
END_TEST

START_TEST(allocation_is_checked)
{
    ck_assert_ptr_null(i8i_calloc(SIZE_MAX / 2, 4));
    int *array = NULL;
    size_t capacity = 0;
    ck_assert(i8i_grow(&array, &capacity, 1, sizeof *array));
    ck_assert_uint_ge(capacity, 1);
    ck_assert(!i8i_grow(&array, &capacity, SIZE_MAX / 2, sizeof *array));
    free(array);
    void *p = i8i_aligned_alloc(1);
    ck_assert_uint_eq((uintptr_t)p % 64, 0);
    free(p);
    ck_assert_ptr_null(i8i_aligned_alloc(SIZE_MAX));
    uint64_t r = 7;
    ck_assert(!i8i_mul_u64(&r, UINT64_MAX, 2) && !i8i_add_u64(&r, UINT64_MAX, 1));
    ck_assert_uint_eq(r, 7);
}
END_TEST

START_TEST(arena_keeps_things_apart)
{
    struct i8i_arena a = {0};
    char *strings[1000];
    for (int i = 0; i < 1000; i++) {
        char text[16];
        snprintf(text, sizeof text, "s%d", i);
        strings[i] = i8i_arena_strdup(&a, text);
        char *big = i8i_arena_alloc(&a, i % 100 == 0 ? 100000 : 1);
        ck_assert_ptr_nonnull(big);
        ck_assert_int_eq(big[0], 0);
        big[0] = 'x';
    }
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(strtol(strings[i] + 1, NULL, 10), i);
    ck_assert_ptr_null(i8i_arena_alloc(&a, SIZE_MAX));
    i8i_arena_free(&a);
}
END_TEST

START_TEST(map_finds_what_was_added)
{
    enum { N = 20000 };
    static char keys[N][16];
    struct i8i_map m;
    i8i_map_init(&m);
    ck_assert_uint_eq(i8i_map_get(&m, "x"), I8I_MAP_NONE);
    if (_i == 1)
        ck_assert_int_eq(i8i_map_reserve(&m, N, NULL), I8_OK);
    for (size_t i = 0; i < N; i++) {
        if (_i == 2 && i % 1000 == 0) /* also less than there is */
            ck_assert_int_eq(i8i_map_reserve(&m, i / 2 + 500, NULL), I8_OK);
        size_t before;
        snprintf(keys[i], sizeof keys[i], "layer.%zu", i);
        ck_assert_int_eq(i8i_map_add(&m, keys[i], i, &before, NULL), I8_OK);
        ck_assert_uint_eq(before, I8I_MAP_NONE);
    }
    size_t before;
    ck_assert_int_eq(i8i_map_add(&m, "layer.7", 99, &before, NULL), I8_OK);
    ck_assert_uint_eq(before, 7);
    for (size_t i = 0; i < N; i++)
        ck_assert_uint_eq(i8i_map_get(&m, keys[i]), i);
    ck_assert_uint_eq(m.count, N);
    ck_assert_uint_eq(i8i_map_get(&m, "layer"), I8I_MAP_NONE);
    struct i8_error err = {0};
    ck_assert_int_eq(i8i_map_reserve(&m, SIZE_MAX, &err), I8_ERR_NOMEM);
    ck_assert_uint_eq(i8i_map_get(&m, "layer.7"), 7);
    i8i_map_free(&m);
}
END_TEST

static const struct {
    const char *text;
    uint64_t bytes;
} sizes[] = {
    {"0", 0},
    {"4096", 4096},
    {"4096B", 4096},
    {"10GiB", 10ull << 30},
    {"10GB", 10000000000},
    {"512MiB", 512ull << 20},
    {"1.5TB", 1500000000000},
    {"1.5KiB", 1536},
    {"0.3KiB", 307},
    {"2kB", 2000},
    {"2kiB", 2048},
    {"1PiB", 1ull << 50},
    {"18446744073709551615", UINT64_MAX},
};
static const char *const bad_sizes[] = {
    "",      "-1",   "+1",     " 1",     "1 GiB", "1.5",      "1.",
    ".5GiB", "1GIB", "2kb",    "1Gi",    "1G",    "1XB",      "1GiBx",
    "0x10",  "1e9",  "99PiB1", "1..2GB", "GiB",   "20000PiB", "18446744073709551616",
};

START_TEST(sizes_are_read)
{
    struct i8_error err = {0};
    uint64_t v = 42;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        ck_assert_int_eq(i8i_size_parse(&v, sizes[i].text, "--ram", &err), I8_OK);
        ck_assert_uint_eq(v, sizes[i].bytes);
    }
    v = 42;
    for (size_t i = 0; i < sizeof bad_sizes / sizeof bad_sizes[0]; i++) {
        ck_assert_msg(i8i_size_parse(&v, bad_sizes[i], "--ram", &err) == I8_ERR_ARG,
                      "'%s' was taken for a size", bad_sizes[i]);
        ck_assert_ptr_nonnull(strstr(err.message, "--ram: '"));
    }
    ck_assert_uint_eq(v, 42);
}
END_TEST

START_TEST(numbers_are_read)
{
    uint64_t u;
    double d;
    struct i8_error err = {0};
    ck_assert_int_eq(i8i_uint_parse(&u, "12", 1, 12, "--batch", &err), I8_OK);
    ck_assert_uint_eq(u, 12);
    ck_assert_int_eq(i8i_uint_parse(&u, "13", 1, 12, "--batch", &err), I8_ERR_ARG);
    ck_assert_str_eq(err.message, "--batch: 13 is out of range, expected 1 to 12");
    const char *const bad[] = {"", "-1", "1x", " 1", "1.0", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(i8i_uint_parse(&u, bad[i], 0, UINT64_MAX, "n", &err),
                         I8_ERR_ARG);
    ck_assert_int_eq(i8i_double_parse(&d, "-0.25", -1, 1, "--t", &err), I8_OK);
    ck_assert_double_eq(d, -0.25);
    ck_assert_int_eq(i8i_double_parse(&d, "1e-3", 0, 1, "--t", &err), I8_OK);
    ck_assert_double_eq(d, 1e-3);
    const char *const bad_doubles[] = {"",   "nan", "inf",   "0x1", " 1",
                                       "1 ", "1,5", "1e999", "-",   "."};
    for (size_t i = 0; i < sizeof bad_doubles / sizeof bad_doubles[0]; i++)
        ck_assert_msg(i8i_double_parse(&d, bad_doubles[i], -1e300, 1e300, "--t", &err) ==
                          I8_ERR_ARG,
                      "'%s' was taken for a number", bad_doubles[i]);
    ck_assert_int_eq(i8i_double_parse(&d, "2", 0, 1, "--t", &err), I8_ERR_ARG);
}
END_TEST

START_TEST(sizes_are_written)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {{0, "0 B"},
                {1023, "1023 B"},
                {1024, "1.00 KiB"},
                {1536, "1.50 KiB"},
                {1048575, "1.00 MiB"},
                {(uint64_t)1023 << 20, "1023 MiB"},
                {1524713390, "1.42 GiB"},
                {(uint64_t)80 << 30, "80.0 GiB"},
                {UINT64_MAX, "16.0 EiB"}};
    char buf[I8I_SIZE_TEXT];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_str_eq(i8i_size_text(buf, rows[i].bytes), rows[i].text);
}
END_TEST

START_TEST(utf8_round_trip)
{
    for (uint32_t cp = 0; cp <= 0x110000; cp += cp < 0x3000 ? 1 : 97) {
        char s[4];
        uint32_t back = 1;
        size_t n = i8i_utf8_encode(s, cp);
        const bool valid = cp <= 0x10ffff && !(cp >= 0xd800 && cp <= 0xdfff);
        ck_assert_int_eq(n > 0, valid);
        if (!valid)
            continue;
        ck_assert_uint_eq(i8i_utf8_decode(s, n, &back), n);
        ck_assert_uint_eq(back, cp);
        ck_assert_uint_eq(i8i_utf8_decode(s, n - 1, NULL), 0);
    }
}
END_TEST

/* ---- hash: the digests that FIPS 180 gives for "abc" ---- */

START_TEST(digests)
{
    struct i8i_hash *h;
    char hex[I8I_HASH_HEX];
    ck_assert_int_eq(i8i_hash_new(&h, I8I_SHA256, NULL), I8_OK);
    i8i_hash_update(h, "a", 1);
    i8i_hash_update(h, "bc", 2);
    ck_assert_int_eq(i8i_hash_final(h, hex, NULL), I8_OK);
    ck_assert_str_eq(hex,
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    i8i_hash_free(h);
    ck_assert_int_eq(i8i_hash_new(&h, I8I_SHA1, NULL), I8_OK);
    i8i_hash_update(h, "abc", 3);
    ck_assert_int_eq(i8i_hash_final(h, hex, NULL), I8_OK);
    ck_assert_str_eq(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
    i8i_hash_free(h);
}
END_TEST

/* ---- pool ---- */

struct loop {
    atomic_uint *times;
    atomic_uint *by_thread;
    unsigned threads;
};

static void count_item(void *ctx, size_t item, unsigned thread)
{
    struct loop *l = ctx;
    ck_assert_uint_lt(thread, l->threads);
    atomic_fetch_add(&l->times[item], 1);
    atomic_fetch_add(&l->by_thread[thread], 1);
}

/* A container's limits are below the machine's: here, either is more than a little. */
START_TEST(limits)
{
    const long processors = sysconf(_SC_NPROCESSORS_CONF);
    ck_assert_uint_ge(i8i_processors(), 1);
    ck_assert_int_le(i8i_processors(), processors);
    ck_assert_uint_gt(i8i_memory_limit(), UINT64_C(16) << 20);
}
END_TEST

START_TEST(pool_does_each_item_once)
{
    enum { ITEMS = 1000 };
    static const unsigned threads[] = {0, 1, 2, 7};
    struct i8i_pool *p;
    ck_assert_int_eq(i8i_pool_new(&p, threads[_i], NULL), I8_OK);
    ck_assert_uint_eq(i8i_pool_threads(p),
                      threads[_i] == 0 ? i8i_processors() : threads[_i]);
    for (int round = 0; round < 200; round++) {
        static atomic_uint times[ITEMS], by_thread[1024];
        memset(times, 0, sizeof times);
        struct loop l = {times, by_thread, i8i_pool_threads(p)};
        const size_t items = round % 3 == 0 ? ITEMS : (size_t)round % 5;
        i8i_pool_run(p, items, count_item, &l);
        for (size_t i = 0; i < ITEMS; i++)
            ck_assert_uint_eq(times[i], i < items);
    }
    i8i_pool_free(p);
}
END_TEST

static void add_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    *(size_t *)ctx += item;
}

START_TEST(no_pool_runs_inline)
{
    size_t sum = 0;
    i8i_pool_run(NULL, 5, add_item, &sum);
    ck_assert_uint_eq(sum, 10);
    ck_assert_uint_eq(i8i_pool_threads(NULL), 1);
    i8i_pool_free(NULL);
    struct i8i_pool *p;
    ck_assert_int_eq(i8i_pool_new(&p, 1u << 20, NULL), I8_ERR_ARG);
}
END_TEST

/* ---- files ---- */

static char *dir;

static void make_dir(void)
{
    dir = scratch_new();
}

static void remove_dir(void)
{
    scratch_remove(dir);
}

START_TEST(paths)
{
    char *p = i8i_path_join("a/", "b");
    ck_assert_str_eq(p, "a/b");
    free(p);
    p = i8i_path_join("", "b");
    ck_assert_str_eq(p, "b");
    free(p);
    ck_assert_str_eq(i8i_path_base("a/b/c"), "c");
    ck_assert_str_eq(i8i_path_base("c"), "c");
    const char *const plain[] = {"a", "a/b", "..a", "a..", ".a", "a b"};
    const char *const dirs[][2] = {{"a/b", "a"}, {"/a/b/c", "/a/b"}, {"/a", "/"},
                                   {"a", "."},   {"a/", "a"},        {"", "."}};
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        char *of = i8i_path_dir(dirs[i][0]);
        ck_assert_str_eq(of, dirs[i][1]);
        free(of);
    }
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        ck_assert_msg(i8i_path_is_plain(plain[i]), "%s", plain[i]);
    const char *const evil[] = {"",   "/a",  "..",   ".",    "../a",  "a/../b", "a//b",
                                "a/", "a/.", "a\\b", "a\nb", "a\x7f", "./a",    "/"};
    for (size_t i = 0; i < sizeof evil / sizeof evil[0]; i++)
        ck_assert_msg(!i8i_path_is_plain(evil[i]), "%s", evil[i]);
}
END_TEST

START_TEST(output_appears_whole)
{
    struct i8i_outfile *f;
    struct i8_error err = {0};
    char *path = i8i_path_join(dir, "f"), *part = i8i_path_join(dir, "f.part");
    ck_assert_int_eq(i8i_outfile_open(&f, path, false, &err), I8_OK);
    ck_assert_int_eq(i8i_outfile_write_at(f, "CD", 2, 2, &err), I8_OK);
    ck_assert_int_eq(i8i_outfile_write(f, "A", 1, &err), I8_OK);
    ck_assert_int_eq(i8i_outfile_write(f, "B", 1, &err), I8_OK);
    ck_assert(i8i_is_file(part) && !i8i_is_file(path));
    ck_assert_int_eq(i8i_outfile_commit(f, &err), I8_OK);
    ck_assert(!i8i_is_file(part) && i8i_is_file(path));
    char *text;
    size_t n;
    ck_assert_int_eq(i8i_read_file(&text, &n, path, 4, &err), I8_OK);
    ck_assert_uint_eq(n, 4);
    ck_assert_str_eq(text, "ABCD");
    free(text);
    ck_assert_int_eq(i8i_read_file(&text, &n, path, 3, &err), I8_ERR_DATA);
    ck_assert_ptr_null(text);

    ck_assert_int_eq(i8i_outfile_open(&f, path, false, &err), I8_OK);
    ck_assert_int_eq(i8i_outfile_write(f, "new", 3, &err), I8_OK);
    i8i_outfile_abort(f, true);
    ck_assert(i8i_is_file(part));
    ck_assert_int_eq(i8i_outfile_open(&f, path, true, &err), I8_OK);
    struct stat st;
    ck_assert_int_eq(fstat(i8i_outfile_fd(f), &st), 0);
    ck_assert_int_eq(st.st_size, 3);
    i8i_outfile_abort(f, false);
    ck_assert(!i8i_is_file(part));
    ck_assert_int_eq(i8i_write_file(path, "xyz", 3, &err), I8_OK);
    free(part);
    free(path);
}
END_TEST

/* A limit on the file's size fails in the middle of a write, as a full disk does. It is
 * large enough for the files by which Check hears from the test. */
START_TEST(failed_output_leaves_nothing)
{
    struct i8i_outfile *f;
    struct i8_error err = {0};
    char *path = i8i_path_join(dir, "f"), *part = i8i_path_join(dir, "f.part");
    struct rlimit limit = {.rlim_cur = 64 << 10, .rlim_max = RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    static char bytes[1 << 20];
    ck_assert_int_eq(i8i_outfile_open(&f, path, false, &err), I8_OK);
    ck_assert_int_eq(i8i_outfile_write(f, bytes, sizeof bytes, &err), I8_ERR_IO);
    ck_assert_int_eq(i8i_outfile_write(f, bytes, 1, &err), I8_ERR_IO);
    ck_assert_int_eq(i8i_outfile_commit(f, &err), I8_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "f.part: File too large"));
    ck_assert(!i8i_is_file(part) && !i8i_is_file(path));

    ck_assert_int_eq(i8i_outfile_open(&f, "/nonexistent/f", false, &err), I8_ERR_IO);
    ck_assert_ptr_null(f);
    free(part);
    free(path);
}
END_TEST

static void check_text(const char *path, const char *expected)
{
    char *text;
    size_t n;
    ck_assert_int_eq(i8i_read_file(&text, &n, path, 64, NULL), I8_OK);
    ck_assert_str_eq(text, expected);
    free(text);
}

static struct i8i_outfile *open_shared(const char *path, const char *text)
{
    struct i8i_outfile *f;
    struct i8_error err = {0};
    ck_assert_int_eq(i8i_outfile_open_shared(&f, path, I8I_PART_ANY, &err), I8_OK);
    ck_assert_int_eq(i8i_outfile_write(f, text, strlen(text), &err), I8_OK);
    return f;
}

/* Two processes fill a file, and both give it its name. */
START_TEST(shared_output_is_named_once)
{
    struct i8_error err = {0};
    char *path = i8i_path_join(dir, "s"), *part = i8i_path_join(dir, "s.part");
    for (int replace = 0; replace < 2; replace++) {
        struct i8i_outfile *a = open_shared(path, "whole"), *b = open_shared(path, "who");
        ck_assert_int_eq(i8i_outfile_commit_shared(a, replace, &err), I8_OK);
        ck_assert_int_eq(i8i_outfile_commit_shared(b, replace, &err), I8_OK);
        check_text(path, "whole");
        ck_assert(!i8i_is_file(part));
        if (!replace) { /* another file is there, of another size */
            a = open_shared(path, "newer one");
            ck_assert_int_eq(i8i_outfile_commit_shared(a, false, &err), I8_ERR_IO);
            check_text(path, "whole");
            check_text(part, "newer one");
            ck_assert_int_eq(unlink(part), 0);
        }
    }
    free(part);
    free(path);
}
END_TEST

/* Of two who want to be the first one is. */
START_TEST(shared_output_is_made_once)
{
    struct i8_error err = {0};
    struct i8i_outfile *first, *second;
    char *path = i8i_path_join(dir, "u"), *part = i8i_path_join(dir, "u.part");
    ck_assert_int_eq(i8i_outfile_open_shared(&first, path, I8I_PART_NEW, &err), I8_OK);
    ck_assert_int_eq(i8i_outfile_open_shared(&second, path, I8I_PART_NEW, &err), I8_OK);
    ck_assert(first != NULL && second == NULL);
    ck_assert_int_eq(i8i_outfile_open_shared(&second, path, I8I_PART_THERE, &err), I8_OK);
    ck_assert(second != NULL);
    i8i_outfile_abort(first, true);
    i8i_outfile_abort(second, true);
    ck_assert_int_eq(unlink(part), 0);
    free(part);
    free(path);
}
END_TEST

/* A third one comes when it has its name, and makes the .part file anew. */
START_TEST(shared_output_is_not_replaced_by_a_strangers)
{
    struct i8_error err = {0};
    struct i8i_outfile *none;
    char *path = i8i_path_join(dir, "t"), *part = i8i_path_join(dir, "t.part");
    for (int replace = 0; replace < 2; replace++) {
        struct i8i_outfile *a = open_shared(path, "whole"), *b = open_shared(path, "");
        ck_assert_int_eq(i8i_outfile_commit_shared(a, replace, &err), I8_OK);
        struct i8i_outfile *late = open_shared(path, "empty");
        ck_assert_int_eq(i8i_outfile_commit_shared(b, replace, &err), I8_OK);
        check_text(path, "whole");
        ck_assert(!i8i_is_file(part));
        i8i_outfile_abort(late, true);
    }
    ck_assert_int_eq(i8i_outfile_open_shared(&none, path, I8I_PART_THERE, &err), I8_OK);
    ck_assert(none == NULL && !i8i_is_file(part));
    /* Ours is nowhere. */
    struct i8i_outfile *a = open_shared(path, "mine");
    ck_assert_int_eq(unlink(part), 0);
    i8i_outfile_abort(open_shared(path, "0000"), true);
    ck_assert_int_eq(i8i_outfile_commit_shared(a, true, &err), I8_ERR_IO);
    check_text(path, "whole");
    check_text(part, "0000");
    free(part);
    free(path);
}
END_TEST

START_TEST(planted_links_are_not_followed)
{
    struct i8i_outfile *f;
    struct i8_error err = {0};
    char *path = i8i_path_join(dir, "link"), *part = i8i_path_join(dir, "link.part");
    ck_assert_int_eq(symlink("/dev/null", part), 0);
    ck_assert_int_eq(i8i_outfile_open(&f, path, false, &err), I8_ERR_IO);
    free(part);
    free(path);
}
END_TEST

START_TEST(directories)
{
    struct i8_error err = {0};
    char *path = i8i_path_join(dir, "a/b/c"), *file = i8i_path_join(dir, "f");
    ck_assert_int_eq(i8i_make_directories(path, &err), I8_OK);
    ck_assert_int_eq(i8i_make_directories(path, &err), I8_OK);
    ck_assert(i8i_is_directory(path));
    ck_assert_int_eq(i8i_write_file(file, "", 0, &err), I8_OK);
    ck_assert_int_eq(i8i_make_directories(file, &err), I8_ERR_IO);
    ck_assert_int_eq(i8i_sync_directory(path, &err), I8_OK);
    ck_assert_int_eq(i8i_sync_directory(file, &err), I8_ERR_IO);
    char *text;
    size_t n;
    ck_assert_int_eq(i8i_read_file(&text, &n, path, 10, &err), I8_ERR_IO);
    free(file);
    free(path);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base");
    TCase *t = tcase_create("plain");
    tcase_add_test(t, messages_are_one_line);
    tcase_add_test(t, long_messages_end_at_a_character);
    tcase_add_test(t, errno_decides_the_status);
    tcase_add_test(t, statuses_have_names);
    tcase_add_test(t, logs);
    tcase_add_test(t, buffer_stops_at_its_cap);
    tcase_add_test(t, allocation_is_checked);
    tcase_add_test(t, arena_keeps_things_apart);
    tcase_add_loop_test(t, map_finds_what_was_added, 0, 3);
    tcase_add_test(t, sizes_are_read);
    tcase_add_test(t, numbers_are_read);
    tcase_add_test(t, sizes_are_written);
    tcase_add_test(t, utf8_round_trip);
    tcase_add_test(t, digests);
    tcase_add_test(t, limits);
    tcase_add_loop_test(t, pool_does_each_item_once, 0, 4);
    tcase_add_test(t, no_pool_runs_inline);
    tcase_add_test(t, paths);
    suite_add_tcase(s, t);
    t = tcase_create("files");
    tcase_add_checked_fixture(t, make_dir, remove_dir);
    tcase_add_test(t, output_appears_whole);
    tcase_add_test(t, failed_output_leaves_nothing);
    tcase_add_test(t, shared_output_is_named_once);
    tcase_add_test(t, shared_output_is_made_once);
    tcase_add_test(t, shared_output_is_not_replaced_by_a_strangers);
    tcase_add_test(t, planted_links_are_not_followed);
    tcase_add_test(t, directories);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
