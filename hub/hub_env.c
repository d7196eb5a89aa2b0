/* SPDX-License-Identifier: Apache-2.0
 *
 * The Hub's settings from the environment, by the rules of huggingface_hub (constants.py,
 * utils/_auth.py). The only file of this folder that looks there; proxies are left to
 * libcurl, which reads its own variables.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/size.h"
#include "hub/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define TOKEN_FILE_MAX ((size_t)16 << 10)
#define TIMEOUT_MAX_S  86400

/* The defaults; allocates endpoint. */
static enum i8_status set_defaults(struct i8i_hub_settings *s, struct i8_error *err)
{
    *s = (struct i8i_hub_settings){
        .api_timeout_s = 10,      /* HF_HUB_ETAG_TIMEOUT's default */
        .download_timeout_s = 10, /* HF_HUB_DOWNLOAD_TIMEOUT's default */
        .retries = 5,
        .first_retries = 5,
        .retry_base_ms = 500,
        .connections = I8I_HUB_CONNECTIONS,
        .durable = true,
    };
    s->endpoint = i8i_strdup(I8I_HUB_ENDPOINT);
    return s->endpoint == NULL ? i8i_nomem(err) : I8_OK;
}

void i8i_hub_settings_free(struct i8i_hub_settings *s)
{
    if (s->token != NULL)
        explicit_bzero(s->token, strlen(s->token));
    free(s->endpoint);
    free(s->token);
    free(s->cache_dir);
    free(s->ca_file);
    free(s->ca_dir);
    free(s->origin);
    *s = (struct i8i_hub_settings){0};
}

/* An empty variable is as good as none. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static bool is_true(const char *name)
{
    const char *v = variable(name);
    return v != NULL && (strcmp(v, "1") == 0 || strcasecmp(v, "on") == 0 ||
                         strcasecmp(v, "yes") == 0 || strcasecmp(v, "true") == 0);
}

static bool is_name_character(char c, bool first)
{
    return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (!first && c >= '0' && c <= '9');
}

/* The home directory: $HOME, else the user's entry; NULL if there is none. */
static char *home_directory(void)
{
    const char *home = variable("HOME");
    if (home != NULL)
        return i8i_strdup(home);
    struct passwd entry, *found = NULL;
    char text[4096];
    if (getpwuid_r(getuid(), &entry, text, sizeof text, &found) != 0 || found == NULL)
        return NULL;
    return i8i_strdup(found->pw_dir);
}

/* As os.path.expandvars(os.path.expanduser(path)): "~/" and "~", $NAME and ${NAME};
 * names that are not set stay as they are. NULL without memory. */
static char *expand(const char *path)
{
    struct i8i_buffer b;
    i8i_buffer_init(&b, (size_t)1 << 20);
    if (path[0] == '~' && (path[1] == '/' || path[1] == '\0')) {
        char *home = home_directory();
        if (home != NULL) {
            i8i_buffer_puts(&b, home);
            path++;
        }
        free(home);
    }
    while (*path != '\0') {
        const char *name = path[1] == '{' ? path + 2 : path + 1;
        size_t n = 0;
        while (path[0] == '$' && is_name_character(name[n], n == 0))
            n++;
        char *key =
            n > 0 && (path[1] != '{' || name[n] == '}') ? i8i_strndup(name, n) : NULL;
        const char *value = key == NULL ? NULL : getenv(key);
        free(key);
        if (value == NULL) {
            i8i_buffer_append(&b, path, 1);
            path++;
        } else {
            i8i_buffer_puts(&b, value);
            path = name + n + (path[1] == '{');
        }
    }
    char *out = i8i_buffer_take(&b, &(size_t){0});
    i8i_buffer_free(&b);
    return out;
}

static enum i8_status set(char **member, const char *value, struct i8_error *err)
{
    char *copy = i8i_strdup(value);
    if (copy == NULL)
        return i8i_nomem(err);
    free(*member);
    *member = copy;
    return I8_OK;
}

/* $HF_HOME, or huggingface below the user's cache; NULL if nothing says where that is. */
static enum i8_status find_hf_home(char **out, struct i8_error *err)
{
    *out = NULL;
    const char *hf_home = variable("HF_HOME");
    if (hf_home != NULL) {
        *out = expand(hf_home);
        return *out == NULL ? i8i_nomem(err) : I8_OK;
    }
    const char *xdg = variable("XDG_CACHE_HOME");
    char *base = NULL;
    if (xdg != NULL) {
        base = expand(xdg);
        *out = base == NULL ? NULL : i8i_path_join(base, "huggingface");
    } else {
        base = home_directory();
        if (base == NULL)
            return I8_OK;
        *out = i8i_path_join(base, ".cache/huggingface");
    }
    free(base);
    return *out == NULL ? i8i_nomem(err) : I8_OK;
}

static enum i8_status read_cache_dir(struct i8i_hub_settings *s, const char *hf_home,
                                     struct i8_error *err)
{
    const char *given = variable("HF_HUB_CACHE");
    if (given == NULL)
        given = variable("HUGGINGFACE_HUB_CACHE");
    if (given == NULL && hf_home == NULL)
        return I8_OK;
    s->cache_dir = given != NULL ? expand(given) : i8i_path_join(hf_home, "hub");
    return s->cache_dir == NULL ? i8i_nomem(err) : I8_OK;
}

