/* SPDX-License-Identifier: Apache-2.0
 *
 * GPT-2's byte alphabet: each byte has a printable character of its own, so that any
 * byte string is text to the vocabulary. And the way back: bytes to valid UTF-8.
 */
#ifndef I8I_TOKENIZER_BYTE_LEVEL_H
#define I8I_TOKENIZER_BYTE_LEVEL_H

#include "base/memory.h"
#include <stdint.h>

/* The character that stands for a byte; below U+0144. */
uint32_t i8i_byte_level_char(uint8_t byte);
/* The byte that a character stands for, or -1. */
int i8i_byte_level_byte(uint32_t code_point);

/* Appends the byte-level form of n bytes. */
void i8i_byte_level_append(struct i8i_buffer *out, const char *bytes, size_t n);
/* Appends the bytes that a token stands for; a token with any character outside the
 * alphabet (an added token, say) stands for its own UTF-8 bytes. */
void i8i_byte_level_decode(struct i8i_buffer *out, const char *token);

/* Appends n bytes as valid UTF-8: each maximal ill-formed part becomes one U+FFFD (the
 * Unicode standard's 3.9, "substitution of maximal subparts"). */
void i8i_utf8_append_lossy(struct i8i_buffer *out, const char *bytes, size_t n);

#endif
