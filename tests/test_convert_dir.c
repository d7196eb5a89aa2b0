/* SPDX-License-Identifier: Apache-2.0
 *
 * What lib/convert does to a directory: going on after a kill at any moment, a full disk,
 * a cancel; refusing what is not its own; replacing an earlier conversion.
 */
#include "config.h"

#include "base/file.h"
#include "convert_tools.h"
#include "scratch.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *source, *expected;

/* A copy of tiny-llama that tests may touch, and what its conversion must give. */
static void setup(void)
{
    static const char *const names[] = {"config.json", "model.safetensors",
                                        "tokenizer.json"};
    tools_begin();
    const char *original = kept_data("tiny-llama");
    for (int i = 0; i < 3; i++) {
        size_t length;
        const char *text = file_text(original, names[i], &length);
        free(scratch_write(kept_path(dir, "model"), names[i], text, length));
    }
    source = kept_path(dir, "model");
    struct conversion c = conversion_of(source, dir, "expected");
    c.options.max_shard_bytes = 600000;
    conversion_run(&c, I8_OK);
    expected = folder_digest(c.options.output);
    conversion_free(&c);
}

static struct conversion to(const char *out)
{
    struct conversion c = conversion_of(source, dir, out);
    c.options.max_shard_bytes = 600000;
    c.tuning = (struct i8i_convert_tuning){.item_bytes = 100000, .block_bytes = 16384};
    return c;
}

static void assert_as_expected(const struct conversion *c)
{
    assert_digest(c->options.output, expected);
}

/* No file stands under a final name. */
static void assert_unfinished(const char *out)
{
    static const char *const finals[] = {"model-00001-of-00005.safetensors",
                                         "config.json", "model.safetensors.index.json",
                                         "tokenizer.json", "int8tool.json"};
    for (int i = 0; i < 5; i++)
        ck_assert_msg(!exists(out, finals[i]), "%s", finals[i]);
}

/* ---- going on ---- */

START_TEST(cancelled)
{
    int calls, runs = 0;
    const struct i8_progress progress = {.update = stop_after, .ctx = &calls};
    struct conversion c = to("out");
    c.options.progress = &progress;
    for (;; runs++) {
        calls = 7; /* then it asks to stop; work that is under way is still booked */
        i8_convert_result_free(&c.result);
        enum i8_status st = i8i_convert_tuned(&c.result, &c.options, &c.tuning, &c.err);
        if (st == I8_OK)
            break;
        ck_assert_int_eq(st, I8_ERR_CANCELLED);
        assert_unfinished(c.options.output);
        ck_assert(exists(c.options.output, I8I_JOURNAL_NAME));
        ck_assert_int_lt(runs, 100);
        /* Nothing depends on how the next run cuts its work. */
        c.options.jobs = 1 + (unsigned)runs % 5;
        c.tuning.block_bytes = 1000 + 5000 * (size_t)(runs % 7);
        c.tuning.item_bytes = 30000 + 20000 * (uint64_t)(runs % 3);
    }
    ck_assert_int_gt(runs, 3);
    ck_assert_uint_gt(c.result.resumed_bytes, 0);
    assert_as_expected(&c);
    conversion_free(&c);
}
END_TEST

START_TEST(killed_at_any_moment)
{
    unsigned random = 1 + (unsigned)_i;
    struct conversion c = to("out");
    for (int runs = 0;; runs++) {
        random = random * 1103515245 + 12345;
        c.options.jobs = 1 + random / 65536 % 4;
        if (came_through(conversion_start(&c, 1 + (int)(random / 65536 % 20))))
            break;
        assert_unfinished(c.options.output);
        ck_assert_int_lt(runs, 200);
    }
    assert_as_expected(&c);
}
END_TEST

/* A process that dies while files get their names: some have theirs, the journal says
 * that all was complete. */
START_TEST(killed_while_publishing)
{
    struct conversion c = to("out");
    ck_assert(came_through(conversion_start(&c, 0))); /* to take the files from */
    int calls = 75;
    const struct i8_progress progress = {.update = stop_after, .ctx = &calls};
    struct conversion half = to("half");
    half.options.progress = &progress;
    conversion_run(&half, I8_ERR_CANCELLED);
    const char *names[] = {"model-00001-of-00005.safetensors",
                           "model-00002-of-00005.safetensors",
                           "model-00003-of-00005.safetensors",
                           "model-00004-of-00005.safetensors",
                           "model-00005-of-00005.safetensors",
                           "model.safetensors.index.json",
                           "config.json",
                           "tokenizer.json"};
    size_t n;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *text = file_text(c.options.output, names[i], &n);
        char *part = i8i_format("%s.part", names[i]);
        ck_assert_int_eq(unlink(kept_path(half.options.output, part)), 0);
        free(scratch_write(half.options.output, i < 3 ? names[i] : part, text, n));
        free(part);
    }
    const char *journal = file_text(half.options.output, I8I_JOURNAL_NAME, &n);
    char *longer = i8i_format("%sp\ns %zu\n", journal, n + 2);
    free(scratch_write(half.options.output, I8I_JOURNAL_NAME, longer, strlen(longer)));
    free(longer);
    half.options.progress = NULL;
    conversion_run(&half, I8_OK);
    assert_as_expected(&half);
    conversion_free(&half);
}
END_TEST

