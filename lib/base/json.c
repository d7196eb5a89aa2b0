/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading JSON: json_check.c proves the text valid, cJSON builds the tree, and a walk
 * over it refuses repeated keys and puts back the text of numbers that a double would
 * change (in valuestring, which cJSON leaves NULL for numbers and frees by itself).
 */
#include "config.h"

#include "base/file.h"
#include "base/json.h"
#include "base/json_check.h"
#include "base/map.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEW_MEMBERS     8 /* up to here comparing pairs is faster than hashing */
#define LARGEST_INTEGER 9007199254740992.0 /* 2^53 */

enum i8_status i8i_json_repeated_key(const char *key, const char *what,
                                     struct i8_error *err)
{
    return i8i_fail(err, I8_ERR_DATA, "%s: the key \"%.200s\" appears twice in an object",
                    what, key);
}

static enum i8_status check_keys(const cJSON *object, const char *what,
                                 struct i8_error *err)
{
    size_t count = 0;
    for (const cJSON *m = object->child; m != NULL && count <= FEW_MEMBERS; m = m->next) {
        for (const cJSON *o = object->child; o != m; o = o->next)
            if (strcmp(o->string, m->string) == 0)
                return i8i_json_repeated_key(m->string, what, err);
        count++;
    }
    if (count <= FEW_MEMBERS)
        return I8_OK;
    struct i8i_map seen;
    i8i_map_init(&seen);
    enum i8_status st = I8_OK;
    for (const cJSON *m = object->child; m != NULL && st == I8_OK; m = m->next) {
        size_t before;
        st = i8i_map_add(&seen, m->string, 0, &before, err);
        if (st == I8_OK && before != I8I_MAP_NONE)
            st = i8i_json_repeated_key(m->string, what, err);
    }
    i8i_map_free(&seen);
    return st;
}

/* The numbers of the tree in the order of the text, to match those of the check. */
struct number_cursor {
    const struct i8i_json_numbers *odd;
    size_t index, next; /* of the next number in the tree; in odd->list */
    const char *text;
};

static bool restore_number(cJSON *n, struct number_cursor *c)
{
    const bool is_odd =
        c->next < c->odd->count && c->odd->list[c->next].index == c->index;
    c->index++;
    if (!is_odd)
        return true;
    const struct i8i_json_number *odd = &c->odd->list[c->next++];
    char *text = cJSON_malloc(odd->length + 1);
    if (text == NULL)
        return false;
    memcpy(text, c->text + odd->offset, odd->length);
    text[odd->length] = '\0';
    n->valuestring = text;
    return true;
}

/* Recursion is bounded by I8I_JSON_MAX_DEPTH. */
static enum i8_status finish_node(cJSON *n, struct number_cursor *c, const char *what,
                                  struct i8_error *err)
{
    enum i8_status st = I8_OK;
    if (cJSON_IsNumber(n) && !restore_number(n, c))
        return i8i_nomem(err);
    if (cJSON_IsObject(n))
        st = check_keys(n, what, err);
    for (cJSON *m = n->child; m != NULL && st == I8_OK; m = m->next)
        st = finish_node(m, c, what, err);
    return st;
}

/* The document of `length` bytes of checked text. */
static enum i8_status build(cJSON **out, const char *text, size_t length,
                            struct number_cursor *c, const char *what,
                            struct i8_error *err)
{
    *out = NULL;
    cJSON *doc = cJSON_ParseWithLength(text, length);
    if (doc == NULL) /* the text is valid: only memory is left as a reason */
        return i8i_nomem(err);
    enum i8_status st = finish_node(doc, c, what, err);
    if (st == I8_OK)
        *out = doc;
    else
        cJSON_Delete(doc);
    return st;
}

enum i8_status i8i_json_parse(i8i_json **out, const char *text, size_t length,
                              const char *what, struct i8_error *err)
{
    *out = NULL;
    struct i8i_json_numbers odd = {0};
    struct number_cursor cursor = {.odd = &odd, .text = text};
    enum i8_status st = i8i_json_check(&odd, text, length, what, err);
    if (st == I8_OK)
        st = build(out, text, length, &cursor, what, err);
    free(odd.list);
    return st;
}

enum i8_status i8i_json_read_file(i8i_json **out, const char *path, size_t cap,
                                  struct i8_error *err)
{
    *out = NULL;
    char *text;
    size_t length;
    enum i8_status st = i8i_read_file(&text, &length, path, cap, err);
    if (st == I8_OK)
        st = i8i_json_parse(out, text, length, path, err);
    free(text);
    return st;
}

void i8i_json_free(i8i_json *doc)
{
    cJSON_Delete(doc);
}

bool i8i_json_is_object(const i8i_json *n)
{
    return cJSON_IsObject(n);
}

bool i8i_json_is_array(const i8i_json *n)
{
    return cJSON_IsArray(n);
}

bool i8i_json_is_string(const i8i_json *n)
{
    return cJSON_IsString(n);
}

bool i8i_json_is_number(const i8i_json *n)
{
    return cJSON_IsNumber(n);
}

bool i8i_json_is_bool(const i8i_json *n)
{
    return cJSON_IsBool(n);
}

bool i8i_json_is_null(const i8i_json *n)
{
    return cJSON_IsNull(n);
}

const i8i_json *i8i_json_get(const i8i_json *n, const char *key)
{
    return cJSON_IsObject(n) ? cJSON_GetObjectItemCaseSensitive(n, key) : NULL;
}

const i8i_json *i8i_json_first(const i8i_json *n)
{
    return n != NULL ? n->child : NULL;
}

const i8i_json *i8i_json_next(const i8i_json *n)
{
    return n != NULL ? n->next : NULL;
}

size_t i8i_json_count(const i8i_json *n)
{
    size_t count = 0;
    for (const i8i_json *m = i8i_json_first(n); m != NULL; m = m->next)
        count++;
    return count;
}

const char *i8i_json_key(const i8i_json *n)
{
    return n != NULL ? n->string : NULL;
}

const char *i8i_json_string(const i8i_json *n)
{
    return cJSON_IsString(n) ? n->valuestring : NULL;
}

bool i8i_json_bool(const i8i_json *n, bool fallback)
{
    return cJSON_IsBool(n) ? cJSON_IsTrue(n) : fallback;
}

double i8i_json_double(const i8i_json *n, double fallback)
{
    return cJSON_IsNumber(n) ? n->valuedouble : fallback;
}

const char *i8i_json_number_text(const i8i_json *n)
{
    return cJSON_IsNumber(n) ? n->valuestring : NULL;
}

bool i8i_json_i64(int64_t *out, const i8i_json *n)
{
    if (!cJSON_IsNumber(n) || !(fabs(n->valuedouble) <= LARGEST_INTEGER))
        return false;
    /* Written with a fraction or exponent, or so long that the double was rounded. */
    const char *text = n->valuestring;
    if (text != NULL && strpbrk(text, ".eE") != NULL)
        return false;
    if (text != NULL && strtoll(text, NULL, 10) != (int64_t)n->valuedouble)
        return false;
    *out = (int64_t)n->valuedouble;
    return true;
}

bool i8i_json_u64(uint64_t *out, const i8i_json *n)
{
    int64_t v;
    if (!i8i_json_i64(&v, n) || v < 0)
        return false;
    *out = (uint64_t)v;
    return true;
}
