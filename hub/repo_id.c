/* SPDX-License-Identifier: Apache-2.0
 *
 * Repository names and how they are written into an address.
 */
#include "config.h"

#include "base/hash.h"
#include "base/memory.h"
#include "hub/repo_id.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX             "hub:"
#define PART_MAX           96 /* characters of an organisation's or repository's name */
#define REVISION_FORBIDDEN " ~^:?*[\\"

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* huggingface_hub's \b[\w\-.]+\b: the ends are word characters. */
static bool part_is_valid(const char *s, size_t n)
{
    if (n == 0 || n > PART_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        const bool word = is_alnum(s[i]) || s[i] == '_';
        if (!word && ((s[i] != '-' && s[i] != '.') || i == 0 || i == n - 1))
            return false;
        if (i > 0 &&
            ((s[i] == '-' && s[i - 1] == '-') || (s[i] == '.' && s[i - 1] == '.')))
            return false;
    }
    return true;
}

static bool id_is_valid(const char *id, size_t n)
{
    const char *slash = memchr(id, '/', n);
    if (n >= I8I_REPO_ID_MAX || (n >= 4 && memcmp(id + n - 4, ".git", 4) == 0))
        return false;
    if (slash == NULL)
        return part_is_valid(id, n);
    const size_t org = (size_t)(slash - id);
    return part_is_valid(id, org) && part_is_valid(slash + 1, n - org - 1);
}

static bool revision_is_valid(const char *r)
{
    const size_t n = strlen(r);
    if (n == 0 || n >= I8I_REVISION_MAX || r[0] == '/' || r[n - 1] == '/' ||
        r[0] == '-' || strstr(r, "..") != NULL || strstr(r, "//") != NULL ||
        strstr(r, "@{") != NULL)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)r[i] < 0x20 || r[i] == 0x7f ||
            strchr(REVISION_FORBIDDEN, r[i]) != NULL)
            return false;
    return true;
}

enum i8_status i8i_repo_id_parse(struct i8i_repo_id *out, const char *text,
                                 struct i8_error *err)
{
    memset(out, 0, sizeof *out);
    const char *id = text;
    if (strncmp(id, PREFIX, sizeof PREFIX - 1) == 0)
        id += sizeof PREFIX - 1;
    const char *at = strchr(id, '@');
    const size_t n = at == NULL ? strlen(id) : (size_t)(at - id);
    if (!id_is_valid(id, n))
        return i8i_fail(
            err, I8_ERR_ARG,
            "'%.200s' is no repository: expected ORG/NAME[@REVISION], names of "
            "letters, digits, '-', '_' and '.' (at most %d; not at an end, no "
            "'--' or '..', not ending in '.git')",
            text, PART_MAX);
    const char *revision = at == NULL ? "main" : at + 1;
    if (!revision_is_valid(revision))
        return i8i_fail(err, I8_ERR_ARG,
                        "'%.200s': what stands behind '@' is no branch, tag or commit",
                        text);
    memcpy(out->id, id, n);
    memcpy(out->revision, revision, strlen(revision));
    return I8_OK;
}

bool i8i_is_commit(const char *text)
{
    return i8i_is_hex(text, I8I_COMMIT_HEX - 1);
}

char *i8i_url_escape(const char *text, bool keep_slash)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = i8i_calloc(strlen(text) + 1, 3);
    if (out == NULL)
        return NULL;
    char *to = out;
    for (const char *p = text; *p != '\0'; p++) {
        const unsigned char c = (unsigned char)*p;
        if (is_alnum(*p) || strchr("-._~", c) != NULL || (keep_slash && c == '/')) {
            *to++ = *p;
        } else {
            *to++ = '%';
            *to++ = hex[c >> 4];
            *to++ = hex[c & 15];
        }
    }
    return out;
}
