/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames by libzstd's one-shot calls: with those a frame cannot depend on how its content
 * was handed over.
 */
#include "config.h"

#include "base/memory.h"
#include "source/zstd_codec.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum i8_status i8i_zstd_check(const char *what, struct i8_error *err)
{
    (void)what;
    (void)err;
    return I8_OK;
}

int i8i_zstd_max_level(void)
{
    return ZSTD_maxCLevel();
}

unsigned i8i_zstd_version(void)
{
    return ZSTD_versionNumber();
}

size_t i8i_zstd_bound(size_t n)
{
    return ZSTD_compressBound(n);
}

/* ---- encoding ---- */

struct i8i_zstd_encoder {
    ZSTD_CCtx *context;
};

enum i8_status i8i_zstd_encoder_new(struct i8i_zstd_encoder **out, int level,
                                    struct i8_error *err)
{
    *out = NULL;
    struct i8i_zstd_encoder *e = i8i_calloc(1, sizeof *e);
    if (e == NULL || (e->context = ZSTD_createCCtx()) == NULL) {
        free(e);
        return i8i_nomem(err);
    }
    if (level < 1 || level > ZSTD_maxCLevel() ||
        ZSTD_isError(
            ZSTD_CCtx_setParameter(e->context, ZSTD_c_compressionLevel, level)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(e->context, ZSTD_c_checksumFlag, 1))) {
        i8i_zstd_encoder_free(e);
        return i8i_fail(err, I8_ERR_ARG, "zstd level %d: expected 1 to %d", level,
                        ZSTD_maxCLevel());
    }
    *out = e;
    return I8_OK;
}

void i8i_zstd_encoder_free(struct i8i_zstd_encoder *e)
{
    if (e == NULL)
        return;
    ZSTD_freeCCtx(e->context);
    free(e);
}

enum i8_status i8i_zstd_encode(struct i8i_zstd_encoder *e, void *dst, size_t *bytes,
                               const void *src, size_t n, struct i8_error *err)
{
    *bytes = ZSTD_compress2(e->context, dst, ZSTD_compressBound(n), src, n);
    if (!ZSTD_isError(*bytes))
        return I8_OK;
    if (ZSTD_getErrorCode(*bytes) == ZSTD_error_memory_allocation)
        return i8i_nomem(err);
    return i8i_fail(err, I8_ERR_DATA, "zstd: %s", ZSTD_getErrorName(*bytes));
}

enum i8_status i8i_zstd_encoder_memory(uint64_t *bytes, int level, size_t n,
                                       struct i8_error *err)
{
    struct i8i_zstd_encoder *e;
    size_t written;
    *bytes = 0;
    enum i8_status st = i8i_zstd_encoder_new(&e, level, err);
    if (st != I8_OK)
        return st;
    void *src = i8i_calloc(n, 1), *dst = malloc(ZSTD_compressBound(n));
    st = src && dst ? i8i_zstd_encode(e, dst, &written, src, n, err) : i8i_nomem(err);
    *bytes = ZSTD_sizeof_CCtx(e->context);
    free(src);
    free(dst);
    i8i_zstd_encoder_free(e);
    return st;
}

/* ---- decoding ---- */

struct i8i_zstd_decoder {
    ZSTD_DCtx *context;
};

enum i8_status i8i_zstd_decoder_new(struct i8i_zstd_decoder **out, struct i8_error *err)
{
    *out = NULL;
    struct i8i_zstd_decoder *d = i8i_calloc(1, sizeof *d);
    if (d == NULL || (d->context = ZSTD_createDCtx()) == NULL) {
        free(d);
        return i8i_nomem(err);
    }
    *out = d;
    return I8_OK;
}

void i8i_zstd_decoder_free(struct i8i_zstd_decoder *d)
{
    if (d == NULL)
        return;
    ZSTD_freeDCtx(d->context);
    free(d);
}

const char *i8i_zstd_decode(struct i8i_zstd_decoder *d, void *dst, size_t n,
                            const void *frame, size_t bytes)
{
    const size_t got = ZSTD_decompressDCtx(d->context, dst, n, frame, bytes);
    if (ZSTD_isError(got))
        return ZSTD_getErrorName(got);
    return got == n ? NULL : "it holds less than the seek table says";
}
