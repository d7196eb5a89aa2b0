/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole frames are decoded where the reader wants them; of a frame that is wanted in part
 * the content is kept for a while, since the next read most likely goes on behind this.
 */
#include "config.h"

#include "base/memory.h"
#include "source/frame_cache.h"
#include "source/seek_table.h"
#include "source/zstd_source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct zstd_source {
    struct i8i_source source;
    struct i8i_frame_cache *cache;
    struct i8i_seek_table table;
};

/* Decodes frame i to dst, which has room for its content. */
static enum i8_status read_frame(struct zstd_source *z, size_t i, void *dst,
                                 struct i8_error *err)
{
    const struct i8i_seek_entry *e = &z->table.entries[i];
    const size_t bytes = (size_t)(e[1].stored - e->stored),
                 n = (size_t)(e[1].content - e->content);
    struct i8i_frame_workspace *w;
    enum i8_status st = i8i_frame_workspace_take(&w, z->cache, bytes, err);
    if (st != I8_OK)
        return st;
    st = i8i_source_read_at(z->source.stored, w->stored, bytes, e->stored, err);
    if (st == I8_OK) {
        uint32_t check;
        const char *wrong = i8i_zstd_decode(w->decoder, dst, n, w->stored, bytes);
        if (wrong == NULL && z->table.has_checks &&
            i8i_zstd_frame_check(&check, w->stored, bytes) && check != e->check)
            wrong = "its checksum is not the seek table's";
        if (wrong)
            st =
                i8i_fail(err, I8_ERR_DATA,
                         "%s: damaged zstd frame %zu (content from byte %" PRIu64 "): %s",
                         z->source.name, i, e->content, wrong);
    }
    i8i_frame_workspace_give(z->cache, w);
    return st;
}

static enum i8_status load(void *ctx, size_t frame, void *dst, struct i8_error *err)
{
    return read_frame(ctx, frame, dst, err);
}

static enum i8_status zstd_read_at(struct i8i_source *s, void *dst, size_t n,
                                   uint64_t offset, struct i8_error *err)
{
    struct zstd_source *z = (struct zstd_source *)s;
    const struct i8i_seek_entry *entries = z->table.entries;
    char *to = dst;
    enum i8_status st = I8_OK;
    for (size_t i = i8i_seek_table_find(&z->table, offset); n > 0 && st == I8_OK; i++) {
        const size_t content = (size_t)(entries[i + 1].content - entries[i].content);
        const size_t skip = (size_t)(offset - entries[i].content);
        const size_t part = content - skip < n ? content - skip : n;
        if (part == 0) /* an empty frame, or one for other readers to skip */
            continue;
        if (part == content)
            st = read_frame(z, i, to, err);
        else
            st = i8i_frame_cache_read(z->cache, z, i, content, load, to, skip, part, err);
        to += part;
        offset += part;
        n -= part;
    }
    return st;
}

static void zstd_close(struct i8i_source *s)
{
    struct zstd_source *z = (struct zstd_source *)s;
    i8i_frame_cache_forget(z->cache, z);
    i8i_seek_table_free(&z->table);
    i8i_source_close(z->source.stored);
    free(z);
}

static const struct i8i_source_ops zstd_ops = {.read_at = zstd_read_at,
                                               .close = zstd_close};

enum i8_status i8i_source_open_zstd(struct i8i_source **out, struct i8i_source *stored,
                                    struct i8i_frame_cache *cache, struct i8_error *err)
{
    *out = NULL;
    enum i8_status st = i8i_zstd_check(stored->name, err);
    if (st != I8_OK)
        return st;
    struct zstd_source *z = i8i_calloc(1, sizeof *z);
    if (z == NULL)
        return i8i_nomem(err);
    st = i8i_seek_table_read(&z->table, stored, err);
    if (st == I8_OK)
        st = i8i_frame_cache_expect(cache, z->table.largest_content,
                                    z->table.largest_stored, err);
    if (st != I8_OK) {
        i8i_seek_table_free(&z->table);
        free(z);
        return st;
    }
    z->source = (struct i8i_source){.ops = &zstd_ops,
                                    .size = z->table.entries[z->table.count].content,
                                    .name = stored->name,
                                    .fd = -1,
                                    .stored = stored};
    z->cache = cache;
    *out = &z->source;
    return I8_OK;
}
