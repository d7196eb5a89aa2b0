/* SPDX-License-Identifier: Apache-2.0
 *
 * Several ranks on one output: whatever their number and order, whoever dies, the bytes
 * are those of one process alone. Most is tested with plain shards and with compressed
 * ones.
 */
#include "config.h"

#include "convert/division.h"
#include "convert/packed.h"
#include "convert_tools.h"
#include "scratch.h"
#include "source/zstd_codec.h"

#include <check.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *source;
static enum i8_compression compression;
static char expected[4096]; /* folder_digest of an undisturbed conversion */

/* `out` is a name in our folder, or a path. */
static struct conversion to(const char *out)
{
    struct conversion c = conversion_of(source, dir, out);
    if (out[0] == '/')
        c.options.output = out;
    c.options.max_shard_bytes = 600000;
    c.options.compression = compression;
    c.tuning = (struct i8i_convert_tuning){.block_bytes = 8192, .item_bytes = 60000};
    return c;
}

static void setup(void)
{
    tools_begin();
    source = kept_data("tiny-llama");
    struct conversion c = to("reference");
    conversion_run(&c, I8_OK);
    snprintf(expected, sizeof expected, "%s", folder_digest(c.options.output));
    conversion_free(&c);
}

static void setup_packed(void)
{
    compression = I8_COMPRESSION_ZSTD;
    setup();
}

static void assert_as_expected(const char *out)
{
    assert_digest(out, expected);
}

/* Runs one rank in this process; true once the output is published. */
static bool run_rank(const char *out, unsigned rank, unsigned count)
{
    struct conversion c = to(out);
    const struct i8_rank_group group = {.rank = rank, .count = count};
    c.options.ranks = &group;
    conversion_run(&c, I8_OK);
    const bool complete = c.result.complete;
    ck_assert(complete == (c.result.left_bytes == 0));
    conversion_free(&c);
    return complete;
}

/* Starts one rank as a process that kills itself at its n-th report; 0: never. Count 0: a
 * process alone. */
static pid_t start_rank(const char *out, unsigned rank, unsigned count, int calls)
{
    struct conversion c = to(out);
    const struct i8_rank_group group = {.rank = rank, .count = count};
    c.options.ranks = count > 0 ? &group : NULL;
    return conversion_start(&c, calls);
}

/* The name of the journal of a rank in a folder, NULL if there is none; kept. */
static const char *find_journal(const char *out, unsigned rank)
{
    char begin[64];
    snprintf(begin, sizeof begin, I8I_RANK_JOURNAL_PREFIX "%05u-", rank);
    DIR *d = opendir(out);
    ck_assert_ptr_nonnull(d);
    const char *found = NULL;
    for (const struct dirent *e; !found && (e = readdir(d));) {
        if (strncmp(e->d_name, begin, strlen(begin)) == 0)
            found = kept_path("", e->d_name);
    }
    closedir(d);
    return found;
}

static const char *rank_journal(const char *out, unsigned rank)
{
    const char *found = find_journal(out, rank);
    ck_assert_ptr_nonnull(found);
    return found;
}

/* How many shards the rank's journal says it has packed. */
static unsigned packed_by(const char *out, unsigned rank)
{
    const char *name = find_journal(out, rank);
    unsigned count = 0;
    for (const char *at = name ? file_text(out, name, NULL) : "";
         (at = strstr(at, "\nz "));)
        at++, count++;
    return count;
}

/* ---- */

