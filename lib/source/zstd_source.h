/* SPDX-License-Identifier: Apache-2.0
 *
 * A zstd seekable file as a source of its content: a read decodes the frames that it
 * touches, and those only.
 */
#ifndef I8I_SOURCE_ZSTD_SOURCE_H
#define I8I_SOURCE_ZSTD_SOURCE_H

#include "source/source.h"
#include "source/zstd_codec.h"

/* Frames that were read in part lately, and what it takes to decode one: shared by all
 * sources of a checkpoint, so that memory does not grow with the number of shards. */
struct i8i_frame_cache;
enum i8_status i8i_frame_cache_new(struct i8i_frame_cache **out,
                                   struct i8_error *err) I8I_MUST_CHECK;
/* After the last source that uses it; NULL is fine. */
void i8i_frame_cache_free(struct i8i_frame_cache *c);
/* The most memory that it and `threads` readers take, given the sources opened so far. */
uint64_t i8i_frame_cache_memory(const struct i8i_frame_cache *c, unsigned threads);

/* Opens `stored`, which *out then owns (on failure it stays the caller's). The seek table
 * is read and checked, no frame is. */
enum i8_status i8i_source_open_zstd(struct i8i_source **out, struct i8i_source *stored,
                                    struct i8i_frame_cache *cache,
                                    struct i8_error *err) I8I_MUST_CHECK;

#endif