/* Lines of another boot count only as far as they were synced with the data. */
START_TEST(power_cut)
{
    int calls = 40;
    const struct i8_progress progress = {.update = stop_after, .ctx = &calls};
    struct conversion c = to("out");
    c.tuning.sync_bytes = 400000;
    c.options.progress = &progress;
    conversion_run(&c, I8_ERR_CANCELLED);
    c.options.progress = NULL;
    size_t n;
    char *journal = (char *)file_text(c.options.output, I8I_JOURNAL_NAME, &n);
    char *boot = strstr(journal, "\nb");
    ck_assert_ptr_nonnull(boot);
    boot[2] = boot[2] == '0' ? '1' : '0';
    ck_assert_ptr_nonnull(strstr(journal, "\ns "));
    free(scratch_write(c.options.output, I8I_JOURNAL_NAME, journal, n));
    /* What lies beyond the last mark may be anything after a power cut. */
    char *part =
        (char *)file_text(c.options.output, "model-00005-of-00005.safetensors.part", &n);
    memset(part, 0, 1000);
    memset(part + n - 1100, 0x55, 1000);
    free(scratch_write(c.options.output, "model-00005-of-00005.safetensors.part", part,
                       n));
    conversion_run(&c, I8_OK);
    ck_assert_uint_gt(c.result.resumed_bytes, 0);
    assert_as_expected(&c);
    conversion_free(&c);
}
END_TEST

START_TEST(torn_journal)
{
    int calls = 30;
    const struct i8_progress progress = {.update = stop_after, .ctx = &calls};
    struct conversion c = to("out");
    c.options.progress = &progress;
    conversion_run(&c, I8_ERR_CANCELLED);
    c.options.progress = NULL;
    size_t n;
    const char *journal = file_text(c.options.output, I8I_JOURNAL_NAME, &n);
    static const char *const tails[] = {"r 1", "r 0 0 99999999999999999999\n", "x\n",
                                        "r 77777 0 1\nr 3 18446744073709551615 5\n"};
    char *torn = i8i_format("%s%s", journal, tails[_i]);
    free(scratch_write(c.options.output, I8I_JOURNAL_NAME, torn, strlen(torn)));
    free(torn);
    conversion_run(&c, I8_OK);
    assert_as_expected(&c);
    conversion_free(&c);
}
END_TEST

