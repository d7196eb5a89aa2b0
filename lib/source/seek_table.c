/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and composing seek tables. What a table says is believed only as far as it
 * adds up to the file that it stands in.
 */
#include "config.h"

#include "base/memory.h"
#include "source/seek_table.h"
#include "source/zstd_codec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_MAGIC     UINT32_C(0xFD2FB528)
#define SKIPPABLE_MAGIC UINT32_C(0x184D2A50) /* … 5F */
#define TABLE_MAGIC     UINT32_C(0x184D2A5E)
#define FOOT_MAGIC      UINT32_C(0x8F92EAB1)
#define HAS_CHECKS      0x80u
#define RESERVED        0x7cu
/* A frame may be larger than its content by a little; far more is no sane writer's. */
#define MOST_OVERHEAD ((uint32_t)1 << 20)

static uint32_t u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static void put_u32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

bool i8i_zstd_is_zstd(const unsigned char *magic, size_t n)
{
    return n >= I8I_ZSTD_MAGIC &&
           (u32(magic) == FRAME_MAGIC || (u32(magic) & ~0xfu) == SKIPPABLE_MAGIC);
}

bool i8i_zstd_frame_check(uint32_t *check, const unsigned char *frame, size_t bytes)
{
    if (bytes < 9 || u32(frame) != FRAME_MAGIC || (frame[4] & 4) == 0)
        return false;
    *check = u32(frame + bytes - 4);
    return true;
}

/* ---- reading ---- */

static enum i8_status no_table(const struct i8i_source *source, struct i8_error *err)
{
    return i8i_fail(err, I8_ERR_UNSUPPORTED,
                    "%s: compressed by zstd without a seek table at its end (or cut "
                    "short), so it cannot be read in place; 'zstd -d' unpacks it",
                    source->name);
}

static enum i8_status bad_table(const struct i8i_source *source, const char *what,
                                struct i8_error *err)
{
    return i8i_fail(err, I8_ERR_DATA, "%s: its zstd seek table %s", source->name, what);
}

static enum i8_status read_foot(struct i8i_seek_table *t, uint64_t *table_bytes,
                                struct i8i_source *source, struct i8_error *err)
{
    unsigned char foot[I8I_SEEK_FOOT_BYTES], head[I8I_SEEK_HEAD_BYTES];
    if (source->size < sizeof foot + sizeof head)
        return no_table(source, err);
    enum i8_status st =
        i8i_source_read_at(source, foot, sizeof foot, source->size - sizeof foot, err);
    if (st != I8_OK)
        return st;
    if (u32(foot + 5) != FOOT_MAGIC)
        return no_table(source, err);
    if ((foot[4] & RESERVED) != 0)
        return bad_table(source, "has reserved bits set", err);
    t->has_checks = (foot[4] & HAS_CHECKS) != 0;
    const uint32_t frames = u32(foot);
    if (frames > I8I_SEEK_MAX_FRAMES)
        return i8i_fail(err, I8_ERR_UNSUPPORTED,
                        "%s: its zstd seek table has %" PRIu32 " frames, at most %" PRIu32
                        " are handled",
                        source->name, frames, I8I_SEEK_MAX_FRAMES);
    const uint64_t body =
        (uint64_t)frames * (t->has_checks ? 12 : 8) + I8I_SEEK_FOOT_BYTES;
    if (body > source->size - sizeof head)
        return bad_table(source, "is larger than the file", err);
    st = i8i_source_read_at(source, head, sizeof head, source->size - body - sizeof head,
                            err);
    if (st != I8_OK)
        return st;
    if (u32(head) != TABLE_MAGIC || u32(head + 4) != body)
        return bad_table(source, "does not begin where it should", err);
    t->count = frames;
    *table_bytes = body + sizeof head;
    return I8_OK;
}