/* Every unit is in exactly one part, and the parts are even. */
START_TEST(parts_cover_everything)
{
    struct conversion c = to("none");
    struct i8i_convert_plan *plan;
    ck_assert_int_eq(i8i_convert_plan_new(&plan, &c.options, &c.err), I8_OK);
    for (unsigned count = 1; count < 40; count++) {
        uint64_t least = UINT64_MAX, most = 0, all = 0, widest = 0;
        struct i8i_place next = {0};
        for (unsigned rank = 0; rank < count; rank++) {
            const struct i8i_division d = i8i_division_of(plan, rank, count);
            ck_assert(d.begin.piece == next.piece && d.begin.unit == next.unit);
            next = d.end;
            uint64_t bytes = 0;
            for (size_t i = 0; i < plan->n_pieces; i++) {
                uint64_t first, end;
                i8i_division_units(&first, &end, &d, plan, i);
                bytes += (end - first) * plan->pieces[i].unit_in;
                if (plan->pieces[i].unit_in > widest)
                    widest = plan->pieces[i].unit_in;
            }
            least = bytes < least ? bytes : least;
            most = bytes > most ? bytes : most;
            all += bytes;
        }
        ck_assert_uint_eq(next.piece, plan->n_pieces);
        ck_assert_uint_le(most - least, 2 * widest);
        uint64_t total = 0, owners = 0;
        for (size_t i = 0; i < plan->n_pieces; i++)
            total += plan->pieces[i].units * plan->pieces[i].unit_in;
        ck_assert_uint_eq(all, total);
        for (size_t i = 0; i < plan->n_inputs; i++) {
            for (unsigned rank = 0; rank < count; rank++)
                owners += i8i_division_owns_input(plan, i, rank, count);
        }
        ck_assert_uint_eq(owners, plan->n_inputs);
    }
    i8i_convert_plan_free(plan);
}
END_TEST

START_TEST(one_after_the_other)
{
    static const unsigned counts[] = {2, 3, 5, 16, 64};
    const unsigned count = counts[_i];
    for (unsigned k = 0; k < count; k++) {
        const unsigned rank = (k * 7 + 1) % count; /* in no particular order */
        ck_assert_int_eq(run_rank(kept_path(dir, "out"), rank, count), k + 1 == count);
    }
    assert_as_expected(kept_path(dir, "out"));
    /* Started once more, a rank finds all done, and says so. */
    ck_assert(run_rank(kept_path(dir, "out"), 0, count));
    assert_as_expected(kept_path(dir, "out"));
}
END_TEST

START_TEST(all_at_once)
{
    enum { COUNT = 6 };
    pid_t children[COUNT];
    for (unsigned i = 0; i < COUNT; i++)
        children[i] = start_rank(kept_path(dir, "out"), i, COUNT, 0);
    for (unsigned i = 0; i < COUNT; i++)
        ck_assert(came_through(children[i]));
    assert_as_expected(kept_path(dir, "out"));
}
END_TEST

/* Twice the same ranks at the same time, as when a job manager believes them dead. */
START_TEST(all_at_once_twice)
{
    enum { COUNT = 3 };
    pid_t children[2 * COUNT];
    for (unsigned i = 0; i < 2 * COUNT; i++)
        children[i] = start_rank(kept_path(dir, "out"), i % COUNT, COUNT, 0);
    for (unsigned i = 0; i < 2 * COUNT; i++)
        ck_assert(came_through(children[i]));
    for (unsigned i = 0; i < COUNT; i++)
        run_rank(kept_path(dir, "out"), i, COUNT);
    assert_as_expected(kept_path(dir, "out"));
}
END_TEST

/* Ranks die at random moments and are started again, until all have come through; their
 * number may change on the way, and a process alone may take over. One that was killed
 * after another had published may have left something: the next start clears that. */
START_TEST(killed_at_any_moment)
{
    enum { MOST = 5 };
    unsigned random = 77 + (unsigned)_i;
    const char *out = kept_path(dir, "out");
    for (int round = 0; !exists(out, "int8tool.json") || exists(out, I8I_JOURNAL_NAME);
         round++) {
        ck_assert_int_lt(round, 200);
        random = random * 1103515245 + 12345;
        unsigned count = 1 + random / 65536 % MOST;
        pid_t children[MOST];
        for (unsigned i = 0; i < count; i++) {
            random = random * 1103515245 + 12345;
            children[i] = start_rank(out, i, count == 1 ? 0 : count,
                                     1 + (int)(random / 65536 % 12));
        }
        for (unsigned i = 0; i < count; i++)
            came_through(children[i]);
    }
    ck_assert(run_rank(out, 0, 2));
    assert_as_expected(out);
}
END_TEST

/* A rank that opens its files while another publishes makes .part files anew; if it is
 * killed then, they stay until a rank finds all done. */
