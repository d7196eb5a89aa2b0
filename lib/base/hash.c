/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests by OpenSSL's EVP, which picks the processor's SHA instructions.
 */
#include "config.h"

#include "base/hash.h"
#include "base/memory.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char hex_digits[] = "0123456789abcdef";

struct i8i_hash {
    EVP_MD_CTX *ctx;
    bool failed;
};

enum i8_status i8i_hash_new(struct i8i_hash **out, enum i8i_hash_kind kind,
                            struct i8_error *err)
{
    *out = NULL;
    struct i8i_hash *h = i8i_calloc(1, sizeof *h);
    if (h == NULL)
        return i8i_nomem(err);
    h->ctx = EVP_MD_CTX_new();
    if (h->ctx == NULL) {
        i8i_hash_free(h);
        return i8i_nomem(err);
    }
    const EVP_MD *md = kind == I8I_SHA256 ? EVP_sha256() : EVP_sha1();
    if (EVP_DigestInit_ex(h->ctx, md, NULL) != 1) {
        i8i_hash_free(h);
        return i8i_fail(err, I8_ERR_UNSUPPORTED, "OpenSSL provides no %s here",
                        kind == I8I_SHA256 ? "SHA-256" : "SHA-1");
    }
    *out = h;
    return I8_OK;
}

void i8i_hash_update(struct i8i_hash *h, const void *bytes, size_t n)
{
    if (EVP_DigestUpdate(h->ctx, bytes, n) != 1)
        h->failed = true;
}

enum i8_status i8i_hash_final(struct i8i_hash *h, char hex[I8I_HASH_HEX],
                              struct i8_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    hex[0] = '\0';
    if (EVP_DigestFinal_ex(h->ctx, digest, &length) != 1 || h->failed)
        return i8i_fail(err, I8_ERR_UNSUPPORTED, "OpenSSL failed to compute a digest");
    for (unsigned i = 0; i < length; i++) {
        hex[2 * i] = hex_digits[digest[i] >> 4];
        hex[2 * i + 1] = hex_digits[digest[i] & 15];
    }
    hex[2 * length] = '\0';
    return I8_OK;
}

void i8i_hash_free(struct i8i_hash *h)
{
    if (h == NULL)
        return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

void i8i_hash_git_blob(struct i8i_hash *h, uint64_t size)
{
    char head[32];
    const int n = snprintf(head, sizeof head, "blob %" PRIu64, size);
    i8i_hash_update(h, head, (size_t)n + 1);
}

bool i8i_is_hex(const char *text, size_t n)
{
    return text != NULL && strlen(text) == n && strspn(text, hex_digits) == n;
}
