/* SPDX-License-Identifier: Apache-2.0
 *
 * zstd frames (RFC 8878), one at a time and from memory to memory. The only user of
 * libzstd; a build without it has zstd_none.c in place of zstd_codec.c, where everything
 * fails with a message that says so.
 */
#ifndef I8I_SOURCE_ZSTD_CODEC_H
#define I8I_SOURCE_ZSTD_CODEC_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define I8I_ZSTD_MAGIC 4 /* bytes that tell a zstd file */
/* A zstd frame or a skippable one (RFC 8878, 3.1)? Known without libzstd, too. */
bool i8i_zstd_is_zstd(const unsigned char *magic, size_t n);

/* I8_ERR_UNSUPPORTED unless this build has libzstd; `what` begins the message. */
enum i8_status i8i_zstd_check(const char *what, struct i8_error *err) I8I_MUST_CHECK;
/* Levels are 1 … max_level; 0 without libzstd. */
int i8i_zstd_max_level(void);
/* Of libzstd: another one may make other frames of the same content. */
unsigned i8i_zstd_version(void);
/* The most bytes that a frame of n bytes of content takes, at any level. */
size_t i8i_zstd_bound(size_t n);

struct i8i_zstd_encoder; /* for one thread at a time */
enum i8_status i8i_zstd_encoder_new(struct i8i_zstd_encoder **out, int level,
                                    struct i8_error *err) I8I_MUST_CHECK;
void i8i_zstd_encoder_free(struct i8i_zstd_encoder *e); /* NULL is fine */
/* One frame with content size and checksum; dst has room for i8i_zstd_bound(n) bytes.
 * The frame depends on content, level and libzstd's version, on nothing else. */
enum i8_status i8i_zstd_encode(struct i8i_zstd_encoder *e, void *dst, size_t *bytes,
                               const void *src, size_t n,
                               struct i8_error *err) I8I_MUST_CHECK;
/* What an encoder takes while it works on frames of up to n bytes; found by trying. */
enum i8_status i8i_zstd_encoder_memory(uint64_t *bytes, int level, size_t n,
                                       struct i8_error *err) I8I_MUST_CHECK;

struct i8i_zstd_decoder;                             /* for one thread at a time */
#define I8I_ZSTD_DECODER_BYTES ((uint64_t)256 << 10) /* roughly; libzstd 1.5: 156 KiB */
enum i8_status i8i_zstd_decoder_new(struct i8i_zstd_decoder **out,
                                    struct i8_error *err) I8I_MUST_CHECK;
void i8i_zstd_decoder_free(struct i8i_zstd_decoder *d); /* NULL is fine */
/* Decodes a frame of exactly n bytes of content; NULL, or what is wrong with it (static).
 * What dst holds then is undefined. */
const char *i8i_zstd_decode(struct i8i_zstd_decoder *d, void *dst, size_t n,
                            const void *frame, size_t bytes) I8I_MUST_CHECK;

#endif