START_TEST(killed_after_publication)
{
    const char *out = kept_path(dir, "out");
    ck_assert(!run_rank(out, 0, 2));
    const char *journal = rank_journal(out, 0);
    size_t n;
    char *text = (char *)file_text(out, journal, &n);
    ck_assert(run_rank(out, 1, 2));
    assert_as_expected(out);
    free(scratch_write(out, journal, text, n));
    free(scratch_write(out, I8I_PUBLISHER_NAME, "b", 1));
    free(scratch_write(out, "config.json.part", "{", 1));
    free(scratch_write(out, "model-00003-of-00005.safetensors.part", text, n));
    if (compression == I8_COMPRESSION_ZSTD)
        free(scratch_write(out, "model-00003-of-00005.safetensors.zst.part", text, n));
    ck_assert(run_rank(out, 1, 2));
    assert_as_expected(out);
}
END_TEST

/* What an interrupted process alone has done is not done again, and the other way round.
 */
START_TEST(alone_then_ranks_then_alone)
{
    const char *out = kept_path(dir, "out");
    ck_assert(!came_through(start_rank(out, 0, 0, 20)));
    struct conversion c = to("out");
    const struct i8_rank_group group = {.rank = 0, .count = 2};
    c.options.ranks = &group;
    conversion_run(&c, I8_OK);
    ck_assert_uint_gt(c.result.resumed_bytes, 0);
    ck_assert(!c.result.complete);
    const uint64_t left = c.result.left_bytes;
    c.options.ranks = NULL;
    conversion_run(&c, I8_OK);
    ck_assert_uint_eq(c.result.source_bytes == 0, 0);
    ck_assert_uint_eq(c.result.part_bytes - c.result.resumed_bytes, left);
    conversion_free(&c);
    assert_as_expected(out);
}
END_TEST

/* As if the journal had been written on another machine. */
static void make_foreign(const char *out, const char *name, bool with_marks)
{
    size_t n;
    char *text = (char *)file_text(out, name, &n);
    char *boot = strstr(text, "\nb");
    ck_assert_ptr_nonnull(boot);
    boot[2] = boot[2] == '0' ? '1' : '0';
    for (char *mark = text; !with_marks && (mark = strstr(mark, "\ns "));)
        memcpy(mark, "\nb ", 3);
    free(scratch_write(out, name, text, n));
}

/* Of another machine counts what it has synced, and only that. */
START_TEST(another_machine)
{
    const char *out = kept_path(dir, "out");
    ck_assert(!run_rank(out, 0, 2));
    make_foreign(out, rank_journal(out, 0), _i == 1);
    ck_assert_int_eq(run_rank(out, 1, 2), _i == 1);
    if (_i == 0)
        ck_assert(run_rank(out, 0, 2));
    assert_as_expected(out);
}
END_TEST

/* A mark that a dead publisher has left, on this machine. */
START_TEST(dead_publisher)
{
    const char *out = kept_path(dir, "out");
    char boot[128] = "b";
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(boot + 1, sizeof boot - 1, f));
    fclose(f);
    ck_assert(!run_rank(out, 0, 2));
    free(scratch_write(out, I8I_PUBLISHER_NAME, boot, strlen(boot)));
    ck_assert(run_rank(out, 1, 2));
    assert_as_expected(out);
}
END_TEST

/* Another rank may publish while we read back what we have written. */
START_TEST(read_back_while_another_publishes)
{
    const char *out = kept_path(dir, "out");
    const struct i8_rank_group group = {.rank = 0, .count = 2};
    struct conversion c = to("out");
    struct i8i_convert_plan *plan;
    struct i8i_staging *staging;
    struct i8i_source *back;
    c.options.ranks = &group;
    ck_assert_int_eq(i8i_convert_plan_new(&plan, &c.options, &c.err), I8_OK);
    ck_assert_int_eq(i8i_staging_open(&staging, plan, &c.err), I8_OK);
    const char *name = plan->outputs[0].name;
    char *part = i8i_staging_part_name(staging, name);
    ck_assert_ptr_nonnull(part);
    ck_assert_int_eq(rename(part, kept_path(out, name)), 0);
    ck_assert_msg(i8i_staging_read_back(&back, staging, 0, &c.err) == I8_OK, "%s",
                  c.err.message);
    ck_assert_uint_eq(back->size, plan->outputs[0].bytes);
    i8i_source_close(back);
    free(part);
    i8i_staging_close(staging, false);
    i8i_convert_plan_free(plan);
    conversion_free(&c);
}
END_TEST

