/* SPDX-License-Identifier: Apache-2.0
 *
 * What the Hub's client decides without a server: names, addresses, settings, headers,
 * when to try again. tests/hub/test_pull.py has the rest, against a stand-in that fails.
 */
#include "config.h"

#include "hub/http_transfer.h"
#include "hub/repo_id.h"
#include "hub/resolve.h"
#include "hub/retry.h"
#include "hub/settings.h"
#include "hub/url_expiry.h"
#include "scratch.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

START_TEST(names_are_parsed)
{
    struct i8i_repo_id id;
    struct i8_error err = {0};
    ck_assert_int_eq(i8i_repo_id_parse(&id, "org/name", &err), I8_OK);
    ck_assert_str_eq(id.id, "org/name");
    ck_assert_str_eq(id.revision, "main");
    ck_assert_int_eq(i8i_repo_id_parse(&id, "hub:a_b/C.d-9@refs/pr/1", &err), I8_OK);
    ck_assert_str_eq(id.id, "a_b/C.d-9");
    ck_assert_str_eq(id.revision, "refs/pr/1");
    ck_assert_int_eq(i8i_repo_id_parse(&id, "gpt2", &err), I8_OK);
    ck_assert_int_eq(i8i_repo_id_parse(&id, "gpt2@v1.0", &err), I8_OK);
}
END_TEST

/* The verdicts of huggingface_hub's validate_repo_id on the same names. */
START_TEST(bad_names_are_refused)
{
    static const char *const bad[] = {
        "",         "/",       "a/",        "/a",      "a/b/c",     "a//b",
        "-a/b",     "a/b-",    ".a/b",      "a/b.",    "a/b--c",    "a/b..c",
        "../a",     "a/..",    "a/b.git",   "a b/c",   "a/b\n",     "a/\xc3\xa9",
        "a/b@",     "a/b@x y", "a/b@../x",  "a/b@x~1", "a/b@x:y",   "a/b@/x",
        "a/b@x//y", "a/b@-x",  "a/b@x\x1b", "hub:",    "hub:a/b/c", "a/b@x@{1}",
        "a/b%2e",   "a/b?x",   "a/b#x",
    };
    struct i8i_repo_id id;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct i8_error err = {0};
        ck_assert_msg(i8i_repo_id_parse(&id, bad[i], &err) == I8_ERR_ARG, "%s", bad[i]);
        ck_assert_str_ne(err.message, "");
    }
    char longest[256] = "org/";
    memset(longest + 4, 'x', 96);
    ck_assert_int_eq(i8i_repo_id_parse(&id, longest, NULL), I8_OK);
    longest[4 + 96] = 'x';
    ck_assert_int_eq(i8i_repo_id_parse(&id, longest, NULL), I8_ERR_ARG);
}
END_TEST

START_TEST(a_commit_has_40_digits)
{
    ck_assert(i8i_is_commit("0123456789abcdef0123456789abcdef01234567"));
    ck_assert(!i8i_is_commit("0123456789ABCDEF0123456789abcdef01234567"));
    ck_assert(!i8i_is_commit("0123456789abcdef0123456789abcdef0123456"));
}
END_TEST

/* As Python's urllib.parse.quote(…, safe="") and quote(…). */
START_TEST(addresses_are_escaped)
{
    char *s = i8i_url_escape("refs/pr/1", false);
    ck_assert_str_eq(s, "refs%2Fpr%2F1");
    free(s);
    s = i8i_url_escape("a b/ä?#%&+~-._", true);
    ck_assert_str_eq(s, "a%20b/%C3%A4%3F%23%25%26%2B~-._");
    free(s);
}
END_TEST

START_TEST(messages_show_no_secrets_of_addresses)
{
    char text[I8I_URL_TEXT];
    ck_assert_str_eq(i8i_url_text(text, "https://h:1/p/f?Signature=x#y"),
                     "https://h:1/p/f");
    ck_assert_str_eq(i8i_url_text(text, "http://user:word@h/p"), "http://h/p");
    ck_assert_str_eq(i8i_url_text(text, "http://h/p@q"), "http://h/p@q");
    char address[1000];
    memset(address, 'x', sizeof address - 1);
    memcpy(address, "http://", 7);
    address[sizeof address - 1] = '\0';
    ck_assert_uint_eq(strlen(i8i_url_text(text, address)), I8I_URL_TEXT - 1);
}
END_TEST

