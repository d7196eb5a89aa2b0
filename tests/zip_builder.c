/* SPDX-License-Identifier: Apache-2.0
 *
 * A zip writer of the plainest kind.
 */
#include "config.h"

#include "zip_builder.h"

#include <string.h>

static void put(struct i8i_buffer *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        i8i_buffer_append(b, &(char){i < 8 ? (char)(v >> (8 * i)) : 0}, 1);
}

static void put_local(struct i8i_buffer *out, const struct zip_item *item)
{
    const char *name = item->local_name != NULL ? item->local_name : item->name;
    const size_t n = strlen(name);
    const size_t pad = -(out->length + 30 + n + 4) % 64;
    i8i_buffer_append(out, "PK\3\4", 4);
    put(out, 0, 2);
    put(out, item->flags, 2);
    put(out, item->method, 2);
    put(out, 0, 8); /* time, date, CRC */
    put(out, 0, 8); /* sizes: in the directory, as with a data descriptor */
    put(out, n, 2);
    put(out, 4 + pad, 2);
    i8i_buffer_append(out, name, n);
    i8i_buffer_append(out, "FB", 2);
    put(out, pad, 2);
    for (size_t i = 0; i < pad; i++)
        i8i_buffer_append(out, "Z", 1);
    i8i_buffer_append(out, item->bytes, item->n);
}

static void put_central(struct i8i_buffer *out, const struct zip_item *item,
                        uint64_t start, bool zip64)
{
    const size_t n = strlen(item->name);
    const uint64_t size = item->claim != 0 ? item->claim : item->n;
    i8i_buffer_append(out, "PK\1\2", 4);
    put(out, 0, 4);
    put(out, item->flags, 2);
    put(out, item->method, 2);
    put(out, 0, 8);
    put(out, zip64 ? 0xffffffff : size, 4);
    put(out, zip64 ? 0xffffffff : size, 4);
    put(out, n, 2);
    put(out, zip64 ? 28 : 0, 2);
    put(out, 0, 2 + 2 + 2 + 4);
    put(out, zip64 ? 0xffffffff : start, 4);
    i8i_buffer_append(out, item->name, n);
    if (zip64) {
        put(out, 1, 2);
        put(out, 24, 2);
        put(out, size, 8);
        put(out, size, 8);
        put(out, start, 8);
    }
}

void zip_build(struct i8i_buffer *out, const struct zip_item *items, size_t count,
               bool zip64, const char *comment)
{
    uint64_t starts[64];
    i8i_buffer_init(out, SIZE_MAX);
    for (size_t i = 0; i < count; i++) {
        starts[i] = out->length - items[i].start_back;
        put_local(out, &items[i]);
    }
    const uint64_t directory = out->length;
    for (size_t i = 0; i < count; i++)
        put_central(out, &items[i], starts[i], zip64);
    const uint64_t end = out->length;
    if (zip64) {
        i8i_buffer_append(out, "PK\6\6", 4);
        put(out, 44, 8);
        put(out, 0, 12);
        put(out, count, 8);
        put(out, count, 8);
        put(out, end - directory, 8);
        put(out, directory, 8);
        i8i_buffer_append(out, "PK\6\7", 4);
        put(out, 0, 4);
        put(out, end, 8);
        put(out, 1, 4);
    }
    i8i_buffer_append(out, "PK\5\6", 4);
    put(out, 0, 4);
    put(out, zip64 ? 0xffff : count, 2);
    put(out, zip64 ? 0xffff : count, 2);
    put(out, zip64 ? 0xffffffff : end - directory, 4);
    put(out, zip64 ? 0xffffffff : directory, 4);
    put(out, strlen(comment), 2);
    i8i_buffer_puts(out, comment);
}
