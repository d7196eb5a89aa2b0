/* SPDX-License-Identifier: Apache-2.0
 *
 * The download engine's parts: who fetches which pieces, what a journal is worth after a
 * kill and after another boot, how many connections there are.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "hub/adapt.h"
#include "hub/part_file.h"
#include "hub/part_journal.h"
#include "hub/piecemap.h"
#include "scratch.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH "b852d3feccadeea8b4813a2b1b5233114c00a195fc8f4e026eda1a4cbdc1e39e"
#define MIB  ((uint64_t)1 << 20)

/* ---- pieces ---- */

START_TEST(pieces_cover_the_file)
{
    static const uint64_t sizes[] = {0,
                                     1,
                                     MIB - 1,
                                     MIB,
                                     MIB + 1,
                                     10 * MIB + 7,
                                     70 * 1024 * MIB + 1,
                                     (uint64_t)1 << 50};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct i8i_piecemap p;
        ck_assert_int_eq(i8i_piecemap_init(&p, sizes[i], NULL), I8_OK);
        ck_assert_uint_le(p.count, I8I_PIECES_MAX);
        ck_assert_uint_eq(p.piece & (p.piece - 1), 0);
        uint64_t sum = 0;
        for (size_t k = 0; k < p.count; k++)
            sum += i8i_piece_length(&p, k);
        ck_assert_uint_eq(sum, sizes[i]);
        ck_assert_uint_eq(i8i_piecemap_frontier(&p), 0);
        i8i_piecemap_free(&p);
    }
}
END_TEST

START_TEST(runs_share_the_pieces)
{
    struct i8i_piecemap p;
    struct i8i_run a, b, c;
    ck_assert_int_eq(i8i_piecemap_init(&p, 9 * MIB + 1, NULL), I8_OK);
    i8i_piecemap_complete(&p, 3, I8I_PIECE_SYNCED);
    ck_assert(i8i_piecemap_take(&p, &a, 100)); /* up to the one that is there */
    ck_assert_uint_eq(a.next, 0);
    ck_assert_uint_eq(a.end, 3);
    ck_assert(i8i_piecemap_take(&p, &b, 2));
    ck_assert_uint_eq(b.next, 4);
    ck_assert_uint_eq(b.end, 6);
    ck_assert(i8i_piecemap_take(&p, &c, 100));
    ck_assert_uint_eq(c.next, 6);
    ck_assert_uint_eq(c.end, 10);
    ck_assert_uint_eq(p.untaken, 0);
    ck_assert(!i8i_piecemap_take(&p, &(struct i8i_run){0}, 1));
    i8i_piecemap_complete(&p, 4, I8I_PIECE_WRITTEN);
    b.next = 5;
    i8i_piecemap_give_back(&p, &b);
    ck_assert_uint_eq(p.untaken, 1);
    ck_assert(i8i_piecemap_take(&p, &b, 100));
    ck_assert_uint_eq(b.next, 5);
    ck_assert_uint_eq(b.end, 6);
    for (size_t i = 0; i < 3; i++)
        i8i_piecemap_complete(&p, i, I8I_PIECE_WRITTEN);
    ck_assert_uint_eq(i8i_piecemap_frontier(&p), 5 * MIB);
    for (size_t i = 5; i < 10; i++)
        i8i_piecemap_complete(&p, i, I8I_PIECE_WRITTEN);
    ck_assert_uint_eq(i8i_piecemap_frontier(&p), 9 * MIB + 1);
    ck_assert_uint_eq(p.done_bytes, 9 * MIB + 1);
    i8i_piecemap_free(&p);
}
END_TEST

/* Drawn at random: each piece is handed out once until it is given back, and all end
 * complete. */