START_TEST(a_signed_address_says_when_it_ends)
{
    ck_assert(i8i_url_expiry("https://h/p?Expires=1700000000&Signature=x") ==
              1700000000.0);
    /* Of 2025-07-15T14:54:16Z, as in a header of the Hub's storage. */
    ck_assert(
        i8i_url_expiry("https://h/p?X-Amz-Date=20250715T145416Z&X-Amz-Expires=3600") ==
        1752591256.0 + 3600);
    ck_assert(
        i8i_url_expiry("https://h/p?a=b&X-Amz-Date=20250715T145416Z&X-Amz-Expires=3600"
                       "&Expires=5") == 5);
    ck_assert(i8i_url_expiry("https://h/p") == 0);
    ck_assert(i8i_url_expiry("https://h/p?NotExpires=7") == 0);
    ck_assert(i8i_url_expiry("https://h/p?Expires=x") == 0);
    ck_assert(i8i_url_expiry("https://h/p?Expires=99999999999999999999") == 0);
    ck_assert(i8i_url_expiry("https://h/p?X-Amz-Date=2025&X-Amz-Expires=3600") == 0);
}
END_TEST

/* ---- attempts ---- */

START_TEST(waits_grow_and_have_a_limit)
{
    ck_assert(i8i_retry_delay(1, 500, -1, 0) == 0.25);
    ck_assert(i8i_retry_delay(3, 500, -1, 0) == 1.0);
    ck_assert(i8i_retry_delay(3, 500, -1, UINT32_MAX) < 2.0);
    ck_assert(i8i_retry_delay(3, 500, -1, UINT32_MAX) > 1.99);
    ck_assert(i8i_retry_delay(4000000000u, 500, -1, 0) == 15.0);
    /* Never earlier than the server said. */
    for (uint32_t r = 0; r < 16; r++)
        ck_assert(i8i_retry_delay(1, 500, 42, r << 28) >= 42.0);
    ck_assert(i8i_retry_delay(1, 500, 42, 0) < 43.0);
    ck_assert(i8i_retry_delay(1, 500, 1e9, 0) <= I8I_RETRY_TOLD_MAX_S + 1);
    ck_assert(i8i_retry_delay(1, 500, (double)NAN, 0) == 0.25);
}
END_TEST

START_TEST(some_statuses_may_pass)
{
    static const long again[] = {408, 429, 500, 502, 503, 504};
    for (size_t i = 0; i < sizeof again / sizeof again[0]; i++)
        ck_assert(i8i_retry_status(again[i]));
    static const long final[] = {200, 206, 302, 400, 401, 403, 404, 416, 501};
    for (size_t i = 0; i < sizeof final / sizeof final[0]; i++)
        ck_assert(!i8i_retry_status(final[i]));
}
END_TEST

/* ---- settings ---- */

static const char *const variables[] = {"HF_ENDPOINT",
                                        "HF_HUB_CACHE",
                                        "HUGGINGFACE_HUB_CACHE",
                                        "HF_HOME",
                                        "XDG_CACHE_HOME",
                                        "HF_TOKEN",
                                        "HUGGING_FACE_HUB_TOKEN",
                                        "HF_TOKEN_PATH",
                                        "HF_HUB_DISABLE_IMPLICIT_TOKEN",
                                        "HF_HUB_OFFLINE",
                                        "TRANSFORMERS_OFFLINE",
                                        "HF_HUB_DISABLE_SYMLINKS",
                                        "HF_HUB_ETAG_TIMEOUT",
                                        "HF_HUB_DOWNLOAD_TIMEOUT",
                                        "HF_HUB_USER_AGENT_ORIGIN",
                                        "CURL_CA_BUNDLE",
                                        "SSL_CERT_FILE",
                                        "SSL_CERT_DIR"};

static void forget_variables(void)
{
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        unsetenv(variables[i]);
    setenv("HOME", "/home/nobody-here", 1);
}

START_TEST(settings_have_defaults)
{
    struct i8i_hub_settings s;
    ck_assert_int_eq(i8i_hub_settings_from_environment(&s, NULL), I8_OK);
    ck_assert_str_eq(s.endpoint, "https://huggingface.co");
    ck_assert_str_eq(s.cache_dir, "/home/nobody-here/.cache/huggingface/hub");
    ck_assert_ptr_null(s.token);
    ck_assert(!s.offline && !s.disable_symlinks && s.durable);
    ck_assert_uint_eq(s.api_timeout_s, 10);
    i8i_hub_settings_free(&s);
    i8i_hub_settings_free(&s);
}
END_TEST

