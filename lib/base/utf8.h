/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8, strictly: no overlong forms, no surrogates, nothing beyond U+10FFFF.
 */
#ifndef I8I_BASE_UTF8_H
#define I8I_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes (1 to 4) of the code point at the start of s[0..n), 0 if none is well-formed
 * there. *code_point may be NULL. */
size_t i8i_utf8_decode(const char *s, size_t n, uint32_t *code_point);
/* Bytes written to out (1 to 4); 0 for a surrogate or a value beyond U+10FFFF. */
size_t i8i_utf8_encode(char out[4], uint32_t code_point);
bool i8i_utf8_is_valid(const char *s, size_t n);

#endif
