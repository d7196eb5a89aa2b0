/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache on the disk: refs, links, listings, locks, partials, folders of the user's.
 * That Python's client reads what is written here is shown in tests/interop.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "hub/cache_listing.h"
#include "hub/cache_lock.h"
#include "hub/file_copy.h"
#include "hub/part_claim.h"
#include "hub/store.h"
#include "hub/temp_file.h"
#include "scratch.h"
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMIT  "0123456789abcdef0123456789abcdef01234567"
#define COMMIT2 "89abcdef0123456789abcdef0123456789abcdef"
/* printf 'hello\n' | git hash-object --stdin; printf 'hello\n' | sha256sum */
#define HELLO_GIT "ce013625030ba8dba906f756967f9e9ca394464a"
#define HELLO_SHA "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"

static char *dir;
static struct i8i_cache cache;

static void setup(void)
{
    dir = scratch_new();
    ck_assert_int_eq(i8i_cache_open(&cache, dir, "org/name", NULL), I8_OK);
}

static void teardown(void)
{
    i8i_cache_close(&cache);
    scratch_remove(dir);
}

static void prepare(void)
{
    ck_assert_int_eq(i8i_cache_prepare(&cache, false, NULL), I8_OK);
}

/* DIR/NAME; lives until the test ends. */
static const char *at(const char *name)
{
    static char paths[8][4096];
    static unsigned next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void check_text(const char *path, const char *expected)
{
    char *text = NULL;
    size_t length;
    struct i8_error err = {0};
    ck_assert_msg(i8i_read_file(&text, &length, path, 1 << 20, &err) == I8_OK, "%s",
                  err.message);
    ck_assert_str_eq(text, expected);
    free(text);
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static size_t count_entries(const char *path)
{
    size_t n = 0;
    DIR *d = opendir(path);
    ck_assert_ptr_nonnull(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static void put(const char *name, const char *text)
{
    free(scratch_write(dir, name, text, strlen(text)));
}

/* ---- folders and refs ---- */

START_TEST(folders_have_pythons_names)
{
    struct i8i_cache canonical;
    ck_assert_str_eq(strrchr(cache.folder, '/'), "/models--org--name");
    ck_assert_int_eq(i8i_cache_open(&canonical, dir, "gpt2", NULL), I8_OK);
    ck_assert_str_eq(strrchr(canonical.folder, '/'), "/models--gpt2");
    i8i_cache_close(&canonical);
    prepare();
    ck_assert(i8i_is_directory(at("models--org--name/snapshots")));
    ck_assert(i8i_is_directory(at("models--org--name/blobs")));
    ck_assert(i8i_is_directory(at(".locks/models--org--name")));
    ck_assert(i8i_is_file(at("CACHEDIR.TAG")));
    ck_assert_uint_eq(count_entries(cache.blobs), 0);
    ck_assert(cache.links);
}
END_TEST

START_TEST(a_ref_is_forty_digits_and_nothing_else)
{
    char commit[I8I_COMMIT_HEX];
    prepare();
    ck_assert_int_eq(i8i_cache_read_ref(commit, &cache, "main", NULL), I8_OK);
    ck_assert_str_eq(commit, "");
    ck_assert_int_eq(i8i_cache_write_ref(&cache, "main", COMMIT, NULL), I8_OK);
    ck_assert_int_eq(i8i_cache_write_ref(&cache, "refs/pr/1", COMMIT2, NULL), I8_OK);
    check_text(at("models--org--name/refs/main"), COMMIT);
    check_text(at("models--org--name/refs/refs/pr/1"), COMMIT2);
    ck_assert_int_eq(i8i_cache_read_ref(commit, &cache, "refs/pr/1", NULL), I8_OK);
    ck_assert_str_eq(commit, COMMIT2);
    ck_assert_int_eq(i8i_cache_write_ref(&cache, "main", COMMIT2, NULL), I8_OK);
    check_text(at("models--org--name/refs/main"), COMMIT2);
    /* a commit needs none */
    ck_assert_int_eq(i8i_cache_write_ref(&cache, COMMIT, COMMIT, NULL), I8_OK);
    ck_assert(!exists(at("models--org--name/refs/" COMMIT)));
    ck_assert_uint_eq(count_entries(cache.blobs), 0);
}
END_TEST

START_TEST(a_ref_with_a_newline_is_read_and_mended)
{
    char commit[I8I_COMMIT_HEX];
    prepare();
    put("models--org--name/refs/main", COMMIT "\n");
    ck_assert_int_eq(i8i_cache_read_ref(commit, &cache, "main", NULL), I8_OK);
    ck_assert_str_eq(commit, COMMIT);
    ck_assert_int_eq(i8i_cache_write_ref(&cache, "main", COMMIT, NULL), I8_OK);
    check_text(at("models--org--name/refs/main"), COMMIT);
    put("models--org--name/refs/odd", "not a commit");
    ck_assert_int_eq(i8i_cache_read_ref(commit, &cache, "odd", NULL), I8_OK);
    ck_assert_str_eq(commit, "");
}
END_TEST

START_TEST(a_ref_cannot_lead_out_of_its_folder)
{
    char commit[I8I_COMMIT_HEX];
    struct i8_error err = {0};
    prepare();
    put("secret", COMMIT);
    ck_assert_int_eq(i8i_cache_read_ref(commit, &cache, "../../secret", NULL), I8_OK);
    ck_assert_str_eq(commit, "");
    ck_assert_int_eq(i8i_cache_write_ref(&cache, "../../x", COMMIT, &err), I8_ERR_ARG);
    ck_assert(!exists(at("x")));
}
END_TEST

START_TEST(a_ref_that_is_right_is_not_written)
{
    struct stat before, after;
    prepare();
    ck_assert_int_eq(i8i_cache_write_ref(&cache, "main", COMMIT, NULL), I8_OK);
    ck_assert_int_eq(stat(at("models--org--name/refs/main"), &before), 0);
    ck_assert_int_eq(i8i_cache_write_ref(&cache, "main", COMMIT, NULL), I8_OK);
    ck_assert_int_eq(stat(at("models--org--name/refs/main"), &after), 0);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
}
END_TEST

START_TEST(missing_files_are_marked)
{
    prepare();
    ck_assert_int_eq(i8i_cache_mark_missing(&cache, COMMIT, "a/b.json", NULL), I8_OK);
    check_text(at("models--org--name/.no_exist/" COMMIT "/a/b.json"), "");
    ck_assert_int_eq(i8i_cache_mark_missing(&cache, COMMIT, "../../x", NULL), I8_OK);
    ck_assert(!exists(at("models--org--name/x")));
}
END_TEST

/* ---- entries ---- */

static void check_link(const char *name, const char *target)
{
    char found[4096];
    char *path = i8i_cache_entry(&cache, COMMIT, name);
    const ssize_t n = readlink(path, found, sizeof found - 1);
    ck_assert_int_gt(n, 0);
    found[n] = '\0';
    ck_assert_str_eq(found, target);
    check_text(path, "hello\n");
    free(path);
}

START_TEST(entries_are_relative_links)
{
    prepare();
    put("models--org--name/blobs/" HELLO_GIT, "hello\n");
    char *blob = i8i_cache_blob(&cache, HELLO_GIT);
    const char *names[] = {"x", "a/x", "a/b/x"};
    for (size_t i = 0; i < 3; i++)
        for (int twice = 0; twice < 2; twice++)
            ck_assert_int_eq(
                i8i_cache_place(&cache, COMMIT, names[i], HELLO_GIT, blob, NULL), I8_OK);
    check_link("x", "../../blobs/" HELLO_GIT);
    check_link("a/x", "../../../blobs/" HELLO_GIT);
    check_link("a/b/x", "../../../../blobs/" HELLO_GIT);
    free(blob);
}
END_TEST

START_TEST(a_wrong_entry_is_replaced)
{
    prepare();
    put("models--org--name/blobs/" HELLO_GIT, "hello\n");
    put("models--org--name/snapshots/" COMMIT "/file", "wrong");
    char *blob = i8i_cache_blob(&cache, HELLO_GIT);
    ck_assert_int_eq(
        symlink("../../blobs/none", at("models--org--name/snapshots/" COMMIT "/link")),
        0);
    ck_assert_int_eq(i8i_cache_place(&cache, COMMIT, "file", HELLO_GIT, blob, NULL),
                     I8_OK);
    ck_assert_int_eq(i8i_cache_place(&cache, COMMIT, "link", HELLO_GIT, blob, NULL),
                     I8_OK);
    check_link("file", "../../blobs/" HELLO_GIT);
    check_link("link", "../../blobs/" HELLO_GIT);
    ck_assert_uint_eq(count_entries(cache.blobs), 1);
    free(blob);
}
END_TEST

START_TEST(without_links_entries_are_files)
{
    struct stat st;
    ck_assert_int_eq(i8i_cache_prepare(&cache, true, NULL), I8_OK);
    ck_assert(!cache.links);
    put("models--org--name/blobs/" HELLO_GIT, "hello\n");
    char *blob = i8i_cache_blob(&cache, HELLO_GIT);
    ck_assert_int_eq(i8i_cache_place(&cache, COMMIT, "a/x", HELLO_GIT, blob, NULL),
                     I8_OK);
    char *path = i8i_cache_entry(&cache, COMMIT, "a/x");
    ck_assert_int_eq(lstat(path, &st), 0);
    ck_assert(S_ISREG(st.st_mode));
    check_text(path, "hello\n");
    ck_assert(exists(blob));
    ck_assert_uint_eq(count_entries(cache.blobs), 1);
    free(path);
    free(blob);
}
END_TEST

START_TEST(modes_follow_the_umask)
{
    struct stat st;
    const mode_t before = umask(0002);
    prepare();
    put("models--org--name/blobs/" HELLO_GIT, "hello\n");
    ck_assert_int_eq(i8i_cache_write_ref(&cache, "main", COMMIT, NULL), I8_OK);
    ck_assert_int_eq(stat(at("models--org--name/refs/main"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0664);
    ck_assert_int_eq(stat(at("models--org--name/blobs"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0775);
    umask(0077);
    struct i8i_cache_lock lock;
    bool taken;
    ck_assert_int_eq(i8i_cache_lock_try(&lock, &taken, at("x.lock"), NULL), I8_OK);
    ck_assert_int_eq(stat(at("x.lock"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0664);
    i8i_cache_lock_release(&lock);
    umask(before);
}
END_TEST

/* ---- listings ---- */

static const struct i8i_hub_file two_files[] = {
    {.path = "a/\xc3\xa9 \"x\".json", .size = 6, .hash = HELLO_GIT, .git_oid = HELLO_GIT},
    {.path = "b.safetensors",
     .size = 9007199254740991,
     .lfs = true,
     .hash = HELLO_SHA,
     .git_oid = COMMIT,
     .xet_hash = HELLO_SHA},
};

START_TEST(listings_come_back)
{
    struct i8i_hub_listing l = {.files = (struct i8i_hub_file *)two_files, .count = 2}, r;
    bool found;
    prepare();
    ck_assert_int_eq(i8i_listing_write(cache.folder, COMMIT, &l, cache.blobs, NULL),
                     I8_OK);
    ck_assert_uint_eq(count_entries(cache.blobs), 0);
    ck_assert_int_eq(i8i_listing_read(&r, &found, cache.folder, COMMIT, NULL, NULL),
                     I8_OK);
    ck_assert(found);
    ck_assert_uint_eq(r.count, 2);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_str_eq(r.files[i].path, two_files[i].path);
        ck_assert_uint_eq(r.files[i].size, two_files[i].size);
        ck_assert_int_eq(r.files[i].lfs, two_files[i].lfs);
        ck_assert_str_eq(r.files[i].hash, two_files[i].hash);
        ck_assert_str_eq(r.files[i].git_oid, two_files[i].git_oid);
        ck_assert_str_eq(r.files[i].xet_hash, two_files[i].xet_hash);
    }
    i8i_hub_listing_free(&r);
}
END_TEST

START_TEST(damaged_listings_are_ignored)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{\"format_version\":2,\"files\":{}}",
        "{\"format_version\":1}",
        "{\"format_version\":1,\"files\":{\"a\":{\"size\":-1,\"blob_id\":\"" HELLO_GIT
        "\"}}}",
        "{\"format_version\":1,\"files\":{\"a\":{\"size\":1}}}",
        "{\"format_version\":1,\"files\":{\"a\":{\"size\":1,\"blob_id\":\"../x\"}}}",
        "{\"format_version\":1,\"files\":{\"a\":{\"size\":1,\"blob_id\":\"" HELLO_GIT
        "\",\"lfs_sha256\":\"../../x\"}}}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct i8i_hub_listing l;
        bool found = true;
        put("models--org--name/trees/" COMMIT ".json", bad[i]);
        ck_assert_int_eq(i8i_listing_read(&l, &found, cache.folder, COMMIT, NULL, NULL),
                         I8_OK);
        ck_assert_msg(!found, "%s was taken", bad[i]);
        ck_assert_uint_eq(l.count, 0);
        i8i_hub_listing_free(&l);
    }
}
END_TEST

START_TEST(a_snapshot_without_a_listing_is_scanned)
{
    struct i8i_hub_listing l;
    prepare();
    put("models--org--name/blobs/" HELLO_SHA, "hello\n");
    put("models--org--name/snapshots/" COMMIT "/plain", "xy");
    char *blob = i8i_cache_blob(&cache, HELLO_SHA);
    ck_assert_int_eq(i8i_cache_place(&cache, COMMIT, "a/x", HELLO_SHA, blob, NULL),
                     I8_OK);
    free(blob);
    char *snapshot = i8i_cache_snapshot(&cache, COMMIT);
    ck_assert_int_eq(i8i_listing_scan(&l, snapshot, NULL), I8_OK);
    free(snapshot);
    ck_assert_uint_eq(l.count, 2);
    ck_assert_str_eq(l.files[0].path, "a/x");
    ck_assert_str_eq(l.files[0].hash, HELLO_SHA);
    ck_assert(l.files[0].lfs);
    ck_assert_uint_eq(l.files[0].size, 6);
    ck_assert_str_eq(l.files[1].path, "plain");
    ck_assert_str_eq(l.files[1].hash, "");
    i8i_hub_listing_free(&l);
}
END_TEST

/* ---- hashes and copies ---- */

START_TEST(hashes_are_gits_and_sha256)
{
    char hex[I8I_HASH_HEX];
    put("x", "hello\n");
    ck_assert_int_eq(i8i_hash_file(hex, at("x"), I8I_SHA1, NULL, NULL), I8_OK);
    ck_assert_str_eq(hex, HELLO_GIT);
    ck_assert_int_eq(i8i_hash_file(hex, at("x"), I8I_SHA256, NULL, NULL), I8_OK);
    ck_assert_str_eq(hex, HELLO_SHA);
    ck_assert_int_eq(i8i_hash_file(hex, dir, I8I_SHA1, NULL, NULL), I8_ERR_DATA);
    ck_assert_int_eq(i8i_hash_file(hex, at("none"), I8I_SHA1, NULL, NULL), I8_ERR_IO);
}
END_TEST

START_TEST(a_copy_is_checked)
{
    struct i8_error err = {0};
    struct i8i_hub_file f = {.path = "x", .size = 6, .hash = HELLO_GIT};
    put("x", "hello\n");
    put("bad", "hellO\n");
    put("to", "before");
    ck_assert_int_eq(i8i_copy_file(dir, at("bad"), at("to"), &f, &err), I8_ERR_DATA);
    check_text(at("to"), "before");
    ck_assert_int_eq(i8i_copy_file(dir, at("x"), at("to"), &f, NULL), I8_OK);
    check_text(at("to"), "hello\n");
    ck_assert_uint_eq(count_entries(dir), 3);
}
END_TEST

/* ---- temporary files ---- */

START_TEST(temporary_files_of_the_dead_are_removed)
{
    put("0123456789abcdef.int8tmp", "left");
    put("fedcba9876543210.int8tmp", "in use");
    put("other.int8tmp", "not ours");
    const int fd = open(at("fedcba9876543210.int8tmp"), O_RDWR);
    ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
    i8i_temp_clean(dir);
    ck_assert(!exists(at("0123456789abcdef.int8tmp")));
    ck_assert(exists(at("fedcba9876543210.int8tmp")));
    ck_assert(exists(at("other.int8tmp")));
    close(fd);
}
END_TEST

/* Refs replaced by several processes, killed at any moment: never a wrong or half one. */
START_TEST(a_killed_writer_leaves_a_whole_ref)
{
    enum { ROUNDS = 40 };
    prepare();
    for (int i = 0; i < ROUNDS; i++) {
        const pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0)
            for (;;)
                (void)!i8i_temp_write(cache.blobs, at("models--org--name/snapshots/r"),
                                      i % 2 ? COMMIT : COMMIT2, 40, NULL);
        const struct timespec wait = {0, 500000L * (1 + i % 7)};
        nanosleep(&wait, NULL);
        kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        char *text = NULL;
        size_t length;
        if (i8i_read_file(&text, &length, at("models--org--name/snapshots/r"), 100,
                          NULL) == I8_OK)
            ck_assert(strcmp(text, COMMIT) == 0 || strcmp(text, COMMIT2) == 0);
        free(text);
    }
    i8i_temp_clean(cache.blobs);
    ck_assert_uint_eq(count_entries(cache.blobs), 0);
}
END_TEST

/* ---- locks ---- */

START_TEST(a_lock_is_held_by_one)
{
    struct i8i_cache_lock a, b;
    bool taken;
    ck_assert_int_eq(i8i_cache_lock_try(&a, &taken, at("l/x.lock"), NULL), I8_OK);
    ck_assert(taken);
    ck_assert_int_eq(i8i_cache_lock_try(&b, &taken, at("l/x.lock"), NULL), I8_OK);
    ck_assert(!taken);
    i8i_cache_lock_release(&b);
    i8i_cache_lock_release(&a);
    ck_assert_int_eq(i8i_cache_lock_try(&b, &taken, at("l/x.lock"), NULL), I8_OK);
    ck_assert(taken);
    ck_assert(exists(at("l/x.lock"))); /* it stays */
    i8i_cache_lock_release(&b);
}
END_TEST

START_TEST(a_lock_on_a_removed_file_is_none)
{
    struct i8i_cache_lock a, b;
    bool taken;
    ck_assert_int_eq(i8i_cache_lock_try(&a, &taken, at("x.lock"), NULL), I8_OK);
    ck_assert_int_eq(unlink(at("x.lock")), 0);
    ck_assert_int_eq(i8i_cache_lock_try(&b, &taken, at("x.lock"), NULL), I8_OK);
    ck_assert(taken); /* of the new file */
    i8i_cache_lock_release(&a);
    ck_assert_int_eq(i8i_cache_lock_try(&a, &taken, at("x.lock"), NULL), I8_OK);
    ck_assert(!taken);
    i8i_cache_lock_release(&b);
}
END_TEST

START_TEST(a_planted_link_is_not_followed)
{
    struct i8i_cache_lock a;
    bool taken;
    put("victim", "text");
    ck_assert_int_eq(symlink("victim", at("x.lock")), 0);
    ck_assert_int_eq(i8i_cache_lock_try(&a, &taken, at("x.lock"), NULL), I8_ERR_IO);
    ck_assert(!taken);
    check_text(at("victim"), "text");
}
END_TEST

/* ---- partials ---- */

static bool claim(bool exact, bool *busy)
{
    char *part = i8i_part_path(dir, "stem", exact, 0);
    ck_assert_int_eq(i8i_part_claim(part, "stem", exact, busy, NULL), I8_OK);
    char *journal = i8i_format("%s.journal", part);
    const bool have = i8i_is_file(part) && i8i_is_file(journal);
    free(journal);
    free(part);
    return have;
}

static void age(const char *name, time_t seconds)
{
    const struct timespec times[2] = {{.tv_sec = time(NULL) - seconds},
                                      {.tv_sec = time(NULL) - seconds}};
    ck_assert_int_eq(utimensat(AT_FDCWD, at(name), times, 0), 0);
}

START_TEST(with_exact_locks_a_partial_is_taken_at_once)
{
    bool busy;
    ck_assert(!claim(true, &busy));
    ck_assert(!busy);
    put("stem.int8part", "x");
    put("stem.int8part.journal", "x");
    ck_assert(claim(true, &busy));
    ck_assert(!busy);
    ck_assert_uint_eq(count_entries(dir), 2);
}
END_TEST

START_TEST(without_them_only_from_the_dead_or_quiet)
{
    bool busy;
    put("stem.12345678-99-0-0.int8part", "x"); /* another machine's */
    put("stem.12345678-99-0-0.int8part.journal", "x");
    ck_assert(!claim(false, &busy));
    ck_assert(busy);
    age("stem.12345678-99-0-0.int8part", 3600);
    ck_assert(claim(false, &busy));
    ck_assert(!busy);
    ck_assert_uint_eq(count_entries(dir), 2);
}
END_TEST

START_TEST(a_dead_process_of_this_machine_is_known)
{
    bool busy;
    const pid_t pid = fork();
    if (pid == 0) {
        char *part = i8i_part_path(dir, "stem", false, 0);
        char *journal = i8i_format("%s.journal", part);
        (void)!open(part, O_WRONLY | O_CREAT, 0666);
        (void)!open(journal, O_WRONLY | O_CREAT, 0666);
        pause();
    }
    while (count_entries(dir) != 2)
        usleep(10000);
    ck_assert(!claim(false, &busy));
    ck_assert(busy);
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert(claim(false, &busy));
    ck_assert(!busy);
}
END_TEST

START_TEST(another_pull_of_this_process_is_alive)
{
    bool busy;
    char *part = i8i_part_path(dir, "stem", false, 7);
    put(i8i_path_base(part), "x");
    free(part);
    ck_assert(!claim(false, &busy));
    ck_assert(busy);
    /* the same PID, of a process before this one */
    part = i8i_part_path(dir, "stem", false, 0);
    i8i_part_remove_all(part, "stem");
    char *name = i8i_strdup(i8i_path_base(part)),
         *run = strchr(strchr(name, '-') + 1, '-') + 1;
    *run = *run == '0' ? '1' : '0';
    put(name, "x");
    char *journal = i8i_format("%s.journal", name);
    put(journal, "x");
    free(journal);
    ck_assert(claim(false, &busy));
    free(name);
    free(part);
}
END_TEST

START_TEST(finished_partials_leave_nothing)
{
    put("stem.int8part", "x");
    put("stem.int8part.journal", "x");
    put("stem.12345678-99-0-0.int8part", "x");
    put("stem.12345678-99-0-0.int8part.journal", "x");
    put("stem.12345678-99-0-0.int8part.journal.part", "x");
    put("stem2.int8part", "x");
    put("stem", "x");
    char *part = i8i_part_path(dir, "stem", true, 0);
    i8i_part_remove_all(part, "stem");
    free(part);
    ck_assert_uint_eq(count_entries(dir), 2);
    age("stem2.int8part", 3600);
    i8i_part_remove_stale(dir);
    ck_assert(exists(at("stem2.int8part")));
    age("stem2.int8part", I8I_PART_STALE_S + 60);
    i8i_part_remove_stale(dir);
    ck_assert(!exists(at("stem2.int8part")));
    ck_assert(exists(at("stem")));
}
END_TEST

START_TEST(one_look_finds_the_partials_of_many)
{
    static const char *const stems[] = {"a", "b", "c", "a.d", "e", "f"};
    bool found[6] = {false};
    struct i8i_map map;
    put("a.12345678-99-0-0.int8part", "x");
    put("b.int8part", "x");
    put("c", "x");
    put("a.d.12345678-99-0-0.int8part.journal.part", "x");
    put("e.int8part.journal", "x");
    put("ff.int8part", "x");
    i8i_map_init(&map);
    for (size_t i = 0; i < 6; i++)
        ck_assert_int_eq(i8i_map_add(&map, stems[i], i, NULL, NULL), I8_OK);
    i8i_part_find(found, dir, &map);
    i8i_map_free(&map);
    ck_assert(found[0] && found[1] && !found[2] && found[3] && found[4] && !found[5]);
}
END_TEST

/* ---- a folder of the user's ---- */

static struct i8i_store store;
static const struct i8i_hub_file hello = {
    .path = "a/x.txt", .size = 6, .hash = HELLO_GIT, .git_oid = HELLO_GIT};

static void open_local(void)
{
    ck_assert_int_eq(
        i8i_store_open_local(&store, at("local"), at("cache"), "org/name", NULL), I8_OK);
    ck_assert_int_eq(i8i_store_set_commit(&store, COMMIT, NULL), I8_OK);
    ck_assert_int_eq(store.ops->prepare(&store, NULL), I8_OK);
}

static enum i8i_file_state state_of(const struct i8i_hub_file *f)
{
    enum i8i_file_state state;
    ck_assert_int_eq(store.ops->look(&store, f, &state, NULL), I8_OK);
    return state;
}

START_TEST(a_local_folder_has_pythons_metadata)
{
    open_local();
    check_text(at("local/.cache/huggingface/.gitignore"), "*");
    ck_assert(i8i_is_file(at("local/.cache/huggingface/CACHEDIR.TAG")));
    ck_assert_int_eq(state_of(&hello), I8I_FILE_ABSENT);
    put("local/a/x.txt", "hello\n");
    ck_assert_int_eq(state_of(&hello), I8I_FILE_AT_HAND);
    ck_assert_int_eq(store.ops->place(&store, &hello, &hello, NULL), I8_OK);
    ck_assert_int_eq(state_of(&hello), I8I_FILE_PRESENT);
    char *text = NULL;
    size_t length;
    double when = 0;
    ck_assert_int_eq(
        i8i_read_file(&text, &length,
                      at("local/.cache/huggingface/download/a/x.txt.metadata"), 4096,
                      NULL),
        I8_OK);
    ck_assert_int_eq(sscanf(text, COMMIT "\n" HELLO_GIT "\n%lf\n", &when), 1);
    ck_assert_double_le(when, (double)time(NULL) + 60);
    ck_assert_double_ge(when, (double)time(NULL) - 60);
    free(text);
    i8i_store_close(&store);
}
END_TEST

START_TEST(metadata_hold_until_the_file_changes)
{
    open_local();
    put("local/a/x.txt", "hello\n");
    put("local/.cache/huggingface/download/a/x.txt.metadata",
        COMMIT2 "\n" HELLO_GIT "\n1000000000.5\n");
    ck_assert_int_eq(state_of(&hello), I8I_FILE_AT_HAND); /* changed since */
    age("local/a/x.txt", 2000000000);
    ck_assert_int_eq(state_of(&hello), I8I_FILE_PRESENT); /* of another commit: as good */
    put("local/.cache/huggingface/download/a/x.txt.metadata", "garbage");
    ck_assert_int_eq(state_of(&hello), I8I_FILE_AT_HAND);
    bool done;
    ck_assert_int_eq(store.ops->adopt(&store, &hello, &done, NULL), I8_OK);
    ck_assert(done);
    ck_assert_int_eq(state_of(&hello), I8I_FILE_PRESENT);
    put("local/a/x.txt", "hellO\n");
    ck_assert_int_eq(store.ops->adopt(&store, &hello, &done, NULL), I8_OK);
    ck_assert(!done);
    i8i_store_close(&store);
}
END_TEST

START_TEST(what_the_cache_has_is_copied)
{
    bool done;
    open_local();
    put("cache/models--org--name/blobs/" HELLO_GIT, "hellO\n");
    ck_assert_int_eq(state_of(&hello), I8I_FILE_AT_HAND);
    ck_assert_int_eq(store.ops->adopt(&store, &hello, &done, NULL), I8_OK);
    ck_assert(!done); /* damaged: not copied */
    ck_assert(!exists(at("local/a/x.txt")));
    put("cache/models--org--name/blobs/" HELLO_GIT, "hello\n");
    ck_assert_int_eq(store.ops->adopt(&store, &hello, &done, NULL), I8_OK);
    ck_assert(done);
    check_text(at("local/a/x.txt"), "hello\n");
    ck_assert_int_eq(state_of(&hello), I8I_FILE_PRESENT);
    i8i_store_close(&store);
}
END_TEST

START_TEST(the_stored_commit_is_found_if_there_is_one)
{
    char commit[I8I_COMMIT_HEX] = "";
    open_local();
    ck_assert_int_eq(i8i_store_stored_commit(commit, &store, NULL), I8_OK);
    ck_assert_str_eq(commit, "");
    put("local/.cache/huggingface/trees/" COMMIT ".json", "{}");
    ck_assert_int_eq(i8i_store_stored_commit(commit, &store, NULL), I8_OK);
    ck_assert_str_eq(commit, COMMIT);
    put("local/.cache/huggingface/trees/" COMMIT2 ".json", "{}");
    ck_assert_int_eq(i8i_store_stored_commit(commit, &store, NULL), I8_OK);
    ck_assert_str_eq(commit, "");
    i8i_store_close(&store);
}
END_TEST

int main(void)
{
    const struct { /* not static: Check's tests are pointers, no constants */
        const char *name;
        const TTest *tests[8];
    } cases[] = {
        {"folders and refs",
         {folders_have_pythons_names, a_ref_is_forty_digits_and_nothing_else,
          a_ref_with_a_newline_is_read_and_mended, a_ref_cannot_lead_out_of_its_folder,
          a_ref_that_is_right_is_not_written, missing_files_are_marked, NULL}},
        {"entries",
         {entries_are_relative_links, a_wrong_entry_is_replaced,
          without_links_entries_are_files, modes_follow_the_umask, NULL}},
        {"listings",
         {listings_come_back, damaged_listings_are_ignored,
          a_snapshot_without_a_listing_is_scanned, NULL}},
        {"files",
         {hashes_are_gits_and_sha256, a_copy_is_checked,
          temporary_files_of_the_dead_are_removed, a_killed_writer_leaves_a_whole_ref,
          NULL}},
        {"locks",
         {a_lock_is_held_by_one, a_lock_on_a_removed_file_is_none,
          a_planted_link_is_not_followed, NULL}},
        {"partials",
         {with_exact_locks_a_partial_is_taken_at_once,
          without_them_only_from_the_dead_or_quiet,
          a_dead_process_of_this_machine_is_known, another_pull_of_this_process_is_alive,
          finished_partials_leave_nothing, one_look_finds_the_partials_of_many, NULL}},
        {"local folder",
         {a_local_folder_has_pythons_metadata, metadata_hold_until_the_file_changes,
          what_the_cache_has_is_copied, the_stored_commit_is_found_if_there_is_one,
          NULL}},
    };
    Suite *s = suite_create("hub cache");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        TCase *t = tcase_create(cases[i].name);
        tcase_add_checked_fixture(t, setup, teardown);
        for (size_t k = 0; cases[i].tests[k]; k++)
            tcase_add_test(t, cases[i].tests[k]);
        suite_add_tcase(s, t);
    }
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
