/* SPDX-License-Identifier: Apache-2.0
 *
 * Open addressing with linear probing at a load of at most 3/4. The hash is
 * SipHash-1-3 with a random seed a map: names come from files, and with a fixed hash a
 * crafted file could put all of them into one chain.
 */
#include "config.h"

#include "base/map.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

struct i8i_map_slot {
    const char *key; /* NULL: free */
    uint64_t hash;
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

static uint64_t hash_key(const char *key, uint64_t seed)
{
    const uint64_t k0 = seed, k1 = seed ^ 0x9e3779b97f4a7c15u;
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
                     k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
    const size_t n = strlen(key);
    for (size_t i = 0; i <= n; i += 8) {
        uint64_t word = 0;
        memcpy(&word, key + i, n - i < 8 ? n - i : 8);
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
    return v[0] ^ v[1] ^ v[2] ^ v[3];
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
    *m = (struct i8i_map){.seed = m->seed};
}

/* The slot that holds the key, or the free one where it belongs. */
static struct i8i_map_slot *find(const struct i8i_map *m, const char *key, uint64_t hash)
{
    const size_t mask = m->capacity - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct i8i_map_slot *s = &m->slots[i];
        if (s->key == NULL || (s->hash == hash && strcmp(s->key, key) == 0))
            return s;
    }
}

static bool enlarge(struct i8i_map *m)
{
    if (m->capacity > SIZE_MAX / 2)
        return false;
    struct i8i_map bigger = *m;
    bigger.capacity = m->capacity == 0 ? 16 : m->capacity * 2;
    bigger.slots = i8i_calloc(bigger.capacity, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return false;
    for (size_t i = 0; i < m->capacity; i++)
        if (m->slots[i].key != NULL)
            *find(&bigger, m->slots[i].key, m->slots[i].hash) = m->slots[i];
    free(m->slots);
    *m = bigger;
    return true;
}

enum i8_status i8i_map_add(struct i8i_map *m, const char *key, size_t value,
                           size_t *existing, struct i8_error *err)
{
    if (m->count >= m->capacity / 4 * 3 && !enlarge(m))
        return i8i_nomem(err);
    const uint64_t hash = hash_key(key, m->seed);
    struct i8i_map_slot *s = find(m, key, hash);
    if (existing != NULL)
        *existing = s->key != NULL ? s->value : I8I_MAP_NONE;
    if (s->key == NULL) {
        *s = (struct i8i_map_slot){.key = key, .hash = hash, .value = value};
        m->count++;
    }
    return I8_OK;
}

size_t i8i_map_get(const struct i8i_map *m, const char *key)
{
    if (m->count == 0)
        return I8I_MAP_NONE;
    const struct i8i_map_slot *s = find(m, key, hash_key(key, m->seed));
    return s->key != NULL ? s->value : I8I_MAP_NONE;
}