START_TEST(runs_never_overlap)
{
    enum { RUNS = 7, PIECES = 40 };
    unsigned seed = 1;
    struct i8i_piecemap p;
    ck_assert_int_eq(i8i_piecemap_init(&p, PIECES * MIB, NULL), I8_OK);
    struct i8i_run runs[RUNS] = {0};
    int owner[PIECES] = {0};
    while (p.done_bytes < p.size) {
        seed = seed * 1664525u + 1013904223u;
        const int r = (int)(seed >> 24) % RUNS;
        struct i8i_run *run = &runs[r];
        if (run->next == run->end) {
            if (!i8i_piecemap_take(&p, run, (seed >> 16) % 9))
                continue;
            for (size_t i = run->next; i < run->end; i++) {
                ck_assert_int_eq(owner[i], 0);
                owner[i] = r + 1;
            }
        } else if ((seed >> 12) % 5 == 0) {
            for (size_t i = run->next; i < run->end; i++)
                owner[i] = 0;
            i8i_piecemap_give_back(&p, run);
        } else {
            ck_assert(!i8i_piece_is_done(&p, run->next));
            i8i_piecemap_complete(&p, run->next++, I8I_PIECE_WRITTEN);
        }
    }
    ck_assert_uint_eq(p.untaken, 0);
    i8i_piecemap_free(&p);
}
END_TEST

START_TEST(shares_shrink_towards_the_end)
{
    struct i8i_piecemap p;
    ck_assert_int_eq(i8i_piecemap_init(&p, 1000 * MIB, NULL), I8_OK);
    ck_assert_uint_eq(i8i_piecemap_share(&p, 4), 32);
    ck_assert_uint_eq(i8i_piecemap_share(&p, 16), 31);
    p.untaken = 100;
    ck_assert_uint_eq(i8i_piecemap_share(&p, 16), 4);
    i8i_piecemap_free(&p);
}
END_TEST

/* ---- the journal ---- */

static char *journal_of(struct i8i_piecemap *p, size_t *length, const char *boot)
{
    char *text;
    uint64_t states;
    ck_assert_int_eq(i8i_journal_text(&text, length, &states, p, HASH, boot, NULL),
                     I8_OK);
    ck_assert_int_eq(text[states], p->state[0]);
    return text;
}

static bool read_journal(struct i8i_piecemap *p, uint64_t size, const char *text,
                         size_t length, const char *hash, const char *boot)
{
    uint64_t states;
    bool same_boot;
    ck_assert_int_eq(i8i_piecemap_init(p, size, NULL), I8_OK);
    return i8i_journal_read(p, &states, &same_boot, text, length, hash, boot);
}

START_TEST(a_journal_is_worth_less_after_another_boot)
{
    struct i8i_piecemap p, q;
    size_t length;
    ck_assert_int_eq(i8i_piecemap_init(&p, 5 * MIB, NULL), I8_OK);
    i8i_piecemap_complete(&p, 0, I8I_PIECE_SYNCED);
    i8i_piecemap_complete(&p, 1, I8I_PIECE_WRITTEN);
    i8i_piecemap_complete(&p, 4, I8I_PIECE_SYNCED);
    char *text = journal_of(&p, &length, "this");
    ck_assert(read_journal(&q, 5 * MIB, text, length, HASH, "this"));
    ck_assert_mem_eq(q.state, "sw..s", 5);
    ck_assert_uint_eq(i8i_piecemap_frontier(&q), 2 * MIB);
    i8i_piecemap_free(&q);
    ck_assert(read_journal(&q, 5 * MIB, text, length, HASH, "that"));
    ck_assert_mem_eq(q.state, "s...s", 5);
    ck_assert_uint_eq(q.done_bytes, 2 * MIB);
    i8i_piecemap_free(&q);
    i8i_piecemap_free(&p);
    free(text);
}
END_TEST

