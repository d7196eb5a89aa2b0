/* SPDX-License-Identifier: Apache-2.0
 *
 * Open addressing with linear probing at a load of at most 3/4, over slots of 8 bytes;
 * keys and values stand in a list of their own, in the order in which they came. Where
 * there are a million names, a look-up misses the caches for its slot, but for its entry
 * only if its neighbours were not looked up just before.
 *
 * The hash is SipHash-1-3 with a random seed a map: names come from files, and with a
 * fixed hash a crafted file could put all of them into one chain.
 */
#include "config.h"

#include "base/map.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define MIN_SLOTS 16
#define MAX_SLOTS ((uint64_t)1 << 32) /* as many as 32 bits of hash can tell apart */

struct i8i_map_slot {
    uint32_t hash;
    uint32_t entry; /* counted from 1; 0: free */
};

struct i8i_map_entry {
    const char *key;
    size_t value;
};

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static uint32_t hash_key(const char *key, uint64_t seed)
{
    const uint64_t k0 = seed, k1 = seed ^ 0x9e3779b97f4a7c15u;
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
                     k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
    const size_t n = strlen(key);
    for (size_t i = 0; i <= n; i += 8) {
        uint64_t word = 0;
        if (n - i >= 8)
            memcpy(&word, key + i, 8); /* one load: not worth a call */
        else
            memcpy(&word, key + i, n - i);
        if (n - i < 8)
            word |= (uint64_t)n << 56;
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return (uint32_t)(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

void i8i_map_init(struct i8i_map *m)
{
    *m = (struct i8i_map){0};
    /* Without entropy (early boot) the clock is better than a constant. */
    if (getrandom(&m->seed, sizeof m->seed, GRND_NONBLOCK) != (ssize_t)sizeof m->seed) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        m->seed = (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15u ^ (uint64_t)(uintptr_t)m;
    }
}

void i8i_map_free(struct i8i_map *m)
{
    free(m->slots);
    free(m->entries);
    *m = (struct i8i_map){.seed = m->seed};
}

/* The slot that holds the key, or the free one where it belongs. */
static struct i8i_map_slot *find(const struct i8i_map *m, const char *key, uint32_t hash)
{
    const size_t mask = m->n_slots - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct i8i_map_slot *s = &m->slots[i];
        if (s->entry == 0 ||
            (s->hash == hash && strcmp(m->entries[s->entry - 1].key, key) == 0))
            return s;
    }
}

/* Moves the entries' slots, which are known to differ, into a table of n slots. */
static bool rehash(struct i8i_map *m, size_t n)
{
    struct i8i_map_slot *slots = i8i_calloc(n, sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < m->n_slots; i++) {
        if (m->slots[i].entry == 0)
            continue;
        size_t to = m->slots[i].hash & (n - 1);
        while (slots[to].entry != 0)
            to = (to + 1) & (n - 1);
        slots[to] = m->slots[i];
    }
    free(m->slots);
    m->slots = slots;
    m->n_slots = n;
    return true;
}

/* Room for `count` entries in slots; in the list it comes as it is needed. */
static bool make_room(struct i8i_map *m, size_t count)
{
    uint64_t n = m->n_slots == 0 ? MIN_SLOTS : m->n_slots;
    while (n < MAX_SLOTS && n / 4 * 3 < count)
        n *= 2;
    if (n / 4 * 3 < count || n > SIZE_MAX)
        return false;
    return n == m->n_slots || rehash(m, (size_t)n);
}

enum i8_status i8i_map_reserve(struct i8i_map *m, size_t count, struct i8_error *err)
{
    if (!make_room(m, count) ||
        !i8i_grow(&m->entries, &m->capacity, count, sizeof *m->entries))
        return i8i_nomem(err);
    return I8_OK;
}

enum i8_status i8i_map_add(struct i8i_map *m, const char *key, size_t value,
                           size_t *existing, struct i8_error *err)
{
    if (!make_room(m, m->count + 1) ||
        !i8i_grow(&m->entries, &m->capacity, m->count + 1, sizeof *m->entries))
        return i8i_nomem(err);
    const uint32_t hash = hash_key(key, m->seed);
    struct i8i_map_slot *s = find(m, key, hash);
    if (existing != NULL)
        *existing = s->entry != 0 ? m->entries[s->entry - 1].value : I8I_MAP_NONE;
    if (s->entry == 0) {
        m->entries[m->count++] = (struct i8i_map_entry){.key = key, .value = value};
        *s = (struct i8i_map_slot){.hash = hash, .entry = (uint32_t)m->count};
    }
    return I8_OK;
}

size_t i8i_map_get(const struct i8i_map *m, const char *key)
{
    if (m->count == 0)
        return I8I_MAP_NONE;
    const struct i8i_map_slot *s = find(m, key, hash_key(key, m->seed));
    return s->entry != 0 ? m->entries[s->entry - 1].value : I8I_MAP_NONE;
}