START_TEST(settings_follow_the_environment)
{
    struct i8i_hub_settings s;
    char *dir = scratch_new();
    char *token = scratch_write(dir, "token", " hf_fromfile\r\n", 14);
    setenv("HF_HOME", dir, 1);
    setenv("HF_ENDPOINT", "http://127.0.0.1:8080///", 1);
    setenv("HF_HUB_OFFLINE", "Yes", 1);
    setenv("HF_HUB_DISABLE_SYMLINKS", "on", 1);
    setenv("HF_HUB_DOWNLOAD_TIMEOUT", "3", 1);
    setenv("SSL_CERT_FILE", "/a", 1);
    ck_assert_int_eq(i8i_hub_settings_from_environment(&s, NULL), I8_OK);
    ck_assert_str_eq(s.endpoint, "http://127.0.0.1:8080");
    ck_assert_str_eq(s.token, "hf_fromfile");
    ck_assert(s.offline && s.disable_symlinks);
    ck_assert_uint_eq(s.download_timeout_s, 3);
    ck_assert_str_eq(s.ca_file, "/a");
    i8i_hub_settings_free(&s);

    setenv("HF_TOKEN", "hf_first", 1);
    setenv("HUGGING_FACE_HUB_TOKEN", "hf_second", 1);
    setenv("WHERE", "/some/where", 1);
    setenv("HF_HUB_CACHE", "~/$WHERE/${WHERE}/$NOWHERE_TO_BE_SEEN/${WHERE", 1);
    setenv("CURL_CA_BUNDLE", "/b", 1);
    ck_assert_int_eq(i8i_hub_settings_from_environment(&s, NULL), I8_OK);
    ck_assert_str_eq(s.token, "hf_first");
    ck_assert_str_eq(s.cache_dir, "/home/nobody-here//some/where//some/where/"
                                  "$NOWHERE_TO_BE_SEEN/${WHERE");
    ck_assert_str_eq(s.ca_file, "/b");
    i8i_hub_settings_free(&s);

    setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1", 1);
    ck_assert_int_eq(i8i_hub_settings_from_environment(&s, NULL), I8_OK);
    ck_assert_ptr_null(s.token);
    i8i_hub_settings_free(&s);
    free(token);
    scratch_remove(dir);
}
END_TEST

START_TEST(malformed_settings_name_their_variable)
{
    struct i8i_hub_settings s;
    struct i8_error err = {0};
    setenv("HF_TOKEN", "hf_se cret", 1);
    ck_assert_int_eq(i8i_hub_settings_from_environment(&s, &err), I8_ERR_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "HF_TOKEN"));
    ck_assert_ptr_null(strstr(err.message, "cret"));
    unsetenv("HF_TOKEN");
    setenv("HF_HUB_ETAG_TIMEOUT", "soon", 1);
    ck_assert_int_eq(i8i_hub_settings_from_environment(&s, &err), I8_ERR_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "HF_HUB_ETAG_TIMEOUT"));
    unsetenv("HF_HUB_ETAG_TIMEOUT");
    setenv("HF_ENDPOINT", "ftp://x", 1);
    ck_assert_int_eq(i8i_hub_settings_from_environment(&s, &err), I8_ERR_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "HF_ENDPOINT"));
}
END_TEST

#ifdef HAVE_LIBCURL
/* ---- answers ---- */

struct answer {
    struct i8i_transfer t;
    struct i8i_http_request request;
    struct i8i_http_response r;
    bool went_on;
};

/* Feeds header lines, separated by '\n', and the empty line behind them. */
static void feed(struct answer *a, const char *lines)
{
    *a = (struct answer){.request = {.url = "https://h/p?secret", .body_cap = 100},
                         .r = {.retry_after_s = -1}};
    a->t = (struct i8i_transfer){.request = &a->request, .response = &a->r};
    i8i_buffer_init(&a->r.headers, I8I_HTTP_HEADERS_MAX);
    i8i_buffer_init(&a->r.body, I8I_HTTP_ERROR_MAX);
    a->went_on = true;
    while (*lines != '\0' && a->went_on) {
        const size_t n = strcspn(lines, "\n");
        a->went_on = i8i_transfer_header(&a->t, lines, n);
        lines += n + (lines[n] == '\n');
    }
    a->went_on = a->went_on && i8i_transfer_header(&a->t, "\r\n", 2);
}

