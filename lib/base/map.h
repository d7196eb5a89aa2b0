/* SPDX-License-Identifier: Apache-2.0
 *
 * String → index hash table (open addressing, keyed hash against crafted
 * collisions). Keys are borrowed and must outlive the map.
 */
#ifndef I8I_BASE_MAP_H
#define I8I_BASE_MAP_H

#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

struct i8i_map {
    struct i8i_map_slot *slots;
    size_t n_slots; /* a power of two, or 0 */
    struct i8i_map_entry *entries;
    size_t count, capacity; /* of entries */
    uint64_t seed;
};
#define I8I_MAP_NONE SIZE_MAX

void i8i_map_init(struct i8i_map *m);
void i8i_map_free(struct i8i_map *m);
/* Makes room for so many keys at once: a table that grows by itself moves them all again
 * at each doubling. */
enum i8_status i8i_map_reserve(struct i8i_map *m, size_t count,
                               struct i8_error *err) I8I_MUST_CHECK;
/* Adds key → value, or leaves an existing key alone. *existing (may be NULL) is the
 * value that was there, or I8I_MAP_NONE. Fails only without memory. */
enum i8_status i8i_map_add(struct i8i_map *m, const char *key, size_t value,
                           size_t *existing, struct i8_error *err) I8I_MUST_CHECK;
/* The value, or I8I_MAP_NONE. */
size_t i8i_map_get(const struct i8i_map *m, const char *key);

#endif