START_TEST(a_journal_of_something_else_is_not_used)
{
    struct i8i_piecemap p, q;
    size_t length;
    ck_assert_int_eq(i8i_piecemap_init(&p, 5 * MIB, NULL), I8_OK);
    i8i_piecemap_complete(&p, 0, I8I_PIECE_SYNCED);
    char *text = journal_of(&p, &length, "this");
    ck_assert(!read_journal(&q, 5 * MIB, text, length, "0123", "this"));
    i8i_piecemap_free(&q);
    ck_assert(!read_journal(&q, 5 * MIB + 1, text, length, HASH, "this"));
    i8i_piecemap_free(&q);
    /* Cut anywhere, or with any byte changed: nothing that was not there is believed. */
    for (size_t n = 0; n < length; n++) {
        const bool usable = read_journal(&q, 5 * MIB, text, n, HASH, "this");
        ck_assert(!usable || n >= length - 1);
        i8i_piecemap_free(&q);
        char *damaged = i8i_strndup(text, length);
        damaged[n] = '\0';
        (void)read_journal(&q, 5 * MIB, damaged, length, HASH, "this");
        ck_assert_uint_le(q.done_bytes, MIB);
        i8i_piecemap_free(&q);
        free(damaged);
    }
    i8i_piecemap_free(&p);
    free(text);
}
END_TEST

/* ---- the partial ---- */

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static struct i8i_part_options options_for(const char *path, uint64_t size)
{
    return (struct i8i_part_options){
        .path = path, .hash = HASH, .size = size, .reserve = true, .durable = true};
}

START_TEST(a_partial_goes_on_where_it_was)
{
    char *dir = scratch_new();
    char *path = i8i_path_join(dir, "x.int8part");
    char *journal = i8i_path_join(dir, "x.int8part.journal");
    char *final = i8i_path_join(dir, "x");
    struct i8i_part part;
    struct i8i_piecemap pieces;
    bool complete;
    char bytes[] = "bytes of the second piece";
    const struct i8i_part_options o = options_for(path, 3 * MIB + 5);
    ck_assert_int_eq(i8i_part_open(&part, &pieces, &complete, &o, NULL), I8_OK);
    ck_assert(!complete && exists(journal));
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, 3 * MIB + 5);
    ck_assert_int_eq(i8i_part_write(&part, bytes, sizeof bytes, MIB, NULL), I8_OK);
    i8i_piecemap_complete(&pieces, 1, I8I_PIECE_WRITTEN);
    i8i_part_note(&part, &pieces, 1, 1);
    i8i_part_close(&part); /* a kill leaves no more than this */
    i8i_piecemap_free(&pieces);

    ck_assert_int_eq(i8i_part_open(&part, &pieces, &complete, &o, NULL), I8_OK);
    ck_assert(!complete);
    ck_assert_mem_eq(pieces.state, ".w..", 4);
    char back[sizeof bytes];
    ck_assert_int_eq(i8i_part_read(&part, back, sizeof back, MIB, NULL), I8_OK);
    ck_assert_mem_eq(back, bytes, sizeof bytes);
    for (size_t i = 0; i < pieces.count; i++)
        i8i_piecemap_complete(&pieces, i, I8I_PIECE_WRITTEN);
    i8i_part_note(&part, &pieces, 0, pieces.count);
    ck_assert_int_eq(i8i_part_commit(&part, final, NULL), I8_OK);
    ck_assert(exists(final) && !exists(path) && !exists(journal));
    i8i_part_close(&part);
    i8i_piecemap_free(&pieces);
    free(final);
    free(journal);
    free(path);
    scratch_remove(dir);
}
END_TEST

/* Killed between the removal of the journal and the rename: all is there, to be hashed.
 */
