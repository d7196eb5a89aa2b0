/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 by the table of well-formed byte sequences in the Unicode standard (3-7): the
 * range of the second byte is what excludes overlong forms and surrogates.
 */
#include "config.h"

#include "base/utf8.h"

static bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

size_t i8i_utf8_decode(const char *s, size_t n, uint32_t *code_point)
{
    const unsigned char *b = (const unsigned char *)s;
    uint32_t cp = 0;
    size_t used = 0;
    if (n >= 1 && b[0] < 0x80) {
        cp = b[0];
        used = 1;
    } else if (n >= 2 && b[0] >= 0xc2 && b[0] <= 0xdf && is_tail(b[1])) {
        cp = (b[0] & 0x1fu) << 6 | (b[1] & 0x3fu);
        used = 2;
    } else if (n >= 3 && b[0] >= 0xe0 && b[0] <= 0xef && is_tail(b[1]) && is_tail(b[2])) {
        cp = (b[0] & 0x0fu) << 12 | (b[1] & 0x3fu) << 6 | (b[2] & 0x3fu);
        used = cp < 0x800 || (cp >= 0xd800 && cp <= 0xdfff) ? 0 : 3;
    } else if (n >= 4 && b[0] >= 0xf0 && b[0] <= 0xf4 && is_tail(b[1]) && is_tail(b[2]) &&
               is_tail(b[3])) {
        cp = (b[0] & 0x07u) << 18 | (b[1] & 0x3fu) << 12 | (b[2] & 0x3fu) << 6 |
             (b[3] & 0x3fu);
        used = cp < 0x10000 || cp > 0x10ffff ? 0 : 4;
    }
    if (used > 0 && code_point != NULL)
        *code_point = cp;
    return used;
}

size_t i8i_utf8_encode(char out[4], uint32_t cp)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        if (cp >= 0xd800 && cp <= 0xdfff)
            return 0;
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    if (cp > 0x10ffff)
        return 0;
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

bool i8i_utf8_is_valid(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t used = i8i_utf8_decode(s + i, n - i, NULL);
        if (used == 0)
            return false;
        i += used;
    }
    return true;
}