START_TEST(headers_are_read)
{
    struct answer a;
    feed(&a, "HTTP/1.1 100 Continue\r\nHTTP/1.1 206 Partial Content\r\n"
             "X-Linked-ETag: \t \"abc\"  \r\nContent-Range: bytes 5-9/20\r\n"
             "Content-Length: 5\r\nnonsense\r\nEmpty:\r\n");
    ck_assert(a.went_on);
    ck_assert_int_eq(a.r.status, 206);
    ck_assert_str_eq(i8i_http_header(&a.r, "x-linked-etag"), "\"abc\"");
    ck_assert_str_eq(i8i_http_header(&a.r, "empty"), "");
    ck_assert_ptr_null(i8i_http_header(&a.r, "nonsense"));
    ck_assert(a.r.has_content_range && a.r.has_content_length);
    ck_assert_uint_eq(a.r.range_first, 5);
    ck_assert_uint_eq(a.r.range_last, 9);
    ck_assert_uint_eq(a.r.range_total, 20);
    ck_assert(a.r.retry_after_s < 0);
    i8i_http_response_free(&a.r);
}
END_TEST

START_TEST(false_ranges_are_none)
{
    static const char *const bad[] = {"bytes 9-5/20",
                                      "bytes 5-20/20",
                                      "bytes 5-9/*",
                                      "bytes */20",
                                      "items 5-9/20",
                                      "bytes 5-9",
                                      "bytes -9/20",
                                      "bytes 5-/20",
                                      "bytes 5-9/20x",
                                      "bytes 5-9/",
                                      "bytes 5-9/99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct answer a;
        char lines[200];
        (void)snprintf(lines, sizeof lines, "HTTP/1.1 206 x\nContent-Range: %s", bad[i]);
        feed(&a, lines);
        ck_assert_msg(!a.r.has_content_range, "%s", bad[i]);
        i8i_http_response_free(&a.r);
    }
}
END_TEST