/* Takes a token without line ends and blanks around it; an empty one is none. One with
 * other bytes than visible ASCII would break the request and is refused, unprinted. */
static enum i8_status take_token(struct i8i_hub_settings *s, const char *text,
                                 const char *from, struct i8_error *err)
{
    static const char blanks[] = " \t\r\n";
    text += strspn(text, blanks);
    size_t n = strlen(text);
    while (n > 0 && strchr(blanks, text[n - 1]) != NULL)
        n--;
    for (size_t i = 0; i < n; i++)
        if (text[i] <= 0x20 || text[i] >= 0x7f)
            return i8i_fail(
                err, I8_ERR_ARG,
                "the token in %s has blanks or other characters that no token "
                "has",
                from);
    if (n == 0)
        return I8_OK;
    s->token = i8i_strndup(text, n);
    return s->token == NULL ? i8i_nomem(err) : I8_OK;
}

static enum i8_status read_token(struct i8i_hub_settings *s, const char *hf_home,
                                 struct i8_error *err)
{
    static const char *const names[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};
    if (is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN"))
        return I8_OK;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && s->token == NULL; i++) {
        const char *value = variable(names[i]);
        enum i8_status st = value == NULL ? I8_OK : take_token(s, value, names[i], err);
        if (st != I8_OK)
            return st;
    }
    if (s->token != NULL)
        return I8_OK;
    const char *given = variable("HF_TOKEN_PATH");
    if (given == NULL && hf_home == NULL)
        return I8_OK;
    char *path = given != NULL ? expand(given) : i8i_path_join(hf_home, "token");
    if (path == NULL)
        return i8i_nomem(err);
    char *text = NULL;
    size_t length = 0;
    enum i8_status st = I8_OK;
    if (access(path, F_OK) == 0) {
        st = i8i_read_file(&text, &length, path, TOKEN_FILE_MAX, err);
        if (st == I8_OK)
            st = take_token(s, text, path, err);
    }
    if (text != NULL)
        explicit_bzero(text, length);
    free(text);
    free(path);
    return st;
}

static enum i8_status read_endpoint(struct i8i_hub_settings *s, struct i8_error *err)
{
    const char *value = variable("HF_ENDPOINT");
    if (value == NULL)
        return I8_OK;
    if (strncmp(value, "https://", 8) != 0 && strncmp(value, "http://", 7) != 0)
        return i8i_fail(err, I8_ERR_ARG,
                        "HF_ENDPOINT='%.200s': expected an http:// or https:// address",
                        value);
    enum i8_status st = set(&s->endpoint, value, err);
    for (size_t n = st == I8_OK ? strlen(s->endpoint) : 0;
         n > 0 && s->endpoint[n - 1] == '/'; n--)
        s->endpoint[n - 1] = '\0';
    return st;
}

static enum i8_status read_seconds(unsigned *out, const char *name, struct i8_error *err)
{
    const char *value = variable(name);
    uint64_t seconds = 0;
    if (value == NULL)
        return I8_OK;
    enum i8_status st = i8i_uint_parse(&seconds, value, 1, TIMEOUT_MAX_S, name, err);
    if (st == I8_OK)
        *out = (unsigned)seconds;
    return st;
}

static enum i8_status read_ca(struct i8i_hub_settings *s, struct i8_error *err)
{
    const char *file = variable("CURL_CA_BUNDLE");
    if (file == NULL)
        file = variable("SSL_CERT_FILE");
    const char *dir = variable("SSL_CERT_DIR");
    enum i8_status st = file == NULL ? I8_OK : set(&s->ca_file, file, err);
    if (st == I8_OK && dir != NULL)
        st = set(&s->ca_dir, dir, err);
    return st;
}

enum i8_status i8i_hub_settings_from_environment(struct i8i_hub_settings *s,
                                                 struct i8_error *err)
{
    char *hf_home = NULL;
    enum i8_status st = set_defaults(s, err);
    if (st == I8_OK)
        st = find_hf_home(&hf_home, err);
    if (st == I8_OK)
        st = read_cache_dir(s, hf_home, err);
    if (st == I8_OK)
        st = read_token(s, hf_home, err);
    if (st == I8_OK)
        st = read_endpoint(s, err);
    if (st == I8_OK)
        st = read_seconds(&s->api_timeout_s, "HF_HUB_ETAG_TIMEOUT", err);
    if (st == I8_OK)
        st = read_seconds(&s->download_timeout_s, "HF_HUB_DOWNLOAD_TIMEOUT", err);
    if (st == I8_OK)
        st = read_ca(s, err);
    const char *origin = variable("HF_HUB_USER_AGENT_ORIGIN");
    if (st == I8_OK && origin != NULL)
        st = set(&s->origin, origin, err);
    s->offline = is_true("HF_HUB_OFFLINE") || is_true("TRANSFORMERS_OFFLINE");
    s->disable_symlinks = is_true("HF_HUB_DISABLE_SYMLINKS");
    free(hf_home);
    if (st != I8_OK)
        i8i_hub_settings_free(s);
    return st;
}
