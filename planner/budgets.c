/* SPDX-License-Identifier: Apache-2.0
 *
 * Devices as people write them: budgets a device, or cards by name.
 */
#include "config.h"

#include "base/memory.h"
#include "base/size.h"

#include <int8tool/plan.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MOST_DEVICE  1023
#define MOST_BUDGETS 1026
#define MOST_WORD    128

struct list {
    struct i8_plan_budget *budgets;
    size_t n, capacity;
};

static enum i8_status add(struct list *l, int device, uint64_t bytes, const char *what,
                          struct i8_error *err)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->budgets[i].device == device)
            return device >= 0 ? i8i_fail(err, I8_ERR_ARG, "%s: device %d is named twice",
                                          what, device)
                               : i8i_fail(err, I8_ERR_ARG, "%s: %s is named twice", what,
                                          device == I8_PLAN_CPU ? "cpu" : "disk");
    if (l->n == MOST_BUDGETS)
        return i8i_fail(err, I8_ERR_ARG, "%s: more than %d devices", what, MOST_BUDGETS);
    if (!i8i_grow(&l->budgets, &l->capacity, l->n + 1, sizeof *l->budgets))
        return i8i_nomem(err);
    l->budgets[l->n++] = (struct i8_plan_budget){device, bytes};
    return I8_OK;
}

/* Takes the next word off a list with commas; false at its end. *fits: it was not cut. */
static bool next_word(const char **text, char word[MOST_WORD], bool *fits)
{
    if (*text == NULL)
        return false;
    size_t n = strcspn(*text, ",");
    *fits = n < MOST_WORD;
    memcpy(word, *text, *fits ? n : 0);
    word[*fits ? n : 0] = '\0';
    *text = (*text)[n] == ',' ? *text + n + 1 : NULL;
    return true;
}

static enum i8_status parse_budget(struct list *l, char *word, const char *what,
                                   struct i8_error *err)
{
    char *equals = strchr(word, '=');
    uint64_t bytes = I8_PLAN_UNBOUNDED, device;

    if (strcmp(word, "disk") == 0)
        return add(l, I8_PLAN_DISK, bytes, what, err);
    if (equals == NULL)
        return i8i_fail(err, I8_ERR_ARG, "%s: '%s': expected DEVICE=SIZE", what, word);
    *equals = '\0';
    enum i8_status status = i8i_size_parse(&bytes, equals + 1, what, err);
    if (status != I8_OK)
        return status;
    if (strcmp(word, "cpu") == 0)
        return add(l, I8_PLAN_CPU, bytes, what, err);
    if (strcmp(word, "disk") == 0)
        return add(l, I8_PLAN_DISK, bytes, what, err);
    if (i8i_uint_parse(&device, word, 0, MOST_DEVICE, what, NULL) != I8_OK)
        return i8i_fail(err, I8_ERR_ARG,
                        "%s: unknown device '%s': expected a GPU number, cpu or disk",
                        what, word);
    return add(l, (int)device, bytes, what, err);
}

static enum i8_status finish(struct i8_plan_budget **out, size_t *n, struct list *l,
                             enum i8_status status)
{
    if (status != I8_OK) {
        free(l->budgets);
        return status;
    }
    *out = l->budgets;
    *n = l->n;
    return I8_OK;
}

enum i8_status i8_plan_parse_budgets(struct i8_plan_budget **out, size_t *n,
                                     const char *text, const char *what,
                                     struct i8_error *err)
{
    struct list l = {0};
    enum i8_status status = I8_OK;
    char word[MOST_WORD];
    bool whole;

    *out = NULL;
    *n = 0;
    while (status == I8_OK && next_word(&text, word, &whole)) {
        if (!whole)
            status = i8i_fail(err, I8_ERR_ARG, "%s: a device is at most %d characters",
                              what, MOST_WORD - 1);
        else
            status = parse_budget(&l, word, what, err);
    }
    if (status == I8_OK && l.n == 0)
        status = i8i_fail(err, I8_ERR_ARG, "%s: names no device", what);
    return finish(out, n, &l, status);
}

static const struct i8_plan_card *find_card(const char *name)
{
    for (const struct i8_plan_card *c = i8_plan_cards(); c->name != NULL; c++)
        if (strcasecmp(c->name, name) == 0)
            return c;
    return NULL;
}

/* "4x24GiB", "2xA100-80GB", "T4", "24GiB" */
static enum i8_status parse_gpu(struct list *l, const char *word, uint64_t *context,
                                const char *what, struct i8_error *err)
{
    size_t digits = strspn(word, "0123456789");
    uint64_t count = 1, bytes = 0;
    const char *card_name = word;

    if (digits > 0 && word[digits] == 'x') {
        char number[16] = "";
        if (digits >= sizeof number)
            return i8i_fail(err, I8_ERR_ARG, "%s: '%s': too many GPUs", what, word);
        memcpy(number, word, digits);
        enum i8_status status =
            i8i_uint_parse(&count, number, 1, MOST_DEVICE + 1, what, err);
        if (status != I8_OK)
            return status;
        card_name = word + digits + 1;
    }
    if (word[digits] == '\0') /* a count, most likely, and 4 bytes are no card */
        return i8i_fail(err, I8_ERR_ARG,
                        "%s: '%s': expected a card or a size, as in 4x24GiB", what, word);
    const struct i8_plan_card *card = find_card(card_name);
    if (card != NULL)
        bytes = card->bytes;
    else if (i8i_size_parse(&bytes, card_name, what, NULL) != I8_OK || bytes == 0)
        return i8i_fail(err, I8_ERR_ARG,
                        "%s: '%s' is neither a size nor a card of the catalogue", what,
                        card_name);
    *context = I8_PLAN_CONTEXT_BYTES;
    for (uint64_t i = 0; i < count; i++) {
        enum i8_status status = add(l, (int)l->n, bytes, what, err);
        if (status != I8_OK)
            return status;
    }
    return I8_OK;
}

enum i8_status i8_plan_parse_gpus(struct i8_plan_budget **out, size_t *n,
                                  uint64_t *context_bytes, const char *text,
                                  const char *what, struct i8_error *err)
{
    struct list l = {0};
    enum i8_status status = I8_OK;
    char word[MOST_WORD];
    bool whole;

    *out = NULL;
    *n = 0;
    *context_bytes = 0;
    while (status == I8_OK && next_word(&text, word, &whole)) {
        if (!whole)
            status = i8i_fail(err, I8_ERR_ARG, "%s: a card is at most %d characters",
                              what, MOST_WORD - 1);
        else
            status = parse_gpu(&l, word, context_bytes, what, err);
    }
    return finish(out, n, &l, status);
}
