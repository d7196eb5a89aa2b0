/* SPDX-License-Identifier: Apache-2.0
 *
 * The result of a pull: what lies where, with the SHA-256 of each file.
 */
#include "config.h"

#include "hub/file_copy.h"
#include "hub/pull_state.h"
#include <stdlib.h>
#include <string.h>

static enum i8_status describe(struct i8_hub_pulled *out, const struct i8i_pull *p,
                               const struct i8i_pull_entry *e, struct i8_error *err)
{
    out->name = i8i_strdup(e->file->path);
    out->path = p->store.ops->path(&p->store, e->file);
    if (out->name == NULL || out->path == NULL)
        return i8i_nomem(err);
    out->bytes = e->file->size;
    out->from_network = e->from_network;
    if (e->file->lfs) {
        memcpy(out->sha256, e->file->hash, sizeof out->sha256);
        return I8_OK;
    }
    return i8i_hash_file(out->sha256, out->path, I8I_SHA256, NULL, err); /* a small one */
}

enum i8_status i8i_pull_answer(struct i8_hub_pull_result *r, const struct i8i_pull *p,
                               struct i8_error *err)
{
    r->path = i8i_strdup(p->store.root);
    r->files = i8i_calloc(p->chosen.count, sizeof *r->files);
    if (r->path == NULL || r->files == NULL)
        return i8i_nomem(err);
    memcpy(r->commit, p->store.commit, sizeof r->commit);
    r->files_left_out = p->chosen.other_formats;
    r->bytes_left_out = p->chosen.other_bytes;
    r->downloaded_bytes = p->fetched_bytes;
    enum i8_status st = I8_OK;
    for (size_t i = 0; st == I8_OK && i < p->chosen.count; i++)
        st = describe(&r->files[r->n_files++], p, &p->entries[i], err);
    return st;
}

void i8_hub_pull_result_free(struct i8_hub_pull_result *r)
{
    for (size_t i = 0; i < r->n_files; i++) {
        free((char *)r->files[i].name);
        free((char *)r->files[i].path);
    }
    free(r->files);
    free(r->path);
    *r = (struct i8_hub_pull_result){0};
}
