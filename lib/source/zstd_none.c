/* SPDX-License-Identifier: Apache-2.0
 *
 * In place of zstd_codec.c in a build without libzstd.
 */
#include "config.h"

#include "source/zstd_codec.h"

#define LACKING "this build of int8tool lacks zstd"

enum i8_status i8i_zstd_check(const char *what, struct i8_error *err)
{
    return i8i_fail(err, I8_ERR_UNSUPPORTED, "%s: " LACKING, what);
}

int i8i_zstd_max_level(void)
{
    return 0;
}

unsigned i8i_zstd_version(void)
{
    return 0;
}

size_t i8i_zstd_bound(size_t n)
{
    return n;
}

enum i8_status i8i_zstd_encoder_new(struct i8i_zstd_encoder **out, int level,
                                    struct i8_error *err)
{
    (void)level;
    *out = NULL;
    return i8i_fail(err, I8_ERR_UNSUPPORTED, LACKING);
}

void i8i_zstd_encoder_free(struct i8i_zstd_encoder *e)
{
    (void)e;
}

enum i8_status i8i_zstd_encode(struct i8i_zstd_encoder *e, void *dst, size_t *bytes,
                               const void *src, size_t n, struct i8_error *err)
{
    (void)e;
    (void)dst;
    (void)src;
    (void)n;
    *bytes = 0;
    return i8i_fail(err, I8_ERR_UNSUPPORTED, LACKING);
}

enum i8_status i8i_zstd_encoder_memory(uint64_t *bytes, int level, size_t n,
                                       struct i8_error *err)
{
    (void)level;
    (void)n;
    *bytes = 0;
    return i8i_fail(err, I8_ERR_UNSUPPORTED, LACKING);
}

enum i8_status i8i_zstd_decoder_new(struct i8i_zstd_decoder **out, struct i8_error *err)
{
    *out = NULL;
    return i8i_fail(err, I8_ERR_UNSUPPORTED, LACKING);
}

void i8i_zstd_decoder_free(struct i8i_zstd_decoder *d)
{
    (void)d;
}

const char *i8i_zstd_decode(struct i8i_zstd_decoder *d, void *dst, size_t n,
                            const void *frame, size_t bytes)
{
    (void)d;
    (void)dst;
    (void)n;
    (void)frame;
    (void)bytes;
    return LACKING;
}