START_TEST(a_partial_without_journal_is_complete)
{
    char *dir = scratch_new();
    char *path = i8i_path_join(dir, "x.int8part");
    char *journal = i8i_path_join(dir, "x.int8part.journal");
    struct i8i_part part;
    struct i8i_piecemap pieces;
    bool complete;
    struct i8i_part_options o = options_for(path, 2 * MIB);
    ck_assert_int_eq(i8i_part_open(&part, &pieces, &complete, &o, NULL), I8_OK);
    i8i_part_close(&part);
    i8i_piecemap_free(&pieces);
    ck_assert_int_eq(unlink(journal), 0);
    ck_assert_int_eq(i8i_part_open(&part, &pieces, &complete, &o, NULL), I8_OK);
    ck_assert(complete);
    ck_assert_uint_eq(i8i_piecemap_frontier(&pieces), 2 * MIB);
    i8i_part_close(&part);
    i8i_piecemap_free(&pieces);
    /* Of another size it is something else. */
    o = options_for(path, 3 * MIB);
    ck_assert_int_eq(i8i_part_open(&part, &pieces, &complete, &o, NULL), I8_OK);
    ck_assert(!complete);
    ck_assert_uint_eq(pieces.done_bytes, 0);
    i8i_part_discard(&part);
    i8i_part_close(&part);
    i8i_piecemap_free(&pieces);
    free(journal);
    free(path);
    scratch_remove(dir);
}
END_TEST

START_TEST(a_partial_is_not_written_through_a_link)
{
    char *dir = scratch_new();
    char *path = i8i_path_join(dir, "x.int8part");
    char *victim = scratch_write(dir, "victim", "precious", 8);
    ck_assert_int_eq(symlink("victim", path), 0);
    struct i8i_part part;
    struct i8i_piecemap pieces;
    bool complete;
    const struct i8i_part_options o = options_for(path, 2 * MIB);
    ck_assert_int_eq(i8i_part_open(&part, &pieces, &complete, &o, NULL), I8_OK);
    struct stat st;
    ck_assert_int_eq(lstat(path, &st), 0);
    ck_assert(S_ISREG(st.st_mode));
    ck_assert_int_eq(stat(victim, &st), 0);
    ck_assert_int_eq(st.st_size, 8);
    i8i_part_discard(&part);
    i8i_part_close(&part);
    i8i_piecemap_free(&pieces);
    free(victim);
    free(path);
    scratch_remove(dir);
}
END_TEST

START_TEST(a_full_disk_is_noticed_first)
{
    char *dir = scratch_new();
    char *path = i8i_path_join(dir, "x.int8part");
    struct i8_error err = {0};
    ck_assert_int_eq(i8i_space_check(path, 1, &err), I8_OK);
    ck_assert_int_eq(i8i_space_check(path, (uint64_t)1 << 60, &err), I8_ERR_NOSPACE);
    ck_assert_ptr_nonnull(strstr(err.message, dir));
    struct i8i_part part;
    struct i8i_piecemap pieces;
    bool complete;
    /* Beyond what the file system can hold or even name. */
    const struct i8i_part_options o = options_for(path, (uint64_t)1 << 62);
    ck_assert_int_ne(i8i_part_open(&part, &pieces, &complete, &o, &err), I8_OK);
    ck_assert(!exists(path));
    i8i_part_close(&part);
    i8i_piecemap_free(&pieces);
    free(path);
    scratch_remove(dir);
}
END_TEST

/* ---- connections ---- */

/* Runs the controller against a link whose rate depends on the connections. */
static double simulate(struct i8i_adapt *a, double from_s, double seconds,
                       double (*rate)(unsigned connections))
{
    static double bytes;
    double t = from_s;
    for (; t < from_s + seconds; t += 0.1) {
        bytes += rate(a->now) * 0.1;
        i8i_adapt_update(a, t, (uint64_t)bytes, a->now);
    }
    return t;
}

static double capped_each(unsigned n)
{
    return 40e6 * n;
}

static double shared(unsigned n)
{
    return n > 0 ? 500e6 : 0;
}

static double collapses(unsigned n)
{
    return n > 4 ? 1e6 : 75e6 * n;
}

static double throttled(unsigned n)
{
    return 1e6 * n;
}

static double well_then(unsigned n)
{
    return 150e6 * n;
}

START_TEST(connections_grow_while_it_pays)
{
    struct i8i_adapt a;
    i8i_adapt_init(&a, 16);
    ck_assert_uint_eq(a.now, I8I_ADAPT_START);
    (void)simulate(&a, 1, 3, capped_each);
    ck_assert_uint_eq(a.now, 16);
    i8i_adapt_init(&a, 2);
    ck_assert_uint_eq(a.now, 2);
}
END_TEST

