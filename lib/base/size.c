/* SPDX-License-Identifier: Apache-2.0
 *
 * Sizes and numbers from the command line, and back. The digits are read by hand:
 * strtoull and strtod take signs, spaces, hex and the locale's comma, which a strict
 * option must not.
 */
#include "config.h"

#include "base/size.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* 1 for nothing or "B", 1000^k for "KB" …, 1024^k for "KiB" …; 0 for anything else. */
static uint64_t unit_of(const char *s)
{
    static const char letters[] = "kmgtp";
    if (s[0] == '\0' || strcmp(s, "B") == 0)
        return 1;
    const char lower = s[0] >= 'A' && s[0] <= 'Z' ? (char)(s[0] - 'A' + 'a') : s[0];
    const char *at = strchr(letters, lower);
    if (at == NULL)
        return 0;
    uint64_t base = strcmp(s + 1, "B") == 0 ? 1000 : strcmp(s + 1, "iB") == 0 ? 1024 : 0;
    uint64_t unit = base;
    for (const char *p = letters; p < at; p++)
        unit *= base;
    return unit;
}

enum i8_status i8i_size_parse(uint64_t *bytes, const char *text, const char *what,
                              struct i8_error *err)
{
    const char *p = text;
    uint64_t whole = 0;
    bool fits = true;
    for (; is_digit(*p); p++)
        fits = fits && !__builtin_mul_overflow(whole, 10, &whole) &&
               !__builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole);
    bool good = p > text;
    uint64_t fraction = 0, scale = 1;
    if (good && *p == '.') {
        p++;
        good = is_digit(*p);
        for (; is_digit(*p); p++)
            if (scale < 1000000000000000u) { /* 15 digits; finer is below a byte */
                fraction = fraction * 10 + (uint64_t)(*p - '0');
                scale *= 10;
            }
    }
    uint64_t unit = good ? unit_of(p) : 0;
    if (unit == 0 || (unit == 1 && scale > 1))
        return i8i_fail(err, I8_ERR_ARG,
                        "%s: '%s' is not a size; expected bytes like 4096, 512MiB, 10GiB "
                        "or 1.5TB",
                        what, text);
    unsigned __int128 total =
        (unsigned __int128)whole * unit + (unsigned __int128)fraction * unit / scale;
    if (!fits || total > UINT64_MAX)
        return i8i_fail(err, I8_ERR_ARG, "%s: '%s' is more than 2^64 bytes", what, text);
    *bytes = (uint64_t)total;
    return I8_OK;
}

enum i8_status i8i_uint_parse(uint64_t *value, const char *text, uint64_t min,
                              uint64_t max, const char *what, struct i8_error *err)
{
    uint64_t v = 0;
    bool good = *text != '\0', fits = true;
    for (const char *p = text; *p != '\0' && good; p++) {
        good = is_digit(*p);
        fits = fits && good && !__builtin_mul_overflow(v, 10, &v) &&
               !__builtin_add_overflow(v, (uint64_t)(*p - '0'), &v);
    }
    if (!good)
        return i8i_fail(err, I8_ERR_ARG, "%s: '%s' is not a whole number", what, text);
    if (!fits || v < min || v > max)
        return i8i_fail(err, I8_ERR_ARG,
                        "%s: %s is out of range, expected %" PRIu64 " to %" PRIu64, what,
                        text, min, max);
    *value = v;
    return I8_OK;
}

/* strtod as in the C locale, whatever locale the program has set. */
static double c_strtod(const char *text, char **end)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t old = uselocale(c);
    double v = strtod(text, end);
    uselocale(old);
    if (c != (locale_t)0)
        freelocale(c);
    return v;
}

enum i8_status i8i_double_parse(double *value, const char *text, double min, double max,
                                const char *what, struct i8_error *err)
{
    /* strtod would also read "inf", "nan", "0x1p3" and leading space. */
    const bool plain = *text != '\0' && strspn(text, "0123456789+-.eE") == strlen(text) &&
                       (is_digit(text[0]) || text[0] == '-' || text[0] == '.');
    char *end = NULL;
    double v = plain ? c_strtod(text, &end) : 0;
    if (!plain || end == text || *end != '\0' || !isfinite(v))
        return i8i_fail(err, I8_ERR_ARG, "%s: '%s' is not a number", what, text);
    if (!(v >= min && v <= max))
        return i8i_fail(err, I8_ERR_ARG, "%s: %s is out of range, expected %g to %g",
                        what, text, min, max);
    *value = v;
    return I8_OK;
}

char *i8i_double_text(char buf[I8I_DOUBLE_TEXT], double v)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t old = uselocale(c);
    if (fabs(v) < 1e15 && v == trunc(v)) {
        snprintf(buf, I8I_DOUBLE_TEXT, "%.1f", v);
    } else {
        for (int digits = 1; digits <= 17; digits++) {
            snprintf(buf, I8I_DOUBLE_TEXT, "%.*g", digits, v);
            if (strtod(buf, NULL) == v)
                break;
        }
    }
    uselocale(old);
    if (c != (locale_t)0)
        freelocale(c);
    return buf;
}

char *i8i_size_text(char buf[I8I_SIZE_TEXT], uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        snprintf(buf, I8I_SIZE_TEXT, "%" PRIu64 " B", bytes);
        return buf;
    }
    double v = (double)bytes / 1024;
    size_t u = 0;
    /* 1023.5 would be printed as 1024: it belongs to the next unit. */
    for (; v >= 1023.5 && u + 1 < sizeof units / sizeof units[0]; u++)
        v /= 1024;
    int decimals = v < 9.995 ? 2 : v < 99.95 ? 1 : 0;
    snprintf(buf, I8I_SIZE_TEXT, "%.*f %s", decimals, v, units[u]);
    return buf;
}
