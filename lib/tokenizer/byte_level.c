/* SPDX-License-Identifier: Apache-2.0
 *
 * The alphabet in closed form: the bytes that are printable in Latin-1 stand for
 * themselves; the 68 others follow in order from U+0100.
 */
#include "config.h"

#include "tokenizer/byte_level.h"

#include "base/utf8.h"
#include <stdbool.h>
#include <string.h>

enum {
    FIRST_OTHER = 0x100,                    /* stands for byte 0x00 … */
    SECOND_RUN = FIRST_OTHER + 0x21,        /* … for byte 0x7f … */
    SOFT_HYPHEN = SECOND_RUN + 0xa1 - 0x7f, /* … and for byte 0xad */
};

static bool stands_for_itself(uint32_t c)
{
    return (c >= 0x21 && c <= 0x7e) || (c >= 0xa1 && c <= 0xff && c != 0xad);
}

uint32_t i8i_byte_level_char(uint8_t byte)
{
    if (stands_for_itself(byte))
        return byte;
    if (byte <= 0x20)
        return FIRST_OTHER + byte;
    return byte == 0xad ? SOFT_HYPHEN : SECOND_RUN + byte - 0x7fu;
}

int i8i_byte_level_byte(uint32_t c)
{
    if (stands_for_itself(c))
        return (int)c;
    if (c >= FIRST_OTHER && c < SECOND_RUN)
        return (int)(c - FIRST_OTHER);
    if (c >= SECOND_RUN && c < SOFT_HYPHEN)
        return (int)(c - SECOND_RUN + 0x7f);
    return c == SOFT_HYPHEN ? 0xad : -1;
}

void i8i_byte_level_append(struct i8i_buffer *out, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char utf8[4];
        size_t used = i8i_utf8_encode(utf8, i8i_byte_level_char((uint8_t)bytes[i]));
        i8i_buffer_append(out, utf8, used);
    }
}

void i8i_byte_level_decode(struct i8i_buffer *out, const char *token)
{
    size_t n = strlen(token), start = out->length;
    for (size_t i = 0; i < n;) {
        uint32_t c = 0;
        size_t used = i8i_utf8_decode(token + i, n - i, &c);
        int byte = used == 0 ? -1 : i8i_byte_level_byte(c);
        if (byte < 0) {
            if (!out->failed)
                out->length = start;
            i8i_buffer_append(out, token, n);
            return;
        }
        char b = (char)byte;
        i8i_buffer_append(out, &b, 1);
        i += used;
    }
}

/* Bytes at s that begin a well-formed sequence but do not complete one; at least 1. */
static size_t ill_formed_part(const unsigned char *s, size_t n)
{
    size_t tails;
    unsigned char low = 0x80, high = 0xbf; /* of the second byte */
    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        tails = 1;
    } else if (s[0] >= 0xe0 && s[0] <= 0xef) {
        tails = 2;
        low = s[0] == 0xe0 ? 0xa0 : 0x80;
        high = s[0] == 0xed ? 0x9f : 0xbf;
    } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        tails = 3;
        low = s[0] == 0xf0 ? 0x90 : 0x80;
        high = s[0] == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 1;
    }
    size_t used = 1;
    while (used <= tails && used < n && s[used] >= low && s[used] <= high) {
        used++;
        low = 0x80;
        high = 0xbf;
    }
    return used;
}

void i8i_utf8_append_lossy(struct i8i_buffer *out, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t used = i8i_utf8_decode(bytes + i, n - i, NULL);
        if (used > 0) {
            i8i_buffer_append(out, bytes + i, used);
        } else {
            used = ill_formed_part((const unsigned char *)bytes + i, n - i);
            i8i_buffer_puts(out, "\xef\xbf\xbd");
        }
        i += used;
    }
}