static enum i8_status read_entry(struct i8i_seek_table *t, size_t i, uint64_t room,
                                 const unsigned char *p, const struct i8i_source *source,
                                 struct i8_error *err)
{
    struct i8i_seek_entry *e = &t->entries[i];
    const uint32_t stored = u32(p), content = u32(p + 4);
    e->check = t->has_checks ? u32(p + 8) : 0;
    if (stored > room - e->stored)
        return bad_table(source, "lists more bytes than the file has", err);
    if (content > I8I_SEEK_MAX_CONTENT)
        return i8i_fail(err, I8_ERR_UNSUPPORTED,
                        "%s: frame %zu holds %" PRIu32 " bytes, at most %" PRIu32
                        " can be read in place; 'zstd -d' unpacks it",
                        source->name, i, content, I8I_SEEK_MAX_CONTENT);
    if (content > 0 && stored > content + MOST_OVERHEAD)
        return bad_table(source, "lists a frame far larger than its content", err);
    if (content > 0 && t->largest_stored < stored)
        t->largest_stored = stored;
    if (t->largest_content < content)
        t->largest_content = content;
    e[1].stored = e->stored + stored;    /* at most room */
    e[1].content = e->content + content; /* 2^22 times 2^24 at most */
    return I8_OK;
}

enum i8_status i8i_seek_table_read(struct i8i_seek_table *t, struct i8i_source *source,
                                   struct i8_error *err)
{
    uint64_t table_bytes = 0;
    *t = (struct i8i_seek_table){0};
    enum i8_status st = read_foot(t, &table_bytes, source, err);
    if (st != I8_OK)
        return st;
    const size_t width = t->has_checks ? 12 : 8;
    const uint64_t room = source->size - table_bytes;
    unsigned char *raw = i8i_calloc(t->count, width);
    t->entries = i8i_calloc(t->count + 1, sizeof *t->entries);
    if (raw == NULL || t->entries == NULL)
        st = i8i_nomem(err);
    if (st == I8_OK)
        st = i8i_source_read_at(source, raw, t->count * width, room + I8I_SEEK_HEAD_BYTES,
                                err);
    for (size_t i = 0; i < t->count && st == I8_OK; i++)
        st = read_entry(t, i, room, raw + i * width, source, err);
    if (st == I8_OK && t->entries[t->count].stored != room)
        st = i8i_fail(err, I8_ERR_DATA,
                      "%s: its zstd seek table lists %" PRIu64
                      " bytes of frames, the file has %" PRIu64,
                      source->name, t->entries[t->count].stored, room);
    free(raw);
    return st;
}

void i8i_seek_table_free(struct i8i_seek_table *t)
{
    free(t->entries);
    *t = (struct i8i_seek_table){0};
}

size_t i8i_seek_table_find(const struct i8i_seek_table *t, uint64_t at)
{
    size_t low = 0, high = t->count; /* content[low] <= at < content[high] */
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (t->entries[middle].content <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* ---- composing ---- */

uint64_t i8i_seek_table_bytes(uint64_t frames)
{
    return I8I_SEEK_HEAD_BYTES + frames * I8I_SEEK_ENTRY_BYTES + I8I_SEEK_FOOT_BYTES;
}

void i8i_seek_table_head(unsigned char out[I8I_SEEK_HEAD_BYTES], uint32_t frames)
{
    put_u32(out, TABLE_MAGIC);
    put_u32(out + 4, frames * I8I_SEEK_ENTRY_BYTES + I8I_SEEK_FOOT_BYTES);
}

void i8i_seek_table_entry(unsigned char out[I8I_SEEK_ENTRY_BYTES], uint32_t stored,
                          uint32_t content, uint32_t check)
{
    put_u32(out, stored);
    put_u32(out + 4, content);
    put_u32(out + 8, check);
}

void i8i_seek_table_foot(unsigned char out[I8I_SEEK_FOOT_BYTES], uint32_t frames)
{
    put_u32(out, frames);
    out[4] = HAS_CHECKS;
    put_u32(out + 5, FOOT_MAGIC);
}