/* ---- packing ---- */

static struct i8i_convert_plan *plan_of(struct conversion *c)
{
    struct i8i_convert_plan *plan;
    ck_assert_int_eq(i8i_convert_plan_new(&plan, &c->options, &c->err), I8_OK);
    return plan;
}

static bool has_part(const char *out, const char *name)
{
    char *part = i8i_format("%s.part", name);
    const bool found = exists(out, part);
    free(part);
    return found;
}

/* A rank that cannot talk to the others packs, at its end, the shards that it has written
 * to and that are complete: of those that come before the last one nothing is left to it.
 */
START_TEST(each_rank_packs)
{
    enum { COUNT = 3 };
    const char *out = kept_path(dir, "out");
    struct conversion c = to("out");
    struct i8i_convert_plan *plan = plan_of(&c);
    unsigned packed = 0, all = 0;
    for (unsigned rank = 0; rank + 1 < COUNT; rank++) {
        ck_assert(!run_rank(out, rank, COUNT));
        ck_assert_uint_ge(packed_by(out, rank), 1);
        packed += packed_by(out, rank);
    }
    const struct i8i_division last = i8i_division_of(plan, COUNT - 1, COUNT);
    for (size_t i = 0; i < plan->n_outputs; i++) {
        const struct i8i_output_file *f = &plan->outputs[i];
        if (f->frames == NULL)
            continue;
        const bool left = i8i_division_writes(&last, plan, i);
        ck_assert_int_eq(has_part(out, f->plain_name), left);
        ck_assert_int_eq(has_part(out, f->packed_name), !left);
        all += !left;
    }
    ck_assert_uint_eq(packed, all);
    ck_assert(run_rank(out, COUNT - 1, COUNT));
    assert_as_expected(out);
    i8i_convert_plan_free(plan);
}
END_TEST

/* What ranks that agree share: where they meet, and how many shards each had packed. */
enum { MOST_MEETING = 4 };
struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned count, arrived, round;
    int largest, result;
    unsigned packed[MOST_MEETING];
};
struct member {
    struct meeting *meeting;
    unsigned rank;
    const char *out;
};

static int meet(void *ctx, int value)
{
    const struct member *me = ctx;
    struct meeting *m = me->meeting;
    const unsigned packed = exists(me->out, ".") ? packed_by(me->out, me->rank) : 0;
    pthread_mutex_lock(&m->lock);
    if (m->packed[me->rank] < packed)
        m->packed[me->rank] = packed;
    m->largest = m->arrived == 0 || value > m->largest ? value : m->largest;
    const unsigned round = m->round;
    if (++m->arrived == m->count) {
        m->result = m->largest;
        m->arrived = 0;
        m->round++;
        pthread_cond_broadcast(&m->changed);
    }
    while (m->round == round)
        pthread_cond_wait(&m->changed, &m->lock);
    const int result = m->result; /* nobody begins a new round before all have it */
    pthread_mutex_unlock(&m->lock);
    return result;
}

static struct meeting *meeting_new(unsigned count)
{
    struct meeting *m =
        mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t mutex;
    pthread_condattr_t cond;
    ck_assert(m != MAP_FAILED);
    m->count = count;
    pthread_mutexattr_init(&mutex);
    pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&m->lock, &mutex);
    pthread_condattr_init(&cond);
    pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&m->changed, &cond);
    return m;
}

/* Ranks that agree share the shards out: each packs some, and none is packed twice. */
START_TEST(agreeing_ranks_share_the_packing)
{
    const unsigned count = (unsigned)_i;
    const char *out = kept_path(dir, "out");
    struct meeting *m = meeting_new(count);
    struct conversion c = to("out");
    struct i8i_convert_plan *plan = plan_of(&c);
    pid_t children[MOST_MEETING];
    unsigned packed = 0, shards = 0;
    for (unsigned i = 0; i < count; i++) {
        struct member me = {.meeting = m, .rank = i, .out = out};
        const struct i8_rank_group group = {
            .rank = i, .count = count, .agree = meet, .ctx = &me};
        c.options.ranks = &group;
        children[i] = conversion_start(&c, 0);
    }
    for (unsigned i = 0; i < count; i++)
        ck_assert(came_through(children[i]));
    assert_as_expected(out);
    for (size_t i = 0; i < plan->n_outputs; i++)
        shards += plan->outputs[i].frames != NULL;
    for (unsigned i = 0; i < count; i++) {
        ck_assert_uint_ge(m->packed[i], shards / count);
        packed += m->packed[i];
    }
    ck_assert_uint_eq(packed, shards);
    ck_assert_int_eq(munmap(m, sizeof *m), 0);
    i8i_convert_plan_free(plan);
}
END_TEST

