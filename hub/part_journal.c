/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing and reading the journal of a partial file. A piece that is 'w' was written
 * while the kernel of that boot was running: as long as it runs, the page cache has the
 * bytes, whatever became of the process. After another boot only 's' counts: it is noted
 * behind an fdatasync.
 */
#include "config.h"

#include "base/json.h"
#include "hub/part_journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HEADER_MAX ((size_t)1024)

void i8i_journal_boot(char boot[I8I_BOOT_ID])
{
    i8i_boot_id(boot);
    if (boot[0] != '\0')
        return;
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    (void)snprintf(boot, I8I_BOOT_ID, "none-%lld-%ld-%ld", (long long)t.tv_sec,
                   (long)t.tv_nsec, (long)getpid());
}

enum i8_status i8i_journal_text(char **text, size_t *length, uint64_t *states,
                                const struct i8i_piecemap *pieces, const char *hash,
                                const char *boot, struct i8_error *err)
{
    struct i8i_json_writer w;
    i8i_jw_init(&w, false);
    i8i_jw_begin_object(&w);
    i8i_jw_kv_string(&w, "format", I8I_JOURNAL_FORMAT);
    i8i_jw_kv_string(&w, "hash", hash);
    i8i_jw_kv_u64(&w, "size", pieces->size);
    i8i_jw_kv_u64(&w, "piece", pieces->piece);
    i8i_jw_kv_string(&w, "boot", boot);
    i8i_jw_end_object(&w);
    i8i_buffer_puts(&w.buffer, "\n");
    *states = w.buffer.length;
    i8i_buffer_append(&w.buffer, pieces->state, pieces->count);
    i8i_buffer_puts(&w.buffer, "\n");
    *text = i8i_buffer_take(&w.buffer, length);
    i8i_jw_free(&w);
    return *text == NULL ? i8i_nomem(err) : I8_OK;
}

static bool says(const i8i_json *doc, const char *key, const char *value)
{
    const char *s = i8i_json_string(i8i_json_get(doc, key));
    return s != NULL && strcmp(s, value) == 0;
}

static bool counts(const i8i_json *doc, const char *key, uint64_t value)
{
    uint64_t v;
    return i8i_json_u64(&v, i8i_json_get(doc, key)) && v == value;
}

bool i8i_journal_read(struct i8i_piecemap *pieces, uint64_t *states, bool *same_boot,
                      const char *text, size_t length, const char *hash, const char *boot)
{
    *same_boot = false;
    const char *line_end = memchr(text, '\n', length < HEADER_MAX ? length : HEADER_MAX);
    if (line_end == NULL)
        return false;
    const size_t header = (size_t)(line_end - text);
    i8i_json *doc;
    if (i8i_json_parse(&doc, text, header, "journal", NULL) != I8_OK)
        return false;
    const bool ours = says(doc, "format", I8I_JOURNAL_FORMAT) &&
                      says(doc, "hash", hash) && counts(doc, "size", pieces->size) &&
                      counts(doc, "piece", pieces->piece) &&
                      length - header - 1 >= pieces->count;
    *same_boot = ours && says(doc, "boot", boot);
    i8i_json_free(doc);
    if (!ours)
        return false;
    *states = header + 1;
    for (size_t i = 0; i < pieces->count; i++) {
        const char c = text[header + 1 + i];
        if (c == I8I_PIECE_SYNCED || (c == I8I_PIECE_WRITTEN && *same_boot))
            i8i_piecemap_complete(pieces, i, c);
    }
    return true;
}