/* A link that one connection fills, or a connection that bursts before it is paced. */
START_TEST(uneven_rates_do_not_keep_it_small)
{
    struct i8i_adapt a;
    i8i_adapt_init(&a, 16);
    double t = simulate(&a, 1, 5, shared);
    ck_assert_uint_eq(a.now, 16);
    i8i_adapt_init(&a, 16);
    t = simulate(&a, t, 0.7, shared);
    t = simulate(&a, t, 30, capped_each);
    ck_assert_uint_eq(a.now, 16);
}
END_TEST

/* More than four at once and the server throttles to nothing: four it is, at once and
 * when that begins later. */
START_TEST(a_collapse_is_backed_out_of)
{
    struct i8i_adapt a;
    i8i_adapt_init(&a, 16);
    double t = simulate(&a, 1, 5, collapses);
    ck_assert_uint_eq(a.now, 4);
    i8i_adapt_init(&a, 16);
    t = simulate(&a, t, 5, well_then);
    ck_assert_uint_eq(a.now, 16);
    t = simulate(&a, t, 12, collapses);
    ck_assert_uint_le(a.now, 4);
    i8i_adapt_cap(&a, 3);
    (void)simulate(&a, t, 60, capped_each);
    ck_assert_uint_le(a.now, 3);
}
END_TEST

START_TEST(nothing_is_learnt_from_idle_connections)
{
    struct i8i_adapt a;
    i8i_adapt_init(&a, 16);
    for (double t = 1; t < 10; t += 0.1)
        i8i_adapt_update(&a, t, (uint64_t)(t * 1e6), 3);
    ck_assert_uint_eq(a.now, I8I_ADAPT_START);
}
END_TEST

/* A file that allows three of sixteen: three are looked at, and halved when they
 * collapse; when there is use for more again, more are tried. */
START_TEST(what_there_is_no_use_for_does_not_count)
{
    struct i8i_adapt a;
    i8i_adapt_init(&a, 16);
    double t = simulate(&a, 1, 5, well_then);
    ck_assert_uint_eq(a.now, 16);
    i8i_adapt_room(&a, 3);
    ck_assert_uint_eq(a.now, 3);
    t = simulate(&a, t, 30, well_then);
    ck_assert_uint_eq(a.now, 3);
    t = simulate(&a, t, 6, throttled);
    ck_assert_uint_eq(a.now, 1);
    i8i_adapt_room(&a, 100);
    (void)simulate(&a, t, 60, well_then);
    ck_assert_uint_eq(a.now, 16);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hub engine");
    TCase *pieces = tcase_create("pieces");
    tcase_add_test(pieces, pieces_cover_the_file);
    tcase_add_test(pieces, runs_share_the_pieces);
    tcase_add_test(pieces, runs_never_overlap);
    tcase_add_test(pieces, shares_shrink_towards_the_end);
    suite_add_tcase(s, pieces);
    TCase *part = tcase_create("partial and journal");
    tcase_add_test(part, a_journal_is_worth_less_after_another_boot);
    tcase_add_test(part, a_journal_of_something_else_is_not_used);
    tcase_add_test(part, a_partial_goes_on_where_it_was);
    tcase_add_test(part, a_partial_without_journal_is_complete);
    tcase_add_test(part, a_partial_is_not_written_through_a_link);
    tcase_add_test(part, a_full_disk_is_noticed_first);
    suite_add_tcase(s, part);
    TCase *adapt = tcase_create("connections");
    tcase_add_test(adapt, connections_grow_while_it_pays);
    tcase_add_test(adapt, uneven_rates_do_not_keep_it_small);
    tcase_add_test(adapt, a_collapse_is_backed_out_of);
    tcase_add_test(adapt, nothing_is_learnt_from_idle_connections);
    tcase_add_test(adapt, what_there_is_no_use_for_does_not_count);
    suite_add_tcase(s, adapt);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