/* A report that we are packing, in the middle of which another rank does all the rest,
 * and publishes. */
struct interloper {
    struct conversion its;
    bool came, kill;
};

static int let_another_publish(void *ctx, const char *what, unsigned long long done,
                               unsigned long long total, const char *unit)
{
    struct interloper *p = ctx;
    (void)done;
    (void)total;
    (void)unit;
    if (strcmp(what, "compressing") != 0 || p->came)
        return 0;
    p->came = true;
    conversion_run(&p->its, I8_OK);
    ck_assert(p->its.result.complete);
    conversion_free(&p->its);
    if (p->kill)
        raise(SIGKILL);
    return 0;
}

/* The publisher packs what we are just packing into the same file, gives it its name, and
 * takes away all else that we were going to pack. */
START_TEST(published_while_we_pack)
{
    const char *out = kept_path(dir, "out");
    const struct i8_rank_group first = {.rank = 0, .count = 2},
                               second = {.rank = 1, .count = 2};
    struct interloper interloper = {.its = to("out"), .kill = (_i & 4) != 0};
    const struct i8_progress progress = {.update = let_another_publish,
                                         .ctx = &interloper};
    struct conversion c = to("out"), reference = to("like");
    c.options.no_hash = reference.options.no_hash = (_i & 1) != 0;
    if (_i & 2) { /* over an earlier one, whose shards have the same names and sizes */
        struct conversion old = to("out");
        old.options.rounding = I8_ROUNDING_CPU;
        conversion_run(&old, I8_OK);
        conversion_free(&old);
        c.options.force = true;
    }
    conversion_run(&reference, I8_OK);
    interloper.its.options = c.options;
    interloper.its.options.ranks = c.options.ranks = &second;
    conversion_run(&c, I8_OK);
    ck_assert(!c.result.complete);
    c.options.ranks = &first;
    c.options.progress = &progress;
    if (interloper.kill) {
        const pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            conversion_run(&c, I8_OK);
            _exit(0);
        }
        ck_assert(!came_through(child));
        c.options.progress = NULL;
        conversion_run(&c, I8_OK);
    } else {
        conversion_run(&c, I8_OK);
        ck_assert(interloper.came);
    }
    ck_assert(c.result.complete);
    ck_assert_uint_eq(c.result.left_bytes, 0);
    ck_assert(!c.result.at_most);
    assert_digest(out, folder_digest(reference.options.output));
    conversion_free(&c);
    conversion_free(&reference);
}
END_TEST

/* A rank that has its files open, and looks again when all is published, has nothing to
 * pack, and leaves nothing behind. */
START_TEST(too_late_to_pack)
{
    const char *out = kept_path(dir, "out");
    const struct i8_rank_group group = {.rank = 0, .count = 2};
    struct conversion c = to("out");
    c.options.ranks = &group;
    struct i8i_convert_plan *plan = plan_of(&c);
    struct i8i_staging *staging;
    ck_assert_int_eq(i8i_staging_open(&staging, plan, &c.err), I8_OK);
    i8i_staging_let_go(staging, NULL);
    ck_assert(!run_rank(out, 1, 2));
    ck_assert(run_rank(out, 0, 2));
    ck_assert_msg(i8i_pack_outputs(staging, NULL, _i == 1, 1, &c.err) == I8_OK, "%s",
                  c.err.message);
    ck_assert(staging->complete);
    i8i_staging_close(staging, true);
    i8i_convert_plan_free(plan);
    assert_as_expected(out);
}
END_TEST

