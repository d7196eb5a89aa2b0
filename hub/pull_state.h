/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of a pull share. pull.c has the order of things, pull_check.c looks at
 * what is there, pull_fetch.c drives the download engine.
 */
#ifndef I8I_HUB_PULL_STATE_H
#define I8I_HUB_PULL_STATE_H

#include "hub/resolve.h"
#include "hub/selection.h"
#include "hub/settings.h"
#include "hub/store.h"
#include <int8tool/hub.h>
#include <pthread.h>
#include <stdatomic.h>

/* A file that was chosen. */
struct i8i_pull_entry {
    const struct i8i_hub_file *file;
    enum i8i_file_state state;
    bool damaged; /* in its place, with a wrong hash */
    bool from_network;
};
/* Is it yet to be had? */
static inline bool i8i_pull_is_wanted(const struct i8i_pull_entry *e)
{
    return e->state != I8I_FILE_PRESENT || e->damaged;
}

struct i8i_pull {
    const struct i8_hub_pull_options *options;
    const struct i8_log *log; /* the options' */
    struct i8i_hub_settings settings;
    struct i8i_repo_id repo;
    struct i8i_patterns *include, *exclude;
    struct i8i_http *http; /* NULL when offline */
    struct i8i_store store;
    struct i8i_hub_listing listing;
    bool listing_known;   /* it came from the disk */
    bool listing_stored;  /* it lies where the store keeps it */
    bool listing_partial; /* it is what the snapshot has, not what the commit has */
    struct i8i_selection chosen;
    struct i8i_pull_entry *entries; /* chosen.count */
    unsigned owner;                 /* of its partials, among the pulls of this process */
    uint64_t fetched_bytes;
    /* Counters of the stage at hand, for the watch. */
    atomic_uint_fast64_t done_bytes;
    atomic_uint_fast64_t done_files;
    atomic_bool cancelled;
};

/* A thread that shows a stage's counters and passes a wish to stop on to the client,
 * while the calling thread works. Nothing runs if there is no progress sink. */
struct i8i_pull_watch {
    struct i8i_pull *pull;
    const char *stage;
    uint64_t bytes;
    size_t files;
    pthread_t thread;
    bool running;
    atomic_bool stop;
};
void i8i_pull_watch_start(struct i8i_pull_watch *w, struct i8i_pull *p, const char *stage,
                          uint64_t bytes, size_t files);
void i8i_pull_watch_stop(struct i8i_pull_watch *w);

/* Set the store's commit and p->listing, with or without the Hub. */
enum i8_status i8i_pull_ask_hub(struct i8i_pull *p, struct i8_error *err) I8I_MUST_CHECK;
enum i8_status i8i_pull_ask_cache(struct i8i_pull *p,
                                  struct i8_error *err) I8I_MUST_CHECK;
/* For a listing from the disk: asks the Hub for it. If it is another, *changed is set and
 * p->listing replaced; what was chosen from the old one must not be used any more. */
enum i8_status i8i_pull_list_again(struct i8i_pull *p, bool *changed,
                                   struct i8_error *err) I8I_MUST_CHECK;
/* Sets every entry's state; with options->verify also `damaged`. */
enum i8_status i8i_pull_look(struct i8i_pull *p, struct i8_error *err) I8I_MUST_CHECK;
/* Puts in place what is at hand. */
enum i8_status i8i_pull_adopt(struct i8i_pull *p, struct i8_error *err) I8I_MUST_CHECK;
/* Downloads what is not PRESENT, or damaged; every entry is PRESENT afterwards. */
enum i8_status i8i_pull_fetch(struct i8i_pull *p, struct i8_error *err) I8I_MUST_CHECK;
/* Fills *r (all but seconds), hashing the files whose SHA-256 the Hub did not say. */
enum i8_status i8i_pull_answer(struct i8_hub_pull_result *r, const struct i8i_pull *p,
                               struct i8_error *err) I8I_MUST_CHECK;

#endif