/* A disk that is full after 300 kB of a file, then has room. */
START_TEST(no_room_then_room)
{
    int status;
    struct conversion c = to("out");
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        const struct rlimit limit = {.rlim_cur = 300000, .rlim_max = 300000};
        (void)signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
            _exit(2);
        _exit(i8i_convert_tuned(&c.result, &c.options, &c.tuning, &c.err) == I8_ERR_IO
                  ? 0
                  : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_unfinished(c.options.output);
    conversion_run(&c, I8_OK);
    assert_as_expected(&c);
    conversion_free(&c);
}
END_TEST

/* ---- refusing ---- */

static void half_done(struct conversion *c)
{
    int calls = 20;
    const struct i8_progress progress = {.update = stop_after, .ctx = &calls};
    c->options.progress = &progress;
    conversion_run(c, I8_ERR_CANCELLED);
    c->options.progress = NULL;
}

START_TEST(other_options_or_source)
{
    struct conversion c = to("out");
    half_done(&c);
    struct conversion other = to("out");
    other.options.rounding = I8_ROUNDING_CPU;
    conversion_run(&other, I8_ERR_REFUSED);
    ck_assert_ptr_nonnull(strstr(other.err.message, "other options"));

    /* With --force the unfinished work gives way, its stray shards, too. */
    other.options.max_shard_bytes = 0;
    other.options.force = true;
    conversion_run(&other, I8_OK);
    ck_assert(exists(other.options.output, "model.safetensors"));
    ck_assert(!exists(other.options.output, "model-00001-of-00005.safetensors.part"));
    ck_assert(!exists(other.options.output, I8I_JOURNAL_NAME));
    conversion_free(&other);

    struct conversion later = to("later");
    half_done(&later);
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    ck_assert_int_eq(
        utimensat(AT_FDCWD, kept_path(source, "model.safetensors"), times, 0), 0);
    conversion_run(&later, I8_ERR_REFUSED);
    ck_assert_ptr_nonnull(strstr(later.err.message, "source has changed"));
}
END_TEST

START_TEST(foreign_directory)
{
    struct conversion c = to("out");
    free(scratch_write(c.options.output, "notes.txt", "mine", 4));
    conversion_run(&c, I8_ERR_REFUSED);
    ck_assert_ptr_nonnull(strstr(c.err.message, "'notes.txt'"));
    c.options.force = true;
    conversion_run(&c, I8_ERR_REFUSED);
    ck_assert_str_eq(file_text(c.options.output, "notes.txt", NULL), "mine");
    ck_assert(!exists(c.options.output, I8I_JOURNAL_NAME));

    /* A .part file without a journal is somebody else's. */
    struct conversion stray = to("stray");
    free(scratch_write(stray.options.output, "config.json.part", "x", 1));
    conversion_run(&stray, I8_ERR_REFUSED);
    c.options.output = kept_path(source, "config.json");
    conversion_run(&c, I8_ERR_REFUSED);

    /* Another model's own files, under names that we would write. */
    struct conversion model = to("other");
    free(scratch_write(model.options.output, "config.json", "{}", 2));
    model.options.force = true;
    conversion_run(&model, I8_ERR_REFUSED);
    ck_assert_str_eq(file_text(model.options.output, "config.json", NULL), "{}");
}
END_TEST

START_TEST(the_model_itself)
{
    const char *before = folder_digest(source);
    struct conversion c = to("model");
    c.options.force = true;
    conversion_run(&c, I8_ERR_REFUSED);
    c.options.output = dir; /* contains it */
    conversion_run(&c, I8_ERR_REFUSED);
    c.options.output = kept_path(source, "../model/.");
    conversion_run(&c, I8_ERR_REFUSED);
    ck_assert_str_eq(folder_digest(source), before);
    /* Inside it is fine, and the output is not copied into itself. */
    c.options.output = kept_path(source, "int8");
    c.options.force = false;
    conversion_run(&c, I8_OK);
    assert_as_expected(&c);
    c.options.force = true;
    conversion_run(&c, I8_OK);
    assert_as_expected(&c);
    conversion_free(&c);
}
END_TEST

START_TEST(two_at_once)
{
    struct conversion c = to("out");
    half_done(&c);
    int fd = open(kept_path(c.options.output, I8I_JOURNAL_NAME), O_RDWR);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(flock(fd, LOCK_EX), 0);
    conversion_run(&c, I8_ERR_REFUSED);
    ck_assert_ptr_nonnull(strstr(c.err.message, "another int8tool"));
    close(fd);
    conversion_run(&c, I8_OK);
    assert_as_expected(&c);
    conversion_free(&c);
}
END_TEST

/* ---- replacing ---- */

START_TEST(force)
{
    struct conversion c = to("out");
    conversion_run(&c, I8_OK);
    struct conversion other = to("out");
    other.options.max_shard_bytes = 0;
    conversion_run(&other, I8_ERR_REFUSED);
    ck_assert_ptr_nonnull(strstr(other.err.message, "--force"));
    assert_as_expected(&c);

    /* Interrupted, it has not touched what was there. */
    other.options.force = true;
    half_done(&other);
    ck_assert(exists(c.options.output, "model-00005-of-00005.safetensors"));
    ck_assert(exists(c.options.output, "int8tool.json"));
    conversion_run(&other, I8_OK);
    ck_assert(exists(c.options.output, "model.safetensors"));
    ck_assert(!exists(c.options.output, "model-00005-of-00005.safetensors"));
    ck_assert(!exists(c.options.output, "model.safetensors.index.json"));
    conversion_free(&c);
    conversion_free(&other);
}
END_TEST

START_TEST(hostile_manifest)
{
    static const char text[] = "{\"files\": [{\"name\": \"../model/config.json\"}]}";
    struct conversion c = to("out");
    free(scratch_write(c.options.output, "int8tool.json", text, sizeof text - 1));
    c.options.force = true;
    conversion_run(&c, I8_ERR_DATA);
    ck_assert(exists(source, "config.json"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("convert-dir");
    TCase *c = tcase_create("convert-dir");
    tcase_set_timeout(c, 300);
    tcase_add_checked_fixture(c, setup, tools_end);
    tcase_add_test(c, cancelled);
    tcase_add_loop_test(c, killed_at_any_moment, 0, 5);
    tcase_add_test(c, killed_while_publishing);
    tcase_add_test(c, power_cut);
    tcase_add_loop_test(c, torn_journal, 0, 4);
    tcase_add_test(c, no_room_then_room);
    tcase_add_test(c, other_options_or_source);
    tcase_add_test(c, foreign_directory);
    tcase_add_test(c, the_model_itself);
    tcase_add_test(c, two_at_once);
    tcase_add_test(c, force);
    tcase_add_test(c, hostile_manifest);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
