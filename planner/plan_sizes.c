/* SPDX-License-Identifier: Apache-2.0
 *
 * A file of prices: {tensor: bytes}.
 */
#include "config.h"

#include "planner/bytes.h"

#include "base/json.h"
#include "base/map.h"
#include "base/memory.h"

#include <stdlib.h>

#define MOST_SIZES_BYTES (256u << 20)

struct i8_plan_sizes {
    i8i_json *doc; /* owns the names */
    uint64_t *bytes;
    struct i8i_map by_name;
};

static enum i8_status read_entries(struct i8_plan_sizes *s, const char *path,
                                   struct i8_error *err)
{
    size_t i = 0;

    if (!i8i_json_is_object(s->doc))
        return i8i_fail(err, I8_ERR_DATA, "%s: expected an object {tensor: bytes}", path);
    s->bytes = i8i_calloc(i8i_json_count(s->doc), sizeof *s->bytes);
    if (s->bytes == NULL)
        return i8i_nomem(err);
    for (const i8i_json *n = i8i_json_first(s->doc); n != NULL;
         n = i8i_json_next(n), i++) {
        if (!i8i_json_u64(&s->bytes[i], n))
            return i8i_fail(err, I8_ERR_DATA, "%s: %s: expected a number of bytes", path,
                            i8i_json_key(n));
        enum i8_status status = i8i_map_add(&s->by_name, i8i_json_key(n), i, NULL, err);
        if (status != I8_OK)
            return status;
    }
    return I8_OK;
}

enum i8_status i8_plan_read_sizes(struct i8_plan_sizes **out, const char *path,
                                  struct i8_error *err)
{
    struct i8_plan_sizes *s = i8i_calloc(1, sizeof *s);

    *out = NULL;
    if (s == NULL)
        return i8i_nomem(err);
    i8i_map_init(&s->by_name);
    enum i8_status status = i8i_json_read_file(&s->doc, path, MOST_SIZES_BYTES, err);
    if (status == I8_OK)
        status = read_entries(s, path, err);
    if (status != I8_OK) {
        i8_plan_sizes_free(s);
        return status;
    }
    *out = s;
    return I8_OK;
}

void i8_plan_sizes_free(struct i8_plan_sizes *s)
{
    if (s == NULL)
        return;
    i8i_map_free(&s->by_name);
    i8i_json_free(s->doc);
    free(s->bytes);
    free(s);
}

bool i8i_plan_size_of(uint64_t *bytes, const struct i8_plan_sizes *s, const char *tensor)
{
    size_t i = s != NULL ? i8i_map_get(&s->by_name, tensor) : I8I_MAP_NONE;

    if (i == I8I_MAP_NONE)
        return false;
    *bytes = s->bytes[i];
    return true;
}
