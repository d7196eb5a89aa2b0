/* SPDX-License-Identifier: Apache-2.0
 *
 * zstd seekable files. Reading all of an accepted file's content and reading parts of it
 * give the same bytes, or both fail. An input that begins with 'T' is frames only, each
 * behind one byte that tells its size, and gets a sound table: so that frames are tried,
 * too, whose sizes add up.
 */
#include "config.h"

#include "fuzz.h"
#include "source/seek_table.h"
#include "source/zstd_source.h"

#define MOST_CONTENT ((uint64_t)1 << 20)
#define MOST_FRAMES  32

static void read_all(struct i8i_source *s)
{
    struct i8_error err;
    const size_t n = (size_t)s->size;
    char *whole = malloc(n + 1), *part = malloc(n + 1);
    MUST(whole != NULL && part != NULL);
    const enum i8_status all = i8i_source_read_at(s, whole, n, 0, &err);
    bool failed = all != I8_OK;
    MUST(all == I8_OK || err.message[0] != '\0');
    const size_t step = n / 7 + 1;
    enum i8_status st = I8_OK;
    for (size_t at = 0; at < n; at += step) {
        const size_t k = n - at < step ? n - at : step;
        if (i8i_source_read_at(s, part + at, k, at, &err) != I8_OK)
            st = I8_ERR_DATA;
    }
    MUST(failed == (st != I8_OK));
    MUST(failed || memcmp(whole, part, n) == 0);
    free(whole);
    free(part);
}

/* Cuts the input into frames and writes the table that they need. */
static size_t add_table(uint8_t *out, const uint8_t *data, size_t size)
{
    unsigned char entries[MOST_FRAMES * I8I_SEEK_ENTRY_BYTES];
    uint32_t frames = 0;
    size_t n = 0;
    while (size > 3 && frames < MOST_FRAMES) {
        size_t bytes = data[0];
        const uint32_t content = data[1] | (uint32_t)(data[2] & 0x1f) << 8;
        uint32_t check = 0;
        data += 3;
        size -= 3;
        bytes = bytes < size ? bytes : size;
        memcpy(out + n, data, bytes);
        (void)i8i_zstd_frame_check(&check, data, bytes);
        i8i_seek_table_entry(entries + frames++ * I8I_SEEK_ENTRY_BYTES, (uint32_t)bytes,
                             content, check);
        n += bytes;
        data += bytes;
        size -= bytes;
    }
    i8i_seek_table_head(out + n, frames);
    memcpy(out + n + I8I_SEEK_HEAD_BYTES, entries, frames * I8I_SEEK_ENTRY_BYTES);
    n += I8I_SEEK_HEAD_BYTES + frames * I8I_SEEK_ENTRY_BYTES;
    i8i_seek_table_foot(out + n, frames);
    return n + I8I_SEEK_FOOT_BYTES;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct i8_error err = {0};
    struct i8i_frame_cache *cache;
    struct i8i_source *source;
    uint8_t *made = NULL;
    if (i8i_zstd_max_level() == 0)
        return 0; /* a build without libzstd */
    if (size > 0 && data[0] == 'T') {
        made = malloc(size + MOST_FRAMES * I8I_SEEK_ENTRY_BYTES + 32);
        MUST(made != NULL);
        size = add_table(made, data + 1, size - 1);
        data = made;
    }
    struct memory_source m = memory_source(data, size);
    MUST(i8i_frame_cache_new(&cache, &err) == I8_OK);
    enum i8_status st = i8i_source_open_zstd(&source, &m.source, cache, &err);
    MUST(made == NULL || st == I8_OK);
    if (st == I8_OK && source->size <= MOST_CONTENT)
        read_all(source);
    MUST(st == I8_OK || (source == NULL && err.status == st && err.message[0] != '\0'));
    i8i_source_close(source);
    i8i_frame_cache_free(cache);
    free(made);
    return 0;
}