START_TEST(servers_say_how_long_to_wait)
{
    static const struct {
        const char *lines;
        double seconds;
    } cases[] = {
        {"Retry-After: 7", 7},
        {"Retry-After: soon", -1},
        {"RateLimit: \"api\";r=0;t=55", 56},
        {"RateLimit: \"api\";r=12;t=55", -1},
        {"RateLimit: \"api\";r=05;t=55", -1},
        {"RateLimit: \"api\";r=0", -1},
        {"Date: Tue, 15 Jul 2025 14:54:16 GMT\nRetry-After: Tue, 15 Jul 2025 14:54:26 "
         "GMT",
         10},
        {"Date: Tue, 15 Jul 2025 14:54:16 GMT\nRetry-After: Tue, 15 Jul 2025 14:54:06 "
         "GMT",
         0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer a;
        char lines[300];
        (void)snprintf(lines, sizeof lines, "HTTP/1.1 429 x\n%s", cases[i].lines);
        feed(&a, lines);
        ck_assert_msg(fabs(a.r.retry_after_s - cases[i].seconds) <= 1.0, "%s: %f",
                      cases[i].lines, a.r.retry_after_s);
        i8i_http_response_free(&a.r);
    }
}
END_TEST

START_TEST(unasked_answers_are_refused)
{
    struct answer a;
    feed(&a, "HTTP/1.1 200 OK\nContent-Encoding: gzip");
    ck_assert(!a.went_on && a.t.failure_retryable);
    ck_assert_int_eq(a.t.failure.status, I8_ERR_NETWORK);
    ck_assert_ptr_null(strstr(a.t.failure.message, "secret"));
    i8i_http_response_free(&a.r);
    feed(&a, "HTTP/1.1 200 OK\nContent-Encoding: identity");
    ck_assert(a.went_on);
    char body[101] = {0};
    ck_assert(i8i_transfer_body(&a.t, body, 100));
    ck_assert(!i8i_transfer_body(&a.t, body, 1));
    ck_assert_int_eq(a.t.failure.status, I8_ERR_DATA);
    i8i_http_response_free(&a.r);
    feed(&a, "HTTP/1.1 OK");
    ck_assert(!a.went_on);
    i8i_http_response_free(&a.r);
}
END_TEST

START_TEST(headers_without_end_are_refused)
{
    struct answer a;
    feed(&a, "HTTP/1.1 200 OK");
    char line[5000];
    memset(line, 'x', sizeof line);
    line[5] = ':';
    for (int i = 0; i < 20; i++)
        ck_assert(i8i_transfer_header(&a.t, line, sizeof line));
    ck_assert(!i8i_transfer_header(&a.t, "\r\n", 2));
    ck_assert_int_eq(a.t.failure.status, I8_ERR_DATA);
    i8i_http_response_free(&a.r);
}
END_TEST

START_TEST(redirects_lead_to_the_web_only)
{
    char *out;
    ck_assert_int_eq(i8i_url_join(&out, "https://h/a/b?q", "/c?d=1", NULL), I8_OK);
    ck_assert_str_eq(out, "https://h/c?d=1");
    free(out);
    ck_assert_int_eq(i8i_url_join(&out, "https://h/a/b", "https://cdn.x/y?z", NULL),
                     I8_OK);
    ck_assert_str_eq(out, "https://cdn.x/y?z");
    free(out);
    ck_assert_int_eq(i8i_url_join(&out, "https://h/a", "//other/y", NULL), I8_OK);
    ck_assert_str_eq(out, "https://other/y");
    free(out);
    ck_assert_int_eq(i8i_url_join(&out, "http://h/a", "https://h/a", NULL), I8_OK);
    free(out);
    static const char *const bad[] = {"http://h/a", "file:///etc/passwd", "ftp://h/x",
                                      "https://user:word@h/x", "gopher://h/"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct i8_error err = {0};
        ck_assert_msg(i8i_url_join(&out, "https://h/a", bad[i], &err) == I8_ERR_DATA,
                      "%s", bad[i]);
        ck_assert_ptr_null(out);
        ck_assert_ptr_null(strstr(err.message, "word"));
    }
}
END_TEST

START_TEST(the_token_stays_with_its_origin)
{
    ck_assert(i8i_url_same_origin("https://h/a", "https://H:443/b?c"));
    ck_assert(i8i_url_same_origin("http://127.0.0.1:80/", "http://127.0.0.1"));
    static const char *const others[] = {"http://h/a",
                                         "https://h:444/a",
                                         "https://h.evil/a",
                                         "https://evil/h",
                                         "https://h@evil/a",
                                         "https://x.h/a",
                                         "https://evil\\@h/",
                                         "https://evil#@h/",
                                         "https://evil?@h/",
                                         "h",
                                         ""};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        ck_assert_msg(!i8i_url_same_origin("https://h/a", others[i]), "%s", others[i]);
}
END_TEST
#endif

int main(void)
{
    Suite *s = suite_create("hub client");
    TCase *names = tcase_create("names and addresses");
    tcase_add_test(names, names_are_parsed);
    tcase_add_test(names, bad_names_are_refused);
    tcase_add_test(names, a_commit_has_40_digits);
    tcase_add_test(names, addresses_are_escaped);
    tcase_add_test(names, messages_show_no_secrets_of_addresses);
    tcase_add_test(names, a_signed_address_says_when_it_ends);
    suite_add_tcase(s, names);
    TCase *retry = tcase_create("attempts");
    tcase_add_test(retry, waits_grow_and_have_a_limit);
    tcase_add_test(retry, some_statuses_may_pass);
    suite_add_tcase(s, retry);
    TCase *settings = tcase_create("settings");
    tcase_add_checked_fixture(settings, forget_variables, NULL);
    tcase_add_test(settings, settings_have_defaults);
    tcase_add_test(settings, settings_follow_the_environment);
    tcase_add_test(settings, malformed_settings_name_their_variable);
    suite_add_tcase(s, settings);
#ifdef HAVE_LIBCURL
    TCase *answers = tcase_create("answers");
    tcase_add_test(answers, headers_are_read);
    tcase_add_test(answers, false_ranges_are_none);
    tcase_add_test(answers, servers_say_how_long_to_wait);
    tcase_add_test(answers, unasked_answers_are_refused);
    tcase_add_test(answers, headers_without_end_are_refused);
    tcase_add_test(answers, redirects_lead_to_the_web_only);
    tcase_add_test(answers, the_token_stays_with_its_origin);
    suite_add_tcase(s, answers);
#endif
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