/* What a dead rank has begun to pack is left to the publisher, whatever is in it. */
START_TEST(begun_by_a_dead_rank)
{
    enum { COUNT = 3 };
    static const char noise[2000000] = "x";
    const char *out = kept_path(dir, "out");
    struct conversion c = to("out");
    struct i8i_convert_plan *plan = plan_of(&c);
    const struct i8i_division second = i8i_division_of(plan, 1, COUNT),
                              third = i8i_division_of(plan, 2, COUNT);
    const struct i8i_output_file *begun = NULL;
    for (size_t i = 0; i < plan->n_outputs; i++) {
        if (plan->outputs[i].frames && i8i_division_writes(&second, plan, i) &&
            !i8i_division_writes(&third, plan, i))
            begun = &plan->outputs[i];
    }
    ck_assert_ptr_nonnull(begun);
    ck_assert(!run_rank(out, 0, COUNT));
    char *part = i8i_format("%s.part", begun->packed_name);
    free(scratch_write(out, part, noise, _i == 0 ? 0 : sizeof noise));
    free(part);
    ck_assert(!run_rank(out, 1, COUNT));
    ck_assert(has_part(out, begun->plain_name));
    ck_assert(run_rank(out, 2, COUNT));
    assert_as_expected(out);
    i8i_convert_plan_free(plan);
}
END_TEST

START_TEST(refused)
{
    const char *out = kept_path(dir, "out");
    const struct i8_rank_group group = {.rank = 1, .count = 2},
                               none = {.rank = 2, .count = 2};
    ck_assert(!run_rank(out, 0, 2));

    struct conversion c = to("out");
    c.options.ranks = &none;
    conversion_run(&c, I8_ERR_ARG);
    c.options.ranks = &group;
    c.options.rounding = I8_ROUNDING_CPU;
    conversion_run(&c, I8_ERR_REFUSED);
    ck_assert_ptr_nonnull(strstr(c.err.message, "other options"));
    c.options.rounding = I8_ROUNDING_CUDA;
    ck_assert_int_eq(unlink(kept_path(out, "model-00001-of-00005.safetensors.part")), 0);
    conversion_run(&c, I8_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(c.err.message, "is gone"));
    /* A process alone has all in its hands, and begins anew. */
    c.options.ranks = NULL;
    conversion_run(&c, I8_OK);
    ck_assert_uint_eq(c.result.resumed_bytes, 0);
    assert_as_expected(out);

    conversion_free(&c);

    free(scratch_write(kept_path(dir, "other"), "notes.txt", "mine", 4));
    c = to("other");
    c.options.ranks = &group;
    conversion_run(&c, I8_ERR_REFUSED);
    ck_assert_ptr_nonnull(strstr(c.err.message, "'notes.txt'"));
    conversion_free(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("convert-ranks");
    TCase *c = tcase_create("convert-ranks"), *p = tcase_create("packed");
    tcase_add_checked_fixture(c, setup, tools_end);
    tcase_add_checked_fixture(p, setup_packed, tools_end);
    tcase_add_test(c, parts_cover_everything);
    tcase_add_test(c, read_back_while_another_publishes);
    tcase_add_test(c, refused);
    for (int i = 0; i < 2; i++) {
        TCase *t = i == 0 ? c : p;
        tcase_set_timeout(t, 300);
        tcase_add_loop_test(t, one_after_the_other, 0, 5);
        tcase_add_test(t, all_at_once);
        tcase_add_test(t, all_at_once_twice);
        tcase_add_loop_test(t, killed_at_any_moment, 0, 10);
        tcase_add_test(t, killed_after_publication);
        tcase_add_test(t, alone_then_ranks_then_alone);
        tcase_add_loop_test(t, another_machine, 0, 2);
        tcase_add_test(t, dead_publisher);
    }
    tcase_add_test(p, each_rank_packs);
    tcase_add_loop_test(p, agreeing_ranks_share_the_packing, 2, MOST_MEETING + 1);
    tcase_add_loop_test(p, published_while_we_pack, 0, 8);
    tcase_add_loop_test(p, too_late_to_pack, 0, 2);
    tcase_add_loop_test(p, begun_by_a_dead_rank, 0, 2);
    suite_add_tcase(s, c);
    if (i8i_zstd_max_level() > 0)
        suite_add_tcase(s, p);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
