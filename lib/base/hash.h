/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 and git's SHA-1 by OpenSSL's EVP, streaming.
 */
#ifndef I8I_BASE_HASH_H
#define I8I_BASE_HASH_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum i8i_hash_kind { I8I_SHA256, I8I_SHA1 };
#define I8I_HASH_HEX 65 /* SHA-256 in hex and NUL */

struct i8i_hash; /* one stream; not thread-safe */
enum i8_status i8i_hash_new(struct i8i_hash **out, enum i8i_hash_kind kind,
                            struct i8_error *err) I8I_MUST_CHECK;
void i8i_hash_update(struct i8i_hash *h, const void *bytes, size_t n);
/* Writes lower-case hex; the stream is then spent. */
enum i8_status i8i_hash_final(struct i8i_hash *h, char hex[I8I_HASH_HEX],
                              struct i8_error *err) I8I_MUST_CHECK;
void i8i_hash_free(struct i8i_hash *h);

/* What git hashes before a blob's content of that size: "blob SIZE" and NUL. */
void i8i_hash_git_blob(struct i8i_hash *h, uint64_t size);
/* Exactly n lower-case hex digits? false for NULL. */
bool i8i_is_hex(const char *text, size_t n);

#endif
