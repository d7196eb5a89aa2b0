/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "source/seek_table.h"
#include "source/zstd_codec.h"
#include "zstd_builder.h"

#include <stdlib.h>

void zstd_begin(struct zstd_builder *z)
{
    *z = (struct zstd_builder){0};
    i8i_buffer_init(&z->bytes, (size_t)64 << 20);
}

void zstd_add(struct zstd_builder *z, const void *content, size_t n)
{
    struct i8i_zstd_encoder *e;
    struct i8_error err;
    size_t bytes = 0;
    char *frame = malloc(i8i_zstd_bound(n));
    if (frame == NULL || z->frames == 64 || i8i_zstd_encoder_new(&e, 1, &err) != I8_OK ||
        i8i_zstd_encode(e, frame, &bytes, content, n, &err) != I8_OK)
        abort();
    i8i_zstd_encoder_free(e);
    i8i_buffer_append(&z->bytes, frame, bytes);
    z->stored[z->frames] = (uint32_t)bytes;
    z->content[z->frames] = (uint32_t)n;
    if (!i8i_zstd_frame_check(&z->check[z->frames], (unsigned char *)frame, bytes))
        abort();
    z->frames++;
    free(frame);
}

void zstd_skip(struct zstd_builder *z, const void *bytes, size_t n)
{
    i8i_buffer_append(&z->bytes, bytes, n);
    z->stored[z->frames] = (uint32_t)n;
    z->content[z->frames] = z->check[z->frames] = 0;
    z->frames++;
}

void zstd_end(struct zstd_builder *z, int checks)
{
    unsigned char head[I8I_SEEK_HEAD_BYTES], entry[I8I_SEEK_ENTRY_BYTES],
        foot[I8I_SEEK_FOOT_BYTES];
    i8i_seek_table_head(head, z->frames);
    i8i_seek_table_foot(foot, z->frames);
    if (!checks) {
        const uint32_t bytes = z->frames * 8 + I8I_SEEK_FOOT_BYTES;
        for (int i = 0; i < 4; i++)
            head[4 + i] = (unsigned char)(bytes >> (8 * i));
        foot[4] = 0;
    }
    i8i_buffer_append(&z->bytes, head, sizeof head);
    for (uint32_t i = 0; i < z->frames; i++) {
        i8i_seek_table_entry(entry, z->stored[i], z->content[i], z->check[i]);
        i8i_buffer_append(&z->bytes, entry, checks ? 12 : 8);
    }
    i8i_buffer_append(&z->bytes, foot, sizeof foot);
}
